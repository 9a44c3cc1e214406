"""Runs the real program with a fault at one boundary of its effects. The program's code is unchanged: its rim is wrapped.

    python tests/faults/driver.py FAULT[,FAULT]... COMMAND...      for example: kill@17 apply --yes

Each call that leaves the process (remote, clone, provider, machine) has two boundaries, before and after, counted from 1. A
fault is ``ACTION@WHERE``; ``WHERE`` is a number, the K-th of a kind, such as ``push.before#3``, or the first of one kind after
another, such as ``push.before~create.after``; a bare number kills there, and ``0`` only counts. ``FAULTS_TRACE`` names a file
that gets one line per boundary.

    kill          SIGKILL to this process
    hold=PATH     make PATH.reached and go on when PATH.go is there
    wall=SECONDS  the wall clock jumps by so much
    full          nothing this process or its children write to a file has room any more (RLIMIT_FSIZE)

``--serve`` answers requests on standard input instead, forking for each, as importing the program takes longer than most runs.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from threading import Lock
from typing import Any

MACHINE = ("run", "put", "get", "remove", "start", "stop", "state", "port")
PROVIDER = ("create", "read", "update", "delete", "list", "machine")
RIM = {
    "gitops.git.remote:GitRemote": ("refs", "fetch", "push"),
    "gitops.git.local:GitRepository": ("write", "set_ref"),
    "executors.providers.fake.provider:FakeProvider": PROVIDER,
    "executors.providers.fake.machine:FakeMachine": MACHINE,
    "executors.providers.local.provider:LocalProvider": PROVIDER,
    "executors.providers.local.machine:ProcessMachine": MACHINE,
}
"""Class -> its calls that leave the process."""
HELD_SECONDS = 100
SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of prctl(2): what a killed run leaves running becomes ours to wait for."""


class Rim:
    """Counts boundaries and makes the faults happen."""

    def __init__(self, faults: str, trace: str) -> None:
        self._faults = dict(reversed(fault.split("@")) for fault in faults.split(",") if "@" in fault)
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if trace else -1
        self._passed: Counter[str] = Counter()
        self._jumped = 0.0
        self._lock = Lock()

    def wrap(self) -> None:
        """Wrap everything in ``RIM``, and the wall clock. Only once in a process."""
        for where, calls in RIM.items():
            module, _, name = where.partition(":")
            kind = getattr(importlib.import_module(module), name)
            for call in calls:
                setattr(kind, call, self._around(call, getattr(kind, call)))
        wall = time.time
        time.time = lambda: wall() + self._jumped

    def calm(self) -> None:
        """No fault from here on."""
        self._faults.clear()

    def _around(self, call: str, inner: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(inner)
        def outer(adapter: Any, *args: Any, **kwargs: Any) -> Any:
            about = said(args)
            self._pass(f"{call}.before", about)
            answer = inner(adapter, *args, **kwargs)
            self._pass(f"{call}.after", about)
            return answer

        return outer

    def _pass(self, name: str, about: str) -> None:
        with self._lock:
            self._passed.update(("all", name))
            number, nth = str(self._passed["all"]), f"{name}#{self._passed[name]}"
            if self._trace >= 0:
                os.write(self._trace, f"{number} {nth} {about}\n".encode())
            after = [place for place in self._faults if place.startswith(f"{name}~") and self._passed[place.partition("~")[2]]]
            faults = [self._faults.pop(place) for place in (number, nth, *after) if place in self._faults]
        for fault in faults:
            self._act(fault)

    def _act(self, fault: str) -> None:
        action, _, value = fault.partition("=")
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif action == "wall":
            self._jumped = float(value)
        elif action == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        elif action == "hold":
            Path(f"{value}.reached").touch()
            until = time.monotonic() + HELD_SECONDS
            while not Path(f"{value}.go").exists() and time.monotonic() < until:
                time.sleep(0.01)
        else:
            raise SystemExit(f"there is no fault '{action}'")


def said(args: Sequence[Any]) -> str:
    """What a call is about: the address and key of a provider's request, the refs of a push, the first words of the rest."""
    first = args[-1] if args else ""
    if hasattr(first, "address"):
        return f"{first.address} {getattr(first, 'key', '')}".strip()
    updates = args[0] if args and isinstance(args[0], (list, tuple)) else ()
    return " ".join(f"{u.ref} {u.old} {u.new}" for u in updates if hasattr(u, "ref"))


def wrapped(faults: str, trace: str, elsewhere: bool) -> Rim:
    """The program's rim with these faults. ``elsewhere``: as on another machine, of whose processes nobody here knows."""
    rim = Rim(f"kill@{faults}" if faults.isdigit() else faults, trace)
    rim.wrap()
    if elsewhere:
        from gitops.ledger.holder import LinuxProcesses

        LinuxProcesses.boot = property(lambda _: "another boot/pid:[1]")
    return rim


def run(argv: Sequence[str]) -> int:
    """One command of the real program."""
    from gitops.__main__ import main

    sys.argv = ["provisioning", *argv]
    return int(main())


# --- the server ------------------------------------------------------------------------------------------


def everything() -> None:
    """Import all of the program, so that a fork has it."""
    for package in ("gitops", "executors", "planners", "rules"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith(("__main__", "_child", "local.init")):
                importlib.import_module(module.name)


def child(request: dict[str, Any]) -> None:
    """A fork's life: commands one after the other, the faults in the first, output and exit code of each in files."""
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    rim, code = wrapped(request["faults"], request["trace"], request["elsewhere"]), 1
    for number, argv in enumerate(request["commands"]):
        out = Path(request["out"], str(number))
        for descriptor, end in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{out}.{end}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), descriptor)
        code = run(argv)
        sys.stdout.flush()
        sys.stderr.flush()
        Path(f"{out}.code").write_text(str(code))
        rim.calm()
    os._exit(code)


class Children:
    """Who ended, and how: exit code, or minus the signal."""

    def __init__(self) -> None:
        self._ended: dict[int, int] = {}

    def started(self, pid: int) -> int:
        """A number may come again."""
        self._ended.pop(pid, None)
        return pid

    def ended(self, pid: int, seconds: float) -> int | None:
        """How ``pid`` ended; ``None`` when it goes on. However often it is asked for."""
        until = time.monotonic() + seconds
        while pid not in self._ended:
            if self._reap(pid):
                continue
            left = until - time.monotonic()
            if left <= 0:
                return None
            signal.sigtimedwait({signal.SIGCHLD}, left)
        return self._ended[pid]

    def all_ended(self, seconds: float) -> bool:
        """Wait for everything, what killed runs left running too; whether it all ended."""
        until = time.monotonic() + seconds
        with suppress(ChildProcessError):
            while (left := until - time.monotonic()) > 0:
                if not self._reap(-1):
                    signal.sigtimedwait({signal.SIGCHLD}, left)
            return False
        return True

    def _reap(self, pid: int) -> bool:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            self._ended[found] = os.waitstatus_to_exitcode(status)
        return bool(found)


def serve() -> None:
    """Requests and answers are one JSON document a line: ``start`` a run, ``wait`` for it, wait for what is ``left``."""
    answers = os.fdopen(os.dup(1), "w")
    everything()
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    children = Children()
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            answer: Any = children.started(os.fork())
            if answer == 0:
                try:
                    child(request["start"])
                finally:
                    os._exit(70)
        elif "wait" in request:
            answer = children.ended(request["wait"], request["seconds"])
        else:
            answer = children.all_ended(request["left"])
        answers.write(f"{json.dumps(answer)}\n")
        answers.flush()


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        wrapped(sys.argv[1], os.environ.get("FAULTS_TRACE", ""), "FAULTS_ELSEWHERE" in os.environ)
        sys.exit(run(sys.argv[2:]))
