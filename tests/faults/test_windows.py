"""What can happen to a push between a client's look at the refs and the server's comparison, and to the answer after it.

Each case stands in that window on a real remote, over file, ssh and https, and shows what the product does there. Beside it
stands what it does not do: a push that is sent by hand in the same window and does damage, which proves that the window is open.
The letters are the experiments of the reliability study on which the ledger's protocol rests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from parties import WALL, Parties, Party
from wire import send

from executors.clocks import FakeClock
from executors.ports import Intent, LeaseLost
from gitops.ledger.audit import verify
from gitops.ledger.chain import Backoff, Chain, LostRaceError
from gitops.ledger.held import Held
from gitops.ports import ZERO, GitError, Pushed, RefUpdate
from gitops.stops import Exit, Stop

LOCK = "refs/heads/provisioning/ledger/shop"
MAIN = "refs/heads/main"
AUDIT = "refs/heads/provisioning/audit"
PARKED = "refs/heads/parked"
UNKNOWN_ID = "1234567890" * 4
"""An object that no repository holds."""


@pytest.fixture(
    params=["file", pytest.param("shared_ssh", marks=pytest.mark.real), pytest.param("https", marks=pytest.mark.real)]
)
def parties(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Parties]:
    make = request.getfixturevalue(f"{request.param}_remote")
    with Parties(make("estate"), tmp_path) as made:
        yield made


@dataclass
class Scene:
    """Ann's clone and three refs at the remote; ``stolen`` and ``pushed`` are there too, beside the lock and the branch."""

    parties: Parties
    ann: Party
    lock: str
    main: str
    audit: str
    stolen: str
    pushed: str

    def next(self, ref: str) -> str:
        """A commit on what ``ref`` was at the beginning."""
        return self.ann.commit({LOCK: self.lock, MAIN: self.main, AUDIT: self.audit}[ref], next=ref)

    def stands(self) -> dict[str, str]:
        """What of the three moved, and where to: ``kept``, ``stolen``, ``pushed``, ``gone`` or ``moved``."""
        known = {
            self.lock: "kept",
            self.main: "kept",
            self.audit: "kept",
            self.stolen: "stolen",
            self.pushed: "pushed",
            "": "gone",
        }
        return {ref: known.get(self.parties.at(ref), "moved") for ref in (LOCK, MAIN, AUDIT)}

    def steal(self) -> None:
        """In the window of the next push somebody else advances the lock."""
        self.parties.steal_in_the_window(LOCK, self.stolen)

    def by_hand(self, *specs: str, leases: tuple[str, ...] = (), atomic: bool = True, options: tuple[str, ...] = ()) -> int:
        """The exit code of a push as somebody would write it."""
        named = [f"--force-with-lease={lease}" for lease in leases]
        argv = ["push", *(["--atomic"] if atomic else []), *named, *options, self.parties.site.url, *specs]
        return self.ann.git(*argv).returncode


@pytest.fixture
def scene(parties: Parties) -> Scene:
    ann = parties.party("ann")
    lock, main, audit = (ann.commit(name=ref) for ref in (LOCK, MAIN, AUDIT))
    stolen, pushed = ann.commit(lock, name="bob"), ann.commit(main, name="somebody")
    tips = {LOCK: lock, MAIN: main, AUDIT: audit, PARKED: stolen, f"{PARKED}-2": pushed}
    assert ann.remote.push([RefUpdate(ref, ZERO, oid) for ref, oid in tips.items()]) is Pushed.ACCEPTED
    return Scene(parties, ann, lock, main, audit, stolen, pushed)


KEPT = {LOCK: "kept", MAIN: "kept", AUDIT: "kept"}
STOLEN = {**KEPT, LOCK: "stolen"}


class TestSeveralRefs:
    """A lock and what it protects on refs of their own: safe only where the lock itself moves, in one transaction."""

    def test_all_move_together(self, scene: Scene) -> None:  # A12
        updates = [
            RefUpdate(LOCK, scene.lock, scene.next(LOCK)),
            RefUpdate(MAIN, scene.main, scene.next(MAIN)),
            RefUpdate(AUDIT, scene.audit, scene.next(AUDIT)),
        ]
        assert scene.ann.remote.push(updates) is Pushed.ACCEPTED
        assert scene.stands() == dict.fromkeys(KEPT, "moved")

    def test_stolen_in_the_window_none_moves(self, scene: Scene) -> None:  # A6
        scene.steal()
        updates = [
            RefUpdate(LOCK, scene.lock, scene.next(LOCK)),
            RefUpdate(MAIN, scene.main, scene.next(MAIN)),
            RefUpdate(AUDIT, scene.audit, scene.next(AUDIT)),
        ]
        assert scene.ann.remote.push(updates) is Pushed.UNKNOWN
        assert not scene.parties.window_open
        assert scene.stands() == STOLEN

    def test_stolen_before_nothing_is_sent(self, scene: Scene) -> None:  # A5b
        scene.parties.move(LOCK, scene.stolen)
        scene.parties.in_the_window("exit 1")
        updates = [RefUpdate(LOCK, scene.lock, scene.next(LOCK)), RefUpdate(MAIN, scene.main, scene.next(MAIN))]
        assert scene.ann.remote.push(updates) is Pushed.REJECTED
        assert scene.parties.window_open
        assert scene.stands() == STOLEN

    def test_a_branch_that_people_moved_in_the_window_keeps_the_lock_too(self, scene: Scene) -> None:  # A15
        scene.parties.steal_in_the_window(MAIN, scene.pushed)
        updates = [RefUpdate(LOCK, scene.lock, scene.next(LOCK)), RefUpdate(MAIN, scene.main, scene.next(MAIN))]
        assert scene.ann.remote.push(updates) is Pushed.UNKNOWN
        assert scene.stands() == {**KEPT, MAIN: "pushed"}

    def test_a_lock_that_stays_where_it_is_would_fence_nothing(self, scene: Scene) -> None:  # A5
        scene.steal()
        state = scene.next(MAIN)
        # by hand: git sees that the lock is there already, leaves it out, and the server is never asked about it
        leases = (f"{LOCK}:{scene.lock}", f"{MAIN}:{scene.main}")
        assert scene.by_hand(f"{scene.lock}:{LOCK}", f"{state}:{MAIN}", leases=leases) == 0
        assert scene.stands() == {**STOLEN, MAIN: "moved"}

    def test_so_it_is_refused_before_anything_is_sent(self, scene: Scene) -> None:  # A5
        scene.steal()
        with pytest.raises(GitError, match="must move"):
            scene.ann.remote.push([RefUpdate(LOCK, scene.lock, scene.lock), RefUpdate(MAIN, scene.main, scene.next(MAIN))])
        assert scene.parties.window_open
        assert scene.stands() == KEPT

    def test_without_atomic_the_rest_would_move(self, scene: Scene) -> None:  # A10
        scene.steal()
        specs = (f"{scene.next(LOCK)}:{LOCK}", f"{scene.next(MAIN)}:{MAIN}")
        assert scene.by_hand(*specs, leases=(f"{LOCK}:{scene.lock}", f"{MAIN}:{scene.main}"), atomic=False) != 0
        assert scene.stands() == {**STOLEN, MAIN: "moved"}

    def test_a_lease_on_a_ref_that_is_not_pushed_would_be_ignored(self, scene: Scene) -> None:  # A11
        scene.parties.move(LOCK, scene.stolen)
        assert scene.by_hand(f"{scene.next(MAIN)}:{MAIN}", leases=(f"{LOCK}:{scene.lock}",)) == 0
        assert scene.stands() == {**STOLEN, MAIN: "moved"}

    def test_a_lock_deleted_in_the_same_push_protects_but_is_never_sent(self, scene: Scene) -> None:  # A7
        scene.steal()
        with pytest.raises(GitError, match="must move"):
            scene.ann.remote.push([RefUpdate(LOCK, scene.lock, ZERO), RefUpdate(MAIN, scene.main, scene.next(MAIN))])
        assert scene.parties.window_open
        leases = (f"{LOCK}:{scene.lock}", f"{MAIN}:{scene.main}")
        assert scene.by_hand(f":{LOCK}", f"{scene.next(MAIN)}:{MAIN}", leases=leases) != 0
        assert scene.stands() == STOLEN


class TestDeletion:
    def test_by_hand_the_right_lease_deletes_once(self, scene: Scene) -> None:  # A14
        wrong, right = f"{LOCK}:{scene.stolen}", f"{LOCK}:{scene.lock}"
        assert [scene.by_hand(f":{LOCK}", leases=(lease,)) != 0 for lease in (wrong, right, right)] == [True, False, True]
        assert scene.stands() == {**KEPT, LOCK: "gone"}

    @pytest.mark.parametrize("old", ["lock", "stolen", "absent"])
    def test_it_is_refused_before_anything_is_sent(self, scene: Scene, old: str) -> None:  # A14
        scene.parties.in_the_window("exit 1")
        with pytest.raises(GitError, match="must move"):
            scene.ann.remote.push([RefUpdate(LOCK, {"lock": scene.lock, "stolen": scene.stolen, "absent": ZERO}[old], ZERO)])
        assert scene.parties.window_open
        assert scene.stands() == KEPT

    def test_nor_is_anything_rewound(self, scene: Scene) -> None:
        scene.parties.move(LOCK, scene.stolen)
        with pytest.raises(GitError, match="would drop history"):
            scene.ann.remote.push([RefUpdate(LOCK, scene.stolen, scene.lock)])
        assert scene.stands() == STOLEN


class TestWire:
    """What stock git does with commands that no git client sends, and the product never has sent."""

    def test_an_unchanged_ref_is_compared_by_the_server(self, scene: Scene) -> None:
        told = send(scene.parties.site, (scene.lock, scene.lock, LOCK), (scene.main, scene.pushed, MAIN))
        assert told == {LOCK: "ok", MAIN: "ok"}
        assert scene.stands() == {**KEPT, MAIN: "pushed"}

    @pytest.mark.parametrize("there", ["stolen", "absent"])
    def test_and_refused_with_all_the_rest_when_it_is_not_that(self, scene: Scene, there: str) -> None:
        ref = LOCK if there == "stolen" else "refs/heads/never"
        scene.parties.move(LOCK, scene.stolen)
        told = send(scene.parties.site, (scene.lock, scene.lock, ref), (scene.main, scene.pushed, MAIN))
        assert "ok" not in told.values()
        assert scene.stands() == STOLEN

    @pytest.mark.parametrize("old", [ZERO, UNKNOWN_ID])
    def test_a_deletion_with_an_old_id_that_the_server_lacks_deletes_whatever_is_there(self, scene: Scene, old: str) -> None:
        assert send(scene.parties.site, (old, ZERO, LOCK)) == {LOCK: "ok"}
        assert scene.stands() == {**KEPT, LOCK: "gone"}

    def test_one_with_an_old_id_that_it_has_is_compared(self, scene: Scene) -> None:
        assert send(scene.parties.site, (scene.stolen, ZERO, LOCK))[LOCK] != "ok"
        assert scene.stands() == KEPT

    def test_nothing_to_nothing_proves_no_absence(self, scene: Scene) -> None:
        assert send(scene.parties.site, (ZERO, ZERO, "refs/heads/never")) == {"refs/heads/never": "ok"}

    def test_an_update_always_compares(self, scene: Scene) -> None:
        assert send(scene.parties.site, (UNKNOWN_ID, scene.stolen, LOCK))[LOCK] != "ok"
        assert scene.stands() == KEPT

    def test_the_same_request_twice_is_applied_once(self, scene: Scene) -> None:
        told = [send(scene.parties.site, (scene.lock, scene.stolen, LOCK))[LOCK] == "ok" for _ in range(2)]
        assert told == [True, False]
        assert scene.stands() == STOLEN


# --- the ledger ------------------------------------------------------------------------------------------


def locked_out(party: Party) -> str:
    """What a party is told that does not get the lock."""
    with pytest.raises(Stop) as caught, party.acquire("r2"):
        pass
    assert caught.value.code is Exit.LOCKED
    return caught.value.message


def aside(parties: Parties, party: Party, act: Callable[[], object]) -> str:
    """``party`` does ``act``, and what it publishes lands beside the ledger: the commit it made, at the server."""
    party.remote.aside = PARKED
    act()
    party.remote.aside = ""
    return parties.at(PARKED)


def intent(held: Held, op: str = "op1") -> Intent:
    return Intent(op, op, "server/web-01", "create", "create", "fake", "digest", held.token)


def whole(party: Party) -> int:
    """How many transitions the ledger has, each of them legal."""
    found = verify(party.repository, party.ledger.view().tip, "shop", "w1")
    assert found.findings == ()
    return found.transitions


class TestLock:
    def test_the_second_to_create_is_told_who_has_it(self, parties: Parties) -> None:  # A1, A1'
        ann, bob = parties.party("ann"), parties.party("bob")
        parties.enter(ann)
        assert "is locked by ann on host-1" in locked_out(bob)
        assert (ann.remote.told, bob.remote.told) == ([Pushed.ACCEPTED], [])

    def test_who_publishes_the_same_commit_again_has_published_it(self, parties: Parties) -> None:  # A1b
        ann = parties.party("ann")
        chain = Chain(ann.repository, ann.remote, "shop", Backoff(FakeClock(WALL), lambda: 0.5))
        tip = ann.commit(name="first")
        assert [chain.send("", tip), chain.send("", tip), parties.at(LOCK)] == [tip] * 3
        assert ann.remote.told[0] is Pushed.ACCEPTED
        assert ann.remote.told[1] is not Pushed.ACCEPTED

    def test_somebody_creates_it_in_the_window(self, parties: Parties) -> None:  # A4
        ann, bob = parties.party("ann"), parties.party("bob")
        rival = aside(parties, bob, lambda: parties.enter(bob))
        parties.steal_in_the_window(LOCK, rival)
        assert "is locked by bob on host-1" in locked_out(ann)
        assert (ann.remote.told, parties.at(LOCK)) == ([Pushed.UNKNOWN], rival)

    def test_by_hand_not_even_force_creates_over_it(self, parties: Parties) -> None:  # A4f
        ann = parties.party("ann")
        mine, rival = ann.commit(name="ann"), ann.commit(name="bob")
        ann.remote.push([RefUpdate(PARKED, ZERO, rival)])
        parties.steal_in_the_window(LOCK, rival)
        assert ann.git("push", "--force", parties.site.url, f"{mine}:{LOCK}").returncode != 0
        assert parties.at(LOCK) == rival

    def test_nonces_keep_two_from_believing_that_they_made_the_same_commit(self, parties: Parties) -> None:  # A2
        ann, twin = parties.party("ann", pid=100), parties.party("ann", pid=100)
        rival = aside(parties, ann, lambda: parties.enter(ann))
        parties.steal_in_the_window(LOCK, rival)
        assert "is locked by ann" in locked_out(twin)

    def test_with_equal_nonces_both_would_have_the_lock(self, parties: Parties) -> None:  # A2
        ann, twin = (parties.party("ann", nonce=map("{:032x}".format, count()).__next__, pid=100) for _ in range(2))
        first: list[Held] = []
        rival = aside(parties, ann, lambda: first.append(parties.enter(ann)))
        parties.steal_in_the_window(LOCK, rival)
        second = parties.enter(twin)
        assert (first[0].token, second.token, parties.at(LOCK)) == (1, 1, rival)

    def test_a_lock_that_was_free_goes_to_one(self, parties: Parties) -> None:  # A4, on a ledger that exists
        ann, bob = parties.party("ann"), parties.party("bob")
        with ann.acquire():
            pass
        rival = aside(parties, bob, lambda: parties.enter(bob))
        parties.steal_in_the_window(LOCK, rival)
        assert "is locked by bob on host-1" in locked_out(ann)
        assert parties.at(LOCK) == rival

    def test_the_loser_waits_and_has_it_next(self, parties: Parties) -> None:
        ann, bob = parties.party("ann"), parties.party("bob")
        rival: list[Held] = []
        parties.steal_in_the_window(LOCK, aside(parties, bob, lambda: rival.append(parties.enter(bob))))
        ann.clock.meanwhile = lambda: rival and rival.pop().leave(failed=False)
        with ann.acquire(timeout=60) as held:
            assert held.token == 2
        assert whole(ann) == 5  # create, acquire, release by bob; acquire, release by ann


class TestHolder:
    """What a holder writes after its lock was taken from it, however late it learns of that."""

    @pytest.fixture
    def taken(self, parties: Parties) -> tuple[Party, Held, Party, str]:
        """Ann, her lock, Bob, and the commit beside the ledger by which he takes it over."""
        ann, bob = parties.party("ann"), parties.party("bob")
        held = parties.enter(ann)
        parties.kill(ann)
        return ann, held, bob, aside(parties, bob, lambda: self.bobs.append(parties.enter(bob)))

    @pytest.fixture(autouse=True)
    def locks_of_bob(self) -> None:
        self.bobs: list[Held] = []

    def test_stolen_in_the_window_of_an_intent(self, parties: Parties, taken: Any) -> None:  # A6
        ann, held, bob, stolen = taken
        parties.steal_in_the_window(LOCK, stolen)
        with pytest.raises(LeaseLost, match="was taken over by bob"):
            held.record([], [intent(held)])
        assert (ann.remote.told[-1], parties.at(LOCK)) == (Pushed.UNKNOWN, stolen)
        with pytest.raises(LeaseLost):
            held.may_start(1.0)
        self.bobs[0].leave(failed=False)
        assert not bob.ledger.view().has_intents
        assert whole(bob) == 4

    def test_stolen_in_the_window_of_the_release(self, parties: Parties, taken: Any) -> None:  # A6, A7
        _, held, _, stolen = taken
        parties.steal_in_the_window(LOCK, stolen)
        with pytest.raises(LeaseLost, match="was taken over by bob"):
            held.leave(failed=False)
        assert parties.at(LOCK) == stolen

    def test_a_renewal_with_an_outdated_expectation_is_never_sent(self, parties: Parties, taken: Any) -> None:  # A13
        ann, held, _, stolen = taken
        parties.move(LOCK, stolen)
        parties.in_the_window("exit 1")
        ann.clock.sleep(20)  # a third of the lease
        with pytest.raises(LeaseLost, match="was taken over by bob"):
            held.renew()
        assert ann.remote.told == [Pushed.ACCEPTED, Pushed.REJECTED]
        assert (parties.window_open, parties.at(LOCK)) == (True, stolen)


class TestAnswer:
    """A request or its answer is lost on the way: what became of it is told by the ref alone."""

    # the server ends when the refs have moved, before it says so
    LOST_ANSWER = '[ "$1" = committed ] || exit 0\nrm "$0"\nkill -9 $PPID'
    LOST_REQUEST = 'rm "$0"\nkill -9 $PPID'
    # the same request has just been carried out: a client that got no answer sends it again
    TWICE = 'git update-ref "$1" "$3" "$2"'

    def test_the_answer_is_lost(self, parties: Parties) -> None:
        ann = parties.party("ann")
        held = parties.enter(ann)
        parties.site.hook("reference-transaction", self.LOST_ANSWER)
        held.record([], [intent(held)])
        assert ann.remote.told == [Pushed.ACCEPTED, Pushed.UNKNOWN]
        assert held.may_start(1.0)
        assert whole(ann) == 3

    def test_the_answer_to_the_first_is_lost(self, parties: Parties) -> None:
        ann = parties.party("ann")
        parties.site.hook("reference-transaction", self.LOST_ANSWER)
        assert parties.enter(ann).token == 1
        assert (ann.remote.told, whole(ann)) == ([Pushed.UNKNOWN], 2)

    def test_the_request_is_lost(self, parties: Parties) -> None:
        ann = parties.party("ann")
        held = parties.enter(ann)
        parties.site.hook("pre-receive", self.LOST_REQUEST)
        held.record([], [intent(held)])
        assert ann.remote.told == [Pushed.ACCEPTED, Pushed.UNKNOWN, Pushed.ACCEPTED]
        assert whole(ann) == 3

    def test_a_request_that_arrives_twice_is_told_that_it_failed(self, parties: Parties) -> None:
        ann = parties.party("ann")
        held = parties.enter(ann)
        parties.in_the_window(self.TWICE)
        held.record([], [intent(held)])
        assert ann.remote.told == [Pushed.ACCEPTED, Pushed.UNKNOWN]
        assert whole(ann) == 3

    def test_so_is_a_creation_that_arrives_twice(self, parties: Parties) -> None:
        ann = parties.party("ann")
        parties.in_the_window(self.TWICE.replace('"$2"', '""'))
        assert parties.enter(ann).token == 1
        assert (ann.remote.told, whole(ann)) == ([Pushed.UNKNOWN], 2)

    def test_by_hand_the_exit_code_says_that_what_happened_did_not(self, scene: Scene) -> None:
        scene.parties.in_the_window(self.TWICE)
        assert scene.by_hand(f"{scene.stolen}:{LOCK}", leases=(f"{LOCK}:{scene.lock}",)) != 0
        assert scene.stands() == STOLEN

    def test_a_lost_answer_and_then_somebody_else(self, parties: Parties) -> None:
        """Ours landed, was answered to nobody, and was followed: it is published, and somebody else has the lock."""
        ann, bob = parties.party("ann"), parties.party("bob")
        held = parties.enter(ann)
        chain = Chain(ann.repository, ann.remote, "shop", Backoff(FakeClock(WALL), lambda: 0.5))
        tip = parties.at(LOCK)
        mine = ann.commit(tip, ours="1")
        later = ann.commit(mine, theirs="1")
        ann.remote.push([RefUpdate(PARKED, ZERO, later)])
        parties.steal_in_the_window(LOCK, later)
        assert chain.send(tip, mine) == later
        rival = bob.commit(name="another")
        bob.remote.push([RefUpdate(f"{PARKED}-2", ZERO, rival)])
        with pytest.raises(LostRaceError):
            chain.send(tip, ann.commit(tip, ours="2"))
        assert held.token == 1
