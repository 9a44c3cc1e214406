"""One move of the ledger as one commit: lock, files, audit entries and trailers put together. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gitops.ledger.lock import MOVES, Lock
from gitops.ledger.records import Entry
from gitops.ledger.tree import LOCK, audit_path, value_bytes

TRAILERS = ("Run", "Plan", "Infra", "Source-Commit", "Token", "Actor")


@dataclass(frozen=True, slots=True)
class Draft:
    """A move about to be made. ``lock`` is the lock after it, its counters and nonce not yet set; ``entries`` unnumbered.

    ``commit`` is the source commit that a run applies, "" when there is none.
    """

    move: str
    lock: Lock
    edits: Mapping[str, bytes | None] = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    commit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a commit takes from the moment and the one who makes it."""

    infra: str
    actor: str
    host: str
    nonce: str
    wall: int


def compose(before: Lock, draft: Draft, stamp: Stamp) -> tuple[Lock, dict[str, bytes | None], str]:
    """(lock after the move, edits, commit message)."""
    row = MOVES[draft.move]
    seq = before.seq + 1
    lock = replace(
        draft.lock, move=draft.move, seq=seq, nonce=stamp.nonce, token=before.token + row.token,
        pulse=seq if draft.lock.holder and row.by in ("holder", "contender") else draft.lock.pulse,
        entries=before.entries, chain=before.chain,
    )  # fmt: skip
    acting = lock if lock.holder or not before.holder else before
    edits: dict[str, bytes | None] = dict(draft.edits)
    for entry in draft.entries:
        lock, numbered = _chained(lock, entry, acting, stamp)
        edits[audit_path(numbered)] = value_bytes(numbered)
    edits[LOCK] = value_bytes(lock)
    values = (acting.run, acting.plan, stamp.infra, draft.commit, str(lock.token), stamp.actor)
    trailers = "".join(f"Provisioning-{name}: {value or '-'}\n" for name, value in zip(TRAILERS, values, strict=True))
    subject = f"{stamp.infra}: {draft.move}" + (f", {draft.note}" if draft.note else "")
    return lock, edits, f"{subject}\n\n{trailers}"


def _chained(lock: Lock, entry: Entry, acting: Lock, stamp: Stamp) -> tuple[Lock, Entry]:
    """``entry`` numbered, stamped and hooked to the one before, and the lock that remembers it."""
    filled = replace(
        entry, seq=lock.entries + 1, time=stamp.wall, actor=stamp.actor, host=stamp.host, token=lock.token,
        run=entry.run or acting.run, plan=entry.plan or acting.plan, previous=lock.chain,
    )  # fmt: skip
    digest = filled.digest
    return replace(lock, entries=filled.seq, chain=digest), replace(filled, id=digest[:16])


def trailers_of(message: str) -> dict[str, str]:
    """The trailers of a commit message by name, "-" as ""."""
    last = message.rstrip("\n").rpartition("\n\n")[2]
    pairs = (line.removeprefix("Provisioning-").partition(": ") for line in last.splitlines() if line.startswith("Provisioning-"))
    return {name: "" if value == "-" else value for name, _, value in pairs}
