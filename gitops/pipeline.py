"""The whole flow, from a commit to a recorded result. Read this file first.

    desired  = what a commit declares            gitops.declare
    recorded = what the last runs left           gitops.ledger
    plan     = the ordered difference            planners.plan            (pure)
    gate     = may this plan run?                rules, ``gate`` below    (pure)
    lock     = one writer per infra, in Git      gitops.ledger
    recheck  = is it still the approved plan?    planners.stale           (pure, under the lock)
    run      = effects, each behind an intent    executors.runner
    record   = state, results, audit: one commit per transition on the ledger
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING

from executors.ports import Outcome, Progress, RunOptions
from gitops.stops import Exit, Stop
from planners.model import Presence, Recorded
from planners.problems import Problem, Problems
from planners.steps import Notice, Options, Plan

if TYPE_CHECKING:
    from gitops.declare.load import Loaded
    from gitops.ledger.ledger import Held, View
    from gitops.wiring import Workspace


@dataclass(frozen=True, slots=True)
class Ask:
    """What to plan. ``treeish`` is the declarations' commit or tree; ``commit`` the commit it came from ("" for a preview)."""

    infra: str
    treeish: str
    commit: str
    options: Options = field(default_factory=Options)
    refresh: bool = False
    full: bool = False
    offline: bool = False
    follow_pin: bool = True


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it was made from. ``loaded`` is ``None`` when the converged marker alone gave the answer."""

    ask: Ask
    plan: Plan
    view: View
    loaded: Loaded | None
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person or a rule allowed beside the plan itself."""

    allow_deletes: int = 0
    destroy: bool = False
    reason: str = "apply"
    kind: str = "write"
    lock_timeout: float = 0.0
    pin: object = None
    """``None``: leave the pin; ``False``: release it; a ``Pin``: set it."""


def make_plan(space: Workspace, ask: Ask) -> Planned:
    """Desired against recorded (and observed, when asked). Raises ``Stop``: invalid declarations, unreachable remote."""
    view = space.ledger(ask.infra).view(offline=ask.offline)
    ask, notices = follow_pin(space, ask, view)
    if (known := converged(space, ask, view)) is not None:
        return Planned(ask, replace(known, notices=notices), view, None)
    loaded = space.load(ask.infra, ask.treeish)
    return plan_from(space, ask, view, loaded, notices)


def plan_from(space: Workspace, ask: Ask, view: View, loaded: Loaded, notices: tuple[Notice, ...] = ()) -> Planned:
    """The planning half: everything is read, now decide."""
    from planners.plan import plan

    recorded = view.recorded()
    observed, unread = space.observe(ask.infra, recorded) if ask.refresh else (None, ())
    made = plan(loaded.desired, recorded, observed, loaded.catalog, ask.options)
    if isinstance(made, Problems):
        raise Stop(Exit.INVALID, f"infra '{ask.infra}' cannot be planned", "mend what is listed above", tuple(made))
    if unread:
        raise Stop(Exit.FAILURE, "some resources could not be read, so drift is unknown", "see above; plan without --refresh", unread)
    made = replace(made, notices=notices + made.notices)
    return Planned(ask, made, view, loaded, loaded.warnings)


def follow_pin(space: Workspace, ask: Ask, view: View) -> tuple[Ask, tuple[Notice, ...]]:
    """After a rollback or a frozen deploy the pinned tree is what is planned, until a plain deploy releases it."""
    pin = view.pin
    if pin is None or not ask.follow_pin:
        return ask, ()
    treeish, held = space.pinned(pin, ask)
    text = f"{ask.infra} is pinned to {pin.source} ({pin.reason}): {held} changes at HEAD held back"
    return replace(ask, treeish=treeish, commit=pin.commit), (Notice("pinned", text + "; 'deploy' releases it"),)


def converged(space: Workspace, ask: Ask, view: View) -> Plan | None:
    """The empty plan the last clean apply left, if nothing it was made from has moved since: ids are compared, nothing is read."""
    marker = view.converged
    if marker is None or ask.full or ask.refresh or ask.options != Options() or view.open_intents:
        return None
    if marker.state != view.state_tree or marker.inputs != space.inputs(ask.infra, ask.treeish):
        return None
    return space.plan_of_document(marker.plan)


def gate(space: Workspace, planned: Planned, consent: Consent) -> None:
    """Everything that must hold before a plan may run. Raises ``Stop`` naming what is missing."""
    plan, ask = planned.plan, planned.ask
    if not ask.commit:
        raise Stop(Exit.USAGE, "a preview of uncommitted edits cannot be applied", "commit and push them, then apply")
    space.require_published(ask, plan.environment)
    for notice in plan.notices:
        if notice.code == "destroys-everything" and not consent.destroy:
            raise Stop(Exit.USAGE, notice.message, f"add {notice.blocks} if that is what you want")
        if notice.code == "deletion-budget" and not consent.destroy and int(notice.blocks.split()[-1]) > consent.allow_deletes:
            raise Stop(Exit.USAGE, notice.message, f"add {notice.blocks} if that is what you want")
    space.require_approval(planned)


def apply(
    space: Workspace, planned: Planned, consent: Consent, options: RunOptions, progress: Progress, cancel: Event, waiting: Callable[[str], None]
) -> tuple[str, Outcome]:
    """Gate, lock, re-check, run, record. Returns the run id and how it ended."""
    gate(space, planned, consent)
    ledger = space.ledger(planned.ask.infra)
    run_id = space.new_run_id()
    with ledger.acquire(consent.kind, run_id, planned.plan.id, consent.reason, consent.lock_timeout, waiting) as held:
        with space.renewing(held):
            settled = settle(space, planned, held, options, progress, cancel)
            checked = recheck(space, planned, settled)
            return run_id, carry_out(space, checked, held, run_id, consent, options, progress, cancel)


def settle(space: Workspace, planned: Planned, held: Held, options: RunOptions, progress: Progress, cancel: Event) -> View:
    """Intents a dead run left open are unknown outcomes: ask, adopt or redo, and close that run before planning afresh."""
    view = held.view()
    if view.open_intents:
        progress.note(f"settling {len(view.open_intents)} open intents of an interrupted run")
        for interrupted in view.interrupted_runs():
            resume_run(space, view, held, interrupted.id, replace(options, settle_only=True), progress, cancel)
        view = held.view()
    return view


def recheck(space: Workspace, planned: Planned, view: View) -> Planned:
    """What was approved is what runs: everything the plan relied on must still read the same. Raises ``Stop`` (stale)."""
    from planners.stale import moved

    recorded: Recorded = view.recorded()
    loaded = planned.loaded or space.load(planned.ask.infra, planned.ask.treeish)
    changed = moved(planned.plan, loaded.desired, recorded, loaded.catalog)
    if changed:
        names = ", ".join(str(item) for item in changed)
        raise Stop(Exit.STALE, f"the plan is stale: {names}", "plan again and review it" + space.who_moved(view, changed))
    return replace(planned, view=view, loaded=loaded)


def carry_out(
    space: Workspace, planned: Planned, held: Held, run_id: str, consent: Consent, options: RunOptions, progress: Progress, cancel: Event
) -> Outcome:
    """Run the plan behind the journal and close the run, however it ended."""
    from executors.runner import run

    held.begin_run(space.run_record(run_id, planned))
    outcome = Outcome("lost")
    try:
        outcome = run(planned.plan, space.tools(planned, held, run_id, progress), options, cancel)
    finally:
        if outcome.status != "lost":
            if consent.pin is not None:
                held.set_pin(consent.pin or None)
            held.finish_run(run_id, outcome.status, space.converged_marker(planned, held.view(), outcome))
    return outcome


def resume_run(
    space: Workspace, view: View, held: Held, run_id: str, options: RunOptions, progress: Progress, cancel: Event
) -> Outcome:
    """Continue the same plan where it stopped: settle what is unknown, skip what is done, do the rest, close the run."""
    from executors.runner import run

    planned = space.planned_of_run(view, run_id)
    tools = space.tools(planned, held, run_id, progress, finished=view.finished_ops(run_id))
    outcome = run(planned.plan, tools, options, cancel)
    if outcome.status != "lost":
        held.finish_run(run_id, "settled" if options.settle_only else outcome.status, None)
    return outcome


def drifted(space: Workspace, infra: str, view: View) -> tuple[tuple[str, Presence, str], ...]:
    """Every recorded resource whose observation differs from its record: (address, presence, detail)."""
    from planners.drift import differences

    observed, unread = space.observe(infra, view.recorded())
    if unread:
        raise Stop(Exit.FAILURE, "some resources could not be read, so their drift is unknown", "see above", unread)
    return differences(view.recorded(), observed)
