"""Durations."""

from __future__ import annotations

import pytest

from gitops.cli.durations import moment_of, seconds_of
from gitops.stops import Stop


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("90s", 90), ("15m", 900), ("2h", 7200), ("7d", 604800), (" 1m ", 60)])
def test_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "1.5h", "-1m", "1h30m", "ten minutes"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Stop) as caught:
        seconds_of(text)
    assert caught.value.code == 2
    assert "write it as 90s, 15m, 2h or 7d" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", 1_800_000_000 - 7200),
        ("1970-01-02", 86400),
        ("1970-01-01T01:00Z", 3600),
        ("1970-01-01 01:00:30", 3630),
        ("1970-01-01T01:00+01:00", 0),
    ],
)
def test_a_moment_is_a_time_in_utc_or_so_long_ago(text: str, moment: float) -> None:
    assert moment_of(text, 1_800_000_000) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "10", "2026-13-01", "24.11.2026"])
def test_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Stop) as caught:
        moment_of(text, 0)
    assert caught.value.code == 2
