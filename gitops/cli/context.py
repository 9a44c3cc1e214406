"""What every command works with: the global options, the two output streams, and the workspace opened on first use."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from gitops.stops import Exit, Stop
from gitops.visible import lines

if TYPE_CHECKING:
    from gitops.ledger.view import View
    from gitops.wiring import Workspace
    from planners.problems import Problem


T = TypeVar("T")
MANY = 1_000
"""Resources that take long enough to read for somebody to want to hear of it."""


class LookedError(Exception):
    """``--check``: what would be done has been said, and the command ends well without doing it."""


class Context:
    """One command's surroundings. Results go to ``stdout``, everything else to ``stderr``."""

    def __init__(self, options: Mapping[str, str | bool] | None = None, environ: Mapping[str, str] | None = None) -> None:
        given = dict(options or {})
        self.environ = dict(environ or {})
        self.path = str(given.get("workspace", ""))
        self.infra = str(given.get("infra", ""))
        self.remote = str(given.get("remote", ""))
        self.out = str(given.get("out", "text"))
        self.yes = bool(given.get("yes", False))
        self.check = bool(given.get("check", False))
        self.debug = bool(given.get("debug", False))
        self.no_color = bool(given.get("no_color", False)) or "NO_COLOR" in self.environ
        self.left_out: list[tuple[str, Stop]] = []
        """Infras ("" : what belongs to none) that an overview could not show, and why."""
        self._workspace: Workspace | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, str | bool], environ: Mapping[str, str]) -> Context:
        """Options of the command line win over ``PROVISIONING_WORKSPACE``, ``PROVISIONING_INFRA`` and ``PROVISIONING_REMOTE``."""
        defaults = {name: environ.get(f"PROVISIONING_{name.upper()}", "") for name in ("workspace", "infra", "remote")}
        return cls({**defaults, **options}, environ)

    @property
    def workspace(self) -> Workspace:
        """The state repository we work in. Raises ``Stop`` when there is none."""
        if self._workspace is None:
            from gitops.wiring import open_workspace

            self._workspace = open_workspace(Path(self.path or "."), self.environ, self.remote)
            self._workspace.say, self._workspace.reading = self.note, self.reading
        return self._workspace

    @property
    def head(self) -> str:
        """The commit of HEAD. Raises ``Stop`` when there is none."""
        from gitops.wiring import head

        return head(self.workspace)

    def close(self) -> None:
        """Let go of child processes."""
        if self._workspace is not None:
            self._workspace.close()

    # --- which infra -------------------------------------------------------------------------------------

    def infras(self, treeish: str) -> tuple[str, ...]:
        """The named infra, or the one we stand in, or all of them, sorted."""
        from gitops import sources

        names = sources.infra_names(self.workspace, treeish)
        if self.infra:
            if self.infra not in names and self.infra not in sources.ledger_names(self.workspace):
                raise Stop(Exit.NOT_FOUND, f"there is no infra '{self.infra}'", self._infra_hint(names))
            return (self.infra,)
        here = sources.infra_of_directory(self.workspace, Path.cwd())
        return (here,) if here in names else names

    def one_infra(self, treeish: str, command: str, otherwise: str = "") -> str:
        """Exactly one infra for a command that changes something. Raises ``Stop`` (usage) when it is not clear which."""
        names = self.infras(treeish)
        if len(names) == 1:
            return names[0]
        if not names:
            raise Stop(Exit.NOT_FOUND, "this repository declares no infra", "'provisioning infra create NAME' makes one")
        raise Stop(
            Exit.USAGE,
            f"'{command}' needs one infra and there are {len(names)}",
            f"add -i, one of: {', '.join(names)}{'; ' * bool(otherwise)}{otherwise}",
        )

    def ledgers(self, offline: bool = False) -> tuple[str, ...]:
        """The named infra, or all infras that have a ledger, sorted: for commands that read what happened."""
        from gitops import sources

        known = sources.ledger_names(self.workspace, offline)
        if not self.infra:
            return known
        if self.infra not in known:
            raise Stop(Exit.NOT_FOUND, f"infra '{self.infra}' has no ledger: nothing was ever applied", self._infra_hint(known))
        return (self.infra,)

    def each(self, infras: Iterable[str], ask: Callable[[str], T]) -> Iterator[tuple[str, T]]:
        """(infra, what ``ask`` says of it). One that cannot be read hides none of the others: it is told and left out, and the
        command ends with its code. Raises ``Stop`` where it is the only one that was asked for."""
        names = tuple(infras)
        for infra in names:
            try:
                answer = ask(infra)
            except Stop as stop:
                if len(names) == 1:
                    raise
                self.leave_out(infra, stop)
                continue
            yield infra, answer

    def views(self, infras: Iterable[str]) -> Iterator[tuple[str, View]]:
        """The ledgers as they are at the remote, as ``each`` has it."""
        return self.each(infras, lambda infra: self.workspace.ledger(infra).view())

    def answers(self, infras: Iterable[str], ask: Callable[[str], T | None], otherwise: str) -> Iterator[tuple[str, T]]:
        """(infra, what ``ask`` says of it) where it says something: a search. What cannot be read does not matter to who finds;
        else it is told, and ``otherwise``, the sentence that nothing was found, is true only of the rest. Raises ``Stop``."""
        names, unread, found = tuple(infras), [], False
        for infra in names:
            try:
                answer = ask(infra)
            except Stop as stop:
                if len(names) == 1:
                    raise
                unread.append((infra, stop))
                continue
            if answer is not None:
                found = True
                yield infra, answer
        if unread and not found:
            for each in unread:
                self.leave_out(*each)
            which = ", ".join(infra for infra, _ in unread)
            raise Stop(Exit.FAILURE, f"{otherwise} in what can be read", f"it may be one of {which}: see above")

    def only_answer(self, infras: Iterable[str], ask: Callable[[str], T | None], otherwise: str) -> tuple[str, T] | None:
        """The same of what several infras may have under one name. Raises ``Stop`` (usage) where they do."""
        found = [*self.answers(infras, ask, otherwise)]
        if len(found) > 1:
            names = [infra for infra, _ in found]
            raise Stop(Exit.USAGE, f"{len(names)} infras have it: {', '.join(names)}", "name one with -i")
        return found[0] if found else None

    def leave_out(self, infra: str, stop: Stop) -> None:
        """An overview goes on without this one, and says so."""
        self.left_out.append((infra, stop))
        self.warn(stop.problems)
        self.note(
            f"error: {infra or 'what belongs to no infra'} is left out: {stop.message}" + f"; {stop.hint}" * bool(stop.hint)
        )

    def tell_sealed(self, view: View) -> None:
        """Say that only the living chain of a ledger is shown, where there is another before it."""
        if view.meta is not None and view.meta.generation > 1:
            what = f"{view.infra}: what came before its rotation is in a sealed branch"
            self.note(f"{what}; 'provisioning ledger show -i {view.infra}' names it")

    @staticmethod
    def _infra_hint(names: Sequence[str]) -> str:
        return f"there are: {', '.join(names)}" if names else "'provisioning infra create NAME' makes one"

    # --- output ------------------------------------------------------------------------------------------

    def emit(self, document: Any, text: str, rows: Sequence[Sequence[str]] = ()) -> None:
        """Print a result: the document for json and yaml, else the text (or ``rows``, first row the heads, as a table)."""
        if self.left_out:
            document = {**document, "left_out": [left_out_document(i, stop) for i, stop in self.left_out]}
            text = "nothing else to show"
        if self.out == "json":
            self.print(as_json(document))
        elif self.out == "yaml":
            import yaml

            whole = json.loads(as_json(document))
            self.print(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True).rstrip("\n"))
        elif rows and self.out in ("table", "text"):
            self.print(columns(rows))
        elif rows and self.out == "markdown":
            self.print(markdown_table(rows))
        else:
            self.print(text)

    def print(self, text: str, painted: bool = False) -> None:
        """One block of result on stdout. ``painted``: its escape sequences are ours."""
        sys.stdout.write((text if painted else lines(text)) + "\n")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """A message for the person, on stderr."""
        sys.stderr.write(lines(text) + "\n")
        sys.stderr.flush()

    def reading(self, done: int, total: int) -> None:
        """How far the reading of many resources is, in tenths; few are read before anybody wonders."""
        if total >= MANY and done * 10 // total > (done - 1) * 10 // total:
            self.note(f"read {done} of {total} resources")

    def color(self, stream: TextIO | None = None) -> bool:
        """Whether to colour what goes to ``stream`` (default stdout)."""
        return not self.no_color and (stream or sys.stdout).isatty()

    def would(self, what: str) -> None:
        """Stands before whatever changes something and asks nobody: with ``--check`` it is told, and raises ``LookedError``."""
        if self.check:
            self.note(f"would {what}")
            raise LookedError

    def confirm(self, question: str) -> None:
        """Ask before something changes. Raises ``Stop`` when declined, or when there is nobody to ask and no ``--yes``; with
        ``--check`` the question is told, and ``LookedError`` raised."""
        if self.check:
            self.note(f"nothing is changed with --check; else this is asked: {question}")
            raise LookedError
        if self.yes:
            return
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise Stop(Exit.USAGE, "this needs a yes and there is no terminal to ask on", "add --yes, or --check to only look")
        sys.stderr.write(f"{question} [y/N] ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Stop(Exit.FAILURE, "nothing was changed", "answer 'y' to go on")

    def warn(self, problems: Sequence[Problem]) -> None:
        """Show warnings, one per line."""
        for problem in problems:
            self.note(str(problem))

    def show_stop(self, stop: Stop) -> None:
        """One line per problem, then what stopped the command and what to do; as JSON on stdout when that was asked for."""
        if self.out in ("json", "yaml"):
            self.emit({"problems": [problem_document(p) for p in stop.problems] or [stop_document(stop)]}, "")
        for problem in stop.problems:
            self.note(str(problem))
        if stop.message:
            self.note(f"error: {stop.message}" + (f"; {stop.hint}" if stop.hint else ""))
        if self.debug:
            import traceback

            self.note("".join(traceback.format_exception(stop)))


def as_json(document: Any) -> str:
    """Indented JSON, keys in their own order; read-only maps are maps."""
    from planners.canonical import plain

    return json.dumps(document, indent=2, ensure_ascii=False, default=plain)


def problem_document(problem: Problem) -> dict[str, Any]:
    """A problem as the machine-readable outputs show it."""
    return {
        "code": problem.code,
        "severity": str(problem.severity),
        "message": problem.message,
        "hint": problem.hint,
        "path": problem.where.path,
        "line": problem.where.line,
        "column": problem.where.column,
    }


def stop_document(stop: Stop) -> dict[str, Any]:
    """A stop without places, in the same shape as a problem."""
    return {
        "code": stop.code.name.lower().replace("_", "-"),
        "severity": "error",
        "message": stop.message,
        "hint": stop.hint,
        "path": "",
        "line": 0,
        "column": 0,
    }


def left_out_document(infra: str, stop: Stop) -> dict[str, Any]:
    """What an overview could not show, and why."""
    told = stop_document(stop)
    named = {"infra": infra, **{name: told[name] for name in ("code", "message", "hint")}}
    return {**named, "problems": [problem_document(p) for p in stop.problems]}


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces apart; the first row is the heads."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """The same rows as a Markdown table; cells cannot break out of it."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])
