"""``provisioning infra``: the infras of this workspace."""

from __future__ import annotations

import click

from gitops.cli.context import Context


@click.group(help="Infras: create, list.")
def infra() -> None:
    """An infra is the unit of plan, lock, state and apply."""


@infra.command("create", help="Write infra/NAME/main.yaml to start from; commit it yourself.")
@click.argument("name")
@click.option("--environment", default="dev", metavar="NAME", help="Its environment (default dev).")
@click.option("--provider", default="local", metavar="NAME", help="Its default provider (default local).")
@click.pass_obj
def infra_create(context: Context, name: str, environment: str, provider: str) -> None:
    """Never overwrites."""
    from gitops.declared_edits import create_infra

    space = context.workspace
    path, difference = create_infra(space.repository, name, environment, provider, context.check, space.provider_specs)
    if context.check:
        context.emit({"infra": name, "path": path, "diff": difference}, f"would write {path}\n{difference}")
        return
    text = (
        f"wrote {path}\nnext:\n  edit it, then: provisioning validate -i {name}\n"
        f"  git add {path} && git commit && git push, then: provisioning plan -i {name}"
    )
    context.emit({"infra": name, "path": path}, text)


@infra.command("list", help="All infras: declared, recorded, or both.")
@click.pass_obj
def infra_list(context: Context) -> None:
    """One row per infra."""
    from gitops.inspect import all_infras, infra_row

    space = context.workspace
    names = context.infras(context.head) if context.infra else all_infras(space)
    found = [row for _, row in context.each(names, lambda infra: infra_row(space, infra))]
    rows = [("INFRA", "ENVIRONMENT", "DECLARED", "RECORDED")]
    rows += [(i["infra"], i["environment"], str(i["declared"]), str(i["recorded"])) for i in found]
    context.emit({"infras": found}, "no infra yet; 'provisioning infra create NAME' makes one", rows if found else ())
