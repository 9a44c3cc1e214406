"""A person with a home of their own, with or without a key to sign with."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gitops.git.local import GitRepository, open_repository


@dataclass
class Someone:
    """``environ``: what their processes see. ``key``: the public half of the key they sign with, "" without one."""

    name: str
    mail: str
    home: Path
    key: str = ""
    opened: list[GitRepository] = field(default_factory=list)

    @property
    def environ(self) -> Mapping[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(self, folder: Path, *argv: str) -> str:
        """Git as they run it."""
        done = subprocess.run(["git", "-C", str(folder), *argv], env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"git {argv}: {done.stderr}"
        return done.stdout.strip()

    def write(self, folder: Path, files: Mapping[str, str], message: str = "change") -> str:
        """Write files, commit them; returns the commit id."""
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        self.git(folder, "add", "--all")
        self.git(folder, "commit", "--quiet", "--message", message)
        return self.git(folder, "rev-parse", "HEAD")

    def open(self, folder: Path) -> GitRepository:
        """Their clone in ``folder``; closed at the end of the test."""
        self.opened.append(open_repository(folder, self.environ))
        return self.opened[-1]


Meet = Callable[..., Someone]


@pytest.fixture
def meet(tmp_path: Path) -> Iterator[Meet]:
    """``meet("Ann", key=True)``: somebody new on this machine."""
    people: list[Someone] = []

    def make(name: str, *, key: bool = False, identity: bool = True) -> Someone:
        home = tmp_path / f"home-{name.lower()}"
        home.mkdir()
        mail = f"{name.lower()}@example.org"
        text = "[init]\n\tdefaultBranch = main\n[gc]\n\tauto = 0\n"
        text += f"[user]\n\tname = {name}\n\temail = {mail}\n" if identity else ""
        public = ""
        if key:
            if shutil.which("ssh-keygen") is None:
                pytest.skip("ssh-keygen")
            file = home / "id_ed25519"
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", mail, "-f", str(file)]
            subprocess.run(argv, check=True, capture_output=True)
            public = file.with_suffix(".pub").read_text().strip()
            text += f"[gpg]\n\tformat = ssh\n[user]\n\tsigningkey = {file}.pub\n"
        (home / ".gitconfig").write_text(text)
        people.append(Someone(name, mail, home, public))
        return people[-1]

    yield make
    for person in people:
        for repository in person.opened:
            repository.close()
