"""The machine port on a process server."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from executors.ports import Broken, NeedsHuman
from executors.providers.local import init
from executors.providers.local.server import until

OFF = "server/web-01 is off; set its power to 'on' first"


# --- commands and files ----------------------------------------------------------------------------------


def test_a_command_works_in_the_root_with_a_python_at_hand(estate: Any) -> None:
    code = "import os, sys; print(os.getcwd(), os.environ['HOME'], os.environ['GIVEN'], sys.version_info >= (3, 11))"
    done = estate.machine().run(["python3", "-c", code], env={"GIVEN": "this"})
    root = str(estate.root())
    assert (done.code, done.stderr, done.stdout.decode().split()) == (0, b"", [root, root, "this", "True"])


def test_a_command_may_work_further_down(estate: Any) -> None:
    machine = estate.machine()
    machine.put("deep/er/file", b"")
    assert machine.run(["ls"], cwd="deep/er").stdout == b"file\n"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="left-over processes are found in /proc")
def test_a_script_whose_caller_was_killed_does_not_run_beside_the_next_one(estate: Any) -> None:
    machine, ended = estate.machine(), []

    def left_over(name: str) -> Thread:
        script = ["sh", "-c", f"touch {name}; exec sleep 60"]
        thread = Thread(target=lambda: ended.append((name, machine.run(script, env={"TASKSERV_NAME": name}).code)))
        thread.start()
        assert until(lambda: machine.get(name) is not None, 20.0)
        return thread

    web, db = left_over("web"), left_over("db")
    assert machine.run(["true"], env={"TASKSERV_NAME": "web"}).code == 0
    web.join(20.0)
    assert ended == [("web", -9)], "and what another taskserv does goes on"
    machine.run(["true"], env={"TASKSERV_NAME": "db"})
    db.join(20.0)
    assert len(ended) == 2


def test_files_are_put_read_and_removed(estate: Any) -> None:
    machine = estate.machine()
    machine.put("etc/app/secret.conf", b"one", 0o600)
    machine.put("etc/app/secret.conf", b"two", 0o600)
    assert machine.get("etc/app/secret.conf") == b"two"
    assert stat.S_IMODE((estate.root() / "etc/app/secret.conf").stat().st_mode) == 0o600
    assert machine.get("etc/app") is None
    assert machine.get("etc/none") is None
    assert machine.get("etc/app/secret.conf/below") is None
    machine.remove("etc/app/secret.conf")
    machine.remove("etc")
    machine.remove("etc")
    assert not (estate.root() / "etc").exists()


def test_removing_a_mount_keeps_what_is_mounted(estate: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    machine = estate.machine()
    (estate.root() / "data").symlink_to(tmp_path / "data")
    machine.remove("data")
    assert (tmp_path / "data").is_dir()


@pytest.mark.parametrize("path", ["/etc/passwd", "../tag.json", "a/../../b"])
def test_nothing_outside_the_root_is_touched(estate: Any, path: str) -> None:
    machine = estate.machine()
    for act in (lambda: machine.put(path, b""), lambda: machine.get(path), lambda: machine.remove(path)):
        with pytest.raises(Broken, match="is not a path below the root of server/web-01"):
            act()
    with pytest.raises(Broken, match="is not a path below the root"):
        machine.run(["true"], cwd=path)
    with pytest.raises(Broken, match="is not a path below the root"):
        machine.start("web", ["true"], {}, cwd=path)


# --- services --------------------------------------------------------------------------------------------


def test_a_service_runs_and_its_words_are_kept(estate: Any) -> None:
    machine = estate.machine()
    assert machine.state("web") == "absent"
    estate.serve()
    assert machine.state("web") == "running"
    assert until(lambda: machine.get("var/log/web.log") == b"up\n", 10)


def test_the_same_again_is_nothing_and_another_restarts(estate: Any) -> None:
    machine = estate.machine()
    first = estate.serve()
    machine.start("web", estate.sleeper, {})
    assert estate.pid("web") == first
    machine.start("web", estate.sleeper, {"COLOUR": "red"})
    second = estate.pid("web")
    assert second != first
    assert init.start_time(first) == ""
    assert estate.living() in ([second], [])  # it may not have noted itself yet
    machine.start("web", estate.sleeper, {"COLOUR": "red"}, cwd="tmp")
    assert estate.pid("web") not in (first, second)


def test_one_that_died_runs_again_when_asked_for(estate: Any) -> None:
    machine = estate.machine()
    estate.kill(estate.serve())
    assert estate.died("web")
    estate.serve()
    assert machine.state("web") == "running"
    assert len(estate.living()) == 1


def test_a_program_that_cannot_be_run_is_told(estate: Any) -> None:
    machine = estate.machine()
    with pytest.raises(Broken, match=r"service 'web' on server/web-01 cannot be run: .*No such file"):
        machine.start("web", ["no-such-program"], {})
    assert machine.state("web") == "failed"


def test_stopping_forgets(estate: Any) -> None:
    machine = estate.machine()
    pid = estate.serve()
    machine.stop("web")
    machine.stop("web")
    assert machine.state("web") == "absent"
    assert init.start_time(pid) == ""
    assert machine.get("var/log/web.log") is None
    assert [list((estate.folder() / f).iterdir()) for f in ("services", "states")] == [[], []]


def test_services_started_at_once_are_each_there_once(estate: Any) -> None:
    machine = estate.machine()
    threads = [Thread(target=machine.start, args=(f"s{n}", estate.sleeper, {})) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [machine.state(f"s{n}") for n in range(6)] == ["running"] * 6
    assert until(lambda: len(estate.starts()) == 6, 10)


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="arguments are read in /proc")
def test_no_value_of_the_environment_shows_in_the_list_of_processes(estate: Any) -> None:
    estate.machine().start("web", estate.sleeper, {"PASSWORD": "tell-nobody"})
    shown = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (estate.pid("web"), estate.init_pid())]
    assert all(b"tell-nobody" not in line for line in shown)
    kept = [p for p in estate.folder().rglob("*") if p.is_file() and b"tell-nobody" in p.read_bytes()]
    assert [stat.S_IMODE(p.stat().st_mode) for p in kept] == [0o600], "where it must be noted, only its owner reads it"


def test_it_finds_what_the_system_has_whatever_the_operator_has(estate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = estate.machine()
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("OPERATOR", "ada")
    done = machine.run(["env"])
    assert b"OPERATOR" not in done.stdout
    assert os.environ["PATH"].encode() not in done.stdout


# --- off -------------------------------------------------------------------------------------------------


def test_off_stops_all_and_on_starts_all(estate: Any) -> None:
    machine = estate.machine()
    estate.serve("web")
    estate.serve("db")
    estate.update("server/web-01", {"power": "off"})
    assert estate.living() == []
    assert [machine.state(s) for s in ("web", "db", "cache")] == ["stopped", "stopped", "absent"]
    estate.update("server/web-01", {"power": "on"})
    assert [machine.state(s) for s in ("web", "db")] == ["running", "running"]
    assert until(lambda: len(estate.living()) == 2, 10)


def test_what_is_off_runs_nothing_but_shows_its_files(estate: Any) -> None:
    machine = estate.machine()
    machine.put("file", b"content")
    estate.serve()
    estate.update("server/web-01", {"power": "off"})
    with pytest.raises(NeedsHuman, match=OFF):
        machine.run(["true"])
    with pytest.raises(NeedsHuman, match=OFF):
        machine.start("web", estate.sleeper, {})
    assert machine.get("file") == b"content"
    machine.stop("web")
    assert machine.state("web") == "absent"
    estate.update("server/web-01", {"power": "on"})
    assert machine.state("web") == "absent", "it was forgotten for good"


def test_a_port_belongs_to_its_name(estate: Any) -> None:
    machine = estate.machine()
    assert machine.port("web.port") == estate.machine().port("web.port") != machine.port("db.port")
