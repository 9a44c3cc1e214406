"""``provisioning lock``: who holds an infra, and how to hold, release or break it by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gitops.cli.context import Context
from gitops.cli.durations import seconds_of
from gitops.cli.freeze import freeze, freeze_document, freezes, thaw
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from gitops.ledger.lock import Lock
    from gitops.ledger.workspace_moves import Freeze
    from gitops.locks import Why


@click.group(help="Locks: list, show, why, acquire, release, break, run; freeze, thaw, freezes.")
def lock() -> None:
    """One lock per infra, kept in its ledger."""


lock.add_command(freeze)
lock.add_command(thaw)
lock.add_command(freezes)


@lock.command("list", help="All infras and who holds them.")
@click.pass_obj
def lock_list(context: Context) -> None:
    """One row per infra."""
    from gitops.inspect import moment

    rows = [("INFRA", "STATE", "KIND", "HOLDER", "TOKEN", "FROZEN UNTIL", "REASON")]
    documents = []
    for infra, view in context.views(context.ledgers()):
        held, frozen = view.lock, standing(context, infra)
        documents.append({"infra": infra, **lock_document(held), "frozen": freeze_document(frozen) if frozen else None})
        until, why = (moment(frozen.expires), frozen.reason) if frozen else ("-", "-")
        why = held.reason or why
        rows.append((infra, held.state, held.kind or "-", held.holder_text() or "-", str(held.token), until, why))
    context.emit({"locks": documents}, "no ledger yet: nothing was ever applied", rows if documents else ())


def standing(context: Context, infra: str) -> Freeze | None:
    """The freeze that stands, ``None`` also where that cannot be told, which is said once."""
    try:
        return context.workspace.common.standing(infra)
    except Stop as stop:
        if not any(name == "" for name, _ in context.left_out):
            context.leave_out("", stop)
        return None


def lock_document(held: object) -> dict[str, object]:
    """The lock as the machine-readable outputs show it."""
    from gitops.ledger.lock import encode

    return dict(encode(held))  # type: ignore[arg-type]


@lock.command("show", help="One infra's lock: holder, run, queue, and how to go on.")
@click.pass_obj
def lock_show(context: Context) -> None:
    """All that the lock says."""
    infra = context.one_infra(context.head, "lock show")
    from gitops.inspect import explain_lock

    found, held = explained(context, infra)
    context.emit(
        {"infra": infra, **lock_document(held), "advice": found.advice[0]}, f"{infra}: {explain_lock(held)}\n  {found.advice[0]}"
    )


@lock.command("why", help="One infra's lock explained: holder, alive or not, last step, who waits, and how to go on.")
@click.pass_obj
def lock_why(context: Context) -> None:
    """For somebody who is kept from working."""
    from gitops.locks import text

    found, held = explained(context, context.one_infra(context.head, "lock why"))
    context.emit(found.document(), text(found, held, context.workspace.clock.wall()))


def explained(context: Context, infra: str) -> tuple[Why, Lock]:
    """All there is to say about the lock, and the lock itself, as they are at the remote now."""
    from gitops.locks import why
    from gitops.sources import frozen

    space = context.workspace
    view = space.ledger(infra).view()
    return why(view, space.actor, space.clock.wall(), frozen(space, infra)), view.lock


@lock.command("acquire", help="Hold an infra by hand, so that nothing else changes it.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; shown to everyone who waits.")
@click.option("--for", "duration", default="1h", metavar="TIME", help="How long at most (default 1h, at most 24h).")
@click.pass_obj
def lock_acquire(context: Context, reason: str, duration: str) -> None:
    """A hold has no lease: it ends at its expiry or when released."""
    seconds = seconds_of(duration)
    if not 0 < seconds <= 86400:
        raise Stop(Exit.USAGE, f"a hold of {duration} is not possible", "choose at most 24h")
    infra = context.one_infra(context.head, "lock acquire")
    context.would(f"hold {infra} for {duration}: {reason}")
    context.workspace.ledger(infra).hold(reason, seconds)
    context.note(f"{infra} is held for {duration}: {reason}; 'provisioning lock release -i {infra}' ends it")


@lock.command("release", help="End your own hold.")
@click.pass_obj
def lock_release(context: Context) -> None:
    """Only the same principal can."""
    infra = context.one_infra(context.head, "lock release")
    context.would(f"release {infra}")
    context.workspace.ledger(infra).release_hold()
    context.note(f"{infra} is free")


@lock.command("break", help="Take the lock from its holder, who can then write nothing more.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@click.pass_obj
def lock_break(context: Context, reason: str) -> None:
    """For a holder that is gone for good; an ordinary dead one is taken over by itself."""
    infra = context.one_infra(context.head, "lock break")
    held = context.workspace.ledger(infra).view().lock
    from gitops.inspect import explain_lock

    context.confirm(f"Break the lock of {infra} ({explain_lock(held)})?")
    context.workspace.ledger(infra).break_lock(reason)
    context.note(f"the lock of {infra} is broken; its former holder is fenced out")


class AfterDashes(click.Command):
    """Everything after ``--`` belongs to the command that is run; without it, global options would be taken out of that."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" not in args and not {"-h", "--help"} & {*args}:
            raise Stop(Exit.USAGE, "put '--' before the command", "such as: provisioning lock run --type read -- ./backup.sh")
        return super().parse_args(ctx, args)


@lock.command("run", cls=AfterDashes, help="Run a command while holding the lock; ends it if the lock is lost.")
@click.option("--type", "kind", type=click.Choice(["read", "write"]), default="write", help="Shared, or alone (default write).")
@click.option("--reason", default="", metavar="TEXT", help="Why; shown to everyone who waits (default: the command's name).")
@click.option("--lock-timeout", default="0s", metavar="TIME", help="Wait this long for the lock, such as 10m (default: not).")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def lock_run(context: Context, kind: str, reason: str, lock_timeout: str, command: tuple[str, ...]) -> int:
    """The command's own exit code; 1 when the lock was lost."""
    from gitops.locked_command import require_program, run_locked

    seconds, space = seconds_of(lock_timeout), context.workspace
    infra = context.one_infra(context.head, "lock run")
    require_program(command, context.environ)
    context.would(f"run {command[0]} while holding {infra} ({kind})")
    with space.ledger(infra).acquire(kind, "", "", reason or command[0], seconds, context.note) as held:
        held.require_open()
        return run_locked(command, context.environ, held, space.config.ledger.lease_seconds)
