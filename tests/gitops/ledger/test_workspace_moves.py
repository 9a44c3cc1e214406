"""The chain of what belongs to no infra, as values: what lies where, and which step is a legal move."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gitops.ledger.shape import Malformed, to_document
from gitops.ledger.transition import Stamp, trailers_of
from gitops.ledger.workspace_moves import (
    DAY,
    HEAD,
    MOVES,
    Act,
    Freeze,
    Head,
    NewerFormat,
    ProbeRecord,
    compose,
    freeze_of,
    head_of,
    illegal,
    probe_of,
    told,
)
from planners.canonical import encode

SHOP = Freeze("shop", "Ann", "ann@example.org", "audit week", 1_800_000_000, 1_800_003_600)
ALL = replace(SHOP, infra="")
FIT = ProbeRecord("host/state", 1_800_000_000, (), ("a branch cannot be deleted",), 31)
UNFIT = replace(FIT, broken=("x",))
STAMP = Stamp("shop", "Ann <ann@example.org>", "host-1", "a" * 32, 1_800_000_000)
BEGUN = Head("w1", move="create", seq=1, nonce="0" * 32, entries=1, chain="c" * 64)


def test_each_has_its_place() -> None:
    assert (SHOP.path, ALL.path) == ("freezes/shop.json", "freezes/_all.json")
    assert FIT.path == replace(FIT, time=5).path != replace(FIT, remote="host/other").path


@pytest.mark.parametrize(("value", "read"), [(SHOP, freeze_of), (ALL, freeze_of), (FIT, probe_of), (BEGUN, head_of)])
def test_what_is_written_is_read_back_and_nothing_else(value: Any, read: Any) -> None:
    document = to_document(value)
    assert read(document) == value
    for broken in ({**document, "more": 1}, dict(list(document.items())[1:]), [], {**document, next(iter(document)): 7.5}):
        with pytest.raises(Malformed):
            read(broken)


def test_a_newer_format_is_told_as_that() -> None:
    with pytest.raises(NewerFormat, match="has format 2 and this version reads up to 1"):
        head_of({**to_document(BEGUN), "format": 2, "what": "else"})


def test_a_freeze_says_who_until_when_and_how_it_ends() -> None:
    assert SHOP.text == "infra 'shop' is frozen by Ann until 2027-01-15 09:00:00 UTC: audit week"
    assert ALL.text == "all infras are frozen by Ann until 2027-01-15 09:00:00 UTC: audit week"
    assert (SHOP.thaw, ALL.thaw) == ("provisioning lock thaw -i shop", "provisioning lock thaw --all")


@pytest.mark.parametrize(
    ("age", "valid"), [(0, True), (30 * DAY - 1, True), (30 * DAY, False), (-3600, True), (-30 * DAY, False)]
)
def test_a_probe_is_believed_for_thirty_days(age: int, valid: bool) -> None:
    assert FIT.valid(FIT.time + age) is valid


@pytest.mark.parametrize(
    ("act", "message", "status", "reason", "writes"),
    [
        (Act("freeze", SHOP), "infra 'shop' until 2027-01-15T09:00:00Z", "done", "audit week", {SHOP.path: SHOP}),
        (Act("thaw", SHOP, "needed"), "infra 'shop', frozen by Ann <ann@example.org>", "done", "needed", {SHOP.path: None}),
        (Act("thaw", ALL), "all infras, frozen by Ann <ann@example.org>", "done", "", {ALL.path: None}),
        (Act("probe", FIT), "host/state: fit for a ledger", "done", "", {FIT.path: FIT}),
        (
            Act("probe", replace(FIT, broken=("x",))),
            "host/state: not so: x",
            "failed",
            "",
            {FIT.path: replace(FIT, broken=("x",))},
        ),
        (Act("create"), "workspace w1", "", "", {}),
    ],
)
def test_a_move_changes_the_head_one_file_and_the_audit(
    act: Act, message: str, status: str, reason: str, writes: dict[str, Any]
) -> None:
    before = BEGUN if act.move != "create" else Head("w1")
    head, edits, text = compose(before, act, STAMP)
    assert illegal(None if act.move == "create" else before, head) == []
    assert (head.seq, head.entries, head.nonce, head.move) == (before.seq + 1, before.entries + 1, STAMP.nonce, act.move)
    assert edits.pop(HEAD) == encode(to_document(head))
    entry = next(raw for path, raw in edits.items() if path.startswith("audit/2027-01/"))
    assert {p: e for p, e in edits.items() if e is not entry} == {p: v and encode(to_document(v)) for p, v in writes.items()}
    said = told(act.move, act.value, "w1")
    assert (said.message, said.status) == (message, status)
    assert f'"reason":"{reason}"'.encode() in (entry or b"")
    assert trailers_of(text) == dict.fromkeys(("Run", "Plan", "Source-Commit", "Token"), "") | {
        "Infra": "shop",
        "Actor": "Ann <ann@example.org>",
    }


def test_the_table_is_what_the_chain_can_do() -> None:
    assert {(m.name, m.part, m.leaves) for m in MOVES.values()} == {
        ("create", "", True),
        ("freeze", "freezes", True),
        ("thaw", "freezes", False),
        ("probe", "probes", True),
        ("repair", "", True),
    }


NEXT = replace(BEGUN, move="probe", seq=2, nonce="1" * 32, entries=2)


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        (BEGUN, replace(NEXT, move="melt"), "'melt' is no move"),
        (BEGUN, replace(NEXT, move="create"), "the chain begins with 'create' and with nothing else, not with 'create'"),
        (None, replace(NEXT, seq=1), "the chain begins with 'create' and with nothing else, not with 'probe'"),
        (BEGUN, replace(NEXT, workspace="w2"), "the workspace changes from w1 to w2"),
        (BEGUN, replace(NEXT, seq=3), "seq goes from 1 to 3"),
        (BEGUN, replace(NEXT, nonce=BEGUN.nonce), "the nonce is not fresh"),
        (BEGUN, replace(NEXT, nonce="short"), "the nonce is not fresh"),
    ],
)
def test_a_step_that_is_no_move_is_named(before: Head | None, after: Head, fault: str) -> None:
    assert illegal(before, after) == [fault]
