"""``provisioning lock freeze``, ``thaw`` and ``freezes``: times in which nothing is changed, in one infra or in all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitops.cli.context import Context
from gitops.cli.durations import moment_of, seconds_of
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from gitops.ledger.workspace_moves import Freeze

DEFAULT = "8h"


@click.command(help="Let nothing be changed in an infra, or in all, until a time.")
@click.option("--all", "everything", is_flag=True, help="All infras, those to come included.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; shown to everybody who waits.")
@click.option("--for", "duration", default="", metavar="TIME", help=f"How long (default {DEFAULT}, at most 30d).")
@click.option("--until", default="", metavar="WHEN", help="Until when, such as 2026-11-24T18:00:00Z.")
@click.pass_obj
def freeze(context: Context, everything: bool, reason: str, duration: str, until: str) -> None:
    """What runs already goes on to its end."""
    space = context.workspace
    if duration and until:
        raise Stop(Exit.USAGE, "--for and --until exclude each other", "say how long, or until when")
    now = space.clock.wall()
    end = moment_of(until, now) if until else now + seconds_of(duration or DEFAULT)
    if end <= now:
        raise Stop(Exit.USAGE, f"'{until or duration}' is over already", "choose an end within 30d, one that is to come")
    infra = which(context, everything, "lock freeze")
    space.person()
    context.would(f"freeze {infra or 'all infras'}: {reason}")
    made = space.common.freeze(infra, reason, end)
    context.emit(freeze_document(made), f"{made.text}\nend it: {made.thaw}")


@click.command(help="End a freeze; somebody else's with a reason.")
@click.option("--all", "everything", is_flag=True, help="The freeze of all infras; each one's own stays.")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit. Needed where you did not freeze it.")
@click.pass_obj
def thaw(context: Context, everything: bool, reason: str) -> None:
    """Changes are possible again, unless another freeze stands."""
    space = context.workspace
    infra = which(context, everything, "lock thaw")
    space.person()
    context.would(f"thaw {infra or 'all infras'}")
    ended = space.common.thaw(infra, reason)
    context.emit(freeze_document(ended), f"{ended.what} {'is' if ended.infra else 'are'} thawed")


@click.command(help="All freezes that stand, of single infras and of all.")
@click.pass_obj
def freezes(context: Context) -> None:
    """One row per freeze."""
    from gitops.inspect import moment

    space = context.workspace
    wall = space.clock.wall()
    found = [f for f in space.common.view().freezes if f.expires > wall]
    rows = [("INFRA", "BY", "SINCE", "UNTIL", "REASON")]
    rows += [(f.infra or "all", f.name, moment(f.since), moment(f.expires), f.reason) for f in found]
    context.emit({"freezes": [freeze_document(f) for f in found]}, "nothing is frozen", rows if found else ())


def which(context: Context, everything: bool, command: str) -> str:
    """The infra meant, "" for all. Raises ``Stop`` (usage)."""
    if everything and context.infra:
        raise Stop(Exit.USAGE, "--all and --infra exclude each other", "name one infra, or all")
    return "" if everything else context.one_infra(context.head, command, otherwise="or --all")


def freeze_document(found: Freeze) -> dict[str, object]:
    """A freeze as the machine-readable outputs show it; ``infra`` null: all."""
    from gitops.inspect import moment

    by = f"{found.name} <{found.email}>"
    times = {"since": moment(found.since), "expires": moment(found.expires)}
    return {"infra": found.infra or None, "by": by, "reason": found.reason, **times}
