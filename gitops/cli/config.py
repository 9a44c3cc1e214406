"""``provisioning config``: what is in force, and schemas that let an editor complete and check."""

from __future__ import annotations

import json

import click

from gitops.cli.context import Context

SCHEMAS: tuple[str, ...] = ("infra", "workspace", "environment", "manifest")
SCHEMAS += ("server", "taskserv", "cluster", "network", "volume", "load_balancer", "dns")
"""Names of ``jsonschema_export.NAMES``, which is heavy to import."""


@click.group(help="Configuration: show, schema for editors.")
def config() -> None:
    """Read only."""


@config.command("show", help="The configuration in force.")
@click.pass_obj
def config_show(context: Context) -> None:
    """workspace.yaml with its defaults filled in."""
    document = context.workspace.config.document()
    context.emit(document, json.dumps(document, indent=2))


@config.command("schema", help="JSON Schema of a file people write (default: infra).")
@click.argument("name", type=click.Choice(SCHEMAS), default="infra")
@click.pass_obj
def config_schema(context: Context, name: str) -> None:
    """For an editor's YAML language server."""
    from gitops.schema.jsonschema_export import schema

    context.print(json.dumps(schema(name), indent=2, sort_keys=True))
