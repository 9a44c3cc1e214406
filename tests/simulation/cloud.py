"""The cloud of one history: the product's own simulated one, in true time, with fates drawn from this world's chance."""

from __future__ import annotations

from dataclasses import dataclass

from machines import Process, ProcessClock, TrueClock, World

from executors.ports import Provider, Request
from executors.simulated import LAG, LATE, Fate, SimulatedCloud, Thing

TIMEOUT = 20.0
"""A third of the lease: what a run gives a call."""


@dataclass(frozen=True)
class Sent:
    """An effect when it left its process. ``stopped``: the process was stopped between its last look at the lease and the
    sending, which no lock can exclude."""

    at: float
    verb: str
    address: str
    op: str
    token: int
    sender: str
    stopped: bool


class Cloud(SimulatedCloud):
    """It notes who sent what."""

    def __init__(self, world: World, kind: str) -> None:
        super().__init__(kind, TrueClock(world), late=LATE, lag=LAG)
        self.world = world
        self.sent: list[Sent] = []
        self.fate = self._fate

    def provider(self, process: Process) -> Provider:
        """As ``process`` reaches it."""
        return self.connect(ProcessClock(process), process.boundary)

    def send(self, verb: str, request: Request, lands: float | None):  # type: ignore[no-untyped-def]  # its type is private
        process, now = self.world.acting(), self.world.scheduler.now
        stopped = process.frozen_until >= now - 1e-6
        self.sent.append(Sent(now, verb, request.address, request.op, request.token, process.name, stopped))
        self.world.tell(f"{verb} {request.address} under token {request.token}" + ("" if lands is not None else ", lost"))
        return super().send(verb, request, lands)

    def _fate(self, verb: str, address: str) -> Fate:
        """What becomes of the next call."""
        del address
        world = self.world
        if world.strikes("provider_throttled"):
            return Fate(throttled=world.chance.random() * 5)
        if world.strikes("provider_lost"):
            return Fate(lands=None)
        there, back = world.latency(), world.latency()
        if verb in ("read", "list"):
            return Fate(answers=there + back, stale=world.chance.random() * LAG if verb == "list" else 0.0)
        if world.strikes("provider_late"):
            return Fate(lands=TIMEOUT + world.chance.random() * (LATE - TIMEOUT))
        slow = world.chance.random() * 10 if world.strikes("provider_slow") else 0.0
        answered = None if world.strikes("provider_unknown") else there + slow + back
        return Fate(lands=there + slow, answers=answered)


__all__ = ["Cloud", "Sent", "Thing"]
