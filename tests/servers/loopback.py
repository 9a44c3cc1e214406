"""The same remotes outside of pytest, for benchmarks."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from git_https import GitHttps
from git_servers import RemoteSite, Sshd, bare

Make = Callable[[str], RemoteSite]


@contextmanager
def remotes(folder: Path, *wanted: str) -> Iterator[Mapping[str, Make]]:
    """A maker of remotes for each transport in ``wanted`` that can be had here: ``file``, ``ssh`` (a connection for each
    command), ``shared_ssh`` (all in one connection), ``https``."""
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    with ExitStack() as stack:
        made: dict[str, Make] = {}
        if "file" in wanted:
            made["file"] = lambda name: RemoteSite(str(path := bare(folder / "file" / f"{name}.git")), {}, path)
        if "https" in wanted and GitHttps.available():
            (folder / "https").mkdir()
            server = stack.enter_context(GitHttps(folder / "https"))
            made["https"] = lambda name: RemoteSite(
                f"{server.url}/{name}.git", server.client("writer"), bare(server.root / f"{name}.git")
            )
        if program and {"ssh", "shared_ssh"} & {*wanted}:
            (folder / "sshd").mkdir()
            daemon = Sshd(folder / "sshd")
            daemon.start(program)
            stack.callback(daemon.stop)
            made |= {kind: over_ssh(daemon, folder, kind == "shared_ssh") for kind in ("ssh", "shared_ssh") if kind in wanted}
        yield made


def over_ssh(daemon: Sshd, folder: Path, shared: bool) -> Make:
    """Remotes behind ``daemon``."""

    def make(name: str) -> RemoteSite:
        path = bare(folder / "ssh" / f"{name}.git")
        client = daemon.client("writer")["GIT_SSH_COMMAND"] + (f" -o ControlPath={daemon.shared}" if shared else "")
        return RemoteSite(f"ssh://{daemon.user}@127.0.0.1:{daemon.port}{path}", {"GIT_SSH_COMMAND": client}, path)

    return make


def machine() -> str:
    """The machine and the versions."""
    git = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.split()[2]
    model = next((line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return (
        f"{platform.system()} {platform.release()}, {model or platform.machine()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, git {git}"
    )
