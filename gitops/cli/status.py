"""``provisioning status`` and ``output``: where things stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from gitops.cli.context import Context
from gitops.stops import Exit, Stop


@click.command(help="One line per infra: lock, last run, pending changes.")
@click.pass_obj
def status(context: Context) -> None:
    """Declared against recorded, and who is at work."""
    from gitops.inspect import status_of
    from gitops.sources import ledger_names

    space = context.workspace
    names = context.infras(context.head)
    if not context.infra:
        names = tuple(sorted({*names, *ledger_names(space)}))
    found = [row for _, row in context.each(names, lambda infra: status_of(space, infra, context.head))]
    rows = [("INFRA", "ENVIRONMENT", "RESOURCES", "PENDING", "LOCK", "LAST RUN")]
    rows += [(s["infra"], s["environment"], str(s["resources"]), s["pending"], s["lock"], s["last_run"]) for s in found]
    context.emit({"infras": found}, "no infra yet; 'provisioning infra create NAME' makes one", rows if found else ())


@click.command(help="Outputs of recorded resources, such as addresses and ports.")
@click.argument("name", required=False)
@click.pass_obj
def output(context: Context, name: str | None) -> None:
    """All outputs, those of one ADDRESS, or one value by ADDRESS.OUTPUT."""
    from gitops.inspect import outputs

    if name:
        values = named_outputs(context, name)
        if name in values and context.out == "text":
            context.print(str(values[name]))
            return
    else:
        found = context.each(context.ledgers(), lambda infra: outputs(context.workspace, infra))
        values = merged(found)
    rows = [("OUTPUT", "VALUE"), *((key, str(value)) for key, value in values.items())]
    context.emit({"outputs": values}, "no output", rows if values else ())


def merged(found: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The outputs of all infras. Raises ``Stop`` (usage) where two have one of the same name: neither may pass for the other."""
    values: dict[str, Any] = {}
    owner: dict[str, str] = {}
    for infra, those in found:
        if twice := next((key for key in those if key in owner), ""):
            raise Stop(Exit.USAGE, f"'{twice}' is an output of {owner[twice]} and of {infra}", "add -i NAME")
        values |= those
        owner |= dict.fromkeys(those, infra)
    return values


def named_outputs(context: Context, name: str) -> dict[str, Any]:
    """Those of one address, or the one output, by their whole names. Raises ``Stop`` (not found, usage)."""
    from gitops.inspect import outputs

    def ask(infra: str) -> dict[str, Any] | None:
        values = outputs(context.workspace, infra).items()
        return {key: value for key, value in values if key == name or key.startswith(name + ".")} or None

    missing = f"there is no output '{name}'"
    found = context.only_answer(context.ledgers(), ask, missing)
    if found is None:
        raise Stop(Exit.NOT_FOUND, missing, "'provisioning output' lists all")
    return found[1]
