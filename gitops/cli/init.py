"""``provisioning init``: a state repository from the template, in a new or an existing Git repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitops.cli.context import Context

if TYPE_CHECKING:
    from gitops.starter import Started


@click.command(help="Create a state repository from the template, commit it and push it.")
@click.argument("directory", metavar="DIR")
@click.option("--template", default="", metavar="NAME", help="A template folder of your own (default: the built-in one).")
@click.option("--remote", default="", metavar="URL", help="Add this as 'origin' and push the first commit.")
@click.option("--empty", is_flag=True, help="Without the example infra 'shop'.")
@click.pass_obj
def init(context: Context, directory: str, template: str, remote: str, empty: bool) -> None:
    """Copy, name, commit, push; refuses to overwrite anything."""
    from gitops.starter import start

    made = start(Path(directory), template, remote, empty, context.environ)
    document = {
        "path": str(made.path),
        "workspace": made.workspace_id,
        "commit": made.commit,
        "branch": made.branch,
        "files": list(made.files),
        "kept": list(made.kept),
        "remote": made.origin,
        "pushed": made.pushed,
    }
    what = f"{len(made.files)} files committed as {made.commit[:12]}" + (f" and pushed to {remote}" if made.pushed else "")
    text = f"state repository {made.workspace_id} ready in {made.path}: {what}\n"
    text += f"left as they were: {', '.join(made.kept)}\n" if made.kept else ""
    context.emit(document, text + "next:\n" + "\n".join(f"  {line}" for line in following(made, directory, empty)))


def following(made: Started, directory: str, empty: bool) -> list[str]:
    """The commands that come next."""
    infra = "NAME" if empty else "shop"
    lines = [] if made.path.resolve() == Path.cwd() else [f"cd {directory}"]
    if not made.pushed:
        lines += (
            [f"git push -u origin {made.branch}"]
            if made.origin
            else [f"git remote add origin URL && git push -u origin {made.branch}"]
        )
    lines += ["provisioning infra create NAME"] if empty else []
    return [*lines, "provisioning validate", f"provisioning plan -i {infra}", f"provisioning apply -i {infra}"]
