"""Jsonnet text to a value, in a child process with limits on time, memory, depth and output.

The evaluator itself has none of these limits and reads any file it is asked for; so it runs apart, without
environment, and imports are answered from the files of the commit that were handed to it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from gitops import limits
from gitops.declare.documents import Document, unmarked
from planners.canonical import Json
from planners.problems import Problem, Where

_CHILD = Path(__file__).with_name("jsonnet_child.py")
_PLACE = re.compile(r"([^\s:()]+):\(?(\d+):(\d+)")
_IMPORT_HINT = "import from the infra's own folder, templates/, environments/ or extensions/"

Answer = Document | tuple[Problem, ...]


def evaluate(roots: Sequence[str], files: Mapping[str, bytes], refused: Mapping[str, str]) -> Mapping[str, Answer]:
    """The value of each of ``roots`` or what is wrong with it.

    ``files``: every text that is a root or may be imported, by path. ``refused``: paths that are in the tree and may not
    be imported, with the reason as the end of a sentence (``is a symlink``). All roots share the limits.
    """
    if not roots:
        return {}
    answers: dict[str, Answer] = {}
    texts = {}
    for path, data in files.items():
        try:
            texts[path] = data.decode()
        except UnicodeDecodeError:
            refused = {**refused, path: "is not UTF-8 text"}
    wanted = [root for root in roots if root in texts]
    answers |= {
        r: (Problem(Where(r, 1, 1), "not-utf8", "the file is not UTF-8 text", "save it as UTF-8"),)
        for r in roots
        if r not in texts
    }
    lines, ending = _run(wanted, texts, refused)
    for root, line in zip(wanted, lines, strict=False):
        answers[root] = _answer(root, line)
    for root in wanted[len(lines) :]:
        answers[root] = (_unfinished(root, ending),)
    return answers


def _run(roots: Sequence[str], files: Mapping[str, str], refused: Mapping[str, str]) -> tuple[list[dict[str, str]], str]:
    """The finished answers in order, and how the child ended: ``done``, ``time``, ``memory``, or its exit code."""
    if not roots:
        return [], "done"
    request = {
        "roots": list(roots),
        "files": dict(files),
        "refused": dict(refused),
        "cpu": limits.JSONNET_CPU_SECONDS,
        "memory": limits.JSONNET_MEMORY_BYTES,
        "output": limits.JSONNET_OUTPUT_BYTES,
        "stack": limits.JSONNET_STACK,
    }
    child = subprocess.Popen(
        [sys.executable, "-I", str(_CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"GOMAXPROCS": "2", "GOTRACEBACK": "none", "LC_ALL": "C.UTF-8"},
        cwd="/",
    )
    late = threading.Event()

    def stop() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(limits.JSONNET_WALL_SECONDS, stop)
    timer.start()
    try:
        out, _ = child.communicate(json.dumps(request).encode())
    finally:
        timer.cancel()
    finished = [json.loads(line) for line in out.splitlines(keepends=True) if line.endswith(b"\n")]
    return finished, _ending(child.returncode, late.is_set())


def _ending(code: int, late: bool) -> str:
    if code == 0:
        return "done"
    # SIGXCPU and SIGKILL come from the limit on time; the evaluator aborts, or leaves with 2, when it gets no memory
    if late or code in (-24, -9):
        return "time"
    return "memory" if code in (-6, 2, 134) else str(code)


def _unfinished(root: str, ending: str) -> Problem:
    where = Where(root, 1, 1)
    if ending == "time":
        message = f"evaluating it takes more than {limits.JSONNET_CPU_SECONDS} s"
        return Problem(where, "jsonnet-time", message, "look for a loop that never ends")
    if ending == "memory":
        message = f"evaluating it takes more than {limits.JSONNET_MEMORY_BYTES >> 20} MiB of memory"
        return Problem(where, "jsonnet-memory", message, "look for a value that grows without end")
    return Problem(where, "jsonnet", f"the evaluator ended with code {ending}", "try it alone with the jsonnet program")


def _answer(root: str, line: Mapping[str, str]) -> Answer:
    if "value" not in line:
        return (_failure(root, line["error"], line.get("import", "")),)
    try:
        value = json.loads(line["value"])
        depth_and_nodes(value)
    except (RecursionError, ValueError) as error:
        what = str(error) if isinstance(error, ValueError) else f"maps and lists are nested more than {limits.DEPTH} deep"
        return (
            Problem(
                Where(root, 1, 1),
                "too-deep" if "nested" in what else "too-many-values",
                f"the value it gives is too large: {what}",
                "make it smaller",
            ),
        )
    return unmarked(value, Where(root, 1, 1))


def depth_and_nodes(value: Json) -> None:
    """Raises ``ValueError`` for a value beyond the limits that a YAML file has."""
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


def _failure(root: str, text: str, refused: str) -> Problem:
    """The evaluator's error with its place: the first line it names, which is where it happened."""
    if text == "output-too-large":
        message = f"the value it gives is larger than {limits.JSONNET_OUTPUT_BYTES >> 20} MiB"
        return Problem(Where(root, 1, 1), "too-many-values", message, "make it smaller")
    found = _PLACE.search(text)
    where = Where(found[1], int(found[2]), int(found[3])) if found else Where(root, 1, 1)
    if refused:
        return Problem(where, "bad-import", refused, _IMPORT_HINT)
    lines = [line for line in text.strip().splitlines() if line.strip()]
    message = (lines[0] if lines else "it cannot be evaluated").removeprefix("RUNTIME ERROR: ").removeprefix("STATIC ERROR: ")
    place = _PLACE.match(message)
    if place:
        message = re.sub(r"^\S+\s*", "", message)
    if "max stack frames exceeded" in message.lower():
        return Problem(
            where,
            "jsonnet-depth",
            f"calls are nested more than {limits.JSONNET_STACK} deep",
            "look for a recursion that never ends",
        )
    message = message[:1].lower() + message[1:]
    return Problem(where, "jsonnet", f"Jsonnet: {message.rstrip('.')}", "mend the expression there")
