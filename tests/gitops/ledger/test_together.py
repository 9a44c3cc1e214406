"""Several locks at once: all or none, never in a circle, each alive until its turn is over."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops.ledger.lock import State
from gitops.ledger.together import Wanted, together
from gitops.schema.workspace import LedgerConfig
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .conftest import Site, Turns, World

NAMES = ("a", "b", "c", "d")
ref = "refs/heads/provisioning/ledger/{}".format


class Party:
    """One process in one clone, with a ledger for each infra."""

    def __init__(self, world: World, name: str, names: Sequence[str] = NAMES, **more: Any) -> None:
        clone = world.server.clone()
        self.world, self.name = world, name
        self.sites: dict[str, Site] = {n: world.site(name, clone=clone, infra=n, **more) for n in names}
        self.told: list[str] = []

    def take(self, names: Sequence[str], timeout: float = 0.0, kind: str = "write") -> Any:
        wanted = [Wanted(self.sites[n].ledger, f"{self.name}-{n}", "p1") for n in names]
        return together(wanted, kind, "apply", timeout, self.world.clock, self.told.append)

    def state(self, name: str) -> State:
        return self.sites[name].ledger.view().lock.state


@pytest.fixture
def ann(world: World) -> Party:
    return Party(world, "ann")


@pytest.fixture
def bob(world: World) -> Party:
    return Party(world, "bob", host="host-2")


def test_all_are_taken_in_the_order_of_their_names_and_given_back_one_by_one(world: World, ann: Party) -> None:
    order: list[str] = []
    world.server.before = lambda updates: order.append(updates[0].ref.rpartition("/")[2])
    with ann.take(["c", "a", "b"]) as locks:
        assert order == ["a", "b", "c"]
        for name in ("b", "a", "c"):
            with locks.under(name) as held:
                assert held.view().lock.run == f"ann-{name}"
            locks.release(name)
            assert ann.state(name) is State.FREE
        assert order[3:] == ["b", "a", "c"]


def test_what_was_not_released_is_at_the_end(ann: Party) -> None:
    with ann.take(["a", "b"]):
        assert {ann.state("a"), ann.state("b")} == {State.HELD}
    assert {ann.state("a"), ann.state("b")} == {State.FREE}


def test_one_that_cannot_be_had_gives_all_the_others_back_and_is_named(world: World, ann: Party, bob: Party) -> None:
    with bob.take(["c"]):
        with pytest.raises(Stop) as caught, ann.take(["d", "c", "b", "a"]):
            pytest.fail("it was not to be had")
        assert caught.value.code is Exit.LOCKED
        assert caught.value.message.startswith("infra 'c' is locked by bob on host-2 (run bob-c)")
        assert caught.value.hint.startswith("nothing was started, given back: 'a', 'b'; wait with --lock-timeout")
        assert [ann.state(n) for n in NAMES] == [State.FREE, State.FREE, State.HELD, State.FREE]
        assert ref("d") not in world.server.refs


def test_the_first_that_cannot_be_had_is_told_as_ever(ann: Party, bob: Party) -> None:
    with bob.take(["a"]), pytest.raises(Stop, match="'a' is locked") as caught, ann.take(["b", "a"]):
        pass
    assert caught.value.hint.startswith("wait with --lock-timeout")


def test_the_time_to_wait_is_for_all_of_them_together(world: World, ann: Party, bob: Party) -> None:
    with ExitStack() as first, bob.take(["b"]):
        first.enter_context(bob.take(["a"]))
        world.clock.meanwhile = lambda: first.close() if world.clock.monotonic() > 20 else None
        with pytest.raises(Stop, match="'b' is locked"), ann.take(["a", "b"], timeout=30):
            pass
    assert 30 <= world.clock.monotonic() < 31


def test_what_is_held_is_renewed_while_another_is_waited_for(world: World, ann: Party, bob: Party) -> None:
    with bob.take(["c"]) as others:

        def bob_works() -> None:
            others.renew()
            if world.clock.monotonic() > 300:
                raise KeyboardInterrupt

        world.clock.meanwhile = bob_works
        cem = Party(world, "cem", host="host-3", clock=type(world.clock)())
        with pytest.raises(KeyboardInterrupt), ann.take(["a", "b", "c"], timeout=1000):
            pass
        assert ann.sites["a"].ledger.view().lock.seq > 20
        for name in ("a", "b"):
            assert ann.state(name) is State.FREE
            with cem.take([name]):
                pass


def test_what_is_held_is_renewed_while_there_is_work_under_another(world: World, ann: Party) -> None:
    with ann.take(["a", "b", "c"]) as locks:
        with locks.under("a") as held:
            for _ in range(400):
                world.clock.advance(0.5)
                held.renew()
        locks.release("a")
        for name in ("b", "c"):
            lock = ann.sites[name].ledger.view().lock
            assert (lock.state, lock.token) == (State.HELD, 1)
            assert 200 / 16 - 2 <= lock.pulse <= 200 / 15 + 2
            with locks.under(name):
                locks.release(name)


def test_fifty_are_kept_alive_at_half_a_second_a_push(world: World) -> None:
    names = [f"n{n:02}" for n in range(50)]
    ann = Party(world, "ann", names)
    with ann.take(names) as locks:
        world.server.before = lambda updates: world.clock.advance(0.5)
        oldest = []
        with locks.under("n00") as held:
            for _ in range(600):
                world.clock.advance(0.05)
                held.renew()
                oldest.append(max(one.waited for one in locks._held.values()))
        world.server.before = None
    assert world.clock.monotonic() > 3 * 60
    assert max(oldest) < 0.75, "that much of a lease had passed"


def test_a_short_lease_is_renewed_in_time_too(world: World) -> None:
    timing = LedgerConfig(lease_seconds=5, grace_seconds=0)
    ann, bob = Party(world, "ann", timing=timing), Party(world, "bob", timing=timing)
    pauses: list[float] = []
    with bob.take(["b"]) as others:

        def bob_works() -> None:
            pauses.append(world.clock.monotonic())
            others.renew()

        world.clock.meanwhile = bob_works
        with pytest.raises(Stop, match="'b' is locked"), ann.take(["a", "b"], timeout=60):
            pass
    assert max(after - before for before, after in pairwise(pauses)) <= 1.25
    assert ann.sites["a"].ledger.view().lock.token == 1


def test_a_lock_that_is_lost_while_it_waits_says_so_when_its_turn_comes_and_no_earlier(
    world: World, ann: Party, bob: Party
) -> None:
    with pytest.raises(Stop, match="the lock of 'b' was lost") as caught, ann.take(["a", "b", "c"]) as locks:
        bob.sites["b"].ledger.break_lock("in the way")
        with locks.under("a") as held:
            for _ in range(200):
                world.clock.advance(0.5)
                held.renew()
        locks.release("a")
        assert ann.sites["c"].ledger.view().lock.seq > 6, "the lost one kept the other from being renewed"
        with locks.under("c") as held:
            held.renew()
        with locks.under("b"):
            pytest.fail("it is not ours")
    assert caught.value.code is Exit.FAILURE
    assert [ann.state(n) for n in "abc"] == [State.FREE] * 3
    assert ann.sites["c"].ledger.view().lock.move == "release"


def test_what_goes_wrong_under_one_gives_all_back(ann: Party) -> None:
    with pytest.raises(Stop, match="stale"), ann.take(["a", "b", "c"]) as locks, locks.under("b"):
        raise Stop(Exit.STALE, "the plan is stale")
    assert [ann.state(n) for n in "abc"] == [State.FREE] * 3


# --- nobody waits in a circle --------------------------------------------------------------------------------

CONTENDERS = st.lists(st.permutations(NAMES).flatmap(lambda p: st.integers(2, 4).map(lambda n: p[:n])), min_size=2, max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contenders=CONTENDERS, seed=st.integers(0, 2**32))
def test_contenders_for_overlapping_sets_all_come_to_their_end(
    new_world: Callable[[], World], turns: Callable[[World, int], Turns], contenders: list[tuple[str, ...]], seed: int
) -> None:
    """In whatever order each names them, and whoever goes first between any two looks, pushes and pauses."""
    world = new_world()
    flows = turns(world, seed)
    inside: dict[str, int] = {}
    ended: list[int] = []

    def contender(number: int, names: tuple[str, ...]) -> Callable[[], None]:
        party = Party(world, f"p{number}", host=f"host-{number}", draw=flows.chance.random)

        def flow() -> None:
            with party.take(names, timeout=1000) as locks:
                assert inside.keys().isdisjoint(names), "two hold the same infra"
                inside.update(dict.fromkeys(names, number))
                for name in names:
                    with locks.under(name) as held:
                        for _ in range(20):
                            flows.pause(1.0)
                            held.renew()
                    assert inside.pop(name) == number
                    locks.release(name)
            ended.append(number)

        return flow

    flows.run(*(contender(number, names) for number, names in enumerate(contenders)))
    assert sorted(ended) == [*range(len(contenders))]
    assert flows.clock.monotonic() < 200 * len(contenders)
    for name in {n for names in contenders for n in names}:
        lock = Party(world, "eve").sites[name].ledger.view().lock
        assert (lock.state, lock.queue) == (State.FREE, ())
        assert lock.token == sum(name in names for names in contenders), "somebody was taken over"


def test_opposite_orders_do_not_wait_for_each_other(new_world: Callable[[], World], turns: Callable[[World, int], Turns]) -> None:
    """The plain case: one names a, b; the other b, a; each interleaving of the first hundred seeds."""
    for seed in range(100):
        world = new_world()
        flows, order = turns(world, seed), list[str]()

        def flow(party: Party, names: str, order: list[str] = order, flows: Turns = flows) -> None:
            with party.take(names, timeout=600):
                order.append("in")
                flows.pause(2.0)
                order.append("out")

        ann, bob = Party(world, "ann", draw=flows.chance.random), Party(world, "bob", draw=flows.chance.random)
        flows.run(lambda ann=ann: flow(ann, "ab"), lambda bob=bob: flow(bob, "ba"))  # type: ignore[misc]
        assert order == ["in", "out", "in", "out"]
        assert flows.clock.monotonic() < 60
