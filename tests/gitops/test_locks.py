"""What somebody is told who is kept from working: by whom, whether that lives, and how to go on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from executors.clocks import FakeClock
from executors.ports import Intent, Result
from gitops.git.memory import MemoryServer
from gitops.ledger.holder import Actor
from gitops.ledger.ledger import Ledger
from gitops.ledger.lock import Lock, State
from gitops.ledger.records import RunRecord
from gitops.ledger.workspace_moves import Freeze
from gitops.locks import Why, advice, alive, text, why
from gitops.ports import Person
from gitops.schema.workspace import LedgerConfig
from planners.model import RecordedResource
from planners.steps import Notice

NOW = 1_700_000_000.0
WAIT = "wait with --lock-timeout 10m; a holder that is dead is taken over by a writer that has watched it for 105 s"
BREAK = "gone for good? provisioning lock break -i dev --reason TEXT (it can then write nothing more)"


@dataclass
class Living:
    """Which processes a machine has."""

    boot: str = "boot-1"
    alive: dict[int, str] = field(default_factory=lambda: {7: "ticks-7", 8: "ticks-8"})

    def started(self, pid: int) -> str:
        return self.alive.get(pid, "")


class Scene:
    """Ann on host-1 works; eve on host-1 or host-2 asks."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.clock = FakeClock(NOW)
        self.machine = Living()
        self.ann = Actor(Person("Ann", "ann@example.org"), "host-1", 7, "https://ci.example/1", self.machine)
        self.eve = Actor(Person("Eve", "eve@example.org"), "host-1", 8, "", self.machine)
        self.kept: list[Any] = []
        self._nonces = 0

    def nonce(self) -> str:
        self._nonces += 1
        return f"{self._nonces:032x}"

    def ledger(self, actor: Actor) -> Ledger:
        repository, remote = self.server.clone()
        return Ledger(
            repository, remote, "dev", "w1", LedgerConfig(), self.clock, actor, "memory", draw=lambda: 0.5, nonce=self.nonce
        )

    def take(self, actor: Actor, run: str = "r1", kind: str = "write") -> Any:
        """A lock that is not given back."""
        block = self.ledger(actor).acquire(kind, run, "p" * 64 if run else "", "roll out", 0.0, lambda said: None)
        self.kept.append(block)
        return block.__enter__()

    def why(self, actor: Actor | None = None, frozen: tuple[Notice, ...] = ()) -> tuple[Why, str]:
        """Everything, and as people read it."""
        who = actor or self.eve
        view, wall = self.ledger(who).view(), self.clock.wall()
        found = why(view, who, wall, frozen)
        return found, text(found, view.lock, wall)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def begun(scene: Scene, actor: Actor | None = None) -> Any:
    """A run with one step done and one open."""
    held = scene.take(actor or scene.ann)
    held.begin_run(RunRecord("r1", "dev", "running", "p" * 64, {}, "c" * 40, started=NOW))
    intents = [Intent(op, op, f"server/{op}", "create", "create", "fake", "", held.token) for op in ("web-01", "db-01")]
    held.record([], intents)
    scene.clock.advance(10)
    record = RecordedResource("server/web-01", "fake", {}, {"id": "1"}, run="r1", plan="p" * 64)
    held.record([Result("web-01", "server/web-01", "create", "done", record)], [])
    return held


ELSEWHERE = "host-2"


def from_elsewhere(scene: Scene) -> Actor:
    return replace(scene.eve, host=ELSEWHERE, processes=Living("boot-2"))


def test_where_nothing_was_ever_applied(scene: Scene) -> None:
    found, said = scene.why()
    assert (found.state, found.holders, found.advice) == ("FREE", (), ("free: nothing keeps anybody out",))
    assert said == "dev:     free\n  go on  free: nothing keeps anybody out"


def test_a_run_at_work_on_this_machine(scene: Scene) -> None:
    begun(scene)
    scene.clock.advance(12)
    found, said = scene.why()
    assert said.splitlines() == [
        "dev:         write by Ann on host-1 (run r1): roll out",
        "  held by    Ann <ann@example.org> (write), process 7 on host-1; alive; last write 2023-11-14T22:13:30Z by its own "
        "clock (12 s ago); https://ci.example/1",
        "  since      2023-11-14T22:13:20Z",
        "  lease      60 s, renewed with each write; silent for 105 s it is taken over",
        "  run        r1 running, plan pppppppppppp",
        "  last step  create server/web-01 done at 2023-11-14T22:13:30Z",
        "  open       create server/db-01: begun, outcome not recorded (run r1)",
        f"  go on      {WAIT}",
        "             look at its job: https://ci.example/1",
        "             stop it (running steps finish): provisioning run cancel r1 -i dev",
        f"             {BREAK}",
    ]
    document = found.document()
    assert document["format"] == 1
    assert document["holders"][0] == {
        "name": "Ann", "email": "ann@example.org", "host": "host-1", "process": 7, "job": "https://ci.example/1",
        "kind": "write", "alive": "yes", "last_write": int(NOW) + 10,
    }  # fmt: skip
    assert (document["takeover_seconds"], document["last_step"]["address"]) == (105, "server/web-01")
    assert [(s["address"], s["status"]) for s in document["open_steps"]] == [("server/db-01", "open")]


def test_the_last_write_is_the_holders_and_nobody_elses(scene: Scene) -> None:
    begun(scene)
    scene.clock.advance(30)
    other = scene.ledger(from_elsewhere(scene))
    assert other._locking._enqueue(other.view(), from_elsewhere(scene).holder("b" * 32), "deploy")
    found, said = scene.why()
    assert found.holders[0].last_write == NOW + 10
    assert "  in line    1. Eve <eve@example.org> (deploy), process 8 on host-2; on another machine" in said


def test_a_holder_that_is_gone_from_this_machine(scene: Scene) -> None:
    begun(scene)
    scene.machine.alive.clear()
    found, said = scene.why()
    assert found.holders[0].alive == "no"
    assert "; gone; last write" in said
    assert found.advice == (
        "its process is gone: provisioning run resume r1 -i dev",
        "or let 'provisioning apply -i dev' close the run and plan afresh; neither has to wait",
        BREAK,
    )


def test_a_command_that_is_gone_from_this_machine_has_no_run_to_resume(scene: Scene) -> None:
    scene.take(scene.ann, run="")
    scene.machine.alive.clear()
    assert scene.why()[0].advice[0] == "its process is gone: whoever locks next on this machine gets it at once"


def test_of_another_machine_nothing_is_claimed(scene: Scene) -> None:
    begun(scene)
    scene.machine.alive.clear()
    found, said = scene.why(from_elsewhere(scene))
    assert found.holders[0].alive == "unknown"
    assert "on another machine: not to be seen from here; last write" in said
    assert found.advice == (
        WAIT,
        "look at its job: https://ci.example/1",
        "once you have the lock or it is broken: provisioning run resume r1 -i dev",
        BREAK,
    )


def test_a_clock_that_is_ahead_is_said_to_be(scene: Scene) -> None:
    begun(scene)
    scene.clock.advance(-3600)
    assert "by its own clock (in 3600 s, so its clock is ahead)" in scene.why()[1]


def test_a_free_lock_after_an_interrupted_run(scene: Scene) -> None:
    begun(scene)
    scene.ledger(scene.eve).break_lock("asleep")
    found, said = scene.why()
    assert (found.state, found.run, found.run_status) == ("FREE", "r1", "running")
    assert found.advice[0] == "the lock is free and run r1 was interrupted: provisioning run resume r1 -i dev"
    assert "  open       create server/db-01: begun, outcome not recorded (run r1)" in said


def test_a_free_lock_with_somebody_in_line(scene: Scene) -> None:
    other = scene.ledger(scene.eve)
    with scene.ledger(scene.ann).acquire("write", "", "", "x", 0.0, lambda said: None):
        assert other._locking._enqueue(other.view(), scene.eve.holder("b" * 32), "write")
    assert scene.why()[0].advice[0] == "free: Eve is first in line and has 15 s to take it; wait with --lock-timeout 10m"


def test_a_hold_by_a_person(scene: Scene) -> None:
    scene.ledger(scene.ann).hold("moving house", 3600)
    said = scene.why()[1]
    assert said.splitlines() == [
        "dev:       hold by Ann on host-1: moving house, until 2023-11-14T23:13:20Z",
        "  held by  Ann <ann@example.org> (hold) on host-1",
        "  since    2023-11-14T22:13:20Z",
        "  go on    ask Ann to: provisioning lock release -i dev",
        "           or wait: it ends by itself at 2023-11-14T23:13:20Z",
        f"           {BREAK}",
    ]
    scene.clock.advance(3600)
    assert scene.why()[0].advice == ("the hold is over: whoever locks next gets it",)


def test_readers(scene: Scene) -> None:
    scene.take(scene.ann, "", "read")
    scene.take(scene.eve, "", "read")
    del scene.machine.alive[8]
    found, _ = scene.why()
    assert [(p.name, p.kind, p.alive, p.last_write) for p in found.holders] == [
        ("Ann", "read", "yes", int(NOW)),
        ("Eve", "read", "no", int(NOW)),
    ]
    assert found.advice[0].startswith("readers keep writers out: wait with --lock-timeout 10m")


def test_a_freeze_is_told_beside_the_lock(scene: Scene) -> None:
    frozen = Freeze("", "Bea", "bea@example.org", "audit week", int(NOW), int(NOW) + 3600)
    found, said = scene.why(frozen=(Notice("frozen", frozen.text, f"'{frozen.thaw}'"),))
    assert found.freeze == frozen.text
    assert "  frozen  all infras are frozen by Bea until 2023-11-14 23:13:20 UTC: audit week" in said
    assert found.advice[-1] == f"nothing is changed while it is frozen; end that: '{frozen.thaw}'"


def test_whether_it_is_frozen_may_not_be_known(scene: Scene) -> None:
    found, said = scene.why(frozen=(Notice("frozen", "whether dev is frozen cannot be told: the audit was edited"),))
    assert "  frozen  whether dev is frozen cannot be told" in said
    assert found.advice[-1] == "nothing is changed before that can be told"


def test_a_sealed_ledger() -> None:
    assert [*advice("dev", Lock(state=State.SEALED), (), "", NOW)] == [
        "the ledger is sealed and the next one not begun yet: provisioning ledger rotate -i dev"
    ]


def test_where_nothing_is_known_of_processes_nobody_is_called_dead(scene: Scene) -> None:
    holder = scene.ann.holder("a" * 32)
    assert alive(replace(scene.eve, processes=None), holder) == "unknown"
    assert alive(scene.eve, replace(holder, boot="boot-0")) == "unknown"
    assert alive(scene.eve, replace(holder, started="others")) == "no"
