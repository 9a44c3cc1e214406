"""One move as one commit: counters, audit chain and trailers."""

from __future__ import annotations

import json

from gitops.ledger import tree
from gitops.ledger.holder import Holder
from gitops.ledger.lock import Lock, State
from gitops.ledger.records import Entry, entry_of
from gitops.ledger.transition import TRAILERS, Draft, Stamp, compose, trailers_of

ANN = Holder("1" * 32, "Ann", "ann@example.org", "host-1")
STAMP = Stamp("dev", ANN.principal, "host-1", "f" * 32, 1_700_000_000)
HELD = Lock(state=State.HELD, holder=ANN, token=4, seq=9, pulse=9, run="r1", plan="p1", lease_seconds=60, entries=2, chain="old")


def entries(edits: dict[str, bytes | None]) -> list[Entry]:
    return [entry_of(json.loads(raw)) for path, raw in sorted(edits.items()) if path.startswith("audit/") and raw]


def test_a_record_counts_on_and_its_entries_hang_together() -> None:
    said = (Entry(action="create", op="o1"), Entry(action="create", op="o2", run="r0", plan="p0"))
    lock, edits, _ = compose(HELD, Draft("record", HELD, {"state/x.json": b"1"}, said), STAMP)
    first, second = entries(edits)
    assert (lock.move, lock.seq, lock.pulse, lock.token, lock.nonce) == ("record", 10, 10, 4, "f" * 32)
    assert (first.seq, first.previous, first.run, first.plan, first.token) == (3, "old", "r1", "p1", 4)
    assert (second.seq, second.previous, second.run, second.plan) == (4, first.digest, "r0", "p0")
    assert (lock.entries, lock.chain) == (4, second.digest)
    assert (first.id, first.actor, first.host, first.time) == (first.digest[:16], ANN.principal, "host-1", 1_700_000_000)
    assert edits["state/x.json"] == b"1"
    assert tree.lock_of(edits[tree.LOCK] or b"") == lock


def test_a_new_writer_gets_the_next_token_and_its_entries_carry_it() -> None:
    lock, edits, _ = compose(HELD, Draft("take-over", HELD, {}, (Entry(action="take-over"),)), STAMP)
    assert lock.token == 5
    assert entries(edits)[0].token == 5


def test_a_move_of_the_queue_is_no_sign_of_life_of_the_holder() -> None:
    lock, _, _ = compose(HELD, Draft("enqueue", HELD), STAMP)
    assert (lock.seq, lock.pulse) == (10, 9)


def test_every_commit_has_all_trailers_and_a_release_names_the_run_it_ends() -> None:
    _, _, message = compose(HELD, Draft("release", Lock(token=4), commit="c1", note="why"), STAMP)
    assert message.startswith("dev: release, why\n\n")
    assert tuple(trailers_of(message)) == TRAILERS
    assert trailers_of(message) == {
        "Run": "r1", "Plan": "p1", "Infra": "dev", "Source-Commit": "c1", "Token": "4", "Actor": ANN.principal,
    }  # fmt: skip


def test_what_is_unknown_is_a_dash_and_read_as_nothing() -> None:
    _, _, message = compose(Lock(), Draft("create", Lock()), STAMP)
    assert "Provisioning-Run: -\n" in message
    assert trailers_of(message)["Run"] == ""


def test_trailers_are_only_those_of_the_last_paragraph() -> None:
    assert trailers_of("dev: x\n\nProvisioning-Run: fake\n\nProvisioning-Run: r1\n") == {"Run": "r1"}
