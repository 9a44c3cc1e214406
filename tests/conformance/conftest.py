"""What every kind of Git remote must be able to do to us, so that one suite runs over all of them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from gitops.git.local import GitRepository, open_repository
from gitops.git.memory import MemoryRemote, MemoryRepository, MemoryServer
from gitops.git.remote import GitRemote
from gitops.ports import Pushed, Remote, Repository

HOME = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


class Shared(Protocol):
    """One remote that many clones share."""

    def clone(self) -> tuple[Repository, Remote]:
        """A new, empty clone."""

    def steal(self, ref: str, oid: str) -> None:
        """In the window of the next push, between the client's look at the refs and their update, ``ref`` moves to ``oid``."""

    def unreachable(self, repository: Repository) -> Remote:
        """A remote that is not there."""

    def denied(self, repository: Repository) -> Remote:
        """The same remote for someone who may only fetch."""


class InMemory:
    """The twin."""

    def __init__(self) -> None:
        self.server = MemoryServer()

    def clone(self) -> tuple[Repository, Remote]:
        return self.server.clone()

    def steal(self, ref: str, oid: str) -> None:
        def rival(updates: object) -> Pushed | None:
            self.server.refs[ref] = oid
            self.server.before = None
            return None

        self.server.before = rival

    def unreachable(self, repository: Repository) -> Remote:
        server = MemoryServer()
        server.reachable = False
        return self._remote(repository, server)

    def denied(self, repository: Repository) -> Remote:
        server = MemoryServer()
        server.refs, server.objects, server.writable = self.server.refs, self.server.objects, False
        return self._remote(repository, server)

    @staticmethod
    def _remote(repository: Repository, server: MemoryServer) -> Remote:
        assert isinstance(repository, MemoryRepository)
        return MemoryRemote(repository, server)


class Real:
    """Git programs on both sides."""

    NOWHERE: Mapping[str, str] = {
        "file": "/nonexistent/x.git",
        "ssh": "ssh://127.0.0.1:1/x.git",
        "https": "https://127.0.0.1:1/x.git",
    }

    def __init__(self, kind: str, site: object, folder: Path) -> None:
        self.kind = kind
        self.site = site
        self.folder = folder
        self.clones: list[GitRepository] = []

    def clone(self) -> tuple[GitRepository, GitRemote]:
        path = self.folder / f"clone-{len(self.clones)}"
        subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(path)], check=True)
        repository = open_repository(path, self.environ(self.site.environ))
        self.clones.append(repository)
        return repository, GitRemote(repository.git, self.site.url)

    def environ(self, more: Mapping[str, str]) -> Mapping[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **HOME, **more}

    def steal(self, ref: str, oid: str) -> None:
        move = f'env -i PATH="$PATH" git --git-dir={self.site.path} update-ref {ref} {oid}'
        self.site.hook("pre-receive", f'rm "$0"\n{move}')

    def unreachable(self, repository: Repository) -> Remote:
        return GitRemote(repository.git, self.NOWHERE[self.kind])

    def denied(self, repository: Repository) -> Remote:
        if self.site.reader is None:
            self.site.hook("pre-receive", "echo 'this branch is protected' >&2; exit 1")
            return GitRemote(repository.git, self.site.url)
        reader = open_repository(repository.work_tree, self.environ(self.site.reader))
        self.clones.append(reader)
        return GitRemote(reader.git, self.site.url)


REAL = [pytest.param(kind, marks=pytest.mark.real) for kind in ("ssh", "https")]


@pytest.fixture(params=["memory", "file", *REAL])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    """Each kind of remote in turn."""
    if request.param == "memory":
        yield InMemory()
        return
    make: Callable[[str], object] = request.getfixturevalue(f"{request.param}_remote")
    real = Real(request.param, make("shared"), tmp_path)
    yield real
    for repository in real.clones:
        repository.close()


@pytest.fixture(params=["memory", "real"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    """A clone of either kind, for what does not leave the machine."""
    if request.param == "memory":
        yield MemoryRepository()
        return
    real = Real("file", None, tmp_path)
    path = tmp_path / "clone"
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(path)], check=True)
    with open_repository(path, real.environ({})) as found:
        yield found
