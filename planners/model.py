"""The domain model: what is declared, what is recorded, what is observed. Frozen values only.

An address is ``kind/name``; a taskserv's name carries its server: ``taskserv/web-01/postgres``.
Mappings inside these values are treated as immutable by everyone.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType

from planners.canonical import Json
from planners.dataclass import dataclass
from planners.problems import NOWHERE, Where

EMPTY: Mapping[str, Json] = MappingProxyType({})


def kind_of(address: str) -> str:
    """``server/web-01`` -> ``server``."""
    return address.partition("/")[0]


def name_of(address: str) -> str:
    """``taskserv/web-01/postgres`` -> ``web-01/postgres``."""
    return address.partition("/")[2]


def host_of(address: str) -> str | None:
    """The server address a taskserv lives on, ``None`` for every other kind."""
    kind, _, name = address.partition("/")
    return f"server/{name.partition('/')[0]}" if kind == "taskserv" else None


def taskserv_of(address: str) -> str:
    """``taskserv/web-01/postgres`` -> ``postgres``."""
    return name_of(address).partition("/")[2]


class EnvironmentClass(StrEnum):
    """Drives protective defaults (DESIGN section 2)."""

    DEV = "dev"
    TEST = "test"
    STAGING = "staging"
    PROD = "prod"


@dataclass(frozen=True, slots=True)
class Approvals:
    """How many approvals a plan needs; ``None`` leaves the class default in force."""

    count: int | None = None
    teams: tuple[str, ...] = ()


NO_WORD = Approvals()
"""The environment leaves approvals to its class."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that an infra of the environment may come to; ``None``: no limit. ``labels``: what all that is made must have."""

    servers: int | None = None
    cpu_cores: int | None = None
    memory_gb: int | None = None
    storage_gb: int | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Budget:
    """``monthly``: the most an infra may cost, in whole units of ``currency``; people are told at ``warn_at`` per cent of it."""

    monthly: int
    currency: str
    warn_at: int = 80


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Environment:
    """What ``environments/<name>.yaml`` says; ``deletion_budget`` ``None`` means the default rule."""

    name: str
    class_: EnvironmentClass = EnvironmentClass.DEV
    deletion_budget: int | None = None
    approvals: Approvals = NO_WORD
    allowed_providers: tuple[str, ...] = ()
    limits: Limits = NO_LIMITS
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """``lifecycle:`` of a declaration."""

    prevent_destroy: bool = False
    create_before_destroy: bool = False
    ignore_changes: tuple[str, ...] = ()
    moved_from: str | None = None
    ignore_drift: tuple[str, ...] = ()
    replace_triggered_by: tuple[str, ...] = ()
    """Addresses whose change replaces this one, each alone or as ``address#key`` (see ``planners.references.cause``)."""
    import_id: str | None = None
    """The id of what is there already and is taken in instead of making another; says nothing once the address is recorded."""

    @property
    def not_ours(self) -> tuple[str, ...]:
        """Paths whose drift is left alone; a change that is declared is another matter for those of ``ignore_drift``."""
        return self.ignore_changes + self.ignore_drift


PLAIN = Lifecycle()
"""A lifecycle that asks for nothing."""


@dataclass(frozen=True, slots=True, order=True)
class Dependency:
    """An edge to another resource of the same infra.

    ``healthy``: start only once it is applied *and* healthy; otherwise applied is enough.
    ``output``: set when the edge comes from a reference ``${address.output}``.
    """

    address: str
    healthy: bool = True
    output: str | None = None


@dataclass(frozen=True, slots=True)
class Resource:
    """One declared resource, fully merged and validated.

    ``declared`` is exactly what was asked (references unresolved, secrets as ``secret://`` references).
    ``extension`` is the digest of the extension that implements it ("" for provider kinds).
    """

    address: str
    provider: str
    declared: Mapping[str, Json] = field(default_factory=lambda: EMPTY)
    depends_on: tuple[Dependency, ...] = ()
    lifecycle: Lifecycle = PLAIN
    extension: str = ""
    where: Where = field(default=NOWHERE, compare=False)
    implied_by: str | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """What some resources amount to. ``storage_gb``: disks and volumes; ``cores_unknown``, ``memory_unknown``: servers of which
    nobody says how many, or how much.

    ``hourly``: currency -> price in billionths of its unit per hour; ``unpriced``: how many have no known price.
    """

    servers: int = 0
    cpu_cores: int = 0
    memory_gb: int = 0
    storage_gb: int = 0
    cores_unknown: int = 0
    memory_unknown: int = 0
    hourly: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    unpriced: int = 0


NOTHING_AT_ALL = Totals()


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left out of a part of an infra: each of ``addresses`` is declared and recorded alike, and nothing in the part makes
    a step for it. So the plan of a part and its rest is the plan of the whole.

    ``count``: how many there are; ``implied``: how many of them nobody declared (see ``Resource.implied_by``); ``totals``: what
    they amount to.
    """

    addresses: Container[str] = frozenset()
    count: int = 0
    implied: int = 0
    totals: Totals = NOTHING_AT_ALL


NOTHING_ELSE = Rest()
"""The rest of the whole."""


@dataclass(frozen=True, slots=True)
class Desired:
    """All that one infra declares at one commit, or a part of it with what is said of its ``rest``."""

    infra: str
    environment: Environment
    resources: Mapping[str, Resource]
    settings: Mapping[str, Json] = field(default_factory=lambda: EMPTY)
    rest: Rest = NOTHING_ELSE
    let_go: frozenset[str] = frozenset()
    """Addresses that leave the record and are not removed."""


class Status(StrEnum):
    """How the last run left a resource: ``degraded`` was changed half way or is not healthy and gets updated,
    ``tainted`` is half made and gets replaced, ``deleting`` is still owned, ``stray`` was made beside another or unheard,
    was taken in, and is to go."""

    READY = "ready"
    DEGRADED = "degraded"
    TAINTED = "tainted"
    DELETING = "deleting"
    STRAY = "stray"


@dataclass(frozen=True, slots=True)
class RecordedResource:
    """One resource as the ledger records it (one state file).

    ``declared`` is what was asked then; ``observed`` holds ids, addresses, outputs and digests of resolved references.
    ``machine`` names the machine a ``local`` or ``fake`` resource lives on.
    """

    address: str
    provider: str
    declared: Mapping[str, Json]
    observed: Mapping[str, Json] = field(default_factory=lambda: EMPTY)
    depends_on: tuple[str, ...] = ()
    lifecycle: Lifecycle = PLAIN
    extension: str = ""
    status: Status = Status.READY
    implied_by: str | None = None
    run: str = ""
    plan: str = ""
    source_commit: str = ""


@dataclass(frozen=True, slots=True)
class Pin:
    """Set by a rollback or a frozen deploy: plan uses this tree until a plain deploy releases it."""

    source: str
    """``snapshot:<version>`` or ``commit:<id>``."""
    commit: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """The recorded state of one infra at one ledger tip (``tip`` empty: no ledger yet)."""

    infra: str
    resources: Mapping[str, RecordedResource]
    tip: str = ""
    pin: Pin | None = None


class Presence(StrEnum):
    """What a provider says about one recorded resource."""

    PRESENT = "present"
    ABSENT = "absent"
    ELSEWHERE = "elsewhere"
    """Lives on another machine (``local``, ``fake``): never treated as missing."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the provider reports now.

    ``attributes`` are in the vocabulary of ``declared`` (only keys the provider can read back);
    ``outputs`` are ids, addresses and the like; ``healthy`` is ``None`` where there is no health check.
    """

    presence: Presence
    attributes: Mapping[str, Json] = field(default_factory=lambda: EMPTY)
    outputs: Mapping[str, Json] = field(default_factory=lambda: EMPTY)
    healthy: bool | None = None
    detail: str = ""


Observed = Mapping[str, Observation]
"""Address -> observation. An address that is not in it was not read: unknown, never absent."""
