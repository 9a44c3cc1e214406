"""Machines with clocks of their own, processes that can be killed or stopped at any effect, and what chance does to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from scheduler import Dead, Fiber, Scheduler, here

T = TypeVar("T")
EPOCH = 1_700_000_000.0


@dataclass(frozen=True)
class Faults:
    """How likely each fault is at each chance it has, from 0 to 1; times in seconds."""

    kill: float = 0.0
    pause: float = 0.0
    longest_pause: float = 40.0
    lost_push: float = 0.0
    lost_answer: float = 0.0
    late_push: float = 0.0
    latest_push: float = 20.0
    refused_push: float = 0.0
    unreachable: float = 0.0
    stale_read: float = 0.0
    partition: float = 0.0
    doubled_push: float = 0.0
    provider_lost: float = 0.0
    provider_unknown: float = 0.0
    provider_late: float = 0.0
    provider_throttled: float = 0.0
    provider_slow: float = 0.0
    clock_jump: float = 0.0


CALM = Faults()


@dataclass
class World:
    """One history: its time, its chance, and what went wrong in it so far (``hits`` by name of the fault)."""

    seed: int
    faults: Faults
    scheduler: Scheduler = field(default_factory=Scheduler)
    hits: dict[str, int] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)  # noqa: S311  # chance that replays
        self._named = Random(~self.seed)  # noqa: S311

    def strikes(self, name: str) -> bool:
        """Whether the fault ``name`` happens now."""
        likely = getattr(self.faults, name)
        if not likely or self.chance.random() >= likely:
            return False
        self.hit(name)
        return True

    def hit(self, name: str) -> None:
        """Count a fault."""
        self.hits[name] = self.hits.get(name, 0) + 1
        self.tell(f"!! {name}")

    def tell(self, what: str) -> None:
        """A line of the trace, which is the whole history in words."""
        fiber = here()
        self.trace.append(f"{self.scheduler.now:9.3f} {fiber.owner.name if fiber else '-':8} {what}")

    def nonce(self) -> str:
        """128 bits that nobody else draws."""
        return f"{self._named.getrandbits(128):032x}"

    def acting(self) -> Process:
        """The process that runs."""
        fiber = here()
        assert fiber is not None
        owner: Process = fiber.owner
        return owner

    def latency(self) -> float:
        """Seconds of a way over the network: mostly short, sometimes not."""
        return 0.02 + self.chance.random() ** 4 * 1.5


class TrueClock:
    """Implements ``executors.ports.Clock``: time as it is, for what is nobody's machine."""

    def __init__(self, world: World) -> None:
        self._world = world

    def wall(self) -> float:
        """Unix time."""
        return EPOCH + self._world.scheduler.now

    def monotonic(self) -> float:
        """Seconds since the history began."""
        return self._world.scheduler.now

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._world.scheduler.wait(seconds)


class Machine:
    """A host: its boot, its clocks, its processes, and how far it is from the rest.

    ``cut_until``: it reaches nobody before then. ``replica``: until when it reads the server's refs as they once were, and how
    they were. Implements ``gitops.ledger.holder.Processes``.
    """

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.boot = f"boot-{name}"
        # two clocks differ in rate by less than a quarter: docs/ledger.md, Not promised
        self.rate = 1.0 + world.chance.uniform(-0.1, 0.1)
        self.offset = world.chance.uniform(0, 1000)
        self.wall_offset = world.chance.uniform(-30, 30)
        self.cut_until = 0.0
        self.replica: tuple[float, dict[str, str]] = (0.0, {})
        self.alive: dict[int, Process] = {}
        self._pids = 100

    def started(self, pid: int) -> str:
        """Field 22 of stat, in effect."""
        return f"tick-{pid}" if pid in self.alive else ""

    def process(self, name: str) -> Process:
        """A new process."""
        self._pids += 1
        process = self.alive[self._pids] = Process(self, name, self._pids)
        return process


class Process:
    """One run of the program. ``boundaries`` counts the moments between two effects; ``strike_at`` maps such a moment to what
    is done to the process there."""

    def __init__(self, machine: Machine, name: str, pid: int) -> None:
        self.machine, self.name, self.pid, self.world = machine, name, pid, machine.world
        self.fibers: list[Fiber] = []
        self.dead = False
        self.frozen_until = 0.0
        self.boundaries = 0
        self.strike_at: dict[int, Callable[[Process], None]] = {}
        self.names: list[str] = []

    def boundary(self, name: str) -> None:
        """A moment between two effects: whatever can happen to a process happens here. Raises ``Dead``."""
        if self.dead:
            raise Dead
        here_now = self.boundaries
        self.boundaries += 1
        self.names.append(name)
        if here_now in self.strike_at:
            self.strike_at[here_now](self)
        elif self.world.strikes("kill"):
            self.kill()
        elif self.world.strikes("pause"):
            self.freeze(self.world.chance.random() * self.world.faults.longest_pause)
        if self.world.strikes("clock_jump"):
            self.machine.wall_offset += self.world.chance.choice((-3600.0, 3600.0))
        if self.dead:
            raise Dead

    def kill(self) -> None:
        """As SIGKILL: nothing of it runs any more."""
        self.world.tell(f"{self.name} is killed")
        self.dead = True
        self.machine.alive.pop(self.pid, None)
        self.world.scheduler.at(0, lambda: self.world.scheduler.reap(self))

    def freeze(self, seconds: float) -> None:
        """As SIGSTOP, and SIGCONT ``seconds`` later."""
        self.world.tell(f"{self.name} is stopped for {seconds:.1f} s")
        self.frozen_until = self.world.scheduler.now + seconds
        self.world.scheduler.wait(seconds)

    def effect(self, name: str, act: Callable[[], T]) -> T:
        """Something done to the world, with a moment before it and one after it."""
        self.boundary(f"before {name}")
        result = act()
        self.boundary(f"after {name}")
        return result

    def wait(self, seconds: float) -> None:
        """Let true time pass. Raises ``Dead``."""
        self.world.scheduler.wait(seconds)


class ProcessClock:
    """Implements ``executors.ports.Clock`` as a process sees its machine's."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def wall(self) -> float:
        """Unix time, wrong by the machine's offset."""
        machine = self._process.machine
        return EPOCH + machine.world.scheduler.now + machine.wall_offset

    def monotonic(self) -> float:
        """Seconds at the machine's own rate."""
        machine = self._process.machine
        return machine.offset + machine.world.scheduler.now * machine.rate

    def sleep(self, seconds: float) -> None:
        """Wait by the machine's own clock."""
        self._process.wait(max(seconds, 0.0) / self._process.machine.rate)
