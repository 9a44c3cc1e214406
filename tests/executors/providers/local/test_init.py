"""The supervisor of a process server: real processes, killed at will."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from executors.ports import NeedsHuman
from executors.providers import local
from executors.providers.local import init
from executors.providers.local.server import until
from executors.secrets.sops import SopsSecrets

LINUX = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the environment of processes is read in /proc")


def gone(pid: int) -> bool:
    """Whether a process ended, in good time. An orphan may stay a zombie until the system's own init has a moment."""
    return until(lambda: init.start_time(pid) == "", 10)


# --- who a process is ------------------------------------------------------------------------------------


@pytest.mark.parametrize("start_time", [init.start_time, init._start_time_of_ps], ids=["system", "ps"])
def test_a_process_is_known_by_when_it_started(start_time: Any) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        started = start_time(process.pid)
        assert started
        assert start_time(process.pid) == started
        process.kill()
        assert until(lambda: start_time(process.pid) == "", 10), "a zombie has ended"
    assert start_time(process.pid) == ""


def test_a_pid_that_was_reused_is_somebody_else() -> None:
    mine = init.start_time(os.getpid())
    assert init.alive(os.getpid(), mine)
    assert not init.alive(os.getpid(), mine + "0")
    assert not init.alive(0, "")
    assert not init.alive(os.getpid(), "")


@LINUX
def test_processes_are_found_by_their_mark() -> None:
    with subprocess.Popen(["sleep", "60"], env={"PROVISIONING_SERVER": "test-mark-1"}) as process:
        assert until(lambda: init.marked("PROVISIONING_SERVER=test-mark-1") == [process.pid], 10)
        assert init.marked("PROVISIONING_SERVER=test-mark") == []
        init.kill_marked("PROVISIONING_SERVER=test-mark-1")
        assert process.wait(10) == -signal.SIGKILL


def test_no_mark_marks_nobody() -> None:
    init.kill_marked("")  # would be every process with an empty line in its environment


# --- files -----------------------------------------------------------------------------------------------


def test_files_are_replaced_in_one_go(tmp_path: Path) -> None:
    path = tmp_path / "file"
    init.write_file(str(path), b"one")
    init.write_file(str(path), b"two", 0o640)
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder/in").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        init.write_file(str(tmp_path / "folder"), b"content")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_a_log_is_cut_and_its_end_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    service = init.Service("web")
    log = tmp_path / service.log
    log.parent.mkdir(parents=True)
    service.cut_log()  # none yet
    with log.open("ab") as writer:
        writer.write(b"old " * init.LOG_BYTES)
        writer.write(b"the end")
        writer.flush()
        service.cut_log()
        assert log.stat().st_size == 0
        writer.write(b"and on")
    assert log.read_bytes() == b"and on", "the service goes on where the file now ends"
    kept = log.with_name("web.log.1").read_bytes()
    assert kept.endswith(b"old the end")
    assert len(kept) == init.LOG_BYTES
    service.cut_log()
    assert log.read_bytes() == b"and on", "a small one is left alone"


# --- services --------------------------------------------------------------------------------------------


def test_a_dead_service_is_reaped_noted_and_left_dead(estate: Any) -> None:
    machine, pid = estate.machine(), estate.serve()
    estate.kill(pid)
    assert estate.died("web")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)  # not even a zombie is left
    assert estate.state("web")["code"] == -signal.SIGKILL
    init.awake(str(estate.folder()))
    estate.serve("other")  # init has looked again meanwhile
    assert machine.state("web") == "failed"
    assert len(estate.starts()) == 2


def test_the_exit_code_of_a_service_is_kept(estate: Any) -> None:
    estate.machine().start("web", ["sh", "-c", "exit 3"], {})
    assert estate.died("web")
    assert estate.state("web")["code"] == 3


def test_with_a_service_ends_its_group(estate: Any) -> None:
    machine = estate.machine()
    machine.start("web", ["sh", "-c", "sleep 600 & echo $! > child; wait"], {})
    assert until(lambda: (machine.get("child") or b"").endswith(b"\n"), 10)
    child = int(machine.get("child") or b"0")
    estate.kill(estate.pid("web"))
    assert estate.died("web")
    assert gone(child)


@pytest.mark.slow
def test_a_service_that_ignores_sigterm_is_killed(estate: Any) -> None:
    machine = estate.machine()
    machine.start("web", ["sh", "-c", "trap '' TERM; echo $$ > pid; while :; do sleep 600; done"], {})
    assert until(lambda: (machine.get("pid") or b"").endswith(b"\n"), 10)
    pid = estate.pid("web")
    machine.stop("web")
    assert gone(pid)


# --- killed at any time ----------------------------------------------------------------------------------


def test_a_killed_init_is_followed_by_one_that_adopts(estate: Any) -> None:
    machine, pid, first = estate.machine(), estate.serve(), estate.init_pid()
    estate.kill(first)
    assert estate.read("server/web-01").attributes == {"power": "off"}
    assert machine.state("web") == "running", "the service itself goes on"
    estate.update("server/web-01", {})
    assert estate.read("server/web-01").attributes == {"power": "on"}
    assert estate.init_pid() != first
    assert estate.pid("web") == pid
    assert estate.starts() == [pid], "it was not started twice"


def test_what_was_adopted_is_watched_and_stopped(estate: Any) -> None:
    machine = estate.machine()
    estate.serve("web")
    estate.serve("db")
    estate.kill(estate.init_pid())
    estate.update("server/web-01", {})
    estate.kill(estate.pid("web"))
    assert estate.died("web")
    machine.stop("db")
    assert estate.living() == []


def test_starting_revives_a_killed_init_and_nothing_runs_twice(estate: Any) -> None:
    machine = estate.machine()
    estate.serve()
    estate.kill(estate.init_pid())
    machine.start("web", estate.sleeper, {})
    assert len(estate.living()) == 1
    estate.serve("web", "server/web-01", "other")
    assert len(estate.starts()) == 2
    assert estate.living() == [estate.pid("web")]


def test_what_died_without_an_init_runs_after_the_next_boot(estate: Any) -> None:
    machine = estate.machine()
    estate.serve()
    estate.kill(estate.init_pid())
    estate.kill(estate.pid("web"))
    assert machine.state("web") == "stopped"
    estate.update("server/web-01", {})
    assert until(lambda: len(estate.starts()) == 2, 10)
    assert estate.living() == [estate.pid("web")]


@LINUX
def test_what_a_dead_leader_left_is_ended_before_the_service_is_started_again(estate: Any) -> None:
    machine = estate.machine()
    machine.start("web", ["sh", "-c", "sleep 600 & echo $! >> starts; wait"], {})
    assert until(lambda: len(estate.starts()) == 1, 10)
    estate.kill(estate.init_pid())
    estate.kill(estate.pid("web"))
    assert len(estate.living()) == 1, "an orphan of an orphan"
    estate.update("server/web-01", {})
    assert until(lambda: len(estate.starts()) == 2, 10)
    assert estate.living() == estate.starts()[1:]


def test_a_child_that_was_noted_before_it_ran_is_adopted(estate: Any) -> None:
    """As if init had been killed between the fork and its own note of it."""
    machine = estate.machine()
    estate.serve()
    estate.kill(estate.init_pid())
    path = estate.folder() / "states/web.json"
    init.write_json(str(path), {**json.loads(path.read_text()), "state": "starting"})
    estate.update("server/web-01", {})
    assert len(estate.starts()) == 1
    assert machine.state("web") == "running"


def test_many_that_boot_at_once_make_one_init(estate: Any) -> None:
    estate.serve()
    estate.kill(estate.init_pid())
    argv = [sys.executable, "-I", "-S", init.__file__, str(estate.folder())]
    threads = [Thread(target=subprocess.run, args=(argv,), kwargs={"timeout": 30}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if Path("/proc/self/environ").exists():
        # those that were too many have said so, and need a moment to end
        assert until(lambda: inits(estate.folder()) == [estate.init_pid()], 10)
    assert len(estate.living()) == 1


def inits(folder: Path) -> list[int]:
    pids = (int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit())
    return [pid for pid in pids if command_line(pid).endswith(f"init.py {folder} ")]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def test_sigterm_ends_everything_in_good_order(estate: Any) -> None:
    machine = estate.machine()
    pid, own = estate.serve(), estate.init_pid()
    os.kill(own, signal.SIGTERM)
    assert gone(own)
    assert gone(pid)
    assert machine.state("web") == "stopped"


@pytest.mark.slow
def test_everything_ends_when_the_folder_is_removed_by_hand(estate: Any) -> None:
    pid, own = estate.serve(), estate.init_pid()
    shutil.rmtree(estate.folder())
    assert gone(own), "init looks every few seconds"
    assert gone(pid)


def test_an_init_that_ends_just_when_it_is_woken_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / init.WAKE)
    assert not init.awake(str(tmp_path))
    listening, really_open = os.open(tmp_path / init.WAKE, os.O_RDONLY | os.O_NONBLOCK), os.open
    assert init.awake(str(tmp_path))

    def open_and_end(*args: Any) -> int:
        descriptor = really_open(*args)
        os.close(listening)
        return descriptor

    monkeypatch.setattr(os, "open", open_and_end)
    assert not init.awake(str(tmp_path))


# --- connecting ------------------------------------------------------------------------------------------


def test_another_driver_is_refused(tmp_path: Path) -> None:
    secrets = SopsSecrets(lambda path: None, {})
    with pytest.raises(NeedsHuman, match=r"no driver 'container' in this version; leave settings\.driver out"):
        local.connect({"driver": "container"}, secrets, tmp_path)
    assert local.connect({"driver": "process"}, secrets, tmp_path).spec is local.SPEC
