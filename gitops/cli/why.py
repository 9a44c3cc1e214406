"""``provisioning why ADDRESS``: the chain from a declared line to what is there."""

from __future__ import annotations

import click

from gitops.cli.context import Context


@click.command(help="Which line, commit, approval, run and step made a resource so.")
@click.argument("address")
@click.pass_obj
def why(context: Context, address: str) -> None:
    """Read from the repository alone."""
    from gitops.inspect import why as reasons

    rows = reasons(context.workspace, context.infras(context.head), address)
    context.emit(
        {"address": address, "facts": [{"fact": k, "value": v} for k, v in rows]},
        "\n".join([address, *(f"  {k:12} {v}" for k, v in rows)]),
    )
