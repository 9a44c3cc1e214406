"""Jsonnet text to a value, evaluated in the sandbox: pure, bounded, importing from the files of the commit only."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from gitops import limits
from gitops.declare import sandbox
from gitops.declare.documents import Document, unmarked
from gitops.declare.plain_text import HIDDEN, decoded, named
from planners.canonical import Json
from planners.problems import Problem, Where

_PLACE = re.compile(r"([^\s:()]+):\(?(\d+):(\d+)")
_IMPORT_HINT = "import from the infra's own folder, templates/, environments/ or extensions/"
_LARGEST = 2**63

Answer: TypeAlias = Document | tuple[Problem, ...]


def evaluate(roots: Sequence[str], files: Mapping[str, bytes], refused: Mapping[str, str]) -> Mapping[str, Answer]:
    """The value of each of ``roots`` or what is wrong with it.

    ``files``: every text that is a root or may be imported, by path. ``refused``: paths that are in the tree and may not
    be imported, with the reason as the end of a sentence (``is a symlink``). A root that uses up its limits ends the
    evaluation: those after it have no answer and no problem of their own (an empty tuple).
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
    wanted = [root for root in roots if root in texts]
    settings: dict[str, Json] = {"output": limits.JSONNET_OUTPUT_BYTES, "stack": limits.JSONNET_STACK}
    outcome = sandbox.run("jsonnet", wanted, files=texts, refused=refused, **settings)
    answers: dict[str, Answer] = {root: (unreadable[root],) for root in roots if root in unreadable}
    answers |= {root: _answer(root, found) for root, found in zip(wanted, outcome.answers, strict=False)}
    left = wanted[len(outcome.answers) :]
    answers |= dict.fromkeys(left, ())
    if left:
        code, what, advice = outcome.blame()
        answers[left[0]] = (Problem(Where(left[0], 1, 1), code, f"evaluating it {what}", advice),)
    return answers


def _answer(root: str, found: Mapping[str, str]) -> Answer:
    if "value" not in found:
        return (_failure(root, found["error"], found.get("import", "")),)
    try:
        value = json.loads(found["value"])
        check_limits(value)
    except RecursionError:
        return (_beyond(root, f"maps and lists are nested more than {limits.DEPTH} deep"),)
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
