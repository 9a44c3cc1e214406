"""``provisioning audit``: what happened, and the proof that nothing was changed since."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import click

from gitops.cli.context import Context
from gitops.inspect import moment
from gitops.stops import Exit

if TYPE_CHECKING:
    from gitops.ledger.audit import Verified
    from gitops.ledger.records import Entry


@click.group(help="The audit chain: log, verify, export.")
def audit() -> None:
    """Every transition of a ledger is one commit with its audit entries."""


@audit.command("log", help="Audit entries, newest first.")
@click.option("--address", default="", metavar="ADDRESS", help="Only this resource.")
@click.option("--run", "run_id", default="", metavar="RUN", help="Only this run.")
@click.option("--actor", default="", metavar="NAME", help="Only this person or service.")
@click.option("--limit", type=click.IntRange(1), default=50, metavar="N", help="At most N per infra (default 50).")
@click.pass_obj
def audit_log(context: Context, address: str, run_id: str, actor: str, limit: int) -> None:
    """One row per entry."""
    entries = [(i, e) for i, e in read(context, address, run_id, actor, limit)]
    rows = [("TIME", "INFRA", "ACTOR", "ACTION", "ADDRESS", "STATUS", "MESSAGE")]
    rows += [(moment(e.time), i, e.actor, e.action, e.address or "-", e.status or "-", e.message or e.reason) for i, e in entries]
    context.emit({"entries": [{"infra": i, **e.document()} for i, e in entries]}, "no entry", rows if entries else ())


def read(context: Context, address: str, run_id: str, actor: str, limit: int) -> list[tuple[str, Entry]]:
    """Entries of all asked infras, newest first within each."""
    from gitops.ledger.audit import log

    found: list[tuple[str, Entry]] = []
    for infra in context.ledgers():
        view = context.workspace.ledger(infra).view()
        found += [(infra, e) for e in log(view, address=address, run=run_id, actor=actor, limit=limit)]
    return found


@audit.command("export", help="All entries as JSON lines or CSV.")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", help="jsonl (default) or csv.")
@click.pass_obj
def audit_export(context: Context, form: str) -> None:
    """Oldest first, everything."""
    documents = [{"infra": i, **e.document()} for i, e in reversed(read(context, "", "", "", 0))]
    if context.out in ("json", "yaml"):
        context.emit({"entries": documents}, "")
        return
    if form == "jsonl":
        context.print("\n".join(json.dumps(d, sort_keys=True) for d in documents))
        return
    text = io.StringIO()
    heads = sorted({key for d in documents for key in d})
    writer = csv.DictWriter(text, heads, lineterminator="\n")
    writer.writeheader()
    writer.writerows(documents)
    context.print(text.getvalue().rstrip("\n"))


@audit.command("verify", help="Walk the whole chain and name everything that is not a legal transition.")
@click.option("--offline", is_flag=True, help="Verify what this clone holds.")
@click.pass_obj
def audit_verify(context: Context, offline: bool) -> int:
    """Exit 1 when there is a finding. Without an infra, what belongs to none (freezes, probes) is verified too."""
    from gitops.ledger.audit import verify

    space = context.workspace
    names = context.ledgers(offline)
    found = {i: verify(space.repository, space.ledger_tip(i, offline), i, space.config.id) for i in names}
    common = None if context.infra else common_chain(context, offline)
    lines = [line for infra, checked in found.items() for line in told(infra, checked)]
    lines += told("what belongs to no infra", common) if common else []
    document: dict[str, object] = {"ledgers": [{"infra": infra, **verified_document(c)} for infra, c in found.items()]}
    if common:
        document["workspace"] = verified_document(common)
    context.emit(document, "\n".join(lines) or "no ledger yet: nothing was ever applied")
    return Exit.FAILURE if any(c.findings for c in (*found.values(), *([common] if common else []))) else Exit.OK


def common_chain(context: Context, offline: bool) -> Verified | None:
    """The proof over the workspace's own chain, ``None`` where there is none."""
    from gitops.ledger.workspace_check import verify_workspace

    space = context.workspace
    tip = space.common_tip(offline)
    return verify_workspace(space.repository, tip, space.config.id) if tip else None


def told(name: str, checked: Verified) -> list[str]:
    """The proof over one chain in lines."""
    verdict = f"{len(checked.findings)} findings" if checked.findings else "verified"
    lines = [f"{name}: {checked.transitions} transitions, {verdict}", *(f"  {f}" for f in checked.findings)]
    return lines + [f"  note: {n}" for n in checked.noted] + [f"  not guaranteed: {g}" for g in checked.not_guaranteed]


def verified_document(checked: Verified) -> dict[str, object]:
    """The same for machines."""
    lists = {"findings": checked.findings, "not_guaranteed": checked.not_guaranteed, "noted": checked.noted}
    return {"transitions": checked.transitions, **{key: list(value) for key, value in lists.items()}}
