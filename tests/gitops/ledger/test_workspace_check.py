"""The workspace's chain is verified: what no move of ours can have done is named, with commit and path."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gitops.ledger.shape import to_document
from gitops.ledger.transition import Stamp
from gitops.ledger.workspace_check import faults_since, head_at, verify_workspace
from gitops.ledger.workspace_moves import DAY, HEAD, Act, Freeze, compose
from gitops.ports import Person
from planners.canonical import encode

if TYPE_CHECKING:
    from .conftest import Quarters, World

REF = "refs/heads/provisioning/audit"
BOB = Person("bob", "bob@example.org", 1_800_000_000)
SHOP = "freezes/shop.json"


class Forger:
    """Somebody who may push and writes commits of their own."""

    def __init__(self, world: World, ann: Quarters) -> None:
        self.repository, self.world, self.tip = ann.repository, world, world.server.refs[REF]

    def raw(self, path: str) -> bytes:
        folder, _, name = path.rpartition("/")
        oid = self.repository.entries(self.tip, folder)[name].oid
        return self.repository.blobs([oid])[oid]

    def entry(self) -> str:
        return "audit/" + next(iter(self.repository.entries(self.tip, "audit", recursive=True)))

    def by_hand(self, edits: dict[str, bytes | None], message: str = "by hand") -> str:
        return self.repository.write(self.tip, edits, message, BOB)

    def act(self, act: Act, who: Person = BOB, more: Mapping[str, bytes | None] = {}, **stamp: Any) -> str:
        """With our own tools, and perhaps more beside it."""
        infra = act.value.infra if isinstance(act.value, Freeze) else ""
        given = {"infra": infra, "actor": f"{who.name} <{who.email}>", "host": "x", "nonce": "f" * 32, "wall": who.time} | stamp
        _, edits, message = compose(head_at(self.repository, self.tip), act, Stamp(**given))
        return self.repository.write(self.tip, {**edits, **more}, message, who)

    def faults(self, tip: str) -> list[str]:
        return [what for _, what in faults_since(self.repository, tip, self.tip, 0)]


@pytest.fixture
def forger(world: World) -> Forger:
    """On a chain with a probe and Ann's freeze of ``shop``."""
    ann = world.quarters()
    world.clock.advance(1_800_000_000 - world.clock.wall())
    ann.chain.admit("shop", "write")
    ann.freeze("shop", "audit week", DAY)
    return Forger(world, ann)


def frozen(**change: Any) -> Freeze:
    return replace(Freeze("blog", "bob", "bob@example.org", "why", BOB.time, BOB.time + 60), **change)


def test_a_chain_of_ours_verifies_and_says_what_cannot_be_told(forger: Forger) -> None:
    verified = verify_workspace(forger.repository, forger.tip, "w1")
    assert (verified.transitions, verified.findings) == (3, ())
    assert "they are not signed" in verified.not_guaranteed[0]
    assert verify_workspace(forger.repository, "", "w1").transitions == 0


def test_an_honest_move_of_the_forgers_tools_has_no_fault(forger: Forger) -> None:
    assert forger.faults(forger.act(Act("freeze", frozen()))) == []
    assert forger.faults(forger.act(Act("thaw", forger_freeze(forger), "it is over"))) == []


def forger_freeze(forger: Forger) -> Freeze:
    return Freeze(**json.loads(forger.raw(SHOP)))


BY_HAND: dict[str, tuple[Callable[[Forger], dict[str, bytes | None]], str]] = {
    "a freeze removed": (lambda _: {SHOP: None}, f"{SHOP}: removed by a freeze"),
    "a freeze cut short": (
        lambda f: {SHOP: encode({**json.loads(f.raw(SHOP)), "expires": BOB.time + 1})},
        "a freeze adds one audit entry and changes the one file that it tells of",
    ),
    "an entry edited": (lambda f: {f.entry(): b"{}\n"}, "changed, though such a file only ever grows in number"),
    "an entry removed": (lambda f: {f.entry(): None}, "removed, though such a file only ever grows in number"),
    "junk": (lambda _: {"README.md": b"hello"}, "README.md: added, and nothing of a workspace's chain lies there"),
    "a lock": (lambda _: {"lock.json": b"{}\n"}, "lock.json: added, and nothing of a workspace's chain lies there"),
    "a file where a folder belongs": (lambda _: {"probes.json": b"{}\n"}, "probes.json: added, and nothing of a workspace's"),
    "the head removed": (lambda _: {HEAD: None}, f"{HEAD}: is missing"),
    "the head made junk": (lambda _: {HEAD: b"{"}, f"{HEAD}: is not JSON"),
    "the head in other words": (lambda f: {HEAD: f.raw(HEAD).replace(b",", b", ")}, f"{HEAD}: not in canonical form"),
    "another workspace": (
        lambda f: {HEAD: encode({**json.loads(f.raw(HEAD)), "workspace": "w2"})},
        "the workspace changes from w1 to w2",
    ),
    "nothing at all": (lambda _: {}, "seq goes from 3 to 3"),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_an_edit_by_hand_is_named(forger: Forger, name: str) -> None:
    edits, fault = BY_HAND[name]
    tip = forger.by_hand(edits(forger))
    assert any(fault in found for found in forger.faults(tip)), forger.faults(tip)
    assert all(f.startswith(tip[:12]) for f in verify_workspace(forger.repository, tip, "w1").findings)


WITH_TOOLS: dict[str, tuple[Callable[[Forger], str], str]] = {
    "frozen in another's name": (
        lambda f: f.act(Act("freeze", frozen(name="Ann", email="ann@example.org"))),
        "freezes/blog.json: frozen by somebody else, or at another time, than it says",
    ),
    "frozen for too long": (
        lambda f: f.act(Act("freeze", frozen(expires=BOB.time + 30 * DAY + 1))),
        "freezes/blog.json: lasts longer than 30 days, or not at all",
    ),
    "frozen until before it began": (
        lambda f: f.act(Act("freeze", frozen(expires=BOB.time))),
        "freezes/blog.json: lasts longer than 30 days, or not at all",
    ),
    "another's freeze replaced": (
        lambda f: f.act(Act("freeze", frozen(infra="shop"))),
        f"{SHOP}: was ann's and not over yet",
    ),
    "another's freeze ended without a reason": (
        lambda f: f.act(Act("thaw", forger_freeze(f))),
        f"{SHOP}: bob <bob@example.org> ended it without a reason, and it was ann <ann@example.org>'s",
    ),
    "acting in another's name": (
        lambda f: f.act(Act("freeze", frozen()), actor="ann <ann@example.org>"),
        "its trailer Provisioning-Actor does not agree",
    ),
    "told about another infra": (
        lambda f: f.act(Act("freeze", frozen()), infra="shop"),
        "its trailer Provisioning-Infra does not agree",
    ),
    "more than the move": (
        lambda f: f.act(Act("freeze", frozen()), more={SHOP: None}),
        f"{SHOP}: removed by a freeze",
    ),
    "other content than told": (
        lambda f: f.act(Act("freeze", frozen()), more={"freezes/blog.json": encode(to_document(frozen(reason="else")))}),
        "its reason is not what was done",
    ),
    "in another's place": (
        lambda f: f.act(Act("freeze", frozen()), more={"freezes/blog.json": encode(to_document(frozen(infra="docs")))}),
        "freezes/blog.json: holds what belongs to freezes/docs.json",
    ),
}


@pytest.mark.parametrize("name", WITH_TOOLS)
def test_a_move_that_may_not_be_made_is_named(forger: Forger, name: str) -> None:
    make, fault = WITH_TOOLS[name]
    found = forger.faults(make(forger))
    assert any(fault in f for f in found), found


def test_an_entry_out_of_line_is_named(forger: Forger) -> None:
    tip = forger.act(Act("freeze", frozen()))
    path = next(p for p in forger.repository.entries(tip, "audit", recursive=True) if p.split("/")[1].startswith("00000004"))
    oid = forger.repository.entries(tip, "audit", recursive=True)[path].oid
    document = json.loads(forger.repository.blobs([oid])[oid])
    for change, fault in (({"previous": "x"}, "does not follow"), ({"id": "y"}, "its id"), ({"actor": "ann"}, "by ann, and bob")):
        edits = {f"audit/{path}": None, **dict.fromkeys([f"audit/2027-01/00000004-{change.get('id', document['id'])}.json"])}
        edits |= {f"audit/2027-01/00000004-{change.get('id', document['id'])}.json": encode({**document, **change})}
        forged = forger.act(Act("freeze", frozen()), more=edits)
        assert any(fault in f for f in forger.faults(forged)), forger.faults(forged)


def test_after_junk_the_rest_is_still_looked_at(forger: Forger) -> None:
    junk = forger.by_hand({HEAD: b"junk"})
    forger.tip = junk
    more = forger.by_hand({HEAD: None, "freezes": None})
    findings = verify_workspace(forger.repository, more, "w1").findings
    assert {finding.split()[0] for finding in findings} == {junk[:12], more[:12]}


def test_the_chain_of_another_workspace_is_a_finding(forger: Forger) -> None:
    findings = verify_workspace(forger.repository, forger.tip, "w2").findings
    assert [f.split(" ", 1)[1] for f in findings] == [f"{HEAD}: begun for workspace w1"]
    assert verify_workspace(forger.repository, forger.tip, "").findings == ()


def test_a_merge_is_a_finding(forger: Forger) -> None:
    tip = forger.repository.write(forger.tip, {}, "merge", BOB, others=(forger.tip,))
    assert "it has 2 parents" in forger.faults(tip)


def test_objects_that_are_missing_are_a_finding(forger: Forger) -> None:
    lost, _ = forger.world.server.clone()
    assert "the chain cannot be read whole" in verify_workspace(lost, forger.tip, "w1").findings[0]
