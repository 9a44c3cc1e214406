"""Going on at a mirror while the remote is away, and coming back: one chain, of which one remote at a time may be written.

``meta.json`` names the remote that a ledger lives at, and every other is refused. Going on elsewhere is a ``move-remote`` that
remembers the way home (``home``). Wherever the remote being left still answers, the move is made there first: from then on
it is fenced. A remote that is away cannot be told; that nobody goes on there is found out on the way back, not prevented.
"""

from __future__ import annotations

from dataclasses import replace

from gitops.ledger import tree
from gitops.ledger.chain import Chain
from gitops.ledger.lock import HOLD_SECONDS, State, freed
from gitops.ledger.records import Entry
from gitops.ledger.transition import Draft
from gitops.ledger.view import View
from gitops.ledger.writer import Writer
from gitops.ports import ZERO, GitError, RefUpdate
from planners.dataclass import dataclass

TRIES = 10
"""Pushes of one tip before a remote that takes none is given up."""


class PartedError(Exception):
    """What is at a remote, ``there``, does not lead to what was to be brought: somebody went on at both."""

    def __init__(self, there: str) -> None:
        super().__init__(there)
        self.there = there


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a ledger lives from now on, and where it is to return to ("" : nowhere else)."""

    remote: str
    home: str


def carry(chain: Chain, tip: str) -> None:
    """Bring the ref at the remote of ``chain`` forward to ``tip``. Raises ``PartedError``, ``GitError``."""
    for attempt in range(1, TRIES + 1):
        there = chain.tips().get(chain.generation, "")
        if there and there != tip:
            chain.remote.fetch({chain.ref: chain.incoming})
        if there and chain.repository.contains(there, tip):
            return
        if there and not chain.repository.contains(tip, there):
            raise PartedError(there)
        chain.remote.push([RefUpdate(chain.ref, there or ZERO, tip)])
        if chain.tips().get(chain.generation, "") == tip:
            return
        chain.backoff.wait(attempt)
    raise GitError(f"the remote {chain.remote.url} does not take {chain.what}", "unreachable", "try again")


def carry_all(chain: Chain, generation: int, tip: str) -> None:
    """``tip`` of ``generation``, and the sealed chains before it that this clone keeps. Raises ``PartedError``, ``GitError``."""
    chains = {number: seal for number, seal in chain.sealed().items() if number < generation}
    for chain.generation, end in {**chains, generation: tip}.items():
        carry(chain, end)


def arrived(view: View, bound: Bound) -> bool:
    """Whether a ledger lives at ``bound`` already."""
    return view.meta is not None and (view.meta.remote, view.meta.home) == (bound.remote, bound.home)


def moved(writer: Writer, view: View, bound: Bound, reason: str) -> str:
    """A commit after ``view``, not sent anywhere, by which the ledger lives at ``bound``. Whoever has the lock loses it first."""
    parent, lock = view.tip, view.lock
    if lock.state is not State.FREE:
        said = Entry(action="break", message=f"from {lock.holder_text()}", reason=reason)
        parent, lock = writer.commit(parent, lock, Draft("break", freed(lock, view.has_intents), entries=(said,)))
    was = view.meta or writer.meta
    said = Entry(action="move-remote", message=f"from {was.remote} to {bound.remote}", reason=reason)
    meta = replace(was, remote=bound.remote, home=bound.home)
    return writer.commit(parent, lock, Draft("move-remote", lock, {tree.META: tree.value_bytes(meta)}, (said,)))[0]


def stopped(writer: Writer, view: View, reason: str) -> bool:
    """Hold a side of a fork as long as a hold lasts, so that nobody goes on there; whether it is held. Its lock must be free."""
    if view.lock.state is not State.FREE:
        return view.lock.state is State.HOLD
    wall = int(writer.clock.wall())
    me = replace(writer.actor.holder(writer.nonce()), boot="", pid=0, started="", job="")
    lock = replace(freed(view.lock, view.has_intents), state=State.HOLD, kind="hold", holder=me, reason=reason, since=wall)
    draft = Draft("hold", replace(lock, expires=wall + HOLD_SECONDS), entries=(Entry(action="hold", reason=reason),))
    new, _ = writer.commit(view.tip, view.lock, draft)
    writer.chain.remote.push([RefUpdate(writer.chain.ref, view.tip, new)])
    return writer.chain.tips().get(writer.chain.generation, "") == new
