"""SIGKILL at every boundary of a real apply, over every transport: nothing is lost, nothing is done twice, any clone goes on."""

from __future__ import annotations

import re
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SHARES = 4
"""Each transport's boundaries are dealt to so many tests, so that processes can share them."""
APPLY = ("apply", "--yes", "--allow-deletes", "2")


def boundaries(estate: Any) -> int:
    """How many boundaries a whole apply has."""
    whole = estate.start(APPLY)
    assert whole.wait()[0].code == 0
    assert len(whole.passed) >= 60, "the rim is no longer where it was"
    return len(whole.passed)


def creations(*runs: Any) -> Counter[str]:
    """How often each address was made at the provider."""
    return Counter(about.split()[0] for run in runs for name, about in run.passed if name.startswith("create.after"))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("share", range(SHARES))
def test_a_kill_at_any_boundary_loses_and_doubles_nothing(share: int, estate: Any) -> None:
    killed, points = 0, range(1 + share, boundaries(estate) + 1, SHARES)
    for turn, number in enumerate(points):
        estate.restore()
        first = estate.start(APPLY, faults=f"kill@{number}")
        first.wait()
        killed += first.code == -9
        # a run that was killed is finished by resuming it, or settled and followed by another by the next apply
        second = estate.go_on("apply" if turn % 2 else "resume")
        assert set(creations(first, second).values()) <= {1}, f"kill@{number}"
    # threads take turns as they like, and on a slow machine there are more pushes: not every number is reached every time
    assert killed >= len(points) * 3 // 4


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("share", range(2))
def test_a_kill_at_any_boundary_of_the_recovery_does_neither(share: int, here: Any) -> None:
    for number in odd_ones(share):
        here.restore()
        first = here.start(APPLY, faults="kill@create.after#2")
        first.wait()
        here.driver.settle()
        resume = ("run", "resume", here.running()[0], "--yes")
        second = here.start(resume, cwd=here.two, faults=f"kill@{number}")
        second.wait()
        third = here.go_on(cwd=here.one)
        assert set(creations(first, second, third).values()) <= {1}, f"kill@{number}"
        if second.code == 0:
            break
    assert number > 20, "the recovery has fewer boundaries than it had"


@pytest.mark.slow
def test_one_kill_as_the_documentation_shows_it(here: Any, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/faults.md").read_text()
    shown = [
        line.split() for line in re.findall(r"^(?:FAULTS_TRACE=\S+ )?python tests/faults/driver.py (.+)$", page, re.MULTILINE)
    ]
    assert [words[0] for words in shown] == ["0", "40", "kill@create.after#1"]
    for words in shown:
        here.restore()
        ran = here.by_hand(*words, FAULTS_TRACE=str(tmp_path / "boundaries"))
        assert ran.code == (0 if words[0] == "0" else -signal.SIGKILL)
        here.go_on()
    assert "create.after#1 server/" in (tmp_path / "boundaries").read_text()


def odd_ones(share: int) -> Iterator[int]:
    """Every second number, from 1 or from 2."""
    return iter(range(1 + share, 200, 2))
