"""What somebody did to a ledger, from what is wrong with it: edited, removed, reordered, inserted, foreign. Pure.

Every transition has its number (``seq``) and a nonce of its own. So a number that is missing was taken out, one that comes
late was moved, one that comes twice was put in; where the numbers are right, the content was changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum

from gitops.ledger.line import continued
from gitops.ledger.lock import Lock
from gitops.ledger.transition import trailers_of
from gitops.ports import Commit
from planners.dataclass import dataclass


class Kind(StrEnum):
    """What was done to a chain."""

    EDITED = "edited"
    REMOVED = "removed"
    REORDERED = "reordered"
    INSERTED = "inserted"
    FOREIGN = "foreign"
    """It belongs to another infra or workspace."""
    FORGED = "forged"
    """Nobody who may sign has signed it."""
    REWRITTEN = "rewritten"
    TRUNCATED = "truncated"
    UNREADABLE = "unreadable"


def finding(commit: str, kind: Kind, what: str) -> str:
    """``<commit> <kind>: <what>``, as people and tests read it."""
    return f"{commit[:12]} {kind}: {what}"


@dataclass(frozen=True, slots=True)
class Link:
    """One commit of the chain: its lock (``None``: it has none that can be read) and what is wrong with it."""

    commit: Commit
    lock: Lock | None
    faults: Sequence[str]

    @property
    def seq(self) -> int:
        """Its number, 0 when it has none."""
        return self.lock.seq if self.lock else 0


def named(links: Sequence[Link], infra: str, proved: int = 0) -> Iterator[str]:
    """Every fault as a finding, oldest first, each commit's begun by what happened to the order of things. ``links`` follow
    transition ``proved``, up to which everything is known to be there (0: they begin the chain, or it is not known)."""
    order = _Order(links, proved)
    for n, link in enumerate(links):
        told = trailers_of(link.commit.message).get("Infra")
        if told not in (None, infra):
            yield finding(link.commit.oid, Kind.FOREIGN, f"it was made for infra '{told}'")
        kind, what = order.place(link, follows=next((k.seq for k in links[n + 1 :]), 0))
        if link.faults:
            yield from (finding(link.commit.oid, kind, text) for text in [*([what] if what else []), *link.faults])


class _Order:
    """Where each commit stands among the numbers of all."""

    def __init__(self, links: Sequence[Link], proved: int) -> None:
        self._numbers = {link.seq for link in links}
        self._before: dict[int, Link] = {}
        begun = bool(links) and continued(links[0].commit) and links[0].lock is not None
        self._proved = proved
        self._last = proved or (links[0].seq - 1 if begun else 0)
        """The highest number so far."""
        self._previous = self._last
        self._kind = Kind.EDITED

    def place(self, link: Link, follows: int) -> tuple[Kind, str]:
        """(kind, a sentence on the order, "" when there is nothing to say on it); ``follows``: the number of the next commit."""
        self._kind, what = self._placed(link, follows)
        if link.lock is not None:
            self._before.setdefault(link.seq, link)
        # one that cannot be read is counted when those that follow have left room for it
        self._previous = link.seq or self._last + (self._kind is Kind.EDITED)
        self._last = max(self._last, self._previous)
        return self._kind, what

    def _placed(self, link: Link, follows: int) -> tuple[Kind, str]:
        if link.lock is None:
            return (Kind.EDITED, "") if follows == self._last + 2 else (Kind.INSERTED, "it is no transition")
        seq, twin = link.seq, self._before.get(link.seq)
        if twin is not None and twin.lock is not None:
            again = twin.lock.nonce == link.lock.nonce
            return Kind.INSERTED, f"it {'repeats' if again else 'is a second'} transition {seq}, {twin.commit.oid[:12]}"
        if seq <= self._proved:
            return Kind.INSERTED, f"it is a second transition {seq}"
        if seq <= self._last:
            return Kind.REORDERED, f"transition {seq} stands after transition {self._last}"
        if gap := range(self._last + 1, seq):
            missing = [n for n in gap if n not in self._numbers]
            if missing:
                return Kind.REMOVED, f"before it {_range(missing)} {'is' if len(missing) == 1 else 'are'} missing"
            return Kind.REORDERED, f"transition {seq} stands before {_range(gap)}"
        if self._previous != seq - 1:
            return self._kind, f"it follows what does not belong before transition {seq}"
        if len(link.commit.parents) > 1:
            return Kind.INSERTED, "it merges something into the chain"
        gone = any(": removed" in fault for fault in link.faults)
        return (Kind.REMOVED if gone else Kind.EDITED), ""


def _range(numbers: Sequence[int]) -> str:
    return f"transition {numbers[0]}" if len(numbers) == 1 else f"transitions {numbers[0]} to {numbers[-1]}"
