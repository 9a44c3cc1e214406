"""Anchors: a small file, kept outside of the repository, that says how far its chains had come at a time.

Whoever has one can prove later that nothing of what it saw was cut off or written anew, by whomever and however consistently:
a commit id holds everything below it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from gitops.ledger import tree
from gitops.ledger.check import lock_at
from gitops.ledger.line import follows, here, line
from gitops.ledger.naming import Kind, finding
from gitops.ledger.shape import Malformed, of_document, to_document
from gitops.ports import Repository
from planners.canonical import Json, digest, encode
from planners.dataclass import dataclass

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Mark:
    """How far one ledger had come: its newest commit, that one's number, and number and digest of the last audit entry."""

    tip: str
    seq: int
    entries: int
    chain: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """``ledgers``: infra -> mark. ``chains``: what else grows and is never rewritten (``audit``, ``approvals/<infra>``) -> tip.
    ``time``: Unix seconds."""

    workspace: str
    time: int
    ledgers: Mapping[str, Mark] = field(default_factory=dict)
    chains: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Json]:
        """As the file holds it."""
        whole: dict[str, Json] = {
            "format": FORMAT,
            "workspace": self.workspace,
            "time": self.time,
            "ledgers": {infra: to_document(mark) for infra, mark in self.ledgers.items()},
            "chains": dict(self.chains),
        }
        return {**whole, "digest": digest("anchor", whole)}


def anchor_bytes(anchor: Anchor) -> bytes:
    """The file."""
    return encode(anchor.document())


def anchor_of(raw: bytes) -> Anchor:
    """The reverse of ``anchor_bytes``. Raises ``Malformed``."""
    whole = tree.parse(raw)
    if not isinstance(whole, dict) or type(whole.get("format")) is not int:
        raise Malformed("is no anchor")
    if whole["format"] > FORMAT:
        raise Malformed(f"has format {whole['format']} and this version reads up to {FORMAT}")
    rest = {key: value for key, value in whole.items() if key != "digest"}
    if whole.get("digest") != digest("anchor", rest):
        raise Malformed("was changed since it was made: its digest is not that of its content")
    return of_document(Anchor, {k: v for k, v in rest.items() if k != "format"}, ledgers=_marks, chains=_tips)


def _marks(value: Any) -> dict[str, Mark]:
    return {str(infra): of_document(Mark, mark) for infra, mark in value.items()}


def _tips(value: Any) -> dict[str, str]:
    return {str(name): str(tip) for name, tip in value.items()}


def mark_of(repository: Repository, tip: str) -> Mark:
    """How far the ledger has come at ``tip``. Raises ``Malformed`` when it holds no lock that can be read."""
    lock = lock_at(repository, tip)
    if lock is None:
        raise Malformed(f"holds no lock that can be read at {tip[:12]}")
    return Mark(tip, lock.seq, lock.entries, lock.chain)


# --- comparing -------------------------------------------------------------------------------------------


def departures(repository: Repository, tip: str, mark: Mark, who: str) -> Iterator[str]:
    """How the chain at ``tip`` ("" : it is gone) does not go on from ``mark``. ``who`` knows it: "the anchor", "this clone".
    Raises ``GitError``."""
    if not tip:
        yield finding(mark.tip, Kind.TRUNCATED, f"the ledger is gone, and {who} has {mark.tip[:12]}, transition {mark.seq}")
    elif not (here(repository, mark.tip) and follows(repository, tip, mark.tip)):
        yield _apart(repository, tip, mark, who)
    elif mark_of(repository, mark.tip) != mark:
        yield finding(mark.tip, Kind.REWRITTEN, f"it holds something else than {who} says of it")


def _apart(repository: Repository, tip: str, mark: Mark, who: str) -> str:
    known = f"{who} has {mark.tip[:12]}, transition {mark.seq}"
    if here(repository, mark.tip) and repository.contains(mark.tip, tip):
        cut = len(line(repository, mark.tip, tip))
        return finding(tip, Kind.TRUNCATED, f"the {cut} that followed {'was' if cut == 1 else 'were'} cut off: {known}")
    lock = lock_at(repository, tip)
    if lock is not None and lock.seq < mark.seq and not here(repository, mark.tip):
        return finding(tip, Kind.TRUNCATED, f"it ends with transition {lock.seq}, cut off or written anew: {known}")
    return finding(tip, Kind.REWRITTEN, f"{_since(repository, tip, mark)}: {known}")


def _since(repository: Repository, tip: str, mark: Mark) -> str:
    """From where on it is another chain, as far as that can be told."""
    if not here(repository, mark.tip):
        return "it does not hold what was there"
    old = {commit.oid for commit in line(repository, mark.tip)}
    shared = next((commit.oid for commit in line(repository, tip) if commit.oid in old), "")
    return f"everything after {shared[:12]} is another" if shared else "it is another from the first transition on"
