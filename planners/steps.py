"""The plan: a tuple of frozen steps from a closed union, read alike by runner, explainer, policy and JSON view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import ClassVar, TypeAlias

from planners.canonical import Json
from planners.dataclass import dataclass
from planners.model import EMPTY, NOTHING_AT_ALL, PLAIN, Dependency, Environment, Lifecycle, Totals

PLAN_FORMAT = 1
"""Version of the plan document; a reader refuses a newer one."""
PLANNER_VERSION = "2"
"""Raised whenever equal inputs may give another plan; part of the plan id."""


@dataclass(frozen=True, slots=True)
class Change:
    """One leaf that differs: ``path`` dotted below ``declared``; ``None`` before/after means not there.

    ``unknown``: the new value is known only after apply. ``sensitive``: never rendered.
    ``forces_replace``: this leaf is why the resource is replaced.
    """

    path: str
    before: Json = None
    after: Json = None
    unknown: bool = False
    sensitive: bool = False
    forces_replace: bool = False


@dataclass(frozen=True, slots=True)
class Digests:
    """What a plan relied on for one address: digests of the declared and the recorded value (or ``absent``)."""

    declared: str
    recorded: str


@dataclass(frozen=True, slots=True)
class _Step:
    address: str
    provider: str
    reason: str
    depends_on: tuple[Dependency, ...] = ()
    """Steps of this plan that come first, by address."""
    declared: Mapping[str, Json] = field(default_factory=lambda: EMPTY)
    """What to make of it: all the executor needs, also on another machine after a crash (empty for deletes)."""
    edges: tuple[Dependency, ...] = ()
    """The declared dependencies, to be recorded with the resource (the graph that deletes walk in reverse)."""
    lifecycle: Lifecycle = PLAIN
    extension: str = ""
    implied_by: str | None = None
    changes: tuple[Change, ...] = ()
    reads: tuple[tuple[str, Digests], ...] = ()
    """Addresses this step relied on, sorted."""
    writes: tuple[tuple[str, Digests], ...] = ()
    """Addresses this step changes, sorted."""


@dataclass(frozen=True, slots=True)
class Create(_Step):
    action: ClassVar[str] = "create"


@dataclass(frozen=True, slots=True)
class Update(_Step):
    action: ClassVar[str] = "update"
    record_only: bool = False
    """Nothing to do outside: edges, lifecycle or origin changed and the record is brought up to date."""


@dataclass(frozen=True, slots=True)
class Replace(_Step):
    action: ClassVar[str] = "replace"
    create_first: bool = False
    gone_with_host: bool = False
    """The old one vanishes with its replaced server: only the creating half is done."""


@dataclass(frozen=True, slots=True)
class Delete(_Step):
    action: ClassVar[str] = "delete"
    gone_with_host: bool = False
    """It vanishes with its server, deleted or made anew: nothing is done outside and no deletion budget counts it."""


@dataclass(frozen=True, slots=True)
class Adopt(_Step):
    action: ClassVar[str] = "adopt"
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Forget(_Step):
    action: ClassVar[str] = "forget"
    let_go: bool = False
    """It may be there, and is left alone; otherwise it is taken out of the record only once it is sure to be gone."""


@dataclass(frozen=True, slots=True)
class Move(_Step):
    action: ClassVar[str] = "move"
    moved_from: str = ""


@dataclass(frozen=True, slots=True)
class Read(_Step):
    action: ClassVar[str] = "read"


Step: TypeAlias = Create | Update | Replace | Delete | Adopt | Forget | Move | Read
STEP_TYPES: Mapping[str, type[Step]] = {t.action: t for t in (Create, Update, Replace, Delete, Adopt, Forget, Move, Read)}


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a reader of the plan should know; ``blocks`` names what apply needs before it may go on."""

    code: str
    message: str
    blocks: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """An ordered plan. ``id`` is the digest of its canonical content: never of commits, times or hosts."""

    infra: str
    environment: Environment
    steps: tuple[Step, ...]
    notices: tuple[Notice, ...] = ()
    unchanged: int = 0
    destroy: bool = False
    targets: tuple[str, ...] = ()
    catalog: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    drift: tuple[str, ...] = ()
    """Addresses whose observation differs from the record (only when asked to refresh)."""
    before: Totals = NOTHING_AT_ALL
    after: Totals = NOTHING_AT_ALL
    """What the whole infra amounts to now, and when this plan is done."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to plan. ``targets``: only these addresses and what they need. ``destroy``: as if nothing were declared. ``replace``:
    the targets are made anew, whether or not anything about them changed."""

    targets: tuple[str, ...] = ()
    destroy: bool = False
    replace: bool = False
