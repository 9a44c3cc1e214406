"""Pauses and breakers as plain values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.retry import CAP_SECONDS, OPEN_AFTER, OPEN_SECONDS, Breaker, pause


@pytest.mark.parametrize(("failures", "bound"), [(1, 5.0), (2, 10.0), (3, 20.0), (7, 300.0), (50, 300.0)])
def test_the_bound_doubles_up_to_a_cap(failures: int, bound: float) -> None:
    assert pause(failures, 1.0) == bound
    assert pause(failures, 0.5) == bound / 2
    assert pause(failures, 0.0) == 0.0


def test_what_the_other_side_asks_for_is_waited_for() -> None:
    assert pause(1, 0.1, asked=42.0) == 42.0
    assert pause(1, 1.0, asked=2.0) == 5.0
    assert pause(1, 1.0, asked=86400.0) == CAP_SECONDS


@given(st.integers(1, 60), st.floats(0, 1), st.floats(0, 1e6))
def test_a_pause_is_never_negative_nor_above_the_cap(failures: int, chance: float, asked: float) -> None:
    assert 0 <= pause(failures, chance, asked) <= CAP_SECONDS


def fail(breaker: Breaker, times: int, now: float = 100.0) -> Breaker:
    for _ in range(times):
        breaker = breaker.failed(now)
    return breaker


def test_failures_in_a_row_open_it() -> None:
    almost = fail(Breaker(), OPEN_AFTER - 1)
    assert almost.admit(100.0) == (almost, 0.0)
    opened = almost.failed(100.0)
    assert opened.admit(101.0) == (opened, OPEN_SECONDS - 1)


def test_a_success_between_failures_keeps_it_closed() -> None:
    again = fail(fail(Breaker(), OPEN_AFTER - 1).succeeded(), OPEN_AFTER - 1)
    assert again.admit(100.0)[1] == 0.0


def test_after_its_time_one_call_goes_through_and_decides() -> None:
    opened = fail(Breaker(), OPEN_AFTER)
    later = 100.0 + OPEN_SECONDS
    trying, wait = opened.admit(later)
    assert wait == 0.0
    assert trying.admit(later)[1] == OPEN_SECONDS, "the others still wait"
    assert trying.succeeded().admit(later) == (Breaker(), 0.0)
    assert trying.failed(later).admit(later)[1] == OPEN_SECONDS
