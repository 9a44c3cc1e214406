"""``provisioning drift``: what is there against what is recorded. Reads only."""

from __future__ import annotations

import click

from gitops.cli.context import Context
from gitops.stops import Exit


@click.command(help="Compare what is recorded with what is there; changes nothing.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 6 when something drifted.")
@click.pass_obj
def drift(context: Context, detailed_exitcode: bool) -> int:
    """One row per resource that differs."""
    from gitops.inspect import drifted
    from gitops.sources import frozen, interrupted

    rows = [("ADDRESS", "INFRA", "FOUND", "DETAIL")]
    documents = []
    for infra, differing in context.each(context.ledgers(), lambda infra: drifted(context.workspace, infra)):
        for found in differing:
            rows.append((found.address, infra, str(found.presence), found.detail))
            documents.append({"address": found.address, "infra": infra, "found": str(found.presence), "detail": found.detail})
        view = context.workspace.ledger(infra).view(offline=True)
        for notice in (*frozen(context.workspace, infra), *interrupted(context.workspace, view)):
            context.note(notice.message)
    context.emit({"drift": documents}, "no drift: everything recorded is as it was left", rows if documents else ())
    if documents and context.out == "text":
        context.note("repair it: provisioning apply --refresh")
    return Exit.CHANGES if documents and detailed_exitcode else Exit.OK
