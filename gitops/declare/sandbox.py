"""Runs what contributors wrote - Jsonnet, and schemas with their patterns - in a child process with limits.

Neither evaluator has limits of its own on time or memory, and Jsonnet's reads any file it is asked for. So they run
apart, without environment, on nothing but the texts that were handed to them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from gitops import limits
from planners.canonical import Json
from planners.dataclass import dataclass

_CHILD = Path(__file__).with_name("sandbox_child.py")


class Ending(StrEnum):
    """How the child ended."""

    DONE = "done"
    TIME = "time"
    MEMORY = "memory"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answers to the items that were finished, in order. When there are fewer than items, the next one ended the child."""

    answers: Sequence[Mapping[str, Any]]
    ending: Ending
    code: int = 0

    def blame(self) -> tuple[str, str, str]:
        """(code, what, advice) for the item that ended the child."""
        if self.ending is Ending.TIME:
            seconds = limits.EVALUATION_CPU_SECONDS
            return "evaluation-time", f"takes more than {seconds} s of processor time", "look for a loop that never ends"
        if self.ending is Ending.MEMORY:
            size = limits.EVALUATION_MEMORY_BYTES >> 20
            return "evaluation-memory", f"takes more than {size} MiB of memory", "look for a value that grows without end"
        return "evaluation", f"ended the evaluator with code {self.code}", "make it simpler"


def run(job: str, items: Sequence[Json], **more: Json) -> Outcome:
    """The answers of ``job`` (``jsonnet`` or ``schema``) for ``items``; ``more`` is what it needs beside them."""
    if not items:
        return Outcome((), Ending.DONE)
    request = {"job": job, "items": items, **more}
    request |= {"cpu": limits.EVALUATION_CPU_SECONDS, "memory": limits.EVALUATION_MEMORY_BYTES}
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

    timer = threading.Timer(limits.EVALUATION_WALL_SECONDS, stop)
    timer.start()
    try:
        out, _ = child.communicate(json.dumps(request).encode())
    finally:
        timer.cancel()
    answers = [json.loads(line) for line in out.splitlines(keepends=True) if line.endswith(b"\n")]
    return Outcome(answers, _ending(child.returncode, late.is_set()), child.returncode)


def _ending(code: int, late: bool) -> Ending:
    if code == 0:
        return Ending.DONE
    # SIGXCPU comes from the limit on time; an evaluator aborts, or leaves with 2, when it gets no memory
    if late or code == -24:
        return Ending.TIME
    return Ending.MEMORY if code in (-6, 2, 134) else Ending.BROKEN
