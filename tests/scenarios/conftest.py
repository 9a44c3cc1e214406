"""A person at a machine: a home of their own, git, and the real program in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import gitops

LIMIT = 120
"""Seconds any one command may take."""
RUNNING: list[subprocess.Popen[str]] = []
"""What the present test has started."""


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as one JSON document."""
        return json.loads(self.out)

    @property
    def last(self) -> str:
        """The last line a person sees."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


@dataclass
class Desk:
    """One person's machine. ``repo`` is where commands run unless told otherwise."""

    home: Path
    repo: Path
    environ: dict[str, str] = field(default_factory=dict)

    def env(self, more: Mapping[str, str] = {}) -> dict[str, str]:  # read only
        base = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "TMPDIR", "PYTHONSAFEPATH", "VIRTUAL_ENV")}
        own = {"HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state"), "XDG_CACHE_HOME": str(self.home / "cache")}
        # the very program that these tests import, the wheel's or the checkout's
        code = {"PYTHONPATH": str(Path(gitops.__file__).parents[1])}
        return {**base, **own, **code, **self.environ, **more}

    def start(self, *argv: str, cwd: Path | None = None, **env: str) -> subprocess.Popen[str]:
        """The program, running; whatever the test comes to, it ends with it."""
        process = subprocess.Popen(
            [sys.executable, "-m", "gitops", *argv],
            cwd=cwd or self.repo,
            env=self.env(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        RUNNING.append(process)
        return process

    def __call__(self, *argv: str, code: int | None = 0, cwd: Path | None = None, **env: str) -> Ran:
        """Run the program to its end; it must end with ``code`` (``None``: any)."""
        process = self.start(*argv, cwd=cwd, **env)
        out, err = process.communicate(timeout=LIMIT)
        assert "Traceback" not in err, err
        assert code is None or process.returncode == code, f"{argv} ended with {process.returncode}:\n{out}\n{err}"
        return Ran(process.returncode, out, err)

    def git(self, *argv: str, cwd: Path | None = None) -> str:
        """Git as this person runs it."""
        done = subprocess.run(
            ["git", *argv], cwd=cwd or self.repo, env=self.env(), capture_output=True, text=True, timeout=LIMIT, check=False
        )
        assert done.returncode == 0, f"git {argv}: {done.stderr}"
        return done.stdout.strip()

    def write(self, path: str, text: str) -> None:
        """Write a file of the repository."""
        target = self.repo / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def commit(self, files: Mapping[str, str | None], message: str = "change", push: bool = True) -> str:
        """Write (``None``: remove) files, commit, push; returns the commit id."""
        for path, text in files.items():
            if text is None:
                (self.repo / path).unlink()
            else:
                self.write(path, text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        if push:
            self.git("push", "--quiet", "origin", "HEAD")
        return self.git("rev-parse", "HEAD")

    def another(self, where: Path) -> Desk:
        """Another clone on the same machine."""
        self.git("clone", "--quiet", self.git("remote", "get-url", "origin"), str(where), cwd=self.home)
        return Desk(self.home, where, self.environ)


def new_home(folder: Path, name: str = "Ada Example", mail: str = "ada@example.org") -> Path:
    """A home with a git identity and nothing else."""
    folder.mkdir(parents=True)
    sections = {"user": f"name = {name}\n\temail = {mail}", "init": "defaultBranch = main", "advice": "detachedHead = false"}
    (folder / ".gitconfig").write_text("".join(f"[{key}]\n\t{lines}\n" for key, lines in sections.items()))
    return folder


@pytest.fixture(autouse=True)
def nothing_goes_on() -> Iterator[None]:
    """A test that fails leaves no process behind: the next one would be blamed for it."""
    yield
    for process in RUNNING:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
    RUNNING.clear()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A person with a home and an empty folder."""
    (tmp_path / "here").mkdir()
    return Desk(new_home(tmp_path / "home"), tmp_path / "here")


FAKE = """\
settings: {provider: fake}
networks: {private: {cidr: 10.0.0.0/24}}
servers:
  web-01: {cpu_cores: 2, memory_gb: 4, networks: [private]}
  web-02: {cpu_cores: 2, memory_gb: 4, networks: [private]}
  db-01: {cpu_cores: 4, memory_gb: 8, networks: [private]}
"""


def bare(path: Path, desk: Desk) -> Path:
    """A bare repository."""
    desk.git("init", "--quiet", "--bare", "--initial-branch=main", str(path), cwd=desk.home)
    return path


@pytest.fixture
def workspace_at() -> Callable[[Desk, Path, str], Desk]:
    """Makes a workspace with one pushed infra ``shop`` on the fake provider; its remote is at ``url``, empty so far."""

    def make(desk: Desk, where: Path, url: str) -> Desk:
        desk.repo = where
        desk("init", str(where), "--empty", "--remote", url, cwd=desk.home)
        desk.commit({"infra/shop/main.yaml": FAKE}, "declare the shop")
        return desk

    return make


@pytest.fixture
def office(desk: Desk, tmp_path: Path, workspace_at: Callable[[Desk, Path, str], Desk]) -> Desk:
    """A workspace with one pushed infra ``shop`` on the fake provider; its remote is ``remote.git`` beside it."""
    return workspace_at(desk, tmp_path / "estate", str(bare(tmp_path / "remote.git", desk)))


def until_there(folder: Path, name: str, process: subprocess.Popen[str]) -> Path:
    """The file of this name anywhere below a folder, as soon as it is there; the process must go on until then."""
    for _ in range(600):
        # a walk, not a glob: folders come and go meanwhile
        if found := sorted(Path(at, name) for at, _, files in os.walk(folder) if name in files):
            return found[0]
        if process.poll() is not None:
            raise AssertionError(f"it ended first: {process.communicate()}")
        threading.Event().wait(0.05)
    raise AssertionError(f"{name} did not appear")


@pytest.fixture
def wait_for() -> Callable[[Path, str, subprocess.Popen[str]], Path]:
    """Waits for a path."""
    return until_there


@pytest.fixture
def key_of() -> Callable[[Desk], str]:
    """Gives a person an ssh key to sign with; returns its public half as ``workspace.yaml`` lists it."""

    def make(desk: Desk) -> str:
        path = desk.home / "signing"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f", str(path)], check=True, timeout=LIMIT)
        desk.git("config", "--global", "gpg.format", "ssh", cwd=desk.home)
        desk.git("config", "--global", "user.signingkey", f"{path}.pub", cwd=desk.home)
        return " ".join(Path(f"{path}.pub").read_text().split()[:2])

    return make
