"""The clocks: the real one is only asked for its shape, the fake one for everything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from executors.clocks import FakeClock, SystemClock


def test_the_system_clock_goes_on_and_its_sleep_returns() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0)
    assert clock.monotonic() >= before
    assert clock.wall() > 1_700_000_000


def test_a_fake_clock_stands_still_until_told() -> None:
    clock = FakeClock(wall=1000.0)
    assert (clock.wall(), clock.monotonic()) == (1000.0, 0.0)
    clock.advance(2.5)
    clock.sleep(1.5)
    assert (clock.wall(), clock.monotonic()) == (1004.0, 4.0)


def test_many_threads_may_sleep_on_a_fake_clock() -> None:
    clock = FakeClock()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: clock.sleep(1.0), range(400)))
    assert clock.monotonic() == 400.0
