"""A chain of commits in git, such as a ledger: one ref, moved by compare-and-swap alone, and what this clone saw of it last.

The outcome of a push that was not plainly accepted is unknown until the ref has been read again and compared with the
commit that was to be published: neither git's exit code nor its words decide anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from executors.ports import Clock
from gitops.ports import ZERO, GitError, Person, Pushed, RefUpdate, Remote, Repository
from gitops.stops import Exit, Stop

SHARED, OWN = "refs/heads/provisioning", "refs/provisioning"
REMOTE_PREFIX = f"{SHARED}/ledger"
LOCAL = f"{OWN}/ledger"
FIRST_WAIT, LONGEST_WAIT = 0.05, 5.0
"""Seconds between attempts: full jitter below a bound that doubles."""


class LostRaceError(Exception):
    """The ref is no longer where it was, and our commit can never be published."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter. ``draw`` gives a number from 0 up to 1."""

    clock: Clock
    draw: Callable[[], float]

    def wait(self, attempt: int) -> None:
        """Before attempt ``attempt`` (from 0)."""
        self.clock.sleep(self.draw() * min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt, 10)))


class Chain:
    """One ref of one infra. ``kind``: what it holds, as it stands in its name."""

    def __init__(self, repository: Repository, remote: Remote, infra: str, backoff: Backoff, kind: str = "ledger") -> None:
        self.repository = repository
        self.remote = remote
        self.infra = infra
        self.backoff = backoff
        self.kind = kind
        self.ref = f"{SHARED}/{kind}/{infra}"
        self._local = f"{OWN}/{kind}/{infra}"
        self._incoming = f"{OWN}/incoming/{kind}/{infra}"

    def seen(self) -> str:
        """The tip this clone saw last, "" for none."""
        return self.repository.local(self._local).get(self._local, "")

    def fetch(self) -> str:
        """The tip at the remote, "" without one. Raises ``Stop`` when it was rewritten, ``GitError`` when unreachable."""
        seen = self.seen()
        tip = self.remote.refs([self.ref]).get(self.ref, "")
        if tip != seen:
            if not tip:
                raise self.tampered(seen, "it is gone from the remote")
            tip = self._fetched()
            self.note(tip)
        return tip

    def _fetched(self) -> str:
        return self.remote.fetch({self.ref: self._incoming}).get(self._incoming, "")

    def note(self, tip: str) -> None:
        """Remember a newer tip; one that does not descend from what we saw is a rewritten chain. Raises ``Stop``."""
        seen = self.seen()
        if seen == tip:
            return
        if not tip or (seen and not self.repository.contains(tip, seen)):
            if tip and self.repository.contains(seen, tip):
                return  # an older tip, read before somebody else noted a newer one
            raise self.tampered(seen, f"{tip[:12] or 'nothing'} does not follow from it")
        self.repository.set_ref(self._local, tip, seen or ZERO)

    def tampered(self, seen: str, what: str) -> Stop:
        """The chain is not the one this clone knows."""
        were = "were" if self.kind.endswith("s") else "was"
        message = f"the {self.kind} of '{self.infra}' {were} rewritten at the remote: this clone saw {seen[:12]} and {what}"
        hint = f"nothing is written any more; find out who did it, then restore it: git push origin {self._local}:{self.ref}"
        return Stop(Exit.FAILURE, message, hint)

    def publish(
        self, parent: str, edits: Mapping[str, bytes | str | None], message: str, author: Person, until: float = 0.0
    ) -> str:
        """A commit on ``parent`` that is at the remote when this returns its id. Raises as ``send`` does."""
        return self.send(parent, self.repository.write(parent, edits, message, author), until)

    def send(self, parent: str, new: str, until: float = 0.0) -> str:
        """Bring ``new``, a child of ``parent``, to the remote; returns it.

        Raises ``LostRaceError`` when the ref has moved on without it, ``GitError`` when the remote does not answer before
        ``until`` (monotonic; 0: the first failure to reach it ends this).
        """
        attempt = 0
        while True:
            try:
                if self.remote.push([RefUpdate(self.ref, parent or ZERO, new)]) is Pushed.ACCEPTED or self._landed(parent, new):
                    self.note(new)
                    return new
            except GitError as error:
                if error.kind == "denied" or self.backoff.clock.monotonic() >= until:
                    raise
            attempt += 1
            self.backoff.wait(attempt)

    def _landed(self, parent: str, new: str) -> bool:
        """Whether ``new`` is at the remote or in its history; ``False``: not yet, the same commit may be sent again."""
        tip = self.remote.refs([self.ref]).get(self.ref, "")
        if tip == new:
            return True
        if tip == parent:
            return False
        tip = self._fetched()
        self.note(tip)
        raise LostRaceError(tip)
