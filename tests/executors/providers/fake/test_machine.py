"""A machine on which nothing runs and everything is noted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from executors.ports import Machine
from executors.providers.fake.machine import FakeMachine


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path / "server")


def test_commands_are_noted_and_succeed(machine: FakeMachine, tmp_path: Path) -> None:
    there: Machine = machine
    assert there.simulated
    for argv in (["apt-get", "install", "it's"], ["true"]):
        assert there.run(argv, env={"A": "b"}, stdin=b"x", cwd="etc").code == 0
    noted = [json.loads(line) for line in (tmp_path / "server/commands").read_text().splitlines()]
    assert noted == [["apt-get", "install", "it's"], ["true"]]


def test_files_stay_below_the_servers_root(machine: FakeMachine, tmp_path: Path) -> None:
    for path in ("/etc/x", "../../../etc/x", "./etc//x"):
        machine.put(path, path.encode(), 0o640)
        assert machine.get("etc/x") == path.encode()
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert files == [tmp_path / "server/root/etc/x"]
    assert files[0].stat().st_mode & 0o777 == 0o640
    assert machine.get("etc") is None, "a folder has no content"
    machine.remove("etc")
    machine.remove("etc")
    assert machine.get("etc/x") is None


def test_services_are_as_they_were_told_to_be(machine: FakeMachine) -> None:
    assert machine.state("web") == "absent"
    machine.start("web", ["serve"], {})
    assert machine.state("web") == "running"
    machine.stop("web")
    machine.stop("web")
    assert machine.state("web") == "absent"


def test_ports_are_kept_and_differ_by_name_and_machine(machine: FakeMachine, tmp_path: Path) -> None:
    ports = {machine.port(name) for name in ("web", "db", "cache")}
    assert len(ports) == 3 and machine.port("web") in ports
    assert FakeMachine(tmp_path / "other").port("web") != machine.port("web")
