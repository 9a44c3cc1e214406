"""How one changed value is shown: on a line where it fits one, else by the lines or the elements that differ.

Every value goes through ``clean``, so nothing a declaration holds can move a cursor, recolour a terminal or turn text round.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from gitops.visible import clean
from planners.canonical import Json
from planners.document import HIDDEN
from planners.steps import Change

LONGEST = 160
"""Characters of one value; the plan document has all of it."""
AROUND = 24
"""Characters shown on both sides of what differs in a long text."""
SHORT = 72
"""Two lists that need no more than this are shown whole, on one line."""
CONTEXT, MOST = 1, 40
"""Lines around those that differ, and lines of one value in all."""
COMPARED = 1_000
"""Lines or elements of both sides that are compared one by one: beyond, the whole is shown as one value, cut."""
UNKNOWN = "known after apply"

Line = tuple[str, str]
"""Sign and text."""


def lines(change: Change) -> tuple[Line, ...]:
    """One changed value: ``path: before -> after``, or its path and below it what differs."""
    before, after = change.before, change.after
    if not change.sensitive and not change.unknown and before != after:
        pair: tuple[list[str], list[str]] = [], []
        if _several(before) or _several(after):
            pair = _text_lines(before), _text_lines(after)
        elif isinstance(before, list) and isinstance(after, list) and len(_json(before)) + len(_json(after)) > SHORT:
            pair = [_json(value) for value in before], [_json(value) for value in after]
        if 0 < len(pair[0]) + len(pair[1]) <= COMPARED:
            return _below(change, [*_parts(*pair)])
    return (line(change),)


def line(change: Change) -> Line:
    """The same on one line."""
    after = f"{shown(change.after)} ({UNKNOWN})" if change.unknown else shown(change.after)
    if change.sensitive:
        sign, value = "~", HIDDEN
    elif change.unknown:
        sign, value = "?", after
    elif change.before is None:
        sign, value = "+", after
    elif change.after is None:
        sign, value = "-", shown(change.before)
    elif change.before == change.after:
        sign, value = "~", f"{after} (what it refers to changed)"
    else:
        sign, value = "~", " -> ".join(_apart(change.before, change.after))
    return sign, f"{clean(change.path)}: {value}{_forced(change)}"


def shown(value: Json) -> str:
    """A value as JSON on one line, cut where it is long."""
    return _short(_json(value))


def _json(value: Json) -> str:
    return clean(json.dumps(value, ensure_ascii=False, sort_keys=True, default=dict))


def _forced(change: Change) -> str:
    return "  # forces replacement" if change.forces_replace else ""


def _apart(before: Json, after: Json) -> tuple[str, str]:
    """Two values; of long texts what differs, with a little around it."""
    left, right = _json(before), _json(after)
    if max(len(left), len(right)) <= LONGEST:
        return left, right
    start = max(_agree(left, right) - AROUND, 0)
    end = max(_agree(left[:start:-1], right[:start:-1]) - AROUND, 0)
    return _cut(left, start, end), _cut(right, start, end)


def _agree(left: str, right: str) -> int:
    """How many characters are the same from the beginning."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _cut(text: str, start: int, end: int) -> str:
    middle = text[start : len(text) - end]
    if len(middle) > LONGEST:
        middle, end = middle[:LONGEST], 1
    return f"{'…' if start else ''}{middle}{'…' if end else ''} ({len(text)} characters)"


def _several(value: Json) -> bool:
    return isinstance(value, str) and "\n" in value.strip("\n")


def _text_lines(value: Json) -> list[str]:
    """The lines of a text; what is no text is its JSON."""
    if value is None:
        return []
    return [clean(text) for text in value.split("\n")] if isinstance(value, str) else [_json(value)]


def _below(change: Change, parts: Sequence[Line]) -> tuple[Line, ...]:
    sign = "+" if change.before is None else "-" if change.after is None else "~"
    more = len(parts) - MOST
    rest = ((" ", f"… {more} more lines"),) if more > 0 else ()
    return ((sign, f"{clean(change.path)}:{_forced(change)}"), *parts[:MOST], *rest)


def _parts(before: Sequence[str], after: Sequence[str]) -> Iterator[Line]:
    """What differs between two sequences, with ``CONTEXT`` of what is the same around it."""
    from difflib import SequenceMatcher  # most plans need none

    opcodes = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for number, (kind, a, b, c, d) in enumerate(opcodes):
        if kind != "equal":
            yield from (("-", _short(text)) for text in before[a:b])
            yield from (("+", _short(text)) for text in after[c:d])
            continue
        head = CONTEXT if number else 0
        tail = CONTEXT if number + 1 < len(opcodes) else 0
        if b - a <= head + tail + 1:
            yield from ((" ", _short(text)) for text in before[a:b])
            continue
        yield from ((" ", _short(text)) for text in before[a : a + head])
        yield " ", f"… {b - a - head - tail} the same"
        yield from ((" ", _short(text)) for text in before[b - tail : b])


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"
