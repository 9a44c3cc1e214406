"""The values of the flow: what is asked, what was planned, what is consented to, and where a run plays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from threading import Event
from typing import TYPE_CHECKING

from planners.dataclass import dataclass
from planners.steps import Options, Plan

if TYPE_CHECKING:
    from executors.ports import Progress, RunOptions
    from gitops.declare.load import Loaded
    from gitops.ledger.view import View
    from planners.model import Pin
    from planners.problems import Problem


@dataclass(frozen=True, slots=True)
class Ask:
    """What to plan. ``treeish``: the declarations' commit or tree; ``commit``: the commit they come from ("" for a preview)."""

    infra: str
    treeish: str
    commit: str
    options: Options = field(default_factory=Options)
    refresh: bool = False
    full: bool = False
    offline: bool = False
    follow_pin: bool = True
    frozen: str = ""
    """The version of the frozen snapshot the declarations are of: published by its tag."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it was made from. ``loaded`` is ``None`` when nothing had to be read for it."""

    ask: Ask
    plan: Plan
    view: View
    loaded: Loaded | None
    warnings: tuple[Problem, ...] = ()
    base: str = ""
    """The commit a saved plan was made at."""
    looked_at: frozenset[str] | None = None
    """Addresses whose records it was made from, whether or not there were any; ``None``: all there are."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person or a rule allowed beside the plan itself, and how to wait for the lock.

    ``pin``: ``None`` leaves the pin, ``False`` releases it, a ``Pin`` sets it. ``lock_timeout`` in seconds.
    """

    allow_deletes: int = 0
    destroy: bool = False
    reason: str = "apply"
    kind: str = "write"
    lock_timeout: float = 0.0
    pin: Pin | bool | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a run plays: how wide, who watches, who may stop it, and who is told of waiting."""

    options: RunOptions
    progress: Progress
    cancel: Event
    waiting: Callable[[str], None]
