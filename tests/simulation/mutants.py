"""Mistakes that others have made, planted in the product: the simulation is worth what it finds of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from machines import World
from scheduler import here

from executors.effects import Effects
from executors.ports import Intent, Request, Result
from gitops.git.memory import MemoryRepository, MemoryServer, copy
from gitops.ledger import contend
from gitops.ledger.admission import Admission
from gitops.ledger.chain import Chain
from gitops.ledger.held import Held
from gitops.ledger.holder import Actor, Holder
from gitops.ledger.lock import Lock, State
from gitops.ledger.writer import Writer
from gitops.ports import NOTHING, Person, Pushed, RefUpdate


@contextmanager
def no_fence() -> Iterator[None]:
    """A holder that finds others in the ledger goes on from there, whoever they are."""

    def follow(self: Any, ours: str, tip: str) -> None:
        del ours
        self._tip, self._lock = tip, replace(self._lock, seq=self._view_of(tip).lock.seq)

    with mock.patch.object(Held, "_follow", follow):
        yield


@contextmanager
def no_compare() -> Iterator[None]:
    """The server takes every push, wherever the ref is."""

    def force(self: MemoryServer, source: MemoryRepository, updates: Sequence[RefUpdate]) -> Pushed:
        for update in updates:
            copy(source.objects, self.objects, update.new)
        self.refs |= {update.ref: update.new for update in updates}
        return Pushed.ACCEPTED

    with mock.patch.object(MemoryServer, "apply", force):
        yield


@contextmanager
def delete_as_release() -> Iterator[None]:
    """Whoever is done removes the ref."""
    leave = Held.leave

    def remove(self: Any, failed: bool) -> None:
        leave(self, failed)
        chain = self._writer.chain
        chain.remote._server.refs.pop(chain.ref, None)

    with mock.patch.object(Held, "leave", remove):
        yield


@contextmanager
def identical_commits() -> Iterator[None]:
    """No nonce: two jobs of one service, started alike, make the very same commit."""

    def alike(self: Actor, acquisition: str) -> Holder:
        del self, acquisition
        return Holder("0" * 32, "ci", "ci@example.org", "runner", "", 1, "", "")

    commit = Writer.commit

    def plain(self: Writer, parent: str, before: Lock, draft: Any) -> tuple[str, Lock]:
        lock = replace(draft.lock, since=0, run="", plan="")
        clock = mock.Mock(wall=lambda: 1_700_000_000.0)
        same = replace(self, nonce=lambda: f"{before.seq:032x}", clock=clock, actor=replace(self.actor, person=CI, host="runner"))
        return commit(same, parent, before, replace(draft, lock=lock) if draft.move in ("create", "acquire") else draft)

    with mock.patch.object(Actor, "holder", alike), mock.patch.object(Writer, "commit", plain):
        yield


CI = Person("ci", "ci@example.org")


@contextmanager
def own_lease() -> Iterator[None]:
    """A holder takes its lease for granted."""
    with mock.patch.object(Held, "_fits", lambda *_: True), mock.patch.object(Held, "renew", lambda _: None):
        yield


@contextmanager
def wall_clock_lease() -> Iterator[None]:
    """A contender compares its clock with the time that the holder wrote."""
    gone = contend.gone

    def by_date(lock: Lock, seen: contend.Seen, now: float, is_dead: Callable[[Holder], bool]) -> frozenset[str]:
        fiber = here()
        assert fiber is not None
        machine = fiber.owner.machine
        wall = 1_700_000_000 + machine.world.scheduler.now + machine.wall_offset
        late = lock.state is State.HELD and lock.holder is not None and wall - lock.since > lock.lease_seconds
        return gone(lock, seen, now, is_dead) | (frozenset({lock.holder.id}) if late and lock.holder else frozenset())

    with mock.patch("gitops.ledger.locking.gone", by_date):
        yield


@contextmanager
def intent_after_effect() -> Iterator[None]:
    """What is about to be done is written down when it has been."""
    record = Held.record

    def late(self: Any, results: Sequence[Result], intents: Sequence[Intent]) -> None:
        kept: dict[str, Intent] = self.__dict__.setdefault("kept", {})
        kept |= {i.op: i for i in intents}
        if results:
            record(self, [], [kept.pop(r.op) for r in results if r.op in kept])
            record(self, results, [])

    with mock.patch.object(Held, "record", late):
        yield


@contextmanager
def retry_without_key() -> Iterator[None]:
    """Each attempt is a call of its own."""
    made = Effects._request

    def fresh(self: Effects, *args: Any) -> Request:
        fiber = here()
        assert fiber is not None
        return replace(made(self, *args), key=fiber.owner.world.nonce())

    with mock.patch.object(Effects, "_request", fresh):
        yield


@contextmanager
def trusted_exit_code() -> Iterator[None]:
    """What git says is what happened: no answer means that nothing did."""
    send = Chain.send

    def once(self: Any, old: str, new: str, patience: float = 10.0, unmoved: Mapping[str, str] = NOTHING) -> str:
        told: list[Pushed] = []
        push = self.remote.push

        def listen(updates: Sequence[RefUpdate], beside: Mapping[str, str]) -> Pushed:
            told.append(push(updates, beside))
            return Pushed.ACCEPTED if told[-1] is Pushed.UNKNOWN else told[-1]

        with mock.patch.object(self.remote, "push", listen):
            return send(self, old, new, patience, unmoved)

    with mock.patch.object(Chain, "send", once):
        yield


@contextmanager
def asked_once() -> Iterator[None]:
    """Whether it is frozen is asked before the lock is taken, and never again."""
    with mock.patch.object(Admission, "unmoved", lambda self, kind: NOTHING):
        yield


MUTANTS: Mapping[str, Callable[[], AbstractContextManager[None]]] = {
    mutant.__name__: mutant
    for mutant in (
        no_fence, no_compare, delete_as_release, identical_commits, own_lease, wall_clock_lease, intent_after_effect,
        retry_without_key, trusted_exit_code, asked_once,
    )
}  # fmt: skip
__all__ = ["MUTANTS", "World"]
