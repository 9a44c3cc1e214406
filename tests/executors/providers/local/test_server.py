"""Power, ports and mounts of a process server."""

from __future__ import annotations

import json
import os
import socket
import stat
import sys
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from executors.ports import Broken, Retry
from executors.providers.local import init, server
from executors.providers.local.server import PORTS, ProcessServer, until


@pytest.fixture
def made(estate: Any) -> ProcessServer:
    """A server that is off."""
    folder = estate.world / "shop/servers/web-01"
    folder.mkdir(parents=True)
    ProcessServer.lay_out(folder)
    id = os.urandom(8).hex()  # what carries it in its environment is ended, also of a test that runs beside this one
    (folder / "tag.json").write_text(json.dumps({"id": id}))  # for the fixture's end
    return ProcessServer(estate.world, folder, id)


# --- power -----------------------------------------------------------------------------------------------


def test_a_new_server_is_off_and_nobody_elses(made: ProcessServer) -> None:
    assert (made.wanted(), made.power()) == ("off", "off")
    assert [stat.S_IMODE(p.stat().st_mode) for p in made.folder.iterdir() if p.is_dir()] == [0o700] * 5


def test_power_on_and_off_and_both_again(made: ProcessServer) -> None:
    for _ in range(2):
        made.switch_on()
        made.switch_on()
        assert (made.wanted(), made.power()) == ("on", "on")
        made.switch_off()
        made.switch_off()
        assert (made.wanted(), made.power()) == ("off", "off")


def test_on_waits_for_an_init_that_is_ending(estate: Any) -> None:
    machine = estate.machine()
    machine.start("web", ["sh", "-c", "trap 'sleep 0.5; exit' TERM; echo $$ >> starts; while :; do sleep 0.1; done"], {})
    first, made = estate.init_pid(), machine._server
    assert until(lambda: len(estate.starts()) == 1, 10)
    init.write_file(f"{made.folder}/power", b"off\n")
    assert until(lambda: made.power() == "off", 10)
    assert init.start_time(first), "it still has a service to end"
    made.switch_on()
    assert init.start_time(first) == ""
    assert made.power() == "on"
    assert until(lambda: len(estate.starts()) == 2, 10)
    assert estate.living() == estate.starts()[1:]


def test_the_interpreter_is_there_whatever_becomes_of_our_environment(made: ProcessServer) -> None:
    made.switch_on()
    python = made.root / "bin/python3"
    assert python.readlink() == Path(getattr(sys, "_base_executable", sys.executable))
    python.unlink()
    python.symlink_to("/gone/with/an/old/environment")
    made.reboot()
    assert os.access(python, os.X_OK)


def test_an_init_that_cannot_start_is_told_with_its_log(made: ProcessServer) -> None:
    (made.folder / init.WAKE).unlink()
    with pytest.raises(Broken, match=r"ends at once; see .*/run/init\.log"):
        made.switch_on()
    assert "FileNotFoundError" in (made.folder / "run/init.log").read_text()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the environment of processes is read in /proc")
def test_off_ends_what_escaped_supervision(estate: Any) -> None:
    machine = estate.machine()
    code = "import os, time\nif not os.fork():\n    os.setsid()\n    print(os.getpid(), flush=True)\n    time.sleep(600)"
    machine.start("web", ["python3", "-S", "-c", code], {})
    assert until(lambda: (machine.get("var/log/web.log") or b"").endswith(b"\n"), 10)
    assert estate.died("web")
    escaped = int(machine.get("var/log/web.log"))
    mark = f"PROVISIONING_SERVER={estate.records['server/web-01'].observed['id']}"
    assert set(init.marked(mark)) == {estate.init_pid(), escaped}
    estate.update("server/web-01", {"power": "off"})
    assert init.marked(mark) == []


@pytest.mark.slow
def test_off_ends_an_init_that_hangs(estate: Any) -> None:
    import signal

    pid = estate.serve()
    os.kill(estate.init_pid(), signal.SIGSTOP)
    estate.update("server/web-01", {"power": "off"})
    assert init.start_time(pid) == ""
    assert estate.read("server/web-01").attributes == {"power": "off"}


# --- ports -----------------------------------------------------------------------------------------------


def test_a_port_is_kept_by_its_name_and_given_to_nobody_else(estate: Any, made: ProcessServer) -> None:
    other = ProcessServer(estate.world, estate.world / "shop/servers/web-02", os.urandom(8).hex())
    other.folder.mkdir()
    ProcessServer.lay_out(other.folder)
    given = [s.port(name) for s in (made, other) for name in ("web.port", "web.admin_port", "db.port")]
    assert len(set(given)) == 6
    assert all(port in PORTS for port in given)
    assert given == [s.port(name) for s in (made, other) for name in ("web.port", "web.admin_port", "db.port")]


def test_ports_asked_for_at_once_differ(made: ProcessServer) -> None:
    given: list[int] = []
    threads = [Thread(target=lambda n=n: given.append(made.port(f"p{n}"))) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given)) == 12


def test_a_port_that_somebody_listens_on_is_not_given(made: ProcessServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind((server.ADDRESS, 0))
        taken.listen()
        number = taken.getsockname()[1]
        monkeypatch.setattr(server, "PORTS", range(number, number + 1))
        with pytest.raises(Retry, match=f"all ports from {number} to {number} are taken"):
            made.port("web.port")
    assert list((made.folder / "ports").iterdir()) == []
    assert list((made.world / ".ports").iterdir()) == [], "nothing stays claimed"


def test_ports_are_given_back(made: ProcessServer) -> None:
    made.port("web.port")
    made.release_ports()
    assert not (made.world / ".ports").exists()


# --- volumes ---------------------------------------------------------------------------------------------


def test_a_volume_appears_where_it_is_mounted(made: ProcessServer, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for _ in range(2):
        made.mount("srv/deep/data", tmp_path / "data")
    (made.root / "srv/deep/data/file").write_text("kept")
    made.unmount("srv/deep/data")
    made.unmount("srv/deep/data")
    assert not (made.root / "srv/deep/data").exists()
    assert (tmp_path / "data/file").read_text() == "kept"


def test_another_volume_takes_its_place(made: ProcessServer, tmp_path: Path) -> None:
    made.mount("data", tmp_path / "old")
    made.mount("data", tmp_path / "new")
    assert (made.root / "data").readlink() == tmp_path / "new"


@pytest.mark.parametrize("path", ["", "../outside", "a/../../b", "bin"])
def test_no_volume_covers_anything_or_leaves_the_root(made: ProcessServer, tmp_path: Path, path: str) -> None:
    with pytest.raises(Broken, match="a volume cannot be mounted at"):
        made.mount(path, tmp_path)


# --- small things ----------------------------------------------------------------------------------------


def test_waiting_ends_when_it_is_so_or_time_is_up() -> None:
    answers = iter([False, False, True])
    assert until(lambda: next(answers), 10)
    assert not until(lambda: False, 0)


def test_a_tree_is_removed_whatever_its_modes(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "doomed/locked").mkdir(parents=True)
    (tmp_path / "doomed/locked/file").touch()
    (tmp_path / "doomed/link").symlink_to(tmp_path / "kept")
    (tmp_path / "doomed/locked").chmod(0o500)
    server.remove_tree(tmp_path / "doomed")
    assert list(tmp_path.iterdir()) == [tmp_path / "kept"]
