"""``provisioning doctor``: is everything here that the next command needs?"""

from __future__ import annotations

import click

from gitops.cli.context import Context
from gitops.stops import Exit


@click.command(help="Check this machine and, with --remote, probe what the remote guarantees.")
@click.option("--remote", "probe", is_flag=True, help="Probe compare-and-swap on a scratch branch of the remote.")
@click.pass_obj
def doctor(context: Context, probe: bool) -> int:
    """One line per check: ok, warning or error, and what to do."""
    from gitops.checkup import checks

    found = checks(context.path or ".", context.environ, probe)
    mark = {"ok": "ok     ", "warning": "warning", "error": "error  "}
    lines = [f"{mark[c.level]} {c.name}: {c.finding}" + (f"; {c.hint}" if c.hint else "") for c in found]
    context.emit(
        {"checks": [{"name": c.name, "level": c.level, "finding": c.finding, "hint": c.hint} for c in found]}, "\n".join(lines)
    )
    return Exit.FAILURE if any(c.level == "error" for c in found) else Exit.OK
