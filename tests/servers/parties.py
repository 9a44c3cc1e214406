"""Processes that work with one ledger at a real remote, each in a clone of its own; and git as anybody may run it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from git_servers import ISOLATED, RemoteSite

from executors.clocks import FakeClock
from executors.ports import Clock
from gitops.git.local import GitRepository, open_repository
from gitops.git.remote import GitRemote
from gitops.ledger.chain import fresh_nonce
from gitops.ledger.held import Held
from gitops.ledger.holder import Actor
from gitops.ledger.ledger import Ledger
from gitops.ports import NOTHING, ZERO, GitError, Person, Pushed, RefUpdate
from gitops.schema.workspace import LedgerConfig
from gitops.stops import Exit, Stop

WALL = 1_700_000_000


@dataclass
class Processes:
    """The processes of the one machine that all parties share: those in ``alive``."""

    boot: str = "boot-1/pid:[1]"
    alive: set[int] = field(default_factory=set)

    def started(self, pid: int) -> str:
        return "then" if pid in self.alive else ""


class Stepping(FakeClock):
    """A clock during whose sleeps other things happen: ``meanwhile`` is called before each."""

    meanwhile: Callable[[], object] | None = None

    def sleep(self, seconds: float) -> None:
        if self.meanwhile is not None:
            self.meanwhile()
        super().sleep(seconds)


@dataclass
class Party:
    """One process, with a clock that stands still."""

    name: str
    site: RemoteSite
    repository: GitRepository
    remote: Watched
    actor: Actor
    nonce: Callable[[], str] = fresh_nonce
    clock: Stepping = field(default_factory=lambda: Stepping(WALL))

    @cached_property
    def ledger(self) -> Ledger:
        """That of the infra ``shop``."""
        return self.of("shop", self.clock)

    def of(self, infra: str, clock: Clock) -> Ledger:
        """The ledger of an infra, with a clock of choice."""
        return Ledger(
            self.repository, self.remote, infra, "w1", LedgerConfig(), clock, self.actor, "the remote", nonce=self.nonce
        )

    def acquire(self, run: str = "r1", timeout: float = 0.0) -> AbstractContextManager[Held]:
        return self.ledger.acquire("write", run, "p1", "apply", timeout, lambda _: None)

    def commit(self, parent: str = "", **files: str) -> str:
        """A commit that holds nothing of a ledger."""
        edits = {name: text.encode() for name, text in files.items()}
        return self.repository.write(parent, edits, "a commit\n", Person(self.name, f"{self.name}@example.org", WALL))

    def git(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Git as anybody runs it, outside of the product."""
        env = {**self.repository.git.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        command = ["git", "-C", str(self.repository.work_tree), *argv]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


class Watched:
    """The product's remote, remembering what its pushes were told. ``aside``: a ref that stands for whatever ref is pushed to;
    ``over``: nothing is pushed any more."""

    def __init__(self, inner: GitRemote) -> None:
        self.inner = inner
        self.url = inner.url
        self.told: list[Pushed] = []
        self.aside = ""
        self.over = False
        self._meant = ""

    @property
    def refused(self) -> GitError | None:
        return self.inner.refused

    def refs(self, patterns: Sequence[str]) -> Mapping[str, str]:
        found = self.inner.refs([*patterns, self.aside] if self.aside else patterns)
        return {self._meant if ref == self.aside else ref: oid for ref, oid in found.items()}

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, str]:
        return self.inner.fetch({self.aside if self.aside and ref == self._meant else ref: to for ref, to in refs.items()})

    def push(self, updates: Sequence[RefUpdate], unmoved: Mapping[str, str] = NOTHING) -> Pushed:
        if self.over:
            raise Stop(Exit.FAILURE, "the test is over")
        if self.aside:
            self._meant = updates[0].ref
            updates = [replace(update, ref=self.aside, old=ZERO) for update in updates]
        self.told.append(self.inner.push(updates, unmoved))
        return self.told[-1]


class Parties:
    """Makes parties at one remote, in clones below ``folder``; leaving it closes their repositories."""

    def __init__(self, site: RemoteSite, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.machine = Processes()
        self._kept: list[AbstractContextManager[Held]] = []
        self._made: list[Party] = []

    def __enter__(self) -> Parties:
        return self

    def __exit__(self, *exc: object) -> None:
        for party in self._made:
            party.remote.over = True
        for kept in self._kept:
            with suppress(Stop):
                kept.__exit__(None, None, None)
        for party in self._made:
            party.repository.close()

    def party(self, name: str, nonce: Callable[[], str] = fresh_nonce, pid: int = 0) -> Party:
        """A new process in a new clone."""
        path = self.folder / f"{name}-{len(self._made)}"
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **ISOLATED, **self.site.environ}
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(path)], env=environ, check=True)
        repository = open_repository(path, environ)
        remote = Watched(GitRemote(repository.git, self.site.url, repository.contains))
        pid = pid or 100 + len(self._made)
        self.machine.alive.add(pid)
        actor = Actor(Person(name, f"{name}@example.org"), "host-1", pid, "", self.machine)
        self._made.append(Party(name, self.site, repository, remote, actor, nonce))
        return self._made[-1]

    def enter(self, party: Party, run: str = "r1") -> Held:
        """The lock, taken and kept."""
        self._kept.append(party.acquire(run))
        return self._kept[-1].__enter__()

    def kill(self, party: Party) -> None:
        """Its process is gone, and whoever is on the same machine knows."""
        self.machine.alive.discard(party.actor.pid)

    # --- at the server -----------------------------------------------------------------------------------

    def at(self, ref: str) -> str:
        """Where a ref really is, "" when it is not there."""
        argv = ["git", "-C", str(self.site.path), "for-each-ref", "--format=%(objectname)", ref]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def move(self, ref: str, oid: str) -> None:
        """Somebody moves a ref, whatever it was; the commit must be at the server."""
        subprocess.run(["git", "-C", str(self.site.path), "update-ref", ref, oid], check=True)

    def in_the_window(self, script: str) -> None:
        """In the window of the next push, after the server has shown its refs and been sent the commands, before it compares
        them with the refs: ``script`` is run at the server, once, with ``git`` working on its repository."""
        git = f'git() {{ env -i PATH="$PATH" git --git-dir={self.site.path} "$@"; }}'
        self.site.hook("update", f'rm "$0"\n{git}\n{script}')

    def steal_in_the_window(self, ref: str, oid: str) -> None:
        """There, ``ref`` moves to ``oid``, which must be at the server."""
        self.in_the_window(f"git update-ref {ref} {oid}")
        assert self.window_open

    @property
    def window_open(self) -> bool:
        """Whether what was to happen in the window has not happened yet."""
        return (self.site.path / "hooks" / "update").exists()
