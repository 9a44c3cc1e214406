"""A state repository in memory, people who change it, and the product at work in a process: ``Space`` is the product's own
``Workspace`` with this world's clock, chance, remote and cloud in the places of the real ones."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple, TypeAlias, TypeVar
from unittest import mock

from cloud import Cloud
from machines import Machine, Process, ProcessClock, World
from network import Clone, ClonedBy, SimulatedRemote
from scheduler import GreenExecutor, GreenLock, GreenPool, GreenQueue

from executors.fakes import SilentProgress
from executors.ports import Provider, Tools
from gitops import sources
from gitops.cache import Cache
from gitops.declare.load import Loaded, load_workspace
from gitops.declare.source import Part
from gitops.flow import Ask, Consent, Planned, Stage
from gitops.git.memory import MemoryRemote, MemoryServer
from gitops.git.remote import normalised
from gitops.ledger import check, workspace_check
from gitops.ledger.holder import Actor
from gitops.ledger.users import Users
from gitops.ledger.view import View
from gitops.pipeline import apply, close_interrupted, make_plan, resume_run
from gitops.ports import ZERO, GitError, Person, RefUpdate
from gitops.probe import Probe
from gitops.runs import run_options, unfinished
from gitops.schema.workspace import WorkspaceConfig
from gitops.stops import Stop
from gitops.wiring import Workspace
from planners.catalog import ProviderSpec
from planners.model import NOTHING_ELSE, Recorded
from planners.problems import Problems

T = TypeVar("T")
log = logging.getLogger(__name__)
INFRA = "shop"
MAIN = "refs/heads/main"
LEDGER = f"refs/heads/provisioning/ledger/{INFRA}"
AUDIT = "refs/heads/provisioning/audit"
ADA = Person("Ada Example", "ada@example.org", 1_700_000_000)
WORKSPACE = """\
format: 1
id: 5f0c8a52-7e0b-4d53-9c5e-0d5a3f2b6c11
name: simulated
protected_branch: main
ledger: {lease_seconds: 60, grace_seconds: 30, window: %d, flush_seconds: 5}
"""
CLASS = "class: dev\n"

Declared = Mapping[str, Mapping[str, Mapping[str, object]]]
"""Kind plural -> name -> attributes."""


class Landed(NamedTuple):
    """A push that the server took: when, from which process, what, and when it was begun."""

    at: float
    sender: str
    oid: str
    begun: float


class Declarations:
    """What commits declare. Loading one is pure, so all histories share what was loaded once."""

    loaded: dict[tuple[str, str, frozenset[str]], list[tuple[Mapping[str, bool], Loaded | Problems]]] = {}
    """Tree, kind of provider and files -> what was asked of the rest with the answers, and what came of it."""
    workspaces: dict[str, WorkspaceConfig] = {}


class Beside:
    """Addresses beside a part, and what was asked of them."""

    def __init__(self, addresses: Container[str]) -> None:
        self.addresses = addresses
        self.told: dict[str, bool] = {}

    def __contains__(self, address: object) -> bool:
        return self.told.setdefault(str(address), address in self.addresses)


@dataclass
class Office:
    """One state repository with its server, the cloud it drives, and the machines that work on it."""

    world: World
    kind: str
    window: int = 4
    server: MemoryServer = field(default_factory=MemoryServer)
    published: list[Landed] = field(default_factory=list)
    """Every move of the ledger at the server."""
    told: list[Landed] = field(default_factory=list)
    """Every move of the workspace's chain there."""
    processes: dict[tuple[str, int], str] = field(default_factory=dict)
    """Host and process number -> the name of the process."""

    def __post_init__(self) -> None:
        self.cloud = Cloud(self.world, self.kind)
        self.writer = Clone(ADA)
        self.machines = 0

    def machine(self) -> tuple[Machine, Clone]:
        """A new machine with a fresh clone."""
        self.machines += 1
        machine = Machine(self.world, f"host-{self.machines}")
        clone = Clone(Person(f"Worker {self.machines}", f"w{self.machines}@example.org", 1_700_000_000))
        MemoryRemote(clone, self.server).fetch({MAIN: MAIN})
        return machine, clone

    def declare(self, declared: Declared) -> str:
        """Somebody commits and pushes what is to be, each entry in a file of its own."""
        files: dict[str, bytes | str | None] = {
            f"infra/{INFRA}": None,
            "workspace.yaml": (WORKSPACE % self.window).encode(),
            "environments/dev.yaml": CLASS.encode(),
            f"infra/{INFRA}/main.yaml": b"settings: {provider: simulated, environment: dev}\n",
        }
        for kind, entries in declared.items():
            for name, attributes in entries.items():
                shown = "\n".join(f"{k}: {_flow(v)}" for k, v in attributes.items())
                files[f"infra/{INFRA}/{kind}/{name}.yaml"] = f"{shown}\n".encode()
        parent = self.server.refs.get(MAIN, "")
        oid = self.writer.write(parent, files, "change", ADA)
        if oid != parent:
            self.server.apply(self.writer, [RefUpdate(MAIN, parent or ZERO, oid)])
        self.world.tell(f"declared: {dict(declared)}")
        return oid

    def space(self, process: Process, clone: Clone) -> Space:
        """The product in ``process``, working on ``clone``."""
        return Space(self, process, clone)


def _flow(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, (list, tuple)) else str(value)


class Space(Workspace):
    """The product's workspace in this world."""

    def __init__(self, office: Office, process: Process, clone: Clone) -> None:
        super().__init__(Path(), ClonedBy(clone, process), {})  # type: ignore[arg-type]
        self._office, self._process, self._clone = office, process, clone
        office.processes[process.machine.name, process.pid] = process.name

    def nonce(self) -> str:
        """This world's chance."""
        return self._office.world.nonce()

    def draw(self) -> float:
        """This world's chance."""
        return self._office.world.chance.random()

    @cached_property
    def clock(self) -> ProcessClock:  # type: ignore[override]
        """This machine's."""
        return ProcessClock(self._process)

    @cached_property
    def remote(self) -> SimulatedRemote:  # type: ignore[override]
        """The server, through this world's network."""
        return SimulatedRemote(self._clone, self._office.server, self._process, self._note)

    def _note(self, updates: Sequence[RefUpdate], sent: float) -> None:
        office, name = self._office, self._process.name
        for ref, landed in ((LEDGER, office.published), (AUDIT, office.told)):
            landed += [Landed(office.world.scheduler.now, name, u.new, sent) for u in updates if u.ref == ref]

    def try_remote(self) -> Probe:
        """The server of this world keeps its word; how that is found out is tested elsewhere."""
        return Probe(normalised(self.remote.url), int(self.clock.wall()), ())

    @cached_property
    def actor(self) -> Actor:
        """This process of this machine."""
        machine = self._process.machine
        return Actor(self._clone.person, machine.name, self._process.pid, "", machine)

    def config_at(self, treeish: str) -> WorkspaceConfig:
        """Read by the product, once for all histories."""
        entry = self.repository.entries(treeish)["workspace.yaml"]
        if entry.oid not in Declarations.workspaces:
            found = load_workspace(self.repository, treeish)
            assert isinstance(found, WorkspaceConfig), found
            Declarations.workspaces[entry.oid] = found
        return Declarations.workspaces[entry.oid]

    @cached_property
    def provider_specs(self) -> Mapping[str, ProviderSpec]:
        """The cloud alone."""
        return {"simulated": self._office.cloud.spec}

    def declared(self, infra: str, treeish: str, part: Part | None = None) -> Loaded | Problems:
        """Read by the product, once for all histories: the answer is the same as long as what it asks of the rest is."""
        key = (self.repository.commit(treeish).tree, self._office.kind, frozenset(part.files if part else ["the whole"]))
        known = Declarations.loaded.setdefault(key, [])
        rest = part.rest if part else NOTHING_ELSE
        same = (one for told, one in known if all((address in rest.addresses) == there for address, there in told.items()))
        if (loaded := next(same, None)) is None:
            beside = Beside(rest.addresses)
            loaded = super().declared(infra, treeish, replace(part, rest=replace(rest, addresses=beside)) if part else None)
            known.append((beside.told, loaded))
        return loaded if isinstance(loaded, Problems) else replace(loaded, desired=replace(loaded.desired, rest=rest))

    def users(self, view: View) -> Users:
        """Worked out each time: nothing is kept on this world's disks."""
        return Users(view, Cache(Path(os.devnull) / "none", bytes))

    def tools(self, loaded: Loaded, treeish: str, recorded: Recorded, **more: object) -> Tools:
        """The product's, with the cloud as its only provider and no log on disk."""
        providers: Mapping[str, Provider] = {"simulated": self._office.cloud.provider(self._process)}
        return super().tools(loaded, treeish, recorded, **{**more, "providers": providers, "log_dir": ""})


def once(pure: Callable[..., T], key: Callable[..., str]) -> Callable[..., T]:
    """``pure``, remembered by ``key``."""
    known: dict[str, T] = {}

    def ask(*asked: Any) -> T:
        name = key(*asked)
        if name not in known:
            known[name] = pure(*asked)
        return known[name]

    return ask


@contextmanager
def green() -> Iterator[None]:
    """Threads, queues and locks of the product are those of the scheduler while this lasts. What is wrong with a commit follows
    from its id, so it is worked out once for all clones."""
    with (
        mock.patch("gitops.ledger.check.faults", once(check.faults, lambda step: step.commit.oid)),
        mock.patch("gitops.ledger.workspace_check.faults", once(workspace_check.faults, lambda commit, *rest: commit.oid)),
        mock.patch("executors.runner.Threads", GreenPool),
        mock.patch("executors.loop.SimpleQueue", GreenQueue),
        mock.patch("executors.observe.ThreadPoolExecutor", GreenExecutor),
        mock.patch("executors.settling.Lock", GreenLock),
        mock.patch("gitops.ledger.held.RLock", GreenLock),
    ):
        yield


@dataclass(frozen=True)
class Habits:
    """How a worker runs the program."""

    parallel: int = 2
    on_failure: str = "stop"
    compensate: bool = False
    resumes: bool = True
    lock_timeout: float = 300.0


Job: TypeAlias = Callable[[Space, Habits, Callable[[str], None]], str]
"""What somebody runs, again and again until it says that there is nothing to do."""
AGES = 10.0 * 24 * 3600
"""Seconds: no clock of a history comes that far, so a freeze ends when somebody ends it."""


def refreshed(space: Space) -> Planned:
    """A plan that looks at everything: ``plan --refresh``."""
    head = sources.protected_head(space)
    return make_plan(space, Ask(INFRA, head, head, refresh=True))


def apply_head(space: Space, habits: Habits, say: Callable[[str], None]) -> str:
    """What ``apply`` (or ``run resume``) does once somebody has pulled and says yes. Returns how it ended; raises ``Stop``."""
    head = sources.protected_head(space)
    ask = Ask(INFRA, head, head)
    options = run_options(space, habits.parallel, habits.on_failure, habits.compensate)
    stage = Stage(options, SilentProgress(), Event(), say)
    consent = Consent(allow_deletes=100, destroy=True, lock_timeout=habits.lock_timeout)
    planned = make_plan(space, ask)
    interrupted = planned.view.interrupted_runs()
    if interrupted and habits.resumes and interrupted[-1].id == planned.view.runs()[0].id:
        return f"resumed: {resume_run(space, INFRA, interrupted[-1].id, consent, stage).status}"
    if unfinished(space, planned):
        close_interrupted(space, INFRA, consent, stage)
        planned = make_plan(space, ask)
    if not planned.plan.steps:
        return "nothing to do"
    [(_, _, outcome)] = apply(space, (planned,), consent, stage)
    return outcome.status


def freeze_a_while(seconds: float) -> Job:
    """What a person does who freezes the infra, looks into something, and ends it."""

    def job(space: Space, habits: Habits, say: Callable[[str], None]) -> str:
        del habits
        made = space.common.freeze(INFRA, "to look into it", space.clock.wall() + AGES)
        say(f"frozen by {made.name}")
        space.clock.sleep(seconds)
        space.common.thaw(INFRA, "")
        say(f"thawed by {made.name}")
        return "nothing to do"

    return job


def thaw_all(space: Space, habits: Habits, say: Callable[[str], None]) -> str:
    """What whoever puts an end to it does: nobody who froze the infra is there any more."""
    del habits, say
    if space.common.view().freeze(INFRA, space.clock.wall()) is not None:
        space.common.thaw(INFRA, "they have left")
    return "nothing to do"


__all__ = [
    "ADA",
    "INFRA",
    "LEDGER",
    "GitError",
    "Habits",
    "Job",
    "Office",
    "Space",
    "Stop",
    "apply_head",
    "freeze_a_while",
    "green",
    "refreshed",
    "thaw_all",
]
