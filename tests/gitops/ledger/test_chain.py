"""One ref moved by compare-and-swap: what became of a push is what the ref says, and a rewritten ref is not followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gitops.git.memory import MemoryRemote, MemoryRepository, MemoryServer
from gitops.ledger.chain import LOCAL, REMOTE_PREFIX, Backoff, Chain, LostRaceError, draw, fresh_nonce, stop_of
from gitops.ports import GitError, Person, Pushed
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from .conftest import Stepping, World

ANN = Person("Ann", "ann@example.org", 1)
REF = f"{REMOTE_PREFIX}/dev"


class Party:
    """A chain in a clone of its own."""

    def __init__(self, world: World, **more: Any) -> None:
        self.server: MemoryServer = world.server
        self.clock: Stepping = world.clock
        self.repository: MemoryRepository
        self.remote: MemoryRemote
        self.repository, self.remote = world.server.clone()
        self.chain = Chain(self.repository, self.remote, "dev", Backoff(world.clock, lambda: 0.5), **more)

    def commit(self, parent: str, text: str = "x") -> str:
        return self.repository.write(parent, {"file": text.encode()}, text, ANN)


@pytest.fixture
def ann(world: World) -> Party:
    return Party(world)


@pytest.fixture
def bob(world: World) -> Party:
    return Party(world)


def test_a_ref_that_is_not_there_is_no_chain_yet(ann: Party) -> None:
    assert ann.chain.fetch() == ann.chain.seen() == ""


def test_what_one_sends_the_other_sees_and_remembers(ann: Party, bob: Party) -> None:
    tip = ann.chain.publish("", {"file": b"1"}, "one", ANN)
    assert bob.chain.fetch() == bob.chain.seen() == ann.chain.seen() == tip
    assert bob.repository.refs[f"{LOCAL}/dev"] == tip


def test_a_kind_of_its_own_has_refs_of_its_own(world: World) -> None:
    party = Party(world, kind="approvals")
    party.chain.publish("", {"file": b"1"}, "one", ANN)
    assert list(world.server.refs) == ["refs/heads/provisioning/approvals/dev"]


def test_of_two_that_start_from_one_tip_one_wins_and_the_other_knows(ann: Party, bob: Party) -> None:
    tip = ann.chain.publish("", {"file": b"1"}, "one", ANN)
    bob.chain.fetch()
    won = ann.chain.send(tip, ann.commit(tip, "ann"))
    with pytest.raises(LostRaceError) as caught:
        bob.chain.send(tip, bob.commit(tip, "bob"))
    assert caught.value.tip == bob.server.refs[REF] == won
    assert bob.chain.seen() == won


def test_of_two_that_begin_one_wins(ann: Party, bob: Party) -> None:
    ann.chain.send("", ann.commit("", "ann"))
    with pytest.raises(LostRaceError):
        bob.chain.send("", bob.commit("", "bob"))


def test_a_lost_acknowledgement_is_found_out_by_reading(ann: Party) -> None:
    ann.server.after = lambda updates, outcome: Pushed.UNKNOWN
    new = ann.commit("")
    assert ann.chain.send("", new) == ann.server.refs[REF] == new


def test_a_lost_acknowledgement_counts_although_others_have_gone_on(ann: Party, bob: Party) -> None:
    new = ann.commit("")

    def lose(updates: Any, outcome: Pushed) -> Pushed:
        ann.server.after = None
        later.append(bob.chain.send(bob.chain.fetch(), bob.commit(bob.chain.fetch(), "bob")))
        return Pushed.UNKNOWN

    later: list[str] = []
    ann.server.after = lose
    assert ann.chain.send("", new) == later[0]
    assert ann.repository.contains(later[0], new)


def test_a_push_that_did_not_arrive_is_sent_again_as_the_same_commit(ann: Party) -> None:
    tries: list[str] = []

    def drop(updates: Any) -> Pushed | None:
        tries.append(updates[0].new)
        return Pushed.UNKNOWN if len(tries) < 3 else None

    ann.server.before = drop
    new = ann.commit("")
    assert ann.chain.send("", new) == new
    assert tries == [new, new, new]


def test_a_push_that_lands_late_is_recognised(ann: Party) -> None:
    pending: list[Any] = []

    def delay(updates: Any) -> Pushed | None:
        pending.append(updates)
        return Pushed.UNKNOWN

    def land() -> None:
        ann.server.apply(ann.repository, pending[0])

    ann.server.before, ann.clock.meanwhile = delay, land
    new = ann.commit("")
    assert ann.chain.send("", new) == new
    assert len(pending) == 1


def test_a_rival_in_the_window_wins(ann: Party, bob: Party) -> None:
    tip = ann.chain.publish("", {"file": b"1"}, "one", ANN)
    bob.chain.fetch()

    def rival(updates: Any) -> None:
        ann.server.before = None
        bob.chain.send(tip, bob.commit(tip, "bob"))

    ann.server.before = rival
    with pytest.raises(LostRaceError):
        ann.chain.send(tip, ann.commit(tip, "ann"))


def test_a_remote_that_stays_away_ends_the_patience(ann: Party) -> None:
    new = ann.commit("")
    ann.server.reachable = False
    with pytest.raises(GitError, match="cannot be reached") as caught:
        ann.chain.send("", new, patience=10)
    assert caught.value.kind == "unreachable"
    assert 10 <= ann.clock.monotonic() < 20


def test_a_remote_that_comes_back_in_time_is_no_error(ann: Party) -> None:
    def back() -> None:
        ann.server.reachable = ann.clock.monotonic() > 1

    ann.server.reachable, ann.clock.meanwhile = False, back
    new = ann.commit("")
    assert ann.chain.send("", new, patience=10) == new


def test_a_server_that_never_takes_it_is_an_error_too(ann: Party) -> None:
    ann.server.before = lambda updates: Pushed.UNKNOWN
    with pytest.raises(GitError, match="does not take the ledger of 'dev'"):
        ann.chain.send("", ann.commit(""), patience=1)


def test_a_refusal_is_told_at_once_when_the_ref_has_not_moved(ann: Party) -> None:
    ann.server.writable = False
    with pytest.raises(GitError) as caught:
        ann.chain.send("", ann.commit(""))
    assert caught.value.kind == "denied"
    assert ann.clock.monotonic() == 0


# --- continuity ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["gone", "rewound", "replaced"])
def test_a_rewritten_chain_is_not_followed(ann: Party, how: str) -> None:
    first = ann.chain.publish("", {"file": b"1"}, "one", ANN)
    second = ann.chain.publish(first, {"file": b"2"}, "two", ANN)
    other = ann.commit("", "other")
    ann.server.objects |= ann.repository.objects
    if how == "gone":
        del ann.server.refs[REF]
    else:
        ann.server.refs[REF] = first if how == "rewound" else other
    for _ in range(2):
        with pytest.raises(Stop) as caught:
            ann.chain.fetch()
        assert caught.value.code is Exit.FAILURE
        assert f"the ledger of 'dev' was rewritten at the remote: this clone saw {second[:12]} and" in caught.value.message
        assert "provisioning state repair -i dev" in caught.value.hint
    assert ann.chain.seen() == second


@pytest.mark.parametrize("there", [True, False])
def test_a_replica_of_the_remote_that_lags_behind_is_waited_for(ann: Party, there: bool) -> None:
    first = ann.chain.publish("", {"file": b"1"}, "one", ANN)
    second = ann.chain.publish(first, {"file": b"2"}, "two", ANN)
    ann.server.refs = {REF: first} if there else {}
    looks: list[float] = []

    def catch_up() -> None:
        looks.append(ann.clock.monotonic())
        if len(looks) == 3:
            ann.server.refs = {REF: second}

    ann.clock.meanwhile = catch_up
    assert ann.chain.fetch() == ann.chain.seen() == second
    assert len(looks) == 3


@pytest.mark.parametrize("rewound", [True, False])
def test_nothing_is_sent_on_what_this_clone_knows_to_be_outdated(ann: Party, rewound: bool) -> None:
    """Another process of the clone saw more: a ref rewound to just where we stand would take our commit."""
    first = ann.chain.publish("", {"file": b"1"}, "one", ANN)
    ours = ann.commit(first, "ours")
    second = ann.chain.publish(first, {"file": b"2"}, "two", ANN)
    if rewound:
        ann.server.refs[REF] = first
    with pytest.raises(Stop if rewound else LostRaceError, match="rewritten" if rewound else second):
        ann.chain.send(first, ours)
    assert ann.server.refs[REF] == (first if rewound else second)


def test_a_chain_rewritten_meanwhile_is_not_pushed_over(ann: Party) -> None:
    first = ann.chain.publish("", {"file": b"1"}, "one", ANN)
    second = ann.chain.publish(first, {"file": b"2"}, "two", ANN)
    ann.server.refs[REF] = first
    with pytest.raises(Stop, match="rewritten"):
        ann.chain.send(second, ann.commit(second, "three"))
    assert ann.server.refs[REF] == first


def test_a_tip_that_is_not_trusted_is_not_remembered(world: World, bob: Party) -> None:
    shown: list[tuple[str, str]] = []

    def refuse(tip: str, seen: str) -> None:
        shown.append((tip, seen))
        raise Stop(Exit.FAILURE, "not ours")

    tip = bob.chain.publish("", {"file": b"1"}, "one", ANN)
    wary = Party(world, trust=refuse)
    for _ in range(2):
        with pytest.raises(Stop, match="not ours"):
            wary.chain.fetch()
    assert shown == [(tip, ""), (tip, "")]
    assert wary.chain.seen() == ""


def test_a_tip_somebody_else_has_read_saves_the_look(ann: Party, world: World) -> None:
    tip = ann.chain.publish("", {"file": b"1"}, "one", ANN)
    ann.server.reachable = False
    assert ann.chain.fetch(known={REF: tip}) == tip


def test_another_process_of_the_same_clone_may_be_ahead_of_what_we_read(ann: Party, world: World) -> None:
    """Two processes share the refs of one clone: one reads an old tip, the other notes a newer one before it is done."""
    first = ann.chain.publish("", {"file": b"1"}, "one", ANN)
    second = ann.commit(first, "two")
    local = f"{LOCAL}/dev"
    slow = Chain(ann.repository, ann.remote, "dev", Backoff(world.clock, lambda: 0.5), trust=lambda tip, seen: ahead())
    del ann.repository.refs[local]

    def ahead() -> None:
        ann.repository.set_ref(local, second)

    assert slow.fetch() == first
    assert slow.seen() == second


def test_a_note_made_while_we_asked_the_remote_does_not_make_its_answer_a_rewritten_chain(ann: Party) -> None:
    first = ann.chain.publish("", {"file": b"1"}, "one", ANN)
    second = ann.commit(first, "two")
    whole = ann.remote.refs

    def refs(patterns: Any) -> Any:
        answer = whole(patterns)
        ann.repository.set_ref(f"{LOCAL}/dev", second)
        return answer

    ann.remote.refs = refs  # type: ignore[method-assign]
    assert ann.chain.fetch() == first


def test_a_fetch_that_another_process_disturbed_is_made_good(world: World, bob: Party) -> None:
    tip = bob.chain.publish("", {"file": b"1"}, "one", ANN)
    disturbed = Party(world)
    whole, calls = disturbed.remote.fetch, []

    def fetch(refs: Any) -> Any:
        calls.append(refs)
        if len(calls) == 1:
            raise GitError("cannot lock ref", "unreachable")
        return whole(refs)

    disturbed.remote.fetch = fetch  # type: ignore[method-assign]
    assert disturbed.chain.fetch() == tip


# --- chance -------------------------------------------------------------------------------------------------


def test_nonces_are_128_bits_and_never_alike() -> None:
    many = {fresh_nonce() for _ in range(1000)}
    assert len(many) == 1000
    assert all(len(nonce) == 32 for nonce in many)


def test_draws_lie_from_zero_up_to_one() -> None:
    many = [draw() for _ in range(1000)]
    assert 0 <= min(many) < 0.1
    assert 0.9 < max(many) < 1


@pytest.mark.parametrize(
    ("kind", "code"),
    [("denied", Exit.DENIED), ("no-identity", Exit.INVALID), ("unreachable", Exit.FAILURE), ("other", Exit.FAILURE)],
)
def test_what_git_could_not_do_ends_a_command(kind: str, code: Exit) -> None:
    stop = stop_of(GitError("words", kind, "advice"))
    assert (stop.code, stop.message, stop.hint) == (code, "words", "advice")
