"""A ledger goes on in another chain: what is carried over, what stays behind, and that nobody is left holding the old one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from executors.ports import LeaseLost
from gitops.git.memory import copy
from gitops.ledger.audit import verify
from gitops.ledger.lock import State
from gitops.ledger.records import Converged
from gitops.ledger.repair import OfLedger, diagnose, perform
from gitops.ledger.view import View
from gitops.ports import GitError, Pushed, RefUpdate
from gitops.stops import Exit, Stop
from planners.model import Pin

from .conftest import REF

if TYPE_CHECKING:
    from .conftest import Site, World

NEXT = f"{REF}@2"


def findings(site: Site) -> tuple[str, ...]:
    return verify(site.repository, site.ledger.view().tip, "dev", "w1").findings


@pytest.fixture
def pinned(applied: World, site: Site) -> World:
    """The ledger of three resources, with a pin and a marker."""
    with site.acquire("r1") as held:
        held.set_pin(Pin("commit:c", "c" * 40, "rollback"))
        held.finish_run("r1", "succeeded", Converged("i", held.view().state_tree, {"id": "p1"}))
    return applied


def test_record_pin_and_marker_go_on_and_runs_plans_and_audit_stay(pinned: World, site: Site) -> None:
    before = site.ledger.view()
    after = site.ledger.rotate("grown")
    assert after.tip == pinned.server.refs[NEXT] == site.ledger.view().tip
    assert (after.recorded().resources, after.pin, after.converged) == (before.recorded().resources, before.pin, before.converged)
    assert after.converged is not None
    assert after.converged.state == after.state_tree
    assert (after.runs(), [e.action for e in after.entries()]) == ((), ["continue"])
    assert not site.repository.entries(after.tip, "plans")
    assert after.meta is not None
    assert (after.meta.generation, after.meta.workspace) == (2, "w1")
    sealed = View(site.repository, "dev", pinned.server.refs[REF])
    assert (sealed.lock.state, sealed.lock.reason, next(e.action for e in sealed.entries())) == (State.SEALED, "grown", "seal")
    assert len(sealed.runs()) == 1


def test_counters_and_the_audits_digests_go_on(applied: World, site: Site) -> None:
    before = site.ledger.view().lock
    after = site.ledger.rotate("grown").lock
    assert (after.seq, after.token, after.entries) == (before.seq + 2, before.token, before.entries + 2)
    with site.acquire("r2") as held:
        assert held.token == before.token + 1
    assert findings(site) == ()


def test_the_next_chain_has_no_commit_below_its_first(applied: World, site: Site) -> None:
    tip = site.ledger.rotate("grown").tip
    assert site.repository.commit(tip).parents == ()
    fresh = applied.site("eve")
    fresh.ledger.view()
    assert len(fresh.repository.history(tip)) == 1
    with pytest.raises(GitError):
        fresh.repository.commit(applied.server.refs[REF])


def test_it_can_be_rotated_again_and_again(applied: World, site: Site) -> None:
    for generation in (2, 3, 4):
        meta = site.ledger.rotate("grown").meta
        assert meta is not None
        assert meta.generation == generation
    assert set(applied.server.refs) == {REF, NEXT, f"{REF}@3", f"{REF}@4"}
    assert findings(site) == ()
    with applied.site("eve").acquire("r2") as held:
        assert len(held.view().recorded().resources) == 3
    assert findings(site) == ()


# --- who saw what ----------------------------------------------------------------------------------------


def test_clones_that_saw_any_earlier_tip_follow(applied: World, site: Site) -> None:
    bob, carl = applied.site("bob"), applied.site("carl")
    bob.ledger.view()
    site.ledger.hold("look", 60)
    carl.ledger.view()
    site.ledger.release_hold()
    site.ledger.rotate("grown")
    site.ledger.rotate("grown again")
    for each in (bob, carl):
        with each.acquire("r2") as held:
            assert len(held.view().recorded().resources) == 3
        assert findings(each) == ()


def test_a_process_that_has_not_looked_yet_takes_the_lock_where_the_ledger_goes_on(applied: World, site: Site) -> None:
    site.ledger.rotate("grown")
    fresh = applied.site("ann", clone=(site.repository, site.remote))
    with fresh.acquire("r2") as held:
        assert len(held.view().recorded().resources) == 3
    assert findings(fresh) == ()


def test_a_clone_that_cannot_see_the_seal_does_not_follow_before_it_is_shown(applied: World, site: Site) -> None:
    bob = applied.site("bob")
    bob.ledger.view()
    site.ledger.rotate("a password in an output")
    sealed = applied.server.refs.pop(REF)
    with pytest.raises(Stop, match="was rewritten at the remote"):
        bob.ledger.view()
    found = diagnose(OfLedger(bob.ledger.writer))
    assert (found.remedy, found.good) == (None, "")
    assert found.choices == (f"name a clone that has {sealed[:12]}, by which the chain before was sealed: --from",)
    copy(site.repository.objects, bob.repository.objects, sealed)
    assert bob.ledger.view().tip == applied.server.refs[NEXT]


def test_after_a_purge_the_rest_verifies_and_says_what_is_not_at_hand(applied: World, site: Site) -> None:
    site.ledger.rotate("a password in an output")
    sealed = applied.server.refs.pop(REF)
    fresh = applied.site("eve")
    with fresh.acquire("r2"):
        pass
    verified = verify(fresh.repository, fresh.ledger.view().tip, "dev", "w1")
    assert (verified.transitions, verified.findings) == (3, ())
    assert any(sealed[:12] in line for line in verified.not_guaranteed)
    whole = verify(site.repository, site.ledger.view().tip, "dev", "w1")
    assert whole.transitions == 9
    assert not any(sealed[:12] in line for line in whole.not_guaranteed)


def test_another_chain_beside_it_is_not_followed(applied: World, site: Site) -> None:
    bob = applied.site("bob")
    bob.ledger.view()
    other, _ = applied.server.clone()
    other.objects |= applied.server.objects
    forged = other.write(
        "", {"": other.commit(applied.tip).tree}, other.commit(applied.tip).message, other.commit(applied.tip).author
    )
    copy(other.objects, applied.server.objects, forged)
    applied.server.refs[NEXT] = forged
    with pytest.raises(Stop, match="was rewritten at the remote"):
        bob.ledger.view()
    with pytest.raises(Stop, match="changed by something else"):
        applied.site("eve").ledger.view()


def test_a_seal_from_which_nothing_goes_on_is_told(applied: World, site: Site) -> None:
    site.ledger.rotate("grown")
    del applied.server.refs[NEXT]
    eve = applied.site("eve")
    tip = eve.ledger.view().tip
    (told,) = verify(eve.repository, tip, "dev", "w1").noted
    assert told.startswith(f"{tip[:12]} seals the ledger, and nothing goes on from it here")


def test_a_chain_under_another_number_is_not_followed(applied: World, site: Site) -> None:
    tip = site.ledger.rotate("grown").tip
    applied.server.refs[f"{REF}@7"] = tip
    with pytest.raises(Stop, match="generation 2, where 7 belongs"):
        applied.site("eve").ledger.view()


# --- who is left behind ----------------------------------------------------------------------------------


def test_a_holder_that_sleeps_through_it_can_write_nothing(world: World, site: Site, intent: Any, done: Any, run: Any) -> None:
    block = site.acquire()
    held = block.__enter__()
    world.kept.append(block)
    held.begin_run(run())
    held.record([], [intent(held)])
    bob = world.site("bob")
    bob.ledger.break_lock("gone")
    with bob.acquire("r2") as other:
        other.record([done()], [])
        other.finish_run("r1", "cancelled", None)
    tip = bob.ledger.rotate("grown").tip
    with pytest.raises(LeaseLost):
        held.record([done()], [])
    assert world.server.refs[NEXT] == tip
    assert findings(bob) == ()


def test_whoever_thinks_that_there_is_no_ledger_yet_finds_the_one_there_is(applied: World, site: Site) -> None:
    late = applied.site("late")
    seen: list[Sequence[RefUpdate]] = []
    server = applied.server
    kept = dict(server.refs)
    server.refs.clear()

    def meanwhile(updates: Sequence[RefUpdate]) -> None:
        if not seen:
            seen.append(updates)
            server.refs |= kept
            site.ledger.rotate("a password in an output")
            del server.refs[REF]

    server.before = meanwhile
    with late.acquire("r9") as held:
        server.before = None
        assert len(held.view().recorded().resources) == 3
    assert seen
    assert server.refs[NEXT] == late.ledger.view().tip


@pytest.mark.parametrize("when", ["held", "waited", "open", "interrupted", "held by hand"])
def test_what_is_under_way_is_not_cut_off(world: World, site: Site, intent: Any, run: Any, when: str) -> None:
    held = site.acquire()
    lock = held.__enter__()
    world.kept.append(held)
    if when in ("open", "interrupted"):
        lock.begin_run(run())
        lock.record([], [intent(lock)] if when == "open" else [])
        world.site("bob").ledger.break_lock("gone")
    elif when == "waited":
        bob = world.site("bob")
        writer = bob.ledger.writer
        from dataclasses import replace

        from gitops.ledger.lock import Claim
        from gitops.ledger.transition import Draft

        view = bob.ledger.view()
        me = writer.actor.holder("7" * 32)
        draft = Draft("enqueue", replace(view.lock, queue=(Claim(me, "write", view.lock.seq + 1),)))
        writer.chain.send(view.tip, writer.commit(view.tip, view.lock, draft)[0])
        world.site("carl").ledger.break_lock("gone")
    elif when == "held by hand":
        world.site("bob").ledger.break_lock("gone")
        world.site("bob").ledger.hold("look", 60)
    before = world.tip
    with pytest.raises(Stop) as caught:
        world.site("eve").ledger.rotate("grown")
    assert caught.value.code is (Exit.FAILURE if when in ("open", "interrupted") else Exit.LOCKED)
    assert world.tip == before


def test_without_a_ledger_there_is_nothing_to_rotate(site: Site) -> None:
    with pytest.raises(Stop) as caught:
        site.ledger.rotate("grown")
    assert caught.value.code is Exit.NOT_FOUND


# --- killed on the way, and others at the same time ------------------------------------------------------


class Killed(BaseException):
    """The process is gone."""


def killed_at(world: World, push: int, lands: bool) -> None:
    """The process that sends the ``push``-th push from now dies, its request served or not."""
    count = 0

    def before(updates: Sequence[RefUpdate]) -> Pushed | None:
        nonlocal count
        count += 1
        if count == push and not lands:
            raise Killed
        return None

    def after(updates: Sequence[RefUpdate], outcome: Pushed) -> Pushed:
        if count == push:
            raise Killed
        return outcome

    world.server.before, world.server.after = before, after


@pytest.mark.parametrize("push", [1, 2])
@pytest.mark.parametrize("lands", [False, True])
def test_whoever_is_killed_on_the_way_anybody_goes_on(applied: World, site: Site, push: int, lands: bool) -> None:
    killed_at(applied, push, lands)
    with pytest.raises(Killed):
        site.ledger.rotate("grown")
    applied.server.before = applied.server.after = None
    bob = applied.site("bob")
    if (push, lands) in ((1, True), (2, False)):
        assert bob.ledger.view().lock.state is State.SEALED
        assert len(bob.ledger.view().recorded().resources) == 3
        for tried in (lambda: bob.acquire("r2").__enter__(), lambda: bob.ledger.hold("look", 60)):
            with pytest.raises(Stop, match="sealed and the next one not begun yet") as caught:
                tried()
            assert "provisioning ledger rotate -i dev" in caught.value.hint
        with pytest.raises(Stop, match="is not locked"):
            bob.ledger.break_lock("why not")
    bob.ledger.rotate("go on with it")
    newest = max(applied.server.refs)
    assert newest == (f"{REF}@3" if (push, lands) == (2, True) else NEXT)
    assert findings(bob) == findings(site) == ()


@pytest.mark.parametrize("push", [1, 2])
def test_of_two_at_the_same_time_one_does_it_and_both_go_on(applied: World, site: Site, push: int) -> None:
    bob = applied.site("bob")
    bob.ledger.view()
    count = 0

    def meanwhile(updates: Sequence[RefUpdate]) -> None:
        nonlocal count
        count += 1
        if count == push:
            applied.server.before = None
            bob.ledger.rotate("me too")

    applied.server.before = meanwhile
    site.ledger.rotate("grown")
    assert findings(site) == findings(bob) == ()
    assert site.ledger.view().tip == bob.ledger.view().tip


def test_lost_answers_are_resolved_by_reading(applied: World, site: Site) -> None:
    applied.server.after = lambda updates, outcome: Pushed.UNKNOWN
    site.ledger.rotate("grown")
    assert findings(site) == ()
    assert set(applied.server.refs) == {REF, NEXT}


def test_who_comes_first_with_the_lock_keeps_it(applied: World, site: Site) -> None:
    bob = applied.site("bob")
    bob.ledger.view()
    blocks: list[Any] = []

    def meanwhile(updates: Sequence[RefUpdate]) -> None:
        applied.server.before = None
        blocks.append(bob.acquire("r2"))
        blocks[0].__enter__()

    applied.server.before = meanwhile
    with pytest.raises(Stop, match="is locked or waited for by bob"):
        site.ledger.rotate("grown")
    blocks[0].__exit__(None, None, None)


# --- damage and forgery ----------------------------------------------------------------------------------


def test_the_next_chain_deleted_is_sent_again(applied: World, site: Site) -> None:
    tip = site.ledger.rotate("grown").tip
    del applied.server.refs[NEXT]
    with pytest.raises(Stop, match="was rewritten at the remote"):
        site.ledger.view()
    writer = site.ledger.writer
    found = diagnose(OfLedger(writer))
    assert (found.there, found.good) == ("", tip)
    assert found.remedy is not None
    assert perform(OfLedger(writer), found, found.remedy, "deleted") == tip == applied.server.refs[NEXT]


def test_junk_on_the_next_chain_is_given_up_there(applied: World, site: Site) -> None:
    tip = site.ledger.rotate("grown").tip
    junk = site.repository.write(tip, {"README.md": b"x"}, "x", site.repository.commit(tip).author)
    copy(site.repository.objects, applied.server.objects, junk)
    applied.server.refs[NEXT] = junk
    writer = applied.site("bob").ledger.writer
    found = diagnose(OfLedger(writer))
    assert found.remedy is not None
    perform(OfLedger(writer), found, found.remedy, "junk")
    assert findings(site) == ()
    assert applied.server.refs[REF] == site.repository.commit(tip).message.rsplit("Continues: ", 1)[1].strip()
