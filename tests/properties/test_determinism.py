"""Equal inputs give equal bytes in every process, and planning touches nothing outside itself."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from estates import CATALOG, GONE, applied, some_estate, there

from gitops.report.markdown import render_markdown
from gitops.report.text import render_text
from planners.canonical import encode
from planners.document import from_document, to_document, view
from planners.plan import plan
from planners.stale import moved
from planners.steps import Options, Plan

SAMPLES = 30
PROGRAM = (
    "import os, sys; sys.path[:] = sys.argv[1].split(os.pathsep); import test_determinism; print(test_determinism.digests())"
)
OUTSIDE = ("open", "import", "os.", "socket.", "subprocess.", "shutil.", "tempfile.", "time.", "fcntl.", "ctypes.", "mmap.")
"""Audit events, or their beginnings, of what reaches outside: files, processes, network, clock, modules not yet loaded."""


def samples() -> Iterator[tuple[Any, ...]]:
    """(desired, recorded, observed, plan) between random estates, the same in every process."""
    for seed in range(SAMPLES):
        chance = random.Random(seed)  # noqa: S311  # examples, not secrets
        before, after = applied(some_estate(chance.choice)), some_estate(chance.choice)
        kinds = (GONE, there(power="off"), there(healthy=False))
        seen = {a: chance.choice(kinds) for a in before.resources if chance.random() < 0.2}
        made = plan(after, before, seen, CATALOG, Options())
        if isinstance(made, Plan):
            yield after, before, seen, made


@cache
def digests() -> str:
    """One digest over all that is made of the samples."""
    total = sha256()
    for *_, made in samples():
        total.update(encode(to_document(made)) + encode(view(made)))
        total.update(render_text(made, color=True).encode() + render_markdown(made).encode())
    return total.hexdigest()


def test_the_samples_are_of_all_sorts() -> None:
    assert {s.action for *_, made in samples() for s in made.steps} >= {"create", "update", "replace", "delete", "forget", "move"}


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_the_seed_of_hashes_changes_no_byte(seed: str) -> None:
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path],
        env={"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == digests()


# --- nothing outside -------------------------------------------------------------------------------------

WATCH: list[str] | None = None
"""Where audit events go while somebody watches; an audit hook stays for the life of its process, so it must be able to rest."""


def hook(event: str, _: tuple[Any, ...]) -> None:
    if WATCH is not None and event.startswith(OUTSIDE):
        WATCH.append(event)


@pytest.fixture(scope="module")
def hooked() -> None:
    """The hook in place, once."""
    sys.addaudithook(hook)


@contextmanager
def watched() -> Iterator[list[str]]:
    """All that reached outside meanwhile."""
    global WATCH
    WATCH = found = []
    try:
        yield found
    finally:
        WATCH = None


@pytest.mark.usefixtures("hooked")
def test_planning_reaches_nothing_outside() -> None:
    inputs = list(samples())
    with watched() as found:
        for desired, recorded, observed, _ in inputs:
            made = plan(desired, recorded, observed, CATALOG, Options())
            assert isinstance(made, Plan)
            assert moved(made, desired, recorded, CATALOG) == ()
            assert from_document(to_document(made)) == made
    assert found == []


@pytest.mark.usefixtures("hooked")
def test_the_watch_sees_what_it_should(tmp_path: Path) -> None:
    with watched() as found:
        (tmp_path / "file").write_text("x")
        os.listdir(tmp_path)  # noqa: PTH208
    assert {"open", "os.listdir"} <= set(found)
