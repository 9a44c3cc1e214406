"""The workspace's own chain, damaged in every way, is explained and mended without force, and what was frozen stays so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gitops.git.memory import copy
from gitops.ledger.repair import Diagnosis, diagnose, perform
from gitops.ledger.workspace_check import faults_since, head_at, verify_workspace
from gitops.ledger.workspace_moves import HEAD, Act, Freeze
from gitops.ports import Person
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from .conftest import Quarters, World

REF = "refs/heads/provisioning/audit"
EVE = Person("eve", "eve@example.org", 1_700_000_000)
HOUR = 3600


@pytest.fixture
def bob(world: World, ann: Quarters) -> Quarters:
    """Who has frozen something after Ann did, which she has not seen."""
    ann.freeze("dev", "one", HOUR)
    made = world.quarters("bob")
    made.freeze("prod", "two", HOUR)
    return made


def put(world: World, quarters: Quarters, tip: str) -> str:
    """The branch is at ``tip``, by force."""
    copy(quarters.repository.objects, world.server.objects, tip)
    world.server.refs[REF] = tip
    return tip


def junk(world: World, quarters: Quarters, edits: dict[str, Any] | None = None) -> str:
    quarters.remote.fetch({REF: "refs/x"})
    edits = {"README.md": b"hello"} if edits is None else edits
    return put(world, quarters, quarters.repository.write(world.server.refs[REF], edits, "clean up", EVE))


def look(quarters: Quarters, *elsewhere: str, keep: str = "") -> Diagnosis:
    return diagnose(quarters.chain.subject(), elsewhere, keep)


def mend(quarters: Quarters, found: Diagnosis) -> str:
    assert found.remedy is not None
    return perform(quarters.chain.subject(), found, found.remedy, "somebody pushed junk")


def frozen(quarters: Quarters) -> list[str]:
    return sorted(freeze.infra for freeze in quarters.chain.view().freezes)


DAMAGE: dict[str, dict[str, Any]] = {
    "a file that is none of ours": {"README.md": b"hello"},
    "a freeze taken away by hand": {"freezes/dev.json": None},
    "a head that is none": {HEAD: b"<<<<<<<"},
    "no head": {HEAD: None},
    "everything removed": {"": None, "a": b"1"},
}


@pytest.mark.parametrize("case", DAMAGE)
def test_what_was_pushed_on_top_is_given_up_and_every_freeze_stays(world: World, ann: Quarters, bob: Quarters, case: str) -> None:
    good = world.server.refs[REF]
    top = junk(world, bob, DAMAGE[case])
    for each in (ann, bob, world.quarters("fresh")):
        with pytest.raises(Stop) as caught:
            each.chain.view()
        assert caught.value.hint == "'provisioning audit repair' says what happened and what can be done"
    found = look(ann)
    assert (found.what, found.good) == ("the audit of the workspace", good)
    assert f"{top[:12]} is damaged after {good[:12]}, the last good transition:" in found.told
    assert any("infra 'dev' is frozen by ann" in told and "infra 'prod' is frozen by bob" in told for told in found.told)
    tip = mend(ann, found)
    assert world.server.refs[REF] == tip
    assert ann.repository.contains(tip, top), "nothing is ever removed"
    for each in (ann, bob, world.quarters("later")):
        assert frozen(each) == ["dev", "prod"]
    newest = next(iter(ann.chain.view().entries()))
    assert (newest.action, newest.reason) == ("repair", "somebody pushed junk")
    assert newest.message == f"continues {good}; given up: {top}"
    bob.freeze("qa", "it goes on", HOUR)
    assert verify_workspace(bob.repository, bob.chain.view().tip, "w1").findings == ()
    assert look(bob).told[-1] == "nothing is wrong: every transition up to there is legal"


@pytest.mark.parametrize("how", ["deleted", "rewound"])
def test_what_was_taken_away_is_sent_again_by_who_saw_it(world: World, ann: Quarters, bob: Quarters, how: str) -> None:
    tip = world.server.refs[REF]
    if how == "deleted":
        del world.server.refs[REF]
    else:
        world.server.refs[REF] = bob.repository.commit(tip).parents[0]
    with pytest.raises(Stop, match="TAMPERED") as caught:
        bob.chain.view()
    assert "'provisioning audit repair' says what happened" in caught.value.hint
    found = look(bob)
    assert (
        found.remedy is not None and found.remedy.text == f"send {tip[:12]} to {REF} once more; it follows from all that is there"
    )
    assert mend(bob, found) == tip == world.server.refs[REF]
    assert frozen(world.quarters("fresh")) == ["dev", "prod"]


def test_of_two_lines_a_person_says_which_counts(world: World, ann: Quarters, bob: Quarters) -> None:
    """The branch was set back to where Ann left it, and somebody went on from there."""
    theirs = world.server.refs[REF]
    bob.chain.view()
    world.server.refs[REF] = ann.chain.last().tip
    ann.freeze("qa", "three", HOUR)
    ours = world.server.refs[REF]
    found = look(bob)
    assert found.remedy is None and len(found.choices) == 2
    assert f"go on from {ours[:12]}: provisioning audit repair --keep {ours[:12]} --reason TEXT" in found.choices
    assert any(told.startswith("the audit of the workspace goes on in two ways from ") for told in found.told)
    kept = look(bob, keep=theirs[:12])
    tip = mend(bob, kept)
    for each in (ann, bob):
        assert frozen(each) == ["dev", "prod"]
        assert each.repository.contains(tip, ours)
    with pytest.raises(Stop, match="is not among what could be kept"):
        look(bob, keep="f" * 12)


def test_moves_on_top_of_the_damage_are_given_up_only_when_a_person_says_so(world: World, ann: Quarters, bob: Quarters) -> None:
    """Whoever writes with an older version, or does not look, may build on it."""
    good, freeze = world.server.refs[REF], Freeze("qa", "bob", "bob@example.org", "three", 1_700_000_009, 1_700_000_099)
    top = junk(world, bob)
    later = bob.chain._commit(top, head_at(bob.repository, good), Act("freeze", freeze), "qa", 1_700_000_009)[0]
    put(world, bob, later)
    found = look(ann)
    assert (found.remedy, found.good) == (None, good)
    told = f"1 transition was written on top of the damage ({later[:12]}): a repair gives up what they recorded"
    assert told in found.told
    tip = mend(ann, look(ann, keep=good))
    assert frozen(bob) == ["dev", "prod"]
    assert bob.repository.contains(tip, later)


def test_a_chain_of_another_workspace_is_not_gone_on_with(world: World, ann: Quarters, bob: Quarters) -> None:
    found = look(world.quarters("eve", workspace="w2"))
    assert "nothing here is the audit of the workspace and bound to this workspace" in found.told
    assert found.remedy is None


def test_where_there_is_none_there_is_nothing_to_mend(world: World) -> None:
    with pytest.raises(Stop) as caught:
        look(world.quarters("ann"))
    assert caught.value.code is Exit.NOT_FOUND


def test_a_newer_version_has_to_mend_what_it_wrote(world: World, ann: Quarters, bob: Quarters) -> None:
    junk(world, bob, {HEAD: b'{"format":2,"what":"else"}\n'})
    found = look(ann)
    assert found.remedy is None
    assert "some of it was written by a newer version of this program: look again with that one" in found.told


# --- a repair is no way around the rules -----------------------------------------------------------------


def forged(quarters: Quarters, on: tuple[str, ...], good: str) -> list[str]:
    """What is said of a repair that somebody writes with our own tools."""
    act = Act("repair", None, "to hide what I did", good, "nothing much")
    commit = quarters.chain._commit(on[0], head_at(quarters.repository, good), act, "", 1_700_000_009, on[1:])[0]
    return [what for _, what in faults_since(quarters.repository, commit, good, 0)]


def test_it_takes_back_no_move_of_this_program(world: World, bob: Quarters) -> None:
    tip = bob.chain.view().tip
    before = bob.repository.commit(tip).parents[0]
    assert forged(bob, (tip,), before) == [f"it takes back {tip[:12]}, a legal transition"]
    assert forged(bob, (tip,), tip) == ["there was nothing to repair"]


def test_it_continues_what_is_below_it(world: World, bob: Quarters) -> None:
    tip = bob.chain.view().tip
    stray = bob.repository.write("", {"a": b"1"}, "m", EVE)
    assert forged(bob, (stray,), tip) == ["a repair continues a transition below it"]


def test_nothing_else_says_what_it_continues(world: World, bob: Quarters) -> None:
    tip = bob.chain.view().tip
    act = Act("freeze", bob.chain.view().freezes[0], continues=tip)
    commit = bob.chain._commit(tip, bob.chain.view().head, act, "dev", 1_700_000_009)[0]
    assert f"it says that it continues {tip[:12]}, as only a repair does" in [
        what for _, what in faults_since(bob.repository, commit, tip, 0)
    ]
