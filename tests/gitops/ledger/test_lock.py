"""The lock as a value: its JSON, and the table that says which moves are legal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.ledger.holder import Holder
from gitops.ledger.lock import FORMAT, MOVES, Claim, Lock, State, decode, encode, freed, illegal, inconsistent
from planners.problems import Problem

ANN = Holder("1" * 32, "Ann", "ann@example.org", "host-1", "boot-1", 7, "ticks")
BOB = replace(ANN, id="2" * 32, name="Bob", email="bob@example.org", pid=8)
FREE = Lock(move="release", token=4, seq=9, nonce="a" * 32, entries=3, chain="c")
HELD = replace(
    FREE, state=State.HELD, move="acquire", kind="write", holder=ANN, token=5, seq=10, pulse=10, nonce="b" * 32,
    lease_seconds=60, grace_seconds=30, run="r1", plan="p1", reason="apply", since=1,
)  # fmt: skip
HOLD = replace(FREE, state=State.HOLD, move="hold", kind="hold", holder=ANN, seq=10, expires=100, nonce="b" * 32)
SEALED = replace(FREE, state=State.SEALED, move="seal", seq=10, reason="grown", nonce="b" * 32)
SHARED = replace(
    FREE, state=State.SHARED, move="join", kind="read", readers=(Claim(ANN, "read", 10),), seq=10, nonce="b" * 32,
    lease_seconds=60,
)  # fmt: skip


def after(lock: Lock, move: str, **changes: Any) -> Lock:
    """``lock`` after ``move``, counters and nonce as they must be."""
    row = MOVES[move]
    moved = replace(lock, move=move, seq=lock.seq + 1, nonce=f"{lock.seq + 1:032x}", token=lock.token + row.token, **changes)
    return replace(moved, pulse=moved.seq) if row.by in ("holder", "contender") and moved.holder else moved


# --- as JSON ---------------------------------------------------------------------------------------------

text = st.text(max_size=8)
numbers = st.integers(0, 1 << 60)
holders = st.builds(Holder, text, text, text, text, text, numbers, text, text)
claims = st.lists(st.builds(Claim, holders, text, numbers), max_size=3).map(tuple)
locks = st.builds(
    Lock, st.just(FORMAT), st.just(State.HELD), text, text, holders, numbers, numbers, numbers, text, st.integers(1, 99), numbers,
    text, text, text, numbers, numbers, st.booleans(), st.just(()), claims, numbers, text,
)  # fmt: skip


@given(locks)
def test_a_lock_survives_its_json(lock: Lock) -> None:
    assert decode(encode(lock)) == lock


@pytest.mark.parametrize("lock", [FREE, HELD, HOLD, SHARED, SEALED])
def test_each_state_survives_its_json(lock: Lock) -> None:
    assert decode(encode(lock)) == lock


def test_a_newer_format_is_refused_as_such() -> None:
    problem = decode({"format": FORMAT + 1, "anything": True})
    assert isinstance(problem, Problem)
    assert (problem.code, problem.message) == (
        "newer-format",
        f"the ledger has format {FORMAT + 1} and this version reads up to {FORMAT}",
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, "lock.json is not an object"),
        ([], "lock.json is not an object"),
        ({**encode(HELD), "state": "OPEN"}, "lock.json field 'state' is broken"),
        ({**encode(HELD), "token": "5"}, "lock.json field 'token' is not of type int"),
        ({**encode(HELD), "holder": "Ann"}, "lock.json field 'holder' is not an object"),
        ({**encode(HELD), "owner": "Ann"}, "lock.json has the unknown field 'owner'"),
        ({**encode(HELD), "holder": None}, "the lock is HELD without one holder and a lease"),
        ({**encode(FREE), "run": "r1"}, "the lock is FREE with a holder"),
        ({**encode(HOLD), "expires": 0}, "the lock is HOLD without an owner and an end"),
        ({**encode(SHARED), "readers": []}, "the lock is SHARED without readers and a lease"),
    ],
)
def test_what_is_no_lock_is_refused(document: Any, message: str) -> None:
    problem = decode(document)
    assert isinstance(problem, Problem)
    assert (problem.code, problem.message) == ("damaged-ledger", message)


# --- the table -------------------------------------------------------------------------------------------

OWN_HELD = {f: getattr(HELD, f) for f in ("state", "kind", "holder", "lease_seconds", "grace_seconds", "run", "plan", "since")}
LEGAL = {
    "create": (None, replace(Lock(), move="create", seq=1, nonce="a" * 32)),
    "acquire": (FREE, after(FREE, "acquire", **OWN_HELD)),
    "take-over": (HELD, after(HELD, "take-over", holder=BOB, recover=True)),
    "renew": (HELD, after(HELD, "renew")),
    "record": (HELD, after(HELD, "record", entries=5, chain="d")),
    "release": (HELD, after(freed(HELD, True), "release")),
    "break": (HELD, after(freed(HELD, False), "break")),
    "hold": (FREE, after(FREE, "hold", state=State.HOLD, kind="hold", holder=ANN, expires=9)),
    "release-hold": (HOLD, after(freed(HOLD, False), "release-hold")),
    "join": (SHARED, after(SHARED, "join", readers=(*SHARED.readers, Claim(BOB, "read", 11)))),
    "stay": (SHARED, after(SHARED, "stay", readers=(Claim(ANN, "read", 11),))),
    "part": (SHARED, after(freed(SHARED, False), "part")),
    "enqueue": (HELD, after(HELD, "enqueue", queue=(Claim(BOB, "write", 11),))),
    "dequeue": (HELD, after(replace(HELD, queue=(Claim(BOB, "write", 9),)), "dequeue", queue=())),
    "repair": (HELD, after(freed(HELD, True), "repair")),
    "seal": (FREE, after(FREE, "seal", state=State.SEALED, reason="grown")),
    "continue": (SEALED, after(freed(SEALED, False), "continue")),
    "move-remote": (FREE, after(FREE, "move-remote")),
}


def test_every_row_of_the_table_has_its_example() -> None:
    assert LEGAL.keys() == MOVES.keys()


@pytest.mark.parametrize("name", MOVES)
def test_a_legal_move_has_no_fault(name: str) -> None:
    assert illegal(*LEGAL[name]) == []


@pytest.mark.parametrize("name", [n for n in MOVES if n != "create"])
def test_a_move_from_a_state_that_is_not_in_its_row_is_none(name: str) -> None:
    _, moved = LEGAL[name]
    for state, lock in (
        (State.FREE, FREE),
        (State.HELD, HELD),
        (State.HOLD, HOLD),
        (State.SHARED, SHARED),
        (State.SEALED, SEALED),
    ):
        if state not in MOVES[name].source:
            assert f"no {name} from {state}" in illegal(lock, moved)


@pytest.mark.parametrize("name", [n for n in MOVES if n != "create"])
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"seq": 99}, "seq goes from"),
        ({"token": 99}, "token goes from"),
        ({"nonce": ""}, "the nonce is not fresh"),
        ({"format": 0}, "format goes from"),
    ],
)
def test_a_counter_out_of_step_is_a_fault(name: str, change: dict[str, Any], fault: str) -> None:
    before, moved = LEGAL[name]
    assert any(fault in found for found in illegal(before, replace(moved, **change)))


@pytest.mark.parametrize(
    ("before", "moved", "fault"),
    [
        (HELD, after(HELD, "renew", holder=BOB), "a renew does not change 'holder'"),
        (HELD, after(HELD, "record", run="r2"), "a record does not change 'run'"),
        (HELD, after(HELD, "enqueue", pulse=11), "a enqueue does not change 'pulse'"),
        (HELD, replace(after(HELD, "renew"), pulse=10), "the holder's pulse does not move"),
        (HELD, after(HELD, "take-over"), "a take-over needs another holder"),
        (HELD, replace(after(HELD, "renew"), nonce=HELD.nonce), "the nonce is not fresh"),
        (FREE, replace(FREE, move="seize", seq=10), "'seize' is no move"),
        (None, after(FREE, "acquire", **OWN_HELD), "a ledger begins with 'create' and with nothing else, not with 'acquire'"),
        (FREE, replace(FREE, move="create"), "a ledger begins with 'create' and with nothing else, not with 'create'"),
        (HELD, after(HELD, "release"), "a release does not lead to HELD"),
    ],
)
def test_what_the_table_does_not_allow_is_named(before: Lock | None, moved: Lock, fault: str) -> None:
    assert fault in illegal(before, moved)


def test_a_freed_lock_keeps_counters_and_queue_and_nothing_else() -> None:
    waiting = (Claim(BOB, "write", 9),)
    lock = freed(replace(HELD, queue=waiting, entries=7), True)
    assert (lock.token, lock.seq, lock.entries, lock.chain, lock.queue, lock.recover) == (5, 10, 7, "c", waiting, True)
    assert inconsistent(lock) == []


def test_holders_are_named_with_machine_and_run() -> None:
    assert HELD.holder_text() == "Ann on host-1 (run r1)"
    assert SHARED.holder_text() == "Ann on host-1 (reading)"
    assert FREE.holder_text() == ""


def test_silence_is_a_lease_and_a_quarter_and_the_grace() -> None:
    assert HELD.silence == 60 * 1.25 + 30
