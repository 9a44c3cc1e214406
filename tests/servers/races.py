"""Many who want one lock at the same moment, each in a clone of its own; shared by a test and a benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Barrier, Condition, Thread

from parties import Parties, Party

from executors.clocks import SystemClock
from gitops.ledger.audit import verify
from gitops.stops import Exit, Stop


@dataclass
class Round:
    """What became of one round: who got the lock, who has it at the remote, and how the others ended."""

    winners: list[str] = field(default_factory=list)
    held_by: list[str] = field(default_factory=list)
    losers: Counter[Exit] = field(default_factory=Counter)
    trouble: list[str] = field(default_factory=list)
    """What anybody was told but that it is locked."""


class Race:
    """``count`` contenders at one remote. Every other round is about a ledger that does not exist yet."""

    def __init__(self, parties: Parties, count: int) -> None:
        self.parties = parties
        self.contenders = [parties.party(f"p{number}") for number in range(count)]
        self._rounds = 0

    def round(self) -> Round:
        """All at once. Whoever gets the lock keeps it until all others have ended."""
        infra = f"shop-{self._rounds // 2}"
        self._rounds += 1
        found, start, settled = Round(), Barrier(len(self.contenders)), Settled(len(self.contenders))
        threads = [Thread(target=self._contend, args=(party, infra, start, settled, found)) for party in self.contenders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    def _contend(self, party: Party, infra: str, start: Barrier, settled: Settled, found: Round) -> None:
        ledger = party.of(infra, SystemClock())
        start.wait()
        try:
            with ledger.acquire("write", f"{party.name}-{self._rounds}", "p1", "race", 0, lambda _: None):
                found.winners.append(party.name)
                settled.one_more_and_all()
                holder = party.of(infra, SystemClock()).view().lock.holder
                found.held_by.append(holder.name if holder else "")
        except Stop as stop:
            found.losers[stop.code] += 1
            found.trouble += [] if stop.code is Exit.LOCKED else [f"{party.name}: {stop.message}"]
            settled.one_more()

    def faults(self) -> Sequence[str]:
        """What is wrong with the ledgers: a transition that is not legal, or more than one acquisition and release a round."""
        wrong = []
        judge = self.contenders[0]
        for number in range((self._rounds + 1) // 2):
            infra, rounds = f"shop-{number}", min(2, self._rounds - 2 * number)
            seen = verify(judge.repository, judge.of(infra, SystemClock()).view().tip, infra, "w1")
            wrong += seen.findings
            if seen.transitions != 1 + 2 * rounds:
                wrong.append(f"{infra} has {seen.transitions} transitions after {rounds} rounds")
        return wrong


class Settled:
    """Counts those whose round is decided."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._changed = Condition()

    def one_more(self) -> None:
        """Decided."""
        with self._changed:
            self._left -= 1
            self._changed.notify_all()

    def one_more_and_all(self) -> None:
        """Decided, and wait for all others."""
        with self._changed:
            self._left -= 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._left <= 0)
