"""``provisioning workspace``: freeze a release, show what this workspace is."""

from __future__ import annotations

import click

from gitops.cli.context import Context


@click.group(help="The workspace: freeze, show.")
def workspace() -> None:
    """One state repository is one workspace."""


@workspace.command("freeze", help="Freeze the declarations of an infra as an immutable snapshot.")
@click.option("--version", required=True, metavar="V", help="Its name, such as 2026-11-24-prod-v1.")
@click.option("--ref", default="", metavar="REV", help="Freeze this commit instead of HEAD.")
@click.pass_obj
def workspace_freeze(context: Context, version: str, ref: str) -> None:
    """Evaluated declarations, sources and extensions under one tag; costs no copies."""
    from gitops.release import freeze
    from gitops.sources import PROTECTED_CLASSES, commit_of, require_published
    from gitops.wiring import git_stops

    space = context.workspace
    commit = commit_of(space, ref or "HEAD")
    infra = context.one_infra(commit, "workspace freeze")
    context.would(f"freeze {infra} at {commit[:12]} as {version}")
    loaded = space.load(infra, commit)
    require_published(space, commit, loaded.desired.environment)
    sign = loaded.desired.environment.class_ in PROTECTED_CLASSES and bool(space.repository.setting("user.signingkey", own=True))
    with git_stops():
        made = freeze(space.repository, space.remote, loaded, commit, version, space.person(), space.clock.wall(), sign)
    text = f"frozen {infra} at {commit[:12]} as {version}\ndeploy it: provisioning deploy -i {infra} --frozen {version}"
    context.emit(made.document(), text)


@workspace.command("show", help="Id, remote, environments and infras.")
@click.pass_obj
def workspace_show(context: Context) -> None:
    """What workspace.yaml and the repository say."""
    from gitops.inspect import facts

    found = facts(context.workspace)
    context.emit(
        found, "\n".join(f"{key:12} {', '.join(value) if isinstance(value, list) else value}" for key, value in found.items())
    )


@workspace.command("move-remote", help="Record that an infra's ledger lives at this clone's origin from now on.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the audit.")
@click.pass_obj
def workspace_move_remote(context: Context, reason: str) -> None:
    """For a repository that has moved; a fork or mirror must not drive the same estate."""
    infra = context.one_infra(context.head, "workspace move-remote")
    space = context.workspace
    context.confirm(f"Drive {infra} from {space.remote.shown} from now on? The former remote must not be used any more")
    space.ledger(infra).move_remote(reason)
    context.note(f"{infra} is driven from {space.remote.shown}")
