"""The whole flow, from a commit to a recorded result. Read this file first.

desired  = what a commit declares            gitops.declare
recorded = what the last runs left           gitops.ledger
plan     = the ordered difference            planners.plan            (pure)
gate     = may this plan run?                rules.approvals          (pure), published, budgets
lock     = one writer per infra, in Git      gitops.ledger      (several infras: all or none, gitops.ledger.together)
recheck  = is it still the approved plan?    planners.stale           (pure, under the lock)
run      = effects, each behind an intent    executors.runner
record   = state, results, audit: one commit per transition on the ledger
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitops import sources
from gitops.flow import Ask, Consent, Planned, Stage
from gitops.stops import Exit, Stop
from gitops.wiring import Workspace, invalid
from planners.steps import Notice, Options, Plan

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from executors.ports import Outcome
    from gitops.declare.load import Loaded
    from gitops.ledger.held import Held
    from gitops.ledger.together import Together
    from gitops.ledger.view import View
    from planners.model import Observed
    from planners.problems import Problem


def make_plan(space: Workspace, ask: Ask) -> Planned:
    """Desired against recorded (and observed, when asked). Raises ``Stop``: invalid declarations, unreachable remote."""
    view = space.ledger(ask.infra).view(offline=ask.offline)
    ask, notices = sources.follow_pin(space, ask, view)
    notices += sources.frozen(space, ask.infra) + sources.interrupted(space, view)
    if (known := converged(space, ask, view)) is not None:
        return Planned(ask, replace(known, notices=notices), view, None)
    from gitops.part import planned_part

    if (part := planned_part(space, ask, view)) is not None:
        made = Planned(ask, part.plan, view, part.loaded, part.loaded.warnings, looked_at=part.looked_at)
        return finished(space, made, notices)
    return plan_from(space, ask, view, space.load(ask.infra, ask.treeish), notices)


def plan_from(space: Workspace, ask: Ask, view: View, loaded: Loaded, notices: tuple[Notice, ...] = ()) -> Planned:
    """The planning half: all declarations are read, now decide."""
    from planners.plan import plan
    from planners.problems import Problems

    recorded = view.recorded()
    observed: Observed | None = None
    unread: tuple[Problem, ...] = ()
    if ask.refresh:
        from gitops.observing import look

        seen = look(space, ask, view, loaded)
        observed, unread, notices = seen.observed, seen.unread, notices + seen.notices
    made = plan(loaded.desired, recorded, observed, loaded.catalog, ask.options)
    if isinstance(made, Problems):
        raise invalid(ask.infra, made)
    if unread:
        raise Stop(
            Exit.FAILURE,
            "some resources could not be read, so what is there is unknown",
            "mend that, or plan without --refresh",
            unread,
        )
    return finished(space, Planned(ask, made, view, loaded, loaded.warnings), notices)


def finished(space: Workspace, planned: Planned, notices: tuple[Notice, ...]) -> Planned:
    """The plan with all that a reader of it should know: ``notices`` and what approvals it needs come around its own."""
    from gitops.gate import approval_notice

    approval = approval_notice(space, planned)
    return replace(planned, plan=replace(planned.plan, notices=(*notices, *planned.plan.notices, *approval)))


def converged(space: Workspace, ask: Ask, view: View) -> Plan | None:
    """The empty plan of the last clean apply, if nothing it was made from has moved since: ids are compared, nothing is read."""
    marker = view.converged
    if marker is None or ask.full or ask.refresh or ask.options != Options() or view.open_intents:
        return None
    if marker.state != view.state_tree or marker.inputs != space.inputs(ask.infra, ask.treeish):
        return None
    from planners.document import read_plan

    return read_plan(marker.plan)


def apply(space: Workspace, plans: Sequence[Planned], consent: Consent, stage: Stage) -> Generator[tuple[str, str, Outcome]]:
    """Gate, lock, re-check, run, record; of several infras every one is locked and re-checked before the first runs.

    Yields infra, run id and how it ended, as each ends. The rest is not begun after a failure (unless ``on_failure`` says
    so) or when asked to stop. Raises ``Stop``.
    """
    from gitops.gate import gate
    from gitops.ledger.together import Wanted, together
    from gitops.runs import new_run_id

    for planned in plans:
        gate(space, planned, consent)
    wanted = {p.ask.infra: Wanted(space.ledger(p.ask.infra), new_run_id(space), p.plan.id) for p in plans}
    locks = together([*wanted.values()], consent.kind, consent.reason, consent.lock_timeout, space.clock, stage.waiting)
    with locks as taken:
        checked = [ready(space, planned, taken, stage) for planned in plans]
        for planned in checked:
            infra, run_id = planned.ask.infra, wanted[planned.ask.infra].run
            with taken.under(infra) as held:
                outcome = carry_out(space, planned, held, run_id, consent, stage)
            taken.release(infra)
            yield infra, run_id, outcome
            if stage.cancel.is_set() or (outcome.status != "succeeded" and stage.options.on_failure == "stop"):
                return


def ready(space: Workspace, planned: Planned, taken: Together, stage: Stage) -> Planned:
    """Nothing is open, and what was planned still holds. Raises ``Stop``."""
    with taken.under(planned.ask.infra) as held:
        settle(space, held, stage)
        return recheck(space, planned, held.view())


def settle(space: Workspace, held: Held, stage: Stage) -> int:
    """Close what dead runs left: open intents are unknown outcomes, so ask, adopt or redo. Returns how many runs were closed."""
    from executors.fakes import SilentProgress
    from gitops.runs import require_told

    runs = held.view().interrupted_runs()
    for interrupted in runs:
        stage.progress.note(f"closing the interrupted run {interrupted.id}: asking what became of its open steps")
        closing = replace(stage, options=replace(stage.options, settle_only=True), progress=SilentProgress())
        require_told(resume(space, held, interrupted.id, closing), interrupted.id)
    return len(runs)


def close_interrupted(space: Workspace, infra: str, consent: Consent, stage: Stage) -> int:
    """Before planning afresh: take the lock only to settle what dead runs left. Raises ``Stop`` (locked)."""
    with space.ledger(infra).acquire("settle", "", "", "settle an interrupted run", consent.lock_timeout, stage.waiting) as held:
        return settle(space, held, stage)


def recheck(space: Workspace, planned: Planned, view: View) -> Planned:
    """What was approved is what runs: everything the plan relied on must still read the same. Raises ``Stop`` (stale)."""
    from gitops.runs import beyond_now, recorded, who_moved, with_declared
    from planners.stale import moved

    planned, loaded = with_declared(space, planned, view)
    changed = moved(planned.plan, loaded.desired, recorded(planned, view), loaded.catalog)
    if changed:
        names = ", ".join(str(item) for item in changed)
        raise Stop(
            Exit.STALE, f"the plan is stale: {names}{who_moved(space, planned, view, changed)}", "plan again and review it"
        )
    if problems := beyond_now(planned, loaded, view):
        raise invalid(planned.ask.infra, problems)
    # what the environment asks for is read from the declarations, never from a plan file
    plan = replace(planned.plan, environment=loaded.desired.environment)
    return replace(planned, plan=plan, view=view, loaded=loaded)


def carry_out(space: Workspace, planned: Planned, held: Held, run_id: str, consent: Consent, stage: Stage) -> Outcome:
    """Run the plan behind the journal and close the run, however it ended."""
    from gitops.runs import close_run, perform, run_record

    held.begin_run(run_record(space, planned, run_id, consent))
    outcome = perform(space, planned, held, run_id, stage)
    close_run(space, planned, held, run_id, outcome)
    return outcome


def resume_run(space: Workspace, infra: str, run_id: str, consent: Consent, stage: Stage) -> Outcome:
    """Lock, look again whether the run can be gone on with, and do so. Raises ``Stop``."""
    from gitops.runs import resumable

    ledger = space.ledger(infra)
    plan = resumable(ledger.view(), run_id).plan
    with ledger.acquire(consent.kind, run_id, plan, consent.reason, consent.lock_timeout, stage.waiting) as held:
        resumable(held.found, run_id)
        return resume(space, held, run_id, stage)


def resume(space: Workspace, held: Held, run_id: str, stage: Stage) -> Outcome:
    """Continue the same plan where it stopped: settle what is unknown, skip what is done, do the rest, close the run."""
    from gitops.runs import close_run, perform, planned_of_run

    view, held.run = held.view(), run_id
    planned = planned_of_run(space, view, run_id)
    outcome = perform(space, planned, held, run_id, stage, finished=view.finished_ops(run_id), open_intents=view.open_intents)
    close_run(space, planned, held, run_id, outcome, settled=stage.options.settle_only)
    return outcome
