"""Each mistake of a kind that others have made, planted in the product, is found: a simulation that finds nothing proves
nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from history import play, script_of
from invariants import look
from mutants import MUTANTS

SEEDS = 1000
"""Within so many histories."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS.keys())
def test_a_planted_mistake_is_found(mutant: Callable[[], AbstractContextManager[None]]) -> None:
    with mutant():
        kinds = ("key", "name")
        found = (look(lambda seed=seed: play(seed, script_of(seed, kinds[seed % 2])))[1] for seed in range(SEEDS))  # type: ignore[misc]
        assert next((wrong for wrong in found if wrong), []), f"{SEEDS} histories and nobody noticed"
