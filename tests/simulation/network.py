"""The remote as one process reaches it: with delays, and with every way in which an answer can be missing or late."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from machines import Process

from gitops.git.memory import MemoryRemote, MemoryRepository, MemoryServer, elsewhere
from gitops.ports import NOTHING, GitError, Person, Pushed, RefUpdate, check_updates

TIMEOUT = 8.0
"""Seconds after which a client stops waiting for an answer."""


class Clone(MemoryRepository):
    """A clone on a machine: what processes of that machine share, and what outlives them."""

    work_tree = None

    def __init__(self, person: Person) -> None:
        super().__init__()
        self.person = person

    def identity(self) -> Person:
        """Who works here."""
        return self.person

    def setting(self, key: str, own: bool = False) -> str:
        """Nothing is configured."""
        del key, own
        return ""


class ClonedBy:
    """A clone as one process writes to it: moving a local ref is an effect. Everything else is as in the clone."""

    def __init__(self, clone: Clone, process: Process) -> None:
        self._clone, self._process = clone, process

    def __getattr__(self, name: str) -> object:
        found = self.__dict__[name] = getattr(self._clone, name)
        return found

    def set_ref(self, ref: str, new: str, old: str | None = None) -> bool:
        """As in the clone."""
        return self._process.effect("set_ref", lambda: self._clone.set_ref(ref, new, old))


class SimulatedRemote(MemoryRemote):
    """Implements ``gitops.ports.Remote``. ``pushed`` is told of every push that the server has applied, and when
    it was begun."""

    def __init__(
        self, clone: Clone, server: MemoryServer, process: Process, pushed: Callable[[Sequence[RefUpdate], float], None]
    ) -> None:
        super().__init__(clone, server, "memory://shared")
        self._process, self._pushed = process, pushed
        self._world = process.world

    def refs(self, patterns: Sequence[str]) -> Mapping[str, str]:
        """As the server has them when the request is there, or a replica of it."""
        self._request("refs")
        with self._replica():
            found = super().refs(patterns)
        self._process.wait(self._world.latency())
        self._process.boundary("after refs")
        return found

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, str]:
        """Objects and refs arrive together or not at all."""
        if not refs:
            return {}
        self._request("fetch")
        self._process.wait(self._world.latency())
        self._process.boundary("fetch: before it is written")
        with self._replica():
            found = super().fetch(refs)
        self._process.boundary("after fetch")
        return found

    def _request(self, name: str) -> None:
        world, machine = self._world, self._process.machine
        self._process.boundary(f"before {name}")
        if world.strikes("partition"):
            machine.cut_until = world.scheduler.now + world.chance.random() * 150
        if world.strikes("stale_read"):
            machine.replica = (world.scheduler.now + world.chance.random() * 3, dict(self._server.refs))
        if world.scheduler.now < machine.cut_until or world.strikes("unreachable"):
            self._process.wait(TIMEOUT * world.chance.random())
            raise GitError("the remote cannot be reached", "unreachable")
        self._process.wait(world.latency())

    @contextmanager
    def _replica(self) -> Iterator[None]:
        """Read from what lags behind, while that lasts."""
        until, old = self._process.machine.replica
        now = self._server.refs
        if self._world.scheduler.now < until:
            self._server.refs = old
        try:
            yield
        finally:
            self._server.refs = now

    def push(self, updates: Sequence[RefUpdate], unmoved: Mapping[str, str] = NOTHING) -> Pushed:
        """What the server does is its own business once the request is under way, whatever becomes of the client."""
        check_updates(updates, self._repository.contains)
        world, server, sent = self._world, self._server, self._world.scheduler.now
        self._process.boundary("before push")
        self._process.wait(world.latency())
        if elsewhere(server.refs, updates, unmoved):
            return Pushed.REJECTED
        self._process.boundary("push: before it is sent")
        cut = world.scheduler.now < self._process.machine.cut_until
        if cut or world.strikes("lost_push") or world.strikes("refused_push"):
            self._process.wait(TIMEOUT * world.chance.random())
            return Pushed.UNKNOWN
        late = world.strikes("late_push")
        delay = world.latency() + (world.chance.random() * world.faults.latest_push if late else 0.0)
        outcome: list[Pushed] = []
        for _ in range(2 if world.strikes("doubled_push") else 1):
            # sent again on the way, the second is refused, and it is the second's answer that is heard
            world.scheduler.at(delay, lambda: outcome.append(self._land(updates, sent)))
        self._process.wait(min(delay, TIMEOUT) + world.latency())
        self._process.boundary("after push")
        if world.strikes("lost_answer") or not outcome:
            self._process.wait(TIMEOUT * world.chance.random())
            return Pushed.UNKNOWN
        return outcome[-1]

    def _land(self, updates: Sequence[RefUpdate], sent: float) -> Pushed:
        outcome = self._server.apply(self._repository, updates)
        self._world.tell(f"push of {', '.join(u.new[:8] for u in updates)} by {self._process.name}: {outcome}")
        if outcome is Pushed.ACCEPTED:
            self._pushed(updates, sent)
        return outcome
