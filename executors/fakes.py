"""Stand-ins for the ports a run works with: for reading without a run, for tests, and for whoever writes an adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import TypeVar

from executors.ports import Broken, Found, Intent, LeaseLost, Machine, NotFound, Owner, Provider, Request, Result
from planners.model import Observation, RecordedResource
from planners.steps import Step

T = TypeVar("T")


def nothing(*_: object) -> None:
    """What a hook does when nothing is to go wrong."""


class NoJournal:
    """Nothing may be written: what reads only has no journal."""

    token = 0

    def record(self, results: Sequence[Result], intents: Sequence[Intent]) -> None:  # noqa: ARG002  # the port's signature
        """Refuses."""
        raise LeaseLost("no lock is held here")

    def may_start(self, seconds: float) -> bool:  # noqa: ARG002  # the port's signature
        """Never."""
        return False

    def renew(self) -> None:
        """Nothing to renew."""


class MemoryJournal:
    """A journal that keeps everything in memory and holds its caller to the protocol.

    ``before`` and ``after`` are called with each transition's number (from 0) and may raise: before, nothing of it is
    durable; after, all of it is and only the answer is lost.
    """

    def __init__(
        self,
        state: Mapping[str, RecordedResource] | None = None,
        before: Callable[[int], None] = nothing,
        after: Callable[[int], None] = nothing,
    ) -> None:
        self.token = 1
        self.transitions: list[tuple[tuple[Result, ...], tuple[Intent, ...]]] = []
        self.open: dict[str, Intent] = {}
        self.state = dict(state or {})
        self.finished: set[str] = set()
        self.lost = ""
        """Why the lease is gone; "" while it is held."""
        self.renewals = 0
        self.asked: list[float] = []
        """Seconds that effects asked for."""
        self.before, self.after = before, after
        self._lock = Lock()

    def record(self, results: Sequence[Result], intents: Sequence[Intent]) -> None:
        """One transition, all or nothing. Raises ``LeaseLost``, ``Broken`` when the protocol is violated."""
        with self._lock:
            self._hold()
            self.before(len(self.transitions))
            for result in results:
                self._close(result)
            for intent in intents:
                if intent.op in self.open or intent.op in self.finished:
                    raise Broken(f"{intent.op} is opened twice")
                self.open[intent.op] = intent
            self.transitions.append((tuple(results), tuple(intents)))
            self.after(len(self.transitions) - 1)

    def may_start(self, seconds: float) -> bool:
        """As long as the lease is held. Raises ``LeaseLost``."""
        self._hold()
        self.asked.append(seconds)
        return True

    def renew(self) -> None:
        """Counts. Raises ``LeaseLost``."""
        self._hold()
        self.renewals += 1

    @property
    def results(self) -> tuple[Result, ...]:
        """All results, in order."""
        return tuple(result for results, _ in self.transitions for result in results)

    def taken_over(self) -> MemoryJournal:
        """The journal of the next holder: it finds what is durable, and this one can write no more."""
        self.lost = "the lock was taken over"
        other = MemoryJournal(self.state)
        other.token = self.token + 1
        other.transitions, other.open, other.finished = list(self.transitions), dict(self.open), set(self.finished)
        return other

    def _hold(self) -> None:
        if self.lost:
            raise LeaseLost(self.lost)

    def _close(self, result: Result) -> None:
        if self.open.pop(result.op, None) is None:
            raise Broken(f"{result.op} ends and was not open")
        if result.status == "done":
            self.finished.add(result.op)
        if result.renamed_from:
            self.state.pop(result.renamed_from, None)
        if result.recorded is not None:
            self.state[result.recorded.address] = result.recorded
        elif result.gone:
            self.state.pop(result.address, None)


class SilentProgress:
    """Shows nothing."""

    def started(self, step: Step) -> None:
        """A step begins."""

    def finished(self, step: Step, status: str, message: str) -> None:
        """A step ended."""

    def note(self, message: str) -> None:
        """Anything else."""


class FixedSecrets:
    """Secrets from a mapping of reference to text."""

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._known = dict(known or {})

    def resolve(self, reference: str) -> str:
        """The text. Raises ``NotFound``."""
        if reference not in self._known:
            raise NotFound(f"there is no secret {reference}")
        return self._known[reference]


class FixedExtensions:
    """Extensions from a mapping of ``(kind, name)`` to files."""

    def __init__(self, known: Mapping[tuple[str, str], Mapping[str, bytes]] | None = None) -> None:
        self._known = dict(known or {})

    def files(self, kind: str, name: str) -> Mapping[str, bytes]:
        """The files. Raises ``NotFound``."""
        if (kind, name) not in self._known:
            raise NotFound(f"there is no extension {kind}/{name}")
        return self._known[kind, name]


class FaultyProvider:
    """Another provider, with whatever may go wrong on the way there and back.

    ``before`` and ``after`` are called with the verb and the address and may raise: before, nothing was done; after, it
    was done and the answer is lost. ``calls`` notes the verbs and addresses in order.
    """

    def __init__(
        self, inner: Provider, before: Callable[[str, str], None] = nothing, after: Callable[[str, str], None] = nothing
    ) -> None:
        self.spec = inner.spec
        self.calls: list[tuple[str, str]] = []
        self.before, self.after = before, after
        self._inner = inner

    def create(self, request: Request) -> Observation:
        """As the inner one."""
        return self._around("create", request.address, lambda: self._inner.create(request))

    def read(self, owner: Owner, recorded: RecordedResource) -> Observation:
        """As the inner one."""
        return self._around("read", recorded.address, lambda: self._inner.read(owner, recorded))

    def update(self, request: Request) -> Observation:
        """As the inner one."""
        return self._around("update", request.address, lambda: self._inner.update(request))

    def delete(self, request: Request) -> None:
        """As the inner one."""
        self._around("delete", request.address, lambda: self._inner.delete(request))

    def list(self, owner: Owner) -> Sequence[Found]:
        """As the inner one."""
        return self._around("list", "", lambda: self._inner.list(owner))

    def machine(self, owner: Owner, recorded: RecordedResource) -> Machine:
        """As the inner one."""
        return self._around("machine", recorded.address, lambda: self._inner.machine(owner, recorded))

    def _around(self, verb: str, address: str, call: Callable[[], T]) -> T:
        self.before(verb, address)
        self.calls.append((verb, address))
        answer = call()
        self.after(verb, address)
        return answer
