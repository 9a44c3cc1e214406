"""``provisioning validate``: all mistakes at once, with places, contacting nothing."""

from __future__ import annotations

import click

from gitops.cli.context import Context, problem_document
from gitops.stops import Exit
from planners.problems import Problem, Problems, Severity


@click.command(help="Check declarations; contacts nothing.")
@click.option("--ref", default="", metavar="REV", help="Check this commit instead of the working tree.")
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.pass_obj
def validate(context: Context, ref: str, strict: bool) -> int:
    """Every problem on a line of stderr, one summary line on stdout."""
    from gitops import sources
    from gitops.declare.load import check, check_shared

    space = context.workspace
    treeish = sources.commit_of(space, ref or "HEAD") if ref or space.bare else sources.worktree(space)
    names = context.infras(treeish)
    problems: set[Problem] = set(check_shared(space.repository, treeish))
    resources = 0
    for infra in names:
        loaded = check(space.repository, treeish, infra, space.provider_specs)
        if isinstance(loaded, Problems):
            problems |= set(loaded)
        else:
            problems |= set(loaded.warnings)
            resources += len(loaded.desired.resources)
    ordered = sorted(problems)
    errors = sum(p.severity is Severity.ERROR for p in ordered)
    warnings = len(ordered) - errors
    context.warn(ordered)
    retired = [n for n in sources.ledger_names(space, offline=True) if n not in names and not context.infra]
    for name in retired:
        context.note(
            f"note: infra '{name}' has a ledger and no declarations; 'provisioning apply -i {name} --destroy' empties it"
        )
    what = f"{counted(len(names), 'infra')}, {counted(resources, 'resource')}"
    text = f"{what}: {counted(errors, 'error')}, {counted(warnings, 'warning')}"
    document = {"infras": list(names), "resources": resources, "problems": [problem_document(p) for p in ordered]}
    context.emit(document, text)
    return Exit.INVALID if errors or (strict and warnings) else Exit.OK


def counted(number: int, noun: str) -> str:
    """``1 error``, ``2 errors``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")
