"""``provisioning ledger``: how large ledgers are, and sealing one to begin the next."""

from __future__ import annotations

import click

from gitops.cli.context import Context


@click.group(help="Ledgers: list, show, rotate, detour, return.")
def ledger() -> None:
    """One chain of commits per infra, which may be sealed and continued by another."""


@ledger.command("list", help="All ledgers and their sizes.")
@click.pass_obj
def ledger_list(context: Context) -> None:
    """One row per infra."""
    from gitops.growth import readable, row

    found = [each for _, each in context.each(context.ledgers(), lambda infra: row(context.workspace, infra))]
    rows = [("INFRA", "GENERATION", "TRANSITIONS", "ENTRIES", "RESOURCES", "SIZE")]
    rows += [
        (r["infra"], str(r["generation"]), str(r["transitions"]), str(r["entries"]), str(r["resources"]), readable(r["size"]))
        for r in found
    ]
    context.emit({"ledgers": found}, "no ledger yet: nothing was ever applied", rows if found else ())


@ledger.command("show", help="The chains of one ledger, sealed and live.")
@click.pass_obj
def ledger_show(context: Context) -> None:
    """Oldest first."""
    from gitops.growth import chains, readable

    infra = context.infra or context.one_infra(context.head, "ledger show")
    found = chains(context.workspace, infra)
    rows = [("GENERATION", "STATE", "TRANSITIONS", "SIZE", "TIP", "BRANCH")]
    rows += [
        (str(c.generation), c.state, str(c.transitions), readable(c.size), c.tip[:12], c.ref.removeprefix("refs/heads/"))
        for c in found
    ]
    document = {"infra": infra, "chains": [c.document() for c in found]}
    context.emit(document, "no ledger yet: nothing was ever applied", rows if found else ())


@ledger.command("rotate", help="Seal a ledger and begin the next one: it has grown, or holds what must be purged.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@click.pass_obj
def ledger_rotate(context: Context, reason: str) -> None:
    """The record goes on; runs, plans and audit entries so far stay in the sealed one."""
    from gitops.growth import readable, rotate

    infra = context.infra or context.one_infra(context.head, "ledger rotate")
    context.confirm(f"Seal the ledger of {infra}? Its runs, plans and audit so far stay in the sealed branch")
    before, after, ref = rotate(context.workspace, infra, reason)
    branch = ref.removeprefix("refs/heads/")
    context.note(f"the ledger of {infra} goes on at {branch}: {readable(before)} before, {readable(after)} now")


@ledger.command("detour", help="Go on at a mirror (--remote URL) while the remote is away.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@click.pass_obj
def ledger_detour(context: Context, reason: str) -> None:
    """A remote that is away cannot be told: nobody may apply there before the return."""
    from gitops.detours import leave

    infra = context.infra or context.one_infra(context.head, "ledger detour")
    context.confirm(f"Drive {infra} from {context.remote or 'a mirror'} until the return? Nobody may apply at the other remote")
    context.note(leave(context.workspace, infra, reason))


@ledger.command("return", help="Bring what was done at a mirror (--remote URL) home.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@click.pass_obj
def ledger_return(context: Context, reason: str) -> None:
    """Stops, and holds both, when somebody went on at home meanwhile."""
    from gitops.detours import back

    infra = context.infra or context.one_infra(context.head, "ledger return")
    context.confirm(f"Bring {infra} home from {context.remote or 'the mirror'}?")
    context.note(back(context.workspace, infra, reason))
