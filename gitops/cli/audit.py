"""``provisioning audit``: what happened, and the proof that nothing was changed since."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gitops.cli.context import Context
from gitops.cli.durations import moment_of
from gitops.cli.repair import repair_options, repaired
from gitops.inspect import moment
from gitops.stops import Exit, Stop
from gitops.visible import lines

if TYPE_CHECKING:
    from gitops.ledger.audit import Verified
    from gitops.ledger.records import Entry
    from gitops.ledger.search import Wanted

FILTERS = (
    click.option(
        "--address", default="", metavar="ADDRESS", help="Only this resource and what is below it, or a pattern with *."
    ),
    click.option("--run", default="", metavar="RUN", help="Only this run, or those whose ids begin so."),
    click.option("--actor", default="", metavar="NAME", help="Only this person or service: any part of a name or address."),
    click.option("--action", default="", metavar="ACTION", help="Only this action, such as create, run or break."),
    click.option("--status", default="", metavar="STATUS", help="Only this status, such as done, failed or started."),
    click.option("--plan", default="", metavar="PLAN", help="Only this plan, or those whose ids begin so."),
    click.option("--since", default="", metavar="WHEN", help="Not before 2026-11-24, 2026-11-24T15:00Z, or so long ago: 2h, 7d."),
    click.option("--until", default="", metavar="WHEN", help="Before then."),
)


def filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """What ``log`` and ``export`` can be asked for."""
    for option in reversed(FILTERS):
        command = option(command)
    return command


@click.group(help="The audit chain: log, export, verify, anchor, repair, sign.")
def audit() -> None:
    """Every transition of a ledger is one commit with its audit entries."""


@audit.command("log", help="Audit entries, newest first.")
@filters
@click.option("--limit", type=click.IntRange(1), default=50, metavar="N", help="At most N per infra (default 50).")
@click.pass_obj
def audit_log(context: Context, /, limit: int, **asked: str) -> None:
    """One row per entry."""
    entries = [*read(context, wanted(context, asked), limit)]
    rows = [("TIME", "INFRA", "ACTOR", "ACTION", "ADDRESS", "STATUS", "MESSAGE")]
    rows += [(moment(e.time), i or "-", e.actor, e.action, e.address or "-", e.status or "-", words(e)) for i, e in entries]
    context.emit({"entries": [{"infra": i, **e.document()} for i, e in entries]}, "no entry", rows if entries else ())


def words(entry: Entry) -> str:
    """What an entry says, and why."""
    return ": ".join(text for text in (entry.message, entry.reason) if text)


def wanted(context: Context, asked: dict[str, str]) -> Wanted:
    """The filters of the command line. Raises ``Stop`` (usage)."""
    from gitops.ledger.search import Wanted

    now = context.workspace.clock.wall()
    times = {name: moment_of(asked[name], now) if asked[name] else 0.0 for name in ("since", "until")}
    return Wanted(**{**asked, **times})  # type: ignore[arg-type]  # of each name its own type


def read(context: Context, asked: Wanted, limit: int = 0, forward: bool = False) -> Iterator[tuple[str, Entry]]:
    """Entries of all asked infras, and (without one) of the workspace's own chain, as they are read."""
    from gitops.ledger.search import log

    space = context.workspace
    for infra, view in context.views(context.ledgers()):
        context.tell_sealed(view)
        yield from ((infra, e) for e in log(view.entries(forward=forward), asked, limit))
    if not context.infra:
        try:
            common = space.common.view()
        except Stop as stop:
            context.leave_out("", stop)
            return
        yield from (("", e) for e in log(common.entries(forward=forward), asked, limit))


@audit.command("export", help="Entries as JSON lines or CSV, oldest first, written as they are read.")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", help="jsonl (default) or csv.")
@filters
@click.pass_obj
def audit_export(context: Context, /, form: str, **asked: str) -> None:
    """Everything that is asked for, however much it is."""
    from gitops.ledger.search import COLUMNS, csv_line, row

    entries = read(context, wanted(context, asked), forward=True)
    if context.out in ("json", "yaml"):
        context.emit({"entries": [{"infra": i, **e.document()} for i, e in entries]}, "")
        return
    if form == "csv":
        write(csv_line(COLUMNS))
    for infra, entry in entries:
        document = {"infra": infra, **entry.document()}
        write(csv_line(row(infra, entry)) if form == "csv" else f"{json.dumps(document, sort_keys=True)}\n")


def write(text: str) -> None:
    """As it is, but nothing from elsewhere acts on a terminal."""
    sys.stdout.write(lines(text) if sys.stdout.isatty() else text)


@audit.command("verify", help="Walk the whole chain and name everything that is not a legal transition.")
@click.option("--offline", is_flag=True, help="Verify what this clone holds.")
@click.option(
    "--since-anchor", "anchor", default="", metavar="FILE", help="Prove that nothing it saw has changed; walk the rest."
)
@click.pass_obj
def audit_verify(context: Context, offline: bool, anchor: str) -> int:
    """Exit 1 when there is a finding. Without an infra, what belongs to none (freezes, probes) is verified too."""
    from gitops import proof

    space = context.workspace
    offline = offline or space.bare
    kept = proof.read_anchor(space, anchor) if anchor else None
    # of an infra whose ledger is gone this clone or the anchor may know
    known = proof.known_infras(space, () if context.infra else context.ledgers(offline), kept)
    names = (context.infra,) if context.infra in known else context.ledgers(offline) if context.infra else known
    found = {infra: proof.prove(space, infra, offline, kept) for infra in names}
    cut = proof.cut(space, offline, kept) if kept and not context.infra else {}
    common = None if context.infra else common_chain(context, offline)
    text = [line for name, checked in (*found.items(), *cut.items()) for line in told(name, checked)]
    text += told("what belongs to no infra", common) if common else []
    document: dict[str, object] = {"ledgers": [{"infra": infra, **verified_document(c)} for infra, c in found.items()]}
    if common:
        document["workspace"] = verified_document(common)
    if cut:
        document["chains"] = [{"name": name, **verified_document(c)} for name, c in cut.items()]
    context.emit(document, "\n".join(text) or "no ledger yet: nothing was ever applied")
    every = (*found.values(), *cut.values(), *([common] if common else []))
    return Exit.FAILURE if any(checked.findings for checked in every) else Exit.OK


def common_chain(context: Context, offline: bool) -> Verified | None:
    """The proof over the workspace's own chain, ``None`` where there is none."""
    from gitops.ledger.workspace_check import verify_workspace

    space = context.workspace
    tip = space.common_tip(offline)
    return verify_workspace(space.repository, tip, space.config.id) if tip else None


def told(name: str, checked: Verified) -> list[str]:
    """The proof over one chain in lines."""
    count = len(checked.findings)
    verdict = f"{count} finding{'s' * (count != 1)}" if count else "verified"
    text = [f"{name}: {checked.transitions} transitions, {verdict}", *(f"  {f}" for f in checked.findings)]
    text += [f"  note: {n}" for n in checked.noted]
    if not checked.findings:
        text += [f"  guaranteed: {g}" for g in checked.guaranteed]
    return text + [f"  not guaranteed: {g}" for g in checked.not_guaranteed]


def verified_document(checked: Verified) -> dict[str, object]:
    """The same for machines."""
    lists = {
        "findings": checked.findings,
        "guaranteed": () if checked.findings else checked.guaranteed,
        "not_guaranteed": checked.not_guaranteed,
        "noted": checked.noted,
    }
    return {"transitions": checked.transitions, **{key: list(value) for key, value in lists.items()}}


@audit.command("anchor", help="A few lines that say how far everything has come, to be kept outside of the repository.")
@click.option("--save", default="", metavar="FILE", help="Write them to FILE instead of printing them.")
@click.option("--offline", is_flag=True, help="Anchor what this clone holds.")
@click.pass_obj
def audit_anchor(context: Context, save: str, offline: bool) -> None:
    """Canonical JSON, whatever --out says: the file is to be kept as it is."""
    from gitops import proof
    from gitops.ledger.anchor import anchor_bytes

    space = context.workspace
    offline = offline or space.bare
    anchor = proof.take_anchor(space, context.ledgers(offline), offline)
    if not anchor.ledgers:
        raise Stop(Exit.NOT_FOUND, "there is no ledger yet: nothing was ever applied", "anchor it after the first apply")
    if not save:
        context.print(anchor_bytes(anchor).decode().rstrip("\n"))
        return
    try:
        Path(save).write_bytes(anchor_bytes(anchor))
    except OSError as error:
        raise Stop(Exit.FAILURE, f"'{save}' cannot be written: {error.strerror}", "name a file that can be") from error
    context.note(f"anchored at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(anchor.time))}: {', '.join(anchor.ledgers)}")
    context.note(f"keep {save} where nobody can change both; check with 'provisioning audit verify --since-anchor {save}'")


@audit.command("repair", help="Say what is wrong with the workspace's own chain (freezes, probes), and mend it.")
@repair_options
@click.pass_obj
def audit_repair(context: Context, source: str, keep: str, reason: str) -> int:
    """As 'state repair' does for a ledger."""
    return repaired(context, "", source, keep, reason)


@audit.command("sign", help="Vouch with your key for a ledger that nobody listed has signed so far.")
@click.option("--reason", required=True, metavar="TEXT", help="Why it is to be believed.")
@click.pass_obj
def audit_sign(context: Context, reason: str) -> None:
    """One ledger at a time: it is looked at first."""
    names = context.ledgers()
    if len(names) != 1:
        raise Stop(Exit.USAGE, f"'audit sign' needs one infra and there are {len(names)}", f"add -i, one of: {', '.join(names)}")
    space = context.workspace
    space.person()
    context.would(f"vouch for '{names[0]}': {reason}")
    count = space.ledger(names[0]).vouch(reason)
    context.note(f"signed: you vouch for the {count} transitions of '{names[0]}'")
