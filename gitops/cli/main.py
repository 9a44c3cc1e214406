"""The root of the command line: global options on either side, aliases, help, and how errors are shown."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from gitops.cli.context import Context, LookedError
from gitops.stops import Exit, Stop

# command -> (module:attribute, one line of help): static, so that help imports nothing (tested by the list of loaded modules)
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("gitops.cli.init:init", "Create a state repository from the template."),
    "validate": ("gitops.cli.validate:validate", "Check declarations; contacts nothing."),
    "plan": ("gitops.cli.plan:plan", "Show what apply would do ('plan show' reads a saved plan)."),
    "apply": ("gitops.cli.apply:apply", "Carry out a plan under the lock and record the result."),
    "deploy": ("gitops.cli.apply:deploy", "Apply the protected branch's head, or a frozen snapshot."),
    "rollback": ("gitops.cli.apply:rollback", "Plan and apply towards an earlier snapshot or commit."),
    "approve": ("gitops.cli.approve:approve", "Approve a plan by its id."),
    "reject": ("gitops.cli.approve:reject", "Reject a plan by its id."),
    "drift": ("gitops.cli.drift:drift", "Compare what is recorded with what is there."),
    "status": ("gitops.cli.status:status", "One line per infra: lock, last run, pending changes."),
    "output": ("gitops.cli.status:output", "Outputs of recorded resources."),
    "why": ("gitops.cli.why:why", "Which line, run, approval and step made a resource so."),
    "state": ("gitops.cli.state:state", "Recorded state: list, show, import, forget, move, repair."),
    "ledger": ("gitops.cli.ledger:ledger", "Ledgers: list, show, rotate, detour, return."),
    "run": ("gitops.cli.run:run", "Runs: list, show, logs, resume, cancel."),
    "lock": ("gitops.cli.lock:lock", "Locks: list, show, why, acquire, release, break, run; freeze, thaw, freezes."),
    "audit": ("gitops.cli.audit:audit", "The audit chain: log, export, verify, anchor, repair, sign."),
    "snapshot": ("gitops.cli.snapshot:snapshot", "Frozen snapshots: list, show, verify."),
    "workspace": ("gitops.cli.workspace:workspace", "The workspace: freeze, show."),
    "infra": ("gitops.cli.infra:infra", "Infras: create, list."),
    "server": ("gitops.cli.entries:server", "Servers in the declaration: create, delete, list."),
    "taskserv": ("gitops.cli.entries:taskserv", "Taskservs in the declaration: create, delete, list."),
    "cluster": ("gitops.cli.entries:cluster", "Clusters in the declaration: create, delete, list."),
    "layer": ("gitops.cli.layer:layer", "Where each key of a declaration comes from."),
    "config": ("gitops.cli.config:config", "Configuration: show, schema for editors."),
    "doctor": ("gitops.cli.doctor:doctor", "Check this machine and the remote."),
    "completion": ("gitops.cli.completion:completion", "Print the completion script of a shell."),
}

# short names of the seed document; each means exactly its long name
ALIASES = {
    "s": "server",
    "t": "taskserv",
    "task": "taskserv",
    "cl": "cluster",
    "i": "infra",
    "ws": "workspace",
    "lyr": "layer",
    "st": "status",
    "val": "validate",
}

GLOBAL_FLAGS = {"-y": "yes", "--yes": "yes", "-c": "check", "--check": "check", "--dry-run": "check"}
GLOBAL_FLAGS |= {"-x": "debug", "--debug": "debug", "--no-color": "no_color"}
GLOBAL_VALUES = {"-w": "workspace", "--workspace": "workspace", "-i": "infra", "--infra": "infra", "--out": "out"}
GLOBAL_VALUES |= {"--remote": "remote"}
OWN_REMOTE = ("init", "doctor")
"""Commands with a ``--remote`` of their own."""
OUT_CHOICES = ("text", "json", "yaml", "table", "markdown")


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        entry = COMMANDS.get(ALIASES.get(cmd_name, cmd_name))
        if entry is None:
            return None
        module, _, attribute = entry[0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click's signature
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])
        with formatter.section("Global options, on either side of the command"):
            formatter.write_dl(GLOBAL_HELP)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from planners.suggest import hint as nearest

            hint = nearest(args[0], COMMANDS, "'provisioning help' lists the commands")
            raise Stop(Exit.USAGE, f"there is no command '{args[0]}'", hint)
        return super().resolve_command(ctx, args)


GLOBAL_HELP = [
    ("-w, --workspace PATH", "the state repository (default: the one we stand in)"),
    ("-i, --infra NAME", "the infra (default: the one we stand in, else the only one)"),
    ("--remote URL", "a mirror in place of 'origin' (see 'ledger detour')"),
    ("--out FORMAT", "text, json, yaml, table or markdown"),
    ("-y, --yes", "do not ask"),
    ("-c, --check", "plan, print and stop (also --dry-run)"),
    ("-x, --debug", "show where an error comes from"),
    ("--no-color", "plain text"),
]


@click.group(
    cls=LazyGroup, add_help_option=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
def root() -> None:
    """GitOps from a Git repository alone: declare, plan, approve, apply, record, roll back."""


def hoist(argv: Sequence[str]) -> tuple[dict[str, str | bool], list[str]]:
    """Take the global options out of ``argv`` wherever they stand (before ``--``); the rest is for the command.

    Raises ``Stop`` (usage) when a value is missing or an output format is unknown.
    """
    found: dict[str, str | bool] = {}
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            rest += [word, *words]
        elif word in GLOBAL_FLAGS:
            found[GLOBAL_FLAGS[word]] = True
        elif (
            name in GLOBAL_VALUES and (equals or name == word) and not (name == "--remote" and rest[:1] and rest[0] in OWN_REMOTE)
        ):
            given = value if equals else next(words, None)
            if given is None:
                raise Stop(Exit.USAGE, f"'{name}' needs a value", "'provisioning help' shows the global options")
            found[GLOBAL_VALUES[name]] = given
        else:
            rest.append(word)
    if found.get("out", "text") not in OUT_CHOICES:
        raise Stop(Exit.USAGE, f"there is no output format '{found['out']}'", f"use one of {', '.join(OUT_CHOICES)}")
    return found, rest


def spell_out(argv: list[str]) -> list[str]:
    """``help X`` and ``X help`` both mean ``X --help``; no command at all means help."""
    if not argv:
        return ["--help"]
    if argv[0] == "help":
        return [*argv[1:], "--help"]
    if argv[-1] == "help" and "--" not in argv:
        return [*argv[:-1], "--help"]
    return argv


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Every expected error ends as one line on stderr, never as a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    context = Context()
    try:
        options, rest = hoist(words)
        context = Context.from_options(options, os.environ)
        result = root.main(spell_out(rest), prog_name="provisioning", standalone_mode=False, obj=context)
        code = int(result) if isinstance(result, int) else Exit.OK
        return context.left_out[0][1].code if context.left_out and code in (Exit.OK, Exit.CHANGES) else code
    except LookedError:
        return Exit.OK
    except Stop as stop:
        context.show_stop(stop)
        return stop.code
    except click.exceptions.Abort:
        context.show_stop(
            Stop(Exit.INTERRUPTED, "interrupted", "nothing more is started; 'provisioning run list' shows what was")
        )
        return Exit.INTERRUPTED
    except click.ClickException as error:
        context.show_stop(usage_stop(error))
        return Exit.USAGE
    finally:
        context.close()


def usage_stop(error: click.ClickException) -> Stop:
    """A usage mistake in our words: what is wrong, and the nearest thing that is right or the page that says it."""
    if isinstance(error, click.NoSuchOption):
        from planners.suggest import hint as nearest

        advice = nearest(error.option_name, error.possibilities or (), usage_hint(error))
        return Stop(Exit.USAGE, f"there is no option '{error.option_name}'", advice)
    message = error.format_message().rstrip(".")
    return Stop(Exit.USAGE, message[:1].lower() + message[1:], usage_hint(error))


def usage_hint(error: click.ClickException) -> str:
    """Name the help page that answers a usage mistake."""
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path.removeprefix("provisioning").strip() if ctx else ""
    return f"see 'provisioning help {path}'" if path else "see 'provisioning help'"
