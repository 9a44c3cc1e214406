"""What is counted of attempts, and what is made of it."""

from __future__ import annotations

from executors.attempts import Attempts
from executors.ports import NeedsHuman, Retry, Unsettled
from executors.retry import ATTEMPTS, OPEN_AFTER, OPEN_SECONDS


def failing(attempts: Attempts, times: int, error: Exception, now: float = 0.0) -> None:
    for _ in range(times):
        attempts.ended("cloud", "op", "op", error, now)


def test_it_is_tried_so_often_and_counted_anew_on_request() -> None:
    attempts = Attempts("r1")
    failing(attempts, ATTEMPTS - 1, Retry("busy"))
    assert attempts.left("op") and attempts.left("another")
    failing(attempts, 1, Retry("busy"))
    assert not attempts.left("op")
    attempts.forget("op")
    assert attempts.left("op")


def test_an_endpoint_that_keeps_failing_is_left_alone_for_a_while() -> None:
    attempts = Attempts("r1")
    failing(attempts, OPEN_AFTER, Retry("down"), now=10.0)
    assert attempts.admit("cloud", 11.0) == OPEN_SECONDS - 1.0
    assert attempts.admit("elsewhere", 11.0) == 0.0


def test_an_endpoint_that_answers_is_not_down_whatever_it_says() -> None:
    for answer in (Unsettled("still there"), NeedsHuman("quota")):
        attempts = Attempts("r1")
        failing(attempts, OPEN_AFTER, answer)
        assert attempts.admit("cloud", 0.0) == 0.0


def test_what_may_have_happened_is_remembered() -> None:
    attempts = Attempts("r1")
    failing(attempts, 1, Retry("busy"))
    assert not attempts.unknown
    failing(attempts, 1, Retry("cut off", unknown=True))
    failing(attempts, 1, Retry("busy"))
    assert attempts.unknown == {"op"}


def test_pauses_are_the_same_for_the_same_run_and_never_less_than_asked_for() -> None:
    pauses = [[Attempts(run).pause(2, Retry("busy")) for _ in range(3)] for run in ("r1", "r1", "r2")]
    assert pauses[0] == pauses[1] != pauses[2]
    attempts = Attempts("r1")
    failing(attempts, 1, Retry("busy"))
    assert attempts.pause_before("op", Retry("busy", after=77.0)) == 77.0
