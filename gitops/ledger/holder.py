"""Who acts on a ledger, and whether the process behind a holder on this very machine still lives. The only look at it here."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gitops.ports import Person
from planners.dataclass import dataclass

if TYPE_CHECKING:
    from gitops.ledger.lock import Lock

JOB_URLS = ("PROVISIONING_JOB_URL", "CI_JOB_URL", "BUILD_URL")


@dataclass(frozen=True, slots=True)
class Holder:
    """One acquisition by one process. ``id`` is fresh for each: forks and restarts do not inherit it.

    ``boot`` names the boot of the kernel and the process namespace in which ``pid`` and its start time mean something;
    "" where the system does not tell.
    """

    id: str
    name: str
    email: str
    host: str = ""
    boot: str = ""
    pid: int = 0
    started: str = ""
    job: str = ""

    @property
    def principal(self) -> str:
        """As commits and audit entries name the person or service."""
        return f"{self.name} <{self.email}>"


class Processes(Protocol):
    """What this machine knows about its processes."""

    @property
    def boot(self) -> str:
        """This boot and process namespace, "" when unknown."""

    def started(self, pid: int) -> str:
        """When process ``pid`` started, in the system's own units; "" when there is none, or only its unreaped remains."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who and where we are: a person or service, and this process of theirs."""

    person: Person
    host: str = ""
    pid: int = 0
    job: str = ""
    processes: Processes | None = None

    @property
    def name(self) -> str:
        """As commits and audit entries name the person or service."""
        return f"{self.person.name} <{self.person.email}>"

    def holder(self, acquisition: str) -> Holder:
        """This process as the holder of a new acquisition."""
        known = self.processes
        boot, started = (known.boot, known.started(self.pid)) if known else ("", "")
        return Holder(acquisition, self.person.name, self.person.email, self.host, boot, self.pid, started, self.job)

    def sees(self, holder: Holder) -> bool:
        """Whether ``holder`` is or was a process of this machine's present boot, of which we would know."""
        known = self.processes
        return known is not None and bool(known.boot) and holder.boot == known.boot and holder.host == self.host

    def is_dead(self, holder: Holder) -> bool:
        """Whether ``holder`` was a process of this machine's present boot that is gone. Unsure is ``False``."""
        known = self.processes
        return known is not None and self.sees(holder) and known.started(holder.pid) != holder.started


class LinuxProcesses:
    """Reads ``/proc``; where there is none, nothing is known and no holder is ever judged dead."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc

    @property
    def boot(self) -> str:
        """A container shares the boot id of its host and may share its name, yet counts its processes from 1: hence both."""
        try:
            boot = (self._proc / "sys/kernel/random/boot_id").read_text().strip()
            return f"{boot}/{os.readlink(self._proc / 'self/ns/pid')}"  # noqa: PTH115  # no path: pid:[4026531836]
        except OSError:
            return ""

    def started(self, pid: int) -> str:
        """Field 22 of ``/proc/<pid>/stat``: clock ticks after boot (proc(5))."""
        try:
            stat = (self._proc / str(pid) / "stat").read_text(errors="replace")
        except OSError:
            return ""
        # the command's name stands in parentheses and may hold spaces and parentheses of its own
        state, *rest = stat.rpartition(")")[2].split()
        return "" if state in ("Z", "X") else rest[18]


def actor(person: Person | None, environ: Mapping[str, str]) -> Actor:
    """This process on behalf of ``person`` (``None``: git knows no identity, so the login's name is all there is)."""
    host, login = os.uname().nodename, environ.get("USER") or environ.get("LOGNAME") or "unknown"
    known = person or Person(login, f"{login}@{host}")
    return Actor(Person(_tame(known.name), _tame(known.email)), host, os.getpid(), _job(environ), LinuxProcesses())


def _tame(text: str) -> str:
    """Fit for a commit header: no line ends, no angle brackets."""
    return "".join(c for c in text if c.isprintable() and c not in "<>").strip() or "unknown"


def _job(environ: Mapping[str, str]) -> str:
    """Address of the CI job we run in, "" outside of one."""
    if "GITHUB_RUN_ID" in environ:
        parts = (environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY"))
        return "/".join((*parts, "actions/runs", environ["GITHUB_RUN_ID"]))
    return next((environ[name] for name in JOB_URLS if environ.get(name)), "")


def stop_holder(lock: Lock, run: str) -> bool:
    """Ask the process that holds ``lock`` for ``run`` to stop, if it lives on this machine. Whether it was asked."""
    here = Actor(Person("", ""), os.uname().nodename, processes=LinuxProcesses())
    holder = lock.holder
    if holder is None or lock.run != run or holder.boot != here.holder("").boot or not holder.boot:
        return False
    if holder.host != here.host or here.is_dead(holder):
        return False
    os.kill(holder.pid, signal.SIGTERM)
    return True
