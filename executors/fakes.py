"""Stand-ins for the ports a run works with: for reading without a run, for tests, and for whoever writes an adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from executors.ports import Intent, LeaseLost, NotFound, Result
from planners.model import RecordedResource
from planners.steps import Step


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
    """A journal that keeps everything in memory. ``before`` is called with each transition's number and may raise."""

    def __init__(self, before: Callable[[int], None] = lambda _: None) -> None:
        self.token = 1
        self.transitions: list[tuple[tuple[Result, ...], tuple[Intent, ...]]] = []
        self.open: dict[str, Intent] = {}
        self.state: dict[str, RecordedResource] = {}
        self.finished: set[str] = set()
        self._before = before

    def record(self, results: Sequence[Result], intents: Sequence[Intent]) -> None:
        """One transition, all or nothing."""
        self._before(len(self.transitions))
        self.transitions.append((tuple(results), tuple(intents)))
        for result in results:
            self.open.pop(result.op, None)
            if result.status == "done":
                self.finished.add(result.op)
            if result.renamed_from:
                self.state.pop(result.renamed_from, None)
            if result.recorded is not None:
                self.state[result.recorded.address] = result.recorded
            elif result.gone:
                self.state.pop(result.address, None)
        self.open.update({i.op: i for i in intents})

    def may_start(self, seconds: float) -> bool:  # noqa: ARG002  # the port's signature
        """Always: this lease does not end."""
        return True

    def renew(self) -> None:
        """Nothing to renew."""


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
