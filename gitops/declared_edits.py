"""Edits of what a person declared: an infra begun, entries put in and taken out. Comments stay; nothing is committed.

An entry stands in ``main.yaml``, or in a file of its own where its kind has a folder: that style is kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import unified_diff
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gitops.declare import edit
from gitops.declare.documents import Document, unmarked
from gitops.declare.layout import DECLARATIONS, INFRA_NAME, stem
from gitops.declare.yaml_text import parse
from gitops.stops import Exit, Stop
from planners.canonical import Json
from planners.model import EnvironmentClass
from planners.problems import Problem, Where
from planners.suggest import hint

SCAFFOLD = """\
# yaml-language-server: $schema=../../.provisioning/schemas/infra.json
# What '{name}' is made of. An editor completes the keys; 'provisioning validate -i {name}' checks them.

settings:
  provider: {provider}
  environment: {environment}

# servers:
#   web-01:
#     taskservs: [NAME]       # a folder of extensions/taskservs/
"""
NAMES = {
    "servers": (re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z"), "lower-case letters, digits and '-'"),
    "taskservs": (re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?\Z"), "lower-case letters, digits, '.', '_' and '-'"),
    "clusters": (re.compile(r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?\Z"), "lower-case letters, digits, '.', '_' and '-'"),
}
CODES = {"duplicate-name": Exit.USAGE, "not-there": Exit.NOT_FOUND}
"""Other problems of an edit are those of the file."""


class Tree(Protocol):
    """A clone with a working tree."""

    work_tree: Path | None


class Edited(NamedTuple):
    """``path``: the files that were (or would be) written, with commas between; ``diff``: unified."""

    path: str
    diff: str


def create_infra(
    repository: Tree, name: str, environment: str, provider: str, check: bool = False, providers: Collection[str] = ()
) -> Edited:
    """Write ``infra/NAME/main.yaml`` to start from. ``providers``: those that are known.

    Raises ``Stop``: a bad name, or it is there (usage); no such environment or provider (not found).
    """
    top = _top(repository)
    if not INFRA_NAME.match(name):
        advice = "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 63"
        raise Stop(Exit.USAGE, f"'{name}' cannot be the name of an infra", advice)
    if os.path.lexists(top / "infra" / name):
        raise Stop(Exit.USAGE, f"there is an infra '{name}' already", f"edit infra/{name}, or choose another name")
    environments = {*EnvironmentClass} | {stem(f"/{p.name}") for p in _files(top / "environments")}
    _require_known("environment", environment, environments)
    if providers:
        _require_known("provider", provider, providers)
    work = _Work(top, name)
    work.put(f"infra/{name}/main.yaml", SCAFFOLD.format(name=name, provider=provider, environment=environment))
    return work.finish(check)


def add_entry(
    repository: Tree, infra: str, kind: str, name: str, values: Mapping[str, Any], servers: Sequence[str], check: bool = False
) -> Edited:
    """Put an entry into the declaration. ``kind``: servers, taskservs or clusters; ``values``: by dotted key.

    ``servers``: those that a taskserv is put on, or that a cluster spans. Raises ``Stop``: a bad name, it is there (usage);
    an unknown infra, server or taskserv (not found); values that cannot be, a file that cannot be edited (invalid).
    """
    work = _opened(repository, infra)
    allowed, advice = NAMES[kind]
    if not allowed.match(name):
        message = f"'{name}' cannot be the name of a {kind[:-1]}"
        raise Stop(Exit.USAGE, message, f"{advice}, at most 63, beginning and ending with a letter or digit")
    if servers and kind == "servers":
        raise Stop(Exit.USAGE, "a server is on no server", "--server is for taskservs and clusters")
    for server in servers:
        _require_known("server", server, work.names("servers"))
    if kind == "taskservs":
        extensions = [p.name for p in _files(work.top / "extensions" / "taskservs")]
        _require_known("taskserv", name, extensions, "add extensions/taskservs/{}/manifest.yaml")
    entry = _nested(values)
    if kind == "clusters" and servers:
        entry["servers"] = list(servers)
    _require_valid(kind, name, entry)
    if kind != "taskservs" or entry or not servers:
        work.add(kind, name, entry)
    if kind == "taskservs":
        for server in servers:
            work.change("servers", server, lambda path, text, at: edit.append(path, text, (*at, "taskservs"), name))
    return work.finish(check)


def remove_entry(repository: Tree, infra: str, kind: str, name: str, check: bool = False) -> Edited:
    """Take an entry out, and a taskserv off every server. Raises ``Stop`` (not found)."""
    work = _opened(repository, infra)
    there = name in work.names(kind)
    hosts = [s for s in work.names("servers") if name in work.listed(s)] if kind == "taskservs" else []
    if not there and not hosts:
        known = set(work.names(kind)).union(*(work.listed(s) for s in work.names("servers") if kind == "taskservs"))
        _require_known(kind[:-1], name, known)
    for server in hosts:
        work.change("servers", server, partial(_taken_off, name, len(work.listed(server)) == 1))
    if there:
        work.remove(kind, name)
    return work.finish(check)


def _taken_off(name: str, last: bool, path: str, text: str, at: tuple[str, ...]) -> str | Problem:
    """The last one leaves an empty list: what then holds nothing would go with it, and that is the server."""
    if last:
        return edit.set_value(path, text, (*at, "taskservs"), [])
    return edit.remove(path, text, (*at, "taskservs", name))


# --- files -----------------------------------------------------------------------------------------------


class _Work:
    """The files of one infra as they will be; ``finish`` writes them."""

    def __init__(self, top: Path, infra: str) -> None:
        self.top = top
        self.infra = infra
        self.root = f"infra/{infra}"
        self._before: dict[str, str] = {}
        self._after: dict[str, str | None] = {}

    # what is there

    def text(self, path: str) -> str:
        """A file as it is by now. Raises ``Stop``: a link, not text."""
        if path not in self._after:
            file = self.top / path
            if file.is_symlink():
                raise Stop(Exit.INVALID, f"'{path}' is a symlink", "put a file in its place")
            try:
                self._before[path] = self._after[path] = file.read_bytes().decode()
            except UnicodeDecodeError as error:
                raise Stop(Exit.INVALID, f"'{path}' is not UTF-8 text", "save it as UTF-8") from error
        return self._after[path] or ""

    def main(self) -> str:
        """The main file, "" when it is a program."""
        mains = [p.name for p in _files(self.top / self.root) if stem(f"/{p.name}") == "main" and p.name.endswith(DECLARATIONS)]
        name = next((n for n in mains if not n.endswith(".jsonnet")), "")
        if not mains:
            raise Stop(Exit.NOT_FOUND, f"infra '{self.infra}' has no main.yaml", f"add {self.root}/main.yaml, with settings")
        return f"{self.root}/{name}" if name else ""

    def _editable(self, kind: str) -> str:
        if path := self.main():
            return path
        hint = f"edit it by hand, or make a folder {self.root}/{kind} for entries in YAML"
        raise Stop(Exit.USAGE, f"{self.root}/main.jsonnet is a program, which cannot be edited for you", hint)

    def own(self, kind: str) -> Mapping[str, str]:
        """Entries with a file of their own: name -> path."""
        found = (p.name for p in _files(self.top / self.root / kind) if p.name.endswith(DECLARATIONS))
        return {stem(f"/{name}"): f"{self.root}/{kind}/{name}" for name in found}

    def _in_main(self, kind: str) -> Mapping[str, Json]:
        """Entries of the main file: name -> entry."""
        path = self.main()
        return _entries(self._parsed(path).value, kind) if path else {}

    def _parsed(self, path: str) -> Document:
        document = parse(path, self.text(path).encode())
        if isinstance(document, tuple):
            raise Stop(Exit.INVALID, f"'{path}' cannot be read", "mend what is listed above", document)
        return document

    def names(self, kind: str) -> tuple[str, ...]:
        """All entries of a kind."""
        return tuple(sorted({*self.own(kind), *self._in_main(kind)}))

    def listed(self, server: str) -> tuple[str, ...]:
        """The taskservs that a server lists."""
        own = self.own("servers").get(server)
        if own and own.endswith(".jsonnet"):
            return ()
        entry = self._parsed(own).value if own else self._in_main("servers").get(server)
        uses = entry.get("taskservs") if isinstance(entry, Mapping) else None
        named = ((u.get("name") if isinstance(u, Mapping) else u) for u in uses) if isinstance(uses, Sequence) else ()
        return tuple(n for n in named if isinstance(n, str))

    # what becomes of it

    def put(self, path: str, text: str) -> None:
        """A new file."""
        self._before[path], self._after[path] = "", text

    def add(self, kind: str, name: str, entry: Mapping[str, Json]) -> None:
        """A new entry, in the style that is there. Raises ``Stop`` (usage): it is there."""
        if name in self.names(kind):
            where = self.own(kind).get(name) or self.main()
            raise Stop(Exit.USAGE, f"there is a {kind[:-1]} '{name}' already", f"edit {where}, or choose another name")
        if (self.top / self.root / kind).is_dir():
            path = f"{self.root}/{kind}/{name}.yaml"
            text = f"# yaml-language-server: $schema=../../../.provisioning/schemas/{kind[:-1]}.json\n"
            for key, value in entry.items():
                text = _done(edit.add(path, text, (key,), value))
            self.put(path, text)
        else:
            path = self._editable(kind)
            self._after[path] = _done(edit.add(path, self.text(path), (kind, name), entry))

    def change(self, kind: str, name: str, how: Callable[[str, str, tuple[str, ...]], str | Problem]) -> None:
        """Edit one entry where it stands: ``how(path, text, way to it)``."""
        own = self.own(kind).get(name)
        if own and own.endswith(".jsonnet"):
            raise Stop(Exit.USAGE, f"{own} is a program, which cannot be edited for you", "edit it by hand")
        path, at = (own, ()) if own else (self._editable(kind), (kind, name))
        self._after[path] = _done(how(path, self.text(path), at))

    def remove(self, kind: str, name: str) -> None:
        """An entry gone: its line, or its file."""
        if own := self.own(kind).get(name):
            self.text(own)
            self._after[own] = None
        if name in self._in_main(kind):
            path = self._editable(kind)
            self._after[path] = _done(edit.remove(path, self.text(path), (kind, name)))

    def finish(self, check: bool) -> Edited:
        """Write what has changed (``check``: do not), and tell."""
        changed = sorted(path for path, text in self._after.items() if text != self._before[path])
        diffs = [_diff(path, self._before[path], self._after[path]) for path in changed]
        for path in () if check else changed:
            _write(self.top / path, self._after[path])
        return Edited(", ".join(changed), "\n".join(diffs))


def _opened(repository: Tree, infra: str) -> _Work:
    top = _top(repository)
    known = [p.name for p in _files(top / "infra") if p.is_dir()]
    _require_known("infra", infra, known, "'provisioning infra create {}' makes one")
    return _Work(top, infra)


def _top(repository: Tree) -> Path:
    if repository.work_tree is None:
        raise Stop(Exit.USAGE, "a bare repository has no working tree to edit", "clone it, and edit there")
    return repository.work_tree


def _files(folder: Path) -> list[Path]:
    """What is in a folder, sorted; nothing when it is none."""
    return sorted(p for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []


def _entries(document: Json, kind: str) -> Mapping[str, Json]:
    """A collection by name, be it a map or a list."""
    found = document.get(kind) if isinstance(document, Mapping) else None
    if isinstance(found, Mapping):
        return {str(name): entry for name, entry in found.items()}
    listed = found if isinstance(found, Sequence) and not isinstance(found, str) else ()
    named = (({"name": e} if isinstance(e, str) else e) for e in listed)
    return {str(e.get("name", e.get("hostname"))): e for e in named if isinstance(e, Mapping)}


def _diff(path: str, before: str, after: str | None) -> str:
    old, new = f"a/{path}" if before else "/dev/null", f"b/{path}" if after is not None else "/dev/null"
    return "\n".join(unified_diff(before.splitlines(), (after or "").splitlines(), old, new, lineterm=""))


def _write(file: Path, text: str | None) -> None:
    if text is None:
        file.unlink()
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.new")
    beside.write_bytes(text.encode())
    if file.exists():
        beside.chmod(file.stat().st_mode)
    beside.replace(file)


# --- refusals --------------------------------------------------------------------------------------------


def _require_known(what: str, name: str, known: Collection[str], otherwise: str = "") -> None:
    if name in known:
        return
    advice = otherwise.format(name) if otherwise else ""
    there = f"there are: {', '.join(sorted(known))}" if known else f"there is no {what} yet"
    raise Stop(Exit.NOT_FOUND, f"there is no {what} '{name}'", hint(name, known, advice or there))


def _require_valid(kind: str, name: str, entry: Mapping[str, Json]) -> None:
    """The entry by itself; how it fits with the rest is for ``validate``. Raises ``Stop`` (invalid)."""
    from gitops.declare.validation import validate
    from gitops.schema.base import Strict
    from gitops.schema.infra import Cluster, Server, Taskserv

    models: Mapping[str, type[Strict]] = {"servers": Server, "taskservs": Taskserv, "clusters": Cluster}
    found = validate(models[kind], unmarked(entry, Where()))
    if isinstance(found, tuple):
        raise Stop(Exit.INVALID, f"{kind[:-1]} '{name}' cannot be so", "mend what is listed above", found)


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """``{"config.port": 80}`` -> ``{"config": {"port": 80}}``. Raises ``Stop`` (usage)."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        *path, last = key.split(".")
        inner = found
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise Stop(Exit.USAGE, f"'{key}' goes below a value that is set too", "set the one or the other")
        if last in inner:
            raise Stop(Exit.USAGE, f"'{key}' is set twice, or has values below it", "set it once")
        inner[last] = value
    return found


def _done(result: str | Problem) -> str:
    if isinstance(result, Problem):
        code = CODES.get(result.code, Exit.INVALID)
        raise Stop(code, f"{result.where}: {result.message}" if result.where.path else result.message, result.hint)
    return result
