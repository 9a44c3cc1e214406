"""What was done to the order of a chain is told by its numbers alone."""

from __future__ import annotations

import pytest

from gitops.ledger.lock import Lock
from gitops.ledger.naming import Link, named
from gitops.ports import Commit, Person


def chain(text: str) -> list[Link]:
    """Transitions by number; ``!`` is faulty, ``'`` has another nonce, ``?`` no lock, ``+`` is a merge."""
    links: list[Link] = []
    for n, word in enumerate(text.split()):
        nonce = word.strip("!?+")
        parents = ("0" * 40,) * (bool(n) + ("+" in word))
        commit = Commit(f"{n:012x}{'0' * 28}", "", parents, Person("", ""), "x\n\nProvisioning-Infra: dev\n")
        lock = Lock(seq=int(nonce.strip("'")), nonce=nonce) if nonce else None
        links.append(Link(commit, lock, ["wrong"] if "!" in word else []))
    return links


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 2 3", []),
        ("1 2! 3", ["1 edited: wrong"]),
        ("1 2 4! 5", ["2 removed: before it transition 3 is missing", "2 removed: wrong"]),
        ("1 5!", ["1 removed: before it transitions 2 to 4 are missing", "1 removed: wrong"]),
        ("3! 4", ["0 removed: before it transitions 1 to 2 are missing", "0 removed: wrong"]),
        (
            "1 3! 2! 4!",
            [
                "1 reordered: transition 3 stands before transition 2",
                "1 reordered: wrong",
                "2 reordered: transition 2 stands after transition 3",
                "2 reordered: wrong",
                "3 reordered: it follows what does not belong before transition 4",
                "3 reordered: wrong",
            ],
        ),
        ("1 2 2! 3", ["2 inserted: it repeats transition 2, 000000000001", "2 inserted: wrong"]),
        ("1 2 2'! 3", ["2 inserted: it is a second transition 2, 000000000001", "2 inserted: wrong"]),
        ("1 2 1! 3!", [
            "2 inserted: it repeats transition 1, 000000000000",
            "2 inserted: wrong",
            "3 inserted: it follows what does not belong before transition 3",
            "3 inserted: wrong",
        ]),
        ("1 ?! 3", ["1 edited: wrong"]),
        ("1 ?! 2", ["1 inserted: it is no transition", "1 inserted: wrong"]),
        ("1 2 ?!", ["2 inserted: it is no transition", "2 inserted: wrong"]),
        ("1 2+!", ["1 inserted: it merges something into the chain", "1 inserted: wrong"]),
    ],
)  # fmt: skip
def test_what_happened_is_named(text: str, told: list[str]) -> None:
    assert [f"{int(found[:12], 16)}{found[12:]}" for found in named(chain(text), "dev")] == told


def test_a_stretch_begins_where_it_begins() -> None:
    links = chain("1 2 3 4 6!")[2:]
    assert next(named(links, "dev")).endswith("removed: before it transition 5 is missing")


def test_what_stands_before_an_anchor_cannot_come_after_it() -> None:
    told = [text.partition(" ")[2] for text in named(chain("1 2 3 4 2! 6!")[4:], "dev", proved=4)]
    assert told[0] == "inserted: it is a second transition 2"
    assert "removed: before it transition 5 is missing" in told


def test_a_file_that_is_gone_was_removed() -> None:
    link = chain("1 2")[1]
    found = list(named([chain("1")[0], Link(link.commit, link.lock, ["audit/x.json: removed, though it grows"])], "dev"))
    assert found[0].endswith("removed: audit/x.json: removed, though it grows")


def test_what_belongs_to_another_infra_is_foreign() -> None:
    assert [f.partition(" ")[2] for f in named(chain("1 2"), "shop")] == ["foreign: it was made for infra 'dev'"] * 2
