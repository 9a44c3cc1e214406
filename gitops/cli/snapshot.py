"""``provisioning snapshot``: frozen snapshots, the immutable releases one can deploy and roll back to."""

from __future__ import annotations

import click

from gitops.cli.context import Context
from gitops.inspect import moment
from gitops.stops import Exit, Stop
from gitops.wiring import git_stops


@click.group(help="Frozen snapshots: list, show, verify.")
def snapshot() -> None:
    """'provisioning workspace freeze' makes one."""


@snapshot.command("list", help="All frozen snapshots.")
@click.pass_obj
def snapshot_list(context: Context) -> None:
    """One row per snapshot, newest first."""
    from gitops.release import snapshots

    space = context.workspace
    with git_stops():
        found = snapshots(space.repository, space.remote, space.config.id, context.infra)
    rows = [("VERSION", "INFRA", "ENVIRONMENT", "COMMIT", "CREATED")]
    rows += [(s.version, s.infra, s.environment, s.source_commit[:12], moment(s.created)) for s in found]
    context.emit(
        {"snapshots": [s.document() for s in found]},
        "no snapshot yet; 'provisioning workspace freeze' makes one",
        rows if found else (),
    )


@snapshot.command("show", help="What a snapshot holds.")
@click.argument("version")
@click.pass_obj
def snapshot_show(context: Context, version: str) -> None:
    """Its manifest."""
    import json

    from gitops.release import snapshot as find

    space = context.workspace
    with git_stops():
        infra = context.one_infra(context.head, "snapshot show")
        found = find(space.repository, space.remote, space.config.id, infra, version)
    context.emit(found.document(), json.dumps(found.document(), indent=2))


@snapshot.command("verify", help="Recompute every hash of a snapshot.")
@click.argument("version")
@click.pass_obj
def snapshot_verify(context: Context, version: str) -> int:
    """Exit 1 when anything differs."""
    from gitops.release import evaluates_otherwise, verify
    from gitops.release import snapshot as find

    space = context.workspace
    infra = context.one_infra(context.head, "snapshot verify")
    with git_stops():
        found = find(space.repository, space.remote, space.config.id, infra, version)
        findings = verify(space.repository, found, space.config.identities)
        try:
            findings += evaluates_otherwise(space.repository, found, space.load(infra, found.declarations))
        except Stop as stop:
            findings += (f"its declarations cannot be evaluated any more: {stop.message}",)
    lines = list(findings) or [f"{infra} {version}: intact"]
    context.emit({"infra": infra, "version": version, "findings": list(findings)}, "\n".join(lines))
    return Exit.FAILURE if findings else Exit.OK
