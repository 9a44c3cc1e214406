"""Any number of clones of one server in memory, each with a ledger of the infra ``dev`` and a clock that only tests move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from greenlet import getcurrent, greenlet

from executors.clocks import FakeClock
from executors.ports import Intent, Result
from gitops.git.memory import MemoryRemote, MemoryRepository, MemoryServer
from gitops.ledger.held import Held
from gitops.ledger.holder import Actor
from gitops.ledger.ledger import Ledger
from gitops.ledger.records import RunRecord
from gitops.ledger.workspace_chain import WorkspaceChain
from gitops.ledger.workspace_moves import Freeze, ProbeRecord
from gitops.ports import NOTHING, Person
from gitops.schema.workspace import LedgerConfig
from planners.model import RecordedResource

REF = "refs/heads/provisioning/ledger/dev"


class Stepping(FakeClock):
    """A clock during whose sleeps other things happen: ``meanwhile`` is called before each."""

    meanwhile: Callable[[], None] | None = None

    def sleep(self, seconds: float) -> None:
        if self.meanwhile is not None:
            self.meanwhile()
        super().sleep(seconds)


@dataclass
class Living:
    """The processes of one machine, as tests want them."""

    boot: str = "boot-1/pid:[1]"
    alive: dict[int, str] = field(default_factory=dict)

    def started(self, pid: int) -> str:
        return self.alive.get(pid, "")


class Turns:
    """Several flows of control in one thread: each goes on until it pauses, and chance says which of those that are due is next.

    ``pause`` is called at each sleep of ``clock``, and before each push where ``world.server.before`` is set to ``between``.
    """

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)  # noqa: S311  # a seed that replays, no secret
        self.clock = Turning(self)
        self._main = getcurrent()
        self._waiting: list[tuple[float, greenlet]] = []

    def pause(self, seconds: float = 0.0) -> None:
        """Let others go on for so long at least."""
        self._waiting.append((self.clock.monotonic() + seconds, getcurrent()))
        self._main.switch()

    def between(self, updates: object) -> None:
        """A hook of the server."""
        self.pause()

    def run(self, *flows: Callable[[], None]) -> None:
        """All of them to their ends; what one raises is raised here."""
        self._waiting += [(0.0, greenlet(flow)) for flow in flows]
        while self._waiting:
            first = min(due for due, _ in self._waiting)
            turn = self.chance.choice([one for one in self._waiting if one[0] <= first])
            self._waiting.remove(turn)
            self.clock.advance(max(0.0, first - self.clock.monotonic()))
            turn[1].switch()


class Turning(Stepping):
    """Sleeping is letting others go on."""

    def __init__(self, turns: Turns) -> None:
        super().__init__()
        self._turns = turns

    def sleep(self, seconds: float) -> None:
        self._turns.pause(seconds)


@dataclass
class Site:
    """One process in one clone."""

    name: str
    ledger: Ledger
    repository: MemoryRepository
    remote: MemoryRemote
    clock: Stepping
    processes: Living
    told: list[str] = field(default_factory=list)

    def acquire(self, run: str = "r1", timeout: float = 0.0, kind: str = "write", reason: str = "apply", plan: str = "p1") -> Any:
        return self.ledger.acquire(kind, run, plan, reason, timeout, self.told.append)


@dataclass
class Quarters:
    """One clone with its view of the workspace's chain. ``tried``: when the remote was tried out from here."""

    chain: WorkspaceChain
    repository: MemoryRepository
    remote: MemoryRemote
    tried: list[int]
    clock: Stepping

    def freeze(self, infra: str, reason: str, seconds: float) -> Freeze:
        """For so long from now on."""
        return self.chain.freeze(infra, reason, self.clock.wall() + seconds)


class World:
    """One server and who works with it."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.machine = Living()
        self.clock = Stepping()
        self.pushes: list[str] = []
        self.looks = 0
        self.kept: list[Any] = []
        """Blocks that were entered and never left: collected, their ends would free the lock."""
        self._nonces = 0
        self._pids = 100

    def nonce(self) -> str:
        self._nonces += 1
        return f"{self._nonces:032x}"

    def site(self, name: str = "ann", **more: Any) -> Site:
        """A new process in a new clone; ``more`` overrides what its ledger is made of."""
        repository, remote = more.pop("clone", None) or self.server.clone()
        self._pids += 1
        pid = self._pids
        self.machine.alive[pid] = f"ticks-{pid}"
        host = more.pop("host", "host-1")
        processes = more.pop("processes", self.machine)
        actor = Actor(Person(name, f"{name}@example.org"), host, pid, "", processes)
        counted = Counting(remote, self)
        given = {"workspace": "w1", "remote_name": "memory://shared", "timing": LedgerConfig(), "draw": lambda: 0.5} | more
        clock = given.pop("clock", self.clock)
        ledger = Ledger(
            repository, counted, given.pop("infra", "dev"), given["workspace"], given["timing"], clock, actor,
            given["remote_name"], draw=given["draw"], nonce=self.nonce, signing=given.get("signing"), common=given.get("common"),
            home=given.get("home", ""),
        )  # fmt: skip
        return Site(name, ledger, repository, remote, clock, processes)

    def quarters(self, name: str = "ann", workspace: str = "w1", broken: tuple[str, ...] = (), clone: Any = None) -> Quarters:
        """Somebody in a clone of their own, with the workspace's chain; ``broken``: what trying the remote out finds."""
        repository, remote = clone or self.server.clone()
        tried: list[int] = []

        def try_remote() -> ProbeRecord:
            tried.append(int(self.clock.wall()))
            return ProbeRecord("memory://shared", tried[-1], broken)

        actor = Actor(Person(name, f"{name}@example.org"), "host-1", 1)
        chain = WorkspaceChain(
            repository, Counting(remote, self), workspace, "memory://shared", self.clock, actor, try_remote,
            draw=lambda: 0.5, nonce=self.nonce,
        )  # fmt: skip
        return Quarters(chain, repository, remote, tried, self.clock)

    def at_work(self, quarters: Quarters, name: str = "ann") -> Site:
        """A process that works on the ledger of ``dev`` from the same clone, under the workspace's chain."""
        return self.site(name, clone=(quarters.repository, quarters.remote), common=quarters.chain)

    @property
    def tip(self) -> str:
        return self.server.refs[REF]

    def kill(self, pid: int) -> None:
        """The process is gone."""
        del self.machine.alive[pid]


class Counting:
    """A remote that counts what is asked of it."""

    def __init__(self, inner: MemoryRemote, world: World) -> None:
        self.url = inner.url
        self.refused = inner.refused
        self._inner = inner
        self._world = world

    def refs(self, patterns: Any) -> Any:
        self._world.looks += 1
        return self._inner.refs(patterns)

    def fetch(self, refs: Any) -> Any:
        self._world.looks += 1
        return self._inner.fetch(refs)

    def refetch(self, refs: Any) -> Any:
        return self._inner.refetch(refs)

    def push(self, updates: Any, unmoved: Any = NOTHING) -> Any:
        self._world.pushes.append(updates[0].new)
        return self._inner.push(updates, unmoved)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def site(world: World) -> Site:
    return world.site()


@pytest.fixture
def turns() -> Callable[[World, int], Turns]:
    """Makes the flows of a world follow from a seed."""

    def make(world: World, seed: int) -> Turns:
        made = Turns(seed)
        world.clock, world.server.before = made.clock, made.between
        return made

    return make


@pytest.fixture
def new_world() -> Callable[[], World]:
    """Makes worlds, for tests that need one for each example."""
    return World


@pytest.fixture
def intent() -> Callable[..., Intent]:
    """An intent under the lock's token."""

    def make(held: Held, op: str = "op1", address: str = "server/web-01", action: str = "create") -> Intent:
        return Intent(op, op[:32], address, action, action, "fake", "digest", held.token)

    return make


@pytest.fixture
def done() -> Callable[..., Result]:
    """The good end of an operation."""

    def make(op: str = "op1", address: str = "server/web-01", action: str = "create", **more: Any) -> Result:
        record = RecordedResource(address, "fake", {"cpu_cores": 2}, {"id": f"id-{op}"}, run="r1", plan="p1")
        return Result(op, address, action, more.pop("status", "done"), more.pop("recorded", record), **more)

    return make


@pytest.fixture
def run() -> Callable[..., RunRecord]:
    """A run that begins."""

    def make(run_id: str = "r1", plan: str = "p1", **more: Any) -> RunRecord:
        given = {"document": {"id": plan, "steps": []}, "source_commit": "c" * 40, "started": 1_700_000_000.0} | more
        return RunRecord(run_id, "dev", "running", plan, **given)

    return make


@pytest.fixture
def applied(world: World, site: Site, intent: Any, done: Any, run: Any) -> World:
    """A ledger after one run of three resources."""
    with site.acquire() as held:
        held.begin_run(run())
        ops = {f"op{n}": f"server/web-0{n}" for n in (1, 2, 3)}
        held.record([], [intent(held, op, address) for op, address in ops.items()])
        held.record([done(op, address, output="made") for op, address in ops.items()], [])
        held.finish_run("r1", "succeeded", None)
    return world


@pytest.fixture
def ann(world: World) -> Quarters:
    """Where Ann works."""
    return world.quarters("ann")


@pytest.fixture
def bob(world: World) -> Quarters:
    """Where Bob works."""
    return world.quarters("bob")
