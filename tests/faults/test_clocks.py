"""A wall clock that jumps in the middle of an apply changes nothing: leases and order never look at it."""

from __future__ import annotations

from typing import Any

import pytest

HOUR = 3600


@pytest.mark.slow
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_clock_that_jumps_an_hour_in_the_middle(jump: int, here: Any) -> None:
    for where in ("push.before#1", "create.before#1", "push.before~create.after"):
        here.restore()
        assert here.run(*here.APPLY, faults=f"wall={jump}@{where}").code == 0
        here.go_on()


@pytest.mark.slow
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_contender_whose_clock_is_an_hour_off_takes_nothing_over(jump: int, here: Any) -> None:
    gate = here.held("push.before~create.after", elsewhere=True)
    refused = here.run(*here.APPLY[:-2], cwd=here.two, faults=f"wall={jump}@1", code=7)
    assert "is locked by" in refused.err
    gate.end()
    here.go_on()
