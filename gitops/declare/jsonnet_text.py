"""Jsonnet text to a value, evaluated in the sandbox: pure, bounded, importing from the files of the commit only."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TypeAlias

from gitops import limits
from gitops.declare import sandbox
from gitops.declare.documents import Document, unmarked
from gitops.declare.evaluated import Evaluation, Values
from gitops.declare.plain_text import HIDDEN, decoded, named
from gitops.ports import KeepsNothing, Kept
from planners.canonical import Json
from planners.problems import Problem, Where

_PLACE = re.compile(r"([^\s:()]+):\(?(\d+):(\d+)")
_IMPORT_HINT = "import from the infra's own folder, templates/, environments/ or extensions/"
_LARGEST = 2**63
_EXACT = 2**53

Answer: TypeAlias = Document | tuple[Problem, ...]


def evaluate(
    roots: Sequence[str], files: Mapping[str, bytes], refused: Mapping[str, str], kept: Kept | None = None
) -> Mapping[str, Answer]:
    """The value of each of ``roots`` or what is wrong with it.

    ``files``: every text that is a root or may be imported, by path. ``refused``: paths that are in the tree and may not
    be imported, with the reason as the end of a sentence (``is a symlink``). A root that uses up its limits ends the
    evaluation: those after it have no answer and no problem of their own (an empty tuple). ``kept``: values of earlier
    evaluations.
    """
    texts: dict[str, str] = {}
    unreadable: dict[str, Problem] = {}
    for path, data in files.items():
        text = decoded(path, data)
        if isinstance(text, Problem):
            unreadable[path] = text
        else:
            texts[path] = text
    refused = {**refused, **dict.fromkeys(unreadable, "cannot be read as text")}
    answers: dict[str, Answer] = {root: (unreadable[root],) for root in roots if root in unreadable}
    readable = [root for root in roots if root in texts]
    values = Values(kept or KeepsNothing(), texts)
    answers |= {root: _within(root, value) for root in readable if (value := plain(texts[root])) is not None}
    known = values.get([root for root in readable if root not in answers])
    answers |= {root: _answer(root, {"value": text}) for root, text in known.items()}
    wanted = [root for root in readable if root not in answers]
    settings: dict[str, Json] = {"output": limits.JSONNET_OUTPUT_BYTES, "stack": limits.JSONNET_STACK}
    outcome = sandbox.run("jsonnet", wanted, files=texts, refused=refused, **settings)
    found = dict(zip(wanted, outcome.answers, strict=False))
    answers |= {root: _answer(root, answer) for root, answer in found.items()}
    values.put({root: Evaluation(one["value"], one["imports"]) for root, one in found.items() if "value" in one})
    left = wanted[len(outcome.answers) :]
    answers |= dict.fromkeys(left, ())
    if left:
        code, what, advice = outcome.blame()
        answers[left[0]] = (Problem(Where(left[0], 1, 1), code, f"evaluating it {what}", advice),)
    return answers


def plain(text: str) -> Json:
    """The value of a map or list in plain JSON, which needs no evaluator; ``None`` for anything else.

    Nor is it plain where JSON and Jsonnet may part: a key given twice, escapes by number, and numbers that are not whole or are
    larger than every double holds to the last digit (2^53, RFC 8259 section 6).
    """
    if text.lstrip()[:1] not in ("{", "[") or "\\u" in text:
        return None
    try:
        value: Json = json.loads(text, object_pairs_hook=_once, parse_int=_whole, parse_float=_refuse, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """In the order in which an evaluator gives them."""
    value = dict(sorted(pairs, key=itemgetter(0)))
    if len(value) < len(pairs):
        raise ValueError
    return value


def _whole(digits: str) -> int:
    if abs(number := int(digits)) > _EXACT:
        raise ValueError
    return number


def _refuse(_: str) -> None:
    raise ValueError


def _answer(root: str, found: Mapping[str, str]) -> Answer:
    if "value" not in found:
        return (_failure(root, found["error"], found.get("import", "")),)
    try:
        value = json.loads(found["value"])
    except RecursionError:
        return (_beyond(root, f"maps and lists are nested more than {limits.DEPTH} deep"),)
    except ValueError as error:
        return (_beyond(root, str(error)),)
    return _within(root, value)


def _within(root: str, value: Json) -> Answer:
    try:
        check_limits(value)
    except ValueError as error:
        return (_beyond(root, str(error)),)
    return unmarked(value, Where(root, 1, 1))


def _beyond(root: str, what: str) -> Problem:
    return Problem(
        Where(root, 1, 1), "bad-value", f"the value it gives cannot be kept: {what}", "change what the expression gives"
    )


def check_limits(value: Json) -> None:
    """Raises ``ValueError`` for a value that a YAML file could not hold either."""
    stack: list[tuple[Json, int]] = [(value, 0)]
    nodes = 0
    while stack:
        item, depth = stack.pop()
        nodes += 1
        if nodes > limits.NODES:
            raise ValueError(f"it holds more than {limits.NODES} values")
        if isinstance(item, (dict, list)):
            if depth >= limits.DEPTH:
                raise ValueError(f"maps and lists are nested more than {limits.DEPTH} deep")
            stack.extend((part, depth + 1) for part in (item.values() if isinstance(item, dict) else item))
        for text in item if isinstance(item, dict) else (item,) if isinstance(item, str) else ():
            if found := HIDDEN.search(text):
                raise ValueError(f"a text in it has character {named(found[0])}, which cannot be seen")
        if isinstance(item, int) and not -_LARGEST <= item < _LARGEST:
            raise ValueError(f"{item} is too large a number")


def _failure(root: str, text: str, refused: str) -> Problem:
    """The evaluator's error with its place: the first line it names, which is where it happened."""
    if text == "output-too-large":
        return _beyond(root, f"it has more than {limits.JSONNET_OUTPUT_BYTES >> 20} MiB")
    found = _PLACE.search(text)
    where = Where(found[1], int(found[2]), int(found[3])) if found else Where(root, 1, 1)
    if refused:
        return Problem(where, "bad-import", refused, _IMPORT_HINT)
    lines = [line for line in text.strip().splitlines() if line.strip()]
    message = (lines[0] if lines else "it cannot be evaluated").removeprefix("RUNTIME ERROR: ").removeprefix("STATIC ERROR: ")
    if _PLACE.match(message):
        message = re.sub(r"^\S+\s*", "", message)
    if "max stack frames exceeded" in message.lower():
        deep = f"calls are nested more than {limits.JSONNET_STACK} deep"
        return Problem(where, "jsonnet-depth", deep, "look for a recursion that never ends")
    message = message[:1].lower() + message[1:]
    return Problem(where, "jsonnet", f"Jsonnet: {message.rstrip('.')}", "mend the expression there")
