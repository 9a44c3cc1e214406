"""``provisioning drift``: what is there against what is recorded. Reads only."""

from __future__ import annotations

import click

from gitops.cli.context import Context
from gitops.pipeline import drifted
from gitops.stops import Exit


@click.command(help="Compare what is recorded with what is there; changes nothing.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 6 when something drifted.")
@click.pass_obj
def drift(context: Context, detailed_exitcode: bool) -> int:
    """One row per resource that differs."""
    rows = [("ADDRESS", "INFRA", "FOUND", "DETAIL")]
    documents = []
    for infra in context.ledgers():
        for address, presence, detail in drifted(context.workspace, infra, context.workspace.ledger(infra).view()):
            rows.append((address, infra, str(presence), detail))
            documents.append({"address": address, "infra": infra, "found": str(presence), "detail": detail})
    context.emit({"drift": documents}, "no drift: everything recorded is as it was left", rows if documents else ())
    if documents and context.out == "text":
        context.note("repair it: provisioning apply --refresh")
    return Exit.CHANGES if documents and detailed_exitcode else Exit.OK
