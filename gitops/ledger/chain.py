"""A chain of commits in Git, such as a ledger: one ref at the remote, moved by compare-and-swap alone, and what this clone saw.

What became of a push that was not plainly accepted is unknown until the ref has been read again and compared with the commit
that was to be published: neither git's exit code nor its words decide anything. A ref that no longer contains what this
clone saw of it was rewritten, and nothing is written to it any more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from gitops.ledger import generations
from gitops.ports import NOTHING, ZERO, GitError, Person, Pushed, RefUpdate, Remote, Repository
from gitops.stops import Exit, Stop
from planners.dataclass import dataclass

if TYPE_CHECKING:
    from executors.ports import Clock

SHARED, OWN = "refs/heads/provisioning", "refs/provisioning"
REMOTE_PREFIX = f"{SHARED}/ledger"
LOCAL = f"{OWN}/ledger"
FIRST_WAIT, LONGEST_WAIT = 0.05, 5.0
"""Seconds between attempts: full jitter below a bound that doubles."""
LOOKS = 8
"""How often a ref is read that is where it was before, until it counts as rewound; about six seconds in all."""
PATIENCE = 10.0
"""Seconds a push is tried for, unless the caller says otherwise: a busy server refuses what it would take a moment later."""


class LostRaceError(Exception):
    """The ref has moved on to ``tip`` without our commit, which can now never be published."""

    def __init__(self, tip: str) -> None:
        super().__init__(tip)
        self.tip = tip


class OutdatedError(Exception):
    """Another ref has moved that was not to have moved: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter. ``draw`` gives a number from 0 up to 1."""

    clock: Clock
    draw: Callable[[], float]

    def wait(self, attempt: int, longest: float = LONGEST_WAIT) -> None:
        """Before attempt ``attempt`` (from 1), at most ``longest`` seconds."""
        self.clock.sleep(self.draw() * min(longest, LONGEST_WAIT, FIRST_WAIT * 2 ** min(attempt, 10)))


class Chain:
    """One ref of one infra, or ("") of the workspace. ``kind``: what it holds, as it stands in its name. ``trust`` is shown
    every new tip and the one seen before it, and raises ``Stop`` rather than let it be remembered."""

    def __init__(
        self,
        repository: Repository,
        remote: Remote,
        infra: str,
        backoff: Backoff,
        kind: str = "ledger",
        trust: Callable[[str, str], None] | None = None,
    ) -> None:
        self.repository = repository
        self.remote = remote
        self.infra = infra
        self.backoff = backoff
        self.kind = kind
        self.what = f"the {kind} of " + (f"'{infra}'" if infra else "the workspace")
        name = f"{kind}/{infra}" if infra else kind
        self._shared, self._local, self._sealed = f"{SHARED}/{name}", f"{OWN}/{name}", f"{OWN}/sealed/{name}"
        self.refs = generations.patterns(self._shared)
        """What to ask the remote for."""
        self.generation = 1
        """The one that was looked at last; see ``gitops.ledger.generations``."""
        self.incoming = f"{OWN}/incoming/{name}"
        self._trust = trust

    @property
    def ref(self) -> str:
        """Its name at the remote."""
        return self.ref_of(self.generation)

    def ref_of(self, generation: int) -> str:
        """The name of one generation at the remote."""
        return generations.nth(self._shared, generation)

    def tips(self, known: Mapping[str, str] | None = None) -> Mapping[int, str]:
        """Generation -> tip at the remote, oldest first; ``known``: refs just read there. Raises ``GitError``."""
        return generations.of(self.remote.refs(self.refs) if known is None else known, self._shared)

    def sealed(self) -> Mapping[int, str]:
        """Generation -> tip of the sealed chains that this clone keeps, oldest first."""
        return generations.of(self.repository.local(f"{OWN}/sealed/{self.kind}"), self._sealed)

    def bring_sealed(self, there: Mapping[int, str]) -> None:
        """Fetch the sealed chains among ``there`` and keep them. Raises ``GitError``."""
        names = {generations.nth(self._shared, n): generations.nth(self._sealed, n) for n in there if n < max(there)}
        self.remote.fetch(names)

    def seen(self) -> str:
        """The tip this clone saw last, "" for none."""
        # a question to the reading child, where listing refs takes a process; only that one tells a ref whose commit is missing
        return self.repository.resolve(self._local) or self.repository.local(self._local).get(self._local, "")

    def peek(self) -> tuple[str, str]:
        """(tip seen last, tip at the remote), "" for none: fetched, neither judged nor remembered. Raises ``GitError``."""
        seen, there = self.seen(), self.tips()
        self.generation, tip = max(there.items(), default=(1, ""))
        if tip:
            tip = self._fetched(tip)
            self.bring_sealed(there)
        return seen, tip

    def fetch(self, known: Mapping[str, str] | None = None) -> str:
        """The tip at the remote, "" without one; ``known``: refs as the caller has just read them there.

        Raises ``Stop`` when the chain was rewritten, ``GitError`` when the remote cannot be read.
        """
        for look in range(1, LOOKS + 1):
            # what was seen is read first: another process of this clone may note a newer tip at any moment
            seen = self.seen()
            there = self.tips(known)
            self.generation, tip = max(there.items(), default=(1, ""))
            if tip == seen:
                return tip
            if tip:
                tip = self._fetched(tip)
            if not seen or (tip and self._follows(tip, seen, there)):
                break
            if look == LOOKS or (tip and not self._follows(seen, tip)):
                raise self._rewritten(seen, tip)
            # what was there before: a rewound ref, or a replica of the remote that lags behind, which will not last
            known = None
            self.backoff.wait(look)
        if tip and self._trust is not None:
            self._trust(tip, seen)
        if tip:
            self._note(tip, seen)
        return tip

    def _follows(self, tip: str, commit: str, there: Mapping[int, str] | None = None) -> bool:
        """Whether ``commit`` is below ``tip``, or below what that continues, which is among ``there``."""
        if self.repository.contains(tip, commit):
            return True
        from gitops.ledger.line import follows

        self.bring_sealed(there or {})
        return follows(self.repository, tip, commit)

    def _fetched(self, tip: str) -> str:
        """Bring ``tip`` or what has followed it by now."""
        try:
            return self.remote.fetch({self.ref: self.incoming}).get(self.incoming, "")
        except GitError:
            # another process of this clone may have been at the same local ref; what counts is that the commit is here
            try:
                return self.repository.commit(tip).oid
            except GitError:
                return self.remote.fetch({self.ref: self.incoming}).get(self.incoming, "")

    def _note(self, tip: str, seen: str) -> None:
        """Remember ``tip``. If another process noted something meanwhile, its note stands: it was read later than ``seen``."""
        self.repository.set_ref(self._local, tip, seen or ZERO)

    def _rewritten(self, seen: str, tip: str) -> Stop:
        were = "were" if self.kind.endswith("s") else "was"
        what = f"{tip[:12]} does not follow from it" if tip else "it is gone from the remote"
        message = f"TAMPERED: {self.what} {were} rewritten at the remote: this clone saw {seen[:12]} and {what}"
        command = f"provisioning state repair -i {self.infra}" if self.infra else "provisioning audit repair"
        hint = f"nothing is written any more; '{command}' says what happened and what can be done"
        return Stop(Exit.FAILURE, message, hint)

    def publish(
        self, parent: str, edits: Mapping[str, bytes | str | None], message: str, author: Person, patience: float = PATIENCE
    ) -> str:
        """A new commit on ``parent`` ("" for the first), sent. Returns and raises as ``send`` does."""
        return self.send(parent, self.repository.write(parent, edits, message, author), patience)

    def send(self, old: str, new: str, patience: float = PATIENCE, unmoved: Mapping[str, str] = NOTHING) -> str:
        """Move the ref from ``old`` ("" : it must not exist) to ``new``, as long as others are where they are given (``unmoved``,
        as for ``Remote.push``). Returns the tip there: ``new``, or what followed it.

        Raises ``LostRaceError``, ``OutdatedError``, ``Stop`` when the chain was rewritten, ``GitError`` when writing is denied,
        or when ``patience`` seconds have not been enough to learn what became of it: it may still land.
        """
        clock, attempt, ref, unsent = self.backoff.clock, 0, self.ref, True
        until = clock.monotonic() + patience
        while True:
            error: GitError | None = None
            try:
                # a ref that did not exist may have been left behind meanwhile, sealed and taken away: then it must be read;
                # one that goes on is where the last look found it, which a process that has not looked yet cannot know
                move = RefUpdate(self.ref if old else ref, old or ZERO, new)
                sent = not self._outdated(old, new) and self.remote.push([move], unmoved)
                unsent &= sent in (False, Pushed.REJECTED)
                if sent is Pushed.ACCEPTED and old:
                    self._note(new, old)
                    return new
            except GitError as refused:
                error, unsent = refused, False
            try:
                tip = self.fetch()
            except GitError as unread:
                error = error or unread
            else:
                if tip == new or (tip != old and self.repository.contains(tip, new)):
                    return tip
                if tip != old:
                    raise LostRaceError(tip)
                if error is not None:
                    raise error
                if sent is Pushed.REJECTED and unmoved and unsent:
                    raise OutdatedError
            if clock.monotonic() >= until:
                unknown = GitError(f"the remote does not take {self.what}", "unreachable", "try again")
                raise error or self.remote.refused or unknown
            attempt += 1
            self.backoff.wait(attempt)

    def _outdated(self, old: str, new: str) -> bool:
        """Whether this clone knows of more than ``old`` by now: a ref that was rewound to just there would take ``new``."""
        seen = self.seen()
        return bool(seen) and seen != old and not self._follows(old or new, seen)


def fresh_nonce() -> str:
    """128 random bits in hex: no two commits are ever alike, or two could believe that they published the same one."""
    return os.urandom(16).hex()


def draw() -> float:
    """A random number from 0 up to 1."""
    return int.from_bytes(os.urandom(6), "big") / (1 << 48)


def stop_of(error: GitError) -> Stop:
    """What git could not do, as the end of a command."""
    code = {"denied": Exit.DENIED, "no-identity": Exit.INVALID}.get(error.kind, Exit.FAILURE)
    return Stop(code, str(error), error.hint)
