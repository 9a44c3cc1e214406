"""Real Git remotes on loopback: fixtures ``file_remote``, ``ssh_remote``, ``https_remote``, and ``git_remote`` over all three.

Each is a function ``make(name) -> RemoteSite`` that creates a bare repository. ``tests/conftest.py`` loads this module.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import pytest
from git_https import GitHttps

ISOLATED = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}


@dataclass(frozen=True)
class RemoteSite:
    """One bare repository. ``environ`` is what a client's environment needs to push there, ``reader`` to fetch and no more
    (``None`` where the transport knows no such user); ``path`` is where it really is."""

    url: str
    environ: Mapping[str, str]
    path: Path
    reader: Mapping[str, str] | None = None

    def hook(self, name: str, script: str) -> None:
        """Install a server-side hook, run by a shell in the bare repository."""
        file = self.path / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)


Make = Callable[[str], RemoteSite]


def bare(path: Path) -> Path:
    """A new bare repository as the product would make it for a remote."""
    run = {"check": True, "capture_output": True, "env": {**os.environ, **ISOLATED}}
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)], **run)
    subprocess.run(["git", "-C", str(path), "config", "receive.unpackLimit", "1"], **run)
    # garbage collection would outlive the test that caused it
    subprocess.run(["git", "-C", str(path), "config", "receive.autogc", "false"], **run)
    return path


@pytest.fixture
def file_remote(tmp_path: Path) -> Make:
    """A folder."""

    def make(name: str) -> RemoteSite:
        path = bare(tmp_path / "remotes" / f"{name}.git")
        return RemoteSite(str(path), {}, path)

    return make


@pytest.fixture
def ssh_remote(sshd: Sshd, tmp_path: Path) -> Make:
    """Over ssh."""

    def make(name: str) -> RemoteSite:
        path = bare(tmp_path / "remotes" / f"{name}.git")
        return RemoteSite(f"ssh://{sshd.user}@127.0.0.1:{sshd.port}{path}", sshd.client("writer"), path, sshd.client("reader"))

    return make


@pytest.fixture
def shared_ssh_remote(ssh_remote: Make, sshd: Sshd) -> Make:
    """Over ssh, all clients through one connection: for tests that make hundreds, where agreeing on keys is most of the work."""

    def make(name: str) -> RemoteSite:
        site = ssh_remote(name)
        return replace(site, environ={"GIT_SSH_COMMAND": f"{site.environ['GIT_SSH_COMMAND']} -o ControlPath={sshd.shared}"})

    return make


@pytest.fixture
def https_remote(https_server: GitHttps, tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Over https with a certificate of a throw-away authority, and a user and password from a credential helper."""

    def make(name: str) -> RemoteSite:
        folder = uuid4().hex[:8]
        path = bare(https_server.root / folder / f"{name}.git")
        url = f"{https_server.url}/{folder}/{name}.git"
        return RemoteSite(url, https_server.client("writer"), path, https_server.client("reader"))

    return make


@pytest.fixture(params=["file", pytest.param("ssh", marks=pytest.mark.real), pytest.param("https", marks=pytest.mark.real)])
def git_remote(request: pytest.FixtureRequest) -> Make:
    """Each of the three in turn."""
    return request.getfixturevalue(f"{request.param}_remote")


@pytest.fixture(scope="session")
def https_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GitHttps]:
    """One server for the session."""
    if not GitHttps.available():
        pytest.skip("git http-backend is not installed")
    with GitHttps(tmp_path_factory.mktemp("https")) as server:
        yield server


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One daemon for the session."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None or shutil.which("ssh") is None:
        pytest.skip("sshd is not installed")
    daemon = Sshd(tmp_path_factory.mktemp("sshd"))
    daemon.start(program)
    yield daemon
    daemon.stop()


@dataclass
class Sshd:
    """An sshd of our own, with keys made for it: ``writer`` may do anything, ``reader`` may only fetch."""

    folder: Path
    port: int = 0
    user: str = field(default_factory=getpass.getuser)
    process: subprocess.Popen[str] | None = None

    def start(self, program: str) -> None:
        """Run until ``stop``. A port found free may be taken before sshd has it, so there are a few tries."""
        for name in ("host", "writer", "reader"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)], check=True)
        self._authorize()
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        for _ in range(5):
            if self._listens(program):
                return
        pytest.fail(f"sshd did not start; its log is {self.folder / 'log'}")

    def _authorize(self) -> None:
        fetch_only = self.folder / "fetch-only"
        fetch_only.write_text(
            "#!/bin/sh\n"
            'case "$SSH_ORIGINAL_COMMAND" in\n'
            'git-upload-pack*) exec sh -c "$SSH_ORIGINAL_COMMAND" ;;\n'
            "*) echo 'ERROR: permission denied: this key may only fetch' >&2; exit 1 ;;\n"
            "esac\n"
        )
        fetch_only.chmod(0o755)
        writer, reader = ((self.folder / f"{name}.pub").read_text() for name in ("writer", "reader"))
        (self.folder / "authorized").write_text(f'{writer}command="{fetch_only}",restrict {reader}')

    def _listens(self, program: str) -> bool:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        settings = {
            "ListenAddress": f"127.0.0.1:{self.port}",
            "HostKey": self.folder / "host",
            "AuthorizedKeysFile": self.folder / "authorized",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "PermitRootLogin": "prohibit-password",
            "MaxStartups": "200:30:400",  # the default drops connections from the eleventh at once on
            "MaxSessions": "200",  # of one connection
            "AcceptEnv": "GIT_PROTOCOL",
            # a shell that believes it was started by another reads no start-up file of the person's, which may be slow
            "SetEnv": " ".join(f"{key}={value}" for key, value in {**ISOLATED, "SHLVL": "2"}.items()),
        }
        config = self.folder / "config"
        config.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen([program, "-D", "-f", str(config), "-E", str(self.folder / "log")], stderr=log)
        host_key = (self.folder / "host.pub").read_text()
        (self.folder / "known").write_text(f"[127.0.0.1]:{self.port} {host_key}")
        while self.process.poll() is None:
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", self.port)) == 0 and client.recv(4) == b"SSH-":
                    return True
        return False

    def client(self, key: str) -> dict[str, str]:
        """What a client needs to connect as ``writer`` or ``reader``."""
        options = [
            "IdentitiesOnly=yes",
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            f"UserKnownHostsFile={self.folder / 'known'}",
        ]
        words = ["ssh", "-F", os.devnull, "-i", str(self.folder / key), *(word for option in options for word in ("-o", option))]
        return {"GIT_SSH_COMMAND": " ".join(words)}

    @cached_property
    def shared(self) -> str:
        """The socket of a connection of the writer's that clients may share; opened when it is first asked for."""
        path = str(self.folder / "shared")
        self._master(path, "-f", "-N", "-o", "ControlMaster=yes")
        return path

    def _master(self, path: str, *options: str) -> None:
        words = [*self.client("writer")["GIT_SSH_COMMAND"].split(), "-o", f"ControlPath={path}", *options]
        nothing = subprocess.DEVNULL  # it goes on in the background, and would hold our pipes open
        where = ["-p", str(self.port), f"{self.user}@127.0.0.1"]
        subprocess.run([*words, *where], stdin=nothing, stdout=nothing, stderr=nothing, check=True)

    def stop(self) -> None:
        """End the daemon."""
        if "shared" in self.__dict__:
            with suppress(subprocess.CalledProcessError):  # it may have ended by itself
                self._master(self.shared, "-O", "exit")
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=10)
