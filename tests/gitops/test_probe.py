"""A remote is tried out: a good one passes, and each promise that is not kept is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from executors.clocks import FakeClock, SystemClock
from gitops.git.local import open_repository
from gitops.git.memory import MemoryRemote, MemoryRepository, MemoryServer
from gitops.git.remote import GitRemote
from gitops.ledger.holder import Actor
from gitops.ledger.workspace_chain import WorkspaceChain
from gitops.ledger.workspace_moves import ProbeRecord
from gitops.ports import NOTHING, ZERO, GitError, Person, Pushed, RefUpdate
from gitops.probe import Probe, probe
from gitops.stops import Exit, Stop

WHO = Person("Ann", "ann@example.org")
NEEDED = (
    "a branch can be made and is read back",
    "a branch that is there is not made again",
    "a branch moves only from where it is",
    "several branches move together or not at all",
    "a branch moves from where it is",
    "of two who move a branch at once, one does",
)
GUARDS = ("a branch cannot be rewritten", "a branch cannot be deleted")


class Trial(MemoryRemote):
    """A remote in memory that may be rewritten, and may break promises."""

    def __init__(self, repository: MemoryRepository, server: MemoryServer) -> None:
        super().__init__(repository, server)
        self.clone, self.server = repository, server
        self.guarded = False

    def overwrite(self, ref: str, old: str, new: str) -> Pushed:
        if self.guarded:
            raise GitError("protected", "denied")
        if new == ZERO:
            del self.server.refs[ref]
        else:
            self.put(ref, new)
        return Pushed.ACCEPTED

    def put(self, ref: str, new: str) -> None:
        self.server.objects |= self.clone.objects
        self.server.refs[ref] = new


class Careless(Trial):
    """Takes every push, wherever the ref is."""

    def push(self, updates: Sequence[RefUpdate], unmoved: Mapping[str, str] = NOTHING) -> Pushed:
        for update in updates:
            self.put(update.ref, update.new)
        return Pushed.ACCEPTED


class Torn(Trial):
    """Moves what it can of several."""

    def push(self, updates: Sequence[RefUpdate], unmoved: Mapping[str, str] = NOTHING) -> Pushed:
        return max((super(Torn, self).push([update]) for update in updates), key=lambda outcome: outcome is Pushed.ACCEPTED)


class Blind(Trial):
    """Says yes to a move from where the ref was once."""

    def push(self, updates: Sequence[RefUpdate], unmoved: Mapping[str, str] = NOTHING) -> Pushed:
        if updates[0].old != ZERO and self.clone.contains(self.server.refs[updates[0].ref], updates[0].old):
            self.put(updates[0].ref, updates[0].new)
            return Pushed.ACCEPTED
        return super().push(updates, unmoved)


class Lagging(Trial):
    """Shows nothing of what it took."""

    def refs(self, patterns: Sequence[str]) -> dict[str, str]:
        return {}


def tried(kind: type[Trial] = Trial, **switches: bool) -> tuple[Probe, Trial]:
    server = MemoryServer()
    repository, _ = server.clone()
    remote = kind(repository, server)
    for name, value in switches.items():
        setattr(remote, name, value)
    return probe(repository, remote, "memory/shared", WHO, "nonce", FakeClock(1_800_000_000)), remote


def broken(made: Probe) -> set[str]:
    return {f.what for f in made.findings if not f.kept}


def test_a_good_remote_keeps_every_promise_and_is_left_clean() -> None:
    made, remote = tried()
    assert [f.what for f in made.findings if f.needed] == [*NEEDED]
    assert broken(made) == {*GUARDS}
    assert (made.record.broken, made.left, made.time, made.remote) == ((), "", 1_800_000_000, "memory/shared")
    assert remote.server.refs == {}


def test_a_guarded_remote_keeps_an_empty_branch() -> None:
    made, remote = tried(guarded=True)
    assert broken(made) == set()
    assert made.left == "provisioning/probe-nonce"
    assert remote.clone.entries(remote.server.refs["refs/heads/provisioning/probe-nonce"]) == {}


@pytest.mark.parametrize(
    ("kind", "missed"),
    [
        (Careless, {*NEEDED[1:4], NEEDED[5]}),
        (Torn, {NEEDED[3]}),
        (Blind, {NEEDED[5]}),
        (Lagging, {NEEDED[0], NEEDED[4], NEEDED[5]}),
    ],
)
def test_a_promise_that_is_not_kept_is_found(kind: type[Trial], missed: set[str]) -> None:
    made, _ = tried(kind)
    assert missed <= broken(made)
    assert missed <= {*made.record.broken}


@pytest.mark.parametrize("kind", [Careless, Torn, Blind, Lagging])
def test_a_broken_remote_is_given_no_lock(kind: type[Trial]) -> None:
    server = MemoryServer()
    repository, _ = server.clone()
    remote, clock = kind(repository, server), FakeClock(1_800_000_000)

    def tried() -> ProbeRecord:
        return probe(repository, remote, "memory/shared", WHO, "nonce", clock).record

    chain = WorkspaceChain(repository, remote, "w1", "memory/shared", clock, Actor(WHO), tried)
    for _ in range(2):
        with pytest.raises(Stop, match=r"memory/shared is not fit for a ledger.*not so: ") as caught:
            chain.admit("shop", "write")
        assert caught.value.code is Exit.FAILURE
        assert "doctor --remote" in caught.value.hint


def test_what_a_torn_push_left_is_cleaned_up() -> None:
    _, remote = tried(Torn)
    assert remote.server.refs == {}


def test_a_remote_that_takes_no_push_of_ours_is_not_judged() -> None:
    server = MemoryServer()
    repository, _ = server.clone()
    server.writable = False
    with pytest.raises(GitError, match="does not allow this push"):
        probe(repository, Trial(repository, server), "x", WHO, "nonce", FakeClock())


def test_what_everybody_is_to_know_of_it() -> None:
    made, _ = tried(Torn)
    assert made.record == ProbeRecord("memory/shared", 1_800_000_000, (NEEDED[3],), GUARDS, 0)
    assert tried(guarded=True)[0].record.unguarded == ()


@pytest.mark.parametrize("guarded", [False, True])
def test_a_real_folder(file_remote: Callable[[str], Any], meet: Callable[..., Any], tmp_path: Path, guarded: bool) -> None:
    real(file_remote("state"), meet("Ann"), tmp_path, guarded)


@pytest.mark.real
@pytest.mark.slow
def test_real_remotes_over_every_transport(git_remote: Callable[[str], Any], meet: Callable[..., Any], tmp_path: Path) -> None:
    real(git_remote("state"), meet("Ann"), tmp_path, guarded=True)


def real(site: Any, ann: Any, tmp_path: Path, guarded: bool) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    ann.git(folder, "init", "--quiet")
    if guarded:
        ann.git(site.path, "config", "receive.denyDeletes", "true")
        ann.git(site.path, "config", "receive.denyNonFastForwards", "true")
    with open_repository(folder, {**ann.environ, **site.environ}) as repository:
        made = probe(repository, GitRemote(repository.git, site.url), "x", WHO, "nonce", SystemClock())
    assert broken(made) == (set() if guarded else {*GUARDS})
    assert made.record.broken == ()
    left = ann.git(site.path, "for-each-ref", "--format=%(refname:short)")
    assert left == made.left == ("provisioning/probe-nonce" if guarded else "")
