"""What a contender may do: by its own clock, by what it has watched, by who stands before it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitops.ledger.contend import QUEUE_PATIENCE, gone, left, next_move, watch
from gitops.ledger.holder import Holder
from gitops.ledger.lock import READERS, Claim, Lock, State

ANN, BOB, CEM, ME = (Holder(name, name, f"{name}@example.org") for name in ("ann", "bob", "cem", "me"))
FREE = Lock()
HELD = Lock(state=State.HELD, kind="write", holder=ANN, pulse=5, lease_seconds=60, grace_seconds=30)
HOLD = Lock(state=State.HOLD, kind="hold", holder=ANN, expires=1000)
SHARED = Lock(state=State.SHARED, kind="read", readers=(Claim(ANN, "read", 5),), lease_seconds=60, grace_seconds=30)
NOBODY: frozenset[str] = frozenset()


def alive(_: Holder) -> bool:
    return False


def silent(lock: Lock, seconds: float) -> frozenset[str]:
    """Who is gone after ``lock`` was watched unchanged for so long."""
    return gone(lock, watch({}, lock, 100.0), 100.0 + seconds, alive)


@pytest.mark.parametrize(("lock", "who"), [(HELD, "ann"), (SHARED, "ann")])
def test_only_a_whole_silence_makes_a_holder_gone(lock: Lock, who: str) -> None:
    assert silent(lock, 104.9) == NOBODY
    assert silent(lock, 105.0) == {who}


def test_a_sign_of_life_starts_the_watch_anew() -> None:
    seen = watch({}, HELD, 0.0)
    seen = watch(seen, replace(HELD, pulse=6), 100.0)
    assert gone(replace(HELD, pulse=6), seen, 200.0, alive) == NOBODY
    assert gone(replace(HELD, pulse=6), seen, 205.0, alive) == {"ann"}


def test_a_queue_entry_does_not_restart_the_watch() -> None:
    seen = watch({}, HELD, 0.0)
    queued = replace(HELD, queue=(Claim(BOB, "write", 6),), seq=6)
    seen = watch(seen, queued, 100.0)
    assert gone(queued, seen, 105.0, alive) == {"ann"}


def test_a_dead_process_of_our_machine_is_gone_at_once() -> None:
    queued = replace(HELD, queue=(Claim(BOB, "write", 6),))
    assert gone(queued, watch({}, queued, 0.0), 0.0, lambda h: h in (ANN, BOB)) == {"ann", "bob"}


def test_the_first_in_the_queue_of_a_free_lock_has_its_time_and_the_next_as_much_again() -> None:
    lock = replace(FREE, queue=(Claim(ANN, "write", 1), Claim(BOB, "write", 2)))
    assert silent(lock, QUEUE_PATIENCE - 0.1) == NOBODY
    assert silent(lock, QUEUE_PATIENCE) == {"ann"}
    assert silent(lock, 2 * QUEUE_PATIENCE) == {"ann", "bob"}


@pytest.mark.parametrize("lock", [HELD, SHARED])
def test_the_queue_of_a_held_lock_has_time_until_its_holder_is_gone_and_its_own_after_that(lock: Lock) -> None:
    queued = replace(lock, queue=(Claim(BOB, "write", 6),))
    assert silent(queued, 104.9) == NOBODY
    assert silent(queued, 105.0 + QUEUE_PATIENCE - 0.1) == {"ann"}
    assert silent(queued, 105.0 + QUEUE_PATIENCE) == {"ann", "bob"}


def test_a_hold_has_no_lease_to_watch() -> None:
    queued = replace(HOLD, queue=(Claim(BOB, "write", 6),))
    assert silent(queued, 1000.0) == {"bob"}


@pytest.mark.parametrize(
    ("lock", "kind", "lost", "move"),
    [
        (FREE, "write", NOBODY, "acquire"),
        (FREE, "read", NOBODY, "join"),
        (HELD, "write", NOBODY, ""),
        (HELD, "write", frozenset({"ann"}), "take-over"),
        (HELD, "read", NOBODY, ""),
        (HELD, "read", frozenset({"ann"}), ""),
        (HOLD, "write", NOBODY, ""),
        (HOLD, "write", frozenset({"ann"}), ""),
        (replace(HOLD, expires=500), "write", NOBODY, "acquire"),
        (replace(HOLD, expires=500), "read", NOBODY, "join"),
        (SHARED, "write", NOBODY, ""),
        (SHARED, "write", frozenset({"ann"}), "acquire"),
        (SHARED, "read", NOBODY, "join"),
        (replace(SHARED, readers=tuple(Claim(replace(ANN, id=str(n)), "read", 1) for n in range(READERS))), "read", NOBODY, ""),
    ],
)
def test_the_next_move(lock: Lock, kind: str, lost: frozenset[str], move: str) -> None:
    assert next_move(lock, "me", kind, lost, wall=500.0) == move


def test_who_is_not_in_the_queue_waits_for_all_in_it() -> None:
    lock = replace(FREE, queue=(Claim(ANN, "write", 1), Claim(BOB, "write", 2)))
    assert next_move(lock, "me", "write", NOBODY, 0.0) == ""
    assert next_move(lock, "me", "write", frozenset({"ann"}), 0.0) == ""
    assert next_move(lock, "me", "write", frozenset({"ann", "bob"}), 0.0) == "acquire"


def test_who_is_in_the_queue_waits_for_those_before_alone() -> None:
    lock = replace(FREE, queue=(Claim(ANN, "write", 1), Claim(ME, "write", 2), Claim(BOB, "write", 3)))
    assert next_move(lock, "me", "write", NOBODY, 0.0) == ""
    assert next_move(lock, "me", "write", frozenset({"ann"}), 0.0) == "acquire"
    assert next_move(lock, "ann", "write", NOBODY, 0.0) == "acquire"


def test_a_reader_lets_a_waiting_writer_go_first_but_not_a_waiting_reader() -> None:
    assert next_move(replace(SHARED, queue=(Claim(BOB, "write", 6),)), "me", "read", NOBODY, 0.0) == ""
    assert next_move(replace(SHARED, queue=(Claim(BOB, "read", 6),)), "me", "read", NOBODY, 0.0) == "join"


def test_the_lost_and_oneself_are_left_out() -> None:
    claims = (Claim(ANN, "write", 1), Claim(ME, "write", 2), Claim(CEM, "write", 3))
    assert left(claims, frozenset({"ann"}), "me") == (Claim(CEM, "write", 3),)
