"""The plan of a part is the plan of the whole, byte for byte, over random histories."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from part_histories import played

CI = os.environ.get("CI", "").lower() in ("1", "true")
HISTORIES = int(os.environ.get("PART_HISTORIES", "2000" if CI else "200"))
PARTS = 8 if CI else 2
"""Tests that share them, so that they run side by side."""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_plan_of_a_part_is_the_plan_of_the_whole(part: int, tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    bad = []
    for seed in range(part, HISTORIES, PARTS):
        history, wrong = played(seed, tmp_path)
        counts.update(history.counts)
        bad += [f"{seed}: {'; '.join(wrong)}"] if wrong else []
    assert bad == []
    assert counts["part"] > counts["whole"], "most plans after the first apply are of a part"
    assert counts["left out"] * 2 > counts["part"], "and most parts leave something out"
    assert counts["steps"] and counts["wrong"], "there is something to do, and something wrong"
