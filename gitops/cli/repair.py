"""What ``state repair`` and ``audit repair`` share: say what is wrong with a chain, ask, mend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gitops.cli.context import Context
from gitops.stops import Exit, Stop

OPTIONS = (
    click.option(
        "--from", "source", default="", metavar="PATH|URL|REV", help="Another clone, or a commit, that may have more of it."
    ),
    click.option("--keep", default="", metavar="ID", help="Of several lines, the one that you decide to go on from."),
    click.option("--reason", default="", metavar="TEXT", help="Why; kept in the audit."),
)


def repair_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What both can be told."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def repaired(context: Context, infra: str, source: str, keep: str, reason: str) -> int:
    """Explains first; nothing is done without a yes. ``infra`` "" : the workspace's own chain."""
    from gitops.mending import document, examine, mend, text

    found = examine(context.workspace, infra, source, keep)
    context.emit(document(infra, found), text(found))
    if found.remedy is None:
        return Exit.FAILURE if found.choices else Exit.OK
    if not reason and not context.check:
        raise Stop(Exit.USAGE, "a repair is kept in the audit with its reason", "add --reason TEXT, or --check to only look")
    context.confirm("Do that?")
    context.note(mend(context.workspace, infra, found, reason))
    return Exit.OK
