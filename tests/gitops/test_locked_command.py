"""Real commands under a lease that is kept, or lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

import gitops
from executors.ports import LeaseLost
from gitops.ledger.holder import LinuxProcesses
from gitops.locked_command import require_program, run_locked
from gitops.stops import Exit, Stop

LEASE = 2.0


class Lease:
    """``each`` is called at every renewal."""

    def __init__(self, each: Callable[[], None] = lambda: None) -> None:
        self.renewed = 0
        self._each = each

    def renew(self) -> None:
        self.renewed += 1
        assert self.renewed < 600, "it does not end"
        self._each()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs a script in a folder where ``gate`` is a pipe that nobody writes to: who reads it stands still."""
    os.mkfifo(tmp_path / "gate")
    monkeypatch.chdir(tmp_path)

    def go(script: str, lease: Lease | None = None, seconds: float = LEASE) -> int:
        return run_locked(["sh", "-c", script], os.environ, lease or Lease(), seconds)

    return go


@pytest.fixture
def wait_for_file() -> Callable[[str], None]:
    """Waits for a file, within a bound."""

    def wait(name: str) -> None:
        for _ in range(600):
            if Path(name).exists():
                return
            Event().wait(0.05)
        raise AssertionError(f"{name} did not appear")

    return wait


def gone(pid: int) -> bool:
    """Whether a process ends, within a bound."""
    for _ in range(200):
        if not LinuxProcesses().started(pid):
            return True
        Event().wait(0.05)
    return False


def lose() -> None:
    if Path("started").exists():
        raise LeaseLost("taken over by bob")


def test_the_exit_code_is_the_commands(run: Callable[..., int]) -> None:
    assert run("exit 0") == 0
    assert run("exit 7") == 7
    assert run("kill -9 $$") == 128 + 9


def test_the_command_is_an_argument_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_locked(["touch", "a; touch b", "$HOME"], os.environ, Lease(), LEASE) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["$HOME", "a; touch b"]


def test_the_lease_is_renewed_while_it_runs(run: Callable[..., int]) -> None:
    lease = Lease(lambda: None)

    def open_gate() -> None:
        if lease.renewed == 3:
            Path("go").touch()

    lease = Lease(open_gate)
    assert run("while [ ! -e go ]; do :; done", lease) == 0
    assert lease.renewed >= 3


def test_a_lost_lease_ends_the_command_and_all_below_it(run: Callable[..., int]) -> None:
    script = "cat gate & echo $! > child; echo $$ > pid; trap 'echo asked > asked; exit 0' TERM; touch started; wait"
    with pytest.raises(Stop) as caught:
        run(script, Lease(lose))
    assert caught.value.code is Exit.FAILURE
    assert caught.value.message == "the lock was lost while 'sh' ran, so it was ended: taken over by bob"
    assert Path("asked").read_text() == "asked\n", "it was asked first"
    assert gone(int(Path("pid").read_text()))
    assert gone(int(Path("child").read_text()))


def test_a_command_that_does_not_listen_is_killed(run: Callable[..., int]) -> None:
    with pytest.raises(Stop):
        run("echo $$ > pid; trap '' TERM; touch started; while :; do read x < gate; done", Lease(lose))
    assert gone(int(Path("pid").read_text()))


def test_nothing_that_it_left_running_outlives_the_lock(run: Callable[..., int]) -> None:
    assert run("cat gate & echo $! > child") == 0
    assert gone(int(Path("child").read_text()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_for_us_goes_to_the_command(run: Callable[..., int], number: signal.Signals) -> None:
    # whatever started the tests may have had it ignored, as nohup does
    before = signal.default_int_handler if number is signal.SIGINT else signal.SIG_DFL
    signal.signal(number, before)

    def send() -> None:
        if Path("started").exists():
            os.kill(os.getpid(), number)

    assert run("touch started; exec cat gate", Lease(send)) == 128 + number
    assert signal.getsignal(number) is before


def test_the_command_decides_what_a_signal_means(run: Callable[..., int]) -> None:
    def send() -> None:
        if Path("started").exists():
            os.kill(os.getpid(), signal.SIGTERM)

    assert run("trap 'exit 3' TERM; cat gate & touch started; wait", Lease(send)) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a command of its parent's end")
def test_it_is_killed_with_us(run: Callable[..., int], wait_for_file: Callable[[str], None]) -> None:
    """Whoever kills us with SIGKILL leaves no command without a lock: others here take over from a dead process at once."""
    script = "echo $$ > pid; touch started; exec cat gate"
    code = f"import os, types; from gitops.locked_command import run_locked as r; r(['sh', '-c', {script!r}], os.environ, types.SimpleNamespace(renew=lambda: 0), 60.0)"  # noqa: E501  # a whole program
    us = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(Path(gitops.__file__).parents[1])})
    wait_for_file("started")
    us.kill()
    us.wait()
    assert gone(int(Path("pid").read_text()))


def test_it_is_started_as_any_command_is(run: Callable[..., int]) -> None:
    """A pipe that nobody reads ends it, which Python itself ignores."""
    assert run("yes | head -n 1 > /dev/null; exit 5") == 5
    assert run("kill -PIPE $$") == 128 + signal.SIGPIPE


def test_a_program_that_is_not_there_is_told_before_the_lock_is_taken() -> None:
    with pytest.raises(Stop) as caught:
        require_program(["no-such-program", "x"], os.environ)
    assert (caught.value.code, caught.value.message) == (Exit.NOT_FOUND, "there is no program 'no-such-program'")
    require_program(["sh"], os.environ)
