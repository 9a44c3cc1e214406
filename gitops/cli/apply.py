"""``provisioning apply``, ``deploy`` and ``rollback``: three ways to the same reviewed, locked, recorded run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import click

from gitops import sources
from gitops.cli.context import Context
from gitops.cli.durations import seconds_of
from gitops.cli.plan import plan_all, read_plans, show
from gitops.flow import Ask, Consent, Planned
from gitops.pipeline import make_plan
from gitops.stops import Exit, Stop
from planners.model import Pin
from planners.steps import Options

if TYPE_CHECKING:
    from executors.ports import Outcome, RunOptions
    from gitops.flow import Stage


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options all three commands share."""
    for option in (
        click.option(
            "--allow-deletes", type=click.IntRange(0), default=0, metavar="N", help="Allow this plan to remove up to N resources."
        ),
        click.option("--parallel", type=click.IntRange(1, 200), default=10, metavar="N", help="Steps at once (default 10)."),
        click.option(
            "--lock-timeout", default="0s", metavar="TIME", help="Wait this long for the lock, such as 10m (default: not)."
        ),
        click.option(
            "--on-failure", type=click.Choice(["stop", "continue"]), default="stop", help="What a failed step does to the rest."
        ),
        click.option("--compensate", is_flag=True, help="Undo this run's steps in reverse when one fails."),
        click.option("--reason", default="", metavar="TEXT", help="Why, for the lock and the audit."),
    ):
        command = option(command)
    return command


@click.command(help="Carry out a plan under the lock and record the result.")
@click.argument("planfile", required=False)
@click.option("--ref", default="", metavar="REV", help="Apply this commit instead of HEAD.")
@click.option("--target", "targets", multiple=True, metavar="ADDRESS", help="Only this resource and what it needs (repeatable).")
@click.option("--replace", is_flag=True, help="Make what --target names anew.")
@click.option("--refresh", is_flag=True, help="Read what is really there first, and repair drift.")
@click.option("--destroy", is_flag=True, help="Remove everything.")
@click.option("--all", "everything", is_flag=True, help="Apply all infras: all locked first, then one after the other.")
@run_options
@click.pass_obj
def apply(
    context: Context,
    /,
    planfile: str | None,
    ref: str,
    targets: tuple[str, ...],
    replace: bool,
    refresh: bool,
    destroy: bool,
    everything: bool,
    **run: Any,
) -> int:
    """Plan (or read the saved plan), ask, run."""
    if planfile:
        if ref or targets or replace or refresh or destroy:
            hint = "leave out --ref, --target, --replace, --refresh and --destroy"
            raise Stop(Exit.USAGE, "a saved plan already says what to do", hint)
        plans = saved(context, planfile)
    else:
        if not everything:
            context.one_infra(sources.commit_of(context.workspace, ref or "HEAD"), "apply", otherwise="or --all")
        plans = plan_all(context, ref=ref, targets=targets, replace=replace, refresh=refresh, destroy=destroy)
    return carry_out(context, plans, **run)


def saved(context: Context, planfile: str) -> tuple[Planned, ...]:
    """A saved plan against today's heads: the declarations it is checked against are those of HEAD. Raises ``Stop`` (stale)."""
    from gitops.pipeline import recheck

    space = context.workspace
    planned = []
    for commit, plan in read_plans(context, planfile):
        if not commit:
            raise Stop(
                Exit.USAGE,
                f"'{planfile}' previews uncommitted edits and can never be applied",
                "commit and push them, then plan again",
            )
        view = space.ledger(plan.infra).view()
        ask = Ask(plan.infra, context.head, context.head, Options(plan.targets, plan.destroy))
        planned.append(recheck(space, Planned(ask, plan, view, None, base=commit), view))
    return tuple(planned)


@click.command(help="Apply the protected branch's head, or a frozen snapshot.")
@click.option("--frozen", default="", metavar="VERSION", help="Deploy this frozen snapshot and stay on it.")
@run_options
@click.pass_obj
def deploy(context: Context, /, frozen: str, **run: Any) -> int:
    """As apply, from the protected branch or a snapshot; releases or sets the pin."""
    if frozen:
        return towards_snapshot(context, "deploy", frozen, **run)
    head = sources.protected_head(context.workspace)
    infra = context.one_infra(head, "deploy")
    planned = make_plan(context.workspace, Ask(infra, head, head, follow_pin=False))
    return carry_out(context, (planned,), pin=False if planned.view.pin else None, kind="deploy", command="deploy", **run)


@click.command(help="Plan and apply towards an earlier snapshot or commit, and stay there.")
@click.option("--to-snapshot", default="", metavar="VERSION", help="A frozen snapshot.")
@click.option("--to-commit", default="", metavar="REV", help="An earlier commit.")
@run_options
@click.pass_obj
def rollback(context: Context, /, to_snapshot: str, to_commit: str, **run: Any) -> int:
    """An ordinary plan from now to then, reviewed like any other."""
    if bool(to_snapshot) == bool(to_commit):
        raise Stop(Exit.USAGE, "say where to go back to", "give either --to-snapshot VERSION or --to-commit REV")
    if to_snapshot:
        return towards_snapshot(context, "rollback", to_snapshot, **run)
    infra = context.one_infra(context.head, "rollback")
    commit = sources.commit_of(context.workspace, to_commit)
    pin = Pin(f"commit:{commit[:12]}", commit, run.get("reason") or "rollback")
    planned = make_plan(context.workspace, Ask(infra, commit, commit, follow_pin=False))
    return carry_out(context, (planned,), pin=pin, kind="deploy", command="rollback", **run)


def towards_snapshot(context: Context, command: str, version: str, **run: Any) -> int:
    """Plan towards a frozen snapshot, carry it out and stay on it. The sources it was made from need not be there any more."""
    from gitops.release import snapshot
    from gitops.wiring import git_stops

    space = context.workspace
    with git_stops():
        infra = context.infra or context.one_infra(context.head, command)
        found = snapshot(space.repository, space.remote, space.config.id, infra, version)
    pin = Pin(f"snapshot:{version}", found.source_commit, run.get("reason") or command)
    ask = Ask(infra, found.declarations, found.source_commit, follow_pin=False, frozen=version)
    return carry_out(context, (make_plan(space, ask),), pin=pin, kind="deploy", command=command, **run)


def carry_out(
    context: Context,
    plans: tuple[Planned, ...],
    *,
    allow_deletes: int,
    parallel: int,
    lock_timeout: str,
    on_failure: str,
    compensate: bool,
    reason: str,
    pin: Pin | bool | None = None,
    kind: str = "write",
    command: str = "apply",
) -> int:
    """Show, gate, ask, run, report. Nothing is written before the answer is yes."""
    from gitops.gate import gate
    from gitops.runs import run_options, unfinished

    space = context.workspace
    destroy = any(p.plan.destroy for p in plans)
    consent = Consent(allow_deletes, destroy, reason or command, kind, seconds_of(lock_timeout), pin)
    options = run_options(space, parallel, on_failure, compensate)
    if not context.check:
        plans = tuple(settled(context, p, what, consent, options) if (what := unfinished(space, p)) else p for p in plans)
    show(context, plans)
    todo = [p for p in plans if p.plan.steps or pin is not None]
    if context.check or not todo:
        return Exit.OK
    for planned in todo:
        gate(space, planned, consent)
    context.confirm(question(todo, pin))
    return run_all(context, todo, consent, options)


def run_all(context: Context, todo: Sequence[Planned], consent: Consent, options: RunOptions) -> int:
    """Run and report one after the other; says what was not begun. Returns the worst exit code."""
    from gitops.pipeline import apply as apply_plans

    codes, left = [int(Exit.OK)], [p.ask.infra for p in todo]
    with (
        staged(context, sum(len(p.plan.steps) for p in todo), options) as stage,
        closing(apply_plans(context.workspace, todo, consent, stage)) as ended,
    ):
        for infra, run_id, outcome in ended:
            left.remove(infra)
            codes.append(report(context, infra, run_id, outcome))
    if left:
        context.note(f"not begun: {', '.join(left)}")
        codes.append(Exit.INTERRUPTED if stage.cancel.is_set() else Exit.FAILURE)
    return max(codes)


@contextmanager
def staged(context: Context, total: int, options: RunOptions) -> Iterator[Stage]:
    """The terminal as a stage: progress of ``total`` steps shown, signals heard."""
    from gitops.cli.progress import cancellation, progress
    from gitops.flow import Stage

    with progress(context, total) as shown, cancellation() as cancel:
        yield Stage(options, shown, cancel, context.note)


def settled(context: Context, planned: Planned, what: str, consent: Consent, options: RunOptions) -> Planned:
    """Close the runs that died on this infra before planning afresh: what became of their open steps must be known first."""
    from gitops.pipeline import close_interrupted, recheck

    space, infra = context.workspace, planned.ask.infra
    space.common.require_open(infra)
    context.confirm(f"{infra} has {what}: ask what became of its open steps and close it? ('run resume' would finish it)")
    with staged(context, 0, options) as stage:
        close_interrupted(space, infra, consent, stage)
    if planned.base:
        return recheck(space, planned, space.ledger(infra).view())
    return make_plan(space, planned.ask)


def question(todo: Sequence[Planned], pin: Pin | bool | None) -> str:
    """What a person says yes to."""
    count, infras = sum(len(p.plan.steps) for p in todo), ", ".join(p.ask.infra for p in todo)
    also = "" if pin is None else f" and stay on {pin.source}" if isinstance(pin, Pin) else " and release the pin"
    return f"Apply {'this step' if count == 1 else f'these {count} steps'} to {infras}{also}?"


def report(context: Context, infra: str, run_id: str, outcome: Outcome) -> int:
    """Closing lines on stderr: what was done, what failed, how to go on."""
    for address, message in outcome.failed:
        context.note(f"error: {address}: {message}")
    counts = f"{len(outcome.done)} done, {len(outcome.failed)} failed, {len(outcome.skipped)} not started"
    context.note(f"{infra}: run {run_id} {outcome.status}: {counts}")
    if outcome.status == "succeeded":
        return Exit.OK
    if outcome.status == "cancelled":
        context.note(f"go on with 'provisioning run resume {run_id} -i {infra}'")
        return Exit.INTERRUPTED
    if outcome.status == "lost":
        context.note(
            f"what was recorded is safe; go on with 'provisioning run resume {run_id} -i {infra}' once the remote answers"
        )
    elif outcome.unknown:
        unknown = ", ".join(outcome.unknown)
        context.note(f"'provisioning run resume {run_id} -i {infra}' asks again what became of {unknown}, and goes on")
    else:
        context.note(
            f"see 'provisioning run logs {run_id} -i {infra}'; after mending, 'provisioning apply -i {infra}' does what is left"
        )
    return Exit.FAILURE
