"""``provisioning completion SHELL``: the script a shell sources to complete commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from gitops.cli.context import Context


@click.command(help='Print the completion script of a shell: eval "$(provisioning completion bash)".')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def completion(context: Context, shell: str) -> None:
    """click's own completion, under our name."""
    from gitops.cli.main import root

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101  # the choice above names only shells that click has
    context.print(found(root, {}, "provisioning", "_PROVISIONING_COMPLETE").source())
