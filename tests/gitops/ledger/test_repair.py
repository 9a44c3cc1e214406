"""What is told of each kind of damage, the one thing that is done about it, and that every clone goes on from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from executors.ports import LeaseLost
from gitops.git.memory import copy
from gitops.ledger.audit import verify
from gitops.ledger.check import reckoned
from gitops.ledger.lock import FORMAT, State, freed
from gitops.ledger.records import Entry
from gitops.ledger.repair import Diagnosis, OfLedger, chained, diagnose, perform
from gitops.ledger.shape import to_document
from gitops.ledger.signing import Signing
from gitops.ledger.transition import Draft
from gitops.ledger.view import View
from gitops.ports import Person, Pushed, RefUpdate
from gitops.schema.workspace import Identity
from gitops.signers import Signers
from gitops.stops import Exit, Stop
from planners.canonical import encode

from .conftest import REF

if TYPE_CHECKING:
    from .conftest import Site, World

BOB = Person("bob", "bob@example.org", 1_700_000_000)


def look(site: Site, *elsewhere: str, keep: str = "") -> Diagnosis:
    return diagnose(OfLedger(site.ledger.writer), elsewhere, keep)


def mend(site: Site, found: Diagnosis, reason: str = "somebody pushed junk") -> str:
    assert found.remedy is not None
    return perform(OfLedger(site.ledger.writer), found, found.remedy, reason)


def junk(world: World, *contents: dict[str, Any], parent: str | None = None) -> str:
    """Commits by somebody with push rights and an editor, at the remote whatever was there."""
    other, _ = world.server.clone()
    other.objects |= world.server.objects
    tip = world.tip if parent is None else parent
    for edits in contents or ({"README.md": b"hello"},):
        tip = other.write(tip, edits, "clean up", BOB)
    put(world, other.objects, tip)
    return tip


def put(world: World, objects: Any, tip: str) -> None:
    """The ref is at ``tip``, by force."""
    copy(objects, world.server.objects, tip)
    world.server.refs[REF] = tip


def sound(world: World, site: Site) -> tuple[str, ...]:
    """The findings of a whole verification by another clone."""
    fresh = world.site("eve")
    tip = fresh.ledger.view().tip
    assert tip == site.ledger.view().tip == world.tip
    return verify(fresh.repository, tip, "dev", "w1").findings


# --- nothing wrong, nothing there ------------------------------------------------------------------------


def test_a_sound_ledger_needs_nothing(applied: World, site: Site) -> None:
    found = look(site)
    assert (found.remedy, found.choices, found.good) == (None, (), applied.tip)
    assert found.told[-1] == "nothing is wrong: every transition up to there is legal"


def test_where_there_never_was_a_ledger_there_is_nothing_to_repair(site: Site) -> None:
    with pytest.raises(Stop) as caught:
        look(site)
    assert caught.value.code is Exit.NOT_FOUND


def test_an_unreachable_remote_is_said_as_ever(applied: World, site: Site) -> None:
    applied.server.reachable = False
    with pytest.raises(Stop) as caught:
        look(site)
    assert "cannot be reached" in caught.value.message


# --- junk on top -----------------------------------------------------------------------------------------

JUNK: dict[str, tuple[dict[str, Any], ...]] = {
    "a file": ({"README.md": b"hello"},),
    "a resource that cannot be read": ({"state/server/web-01.json": b"{"},),
    "a lock that is no lock": ({"lock.json": b"junk"},),
    "everything removed": ({"lock.json": None, "meta.json": None, "state": None, "audit": None, "runs": None, "plans": None},),
    "several commits": ({"a": b"1"}, {"lock.json": None}, {"b": b"2"}),
    "an intent gone": ({"meta.json": b"{}\n"},),
}


@pytest.mark.parametrize("case", JUNK)
def test_junk_is_named_and_given_up_by_a_transition_that_continues_the_last_good_one(
    applied: World, site: Site, case: str
) -> None:
    good, before = applied.tip, site.ledger.view()
    tip = junk(applied, *JUNK[case])
    with pytest.raises(Stop, match=r"changed by something else|is damaged at"):
        site.ledger.view()
    found = look(site)
    assert (found.there, found.good, found.choices) == (tip, good, ())
    assert f"{tip[:12]} is damaged after {good[:12]}, the last good transition:" in found.told
    assert any(line.startswith("  ") and " by bob: " in line for line in found.told)
    assert f"at {good[:12]} (release, token 1) 3 resources are recorded" in found.told
    new = mend(site, found)
    view = site.ledger.view()
    assert view.tip == new == applied.tip
    assert applied.server.objects[new][1].decode().count(f"parent {tip}") == 1
    assert (view.recorded().resources, view.lock.token) == (before.recorded().resources, before.lock.token + 1)
    assert sound(applied, site) == ()
    entry = next(iter(view.entries()))
    assert (entry.action, entry.reason, tip in entry.message, good in entry.message) == (
        "repair", "somebody pushed junk", True, True,
    )  # fmt: skip
    with site.acquire("r2") as held:
        assert held.token == view.lock.token + 1
    assert sound(applied, site) == ()


def test_a_merge_of_something_else_is_junk_too(applied: World, site: Site) -> None:
    good = applied.tip
    other, _ = applied.server.clone()
    other.objects |= applied.server.objects
    foreign = other.write(other.write("", {"a": b"1"}, "main", BOB), {"a": b"2"}, "main", BOB)
    put(applied, other.objects, other.write(foreign, {}, "Merge branch 'ledger'", BOB, others=(good,)))
    found = look(site)
    assert (found.good, found.choices) == (good, ())
    mend(site, found)
    assert sound(applied, site) == ()


def test_open_intents_are_unknown_afterwards_and_their_holder_is_fenced_out(
    world: World, site: Site, intent: Any, done: Any, run: Any
) -> None:
    block = site.acquire()
    held = block.__enter__()
    world.kept.append(block)
    held.begin_run(run())
    held.record([], [intent(held)])
    good = world.tip
    junk(world)
    bob = world.site("bob")
    found = look(bob, good)
    assert any("steps with unknown outcome: server/web-01" in line for line in found.told)
    assert any("the lock is with ann on host-1 (run r1), who can write nothing more" in line for line in found.told)
    mend(bob, found)
    lock = bob.ledger.view().lock
    assert (lock.state, lock.recover, lock.token) == (State.FREE, True, held.token + 1)
    with pytest.raises(LeaseLost):
        held.record([done()], [])
    with bob.acquire("r2") as again:
        assert [i.op for i in again.view().open_intents] == ["op1"]
        assert again.view().interrupted_runs()[0].id == "r1"
        again.record([done()], [])
    assert sound(world, bob) == ()


def test_what_was_built_on_the_damage_is_for_a_person_to_give_up(applied: World, site: Site) -> None:
    good = applied.tip
    tip = junk(applied)
    # a clone that looks at the newest ten only and knows nothing else is led on by ten moves
    other = applied.site("eve")
    other.remote.fetch({REF: REF})
    lock = View(other.repository, "dev", tip).lock
    new, _ = other.ledger.writer.commit(tip, lock, Draft("move-remote", lock))
    put(applied, other.repository.objects, new)
    found = look(site)
    assert (found.remedy, found.good) == (None, good)
    assert f"1 transition was written on top of the damage ({new[:12]})" in found.told[-1]
    assert found.choices == (f"go on from {good[:12]}: provisioning state repair -i dev --keep {good[:12]} --reason TEXT",)
    with pytest.raises(Stop, match="not among what could be kept"):
        look(site, keep=tip)
    mend(site, look(site, keep=good))
    assert sound(applied, site) == ()


def test_what_a_newer_version_wrote_is_not_given_up_by_an_older_one(applied: World, site: Site) -> None:
    good = applied.tip
    raw = View(site.repository, "dev", good).lock
    newer = encode({**to_document(raw), "format": FORMAT + 1, "seq": raw.seq + 1})
    junk(applied, {"lock.json": newer}, {"README.md": b"x", "lock.json": None})
    found = look(site)
    assert (found.remedy, found.good) == (None, good)
    assert "written by a newer version" in found.told[-1]


def test_where_nothing_was_ever_a_ledger_only_a_person_can_begin_anew(world: World, site: Site) -> None:
    other, _ = world.server.clone()
    put(world, other.objects, other.write("", {"README.md": b"hello"}, "hello", BOB))
    found = look(site)
    assert (found.remedy, found.good) == (None, "")
    assert "nothing here is the ledger of 'dev' and bound to this workspace" in found.told
    assert "--from" in found.choices[0]


def test_the_ledger_of_another_workspace_is_not_gone_on_with(applied: World) -> None:
    stranger = applied.site("eve", workspace="w2")
    assert "nothing here is the ledger of 'dev' and bound to this workspace" in look(stranger).told


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIann"
PROD = Signers((Identity("ann", ("ann@example.org",), (), (KEY,)),), True, "an environment of class prod asks for a signature")


def signing_site(world: World) -> Site:
    clone = world.server.clone("identity-0")
    return world.site("ann", clone=clone, signing=Signing(clone[0], "dev", lambda fresh: PROD))


def test_where_signatures_are_due_a_move_without_one_is_junk(world: World) -> None:
    ann = signing_site(world)
    with ann.acquire():
        pass
    good = world.tip
    world.site("eve").ledger.hold("nobody may work", 3600)
    with pytest.raises(Stop, match="changed by somebody unknown"):
        ann.ledger.view()
    found = look(ann)
    assert (found.good, found.choices) == (good, ())
    assert any("is not signed" in line for line in found.told)
    new = mend(ann, found)
    assert ann.repository.commit(new).signed
    other = signing_site(world)
    assert other.ledger.view().lock.state is State.FREE
    assert verify(other.repository, new, "dev", "w1").findings == ()


# --- rewound, deleted, replaced --------------------------------------------------------------------------


@pytest.mark.parametrize("back", [1, 2, 0])
def test_a_rewound_or_deleted_ref_is_sent_again_as_it_was_seen(applied: World, site: Site, back: int) -> None:
    seen = applied.tip
    if back:
        applied.server.refs[REF] = site.repository.history(seen)[back].oid
    else:
        del applied.server.refs[REF]
    with pytest.raises(Stop, match="was rewritten at the remote"):
        site.ledger.view()
    found = look(site)
    assert (found.good, found.choices) == (seen, ())
    assert found.remedy is not None
    assert found.remedy.on == ()
    assert mend(site, found) == seen == applied.tip
    assert sound(applied, site) == ()


def test_a_clone_that_saw_less_takes_it_from_one_that_saw_more(applied: World, site: Site) -> None:
    bob = applied.site("bob")
    old = bob.ledger.view().tip
    site.ledger.hold("look", 60)
    newer = applied.tip
    del applied.server.refs[REF]
    assert look(bob).good == old
    copy(site.repository.objects, bob.repository.objects, newer)
    found = look(bob, newer)
    assert found.good == newer
    assert mend(bob, found) == newer == bob.ledger.view().tip


def test_a_ref_replaced_by_something_that_is_no_ledger_is_tied_back_without_force(applied: World, site: Site) -> None:
    seen = applied.tip
    tip = junk(applied, {"index.html": b"x"}, {"index.html": b"y"}, parent="")
    found = look(site)
    assert (found.there, found.good, found.choices) == (tip, seen, ())
    new = mend(site, found)
    assert site.repository.commit(new).parents == (tip, seen)
    assert sound(applied, site) == ()


def test_rewound_and_then_spoilt_is_tied_back_too(applied: World, site: Site) -> None:
    seen = applied.tip
    tip = junk(applied, parent=site.repository.history(seen)[2].oid)
    found = look(site)
    assert (found.there, found.good, found.choices) == (tip, seen, ())
    mend(site, found)
    assert sound(applied, site) == ()


def forked(applied: World, site: Site) -> tuple[str, str]:
    """Rewound by one, and gone on with by somebody who did not know."""
    seen = applied.tip
    applied.server.refs[REF] = site.repository.history(seen)[1].oid
    applied.server.refs[REF] = site.repository.history(seen)[-1].oid
    eve = applied.site("eve")
    for run in ("r8", "r9"):
        with eve.acquire(run):
            pass
    return applied.tip, seen


@pytest.mark.parametrize("which", [0, 1])
def test_of_two_good_lines_a_person_says_which_counts(applied: World, site: Site, which: int) -> None:
    sides = forked(applied, site)
    found = look(site)
    assert (found.remedy, found.good) == (None, "")
    assert "goes on in two ways from" in found.told[-1]
    assert f"4 up to {sides[1][:12]} by ann" in found.told[-1]
    assert f"4 up to {sides[0][:12]} by eve" in found.told[-1]
    assert {choice.split()[3].rstrip(":") for choice in found.choices} == {side[:12] for side in sides}
    keep = sides[which]
    kept = site.repository.entries(keep)["state"].oid if which else None
    new = mend(site, look(site, keep=keep))
    view = site.ledger.view()
    assert set(site.repository.commit(new).parents) == set(sides)
    assert view.state_tree == (kept or "")
    assert view.lock.token == 3
    assert sound(applied, site) == ()
    eve = applied.site("eve")
    with eve.acquire("r10"):
        pass
    assert sound(applied, site) == ()


def test_of_two_good_lines_only_what_is_not_kept_is_given_up(applied: World, site: Site) -> None:
    kept, _ = forked(applied, site)
    new = mend(site, look(site, keep=kept))
    before = {c.oid for c in site.repository.history(kept)}
    (entry,) = [e for e in site.ledger.view().entries() if e.action == "repair"]
    others = {c.oid for p in site.repository.commit(new).parents for c in site.repository.history(p)} - before
    assert {oid for oid in before | others if oid in entry.message.partition("given up")[2]} == others
    (told,) = verify(site.repository, new, "dev", "w1").noted
    assert told.endswith(f"gives up {len(others)} commits")


def test_a_branch_that_claims_to_be_the_next_chain_is_taken_away_by_hand(applied: World, site: Site) -> None:
    """A repair there would go on beside a chain that was never sealed, whose holder nothing would stop."""
    false = f"{REF}@2"
    tip = applied.tip
    other, _ = applied.server.clone()
    junk_tip = other.write("", {"README.md": b"hello"}, "clean up", BOB)
    copy(other.objects, applied.server.objects, junk_tip)
    applied.server.refs[false] = junk_tip
    for each in (site, applied.site("eve")):
        with pytest.raises(Stop, match=r"TAMPERED|is damaged at"):
            each.ledger.view()
    found = look(site)
    assert (found.remedy, found.good) == (None, tip)
    assert found.choices == (
        f"take the branch provisioning/ledger/dev@2 away: git push --force-with-lease={false}:{junk_tip} origin :{false}",
    )
    del applied.server.refs[false]
    assert look(site).told[-1].startswith("nothing is wrong")
    assert sound(applied, site) == ()


# --- objects ---------------------------------------------------------------------------------------------


def test_objects_that_this_clone_has_lost_are_fetched_again(applied: World, site: Site) -> None:
    lost = [oid for oid, (kind, _) in site.repository.objects.items() if kind == "blob"]
    for oid in lost:
        del site.repository.objects[oid]
    found = look(site)
    assert found.told[-1].startswith("nothing is wrong")
    assert set(lost) <= site.repository.objects.keys()


def test_objects_that_the_remote_has_lost_are_told_with_who_has_them(applied: World, site: Site) -> None:
    del applied.server.objects[site.repository.commit(applied.tip).tree]
    found = look(site)
    assert found.remedy is None
    assert "does not hand over what is at its own branch" in found.told[-1]
    assert f"this clone has {applied.tip[:12]}" in found.choices[1]


def test_a_gone_remote_ref_and_a_clone_without_its_objects_cannot_be_mended_from_here(applied: World, site: Site) -> None:
    del site.repository.objects[site.repository.commit(applied.tip).tree]
    del applied.server.refs[REF]
    found = look(site)
    assert (found.remedy, found.choices) == (None, ("look again from another clone, or name one: --from",))


# --- doing it --------------------------------------------------------------------------------------------


def test_a_remote_that_moved_since_the_look_is_looked_at_again(applied: World, site: Site) -> None:
    junk(applied)
    found = look(site)
    more = junk(applied)
    with pytest.raises(Stop, match="moved to") as caught:
        mend(site, found)
    assert applied.tip == more
    assert caught.value.hint == "look again"


def test_a_lost_answer_is_resolved_by_reading_and_a_lost_request_sent_again(applied: World, site: Site) -> None:
    junk(applied)
    found, sent = look(site), list[str]()

    def lose(updates: Sequence[RefUpdate]) -> Pushed | None:
        sent.append(updates[0].new)
        return Pushed.UNKNOWN if len(sent) == 1 else None

    applied.server.before = lose
    applied.server.after = lambda updates, outcome: Pushed.UNKNOWN
    new = mend(site, found)
    applied.server.before = applied.server.after = None
    assert sent == [new, new]
    assert sound(applied, site) == ()


def test_of_two_who_repair_one_does(applied: World, site: Site) -> None:
    bob = applied.site("bob")
    bob.ledger.view()
    junk(applied)
    mine, theirs = look(site), look(bob)
    mend(bob, theirs)
    with pytest.raises(Stop, match="moved to"):
        mend(site, mine)
    assert look(site).told[-1].startswith("nothing is wrong")


def test_a_remote_that_takes_nothing_is_said_to(applied: World, site: Site) -> None:
    junk(applied)
    found = look(site)
    applied.server.before = lambda updates: Pushed.UNKNOWN
    with pytest.raises(Stop, match="does not take"):
        mend(site, found)


# --- what a repair may not be ----------------------------------------------------------------------------


def forge(site: Site, on: tuple[str, ...], continues: str, entry: bool = True) -> list[str]:
    """A repair by somebody who can compute as well as we do."""
    repository = site.repository
    before = reckoned(repository, View(repository, "dev", continues).lock, on)
    said = (Entry(action="repair", reason="to hide what I did"),) if entry else ()
    draft = Draft(
        "repair", freed(before, False), {"": repository.commit(continues).tree}, said, continues=continues, others=on[1:]
    )
    new, _ = site.ledger.writer.commit(on[0], before, draft)
    return [fault for _, fault in chained(OfLedger(site.ledger.writer), new).after]


def test_a_repair_takes_back_no_legal_transition(applied: World, site: Site) -> None:
    tip, before = (c.oid for c in site.repository.history(applied.tip)[:2])
    assert forge(site, (tip,), before) == [f"it takes back {tip[:12]}, a legal transition"]
    assert forge(site, (tip,), tip) == ["there was nothing to repair"]


def test_a_repair_is_told_in_the_audit(applied: World, site: Site) -> None:
    good = applied.tip
    tip = junk(applied)
    site.remote.fetch({REF: "refs/provisioning/x"})
    assert forge(site, (tip,), good, entry=False) == ["lock.json: a repair without an audit entry that says so"]
    assert forge(site, (tip,), good) == []


def test_a_repair_continues_what_is_below_it(applied: World, site: Site) -> None:
    good = applied.tip
    stray = site.repository.write("", {"a": b"1"}, "m", BOB)
    assert forge(site, (stray,), good) == ["a repair continues a transition below it"]


def test_only_a_repair_says_what_it_continues(applied: World, site: Site) -> None:
    good, lock = applied.tip, site.ledger.view().lock
    new, _ = site.ledger.writer.commit(good, lock, Draft("move-remote", lock, continues=good))
    assert [fault for _, fault in chained(OfLedger(site.ledger.writer), new).after] == [
        f"it says that it continues {good[:12]}, as only a repair does"
    ]
