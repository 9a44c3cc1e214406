"""``provisioning apply``, ``deploy`` and ``rollback``: three ways to the same reviewed, locked, recorded run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from executors.ports import RunOptions
from gitops.cli.context import Context
from gitops.cli.durations import seconds_of
from gitops.cli.plan import plan_all, read_plans, show
from gitops.cli.progress import cancellation, progress
from gitops.pipeline import Ask, Consent, Planned, apply as apply_plan, gate, make_plan
from gitops.stops import Exit, Stop
from planners.model import Pin
from planners.steps import Options


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options all three commands share."""
    for option in (
        click.option("--allow-deletes", type=int, default=0, metavar="N", help="Allow this plan to remove up to N resources."),
        click.option("--parallel", type=click.IntRange(1, 200), default=10, metavar="N", help="Steps at once (default 10)."),
        click.option("--lock-timeout", default="0s", metavar="TIME", help="Wait this long for the lock, such as 10m (default: not)."),
        click.option("--on-failure", type=click.Choice(["stop", "continue"]), default="stop", help="What a failed step does to the rest."),
        click.option("--compensate", is_flag=True, help="Undo this run's steps in reverse when one fails."),
        click.option("--reason", default="", metavar="TEXT", help="Why, for the lock and the audit."),
    ):
        command = option(command)
    return command


@click.command(help="Carry out a plan under the lock and record the result.")
@click.argument("planfile", required=False)
@click.option("--ref", default="", metavar="REV", help="Apply this commit instead of HEAD.")
@click.option("--target", "targets", multiple=True, metavar="ADDRESS", help="Only this resource and what it needs (repeatable).")
@click.option("--refresh", is_flag=True, help="Read what is really there first, and repair drift.")
@click.option("--destroy", is_flag=True, help="Remove everything.")
@click.option("--all", "everything", is_flag=True, help="Apply all infras, one after the other.")
@run_options
@click.pass_obj
def apply(context: Context, planfile: str | None, ref: str, targets: tuple[str, ...], refresh: bool, destroy: bool, everything: bool, **run: Any) -> int:
    """Plan (or read the saved plan), ask, run."""
    if planfile:
        if ref or targets or refresh or destroy:
            raise Stop(Exit.USAGE, "a saved plan already says what to do", "leave out --ref, --target, --refresh and --destroy")
        plans = saved(context, planfile)
    else:
        plans = plan_all(context, ref=ref, targets=targets, refresh=refresh, destroy=destroy)
        if len(plans) > 1 and not everything:
            names = ", ".join(p.ask.infra for p in plans)
            raise Stop(Exit.USAGE, f"'apply' needs one infra and there are {len(plans)}", f"add -i, one of: {names}; or --all")
    return max((carry_out(context, p, destroy or p.plan.destroy, **run) for p in plans), default=Exit.OK)


def saved(context: Context, planfile: str) -> tuple[Planned, ...]:
    """A saved plan against today's heads. The declarations it is checked against are those of HEAD, or its own commit on a detached one."""
    planned = []
    space = context.workspace
    for commit, plan in read_plans(context, planfile):
        if not commit:
            raise Stop(Exit.USAGE, f"'{planfile}' previews uncommitted edits and can never be applied", "commit and push them, then plan again")
        head = space.commit_of("HEAD")
        view = space.ledger(plan.infra).view()
        planned.append(Planned(Ask(plan.infra, head, head, Options(plan.targets, plan.destroy)), plan, view, None))
    return tuple(planned)


@click.command(help="Apply the protected branch's head, or a frozen snapshot.")
@click.option("--frozen", default="", metavar="VERSION", help="Deploy this frozen snapshot and stay on it.")
@run_options
@click.pass_obj
def deploy(context: Context, frozen: str, **run: Any) -> int:
    """As apply, from the protected branch or a snapshot; releases or sets the pin."""
    space = context.workspace
    if frozen:
        infra = context.infra or context.one_infra(space.commit_of("HEAD"), "deploy")
        snapshot = space.snapshot(infra, frozen)
        pin = Pin(f"snapshot:{frozen}", snapshot.source_commit, run.get("reason") or "deploy --frozen")
        ask = Ask(infra, snapshot.declarations, snapshot.source_commit, follow_pin=False)
        return planned_towards(context, ask, pin, **run)
    head = space.protected_head()
    infra = context.one_infra(head, "deploy")
    planned = make_plan(space, Ask(infra, head, head, follow_pin=False))
    show(context, (planned,))
    return carry_out(context, planned, False, shown=True, pin=False if planned.view.pin else None, kind="deploy", **run)


@click.command(help="Plan and apply towards an earlier snapshot or commit, and stay there.")
@click.option("--to-snapshot", default="", metavar="VERSION", help="A frozen snapshot.")
@click.option("--to-commit", default="", metavar="REV", help="A commit of the protected branch.")
@run_options
@click.pass_obj
def rollback(context: Context, to_snapshot: str, to_commit: str, **run: Any) -> int:
    """An ordinary plan from now to then, reviewed like any other."""
    if bool(to_snapshot) == bool(to_commit):
        raise Stop(Exit.USAGE, "say where to go back to", "give either --to-snapshot VERSION or --to-commit REV")
    space = context.workspace
    infra = context.infra or context.one_infra(space.commit_of("HEAD"), "rollback")
    if to_snapshot:
        snapshot = space.snapshot(infra, to_snapshot)
        pin = Pin(f"snapshot:{to_snapshot}", snapshot.source_commit, run.get("reason") or "rollback")
        return planned_towards(context, Ask(infra, snapshot.declarations, snapshot.source_commit, follow_pin=False), pin, **run)
    commit = space.commit_of(to_commit)
    pin = Pin(f"commit:{commit}", commit, run.get("reason") or "rollback")
    return planned_towards(context, Ask(infra, commit, commit, follow_pin=False), pin, **run)


def planned_towards(context: Context, ask: Ask, pin: Pin, **run: Any) -> int:
    """Plan towards a pinned tree, show it, carry it out and record the pin."""
    planned = make_plan(context.workspace, ask)
    show(context, (planned,))
    return carry_out(context, planned, False, shown=True, pin=pin, kind="deploy", **run)


def carry_out(
    context: Context,
    planned: Planned,
    destroy: bool,
    *,
    allow_deletes: int,
    parallel: int,
    lock_timeout: str,
    on_failure: str,
    compensate: bool,
    reason: str,
    shown: bool = False,
    pin: Pin | bool | None = None,
    kind: str = "write",
) -> int:
    """Show, gate, ask, run, report. Nothing is written before the answer is yes."""
    if not shown:
        show(context, (planned,))
    space = context.workspace
    if context.check:
        return Exit.OK
    consent = Consent(allow_deletes, destroy, reason or "apply", kind, seconds_of(lock_timeout), pin)
    if not planned.plan.steps and not planned.view.open_intents and pin is None:
        return Exit.OK
    gate(space, planned, consent)
    context.confirm(f"Apply these {len(planned.plan.steps)} steps to {planned.ask.infra}?")
    with progress(context, planned.plan) as shown_progress, cancellation(context) as cancel:
        options = RunOptions(parallel=parallel, on_failure=on_failure, compensate=compensate)
        options = replace(options, window=space.timing.window)
        run_id, outcome = apply_plan(space, planned, consent, options, shown_progress, cancel, context.note)
    return report(context, planned.ask.infra, run_id, outcome)


def report(context: Context, infra: str, run_id: str, outcome: Any) -> int:
    """One closing line on stderr: what was done, what failed, how to go on."""
    for address, message in outcome.failed:
        context.note(f"error: {address}: {message}")
    context.note(f"{infra}: run {run_id} {outcome.status}: {len(outcome.done)} done, {len(outcome.failed)} failed, {len(outcome.skipped)} not started")
    if outcome.status == "succeeded":
        return Exit.OK
    if outcome.status == "cancelled":
        context.note(f"go on with 'provisioning run resume {run_id} -i {infra}'")
        return Exit.INTERRUPTED
    context.note(f"see 'provisioning run logs {run_id} -i {infra}'; after mending, 'provisioning apply -i {infra}' does what is left")
    return Exit.FAILURE
