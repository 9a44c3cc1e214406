"""One thread that decides: timers, jobs and their reports."""

from __future__ import annotations

import pytest

from executors.clocks import FakeClock
from executors.loop import TICK_SECONDS, Loop
from executors.ports import Broken
from executors.threads import Inline, Threads


def test_timers_come_when_they_are_due_in_that_order() -> None:
    clock, said = FakeClock(), list[tuple[str, float]]()
    loop = Loop(clock, Inline())
    for name, seconds in (("late", 2.0), ("soon", 0.1), ("also soon", 0.1)):
        loop.later(seconds, lambda name=name: said.append((name, clock.monotonic())))  # type: ignore[misc]
    while len(said) < 3:
        before = clock.monotonic()
        loop.wait()
        assert clock.monotonic() - before <= TICK_SECONDS + 1e-9
    assert said == [("soon", 0.1), ("also soon", 0.1), ("late", pytest.approx(2.0))]


def test_in_a_hurry_only_the_patient_wait() -> None:
    clock, said = FakeClock(), list[str]()
    loop = Loop(clock, Inline())
    loop.later(60.0, lambda: said.append("again"))
    loop.later(1.0, lambda: said.append("healthy?"), patient=True)
    loop.hurry()
    loop.later(60.0, lambda: said.append("once more"))
    loop.wait()
    loop.wait()
    assert (said, clock.monotonic()) == (["again", "once more"], 0.0)
    while len(said) < 3:
        loop.wait()
    assert clock.monotonic() == 1.0


@pytest.mark.parametrize("pool", [Inline(), Threads(2)])
def test_a_job_reports_its_result_or_its_error_to_the_loop(pool: Inline | Threads) -> None:
    said: list[object] = []
    loop = Loop(FakeClock(), pool)
    loop.job(lambda: 1, said.append)
    loop.job(lambda: 1 // 0, said.append)
    while len(said) < 2:
        loop.wait()
    assert {type(s) for s in said} == {int, ZeroDivisionError}
    pool.close()


def test_what_is_no_error_ends_the_loop_too() -> None:
    loop = Loop(FakeClock(), Inline())

    def work() -> None:
        raise KeyboardInterrupt

    loop.job(work, lambda result: None)
    with pytest.raises(KeyboardInterrupt):
        loop.wait()


def test_waiting_for_nothing_is_a_bug() -> None:
    with pytest.raises(Broken):
        Loop(FakeClock(), Inline()).wait()
