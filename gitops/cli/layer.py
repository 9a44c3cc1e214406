"""``provisioning layer``: where each key of a merged declaration comes from."""

from __future__ import annotations

import click

from gitops.cli.context import Context

LAYERS = """\
core            100  defaults.yaml of each extension
workspace       200  templates/defaults.yaml, then each templates/NAME.yaml an infra lists under 'use'
infra           300  infra/NAME/main.yaml or .jsonnet, then its folders
A higher number wins; maps merge key by key, lists and scalars are replaced, null removes (RFC 7396)."""


@click.group(help="Where each key of a declaration comes from.")
def layer() -> None:
    """Layers: core (100) < workspace (200) < infra (300)."""


@layer.command("explain", help="The three layers and how they merge.")
@click.pass_obj
def layer_explain(context: Context) -> None:
    """Static text."""
    context.emit({"layers": {"core": 100, "workspace": 200, "infra": 300}}, LAYERS)


@layer.command("show", help="Every key of an infra with the layer and line it comes from.")
@click.pass_obj
def layer_show(context: Context) -> None:
    """One row per leaf."""
    infra = context.one_infra(context.head, "layer show")
    loaded = context.workspace.load(infra, context.head)
    found = [(o.key, o.layer, str(o.where)) for o in loaded.origins]
    rows = [("KEY", "LAYER", "FROM"), *found]
    context.emit({"infra": infra, "keys": [{"key": k, "layer": n, "from": w} for k, n, w in found]}, "", rows)
