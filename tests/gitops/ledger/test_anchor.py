"""An anchor against the chain it was made of, shortened, rewritten, gone on, gone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gitops.ledger.anchor import Anchor, Mark, anchor_bytes, anchor_of, departures, mark_of
from gitops.ledger.audit import Known, verify
from gitops.ledger.shape import Malformed
from gitops.ports import Person

if TYPE_CHECKING:
    from .conftest import Site, World

MARK = Mark("a" * 40, 7, 3, "c" * 64)
ANCHOR = Anchor("w1", 1_800_000_000, {"dev": MARK}, {"approvals/dev": "b" * 40})


def test_a_file_holds_it_whole() -> None:
    assert anchor_of(anchor_bytes(ANCHOR)) == ANCHOR
    assert anchor_bytes(ANCHOR).count(b"\n") == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"time": 1}, "was changed since it was made"),
        ({"ledgers": {}}, "was changed since it was made"),
        ({"digest": None}, "was changed since it was made"),
        ({"format": 2}, "has format 2 and this version reads up to 1"),
        ({"format": "1"}, "is no anchor"),
    ],
)
def test_one_that_was_changed_is_none(change: dict[str, Any], told: str) -> None:
    with pytest.raises(Malformed, match=told):
        anchor_of(json.dumps({**json.loads(anchor_bytes(ANCHOR)), **change}).encode())


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'"x"', b"\xff"])
def test_what_is_no_anchor_is_none(raw: bytes) -> None:
    with pytest.raises(Malformed):
        anchor_of(raw)


# --- against a chain -------------------------------------------------------------------------------------


def rewritten(site: Site, upto: str) -> str:
    """The commit ``upto`` once more, with another nonce: as legal as the first."""
    commit = site.repository.commit(upto)
    (entry,) = [e for n, e in site.repository.entries(upto).items() if n == "lock.json"]
    lock = json.loads(site.repository.blobs([entry.oid])[entry.oid])
    raw = (json.dumps({**lock, "nonce": "f" * 32}, sort_keys=True, separators=(",", ":")) + "\n").encode()
    edits: dict[str, bytes | str | None] = {"": commit.tree, "lock.json": raw}
    return site.repository.write(commit.parents[0], edits, commit.message, commit.author)


def found(site: Site, tip: str, mark: Mark) -> list[str]:
    return [text.partition(" ")[2] for text in departures(site.repository, tip, mark, "the anchor")]


def test_what_goes_on_from_it_is_proved_and_only_the_rest_is_walked(applied: World, site: Site) -> None:
    mark = mark_of(site.repository, applied.tip)
    with site.acquire("r2"):
        pass
    known = Known(anchor=mark, made="2026-11-24")
    proved = verify(site.repository, applied.tip, "dev", "w1", known)
    assert (proved.transitions, proved.findings) == (2, ())
    assert f"nothing up to transition {mark.seq}, as anchored on 2026-11-24, was cut off or written anew" in proved.guaranteed
    assert any(off.startswith(f"who wrote the transitions up to {mark.seq}") for off in proved.not_guaranteed)
    at_once = verify(site.repository, applied.tip, "dev", "w1", Known(anchor=mark_of(site.repository, applied.tip)))
    assert at_once.transitions == 0
    assert not any("every transition" in on for on in at_once.guaranteed)


def test_nothing_before_it_is_read_again(applied: World, site: Site) -> None:
    mark = mark_of(site.repository, applied.tip)
    for commit in site.repository.history(applied.tip)[1:]:
        del site.repository.objects[commit.tree]
    with site.acquire("r2"):
        pass
    assert verify(site.repository, applied.tip, "dev", "w1", Known(anchor=mark)).findings == ()
    assert "unreadable" in verify(site.repository, applied.tip, "dev", "w1").findings[0]


def test_what_was_cut_off_is_counted_where_its_commits_are_here(applied: World, site: Site) -> None:
    mark, old = mark_of(site.repository, applied.tip), site.repository.history(applied.tip)[2].oid
    assert found(site, old, mark) == [
        f"truncated: the 2 that followed were cut off: the anchor has {mark.tip[:12]}, transition 5"
    ]


def test_what_was_cut_off_is_noticed_where_they_are_not(applied: World, site: Site) -> None:
    mark, old = mark_of(site.repository, applied.tip), site.repository.history(applied.tip)[2].oid
    other = applied.site("bob")
    applied.server.refs["refs/heads/provisioning/ledger/dev"] = old
    other.ledger.view()
    told = "truncated: it ends with transition 3, cut off or written anew: the anchor has"
    assert found(other, old, mark) == [f"{told} {mark.tip[:12]}, transition 5"]


def test_what_was_written_anew_is_told_from_where_on(applied: World, site: Site) -> None:
    mark, tip = mark_of(site.repository, applied.tip), rewritten(site, applied.tip)
    assert verify(site.repository, tip, "dev", "w1").findings == ()
    shared = site.repository.commit(applied.tip).parents[0]
    what = f"rewritten: everything after {shared[:12]} is another: the anchor has {mark.tip[:12]}, transition 5"
    assert found(site, tip, mark) == [what]
    assert verify(site.repository, tip, "dev", "w1", Known(anchor=mark)).findings == (f"{tip[:12]} {what}",)
    assert (
        verify(site.repository, tip, "dev", "w1", Known(seen=mark.tip))
        .findings[0]
        .endswith(f"everything after {shared[:12]} is another: this clone has {mark.tip[:12]}, transition 5")
    )


def test_another_chain_altogether_is_told_as_that(applied: World, site: Site) -> None:
    mark = mark_of(site.repository, applied.tip)
    first = site.repository.commit(site.repository.history(applied.tip)[-1].oid)
    other = site.repository.write("", {"": first.tree}, first.message, Person("ann", "ann@example.org", 1))
    assert found(site, other, mark)[0].startswith("rewritten: it is another from the first transition on")
    del site.repository.objects[mark.tip]
    long = replace(mark, seq=1)
    assert found(site, other, long)[0].startswith("rewritten: it does not hold what was there")


def test_a_ledger_that_is_gone_is_cut_off_whole(applied: World, site: Site) -> None:
    mark = mark_of(site.repository, applied.tip)
    known = Known(anchor=mark)
    assert [f.partition(" ")[2] for f in verify(site.repository, "", "dev", "w1", known).findings] == [
        f"truncated: the ledger is gone, and the anchor has {mark.tip[:12]}, transition 5"
    ]


def test_an_anchor_that_says_something_else_of_the_same_commit_is_noticed(applied: World, site: Site) -> None:
    mark = replace(mark_of(site.repository, applied.tip), chain="0" * 64)
    assert found(site, applied.tip, mark) == ["rewritten: it holds something else than the anchor says of it"]


def test_a_commit_without_a_lock_has_no_mark(applied: World, site: Site) -> None:
    junk = site.repository.write(applied.tip, {"lock.json": b"junk"}, "junk", Person("bob", "b@example.org"))
    with pytest.raises(Malformed, match="no lock that can be read"):
        mark_of(site.repository, junk)
