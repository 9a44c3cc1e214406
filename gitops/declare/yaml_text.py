"""YAML text to a value with the place of every part: libyaml's events and our own strict builder.

YAML 1.2 core scalars only, so ``no``, ``22:22`` and ``012`` mean what they look like. Duplicate keys, anchors, aliases,
merge keys, tags of other kinds and several documents in one file are refused: none is needed to declare
infrastructure, and each has been used to make a small file large or to hide what it says.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any

import yaml

from gitops.declare.documents import Document, Mark
from gitops.declare.plain_text import HIDDEN, decoded, named
from gitops.limits import DEPTH, NODES
from planners.canonical import Json
from planners.dataclass import dataclass
from planners.problems import Problem, Where

_INT = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL = re.compile(r"0o[0-7]+\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z")
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_CORE = "tag:yaml.org,2002:"
_LARGEST = 2**63
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml where the platform has it; the same events, slower, where not."""


class _RefusedError(Exception):
    def __init__(self, mark: Any, code: str, message: str, hint: str = "") -> None:
        self.mark, self.code, self.message, self.hint = mark, code, message, hint


def parse(path: str, data: bytes) -> Document | tuple[Problem, ...]:
    """The one document in ``data``, or all that is wrong with it. An empty file is an empty map."""
    text = decoded(path, data)
    if isinstance(text, Problem):
        return (text,)
    builder = _Builder(path)
    try:
        document = builder.build(text)
    except _RefusedError as refused:
        where = Where(path, refused.mark.line + 1, refused.mark.column + 1)
        return (*builder.problems, Problem(where, refused.code, refused.message, refused.hint))
    return tuple(builder.problems) or document


def _syntax(path: str, error: Any) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    where = Where(path, mark.line + 1, mark.column + 1) if mark else Where(path, 1, 1)
    what = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read")
    if what.startswith("found character that cannot start any token"):
        return Problem(
            where,
            "yaml-syntax",
            "YAML syntax: a character that cannot begin a value",
            "indent with spaces, never tabs, and quote special text",
        )
    if "nesting depth" in what:
        return Problem(where, "too-deep", f"maps and lists are nested more than {DEPTH} deep", "flatten it")
    context = getattr(error, "context", None)
    return Problem(
        where,
        "yaml-syntax",
        f"YAML syntax: {what}{f' {context}' if context else ''}",
        "check indentation and quotes here and on the line before",
    )


@dataclass(slots=True)
class _Builder:
    path: str
    problems: list[Problem] = field(default_factory=list)
    nodes: int = 0
    events: Any = None

    def build(self, text: str) -> Document:
        loader = _LOADER(text)
        self.events = loader
        try:
            loader.get_event()
            if isinstance(loader.peek_event(), yaml.StreamEndEvent):
                start = Where(self.path, 1, 1)
                return Document({}, Mark(start, start))
            loader.get_event()
            value, mark = self.node(loader.get_event(), 0)
            loader.get_event()
            if not isinstance(loader.peek_event(), yaml.StreamEndEvent):
                raise _RefusedError(
                    loader.peek_event().start_mark,
                    "many-documents",
                    "a second YAML document begins here",
                    "keep one document in a file",
                )
        except yaml.YAMLError as error:
            self.problems.append(_syntax(self.path, error))
            return Document({}, Mark(Where(self.path), Where(self.path)))
        finally:
            loader.dispose()
        if value is None:
            value = {}
        return Document(value, mark)

    def where(self, event: Any) -> Where:
        mark = event.start_mark
        return Where(self.path, mark.line + 1, mark.column + 1)

    def node(self, event: Any, depth: int) -> tuple[Json, Mark]:
        self.nodes += 1
        if self.nodes > NODES:
            raise _RefusedError(event.start_mark, "too-many-values", f"the file holds more than {NODES} values", "split it")
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError(
                event.start_mark,
                "alias",
                f"alias '*{event.anchor}' is not allowed",
                "write the value out, or use Jsonnet to share it",
            )
        if event.anchor:
            raise _RefusedError(
                event.start_mark,
                "alias",
                f"anchor '&{event.anchor}' is not allowed",
                "write the value out, or use Jsonnet to share it",
            )
        here = self.where(event)
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event), Mark(here, here)
        if depth >= DEPTH:
            raise _RefusedError(event.start_mark, "too-deep", f"maps and lists are nested more than {DEPTH} deep", "flatten it")
        if event.tag and not event.tag.startswith(_CORE):
            raise _RefusedError(event.start_mark, "tag", f"tag '{event.tag}' is not allowed", "remove it")
        mark = Mark(here, here)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(mark, depth), mark
        return self.mapping(mark, depth), mark

    def sequence(self, mark: Mark, depth: int) -> list[Json]:
        items: list[Json] = []
        while not isinstance(event := self.events.get_event(), yaml.SequenceEndEvent):
            value, child = self.node(event, depth + 1)
            mark.children[len(items)] = child
            items.append(value)
        return items

    def mapping(self, mark: Mark, depth: int) -> dict[str, Json]:
        items: dict[str, Json] = {}
        while not isinstance(event := self.events.get_event(), yaml.MappingEndEvent):
            key = self.key(event)
            here = self.where(event)
            value, child = self.node(self.events.get_event(), depth + 1)
            if key in items:
                first = mark.children[key].key.line
                self.problems.append(
                    Problem(
                        here, "duplicate-key", f"key '{key}' is given twice; the first is on line {first}", "keep one of them"
                    )
                )
                continue
            child.key = here
            mark.children[key] = child
            items[key] = value
        return items

    def key(self, event: Any) -> str:
        """Keys are text as written, whatever they look like."""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _RefusedError(event.start_mark, "alias", "anchors and aliases are not allowed", "write the key out")
        if not isinstance(event, yaml.ScalarEvent):
            raise _RefusedError(event.start_mark, "key", "a map or list cannot be a key", "keys are text")
        self.visible(event, event.value)
        if event.value == "<<" and not event.style:
            raise _RefusedError(
                event.start_mark, "merge-key", "merge key '<<' is not allowed", "write the keys out, or use Jsonnet to share them"
            )
        return str(event.value)

    def scalar(self, event: Any) -> Json:
        text = str(event.value)
        tag = event.tag or ""
        if tag and tag not in ("!", f"{_CORE}str"):
            raise _RefusedError(
                event.start_mark,
                "tag",
                f"tag '{tag.replace(_CORE, '!!')}' is not allowed",
                "remove it; quote text that looks like a number",
            )
        if tag or not event.implicit[0] or event.style:
            self.visible(event, text)
            return text
        return self.plain(event, text)

    def visible(self, event: Any, text: str) -> None:
        """What an escape such as ``"\\e"`` may not bring in either."""
        if event.style == '"' and (found := HIDDEN.search(text)):
            message = f"a value with character {named(found[0])} is not allowed: it cannot be seen"
            raise _RefusedError(event.start_mark, "hidden-character", message, "remove it; encode it as base64 if it must be")

    def plain(self, event: Any, text: str) -> Json:
        """YAML 1.2 core schema."""
        if text in _WORDS:
            return _WORDS[text]
        if not (text[0] in "+-." or text[0].isdigit()):
            return text
        number: int | float
        if len(text) > 64:
            return text
        if _INT.match(text):
            number = int(text)
        elif _OCTAL.match(text):
            number = int(text[2:], 8)
        elif _HEX.match(text):
            number = int(text[2:], 16)
        elif _NOT_FINITE.match(text):
            raise _RefusedError(
                event.start_mark, "number", f"'{text}' is not a number that can be kept", "quote it if text is meant"
            )
        elif _FLOAT.match(text):
            number = float(text)
        else:
            return text
        if not -_LARGEST <= number < _LARGEST:
            raise _RefusedError(event.start_mark, "number", f"{text} is too large a number", "quote it, so that no digit is lost")
        return number
