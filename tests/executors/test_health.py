"""How long a check may fail."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.health import FIRST_PAUSE, Watch


@dataclass(frozen=True)
class Timing:
    interval: float = 10.0
    retries: int = 3
    start_period: float = 0.0


def checks(timing: Timing, took: float = 0.0) -> list[float]:
    """When a service that never is healthy is asked, in seconds after it was applied."""
    now, watch, asked = 0.0, Watch(timing, 0.0), []
    while True:
        asked.append(now)
        now += took
        watch = watch.unhealthy()
        pause = watch.pause(now)
        if pause is None:
            return asked
        now += pause


@pytest.mark.parametrize(
    ("timing", "last"),
    [
        (Timing(), 20.0),
        (Timing(interval=1.0, retries=5, start_period=10.0), 14.0),
        (Timing(interval=1.0, retries=1), 0.0),
        (Timing(interval=60.0, retries=1, start_period=5.0), 5.0),
    ],
)
def test_the_last_check_is_where_the_declaration_puts_it(timing: Timing, last: float) -> None:
    assert checks(timing)[-1] == pytest.approx(last)


def test_it_is_asked_soon_and_then_less_often() -> None:
    asked = checks(Timing(interval=1.0, retries=5))
    assert asked[:4] == pytest.approx([0.0, FIRST_PAUSE, 3 * FIRST_PAUSE, 7 * FIRST_PAUSE])
    assert max(b - a for a, b in pairwise(asked)) == pytest.approx(1.0)


@given(st.integers(1, 60), st.integers(1, 10), st.integers(0, 300), st.floats(0, 5))
def test_it_is_asked_at_least_as_often_as_declared(interval: int, retries: int, start: int, took: float) -> None:
    timing = Timing(float(interval), retries, float(start))
    asked = checks(timing, took)
    assert len(asked) >= math.ceil(retries / (1 + took)), "checks that take long leave time for fewer"
    assert asked[-1] >= start + interval * (retries - 1) - took - 1e-6
