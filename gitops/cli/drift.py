"""``provisioning drift``: what is there against what is recorded, and the plan that mends it. Reads only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitops.cli.context import Context
from gitops.stops import Exit

if TYPE_CHECKING:
    from planners.drift import Drifted


@click.command(help="Compare what is recorded with what is there; changes nothing.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 6 when something drifted.")
@click.pass_obj
def drift(context: Context, detailed_exitcode: bool) -> int:
    """One row per resource that differs, then what ``apply --refresh`` would do."""
    from gitops.cli.plan import show_plans
    from gitops.inspect import drift_of
    from planners.document import view

    rows = [("ADDRESS", "INFRA", "DRIFT", "DETAIL")]
    found: list[Drifted] = []
    plans = []
    for infra, told in context.each(context.ledgers(), lambda infra: drift_of(context.workspace, infra)):
        rows += [(each.address, infra, str(each.drift), each.detail) for each in told.found]
        found += told.found
        context.warn(told.problems)
        if told.planned is None:
            context.note(f"error: {infra} cannot be planned as it is declared, so nothing is proposed for it: see above")
        elif told.found:
            plans.append(told.planned.plan)
        for notice in told.notices:
            context.note(notice.message)
    documents = [dict(zip(("address", "infra", "drift", "detail"), row, strict=True)) for row in rows[1:]]
    if context.out == "markdown":
        from gitops.report.markdown import render_drift

        context.print(render_drift(found, plans))
    else:
        whole = {"drift": documents, "plans": [view(plan) for plan in plans]}
        context.emit(whole, "no drift: everything recorded is as it was left", rows if documents else ())
        if plans and context.out in ("text", "table"):
            context.print("")
            show_plans(context, tuple(plans))
            context.note("this is what would mend it: provisioning apply --refresh")
    return Exit.CHANGES if documents and detailed_exitcode else Exit.OK
