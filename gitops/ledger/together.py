"""The locks of several infras: all of them or none, each kept alive until its turn is over.

They are taken in the order of the infras' names. Whoever waits for one holds only such as come before it, so whoever holds the
last of all names in question waits for nobody: no circle of waiting is possible, whatever order people write the names in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from executors.ports import LeaseLost
from gitops.ledger.locking import lost_stop
from gitops.stops import Stop
from planners.dataclass import dataclass

if TYPE_CHECKING:
    from executors.ports import Clock
    from gitops.ledger.held import Held
    from gitops.ledger.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Wanted:
    """One lock to be had, and the run and plan it is for."""

    ledger: Ledger
    run: str
    plan: str


class Together:
    """What is held. ``renew`` is called by whoever works under one of the locks or waits for another."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._ends: dict[str, ExitStack] = {}
        self._lost: set[str] = set()

    def renew(self) -> None:
        """Renew the one that has waited longest, if a quarter of its lease has passed: at most one push, so that nobody is kept
        from work for long. One that is lost says so when its turn comes."""
        waiting = {infra: held for infra, held in self._held.items() if infra not in self._lost}
        if waiting:
            infra = max(waiting, key=lambda name: waiting[name].waited)
            try:
                waiting[infra].keep()
            except LeaseLost:
                self._lost.add(infra)

    @contextmanager
    def under(self, infra: str) -> Iterator[Held]:
        """Work under one of them. Raises ``Stop`` when it was lost."""
        try:
            self._held[infra].renew()
            yield self._held[infra]
        except LeaseLost as lost:
            raise self._held[infra].refused or lost_stop(infra, "was lost", lost) from lost

    def release(self, infra: str) -> None:
        """Its turn is over. Raises ``Stop`` when it cannot be released."""
        del self._held[infra]
        self._ends.pop(infra).close()

    def take(self, infra: str, block: ExitStack, held: Held) -> None:
        """One more is ours, until ``block`` is closed."""
        self._held[infra] = held
        self._ends[infra] = block

    @property
    def names(self) -> str:
        """The infras, for a sentence."""
        return ", ".join(f"'{infra}'" for infra in self._held)


@contextmanager
def together(
    wanted: Sequence[Wanted], kind: str, reason: str, timeout: float, clock: Clock, waiting: Callable[[str], None]
) -> Iterator[Together]:
    """All locks that are ``wanted``, waited for ``timeout`` seconds in all. What was not released when the block ends is released
    then. Raises ``Stop``, as taking one does, when one of them cannot be had: those already taken have been given back."""
    until = clock.monotonic() + timeout
    taken = Together()
    with ExitStack() as stack:
        for one in sorted(wanted, key=lambda w: w.ledger.infra):
            left = max(until - clock.monotonic(), 0.0)
            block = stack.enter_context(ExitStack())
            try:
                held = block.enter_context(one.ledger.acquire(kind, one.run, one.plan, reason, left, waiting, taken.renew))
            except Stop as stop:
                if not taken.names:
                    raise
                hint = f"nothing was started, given back: {taken.names}; {stop.hint}"
                raise Stop(stop.code, stop.message, hint, stop.problems) from stop
            taken.take(one.ledger.infra, block, held)
        yield taken
