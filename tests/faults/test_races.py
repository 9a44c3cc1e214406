"""Fifty at once want one lock: one has it, every time, and each of the others is told so."""

from __future__ import annotations

from pathlib import Path

import pytest
from parties import Parties
from races import Race

from gitops.stops import Exit

CONTENDERS, ROUNDS = 50, 10
"""Two hundred rounds, and what they take: benchmarks/races.py and docs/measurements.md."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "transport", ["file", pytest.param("shared_ssh", marks=pytest.mark.real), pytest.param("https", marks=pytest.mark.real)]
)
def test_of_fifty_exactly_one_has_the_lock(transport: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with Parties(request.getfixturevalue(f"{transport}_remote")("estate"), tmp_path) as parties:
        race = Race(parties, CONTENDERS)
        for number in range(ROUNDS):
            found = race.round()
            assert found.trouble == []
            assert (len(found.winners), found.losers) == (1, {Exit.LOCKED: CONTENDERS - 1}), f"round {number}"
            assert found.held_by == found.winners
        assert race.faults() == []
