"""A person with a home, git as that person runs it, and a work tree with one commit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from gitops.git.local import GitRepository, open_repository

Run = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a name and a mail address, for us and for GitPython, which reads the process's environment."""
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / ".gitconfig").write_text(
        "[user]\n\tname = Ann Example\n\temail = ann@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    for name in [*os.environ]:
        if name.startswith("GIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return folder


@pytest.fixture
def environ(home: Path) -> Mapping[str, str]:
    """The person's environment."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}


@pytest.fixture
def git(environ: Mapping[str, str]) -> Run:
    """``git(folder, *argv) -> output`` as the person runs it."""

    def run(folder: Path, *argv: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *argv], env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"git {argv}: {done.stderr}"
        return done.stdout.strip()

    return run


@pytest.fixture
def work(tmp_path: Path, git: Run) -> Path:
    """A work tree with the files ``a`` and ``infra/shop/main.yaml`` in one commit on ``main``."""
    folder = tmp_path / "work"
    (folder / "infra/shop").mkdir(parents=True)
    (folder / "a").write_text("1\n")
    (folder / "infra/shop/main.yaml").write_text("settings: {}\n")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "first")
    return folder


@pytest.fixture
def opened(environ: Mapping[str, str]) -> Iterator[Callable[[Path], GitRepository]]:
    """Opens repositories and closes them at the end."""
    all_opened: list[GitRepository] = []

    def open_one(path: Path) -> GitRepository:
        all_opened.append(open_repository(path, environ))
        return all_opened[-1]

    yield open_one
    for repository in all_opened:
        repository.close()


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A program that leaves a file ``ran`` beside it when it is run, whatever it is run as."""
    program = tmp_path / "canary" / "program"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntouch {program.parent / 'ran'}\nexit 1\n")
    program.chmod(0o755)
    return program
