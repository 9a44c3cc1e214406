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
    """Exit 1 when there is a finding."""
    from gitops.ledger.audit import verify

    space = context.workspace
    lines: list[str] = []
    documents: list[dict[str, object]] = []
    bad = 0
    for infra in context.ledgers(offline):
        checked = verify(space.repository, space.ledger_tip(infra, offline), infra, space.config.id)
        count, findings, off = checked.transitions, checked.findings, checked.not_guaranteed
        bad += len(findings)
        verdict = "verified" if not findings else f"{len(findings)} findings"
        lines.append(f"{infra}: {count} transitions, {verdict}")
        lines += [f"  {f}" for f in findings] + [f"  note: {n}" for n in checked.noted] + [f"  not guaranteed: {g}" for g in off]
        documents.append(
            {
                "infra": infra,
                "transitions": count,
                "findings": [str(f) for f in findings],
                "not_guaranteed": list(off),
                "noted": list(checked.noted),
            }
        )
    context.emit({"ledgers": documents}, "\n".join(lines) or "no ledger yet: nothing was ever applied")
    return Exit.FAILURE if bad else Exit.OK
