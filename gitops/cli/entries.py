"""``provisioning server|taskserv|cluster``: edit the declaration; then the same plan as ever.

Nothing changes infrastructure but a plan from a commit, so these commands edit the person's file (comments and order
survive) and say what to do next.
"""

from __future__ import annotations

from typing import Any

import click

from gitops.cli.context import Context
from gitops.stops import Exit, Stop

PLURAL = {"server": "servers", "taskserv": "taskservs", "cluster": "clusters"}


def fields(pairs: tuple[str, ...]) -> dict[str, Any]:
    """``--set plan=2xCPU-4GB`` pairs; numbers and true/false are read as such. Raises ``Stop`` (usage)."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise Stop(Exit.USAGE, f"'{pair}' is not KEY=VALUE", "such as --set cpu_cores=2")
        value: Any = int(text) if text.lstrip("-").isdigit() else {"true": True, "false": False}.get(text, text)
        found[key] = value
    return found


def group_for(kind: str) -> click.Group:
    """The commands of one kind."""

    @click.group(kind, help=f"{PLURAL[kind].capitalize()} in the declaration: create, delete, list.")
    def entries() -> None: ...

    @entries.command("create", help=f"Add a {kind} to the declaration; commit it yourself.")
    @click.argument("name")
    @click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A field of it (repeatable).")
    @click.option(
        "--server",
        "servers",
        multiple=True,
        metavar="SERVER",
        help="A server to put a taskserv on, or that a cluster spans (repeatable).",
    )
    @click.pass_obj
    def create(context: Context, name: str, pairs: tuple[str, ...], servers: tuple[str, ...]) -> None:
        from gitops.declared_edits import add_entry

        say(
            context,
            add_entry(
                context.workspace.repository, one_declared(context), PLURAL[kind], name, fields(pairs), servers, context.check
            ),
        )

    @entries.command("delete", help=f"Take a {kind} out of the declaration; commit it yourself.")
    @click.argument("name")
    @click.pass_obj
    def delete(context: Context, name: str) -> None:
        from gitops.declared_edits import remove_entry

        say(context, remove_entry(context.workspace.repository, one_declared(context), PLURAL[kind], name, context.check))

    @entries.command("list", help=f"Declared and recorded {PLURAL[kind]}.")
    @click.pass_obj
    def show(context: Context) -> None:
        from gitops.inspect import resource_rows

        rows = [("ADDRESS", "INFRA", "PROVIDER", "DECLARED", "RECORDED")]
        tables = context.each(context.infras(context.head), lambda infra: resource_rows(context.workspace, infra, kind))
        found = [row for _, table in tables for row in table]
        rows += [(r["address"], r["infra"], r["provider"], r["declared"], r["recorded"]) for r in found]
        context.emit({"resources": found}, f"no {kind}", rows if found else ())

    return entries


def one_declared(context: Context) -> str:
    """The infra whose working tree files are edited."""
    from gitops.sources import worktree

    return context.one_infra(worktree(context.workspace), "this")


def say(context: Context, edited: tuple[str, str]) -> None:
    """Which file was (or would be) edited and how, and what comes next."""
    path, difference = edited
    verb = "would edit" if context.check else "edited"
    context.emit(
        {"path": path, "diff": difference},
        f"{verb} {path}\n{difference}\nnext: provisioning validate, then git commit and push, then provisioning plan",
    )


server = group_for("server")
taskserv = group_for("taskserv")
cluster = group_for("cluster")
