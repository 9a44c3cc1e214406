"""``provisioning plan``: show, save and explain what apply would do."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gitops import sources
from gitops.cli.context import Context, as_json
from gitops.flow import Ask, Planned
from gitops.pipeline import make_plan
from gitops.stops import Exit, Stop
from planners.steps import Notice, Options, Plan


class PlanGroup(click.Group):
    """``plan`` itself plans; ``plan show FILE|ID`` reads a plan made before."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            raise Stop(Exit.USAGE, f"'plan' does not take '{args[0]}'", "name an infra with -i, an address with --target")
        return super().resolve_command(ctx, args)


GRAPH = click.option(
    "--graph", type=click.Choice(["svg", "dot", "mermaid"]), help="Draw what waits for what (svg needs graphviz)."
)


@click.group(cls=PlanGroup, invoke_without_command=True, help="Show what apply would do.")
@click.option("--ref", default="", metavar="REV", help="Plan this commit instead of HEAD.")
@click.option("--worktree", is_flag=True, help="Preview uncommitted edits; such a plan can never be applied.")
@click.option("--target", "targets", multiple=True, metavar="ADDRESS", help="Only this resource and what it needs (repeatable).")
@click.option("--replace", is_flag=True, help="Make what --target names anew.")
@click.option("--refresh", is_flag=True, help="Read what is really there first, and repair drift.")
@click.option("--destroy", is_flag=True, help="Plan the removal of everything.")
@click.option("--full", is_flag=True, help="Compute everything afresh.")
@click.option("--offline", is_flag=True, help="Use the ledger as last seen.")
@click.option("--save", default="", metavar="FILE", help="Write the plan for 'apply FILE'.")
@click.option("--all", "everything", is_flag=True, help="Save one file with the plans of all infras.")
@GRAPH
@click.option("--detailed-exitcode", is_flag=True, help="Exit 6 when there is something to do.")
@click.pass_context
def plan(
    ctx: click.Context, /, save: str, everything: bool, graph: str | None, detailed_exitcode: bool, **asked: Any
) -> int | None:
    """Plan one infra, or all of them."""
    if ctx.invoked_subcommand:
        return None
    context: Context = ctx.obj
    plans = plan_all(context, save=save, everything=everything, **asked)
    show(context, plans, graph)
    if save:
        save_plans(context, plans, save)
    pending = any(p.plan.steps for p in plans)
    return Exit.CHANGES if detailed_exitcode and pending else Exit.OK


def plan_all(
    context: Context,
    *,
    ref: str = "",
    worktree: bool = False,
    targets: tuple[str, ...] = (),
    replace: bool = False,
    refresh: bool = False,
    destroy: bool = False,
    full: bool = False,
    offline: bool = False,
    save: str = "",
    everything: bool = False,
) -> tuple[Planned, ...]:
    """Plan what the command line asked for. Raises ``Stop``."""
    if ref and worktree:
        raise Stop(Exit.USAGE, "--ref and --worktree exclude each other", "plan either a commit or the uncommitted edits")
    if replace and (destroy or not targets):
        raise Stop(Exit.USAGE, "--replace makes targets anew", "name each with --target ADDRESS, without --destroy")
    space = context.workspace
    edits = None if worktree or ref or space.bare else sources.look_for_edits(space)
    treeish, commit = (sources.worktree(space), "") if worktree else (found := sources.commit_of(space, ref or "HEAD"), found)
    names = context.infras(treeish)
    if save and len(names) > 1 and not everything:
        raise Stop(Exit.USAGE, f"--save writes one plan and there are {len(names)} infras", "add -i NAME, or --all")
    if not names:
        raise nothing_declared(context, edits.result() if edits else None)
    options = Options(targets=targets, destroy=destroy, replace=replace)
    asks = [Ask(name, treeish, commit, options, refresh, full, offline) for name in names]
    plans = tuple(make_plan(space, ask) for ask in asks)
    return tuple(with_edits(p, edits.result()) for p in plans) if edits else plans


def nothing_declared(context: Context, edits: Sequence[str] | None) -> Stop:
    """No infra at this commit; one may be there and not be committed."""
    waiting = [path for path in edits or () if path.startswith("infra/")]
    if waiting:
        hint = f"git add {waiting[0]} && git commit && git push, or preview it with 'plan --worktree'"
        return Stop(Exit.NOT_FOUND, f"no infra is committed yet, and {waiting[0]} is not", hint)
    if context.workspace.bare:
        return Stop(Exit.NOT_FOUND, "this repository declares no infra", "clone it, and declare one there")
    return Stop(Exit.NOT_FOUND, "this repository declares no infra", "'provisioning infra create NAME' makes one")


def with_edits(planned: Planned, paths: Sequence[str] | None) -> Planned:
    """Name uncommitted edits, which a plan of a commit does not hold."""
    if paths is None:
        notice = Notice("worktree-unknown", "working tree not checked: it did not answer in time")
    elif touched := [p for p in paths if not p.startswith("infra/") or p.startswith(f"infra/{planned.ask.infra}/")]:
        named = ", ".join(touched[:3]) + (f" and {len(touched) - 3} more" if len(touched) > 3 else "")
        notice = Notice("uncommitted", f"uncommitted edits are not in this plan: {named}; preview them with 'plan --worktree'")
    else:
        return planned
    plan = dataclasses.replace(planned.plan, notices=(*planned.plan.notices, notice))
    return dataclasses.replace(planned, plan=plan)


def show(context: Context, plans: tuple[Planned, ...], graph: str | None = None) -> None:
    """Print plans in the asked format; warnings go to stderr."""
    for planned in plans:
        context.warn(planned.warnings)
    show_plans(context, tuple(p.plan for p in plans), graph)


def show_plans(context: Context, plans: tuple[Plan, ...], graph: str | None = None) -> None:
    """Print plans in the asked format. Raises ``Stop`` for a graph that cannot be drawn."""
    if graph:
        context.print(drawn(plans, graph))
    elif context.out in ("json", "yaml"):
        from planners.document import view

        documents = [view(p) for p in plans]
        context.emit(documents[0] if len(documents) == 1 else {"plans": documents}, "")
    elif context.out == "markdown":
        from gitops.report.markdown import render_markdown

        context.print("\n".join(render_markdown(p) for p in plans))
    else:
        from gitops.report.text import render_text

        context.print("\n\n".join(render_text(p, context.color()) for p in plans), painted=True)


def drawn(plans: tuple[Plan, ...], graph: str) -> str:
    """One plan as a graph. Raises ``Stop``."""
    from gitops.report.graph import render_dot, render_mermaid

    if len(plans) != 1:
        raise Stop(Exit.USAGE, f"a graph shows one plan and there are {len(plans)}", "add -i NAME")
    if graph == "mermaid":
        return render_mermaid(plans[0])
    return render_dot(plans[0]) if graph == "dot" else svg(render_dot(plans[0]))


def svg(text: str) -> str:
    """Drawn by graphviz. Raises ``Stop`` where that is not installed or fails."""
    hint = "install graphviz; '--graph dot' and '--graph mermaid' need no program"
    try:
        done = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, timeout=120, check=False)
    except FileNotFoundError as error:
        raise Stop(Exit.FAILURE, "the program 'dot' of graphviz is not installed", hint) from error
    except subprocess.TimeoutExpired as error:
        raise Stop(Exit.FAILURE, "graphviz did not draw the plan within two minutes", hint) from error
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise Stop(Exit.FAILURE, f"graphviz cannot draw the plan: {' '.join(last) or 'it does not say why'}", hint)
    return done.stdout.decode().rstrip("\n")


def save_plans(context: Context, plans: tuple[Planned, ...], path: str) -> None:
    """Write a plan file (or several plans in one) that ``apply`` reads; never a secret value is in it."""
    from planners.document import to_document

    documents = [{"commit": p.ask.commit, "plan": to_document(p.plan)} for p in plans]
    Path(path).write_text(as_json({"format": 1, "plans": documents}) + "\n")
    context.note(f"saved to {path}; 'provisioning apply {path}' carries it out")


def read_plans(context: Context, name: str) -> tuple[tuple[str, Plan], ...]:
    """(commit, plan) pairs of a plan file, or of a plan id that a run recorded. Raises ``Stop``."""
    path = Path(name)
    if not path.is_file():
        return (plan_of_run(context, name),)
    from planners.document import from_document
    from planners.problems import Problems

    try:
        parsed = json.loads(path.read_bytes())
        entries = [(str(e["commit"]), e["plan"]) for e in parsed["plans"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Stop(Exit.INVALID, f"'{name}' is not a plan file", "make one: plan --save FILE") from error
    plans = [(commit, from_document(document)) for commit, document in entries]
    bad = [p for _, plan in plans if isinstance(plan, Problems) for p in plan]
    if bad:
        raise Stop(Exit.INVALID, f"'{name}' cannot be used", "make a new one: plan --save FILE", bad)
    return tuple((commit, p) for commit, p in plans if isinstance(p, Plan))


def plan_of_run(context: Context, plan_id: str) -> tuple[str, Plan]:
    """(commit, plan) that a run recorded; the first 8 digits of its id, or more, name it. Raises ``Stop``."""
    from gitops.inspect import plan_by_id

    missing = f"there is no plan file '{plan_id}' and no run recorded a plan with that id"
    infras = context.ledgers() if len(plan_id) >= 8 else ()
    for _, found in context.answers(infras, lambda infra: plan_by_id(context.workspace, infra, plan_id), missing):
        return found
    raise Stop(Exit.NOT_FOUND, missing, "make one: plan --save FILE")


@plan.command("show", help="Show a saved plan, or the plan of a run by its id.")
@click.argument("plan_name", metavar="FILE|ID")
@GRAPH
@click.pass_obj
def plan_show(context: Context, plan_name: str, graph: str | None) -> None:
    """Print a plan made before."""
    show_plans(context, tuple(p for _, p in read_plans(context, plan_name)), graph)
