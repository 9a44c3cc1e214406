"""``provisioning approve`` and ``reject``: a signed word on one plan, by its id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gitops.cli.context import Context
from gitops.cli.plan import show
from gitops.flow import Ask
from gitops.inspect import moment
from gitops.pipeline import make_plan
from gitops.stops import Exit, Stop
from planners.steps import Options


def asked_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What the plan was asked with, so that it can be recomputed."""
    for option in (
        click.option("--target", "targets", multiple=True, metavar="ADDRESS", help="As given to plan (repeatable)."),
        click.option("--refresh", is_flag=True, help="As given to plan."),
        click.option("--destroy", is_flag=True, help="As given to plan."),
        click.option("--team", default="", metavar="NAME", help="The team you speak for."),
        click.option("--reason", default="", metavar="TEXT", help="Why; kept with the approval."),
    ):
        command = option(command)
    return command


def decide(
    context: Context, plan_id: str, decision: str, targets: tuple[str, ...], refresh: bool, destroy: bool, team: str, reason: str
) -> int:
    """Recompute the plan at the protected head, show it, refuse another id, sign and push the record."""
    from gitops.gate import record_decision
    from gitops.sources import protected_head

    space = context.workspace
    if len(plan_id) < 8 or set(plan_id) - set("0123456789abcdef"):
        raise Stop(
            Exit.USAGE, f"'{plan_id}' is not a plan id", "give at least 8 of the digits that 'provisioning plan' prints last"
        )
    head = protected_head(space)
    made = [make_plan(space, Ask(i, head, head, Options(targets, destroy), refresh)) for i in context.infras(head)]
    same = [p for p in made if p.plan.id.startswith(plan_id) and len(plan_id) >= 8]
    if not same:
        now = ", ".join(f"{p.ask.infra}: {p.plan.id[:12]}" for p in made)
        raise Stop(
            Exit.STALE,
            f"no plan at the protected head has the id {plan_id[:12]}",
            f"today's plans are {now}; plan again and review",
        )
    planned = same[0]
    show(context, (planned,))
    context.confirm(f"{decision.capitalize()} plan {planned.plan.id[:12]} of {planned.ask.infra}?")
    record = record_decision(space, planned, decision, team, reason)
    said = f"{decision}: plan {planned.plan.id[:12]} of {planned.ask.infra} by {record.principal}"
    context.note(f"{said}; valid until {moment(record.valid_until)}")
    return Exit.OK


@click.command(help="Approve a plan by its id (at least 8 digits of it).")
@click.argument("plan_id", metavar="PLAN-ID")
@asked_options
@click.pass_obj
def approve(context: Context, /, plan_id: str, **asked: Any) -> int:
    """Signed with your git signing key, valid 24 hours."""
    return decide(context, plan_id, "approve", **asked)


@click.command(help="Reject a plan by its id (at least 8 digits of it).")
@click.argument("plan_id", metavar="PLAN-ID")
@asked_options
@click.pass_obj
def reject(context: Context, /, plan_id: str, **asked: Any) -> int:
    """A rejection stops apply until it is outdated or withdrawn by an approval of the same person."""
    return decide(context, plan_id, "reject", **asked)
