"""``provisioning run``: what was executed, step by step, and how to go on with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gitops.cli.apply import report, staged
from gitops.cli.context import Context
from gitops.cli.durations import seconds_of
from gitops.flow import Consent
from gitops.inspect import moment
from gitops.ledger.holder import stop_holder
from gitops.pipeline import close_interrupted, resume_run
from gitops.runs import planned_of_run, resumable, run_options
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from gitops.ledger.records import RunRecord
    from gitops.ledger.view import View


@click.group(help="Runs: list, show, logs, resume, cancel.")
def run() -> None:
    """A run is one execution of one plan."""


def find(context: Context, run_id: str) -> tuple[str, View, RunRecord]:
    """The infra that holds this run, its ledger view, and the run. Raises ``Stop`` (not found)."""
    views = []

    def ask(infra: str) -> tuple[View, RunRecord] | None:
        views.append(view := context.workspace.ledger(infra).view())
        return (view, item) if (item := view.run(run_id)) else None

    missing = f"there is no run '{run_id}'"
    for infra, (view, item) in context.answers(context.ledgers(), ask, missing):
        return infra, view, item
    for view in views:
        context.tell_sealed(view)
    raise Stop(Exit.NOT_FOUND, missing, "'provisioning run list' shows the runs")


@run.command("list", help="All runs, newest first.")
@click.option("--limit", type=click.IntRange(1), default=20, metavar="N", help="At most N per infra (default 20).")
@click.pass_obj
def run_list(context: Context, limit: int) -> None:
    """One row per run."""
    rows = [("RUN", "INFRA", "STATUS", "STARTED", "BY", "PLAN", "COMMIT")]
    documents = []
    for infra, view in context.views(context.ledgers()):
        context.tell_sealed(view)
        for item in view.runs()[:limit]:
            rows.append((item.id, infra, item.status, moment(item.started), item.actor, item.plan[:12], item.source_commit[:12]))
            documents.append({"infra": infra, **header(item)})
    context.emit({"runs": documents}, "no run yet", rows if documents else ())


def header(item: RunRecord) -> dict[str, Any]:
    """A run without its plan document."""
    shown = ("id", "status", "plan", "source_commit", "actor", "host", "kind", "reason", "started", "finished")
    return {key: getattr(item, key) for key in shown}


@run.command("show", help="One run: its plan, and how each step ended.")
@click.argument("run_id", metavar="RUN")
@click.pass_obj
def run_show(context: Context, run_id: str) -> None:
    """Header and steps."""
    infra, view, item = find(context, run_id)
    steps = view.step_results(run_id)
    lines = [f"run {item.id} of {infra}: {item.status}", f"started {moment(item.started)} by {item.actor} on {item.host}"]
    lines += [f"ended   {moment(item.finished)}"] if item.finished else []
    lines += [f"plan    {item.plan}", f"commit  {item.source_commit}", ""]
    lines += [f"  {s.status:8} {s.action} {s.address}" + (f": {s.message}" if s.message else "") for s in steps]
    opened = [i for i in view.open_intents if view.intent_runs.get(i.op) == run_id]
    lines += [f"  open     {i.action} {i.address} (outcome unknown)" for i in opened]
    document = {
        "infra": infra,
        **header(item),
        "steps": [{"address": s.address, "action": s.action, "status": s.status, "message": s.message} for s in steps],
    }
    context.emit(document, "\n".join(lines))


@run.command("logs", help="What the steps of a run printed (the last 64 KiB of each, secrets removed).")
@click.argument("run_id", metavar="RUN")
@click.option("--step", default="", metavar="ADDRESS", help="Only this step.")
@click.pass_obj
def run_logs(context: Context, run_id: str, step: str) -> None:
    """Output by step."""
    _, view, _ = find(context, run_id)
    steps = [s for s in view.step_results(run_id) if not step or s.address == step]
    if step and not steps:
        raise Stop(Exit.NOT_FOUND, f"run {run_id} has no finished step '{step}'", f"'provisioning run show {run_id}' lists them")
    blocks = [
        f"== {s.action} {s.address}: {s.status}"
        + (f"\n{s.message}" if s.message else "")
        + (f"\n{s.output.rstrip()}" if s.output else "")
        for s in steps
    ]
    context.emit(
        {
            "run": run_id,
            "steps": [{"address": s.address, "status": s.status, "message": s.message, "output": s.output} for s in steps],
        },
        "\n".join(blocks) or "no step has finished",
    )


@run.command("resume", help="Continue an interrupted run with the same plan, on any machine.")
@click.argument("run_id", metavar="RUN")
@click.option("--lock-timeout", default="0s", metavar="TIME", help="Wait this long for the lock, such as 10m.")
@click.option("--parallel", type=click.IntRange(1, 200), default=10, metavar="N", help="Steps at once (default 10).")
@click.pass_obj
def run_resume(context: Context, run_id: str, lock_timeout: str, parallel: int) -> int:
    """Unknown outcomes are asked at the provider, finished steps skipped, the rest done."""
    infra, view, _ = find(context, run_id)
    resumable(view, run_id)
    space = context.workspace
    space.common.require_open(infra)
    plan = planned_of_run(space, view, run_id).plan
    context.confirm(f"Resume run {run_id} of {infra}?")
    consent = Consent(reason="run resume", lock_timeout=seconds_of(lock_timeout))
    with staged(context, len(plan.steps), run_options(space, parallel)) as stage:
        outcome = resume_run(space, infra, run_id, consent, stage)
    return report(context, infra, run_id, outcome)


@run.command("cancel", help="Close an interrupted run: settle what is unknown, do nothing more of it.")
@click.argument("run_id", metavar="RUN")
@click.option("--lock-timeout", default="0s", metavar="TIME", help="Wait this long for the lock, such as 10m.")
@click.pass_obj
def run_cancel(context: Context, run_id: str, lock_timeout: str) -> int:
    """Ask a living run on this machine to stop; close one whose process is gone."""
    infra, view, item = find(context, run_id)
    if item.status != "running":
        raise Stop(Exit.USAGE, f"run {run_id} already ended: {item.status}", "there is nothing to cancel")
    space = context.workspace
    context.confirm(f"Cancel run {run_id} of {infra}?")
    if stop_holder(view.lock, run_id):
        context.note(f"asked the process of run {run_id} to stop; its running steps finish and are recorded")
        return Exit.OK
    consent = Consent(reason="run cancel", lock_timeout=seconds_of(lock_timeout))
    with staged(context, 0, run_options(space)) as stage:
        close_interrupted(space, infra, consent, stage)
    context.note(f"run {run_id} is closed; 'provisioning apply -i {infra}' does what is left")
    return Exit.OK
