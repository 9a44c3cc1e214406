"""A value together with the place of every part of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from typing import TypeAlias

from planners.canonical import Json
from planners.dataclass import dataclass
from planners.problems import NOWHERE, Problem, Problems, Where

Path: TypeAlias = tuple[str | int, ...]
"""The way into a value: keys of maps and indexes of lists."""


@dataclass(slots=True)
class Mark:
    """Where one value stands (``value``), where its key does (``key``), and the marks of what it holds."""

    key: Where
    value: Where
    children: dict[str | int, Mark] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Document:
    """A value and its marks. Neither is changed after it is built; merging and normalising make new ones."""

    value: Json
    mark: Mark

    def at(self, path: Path, key: bool = False) -> Where:
        """Where the value at ``path`` stands (or its key); the nearest thing around it when it has no place of its own."""
        mark = self.mark
        for part in path:
            if part not in mark.children:
                return mark.value
            mark = mark.children[part]
        return mark.key if key else mark.value

    def part(self, path: Path) -> Document:
        """The document at ``path``. Raises ``KeyError`` or ``IndexError`` when it is not there."""
        value, mark = self.value, self.mark
        for part in path:
            value = value[part]  # type: ignore[index]
            mark = mark.children.get(part) or Mark(mark.key, mark.value)
        return Document(value, mark)


def unmarked(value: Json, where: Where) -> Document:
    """A document whose parts have no places of their own, such as an evaluated one."""
    return Document(value, Mark(where, where))


def empty(where: Where = NOWHERE) -> Document:
    """A map with nothing in it."""
    return unmarked({}, where)


def without(document: Document, entries: Collection[tuple[str, str]]) -> Document:
    """``document``, a map of maps, without some of their entries."""
    value = document.value
    if not entries or not isinstance(value, Mapping):
        return document
    kinds = {kind for kind, _ in entries}
    kept = {
        k: {n: e for n, e in v.items() if (k, n) not in entries} if k in kinds and isinstance(v, Mapping) else v
        for k, v in value.items()
    }
    return Document(kept, document.mark)


def leaves(document: Document) -> Iterator[tuple[Path, Json, Where]]:
    """Every scalar, list and empty map with its place, depth first in the order of the maps."""
    stack: list[tuple[Path, Json, Mark]] = [((), document.value, document.mark)]
    while stack:
        path, value, mark = stack.pop()
        if isinstance(value, Mapping) and value:
            parts = [((*path, k), v, mark.children.get(k) or Mark(mark.value, mark.value)) for k, v in value.items()]
            stack.extend(reversed(parts))
        else:
            yield path, value, mark.value


def texts(document: Document) -> Iterator[tuple[Path, str, Where]]:
    """Every string in maps and lists, with its place."""
    stack: list[tuple[Path, Json, Mark]] = [((), document.value, document.mark)]
    while stack:
        path, value, mark = stack.pop()
        if isinstance(value, str):
            yield path, value, mark.value
            continue
        items: list[tuple[str | int, Json]] = []
        if isinstance(value, Mapping):
            items = list(value.items())
        elif isinstance(value, (list, tuple)):
            items = list(enumerate(value))
        stack.extend(((*path, k), v, mark.children.get(k) or Mark(mark.value, mark.value)) for k, v in reversed(items))


def dotted(path: Path) -> str:
    """``('servers', 'web-01', 'taskservs', 0)`` -> ``servers.web-01.taskservs[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def type_name(value: object) -> str:
    """The word for a JSON value's type."""
    if value is None:
        return "null"
    for kind, name in ((bool, "bool"), (int, "int"), (float, "number"), (str, "string"), (Mapping, "map")):
        if isinstance(value, kind):
            return name
    return "list"


@dataclass(slots=True)
class Findings:
    """Problems gathered while reading on; the only thing here that grows."""

    items: list[Problem] = field(default_factory=list)

    def add(self, where: Where, code: str, message: str, hint: str = "") -> None:
        """One more error."""
        self.items.append(Problem(where, code, message, hint))

    def extend(self, problems: Problems | tuple[Problem, ...] | list[Problem]) -> None:
        """Several more."""
        self.items.extend(problems)
