"""While the lock is ours: what is written, when, and what is never written once it may not be ours any more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from executors.ports import Broken, LeaseLost
from gitops.ledger.audit import verify
from gitops.ledger.held import Held
from gitops.ledger.ledger import LOOK
from gitops.ledger.lock import State
from gitops.ledger.records import OUTPUT_BYTES, Converged
from gitops.ledger.search import Wanted, log
from gitops.ledger.transition import Draft, Stamp, compose
from gitops.ports import Pushed
from gitops.stops import Exit, Stop
from planners.model import Pin, RecordedResource, Status

if TYPE_CHECKING:
    from .conftest import Site, World


def sound(world: World, site: Site) -> None:
    """The chain so far verifies."""
    site.ledger.view()
    assert verify(site.repository, world.tip, "dev", "w1").findings == ()


# --- the journal -------------------------------------------------------------------------------------------


def test_intents_are_open_until_their_result(world: World, site: Site, intent: Any, done: Any) -> None:
    with site.acquire() as held:
        first, second = intent(held, "op1", "server/a"), intent(held, "op2", "server/b")
        held.record([], [first, second])
        assert world.site("bob").ledger.view().open_intents == (first, second)
        held.record([done("op1", "server/a")], [])
        view = world.site("bob").ledger.view()
        assert (view.open_intents, list(view.recorded().resources)) == ((second,), ["server/a"])
        held.record([done("op2", "server/b", status="failed", recorded=None)], [])
    view = site.ledger.view()
    assert (view.open_intents, list(view.recorded().resources)) == ((), ["server/a"])
    sound(world, site)


def test_what_is_begun_while_another_run_is_settled_belongs_to_that_run(
    world: World, site: Site, intent: Any, done: Any, run: Any
) -> None:
    with site.acquire("r1") as held:
        held.begin_run(run())
        held.view()
    with world.site("bob").acquire("") as held:
        held.run = "r1"
        held.record([], [intent(held, "op1")])
        assert site.ledger.view().intent_runs == {"op1": "r1"}
        held.record([done("op1")], [])
    assert site.ledger.view().finished_ops("r1") == {"op1"}
    sound(world, site)


def test_one_commit_carries_results_and_the_next_intents(world: World, site: Site, intent: Any, done: Any) -> None:
    with site.acquire() as held:
        held.record([], [intent(held, "op1", "server/a")])
        before = len(world.pushes)
        held.record([done("op1", "server/a")], [intent(held, "op2", "server/b")])
        assert len(world.pushes) == before + 1
        held.record([done("op2", "server/b")], [])
    sound(world, site)


def test_an_update_a_taint_a_deletion_and_a_rename(world: World, site: Site, intent: Any, done: Any) -> None:
    def step(op: str, address: str, action: str, **more: Any) -> None:
        held.record([], [intent(held, op, address, action)])
        held.record([done(op, address, action, **more)], [])

    tainted = RecordedResource("server/b", "fake", {}, status=Status.TAINTED)
    with site.acquire() as held:
        step("op1", "server/a", "create")
        step("op2", "server/b", "create", status="failed", recorded=tainted)
        step("op3", "server/c", "move", renamed_from="server/a")
        assert list(held.view().recorded().resources) == ["server/b", "server/c"]
        assert held.view().recorded().resources["server/b"].status is Status.TAINTED
        step("op4", "server/b", "delete", recorded=None, gone=True)
        assert list(held.view().recorded().resources) == ["server/c"]
    assert [e.op for e in log(site.ledger.view().entries(), Wanted(address="server/a"))] == ["op3", "op1"]
    sound(world, site)


def test_a_skipped_step_leaves_an_entry_and_closes_its_intent_if_it_has_one(
    world: World, site: Site, intent: Any, done: Any
) -> None:
    with site.acquire() as held:
        held.record([], [intent(held, "op1", "server/a")])
        skipped = [
            done(op, address, status="skipped", recorded=None) for op, address in (("op1", "server/a"), ("op2", "server/b"))
        ]
        held.record(skipped, [])
        assert held.view().open_intents == ()
    assert [(e.op, e.status) for e in log(site.ledger.view().entries())][:2] == [("op2", "skipped"), ("op1", "skipped")]
    sound(world, site)


def test_of_long_output_the_end_is_kept(site: Site, intent: Any, done: Any) -> None:
    with site.acquire() as held:
        held.record([], [intent(held)])
        held.record([done(output="x" * OUTPUT_BYTES + "end")], [])
    (entry,) = log(site.ledger.view().entries(), Wanted(address="server/web-01"))
    assert (len(entry.output), entry.output[-4:]) == (OUTPUT_BYTES, "xend")


def test_an_intent_under_another_token_is_a_mistake_of_ours(world: World, site: Site, intent: Any) -> None:
    with site.acquire() as held:
        before = world.tip
        with pytest.raises(Broken, match="carries token 9, the lock 1"):
            held.record([], [replace(intent(held), token=9)])
        assert world.tip == before


def test_a_result_without_an_intent_is_a_mistake_of_ours(world: World, site: Site, done: Any) -> None:
    with site.acquire() as held:
        before = world.tip
        with pytest.raises(Broken, match="the result for server/web-01 comes without an open intent"):
            held.record([done()], [])
        assert world.tip == before


# --- runs, pin, record -------------------------------------------------------------------------------------


def test_an_apply_of_a_hundred_steps_takes_five_pushes(world: World, site: Site, intent: Any, done: Any, run: Any) -> None:
    """Acquire (with the begin of the ledger), two windows of 50 and their results, release: N / window + 3."""
    ops = [f"op{n:03}" for n in range(100)]
    with site.acquire() as held:
        held.begin_run(run())
        held.record([], [intent(held, op, f"server/{op}") for op in ops[:50]])
        held.record([done(op, f"server/{op}") for op in ops[:50]], [intent(held, op, f"server/{op}") for op in ops[50:]])
        held.record([done(op, f"server/{op}") for op in ops[50:]], [])
        held.finish_run("r1", "succeeded", Converged("i", held.view().state_tree, {"steps": []}))
    assert len(world.pushes) == 5
    sound(world, site)


def test_a_run_is_written_with_its_first_intents_and_closed_with_the_release(
    world: World, site: Site, intent: Any, done: Any, run: Any
) -> None:
    with site.acquire() as held:
        held.begin_run(run())
        assert site.ledger.view().runs() == ()
        held.record([], [intent(held)])
        assert [r.status for r in site.ledger.view().runs()] == ["running"]
        held.record([done()], [])
        world.clock.advance(5)
        held.finish_run("r1", "succeeded", None)
        assert [r.status for r in site.ledger.view().runs()] == ["running"]
    (ended,) = site.ledger.view().runs()
    assert (ended.status, ended.started, ended.finished, ended.first, ended.last) == (
        "succeeded",
        1_700_000_000,
        1_700_000_005,
        2,
        4,
    )
    assert site.repository.commit(world.tip).message.startswith("dev: release")


def test_a_view_shows_all_that_was_done_so_far(world: World, site: Site, run: Any) -> None:
    with site.acquire() as held:
        held.begin_run(run())
        assert [r.id for r in held.view().runs()] == ["r1"]
        held.finish_run("r1", "failed", None)
        assert [r.status for r in held.view().runs()] == ["failed"]
        before = len(world.pushes)
        held.view()
        assert len(world.pushes) == before
    sound(world, site)


def test_a_run_without_a_step_is_recorded_in_one_commit(world: World, site: Site, run: Any) -> None:
    with site.acquire() as held:
        held.begin_run(run())
        held.finish_run("r1", "succeeded", Converged("i", "s", {"steps": []}))
    assert len(world.pushes) == 2
    view = site.ledger.view()
    assert (view.runs()[0].status, view.converged) == ("succeeded", Converged("i", "s", {"steps": []}))
    sound(world, site)


def test_a_plan_is_kept_once(site: Site, world: World, run: Any) -> None:
    for number in (1, 2):
        with site.acquire(f"r{number}") as held:
            held.begin_run(run(f"r{number}", document={"id": "p1", "steps": [], "notices": [str(number)]}))
            held.finish_run(f"r{number}", "succeeded", None)
    view = site.ledger.view()
    assert [view.run(r).document["notices"] for r in ("r1", "r2")] == [["1"], ["1"]]  # type: ignore[union-attr]
    sound(world, site)


def test_the_marker_of_a_clean_run_stays_until_the_next_clean_one(site: Site, run: Any) -> None:
    first, third = Converged("i", "s", {}), Converged("j", "t", {}, "o", 5, 1)
    for number, (marker, kept) in enumerate(((first, first), (None, first), (third, third))):
        with site.acquire(f"r{number}") as held:
            held.begin_run(run(f"r{number}"))
            held.finish_run(f"r{number}", "succeeded" if marker else "failed", marker)
        assert site.ledger.view().converged == kept


def test_a_pin_is_set_and_released(site: Site, world: World) -> None:
    for pin in (Pin("commit:c1", "c1", "rollback"), None):
        with site.acquire() as held:
            held.set_pin(pin)
        assert site.ledger.view().pin == pin
    assert [(e.action, e.status, e.message) for e in log(site.ledger.view().entries())][:2] == [
        ("pin", "released", ""), ("pin", "set", "commit:c1"),
    ]  # fmt: skip
    sound(world, site)


def test_a_run_nobody_began_cannot_be_finished(site: Site) -> None:
    with site.acquire() as held, pytest.raises(Broken, match="run r9 was never begun"):
        held.finish_run("r9", "failed", None)


def test_acts_on_the_record_are_one_audited_transition_each(world: World, site: Site) -> None:
    resource = RecordedResource("server/a", "fake", {}, {"id": "i-1"})
    with site.acquire(plan="") as held:
        held.amend("import", "server/a", resource, "was there before")
        assert held.view().recorded().resources == {"server/a": resource}
        held.amend("move", "server/a", replace(resource, address="server/b"), "renamed", renamed_to="server/b")
        assert list(held.view().recorded().resources) == ["server/b"]
        held.amend("forget", "server/b", None, "somebody else's now")
        assert held.view().recorded().resources == {}
    assert len(world.pushes) == 5
    told = [(e.action, e.address, e.message, e.reason) for e in log(site.ledger.view().entries())][:4]
    assert told == [
        ("forget", "server/b", "", "somebody else's now"),
        ("move", "server/b", "from server/a", "renamed"),
        ("move", "server/a", "to server/b", "renamed"),
        ("import", "server/a", "", "was there before"),
    ]
    sound(world, site)


# --- leaving -----------------------------------------------------------------------------------------------


def test_after_the_block_the_lock_is_free(world: World, site: Site) -> None:
    with site.acquire():
        assert site.ledger.view().lock.state is State.HELD
    lock = site.ledger.view().lock
    assert (lock.state, lock.holder, lock.run, lock.token, lock.recover) == (State.FREE, None, "", 1, False)


def test_an_error_inside_frees_the_lock_and_leaves_the_run_to_be_resumed(
    world: World, site: Site, intent: Any, done: Any, run: Any
) -> None:
    with pytest.raises(ZeroDivisionError), site.acquire() as held:
        held.begin_run(run())
        held.record([], [intent(held)])
        held.record([done()], [])
        raise ZeroDivisionError
    view = site.ledger.view()
    assert (view.lock.state, [r.id for r in view.interrupted_runs()]) == (State.FREE, ["r1"])
    sound(world, site)


def test_an_error_before_anything_was_done_leaves_no_trace_of_the_run(site: Site, run: Any) -> None:
    with pytest.raises(ZeroDivisionError), site.acquire() as held:
        held.begin_run(run())
        held.set_pin(Pin("commit:c", "c"))
        raise ZeroDivisionError
    view = site.ledger.view()
    assert (view.lock.state, view.runs(), view.pin) == (State.FREE, (), None)


def test_an_ordinary_end_with_open_intents_tells_the_next_holder(world: World, site: Site, intent: Any, done: Any) -> None:
    with site.acquire() as held:
        held.record([], [intent(held)])
    lock = site.ledger.view().lock
    assert (lock.state, lock.recover) == (State.FREE, True)
    with site.acquire("r2") as held:
        assert held.view().lock.recover
        held.record([done()], [])
        assert not held.view().lock.recover
    (entry,) = log(site.ledger.view().entries(), Wanted(address="server/web-01"))
    assert (entry.run, entry.token) == ("r1", 2)
    sound(world, site)


def test_an_error_with_open_intents_keeps_the_lock_until_the_lease_has_run_out(world: World, site: Site, intent: Any) -> None:
    """Calls of ours may still be under way: nobody may start to ask what became of them before they can be over."""
    with pytest.raises(ZeroDivisionError), site.acquire() as held:
        held.record([], [intent(held)])
        raise ZeroDivisionError
    assert site.ledger.view().lock.state is State.HELD
    sound(world, site)


def test_a_run_taken_up_again_is_running_again(world: World, site: Site, run: Any, intent: Any, done: Any) -> None:
    with site.acquire() as held:
        held.begin_run(run())
        held.record([], [intent(held)])
        held.finish_run("r1", "failed", None)
    other = world.site("bob")
    with pytest.raises(ZeroDivisionError), other.acquire("r1", reason="run resume") as held:
        held.record([done()], [])
        raise ZeroDivisionError
    view = site.ledger.view()
    assert [(r.id, r.status) for r in view.interrupted_runs()] == [("r1", "running")]
    assert view.finished_ops("r1") == {"op1"}
    assert site.repository.commit(world.tip).message.count("Provisioning-Source-Commit: " + "c" * 40) == 1
    sound(world, site)


def test_what_a_later_run_learns_of_an_ended_one_belongs_to_that(
    world: World, site: Site, run: Any, intent: Any, done: Any
) -> None:
    with site.acquire() as held:
        held.begin_run(run())
        held.record([], [intent(held)])
        held.finish_run("r1", "failed", None)
    assert site.ledger.view().finished_ops("r1") == frozenset()
    with site.acquire("r2", plan="p2") as held:
        held.record([done()], [])
    assert site.ledger.view().finished_ops("r1") == {"op1"}
    sound(world, site)


def test_a_run_that_holds_the_lock_is_not_interrupted(world: World, site: Site, run: Any) -> None:
    with site.acquire() as held:
        held.begin_run(run())
        assert held.view().interrupted_runs() == ()
        assert [r.status for r in held.view().runs()] == ["running"]


def test_results_of_an_interrupted_run_stay_its_own_under_another_run(
    world: World, site: Site, run: Any, intent: Any, done: Any
) -> None:
    with site.acquire() as held:
        held.begin_run(run())
        held.record([], [intent(held)])
    with site.acquire("r2", plan="p2") as held:
        assert [r.id for r in held.view().interrupted_runs()] == ["r1"]
        held.record([done()], [])
        held.finish_run("r1", "settled", None)
        assert held.view().interrupted_runs() == ()
    view = site.ledger.view()
    (entry,) = view.step_results("r1")
    assert (entry.run, entry.plan, view.runs()[0].status) == ("r1", "p1", "settled")
    sound(world, site)


# --- the lease ---------------------------------------------------------------------------------------------


def test_renewing_writes_when_a_quarter_has_passed_and_not_before(world: World, site: Site) -> None:
    with site.acquire() as held:
        before = len(world.pushes)
        world.clock.advance(14.9)
        held.renew()
        assert len(world.pushes) == before
        world.clock.advance(0.1)
        held.renew()
        assert len(world.pushes) == before + 1
        held.renew()
        assert len(world.pushes) == before + 1
    sound(world, site)


def test_any_write_renews(world: World, site: Site, intent: Any) -> None:
    with site.acquire() as held:
        world.clock.advance(14)
        held.record([], [intent(held)])
        before = len(world.pushes)
        world.clock.advance(14)
        held.renew()
        assert len(world.pushes) == before
        pulse = held.view().lock.pulse
        assert pulse == held.view().lock.seq


def test_an_effect_may_start_only_if_it_would_end_inside_the_lease(world: World, site: Site) -> None:
    with site.acquire() as held:
        before = len(world.pushes)
        assert held.may_start(20)
        world.clock.advance(36.9)
        assert held.may_start(20)
        assert len(world.pushes) == before
        world.clock.advance(0.1)
        assert held.may_start(20)
        assert len(world.pushes) == before + 1
        assert not held.may_start(57)


def test_the_lease_counts_from_before_the_push_was_sent(world: World, site: Site) -> None:
    with site.acquire() as held:
        world.server.after = lambda updates, outcome: slow(outcome)

        def slow(outcome: Pushed) -> Pushed:
            world.clock.advance(30)
            return outcome

        world.clock.advance(50)
        assert not held.may_start(30)


# --- losing it ---------------------------------------------------------------------------------------------


def taken_over(world: World, run: str = "r2") -> Site:
    """A contender on another machine that has watched long enough and taken the lock, and then died with it."""
    rival = world.site("bob", host="host-2", clock=type(world.clock)())
    block = rival.acquire(run, timeout=1000)
    world.kept.append(block)
    block.__enter__()
    return rival


@pytest.mark.parametrize("act", ["record", "renew", "may_start", "set_pin", "finish_run", "amend", "begin_run"])
def test_a_holder_that_was_taken_over_can_publish_nothing(world: World, site: Site, intent: Any, run: Any, act: str) -> None:
    with site.acquire() as held:
        held.begin_run(run())
        held.record([], [intent(held)])
        taken_over(world)
        tip = world.tip
        world.clock.advance(58)
        with pytest.raises(LeaseLost, match="the lock of 'dev' was taken over by bob on host-2"):
            held.renew() if act != "may_start" else held.may_start(20)
        acts = {
            "record": lambda: held.record([], [intent(held, "op2")]), "renew": held.renew, "may_start": lambda: held.may_start(1),
            "set_pin": lambda: held.set_pin(None), "finish_run": lambda: held.finish_run("r1", "failed", None),
            "amend": lambda: held.amend("forget", "server/a", None, "why"), "begin_run": lambda: held.begin_run(run("r9")),
        }  # fmt: skip
        pushes = len(world.pushes)
        with pytest.raises(LeaseLost):
            acts[act]()
        assert (world.tip, len(world.pushes)) == (tip, pushes)
    assert world.tip == tip
    assert site.ledger.view().lock.run == "r2"
    sound(world, site)


def test_a_broken_lock_fences_its_holder(world: World, site: Site, intent: Any) -> None:
    with site.acquire() as held:
        world.site("bob").ledger.break_lock("went home")
        tip = world.tip
        with pytest.raises(LeaseLost, match="the lock of 'dev' was taken over"):
            held.record([], [intent(held)])
    assert world.tip == tip
    sound(world, site)


def test_a_late_push_of_a_replaced_holder_lands_nowhere(world: World, site: Site, intent: Any) -> None:
    """Its old value is no longer the tip: the server itself refuses it, whenever it arrives."""
    late: list[Any] = []

    def drop(updates: Any) -> Pushed:
        late.append(updates)
        world.server.before = None
        taken_over(world)
        return Pushed.UNKNOWN

    with site.acquire() as held:
        world.server.before = drop
        with pytest.raises(LeaseLost):
            held.record([], [intent(held)])
    tip = world.tip
    assert world.server.apply(site.repository, late[0]) is Pushed.UNKNOWN
    assert world.tip == tip


def test_others_in_the_queue_cost_the_holder_nothing_but_a_second_push(world: World, site: Site, intent: Any, done: Any) -> None:
    with site.acquire() as held:
        held.record([], [intent(held)])
        queue_up(world)
        held.record([done()], [])
        assert [c.holder.name for c in held.view().lock.queue] == ["bob"]
        assert list(held.view().recorded().resources) == ["server/web-01"]
    assert [c.holder.name for c in site.ledger.view().lock.queue] == ["bob"]
    sound(world, site)


def queue_up(world: World) -> None:
    """Somebody lost three rounds and stands in the queue."""
    bob = world.site("bob", host="host-2").ledger
    view = bob.view()
    assert bob._locking._enqueue(view, bob._actor.holder("b" * 32), "write")


def test_junk_on_top_of_our_commit_is_not_built_upon(world: World, site: Site, intent: Any) -> None:
    with site.acquire() as held:
        junk, _ = world.server.clone()
        world.server.objects |= site.repository.objects
        junk.objects |= site.repository.objects
        tip = junk.write(world.tip, {"state/server/evil.json": b"{}\n"}, "evil", site.ledger._actor.person)
        world.server.objects |= junk.objects
        world.server.refs["refs/heads/provisioning/ledger/dev"] = tip
        with pytest.raises(LeaseLost, match="changed by something else than provisioning"):
            held.record([], [intent(held)])
    assert world.tip == tip


def test_junk_below_many_moves_of_others_is_not_built_upon_either(world: World, site: Site, intent: Any) -> None:
    with site.acquire() as held:
        forger, person = site.repository, site.ledger._actor.person
        tip = forger.write(world.tip, {"state/server/evil.json": b"{}\n"}, "evil", person)
        lock = site.ledger.view().lock
        for number in range(LOOK + 1):
            stamp = Stamp("dev", "ann <ann@example.org>", "host-1", f"{number:032x}", 1)
            lock, edits, message = compose(lock, Draft("enqueue", lock), stamp)
            tip = forger.write(tip, edits, message, person)
        world.server.objects |= forger.objects
        world.server.refs["refs/heads/provisioning/ledger/dev"] = tip
        with pytest.raises(LeaseLost, match="state/server/evil"):
            held.record([], [intent(held)])
    assert world.tip == tip


def test_a_rewritten_ledger_is_not_written_to(world: World, site: Site, intent: Any) -> None:
    with site.acquire() as held:
        held.record([], [intent(held)])
        first = site.repository.history(world.tip)[-1].oid
        world.server.refs["refs/heads/provisioning/ledger/dev"] = first
        with pytest.raises(LeaseLost, match="was rewritten at the remote"):
            held.record([], [intent(held, "op2")])
    assert world.tip == first


# --- the remote away ---------------------------------------------------------------------------------------


def test_a_remote_that_is_gone_for_good_ends_the_run_with_everything_kept(
    world: World, site: Site, intent: Any, done: Any, run: Any
) -> None:
    with site.acquire() as held:
        held.begin_run(run())
        held.record([], [intent(held, "op1", "server/a"), intent(held, "op2", "server/b")])
        held.record([done("op1", "server/a")], [])
        world.server.reachable = False
        with pytest.raises(
            LeaseLost, match="the ledger of 'dev' cannot be written: the remote memory://shared cannot be reached"
        ):
            held.record([done("op2", "server/b")], [])
        assert world.clock.monotonic() < 60
    world.server.reachable = True
    view = site.ledger.view()
    assert ([i.op for i in view.open_intents], list(view.recorded().resources)) == (["op2"], ["server/a"])
    world.kill(101)
    other = world.site("bob")
    with other.acquire("r1", reason="run resume") as held:
        assert (held.view().finished_ops("r1"), held.view().lock.recover) == ({"op1"}, True)
        held.record([done("op2", "server/b")], [])
        held.finish_run("r1", "succeeded", None)
    assert site.ledger.view().runs()[0].status == "succeeded"
    sound(world, site)


def test_a_remote_that_comes_back_within_a_third_of_the_lease_is_not_noticed(world: World, site: Site, intent: Any) -> None:
    def back() -> None:
        world.server.reachable = world.clock.monotonic() > 10

    with site.acquire() as held:
        world.server.reachable, world.clock.meanwhile = False, back
        held.record([], [intent(held)])
        world.clock.meanwhile = None
    sound(world, site)


def test_a_lock_that_cannot_be_released_is_told(world: World, site: Site) -> None:
    with pytest.raises(Stop) as caught, site.acquire():
        world.server.reachable = False
    assert caught.value.code is Exit.FAILURE
    assert "the lock of 'dev' could not be released: the ledger of 'dev' cannot be written" in caught.value.message


def test_the_error_inside_is_what_counts_when_the_release_fails_too(world: World, site: Site) -> None:
    with pytest.raises(ZeroDivisionError), site.acquire():
        world.server.reachable = False
        raise ZeroDivisionError


@pytest.mark.parametrize("landed", [False, True])
def test_a_write_that_was_interrupted_is_the_last_one(world: World, site: Site, intent: Any, landed: bool) -> None:
    """Whether it landed is not known, so not even the release is built on it: the lease, or our death, ends the lock."""

    def interrupt(*_: Any) -> Pushed:
        world.server.before = world.server.after = None
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), site.acquire() as held:
        if landed:
            world.server.after = interrupt
        else:
            world.server.before = interrupt
        held.record([], [intent(held)])
    view = world.site("bob").ledger.view()
    assert (view.lock.state, len(view.open_intents)) == (State.HELD, int(landed))
    world.kill(101)
    with world.site("cem").acquire("r2") as held:
        assert held.view().lock.recover == landed
    sound(world, site)


@pytest.mark.parametrize("answer", [Pushed.UNKNOWN, Pushed.REJECTED])
def test_a_lost_acknowledgement_writes_nothing_twice(world: World, site: Site, intent: Any, done: Any, answer: Pushed) -> None:
    with site.acquire() as held:
        world.server.after = lambda updates, outcome: answer
        held.record([], [intent(held)])
        held.record([done()], [])
        world.server.after = None
    assert [e.op for e in log(site.ledger.view().entries()) if e.op] == ["op1"]
    assert len(site.repository.history(world.tip)) == 5
    sound(world, site)


def test_a_remote_turned_read_only_ends_the_run(world: World, site: Site, intent: Any) -> None:
    with site.acquire() as held:
        world.server.writable = False
        with pytest.raises(LeaseLost, match="does not allow this push"):
            held.record([], [intent(held)])


# --- readers -----------------------------------------------------------------------------------------------


def test_a_reader_keeps_its_lease_and_writes_nothing(world: World, site: Site, intent: Any, run: Any) -> None:
    with site.acquire("", kind="read", plan="") as held:
        lock = site.ledger.view().lock
        assert (lock.state, [c.holder.name for c in lock.readers], lock.token) == (State.SHARED, ["ann"], 0)
        pulse = lock.readers[0].pulse
        world.clock.advance(20)
        held.renew()
        assert site.ledger.view().lock.readers[0].pulse > pulse
        with pytest.raises(Broken, match="a reader of an infra writes nothing"):
            held.record([], [intent(held)])
    assert site.ledger.view().lock.state is State.FREE
    sound(world, site)


def test_readers_come_and_go_beside_each_other(world: World, site: Site) -> None:
    other = world.site("bob")
    with site.acquire("", kind="read") as held:
        with other.acquire("", kind="read"):
            assert [c.holder.name for c in site.ledger.view().lock.readers] == ["ann", "bob"]
            world.clock.advance(20)
            held.renew()
        assert [c.holder.name for c in site.ledger.view().lock.readers] == ["ann"]
        with pytest.raises(Stop, match=r"locked by ann on host-1 \(reading\)"), other.acquire("r2"):
            pass
    sound(world, site)


def test_it_is_a_journal() -> None:
    from executors.ports import Journal

    journal: type[Journal] = Held
    assert journal is Held


def test_who_has_given_the_lock_back_writes_nothing_more(world: World, site: Site, intent: Any) -> None:
    """Found by the simulation: a thread of a run that was lost was still on its way to write."""
    with site.acquire() as held:
        held.record([], [intent(held)])
    tip = world.tip
    with pytest.raises(LeaseLost, match="the lock of 'dev' was given back"):
        held.record([], [intent(held, "op2")])
    assert world.tip == tip
    sound(world, site)
