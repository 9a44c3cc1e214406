"""``provisioning init``: a state repository from the template, in a new or an existing Git repository."""

from __future__ import annotations

from pathlib import Path

import click

from gitops.cli.context import Context


@click.command(help="Create a state repository from the template, commit it and push it.")
@click.argument("directory", metavar="DIR")
@click.option("--template", default="", metavar="DIR", help="A template folder of your own (default: the built-in one).")
@click.option("--remote", default="", metavar="URL", help="Add this as 'origin' and push the first commit.")
@click.option("--empty", is_flag=True, help="Without the example infra 'shop'.")
@click.pass_obj
def init(context: Context, directory: str, template: str, remote: str, empty: bool) -> None:
    """Copy, name, commit, push; refuses to overwrite anything."""
    from gitops.starter import start

    made = start(Path(directory), Path(template) if template else None, remote, empty, context.environ)
    pushed = f" and pushed to {remote}" if remote else ""
    document = {"path": str(made.path), "workspace": made.workspace_id, "commit": made.commit, "files": list(made.files)}
    infra = "shop" if not empty else "NAME"
    following = [f"cd {directory}"] if Path(directory).resolve() != Path.cwd() else []
    following += ["git remote add origin URL && git push -u origin main"] if not remote else []
    following += ["provisioning infra create NAME"] if empty else []
    following += ["provisioning validate", f"provisioning plan -i {infra}", f"provisioning apply -i {infra}"]
    what = f"{len(made.files)} files committed as {made.commit[:12]}{pushed}"
    text = f"state repository {made.workspace_id} ready in {made.path}: {what}\nnext:\n"
    context.emit(document, text + "\n".join(f"  {line}" for line in following))
