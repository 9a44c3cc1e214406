"""Runs as the ledger keeps them: what is written when one begins, and what is read back to go on with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitops import sources
from gitops.flow import Ask, Consent, Planned, Stage
from gitops.ledger.lock import State
from gitops.observing import strays_at
from gitops.stops import Exit, Stop
from gitops.wiring import Workspace, git_stops
from planners.model import NO_LIMITS, Pin, Recorded
from planners.steps import Options, Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.ports import Outcome, RunOptions, Tools
    from gitops.declare.load import Loaded
    from gitops.ledger.held import Held
    from gitops.ledger.view import Converged, RunRecord, View
    from planners.problems import Problems
    from planners.stale import Moved


def run_options(space: Workspace, parallel: int = 10, on_failure: str = "stop", compensate: bool = False) -> RunOptions:
    """How to run here: the ledger's timing, and no call that could outlast a third of the lease."""
    from executors.ports import RunOptions

    timing = space.config.ledger
    return RunOptions(
        parallel,
        timing.window,
        on_failure,
        compensate,
        float(timing.flush_seconds),
        call_seconds=timing.lease_seconds / 3,
    )


def unfinished(space: Workspace, planned: Planned) -> str:
    """What is to be settled before planning afresh, in words, "" when nothing is. An empty plan says nothing of an infra that
    somebody holds: the record may be moving. A holder that is known to be dead has left one, whatever is planned."""
    runs, lock = planned.view.interrupted_runs(), planned.view.lock
    if runs:
        return f"an interrupted run ({', '.join(r.id for r in runs)})"
    dead = lock.holder is not None and space.actor.is_dead(lock.holder)
    held = lock.state is State.HELD and (dead or not planned.plan.steps)
    return f"an unfinished run ({lock.run or 'none yet'}) by {lock.holder_text()}" if held else ""


def new_run_id(space: Workspace) -> str:
    """Sortable by time and unique: ``20261124-140509-3f9a1c``."""
    return f"{datetime.fromtimestamp(space.clock.wall(), UTC):%Y%m%d-%H%M%S}-{space.nonce()[:6]}"


def run_record(space: Workspace, planned: Planned, run_id: str, consent: Consent) -> RunRecord:
    """What is written when a run begins: the whole plan, so that any machine can finish it."""
    from gitops.ledger.view import RunRecord
    from planners.document import to_document

    return RunRecord(
        id=run_id,
        infra=planned.ask.infra,
        status="running",
        plan=planned.plan.id,
        document=to_document(planned.plan),
        source_commit=planned.ask.commit,
        treeish=planned.ask.treeish,
        actor=space.actor.name,
        host=space.actor.host,
        reason=consent.reason,
        kind=consent.kind,
        pin=consent.pin,
        started=space.clock.wall(),
        finished=0.0,
    )


def with_declared(space: Workspace, planned: Planned, view: View) -> tuple[Planned, Loaded]:
    """The plan with what is declared for all that it relies on: a part of the infra where that can be had. Raises ``Stop``."""
    from gitops.part import planned_part

    if (loaded := planned.loaded) is not None:
        return planned, loaded
    relied = {address for step in planned.plan.steps for address, _ in (*step.reads, *step.writes)}
    part = planned_part(space, replace(planned.ask, options=Options()), view, relied)
    if part is None:
        return planned, space.load(planned.ask.infra, planned.ask.treeish)
    return replace(planned, looked_at=part.looked_at), part.loaded


def beyond_now(planned: Planned, loaded: Loaded, view: View) -> Problems | None:
    """What the environment does not allow any more: since the plan was made others may have made things, or limits changed."""
    from planners.cost import after, recorded_totals
    from planners.document import read_plan
    from planners.limits import beyond
    from planners.problems import Problems

    environment, marker, catalog = loaded.desired.environment, view.converged, loaded.catalog
    if environment.limits == NO_LIMITS and environment.budget is None:
        return None
    if marker is not None and marker.state == view.state_tree and "totals" in marker.plan:
        before = read_plan(marker.plan).after
    else:
        before = recorded_totals(view.recorded().resources.values(), catalog)
    then = after(before, planned.plan.steps, recorded(planned, view).resources, catalog)
    found = tuple(sorted(beyond(planned.plan.steps, before, then, environment, {})))
    return Problems(found) if found else None


def recorded(planned: Planned, view: View) -> Recorded:
    """The records that a plan was made from, as ``view`` has them. Raises ``Stop``."""
    if planned.looked_at is None:
        return view.recorded()
    return Recorded(planned.ask.infra, view.records(planned.looked_at), view.tip, view.pin)


def perform(space: Workspace, planned: Planned, held: Held, run_id: str, stage: Stage, **more: object) -> Outcome:
    """Run the plan with everything connected. ``more``: what a resumed run knows beforehand."""
    from executors.runner import run

    assert planned.loaded is not None  # noqa: S101  # whoever runs a plan has read what it came from
    tools = space.tools(
        planned.loaded, planned.ask.treeish, recorded(planned, planned.view), journal=held, progress=stage.progress,
        run=run_id, plan=planned.plan.id, source_commit=planned.ask.commit, **more,
    )  # fmt: skip
    outcome = run(planned.plan, tools, stage.options, stage.cancel)
    if outcome.status != "lost":
        tell_strays(tools, planned.loaded, held, stage)
    return outcome


def tell_strays(tools: Tools, loaded: Loaded, held: Held, stage: Stage) -> None:
    """Look, after every run, for what nobody recorded: people and the audit are told, and nothing is kept or removed silently."""
    from executors.sweep import doubling

    if not doubling(tools, loaded.providers):
        return
    view = held.view()
    tools = replace(tools, recorded=view.recorded().resources, open_intents=view.open_intents)
    try:
        strays = strays_at(tools, doubling(tools, loaded.providers))
    except Stop as stop:
        stage.progress.note(stop.message)
        return
    for stray in strays:
        stage.progress.note(f"{stray.name}: {stray}")
        held.remark("stray", stray.address, f"{stray.provider} has {stray.id}: {stray}")


def close_run(space: Workspace, planned: Planned, held: Held, run_id: str, outcome: Outcome, settled: bool = False) -> None:
    """Write down how a run ended, with the pin it was to set. A lost lock or an unknown outcome leaves it open, to be resumed."""
    if outcome.status == "lost" or outcome.unknown:
        return
    run = held.view().run(run_id)
    done = outcome.status == "succeeded" and not settled
    if done and run is not None and run.pin is not None:
        held.set_pin(run.pin if isinstance(run.pin, Pin) else None)
    held.finish_run(
        run_id, "settled" if settled else outcome.status, convergence(space, planned, held.view(), outcome) if done else None
    )


def require_told(outcome: Outcome, run_id: str) -> None:
    """Nothing new may start while an open step's outcome is unknown: the run stays interrupted. Raises ``Stop``."""
    if outcome.unknown:
        told = f"what became of {', '.join(outcome.unknown)} in run {run_id} cannot be told: {outcome.failed[0][1]}"
        raise Stop(Exit.FAILURE, told, "nothing new starts before that is known: mend it and try again")


def planned_of_run(space: Workspace, view: View, run_id: str) -> Planned:
    """The plan a run was made of, with the declarations it came from. Raises ``Stop``."""
    found = view.run(run_id)
    if found is None:
        raise Stop(Exit.NOT_FOUND, f"there is no run '{run_id}'", "'provisioning run list' shows the runs")
    plan = plan_of(found)
    if isinstance(found.pin, Pin) and found.pin.source.startswith("snapshot:"):
        pinned_tree(space, found.infra, found.pin)
    else:
        fetch_commit(space, found.source_commit)
    ask = Ask(
        found.infra,
        found.treeish,
        found.source_commit,
        Options(plan.targets, plan.destroy),
        frozen=sources.frozen_version(found.pin),
    )
    return Planned(ask, plan, view, space.load(found.infra, found.treeish))


def plan_of(run: RunRecord) -> Plan:
    """The plan that a run recorded; its document is there. Raises ``Stop``."""
    from planners.document import from_document
    from planners.problems import Problems

    plan = from_document(run.document)
    if isinstance(plan, Problems):
        raise Stop(Exit.FAILURE, f"the plan of run {run.id} cannot be read back", "see 'provisioning audit verify'", tuple(plan))
    return plan


def resumable(view: View, run_id: str) -> RunRecord:
    """The run, if it can be gone on with: not over, and nothing came after it. Raises ``Stop`` (not found, usage, stale)."""
    run, afresh = view.run(run_id), f"'provisioning apply -i {view.infra}' plans afresh"
    if run is None:
        raise Stop(Exit.NOT_FOUND, f"there is no run '{run_id}'", "'provisioning run list' shows the runs")
    if run.status not in ("running", "cancelled", "failed"):
        raise Stop(Exit.USAGE, f"run {run_id} already ended: {run.status}", afresh)
    if (newest := view.runs()[0].id) != run_id:
        raise Stop(Exit.STALE, f"run {newest} came after run {run_id}", afresh)
    return run


def fetch_commit(space: Workspace, commit: str) -> None:
    """Bring what another clone applied from into this one."""
    if space.repository.resolve(commit) is None:
        sources.protected_head(space)
    if space.repository.resolve(commit) is None:
        sources.fetch_branches(space)


def pinned_tree(space: Workspace, infra: str, pin: Pin) -> str:
    """The tree a pin names: a snapshot's declarations or a commit. Raises ``Stop`` (not found)."""
    kind, _, name = pin.source.partition(":")
    if kind == "commit":
        fetch_commit(space, pin.commit)
        return pin.commit
    from gitops.release import snapshot

    with git_stops():
        return snapshot(space.repository, space.remote, space.config.id, infra, name).declarations


def convergence(space: Workspace, planned: Planned, view: View, outcome: Outcome) -> Converged | None:
    """The marker of a clean apply: with these inputs and this state there is nothing to do. ``None`` when that is not so."""
    from gitops.declare.source import own_tree
    from gitops.ledger.view import Converged
    from gitops.part import planned_part
    from planners.document import to_document
    from planners.plan import plan

    ask = planned.ask
    if outcome.status != "succeeded" or planned.loaded is None or planned.plan.destroy:
        return None
    empty: Plan | Problems
    if (part := planned_part(space, replace(ask, options=Options()), view)) is not None:
        empty, size, implied = part.plan, part.size, part.implied
    else:
        loaded = planned.loaded if planned.looked_at is None else space.load(ask.infra, ask.treeish)
        records = view.recorded()
        empty, size = plan(loaded.desired, records, None, loaded.catalog, Options()), loaded.size
        implied = sum(1 for record in records.resources.values() if record.implied_by)
    if not isinstance(empty, Plan) or empty.steps:
        return None
    own = own_tree(space.repository, ask.treeish, ask.infra)
    return Converged(space.inputs(ask.infra, ask.treeish), view.state_tree, to_document(empty), own, size, implied)


def who_moved(space: Workspace, planned: Planned, view: View, changed: Sequence[Moved]) -> str:
    """The commits or runs behind what moved, for the sentence that says the plan is stale."""
    told = []
    recorded = view.recorded().resources
    runs = {
        recorded[m.address].run for m in changed if m.side == "recorded" and m.address in recorded and recorded[m.address].run
    }
    for run_id in sorted(runs):
        run = view.run(run_id)
        same = " of this very plan" if run and run.plan == planned.plan.id else ""
        told.append(f"run {run_id}{same} by {run.actor if run else 'somebody'} applied it")
    if any(m.side != "recorded" for m in changed) and planned.base and planned.ask.commit != planned.base:
        told += [
            f"commit {line}" for line in sources.commits_between(space, planned.base, planned.ask.commit, planned.ask.infra)[:3]
        ]
    return f" ({'; '.join(told)})" if told else ""
