"""A command of somebody's own (a backup, a test, a scan) while a lock is held: no lock, no command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from shutil import which
from typing import Any, Protocol

from executors.ports import LeaseLost
from gitops.stops import Exit, Stop

TICK = 0.2
"""Seconds between two looks at the command and the lease."""
LAST_WORDS = 0.1
"""Of the lease, for a command that was asked to end, before it is killed: with the third that a renewal may take and the quarter
after which it is tried, all of it is over before anybody else can have the lock."""
TIED = """\
import signal
for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(number, signal.SIG_DFL)
import ctypes, os, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Becomes the command, and on Linux is killed with us: others on this machine take the lock of a dead process at once."""


class Lease(Protocol):
    """What is held: a ``Held``."""

    def renew(self) -> None:
        """Keep it. Raises ``LeaseLost``."""


def require_program(argv: Sequence[str], environ: Mapping[str, str]) -> None:
    """Before a lock is taken for it. Raises ``Stop`` (not found)."""
    if which(argv[0], path=environ.get("PATH")) is None:
        raise Stop(Exit.NOT_FOUND, f"there is no program '{argv[0]}'", "the command is an argument list, not a line for a shell")


def run_locked(argv: Sequence[str], environ: Mapping[str, str], lease: Lease, lease_seconds: float) -> int:
    """Run ``argv`` to its end and return its exit code (128 and the signal's number when one ended it).

    SIGINT, SIGTERM and SIGHUP go to it; what it leaves running ends with it. Raises ``Stop`` when the lease was lost, and the
    command ended for that.
    """
    tied = [sys.executable, "-I", "-c", TIED, str(os.getpid())] if sys.platform == "linux" else []
    process = subprocess.Popen([*tied, *argv], env=dict(environ), start_new_session=True)
    try:
        with passed_on(process):
            code = _watched(process, lease.renew)
    except LeaseLost as lost:
        _end(process, lease_seconds * LAST_WORDS)
        message = f"the lock was lost while '{argv[0]}' ran, so it was ended: {lost}"
        raise Stop(Exit.FAILURE, message, "what it had done by then stays done; look at that, then run it again") from lost
    finally:
        _signal(process, signal.SIGKILL)
    return code if code >= 0 else 128 - code


def _watched(process: subprocess.Popen[bytes], renew: Callable[[], None]) -> int:
    while True:
        try:
            return process.wait(TICK)
        except subprocess.TimeoutExpired:
            renew()


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To the command and all below it, which has a session of its own; that there is nobody left is fine."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


@contextmanager
def passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Signals that ask us to end go to the command; we end when it does."""

    def pass_on(number: int, _frame: Any) -> None:
        _signal(process, number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
