"""A freeze that came before the lock was ours is found before anything begins, and finding that out costs no trip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.ports import LeaseLost
from gitops.git.memory import MemoryRemote, copy
from gitops.ledger.chain import LOOKS
from gitops.ledger.lock import State
from gitops.ledger.view import View
from gitops.ports import Person
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from .conftest import Quarters, Site, World

REF = "refs/heads/provisioning/audit"
LEDGER = "refs/heads/provisioning/ledger/dev"
HOUR = 3600


@pytest.fixture
def late(world: World, ann: Quarters, bob: Quarters) -> Site:
    """Somebody who has looked, and takes the lock while another freezes the infra."""
    site = world.at_work(ann)
    with site.acquire():
        pass

    def meanwhile(updates: Any) -> None:
        if updates[0].ref == LEDGER:
            world.server.before = None
            bob.freeze("dev", "just now", HOUR)

    world.server.before = meanwhile
    return site


def test_what_was_frozen_before_the_lock_was_ours_begins_nothing(world: World, late: Site, run: Any, intent: Any) -> None:
    tip, told = "", ""
    with pytest.raises(Stop) as caught, late.acquire() as held:
        assert world.server.before is None, "frozen by now"
        tip = world.tip
        held.begin_run(run())
        try:
            held.record([], [intent(held)])
        except LeaseLost as lost:
            told = str(lost)
    assert told.startswith("infra 'dev' is frozen by bob until ")
    assert (caught.value.code, caught.value.message) == (Exit.LOCKED, told)
    view = late.ledger.view()
    assert (view.lock.state, view.runs(), view.open_intents) == (State.FREE, (), ())
    assert [c.parents[0] for c in late.repository.history(view.tip, limit=1)] == [tip], "given back, and nothing else"
    with pytest.raises(Stop), late.acquire():
        raise AssertionError


@pytest.mark.parametrize("act", ["amend", "the end of a run", "require_open"])
def test_whatever_is_written_first_finds_it(late: Site, run: Any, act: str) -> None:
    with pytest.raises(Stop) as caught, late.acquire() as held:
        if act == "amend":
            held.amend("forget", "server/a", None, "why")
        elif act == "require_open":
            held.require_open()
        else:
            held.begin_run(run())
            held.finish_run("r1", "succeeded", None)
    assert caught.value.code is Exit.LOCKED
    view = late.ledger.view()
    assert (view.lock.state, view.runs()) == (State.FREE, ())


def test_a_chain_that_moved_for_another_reason_is_no_hindrance(
    world: World, ann: Quarters, bob: Quarters, run: Any, intent: Any, done: Any
) -> None:
    site = world.at_work(ann)
    with site.acquire() as held:
        bob.freeze("prod", "elsewhere", HOUR)
        held.begin_run(run())
        pushes = len(world.pushes)
        held.record([], [intent(held)])
        assert len(world.pushes) == pushes + 2, "once refused, and once more after a look"
        bob.freeze("prod", "still", HOUR)
        held.record([done()], [])
        assert len(world.pushes) == pushes + 3 + 1, "what runs is not asked again"
    assert site.ledger.view().run("r1") is not None


def test_that_question_costs_no_trip(world: World, ann: Quarters, run: Any, intent: Any) -> None:
    site = world.at_work(ann)
    with site.acquire():
        pass
    looks, pushes = world.looks, len(world.pushes)
    with site.acquire() as held:
        held.begin_run(run())
        held.record([], [intent(held)])
    assert (world.looks - looks, len(world.pushes) - pushes) == (0, 3), "acquire, record, release"


def test_when_it_cannot_be_told_nothing_begins(world: World, ann: Quarters, bob: Quarters, run: Any, intent: Any) -> None:
    """The chain has moved, and to what cannot be trusted."""
    site = world.at_work(ann)
    with pytest.raises(Stop) as caught, site.acquire() as held:
        bob.freeze("prod", "elsewhere", HOUR)
        junk = bob.repository.write(world.server.refs[REF], {"README.md": b"hello"}, "clean up", Person("eve", "eve@example.org"))
        copy(bob.repository.objects, world.server.objects, junk)
        world.server.refs[REF] = junk
        held.begin_run(run())
        with pytest.raises(LeaseLost, match="TAMPERED: the audit of the workspace"):
            held.record([], [intent(held)])
    assert caught.value.code is Exit.FAILURE
    repository, remote = world.server.clone()
    tip = remote.fetch({LEDGER: LEDGER})[LEDGER]
    view = View(repository, "dev", tip)
    assert (view.lock.state, view.runs()) == (State.FREE, ())


def test_what_others_froze_while_the_remote_was_tried_out_counts(world: World, ann: Quarters, bob: Quarters) -> None:
    """Found by the simulation: writing the probe down reads the chain anew."""
    site = world.at_work(ann)

    def meanwhile(updates: Any) -> None:
        if updates[0].ref == REF:
            world.server.before = None
            bob.freeze("dev", "just now", HOUR)

    world.server.before = meanwhile
    with pytest.raises(Stop, match="infra 'dev' is frozen by bob"), site.acquire():
        raise AssertionError
    assert world.server.before is None


def test_what_was_seen_for_another_infra_is_no_answer_for_this_one(
    world: World, ann: Quarters, bob: Quarters, run: Any, intent: Any
) -> None:
    """Of several locked together the later ones look later."""
    other = world.site("ann", clone=(ann.repository, ann.remote), common=ann.chain, infra="prod")
    site = world.at_work(ann)
    with site.acquire():
        pass
    with pytest.raises(Stop, match="infra 'dev' is frozen by bob"), site.acquire() as held:
        bob.freeze("dev", "just now", HOUR)
        with other.acquire("r2"):
            held.begin_run(run())
            with pytest.raises(LeaseLost):
                held.record([], [intent(held)])


def test_a_remote_that_shows_less_than_it_compares_with_is_given_up(
    world: World, ann: Quarters, bob: Quarters, run: Any, intent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads from a replica that lags behind for longer than anybody waits."""
    site = world.at_work(ann)
    with pytest.raises(Stop, match="whether 'dev' is frozen cannot be told") as caught, site.acquire() as held:
        shown, refs = world.server.refs[REF], MemoryRemote.refs
        bob.freeze("dev", "just now", HOUR)
        monkeypatch.setattr(MemoryRemote, "refs", lambda self, patterns: {**refs(self, patterns), REF: shown})
        pushes = len(world.pushes)
        held.begin_run(run())
        with pytest.raises(LeaseLost):
            held.record([], [intent(held)])
    assert (caught.value.code, len(world.pushes) - pushes) == (Exit.FAILURE, LOOKS + 2), "and one gave the lock back"
    assert View(site.repository, "dev", world.server.refs[LEDGER]).lock.state is State.FREE
