"""``provisioning why ADDRESS``: the chain from a declared line to what is there."""

from __future__ import annotations

import click

from gitops.cli.context import Context
from gitops.stops import Exit, Stop
from planners.suggest import hint


@click.command(help="Which line, commit, approval, run and step made a resource so.")
@click.argument("address")
@click.pass_obj
def why(context: Context, address: str) -> None:
    """Read from the repository alone."""
    from gitops.inspect import why as reasons

    known: set[str] = set()
    missing = f"there is no resource '{address}'"
    infras = context.infras(context.head)
    found = context.only_answer(infras, lambda infra: reasons(context.workspace, infra, address, known), missing)
    if found is None:
        raise Stop(Exit.NOT_FOUND, missing, hint(address, known, "'provisioning state list' shows what is recorded"))
    rows = found[1]
    context.emit(
        {"address": address, "facts": [{"fact": k, "value": v} for k, v in rows]},
        "\n".join([address, *(f"  {k:12} {v}" for k, v in rows)]),
    )
