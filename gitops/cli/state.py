"""``provisioning state``: what the ledger records, the acts of importing, forgetting and moving, and what mends a damaged one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitops.cli.context import Context, as_json
from gitops.cli.repair import repair_options, repaired
from gitops.stops import Exit, Stop
from planners.references import REPLACES

if TYPE_CHECKING:
    from planners.model import RecordedResource


@click.group(help="Recorded state: list, show, import, forget, move, repair.")
def state() -> None:
    """One JSON file per resource in the ledger."""


@state.command("list", help="All recorded resources.")
@click.pass_obj
def state_list(context: Context) -> None:
    """One row per resource."""
    rows = [("ADDRESS", "INFRA", "PROVIDER", "STATUS", "RUN")]
    documents = []
    for infra, view in context.views(context.ledgers()):
        for address, item in sorted(view.recorded().resources.items()):
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

    def ask(infra: str) -> RecordedResource | None:
        return context.workspace.ledger(infra).view().recorded().resources.get(address)

    missing = f"'{address}' is not recorded"
    found = context.only_answer(context.ledgers(), ask, missing)
    if found is None:
        raise Stop(Exit.NOT_FOUND, missing, "'provisioning state list' shows what is")
    document = resource_document(found[1])
    context.emit(document, as_json(document))


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
