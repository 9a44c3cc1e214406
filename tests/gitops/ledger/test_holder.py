"""Who holds, and when a holder on our own machine is known to be dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitops.ledger.holder import Actor, LinuxProcesses, actor, stop_holder
from gitops.ledger.lock import Lock, State
from gitops.ports import Person

if TYPE_CHECKING:
    from .conftest import World

ANN = Person("Ann", "ann@example.org")


def test_a_process_of_this_boot_that_is_gone_is_dead(world: World) -> None:
    me = Actor(ANN, "host-1", 101, processes=world.machine)
    world.machine.alive[101] = "t1"
    holder = me.holder("n1")
    assert not me.is_dead(holder)
    world.kill(101)
    assert me.is_dead(holder)


def test_a_number_given_to_another_process_is_not_the_holder(world: World) -> None:
    me = Actor(ANN, "host-1", 101, processes=world.machine)
    world.machine.alive[101] = "t1"
    holder = me.holder("n1")
    world.machine.alive[101] = "t2"
    assert me.is_dead(holder)


@pytest.mark.parametrize("change", [{"host": "host-2"}, {"boot": "boot-2/pid:[1]"}, {"boot": "boot-1/pid:[2]"}, {"boot": ""}])
def test_of_another_machine_boot_or_container_nothing_is_known(world: World, change: dict[str, str]) -> None:
    me = Actor(ANN, "host-1", 101, processes=world.machine)
    assert not me.is_dead(replace(me.holder("n1"), started="t1", **change))


def test_without_knowledge_of_processes_nobody_is_dead(world: World) -> None:
    blind = Actor(ANN, "host-1", 101)
    assert not blind.is_dead(Actor(ANN, "host-1", 102, processes=world.machine).holder("n1"))


def test_linux_tells_a_living_process_from_an_unreaped_one() -> None:
    known = LinuxProcesses()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert known.boot.count("pid:[") == 1
    assert known.started(child.pid).isdigit()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert known.started(child.pid) == ""
    child.communicate()
    assert known.started(child.pid) == ""


def test_a_system_without_proc_knows_nothing(tmp_path: Path) -> None:
    known = LinuxProcesses(tmp_path)
    assert known.boot == ""
    assert known.started(1) == ""


def test_a_command_name_with_parentheses_and_spaces_does_not_shift_the_fields(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/stat").write_text("7 (a) S (b c) R " + " ".join(str(n) for n in range(4, 40)))
    assert LinuxProcesses(tmp_path).started(7) == "22"


def test_an_identity_can_never_break_a_commit_header() -> None:
    made = actor(Person("Ann\n<root>", "ann@example.org>\nx"), {})
    assert made.name == "Annroot <ann@example.orgx>"
    assert made.pid == os.getpid()


def test_without_an_identity_the_login_stands_in() -> None:
    assert actor(None, {"USER": "ann"}).name.startswith("ann <ann@")


@pytest.mark.parametrize(
    ("environ", "job"),
    [
        ({}, ""),
        ({"CI_JOB_URL": "https://ci.example/1"}, "https://ci.example/1"),
        (
            {"GITHUB_RUN_ID": "7", "GITHUB_SERVER_URL": "https://forge.example", "GITHUB_REPOSITORY": "a/b"},
            "https://forge.example/a/b/actions/runs/7",
        ),
    ],
)
def test_the_job_we_run_in_is_named(environ: dict[str, str], job: str) -> None:
    assert actor(ANN, environ).job == job


def test_the_living_holder_of_a_run_is_asked_to_stop_and_nobody_else() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    here = actor(ANN, {})
    lock = Lock(state=State.HELD, run="r1", holder=replace(here, pid=child.pid).holder("n1"))
    assert not stop_holder(lock, "r2")
    assert not stop_holder(replace(lock, holder=None), "r1")
    assert lock.holder is not None
    assert not stop_holder(replace(lock, holder=replace(lock.holder, host="elsewhere")), "r1")
    assert not stop_holder(replace(lock, holder=replace(lock.holder, started="0")), "r1")
    assert child.poll() is None
    assert stop_holder(lock, "r1")
    child.communicate()
    assert child.returncode == -signal.SIGTERM
