"""What planners know of providers and taskservs, as data: nobody computes a diff in provider code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType

from planners.canonical import Json
from planners.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class KindSpec:
    """One kind a provider offers.

    ``replace_on``: top-level keys of ``declared`` whose change forces a replacement.
    ``sensitive``: keys hidden in every rendering. ``readable``: keys the provider can read back (drift is judged on these only).
    """

    replace_on: frozenset[str] = frozenset()
    sensitive: frozenset[str] = frozenset()
    readable: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class KindPrice:
    """What one resource of a kind costs: as ``plans`` says of its plan, or ``each``, and for every unit of a size as in ``per``.

    All in billionths of the currency's unit per hour; what none of them says has no known price.
    """

    plans: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    each: int | None = None
    per: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Prices:
    """A price list. ``free``: nothing costs anything, such as on this machine."""

    currency: str = ""
    kinds: Mapping[str, KindPrice] = field(default_factory=lambda: MappingProxyType({}))
    free: bool = False


FREE = Prices(free=True)


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """A provider as a value, importable without its SDK."""

    name: str
    version: str
    kinds: Mapping[str, KindSpec]
    needs_zone: bool = True
    idempotency: str = "key"
    """How a creation whose outcome is unknown is settled: ``key`` (the same call under the same key is the same resource),
    ``name`` (names are unique, so a second one is refused) or ``tag`` (only looking for our tag tells)."""
    late_seconds: float = 60.0
    """A call shows in ``list`` and ``read`` so many seconds after it was sent, whatever became of its caller, or never.

    0: nothing goes on without its caller. A cloud adds up how long a call may be under way and how old its lists may be.
    """
    late_source: str = ""
    """Where that bound comes from: a document, a measurement. A wrong one breaks the promise quietly."""
    key_seconds: float = 0.0
    """How long the provider remembers a key, 0: for ever. After that its kind is ``tag``."""
    plans: Mapping[str, Mapping[str, int]] = field(default_factory=lambda: MappingProxyType({}))
    """Sizes by the provider's name for them: ``cpu_cores``, ``memory_gb``, ``disk_gb``."""
    prices: Prices | None = None
    """``None``: nobody knows."""


@dataclass(frozen=True, slots=True, order=True)
class Requirement:
    """A hard need of a taskserv: another taskserv or a provided capability.

    ``roles``: the need holds only for these roles of the taskserv (empty: all).
    ``anywhere``: any server of the infra will do, else it must be on the same server.
    """

    name: str
    healthy: bool = True
    roles: tuple[str, ...] = ()
    anywhere: bool = False


@dataclass(frozen=True, slots=True)
class TaskservSpec:
    """What a taskserv extension's manifest says, as the planner needs it.

    ``roles`` in start order: a server with an earlier role comes first.
    """

    name: str
    version: str
    digest: str
    requires: tuple[Requirement, ...] = ()
    optional: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    defaults: Mapping[str, Json] = field(default_factory=lambda: MappingProxyType({}))
    replace_on: frozenset[str] = frozenset()
    sensitive: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Catalog:
    """All a plan may rely on; its versions and digests are part of the plan id."""

    providers: Mapping[str, ProviderSpec]
    taskservs: Mapping[str, TaskservSpec] = field(default_factory=lambda: MappingProxyType({}))
    evaluators: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
