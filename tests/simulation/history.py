"""One history: an office, workers with habits, faults by chance, and an end in calm in which everything has to come right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from machines import CALM, Faults, Machine, Process, World
from network import Clone
from office import INFRA, LEDGER, Declared, Habits, Job, Office, apply_head, freeze_a_while, green, refreshed, thaw_all

from executors.simulated import LAG, LATE
from gitops.ports import GitError
from gitops.stops import Stop

PATIENCE = 4000.0
"""Seconds of virtual time that the faults last at most."""
ATTEMPTS = 4
"""How often one worker runs the program."""


@dataclass(frozen=True)
class Script:
    """What a history is made of; everything else follows from the seed."""

    kind: str
    workers: int
    changes: tuple[tuple[float, Declared], ...]
    """What is declared, and after how many seconds; the first at once."""
    faults: Faults
    window: int = 4
    freezes: tuple[tuple[float, float], ...] = ()
    """After how many seconds somebody freezes the infra, and for how long."""


@dataclass
class History:
    """What happened, for the invariants to judge."""

    script: Script
    office: Office
    ends: list[str] = field(default_factory=list)
    """How each run of the program ended."""
    converged: str = ""
    """How the last one, alone and in calm, ended."""
    strays: tuple[str, ...] = ()
    """What a plan that looks at everything says of things that nobody recorded."""
    drifted: tuple[str, ...] = ()
    """What that plan would change."""
    moments: int = 0
    """Between how many pairs of effects a process of interest could be killed."""

    @property
    def faults(self) -> int:
        """How many faults struck."""
        return sum(self.office.world.hits.values())


def script_of(seed: int, kind: str = "") -> Script:
    """A script drawn from ``seed``."""
    chance = Random(seed * 2 + 1)  # noqa: S311  # chance that replays
    kind = kind or chance.choice(("key", "key", "name", "name", "tag"))
    workers, changes, faults = chance.choice((1, 2, 2, 3)), tuple(_changes(chance)), _faults(chance)
    window, freezes = chance.choice((1, 2, 4)), chance.choice((0, 0, 0, 1, 2))
    spans = tuple((chance.random() * 60, chance.random() * 90) for _ in range(freezes))
    return Script(kind, workers, changes, faults, window, spans)


def _changes(chance: Random) -> list[tuple[float, Declared]]:
    at, found, declared = 0.0, [], _first(chance)
    for _ in range(chance.choice((1, 2, 2, 3))):
        found.append((at, declared))
        at += chance.random() * 120
        declared = _next(declared, chance)
    return found


def _first(chance: Random) -> Declared:
    networks = {"private": {"cidr": "10.0.0.0/24"}} if chance.random() < 0.7 else {}
    servers = {f"s{i}": _server(chance, bool(networks)) for i in range(chance.choice((1, 1, 2, 3)))}
    return {**({"networks": networks} if networks else {}), "servers": servers}


def _server(chance: Random, networked: bool) -> Mapping[str, object]:
    # few different values, so that loading is shared between histories
    return {
        "cpu_cores": chance.choice((1, 2)), "memory_gb": 2, "image": chance.choice(("debian", "ubuntu")),
        **({"networks": ["private"]} if networked else {}),
    }  # fmt: skip


def _next(declared: Declared, chance: Random) -> Declared:
    """A change: a server more, fewer, other; sometimes everything goes."""
    servers = dict(declared["servers"])
    networked = "networks" in declared
    kind = chance.choice(("add", "remove", "change", "change", "image"))
    if kind == "add" and len(servers) < 3:
        servers[f"s{len(servers)}"] = _server(chance, networked)
    elif kind == "remove" and len(servers) > 1:
        servers.popitem()
    else:
        name = chance.choice(sorted(servers))
        servers[name] = _server(chance, networked)
    return {**declared, "servers": servers}


def _faults(chance: Random) -> Faults:
    """A mood: most faults are off, some are frequent."""

    def some(likely: float, most: float) -> float:
        return chance.random() * most if chance.random() < likely else 0.0

    return Faults(
        kill=some(0.7, 0.015), pause=some(0.5, 0.03), longest_pause=chance.choice((10.0, 300.0)),
        lost_push=some(0.4, 0.15), lost_answer=some(0.4, 0.2), late_push=some(0.4, 0.15), refused_push=some(0.2, 0.1),
        latest_push=chance.choice((5.0, 40.0, 200.0)), unreachable=some(0.3, 0.1),
        partition=some(0.3, 0.03), stale_read=some(0.2, 0.1), doubled_push=some(0.2, 0.2),
        provider_lost=some(0.4, 0.2), provider_unknown=some(0.5, 0.4), provider_late=some(0.4, 0.3),
        provider_throttled=some(0.3, 0.2), provider_slow=some(0.4, 0.6), clock_jump=some(0.1, 0.02),
    )  # fmt: skip


@dataclass
class Worker:
    """Somebody, or a job, who runs the program until there is nothing left to do."""

    history: History
    name: str
    machine: Machine
    clone: Clone
    habits: Habits
    attempts: int = ATTEMPTS
    done: bool = False
    process: Process | None = None
    job: Job = apply_head

    def start(self, delay: float = 0.0) -> None:
        """Run the program ``delay`` seconds from now."""
        self.attempts -= 1
        world = self.history.office.world
        process = self.process = self.machine.process(f"{self.name}.{ATTEMPTS - self.attempts}")
        world.scheduler.spawn(process, lambda: self._run(process), delay)
        world.scheduler.at(delay + 1, lambda: self._look(process))

    def _look(self, process: Process) -> None:
        """Whoever started a process sees that it was killed."""
        world = self.history.office.world
        if process.dead:
            self._again()
        elif not self.done and self.process is process:
            world.scheduler.at(5, lambda: self._look(process))

    def _run(self, process: Process) -> None:
        office = self.history.office
        try:
            end = self.job(office.space(process, self.clone), self.habits, office.world.tell)
        except Stop as stop:
            end = f"stop {stop.code}: {stop.message}"
        except GitError as error:
            end = f"git: {error}"
        office.world.tell(f"{process.name} ends: {end}")
        self.history.ends.append(end)
        process.machine.alive.pop(process.pid, None)
        process.fibers.clear()
        self._again(end)

    def _again(self, end: str = "killed") -> None:
        """Once more, until it is done or nobody tries any longer."""
        if end == "nothing to do" or self.attempts <= 0:
            self.done = True
            return
        self.start(self.history.office.world.chance.random() * 30)


def begin(seed: int, script: Script) -> History:
    """An office in which nothing has happened yet."""
    return History(script, Office(World(seed, script.faults), script.kind, script.window))


def hire(history: History, name: str, habits: Habits | None = None, attempts: int = ATTEMPTS, job: Job = apply_head) -> Worker:
    """Somebody with a machine and a clone of their own, and habits drawn by chance unless given."""
    chance = history.office.world.chance
    machine, clone = history.office.machine()
    drawn = Habits(
        chance.choice((1, 2, 4)), chance.choice(("stop", "continue")), chance.random() < 0.2, chance.random() < 0.5,
        chance.choice((0.0, 120.0, 400.0, 400.0)),
    )  # fmt: skip
    return Worker(history, name, machine, clone, habits or drawn, attempts, job=job)


def play(seed: int, script: Script | None = None) -> History:
    """Play the history of ``seed`` to its end. Raises ``HungError``; what it left is judged elsewhere."""
    script = script or script_of(seed)
    history = begin(seed, script)
    office, world = history.office, history.office.world
    with green():
        office.declare(script.changes[0][1])
        for at, declared in script.changes[1:]:
            world.scheduler.at(at, lambda declared=declared: office.declare(declared))  # type: ignore[misc]
        workers = [hire(history, f"w{number + 1}") for number in range(script.workers)]
        for worker in workers:
            worker.start(world.chance.random() * 20)
        for number, (at, seconds) in enumerate(script.freezes):
            workers.append(hire(history, f"f{number + 1}", job=freeze_a_while(seconds)))
            workers[-1].start(at)
        latest = script.changes[-1][0]
        world.scheduler.run(
            lambda: world.scheduler.now >= latest and (all(w.done for w in workers) or world.scheduler.now > PATIENCE)
        )
        recover(history, workers)
    return history


def recover(history: History, workers: list[Worker]) -> None:
    """Calm: no fault any more, whoever still works goes on to the end, and one more, on a machine of its own, finishes it all."""
    world = history.office.world
    world.faults = CALM
    world.tell("-- calm --")
    for worker in workers:
        worker.attempts = 0
    world.scheduler.run(lambda: all(w.done for w in workers))
    if history.script.freezes:
        workers = [hire(history, "thaw", Habits(), job=thaw_all)]
        workers[0].start(history.script.faults.latest_push)  # a freeze may still be on its way
        world.scheduler.run(lambda: workers[0].done)
    last = hire(history, "last", Habits(lock_timeout=600.0, resumes=world.chance.random() < 0.5))
    last.start()
    world.scheduler.run(lambda: last.done)
    history.converged = history.ends[-1]
    _pass_by(history)


def _pass_by(history: History) -> None:
    """When everything has landed, somebody takes the lock once more and does nothing, which those who died in the queue delay and
    no more; then a plan looks at everything there is."""
    office = history.office
    machine, clone = office.machine()
    process = machine.process("passer-by")
    ended: list[bool] = []

    def work() -> None:
        process.wait(LATE + LAG)
        space = office.space(process, clone)
        if LEDGER in office.server.refs:
            with space.ledger(INFRA).acquire("write", "", "", "pass by", 600.0, office.world.tell):
                pass
        planned = refreshed(space)
        history.strays = tuple(n.message for n in planned.plan.notices if n.code == "stray")
        history.drifted = tuple(step.address for step in planned.plan.steps)
        ended.append(True)

    office.world.scheduler.spawn(process, work)
    office.world.scheduler.run(lambda: bool(ended))
