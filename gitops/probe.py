"""Does a remote keep what a ledger relies on? Tried out on scratch branches: nobody's word is taken for it.

What must hold: a ref is made only once, moves only from where it is, several move together or not at all, of two who move it
at once one does, and what was taken is read back. What should not: that anybody can rewind or delete such a branch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from statistics import median
from threading import Thread
from typing import Protocol

from executors.ports import Clock
from gitops.ledger.workspace_moves import ProbeRecord
from gitops.ports import ZERO, GitError, Person, Pushed, RefUpdate, Remote, Repository
from planners.dataclass import dataclass

SCRATCH = "refs/heads/provisioning/probe-"


class Probed(Remote, Protocol):
    """A remote on which a scratch branch may be rewound and deleted."""

    def overwrite(self, ref: str, old: str, new: str) -> Pushed:
        """Move ``ref`` anywhere, or delete it (``ZERO``)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``kept``: whether it is as it should be; ``needed``: whether a ledger depends on it."""

    what: str
    kept: bool
    needed: bool = True
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found at ``remote`` (its normalised address). ``seconds``: median of a push; ``left``: a branch that stays."""

    remote: str
    time: int
    findings: tuple[Finding, ...]
    seconds: float = 0.0
    left: str = ""

    @property
    def record(self) -> ProbeRecord:
        """What of it everybody is to know."""
        missed = [f for f in self.findings if not f.kept]
        broken, unguarded = (tuple(f.what for f in missed if f.needed is needed) for needed in (True, False))
        return ProbeRecord(self.remote, self.time, broken, unguarded, round(self.seconds * 1000))


class Scratch:
    """Two branches of a random name, and how long pushing to them takes."""

    def __init__(self, repository: Repository, remote: Probed, who: Person, nonce: str, clock: Clock) -> None:
        self.repository, self.remote, self.clock = repository, remote, clock
        self.ref, self.other = f"{SCRATCH}{nonce}", f"{SCRATCH}{nonce}-2"
        self.took: list[float] = []
        self.at: Mapping[str, str] = {}
        """Where both were when last looked at; a branch that is not there is not in it."""
        self._who = who

    def commit(self, parent: str, text: str) -> str:
        """A commit that says what it is for."""
        return self.repository.write(parent, {"probe": f"{self.ref} {text}\n".encode()}, f"Probe: {text}\n", self._who)

    def look(self) -> str:
        """Where the branch is now, "" when it is not there."""
        self.at = self.remote.refs([self.ref, self.other])
        return self.at.get(self.ref, "")

    def moves(self, *updates: RefUpdate) -> bool:
        """Push; whether every ref is then where it was to go."""
        return self._lands(lambda: self.remote.push(updates), *updates)

    def ending(self, parent: str) -> str:
        """An empty commit: what a branch that cannot be deleted is left at."""
        return self.repository.write(parent, {"probe": None}, "Probe: over\n", self._who)

    def overwrites(self, old: str, new: str, ref: str = "") -> bool:
        """Rewind or delete; whether it happened."""
        update = RefUpdate(ref or self.ref, old, new)
        return self._lands(lambda: self.remote.overwrite(update.ref, old, new), update)

    def _lands(self, push: Callable[[], Pushed], *updates: RefUpdate) -> bool:
        began = self.clock.monotonic()
        try:
            push()
        except GitError as error:
            if error.kind != "denied":
                raise
        self.took.append(self.clock.monotonic() - began)
        self.look()
        return all(self.at.get(u.ref, ZERO) == u.new for u in updates)


def probe(repository: Repository, remote: Probed, address: str, who: Person, nonce: str, clock: Clock) -> Probe:
    """Try ``remote`` (``address``: normalised) out; a dozen pushes. Raises ``GitError``: unreachable, denied."""
    who = replace(who, time=int(clock.wall()))
    scratch = Scratch(repository, remote, who, nonce, clock)
    first = scratch.commit("", "first")
    remote.push([RefUpdate(scratch.ref, ZERO, first)])
    findings = tuple(_needed(scratch, first))
    if findings[0].kept:
        findings += tuple(_protected(scratch))
    left = scratch.ref.removeprefix("refs/heads/") if scratch.look() else ""
    return Probe(address, who.time, findings, median(scratch.took), left)


def _needed(scratch: Scratch, first: str) -> Iterator[Finding]:
    """What a ledger relies on, from the branch just made at ``first``."""
    here = {scratch.ref: first}
    scratch.look()
    yield Finding("a branch can be made and is read back", scratch.at == here)
    second = scratch.commit(first, "second")
    scratch.moves(RefUpdate(scratch.ref, ZERO, scratch.commit("", "made again")))
    yield Finding("a branch that is there is not made again", scratch.at == here)
    lost = RefUpdate(scratch.ref, second, scratch.commit(second, "from elsewhere"))
    scratch.moves(lost)
    yield Finding("a branch moves only from where it is", scratch.at == here)
    scratch.moves(RefUpdate(scratch.other, ZERO, second), lost)
    yield Finding("several branches move together or not at all", scratch.at == here)
    yield Finding("a branch moves from where it is", scratch.moves(RefUpdate(scratch.ref, first, second)))
    yield Finding("of two who move a branch at once, one does", _race(scratch, second))


def _race(scratch: Scratch, tip: str) -> bool:
    """Two pushes from one tip at the same moment: exactly one is told yes at most, and the branch is where it went."""
    rivals = [scratch.commit(tip, name) for name in ("left", "right")]
    told: dict[str, Pushed] = {}

    def run(rival: str) -> None:
        try:
            told[rival] = scratch.remote.push([RefUpdate(scratch.ref, tip, rival)])
        except GitError:
            told[rival] = Pushed.UNKNOWN

    threads = [Thread(target=run, args=(rival,)) for rival in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = [rival for rival, answer in told.items() if answer is Pushed.ACCEPTED]
    now = scratch.look()
    return len(accepted) <= 1 and now in (accepted or rivals)


def _protected(scratch: Scratch) -> Iterator[Finding]:
    """Whether the remote itself guards such branches; the last attempt cleans up where it may."""
    advice = "protect provisioning/** there against force pushes and deletion, by everybody"
    tip = scratch.look()
    ending = scratch.ending(tip)
    if scratch.moves(RefUpdate(scratch.ref, tip, ending)):
        tip = ending
    rewound = scratch.overwrites(tip, scratch.commit("", "rewritten"))
    yield Finding("a branch cannot be rewritten", not rewound, needed=False, hint=advice)
    gone = scratch.overwrites(scratch.at.get(scratch.ref, ""), ZERO)
    yield Finding("a branch cannot be deleted", not gone, needed=False, hint=advice)
    if there := scratch.at.get(scratch.other):
        scratch.overwrites(there, ZERO, scratch.other)
