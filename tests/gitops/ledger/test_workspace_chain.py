"""The chain of what belongs to no infra: freezes and probes, seen beside a ledger, decide who may take its lock."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gitops.ledger.workspace_check import verify_workspace
from gitops.ledger.workspace_moves import DAY, HEAD, ProbeRecord
from gitops.ports import GitError, Person, Pushed
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from .conftest import Quarters, Site, World

REF = "refs/heads/provisioning/audit"
LEDGER = "refs/heads/provisioning/ledger/dev"
HOUR = 3600


def refusal(what: Any, *asked: Any) -> Stop:
    with pytest.raises(Stop) as caught:
        what(*asked)
    return caught.value


def locked(site: Site, **more: Any) -> Stop:
    with pytest.raises(Stop) as caught, site.acquire(**more):
        pass
    return caught.value


def entries(quarters: Quarters) -> list[tuple[str, str, str]]:
    return [(e.action, e.actor.split()[0], e.reason) for e in quarters.chain.view().entries()]


# --- freezes ---------------------------------------------------------------------------------------------


def test_where_nothing_is_nothing_is_frozen(ann: Quarters) -> None:
    assert (ann.chain.view().head, ann.chain.view().freezes, ann.chain.standing("dev")) == (None, (), None)
    assert list(ann.chain.view().entries()) == []


def test_a_freeze_is_seen_by_everybody_until_it_is_over(world: World, ann: Quarters, bob: Quarters) -> None:
    made = ann.freeze("dev", "  audit\nweek ", HOUR)
    assert (made.reason, made.expires - made.since) == ("audit week", HOUR)
    assert bob.chain.view().freezes == (made,)
    assert (bob.chain.standing("dev"), bob.chain.standing("prod")) == (made, None)
    stop = refusal(bob.chain.require_open, "dev")
    assert (stop.code, stop.message) == (Exit.LOCKED, made.text)
    assert "provisioning lock thaw -i dev" in stop.hint
    world.clock.advance(HOUR - 1)
    assert bob.chain.standing("dev") == made
    world.clock.advance(1)
    assert bob.chain.standing("dev") is None


def test_a_freeze_of_all_concerns_infras_to_come_too(ann: Quarters, bob: Quarters) -> None:
    own, every = ann.freeze("dev", "own", HOUR), ann.freeze("", "night", HOUR)
    bob.chain.view()
    assert [bob.chain.standing(i) for i in ("dev", "new")] == [every, every]
    assert refusal(bob.chain.require_open, "new").message.startswith("all infras are frozen by ann until")
    ann.chain.thaw("", "")
    bob.chain.view()
    assert [bob.chain.standing(i) for i in ("dev", "new")] == [own, None]


def test_ones_own_freeze_is_changed_and_ended(ann: Quarters) -> None:
    ann.freeze("dev", "short", HOUR)
    longer = ann.freeze("dev", "long", 2 * HOUR)
    assert ann.chain.standing("dev") == longer
    assert ann.chain.thaw("dev", "") == longer
    assert ann.chain.standing("dev") is None
    assert entries(ann) == [("thaw", "ann", ""), ("freeze", "ann", "long"), ("freeze", "ann", "short"), ("create", "ann", "")]
    assert verify_workspace(ann.repository, ann.chain.view().tip, "w1").findings == ()


def test_a_person_whose_name_is_written_otherwise_elsewhere_is_the_same_person(
    world: World, ann: Quarters, bob: Quarters, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ann.freeze("dev", "audit", HOUR)
    other = world.quarters("ann")
    person = Person("Ann Example", made.email)
    monkeypatch.setattr(other.chain, "_actor", replace(other.chain._actor, person=person))
    assert other.chain.thaw("dev", "") == made
    assert bob.chain.view().freezes == ()
    assert verify_workspace(bob.repository, bob.chain.view().tip, "w1").findings == ()


def test_somebody_elses_is_ended_with_a_reason_and_not_changed(world: World, ann: Quarters, bob: Quarters) -> None:
    made = ann.freeze("dev", "audit", HOUR)
    assert refusal(bob.freeze, "dev", "mine", 2 * HOUR).code is Exit.LOCKED
    assert refusal(bob.chain.thaw, "dev", " ").code is Exit.DENIED
    assert bob.chain.thaw("dev", "an outage") == made
    assert entries(ann)[0] == ("thaw", "bob", "an outage")
    ann.freeze("dev", "again", HOUR)
    world.clock.advance(HOUR)
    assert bob.freeze("dev", "mine", HOUR).name == "bob"
    assert verify_workspace(bob.repository, bob.chain.view().tip, "w1").findings == ()


@pytest.mark.parametrize(
    ("infra", "message"), [("dev", "infra 'dev' is not frozen by itself"), ("", "there is no freeze of all")]
)
def test_what_is_not_frozen_is_not_thawed(world: World, ann: Quarters, infra: str, message: str) -> None:
    ann.freeze(infra, "over", HOUR)
    world.clock.advance(HOUR)
    stop = refusal(ann.chain.thaw, infra, "")
    assert (stop.code, message in stop.message) == (Exit.NOT_FOUND, True)


@pytest.mark.parametrize(("reason", "seconds"), [("x", 0), ("x", -5), ("x", 30 * DAY + 1), ("  ", HOUR)])
def test_a_freeze_has_a_reason_and_an_end(world: World, ann: Quarters, reason: str, seconds: float) -> None:
    assert refusal(ann.freeze, "dev", reason, seconds).code is Exit.USAGE
    assert world.server.refs == {}


def test_who_loses_the_race_goes_on_top(world: World, ann: Quarters, bob: Quarters) -> None:
    def rival(_: Any) -> None:
        world.server.before = None
        bob.freeze("prod", "first", HOUR)

    world.server.before = rival
    ann.freeze("dev", "second", HOUR)
    assert {f.infra for f in bob.chain.view().freezes} == {"dev", "prod"}
    assert verify_workspace(bob.repository, bob.chain.view().tip, "w1").transitions == 3


def test_an_answer_that_was_lost_is_looked_up(world: World, ann: Quarters) -> None:
    def unheard(*_: Any) -> Pushed:
        world.server.after = None
        return Pushed.UNKNOWN

    world.server.after = unheard
    ann.freeze("dev", "x", HOUR)
    assert len(ann.chain.view().freezes) == 1
    assert len(ann.repository.history(world.server.refs[REF])) == 2


# --- beside a ledger -------------------------------------------------------------------------------------


def test_both_are_read_with_one_question(world: World, ann: Quarters, bob: Quarters) -> None:
    site = world.at_work(ann)
    with site.acquire():
        pass
    bob.freeze("dev", "x", HOUR)
    site.ledger.view()
    world.looks = 0
    site.ledger.view()
    assert world.looks == 1
    assert ann.chain.standing("dev") is not None
    assert world.looks == 1


def test_a_frozen_infra_is_not_locked_for_a_change(world: World, ann: Quarters, bob: Quarters) -> None:
    bob.freeze("dev", "audit", HOUR)
    site = world.at_work(ann)
    world.pushes.clear()
    for kind in ("write", "deploy"):
        stop = locked(site, kind=kind)
        assert (stop.code, stop.message.startswith("infra 'dev' is frozen by bob until")) == (Exit.LOCKED, True)
    assert world.pushes == []
    for kind in ("read", "settle"):
        with site.acquire(kind=kind):
            pass
    site.ledger.hold("by hand", 60)
    site.ledger.release_hold()
    world.clock.advance(HOUR)
    with site.acquire():
        pass


def test_who_waits_for_the_lock_is_told_of_a_freeze_at_once(world: World, ann: Quarters, bob: Quarters) -> None:
    with world.at_work(bob, "bob").acquire("r1"):
        world.clock.meanwhile = lambda: (
            world.quarters("cid").freeze("dev", "stop", HOUR) and setattr(world.clock, "meanwhile", None)
        )
        assert "frozen by cid" in locked(world.at_work(ann), run="r2", timeout=600).message
        assert world.clock.monotonic() < 60


def test_what_runs_when_a_freeze_comes_goes_on_to_its_end(
    world: World, ann: Quarters, bob: Quarters, intent: Any, done: Any, run: Any
) -> None:
    site = world.at_work(ann)
    with site.acquire() as held:
        held.begin_run(run())
        held.record([], [intent(held)])
        bob.freeze("dev", "too late", HOUR)
        held.record([done()], [])
        held.finish_run("r1", "succeeded", None)
    assert [r.status for r in site.ledger.view().runs()] == ["succeeded"]


# --- unknown is not empty --------------------------------------------------------------------------------


def edited(world: World, bob: Quarters) -> None:
    tip = bob.repository.write(world.server.refs[REF], {"freezes": None}, "no freeze", Person("bob", "b@example.org"))
    bob.remote.push([update(world, tip)])


def update(world: World, new: str) -> Any:
    from gitops.ports import RefUpdate

    return RefUpdate(REF, world.server.refs[REF], new)


def removed(world: World, bob: Quarters) -> None:
    del world.server.refs[REF]


def rewound(world: World, bob: Quarters) -> None:
    world.server.refs[REF] = bob.repository.commit(world.server.refs[REF]).parents[0]


def newer(world: World, bob: Quarters) -> None:
    tip = bob.repository.write(world.server.refs[REF], {HEAD: b'{"format":2,"what":"else"}\n'}, "later", Person("b", "b@x"))
    bob.remote.push([update(world, tip)])


@pytest.mark.parametrize(
    ("how", "code", "message"),
    [
        (edited, Exit.FAILURE, "was changed by something else than provisioning"),
        (removed, Exit.FAILURE, "it is gone from the remote"),
        (rewound, Exit.FAILURE, "was rewritten at the remote"),
        (newer, Exit.INVALID, "has format 2 and this version reads up to 1"),
    ],
)
def test_when_it_cannot_be_told_nothing_starts_and_plans_go_on(
    world: World, ann: Quarters, bob: Quarters, how: Any, code: Exit, message: str
) -> None:
    site = world.at_work(ann)
    with site.acquire():
        pass
    bob.freeze("dev", "x", HOUR)
    ann.chain.view()
    how(world, bob)
    tip = world.server.refs[LEDGER]
    assert site.ledger.view().tip == tip
    for asked in (lambda: ann.chain.standing("dev"), lambda: ann.chain.require_open("dev"), ann.chain.view):
        stop = refusal(asked)
        assert (stop.code, message in stop.message) == (code, True), stop.message
    assert locked(site).code is code
    assert world.server.refs[LEDGER] == tip


def test_the_chain_of_a_copied_repository_is_not_ours(world: World, ann: Quarters) -> None:
    ann.freeze("dev", "x", HOUR)
    stop = refusal(world.quarters("eve", workspace="w2").chain.view)
    assert (stop.code, stop.message) == (Exit.DENIED, "the audit of the workspace belongs to workspace w1, and this is w2")


def test_offline_what_was_seen_last_counts(world: World, ann: Quarters, bob: Quarters) -> None:
    ann.freeze("dev", "x", HOUR)
    bob.chain.view()
    again = world.quarters("bob", clone=(bob.repository, bob.remote))
    world.server.reachable = False
    assert again.chain.standing("dev") is not None
    assert refusal(again.chain.view).code is Exit.FAILURE


# --- probes ----------------------------------------------------------------------------------------------


def test_a_remote_is_tried_out_before_first_use_and_once_for_all(world: World, ann: Quarters, bob: Quarters) -> None:
    for site in (world.at_work(ann), world.at_work(ann), world.at_work(bob, "bob")):
        with site.acquire():
            pass
    assert (len(ann.tried), len(bob.tried)) == (1, 0)
    assert [a for a, _, _ in entries(bob)] == ["probe", "create"]


def test_who_tried_it_out_at_the_same_time_writes_nothing_more(world: World, ann: Quarters, bob: Quarters) -> None:
    def meanwhile(updates: Any) -> None:
        world.server.before = None
        bob.chain.admit("dev", "write")

    world.server.before = meanwhile
    ann.chain.admit("dev", "write")
    assert (len(ann.tried), len(bob.tried)) == (1, 1)
    assert [(a, w) for a, w, _ in entries(ann)] == [("probe", "bob"), ("create", "bob")]
    world.clock.advance(60)
    ann.chain.record(ProbeRecord("memory://shared", int(world.clock.wall())))
    assert entries(bob)[0][:2] == ("probe", "ann")


def test_after_thirty_days_it_is_tried_out_again(world: World, ann: Quarters) -> None:
    site = world.at_work(ann)
    for age in (0, 29 * DAY, DAY):
        world.clock.advance(age)
        with site.acquire():
            pass
    assert len(ann.tried) == 2
    found = ann.chain.view().probe("memory://shared")
    assert found is not None
    assert found.time == ann.tried[-1]


def test_a_remote_that_keeps_no_promises_gets_no_ledger(world: World, bob: Quarters) -> None:
    ann = world.quarters(broken=("a branch moves only from where it is",))
    for site in (world.at_work(ann), world.at_work(ann), world.at_work(bob, "bob")):
        for ask in (locked, lambda s: refusal(s.ledger.hold, "by hand", 60)):
            stop = ask(site)
            assert stop.code is Exit.FAILURE
            assert "not so: a branch moves only from where it is" in stop.message
            assert "doctor --remote" in stop.hint
    assert (len(ann.tried), len(bob.tried)) == (1, 0)
    assert LEDGER not in world.server.refs
    ann.chain.record(ProbeRecord("memory://shared", int(world.clock.wall())))
    with world.at_work(bob, "bob").acquire():
        pass


def test_what_was_found_elsewhere_says_nothing_of_this_remote(world: World, ann: Quarters) -> None:
    ann.chain.record(ProbeRecord("memory://other", int(world.clock.wall()), ("x",)))
    with world.at_work(ann).acquire():
        pass
    assert len(ann.tried) == 1


def test_a_remote_that_cannot_be_tried_out_is_not_used(world: World, ann: Quarters, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied() -> ProbeRecord:
        raise GitError("the remote does not allow this push", "denied")

    monkeypatch.setattr(ann.chain, "_try_remote", denied)
    assert locked(world.at_work(ann)).code is Exit.DENIED
    assert world.server.refs == {}


def test_a_bad_finding_that_cannot_be_written_down_counts_all_the_same(world: World) -> None:
    ann = world.quarters(broken=("x",))
    world.server.writable = False
    stop = locked(world.at_work(ann))
    assert (stop.code, "not so: x" in stop.message) == (Exit.FAILURE, True)
    good = world.quarters()
    assert locked(world.at_work(good)).code is Exit.DENIED
