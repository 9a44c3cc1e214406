"""One move of the ledger as one commit: lock, files, audit entries and trailers put together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TypeAlias

from gitops.ledger.lock import FORMAT, MOVES, Lock
from gitops.ledger.records import Entry
from gitops.ledger.tree import LOCK, audit_path, value_bytes
from planners.dataclass import dataclass

TRAILERS = ("Run", "Plan", "Infra", "Source-Commit", "Token", "Actor")
CONTINUES = "Continues"
"""The trailer of a commit that goes on from another than its first parent; see ``gitops.ledger.line``."""
Edits: TypeAlias = Mapping[str, bytes | str | None]
"""Path -> content, the id of a tree or blob that is there already, or ``None`` for a removal."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A move about to be made. ``lock`` is the lock after it, its counters and nonce not yet set; ``entries`` unnumbered.

    ``commit`` is the source commit that a run applies, "" when there is none. ``continues``: the commit it goes on from, where
    that is not its first parent, and ``others`` are further parents.
    """

    move: str
    lock: Lock
    edits: Edits = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    commit: str = ""
    note: str = ""
    continues: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a commit takes from the moment and the one who makes it."""

    infra: str
    actor: str
    host: str
    nonce: str
    wall: int


def compose(before: Lock, draft: Draft, stamp: Stamp) -> tuple[Lock, dict[str, bytes | str | None], str]:
    """(lock after the move, edits, commit message)."""
    row = MOVES[draft.move]
    seq = before.seq + 1
    lock = replace(
        draft.lock, format=FORMAT, move=draft.move, seq=seq, nonce=stamp.nonce, token=before.token + row.token,
        pulse=seq if draft.lock.holder and row.by in ("holder", "contender") else draft.lock.pulse,
        entries=before.entries, chain=before.chain,
    )  # fmt: skip
    acting = lock if lock.holder or not before.holder else before
    edits = dict(draft.edits)
    for entry in draft.entries:
        lock, numbered = _chained(lock, entry, acting, stamp)
        edits[audit_path(numbered)] = value_bytes(numbered)
    edits[LOCK] = value_bytes(lock)
    trailers = trailers_text(acting.run, acting.plan, stamp.infra, draft.commit, str(lock.token), stamp.actor, draft.continues)
    subject = f"{stamp.infra}: {draft.move}" + (f", {draft.note}" if draft.note else "")
    return lock, edits, f"{subject}\n\n{trailers}"


def _chained(lock: Lock, entry: Entry, acting: Lock, stamp: Stamp) -> tuple[Lock, Entry]:
    """``entry`` numbered, stamped and hooked to the one before, and the lock that remembers it."""
    told = replace(entry, token=lock.token, run=entry.run or acting.run, plan=entry.plan or acting.plan)
    filled = chained(told, lock.entries, lock.chain, stamp)
    return replace(lock, entries=filled.seq, chain=filled.digest), filled


def chained(entry: Entry, count: int, last: str, stamp: Stamp) -> Entry:
    """``entry`` as the one after ``count`` others, stamped and holding the digest of the ``last``."""
    filled = replace(entry, seq=count + 1, time=stamp.wall, actor=stamp.actor, host=stamp.host, previous=last)
    return replace(filled, id=filled.digest[:16])


def trailers_text(
    run: str = "", plan: str = "", infra: str = "", commit: str = "", token: str = "", actor: str = "", continues: str = ""
) -> str:
    """The end of a commit message, "" as "-"; only ``continues`` is left out then."""
    values = (run, plan, infra, commit, token, actor)
    text = "".join(f"Provisioning-{name}: {value or '-'}\n" for name, value in zip(TRAILERS, values, strict=True))
    return text + (f"Provisioning-{CONTINUES}: {continues}\n" if continues else "")


@lru_cache(maxsize=1024)
def trailers_of(message: str) -> Mapping[str, str]:
    """The trailers of a commit message by name, "-" as ""."""
    last = message.rstrip("\n").rpartition("\n\n")[2]
    pairs = (line.removeprefix("Provisioning-").partition(": ") for line in last.splitlines() if line.startswith("Provisioning-"))
    return MappingProxyType({name: "" if value == "-" else value for name, _, value in pairs})
