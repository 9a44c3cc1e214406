"""``provisioning state``: what the ledger records, the acts of importing, forgetting and moving, and what mends a damaged one."""

from __future__ import annotations

import click

from gitops.cli.context import Context, as_json
from gitops.cli.repair import repair_options, repaired
from gitops.stops import Exit, Stop
from planners.references import REPLACES


@click.group(help="Recorded state: list, show, import, forget, move, repair.")
def state() -> None:
    """One JSON file per resource in the ledger."""


@state.command("list", help="All recorded resources.")
@click.pass_obj
def state_list(context: Context) -> None:
    """One row per resource."""
    rows = [("ADDRESS", "INFRA", "PROVIDER", "STATUS", "RUN")]
    documents = []
    for infra in context.ledgers():
        for address, item in sorted(context.workspace.ledger(infra).view().recorded().resources.items()):
            status = f"{item.status}, the old one is left" if REPLACES in item.observed else str(item.status)
            rows.append((address, infra, item.provider, status, item.run))
            documents.append(
                {"address": address, "infra": infra, "provider": item.provider, "status": str(item.status), "run": item.run}
            )
    context.emit({"resources": documents}, "nothing is recorded", rows if documents else ())


@state.command("show", help="One recorded resource: declared and observed.")
@click.argument("address")
@click.pass_obj
def state_show(context: Context, address: str) -> None:
    """As the ledger has it."""
    from gitops.ledger.tree import resource_document

    for infra in context.ledgers():
        item = context.workspace.ledger(infra).view().recorded().resources.get(address)
        if item is not None:
            document = resource_document(item)
            context.emit(document, as_json(document))
            return
    raise Stop(Exit.NOT_FOUND, f"'{address}' is not recorded", "'provisioning state list' shows what is")


@state.command("import", help="Take an existing resource into the record: a declared one, or a stray that 'drift' shows.")
@click.argument("address")
@click.argument("external_id", metavar="ID")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@click.pass_obj
def state_import(context: Context, address: str, external_id: str, reason: str) -> None:
    """Reads it at the provider first; nothing is changed there."""
    from gitops.state_acts import import_

    infra = context.one_infra(context.head, "state import")
    context.confirm(f"Record {address} of {infra} as {external_id}?")
    context.note(import_(context.workspace, infra, address, external_id, reason, context.note))


@state.command("forget", help="Take a resource out of the record and leave it running.")
@click.argument("address")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@click.pass_obj
def state_forget(context: Context, address: str, reason: str) -> None:
    """It is no longer ours."""
    from gitops.state_acts import forget

    infra = context.one_infra(context.head, "state forget")
    context.confirm(f"Forget {address} of {infra} and leave it running?")
    context.note(forget(context.workspace, infra, address, reason, context.note))


@state.command("move", help="Record a resource under another address (the declaration was renamed).")
@click.argument("address", metavar="FROM")
@click.argument("to", metavar="TO")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@click.pass_obj
def state_move(context: Context, address: str, to: str, reason: str) -> None:
    """The resource itself is not touched."""
    from gitops.state_acts import move

    infra = context.one_infra(context.head, "state move")
    context.confirm(f"Record {address} of {infra} as {to}?")
    context.note(move(context.workspace, infra, address, to, reason, context.note))


@state.command("repair", help="Say what is wrong with a damaged ledger, and mend it.")
@repair_options
@click.pass_obj
def state_repair(context: Context, source: str, keep: str, reason: str) -> int:
    """Explains first; nothing is done without a yes."""
    return repaired(context, context.infra or context.one_infra(context.head, "state repair"), source, keep, reason)
