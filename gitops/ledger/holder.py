"""Who we are as a lock names us, and whether the process that a lock names still lives. The only look at this machine here."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops.ledger.lock import Holder, Lock, State
from gitops.ports import Person

JOB_URLS = ("PROVISIONING_JOB_URL", "CI_JOB_URL", "BUILD_URL")


@dataclass(frozen=True, slots=True)
class Actor:
    """A person on a machine. ``person`` signs commits; ``holder`` stands in locks."""

    person: Person
    holder: Holder

    @property
    def name(self) -> str:
        """As audit entries show it."""
        return f"{self.person.name} <{self.person.email}>" if self.person.email else self.person.name

    def dead(self, other: Holder | None) -> bool:
        """Whether ``other`` was a process of this very boot of this machine that is gone. ``False`` when that cannot be told."""
        if other is None or not other.pid or not other.boot or other.boot != self.holder.boot:
            return False
        return started(other.pid) != other.started


def actor(person: Person | None, environ: Mapping[str, str]) -> Actor:
    """This process."""
    known = person or Person(environ.get("USER") or environ.get("LOGNAME") or "unknown", "")
    job = next((environ[key] for key in JOB_URLS if environ.get(key)), "")
    if not job and environ.get("GITHUB_RUN_ID"):
        repository = f"{environ.get('GITHUB_SERVER_URL', '')}/{environ.get('GITHUB_REPOSITORY', '')}"
        job = f"{repository}/actions/runs/{environ['GITHUB_RUN_ID']}"
    pid = os.getpid()
    return Actor(known, Holder(known.name, known.email, socket.gethostname(), boot(), pid, started(pid), job))


def boot() -> str:
    """An id of this boot of this machine, "" where the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return _ask("sysctl", "-n", "kern.boottime")


def started(pid: int) -> str:
    """When a living process began, in whatever way the system counts; "" when there is none. A zombie does not live."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
    except OSError:
        return "" if Path("/proc/self").exists() else _ask("ps", "-o", "lstart=", "-p", str(pid))


def _ask(*argv: str) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def stop_holder(lock: Lock, run_id: str) -> bool:
    """Ask the process that runs ``run_id`` on this machine to stop; whether there was one."""
    holder = lock.holder
    if (
        lock.state is not State.HELD
        or lock.run != run_id
        or holder is None
        or holder.boot != boot()
        or started(holder.pid) != holder.started
    ):
        return False
    os.kill(holder.pid, signal.SIGTERM)
    return True
