"""Thousands of histories of the production code, each from its seed: whatever is killed, lost or late, it comes right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from history import play, script_of
from invariants import look

import gitops

CI = os.environ.get("CI", "").lower() in ("1", "true")
PARTS = 40
EACH = 500 if CI else 25
"""Histories a part: 20,000 in all where everything is tested."""
REPLAY = Path(__file__).with_name("replay.py")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_goes_wrong_it_comes_right(part: int) -> None:
    faults, bad = 0, []
    for seed in range(part * EACH, (part + 1) * EACH):
        history, wrong = look(lambda seed=seed: play(seed))  # type: ignore[misc]
        faults += history.faults if history else 0
        if wrong:
            bad.append(f"seed {seed}: {'; '.join(wrong)}")
    assert bad == [], "replay one with: python tests/simulation/replay.py SEED"
    assert faults >= EACH, "on average at least one fault strikes a history"


def told(seed: int, hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, str(REPLAY), str(seed)], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(gitops.__file__).parents[1])},
    )  # fmt: skip
    return done.stdout


@pytest.mark.slow
def test_a_seed_replays_to_the_letter_in_any_process() -> None:
    first, again = told(7, "1"), told(7, "2")
    assert first == again
    assert len(first.splitlines()) > 20


def test_seeds_differ_in_everything() -> None:
    scripts = [script_of(seed) for seed in range(200)]
    assert {s.kind for s in scripts} == {"key", "name", "tag"}
    assert {s.workers for s in scripts} == {1, 2, 3}
    assert len({s.faults for s in scripts}) == len(scripts)
    assert {len(s.changes) for s in scripts} == {1, 2, 3}
