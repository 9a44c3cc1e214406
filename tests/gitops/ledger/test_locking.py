"""Taking, waiting, holding, breaking: who gets the lock, who waits, and what each is told."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from gitops.ledger.audit import verify
from gitops.ledger.contend import QUEUE_PATIENCE
from gitops.ledger.lock import Lock, State
from gitops.ledger.locking import moment
from gitops.ledger.search import log
from gitops.ports import Pushed
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Site, World

REF = "refs/heads/provisioning/ledger/dev"
LOST = Pushed.UNKNOWN


def sound(world: World, site: Site) -> None:
    """The chain so far verifies."""
    site.ledger.view()
    assert verify(site.repository, world.tip, "dev", "w1").findings == ()


def other_machine(world: World, name: str = "bob", **more: Any) -> Site:
    """A contender elsewhere, with a clock of its own."""
    own = {} if "clock" in more else {"clock": type(world.clock)()}
    return world.site(name, **{"host": "host-2", **own, **more})


def abandoned(world: World, run: str = "r1") -> Site:
    """A holder on this machine that stopped without a word, its process still there."""
    site = world.site("ann")
    block = site.acquire(run)
    world.kept.append(block)
    block.__enter__()
    return site


# --- taking ------------------------------------------------------------------------------------------------


def test_the_first_to_lock_begins_the_ledger_in_the_same_push(world: World, site: Site) -> None:
    with site.acquire():
        assert len(world.pushes) == 1
        lock = site.ledger.view().lock
        assert (lock.state, lock.kind, lock.token, lock.seq) == (State.HELD, "write", 1, 2)
        assert lock.holder_text() == "ann on host-1 (run r1)"
    assert site.ledger.view().meta == site.ledger._meta
    sound(world, site)


def test_a_lease_that_is_lost_inside_the_block_ends_it_with_a_sentence(world: World, site: Site) -> None:
    with pytest.raises(Stop, match="the lock of 'dev' was lost") as stop, site.acquire() as held:
        world.server.reachable = False
        held.set_pin(None)
        held.view()
    assert stop.value.code == Exit.FAILURE
    assert "run list -i dev" in stop.value.hint


def test_tokens_count_the_writers(world: World, site: Site) -> None:
    tokens = []
    for party in (site, world.site("bob"), site):
        with party.acquire() as held:
            tokens.append(held.token)
    assert tokens == [1, 2, 3]


def test_of_many_that_begin_at_once_each_gets_its_turn_and_one_at_a_time(world: World) -> None:
    """Every contender has looked before any pushes: the ones that lose look again."""
    sites = [world.site(f"p{n}") for n in range(8)]
    inside: list[str] = []

    def race(updates: Any) -> None:
        if waiting:
            party = waiting.pop()
            with party.acquire(party.name):
                inside.append(party.name)

    waiting = sites[1:]
    world.server.before = race
    with sites[0].acquire("p0") as held:
        inside.append("p0")
        assert held.token == 8
    assert len(inside) == 8
    sound(world, sites[0])


def test_without_time_a_held_lock_is_told_and_left(world: World, site: Site) -> None:
    with site.acquire(reason="rollout"):
        bob = other_machine(world)
        with pytest.raises(Stop) as caught, bob.acquire("r2"):
            pass
    assert caught.value.code is Exit.LOCKED
    assert caught.value.message == (
        "infra 'dev' is locked by ann on host-1 (run r1): rollout; held since 2023-11-14 22:13:20 UTC"
    )
    assert "--lock-timeout 10m" in caught.value.hint
    assert "watches it for 105 s" in caught.value.hint
    assert bob.told == []


def test_who_waits_is_told_for_whom_and_gets_it_when_it_is_free(world: World, site: Site) -> None:
    bob = other_machine(world)
    with ExitStack() as stack:
        stack.enter_context(site.acquire(reason="rollout"))
        looks = []

        def later() -> None:
            looks.append(bob.clock.monotonic())
            if len(looks) == 8:
                stack.close()

        bob.clock.meanwhile = later
        with bob.acquire("r2", timeout=60) as held:
            assert held.token == 2
    assert bob.told == ["infra 'dev' is locked by ann on host-1 (run r1): rollout; waiting up to 60 s"]
    sound(world, site)


def test_pauses_double_with_full_jitter_up_to_five_seconds_and_never_pass_the_end(world: World, site: Site) -> None:
    bob = other_machine(world)
    pauses: list[float] = []
    sleep = bob.clock.sleep

    def counted(seconds: float) -> None:
        pauses.append(seconds)
        sleep(seconds)

    bob.clock.sleep = counted  # type: ignore[method-assign]
    with site.acquire(), pytest.raises(Stop), bob.acquire("r2", timeout=20):
        pass
    assert pauses[:3] == [0.05, 0.1, 0.2]
    assert max(pauses) == 2.5  # half of the longest, as the draw is
    assert 20 <= bob.clock.monotonic() < 20.2


def test_a_new_holder_is_told_as_well(world: World, site: Site) -> None:
    bob = other_machine(world)
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(site.acquire())

        def change() -> None:
            if len(bob.told) == 1:
                first.close()
                second.enter_context(world.site("cem").acquire("r3"))

        bob.clock.meanwhile = change
        with pytest.raises(Stop), bob.acquire("r2", timeout=30):
            pass
    assert [told.split(":")[0] for told in bob.told] == [
        "infra 'dev' is locked by ann on host-1 (run r1)",
        "infra 'dev' is locked by cem on host-1 (run r3)",
    ]


# --- take-over ---------------------------------------------------------------------------------------------


def test_a_silent_holder_is_taken_over_after_a_whole_silence_and_not_before(world: World) -> None:
    site, bob = abandoned(world), other_machine(world)
    with pytest.raises(Stop), bob.acquire("r2", timeout=104):
        pass
    began = bob.clock.monotonic()
    with bob.acquire("r2", timeout=200) as held:
        assert bob.clock.monotonic() - began >= 105
        lock = held.view().lock
        assert (held.token, lock.move, lock.recover) == (2, "take-over", False)
    (entry,) = [e for e in log(site.ledger.view().entries()) if e.action == "take-over"]
    assert (entry.message, entry.actor, entry.token) == ("from ann on host-1 (run r1)", "bob <bob@example.org>", 2)
    sound(world, site)


def test_a_holder_that_renews_is_never_taken_over(world: World, site: Site) -> None:
    bob = other_machine(world)
    with site.acquire() as held:

        def work() -> None:
            world.clock.advance(10)
            held.renew()

        bob.clock.meanwhile = work
        with pytest.raises(Stop) as caught, bob.acquire("r2", timeout=2000):
            pass
        assert caught.value.code is Exit.LOCKED


def test_open_intents_make_the_new_holder_recover(world: World, site: Site, intent: Any) -> None:
    block = site.acquire()
    held = block.__enter__()
    held.record([], [intent(held)])
    with other_machine(world).acquire("r2", timeout=200) as other:
        assert (other.view().lock.recover, other.view().open_intents[0].op) == (True, "op1")
    del block


def test_a_dead_process_of_our_machine_is_taken_over_at_once(world: World) -> None:
    abandoned(world)
    world.kill(101)
    bob = world.site("bob")
    with bob.acquire("r2") as held:
        assert (held.token, bob.clock.monotonic()) == (2, 0)
    sound(world, bob)


@pytest.mark.parametrize("where", [{"host": "host-2"}, {"processes": None}])
def test_a_dead_process_of_another_machine_is_watched_like_any(world: World, where: dict[str, Any]) -> None:
    abandoned(world)
    world.kill(101)
    with pytest.raises(Stop), world.site("bob", **where).acquire("r2"):
        pass


def test_of_two_that_take_over_one_wins(world: World) -> None:
    abandoned(world)
    bob, cem = other_machine(world, "bob"), other_machine(world, "cem")
    won: list[str] = []

    def race(updates: Any) -> None:
        world.server.before = None
        world.kept.append(cem.acquire("r3", timeout=200))
        world.kept[-1].__enter__()
        won.append("cem")

    bob.clock.meanwhile = lambda: setattr(world.server, "before", race if bob.clock.monotonic() > 100 and not won else None)
    with pytest.raises(Stop, match="locked by cem"), bob.acquire("r2", timeout=110):
        won.append("bob")
    assert won == ["cem"]
    assert bob.ledger.view().lock.token == 2
    sound(world, bob)


# --- the queue ---------------------------------------------------------------------------------------------


def queue_up(site: Site, digit: str = "b") -> None:
    """Stand in the queue without waiting."""
    assert site.ledger._locking._enqueue(site.ledger.view(), site.ledger._actor.holder(digit * 32), "write")


def test_after_three_lost_rounds_a_contender_stands_in_line(world: World, site: Site) -> None:
    bob = other_machine(world)
    holders = ExitStack()
    holders.enter_context(site.acquire("r0"))
    lines: list[list[str]] = []

    def pass_on() -> None:
        lines.append([c.holder.name for c in site.ledger.view().lock.queue])
        holders.close()
        if len(lines) < 4:
            holders.enter_context(world.site(f"p{len(lines)}").acquire(f"r{len(lines)}"))

    bob.clock.meanwhile = pass_on
    with bob.acquire("late", timeout=30) as held:
        assert held.view().lock.queue == ()
    assert lines == [[], [], [], ["bob"]]
    sound(world, site)


def test_who_gives_up_leaves_the_line(world: World, site: Site) -> None:
    bob = other_machine(world)
    holders = ExitStack()
    holders.enter_context(site.acquire("r0"))
    lines: list[list[str]] = []

    def pass_on() -> None:
        lines.append([c.holder.name for c in site.ledger.view().lock.queue])
        if len(lines) < 4:
            holders.close()
            holders.enter_context(world.site(f"p{len(lines)}").acquire(f"r{len(lines)}"))

    bob.clock.meanwhile = pass_on
    with holders, pytest.raises(Stop), bob.acquire("late", timeout=30):
        pass
    assert lines[-1] == ["bob"]
    assert site.ledger.view().lock.queue == ()
    sound(world, site)


def test_the_first_in_line_goes_first(world: World, site: Site) -> None:
    bob, cem = other_machine(world, "bob"), other_machine(world, "cem")
    with site.acquire():
        queue_up(bob)

    def take() -> None:
        if cem.clock.monotonic() > 2 and not took:
            me = bob.ledger._actor.holder("b" * 32)
            took.append(bob.ledger._locking._try(bob.ledger.view(), "acquire", Lock(kind="write", run="r2"), me, frozenset()))

    took: list[Any] = []
    cem.clock.meanwhile = take
    with pytest.raises(Stop, match=r"locked by bob on host-2 \(run r2\)"), cem.acquire("r3"):
        pass
    assert took[0].view().lock.queue == ()
    sound(world, site)


def test_a_free_lock_with_a_living_line_is_told_as_that(world: World, site: Site) -> None:
    with site.acquire():
        queue_up(other_machine(world))
    assert site.ledger._locking._locked(site.ledger.view().lock).message == (
        "infra 'dev' is free, and bob on host-2 is first in the queue for it"
    )


def test_who_stands_in_line_and_does_not_come_is_passed_over_after_its_time(world: World, site: Site) -> None:
    """Even by one that would not wait for a held lock: this one is free."""
    world.clock.meanwhile = None
    with site.acquire():
        queue_up(other_machine(world))
    cem = other_machine(world, "cem")
    with cem.acquire("r3") as held:
        assert QUEUE_PATIENCE <= cem.clock.monotonic() < QUEUE_PATIENCE + 5
        assert held.view().lock.queue == ()
    sound(world, site)


def test_the_dead_in_line_on_our_machine_are_passed_over_at_once(world: World, site: Site) -> None:
    bob = world.site("bob")
    with site.acquire():
        queue_up(bob)
    world.kill(102)
    with world.site("cem").acquire("r3") as held:
        assert held.view().lock.queue == ()
    assert world.clock.monotonic() == 0


def test_neither_a_dead_holder_nor_a_dead_line_before_us_keeps_us_out_for_ever(world: World, site: Site) -> None:
    abandoned(world)
    bob = other_machine(world)
    joined: list[int] = []

    def join() -> None:
        if bob.clock.monotonic() > 1 and not joined:
            joined.append(1)
            queue_up(world.site("cem"), "c")
            world.kill(103)

    bob.clock.meanwhile = join
    with bob.acquire("r2", timeout=200) as held:
        assert 105 + QUEUE_PATIENCE <= bob.clock.monotonic() < 105 + QUEUE_PATIENCE + 5
        assert held.view().lock.queue == ()
    assert joined == [1]
    sound(world, bob)


@pytest.mark.parametrize("seed", range(10))
def test_those_who_wait_for_one_long_run_are_served_in_the_order_in_which_they_came(world: World, turns: Any, seed: int) -> None:
    flows, order = turns(world, seed), list[str]()

    def flow(name: str, came: float, works: float) -> Callable[[], None]:
        party = other_machine(world, name, clock=world.clock, draw=flows.chance.random)

        def act() -> None:
            flows.pause(came)
            with party.acquire(name, timeout=1000) as held:
                order.append(name)
                for _ in range(int(works)):
                    flows.pause(1.0)
                    held.renew()

        return act

    late = [(f"p{n}", 20.0 * (n + 1), 5.0) for n in range(5)]
    flows.run(flow("first", 0.0, 200.0), *(flow(*one) for one in late))
    assert order == ["first", *(name for name, _, _ in late)]
    assert flows.clock.monotonic() < 200 + 5 * (5 + 3), "handing over takes long"
    sound(world, world.site("eve"))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("names", [["r0", "r1", "r2", "r3"], ["ci", "ci", "ci", "ci"]], ids=["people", "one-service"])
def test_readers_that_come_and_go_do_not_keep_a_writer_out(world: World, turns: Any, names: list[str], seed: int) -> None:
    """Each reads for 20 s again and again, so that the lock is never free by itself."""
    flows, done = turns(world, seed), list[float]()

    def reader(name: str, number: int) -> Callable[[], None]:
        party = other_machine(world, name, clock=world.clock, draw=flows.chance.random)

        def act() -> None:
            flows.pause(5.0 * number)
            while not done:
                with party.acquire("", timeout=1000, kind="read") as held:
                    for _ in range(20):
                        flows.pause(1.0)
                        held.renew()

        return act

    def writer() -> None:
        flows.pause(60.0)
        with other_machine(world, "bob", clock=world.clock, draw=flows.chance.random).acquire("w", timeout=1000):
            done.append(flows.clock.monotonic() - 60)

    flows.run(writer, *(reader(name, number) for number, name in enumerate(names)))
    assert done[0] < 5 + 20 + 10, "the writer stands in line after 5 s, and whoever reads by then is done 20 s later"
    sound(world, world.site("eve"))


def test_readers_behind_a_writer_come_in_together_after_it(world: World, turns: Any) -> None:
    flows, inside, most = turns(world, 1), set[str](), list[int]()

    def flow(name: str, came: float, kind: str) -> Callable[[], None]:
        party = other_machine(world, name, clock=world.clock, draw=flows.chance.random)

        def act() -> None:
            flows.pause(came)
            with party.acquire(name, timeout=1000, kind=kind) as held:
                assert not inside or (kind == "read" and all(other.startswith("r") for other in inside))
                inside.add(name)
                most.append(len(inside))
                for _ in range(30):
                    flows.pause(1.0)
                    held.renew()
                inside.remove(name)

        return act

    came = [("r1", 0.0, "read"), ("w1", 1.0, "write"), ("r2", 10.0, "read"), ("r3", 11.0, "read"), ("w2", 20.0, "write")]
    flows.run(*(flow(*one) for one in came))
    assert most == [1, 1, 1, 2, 1]
    sound(world, world.site("eve"))


def test_who_slept_through_his_turn_stands_in_line_again(world: World, turns: Any) -> None:
    flows, order, slept = turns(world, 1), list[str](), list[float]()

    def drowsy() -> float:
        if any(c.holder.name == "bob" for c in cem.ledger.view().lock.queue) and not slept:
            slept.append(flows.clock.monotonic())
            flows.pause(60.0)
        return 0.5

    def flow(party: Site, came: float, works: float) -> Callable[[], None]:
        def act() -> None:
            flows.pause(came)
            with party.acquire(party.name, timeout=1000) as held:
                order.append(party.name)
                for _ in range(int(works)):
                    flows.pause(1.0)
                    held.renew()

        return act

    ann, cem, dan = (other_machine(world, name, clock=world.clock) for name in ("ann", "cem", "dan"))
    bob = other_machine(world, "bob", clock=world.clock, draw=drowsy)
    flows.run(flow(ann, 0, 20), flow(bob, 1, 1), flow(cem, 10, 60), flow(dan, 90, 1))
    assert order == ["ann", "cem", "bob", "dan"], "bob came back into the line before dan came"
    sound(world, world.site("eve"))


# --- holds, break ------------------------------------------------------------------------------------------


def test_a_hold_keeps_everybody_out_until_it_is_released(world: World, site: Site) -> None:
    site.ledger.hold("migration", 3600)
    lock = site.ledger.view().lock
    assert (lock.state, lock.kind, lock.reason, lock.expires, lock.token) == (State.HOLD, "hold", "migration", 1_700_003_600, 0)
    for party in (site, world.site("bob")):
        with pytest.raises(Stop) as caught, party.acquire("r2"):
            pass
        assert caught.value.code is Exit.LOCKED
        assert caught.value.message == "infra 'dev' is held by ann on host-1 until 2023-11-14 23:13:20 UTC: migration"
    site.ledger.release_hold()
    with world.site("bob").acquire("r2") as held:
        assert held.token == 1
    assert [e.action for e in log(site.ledger.view().entries())][:2] == ["release-hold", "hold"]
    sound(world, site)


def test_a_hold_ends_by_itself_and_the_next_takes_it(world: World, site: Site) -> None:
    site.ledger.hold("migration", 60)
    world.clock.advance(60)
    bob = world.site("bob")
    bob.ledger.hold("mine now", 60)
    world.clock.advance(60)
    with site.acquire("r2") as held:
        assert held.token == 1
    sound(world, site)


def test_no_hold_dies_with_its_process(world: World, site: Site) -> None:
    site.ledger.hold("migration", 3600)
    world.kill(101)
    with pytest.raises(Stop), world.site("bob").acquire("r2", timeout=500):
        pass


@pytest.mark.parametrize("seconds", [0, -1, 86401])
def test_a_hold_lasts_a_day_at_most(site: Site, seconds: float) -> None:
    with pytest.raises(Stop) as caught:
        site.ledger.hold("too long", seconds)
    assert caught.value.code is Exit.USAGE


def test_only_the_same_person_releases_a_hold(world: World, site: Site) -> None:
    site.ledger.hold("migration", 3600)
    with pytest.raises(Stop) as caught:
        world.site("bob").ledger.release_hold()
    assert caught.value.code is Exit.DENIED
    other_machine(world, "ann").ledger.release_hold()
    with pytest.raises(Stop) as caught:
        site.ledger.release_hold()
    assert caught.value.code is Exit.NOT_FOUND


def test_what_is_locked_cannot_be_held_nor_released_as_a_hold(world: World, site: Site) -> None:
    with site.acquire():
        for act in (lambda: world.site("bob").ledger.hold("x", 60), lambda: world.site("bob").ledger.move_remote("x")):
            with pytest.raises(Stop) as caught:
                act()
            assert caught.value.code is Exit.LOCKED
        with pytest.raises(Stop) as caught:
            site.ledger.release_hold()
        assert caught.value.code is Exit.NOT_FOUND


@pytest.mark.parametrize("what", ["run", "hold", "readers"])
def test_breaking_frees_whatever_it_is_and_says_why(world: World, site: Site, what: str) -> None:
    block = site.acquire(kind="read" if what == "readers" else "write")
    if what == "hold":
        site.ledger.hold("migration", 60)
    else:
        block.__enter__()
    token = site.ledger.view().lock.token
    world.site("bob").ledger.break_lock("went home")
    lock = site.ledger.view().lock
    assert (lock.state, lock.token) == (State.FREE, token + 1)
    (entry,) = [e for e in log(site.ledger.view().entries()) if e.action == "break"]
    assert (entry.reason, entry.actor, entry.message[:8]) == ("went home", "bob <bob@example.org>", "from ann")
    sound(world, site)


def test_what_is_free_cannot_be_broken(world: World, site: Site) -> None:
    with pytest.raises(Stop) as caught:
        site.ledger.break_lock("x")
    assert caught.value.code is Exit.NOT_FOUND
    assert world.server.refs == {}


def test_a_persons_move_that_loses_a_race_is_made_again(world: World, site: Site) -> None:
    def rival(updates: Any) -> None:
        world.server.before = None
        with world.site("bob").acquire("r2"):
            pass

    world.server.before = rival
    site.ledger.hold("migration", 60)
    assert site.ledger.view().lock.state is State.HOLD
    sound(world, site)


def test_a_persons_move_that_always_loses_gives_up(world: World, site: Site) -> None:
    rivals: list[str] = []

    def rival(updates: Any) -> None:
        world.server.before = None
        rivals.append("bob")
        with world.site("bob").acquire("r2"):
            pass
        world.server.before = rival

    world.server.before = rival
    with pytest.raises(Stop, match="keeps being moved by others") as caught:
        site.ledger.hold("migration", 60)
    assert (caught.value.code, len(rivals)) == (Exit.LOCKED, 10)


# --- whose ledger it is ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mine", "words"),
    [
        ({"workspace": "w2"}, ("workspace w1", "this is w2")),
        ({"remote_name": "elsewhere"}, ("lives at memory://shared", "this remote is elsewhere")),
    ],
)
def test_a_fork_or_a_copy_never_drives_the_same_estate(applied: World, mine: dict[str, str], words: tuple[str, ...]) -> None:
    fork = applied.site("bob", **mine)
    assert fork.ledger.view().recorded().resources
    acts = (lambda: fork.acquire("r2").__enter__(), lambda: fork.ledger.hold("x", 60))
    before = applied.tip
    for act in acts:
        with pytest.raises(Stop) as caught:
            act()
        assert caught.value.code is Exit.DENIED
        assert all(word in caught.value.message for word in words)
    assert applied.tip == before


def test_a_repository_that_moved_is_followed_when_a_person_says_so(applied: World, site: Site) -> None:
    moved = applied.site("bob", remote_name="new.example/repo")
    moved.ledger.move_remote("new server")
    with moved.acquire("r2"):
        pass
    with pytest.raises(Stop, match=r"lives at new\.example/repo"), site.acquire("r3"):
        pass
    (entry,) = [e for e in log(site.ledger.view().entries()) if e.action == "move-remote"]
    assert (entry.message, entry.reason) == ("from memory://shared to new.example/repo", "new server")
    sound(applied, site)


def test_another_workspaces_ledger_cannot_be_moved(applied: World) -> None:
    with pytest.raises(Stop) as caught:
        applied.site("bob", workspace="w2", remote_name="new").ledger.move_remote("mine")
    assert caught.value.code is Exit.DENIED


# --- what can go wrong on the way --------------------------------------------------------------------------


def test_a_read_only_remote_is_a_matter_of_rights(world: World, site: Site) -> None:
    world.server.writable = False
    with pytest.raises(Stop) as caught, site.acquire():
        pass
    assert (caught.value.code, "does not allow" in caught.value.message) == (Exit.DENIED, True)


def test_an_unreachable_remote_is_a_failure(world: World, site: Site) -> None:
    world.server.reachable = False
    with pytest.raises(Stop) as caught, site.acquire():
        pass
    assert caught.value.code is Exit.FAILURE


def test_a_lost_acknowledgement_of_the_taking_is_found_out(world: World, site: Site) -> None:
    world.server.after = lambda updates, outcome: LOST
    with site.acquire() as held:
        world.server.after = None
        assert held.token == 1
        held.renew()
    assert len(site.repository.history(world.tip)) == 3
    sound(world, site)


def test_a_taking_that_landed_and_was_queued_upon_is_still_ours(world: World, site: Site, intent: Any, done: Any) -> None:
    def lose(updates: Any, outcome: Pushed) -> Pushed:
        world.server.after = None
        queue_up(world.site("bob"))
        return LOST

    world.server.after = lose
    with site.acquire() as held:
        held.record([], [intent(held)])
        held.record([done()], [])
    sound(world, site)


def test_a_moment_is_shown_in_utc() -> None:
    assert moment(1_700_000_000) == "2023-11-14 22:13:20 UTC"
