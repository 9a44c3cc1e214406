"""The lock of one infra as a value, and every legal move it can make as data. Pure.

A ledger is a chain of commits, one move each; ``lock.json`` says after each who holds the infra. Two house rules: a move
changes only the fields its row allows, and every move changes ``seq`` and ``nonce``, so no two commits are alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum

from gitops.ledger.holder import Holder
from gitops.ledger.shape import Malformed, many, of_document, to_document
from planners.canonical import Json
from planners.dataclass import dataclass
from planners.problems import Problem, Where

FORMAT = 3
"""The newest format of a ledger that this version reads and the one it writes; docs/ledger.md says what each changed."""
PATH = "lock.json"
READERS = 16
"""Shared holders at once; each renewal of each is a push to the same ref."""
HOLD_SECONDS = 24 * 3600
"""The longest hold by a person."""
NONCE = re.compile(r"[0-9a-f]{32}")


class State(StrEnum):
    """What the lock is."""

    FREE = "FREE"
    HELD = "HELD"
    """One writer, with a lease."""
    HOLD = "HOLD"
    """Kept by a person until a time on the wall clock: nobody writes."""
    SHARED = "SHARED"
    """One or more readers of the live infrastructure, each with a lease."""
    SEALED = "SEALED"
    """The end of this chain: the ledger goes on in the next one."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A reader, or somebody in the queue. ``pulse`` is the ``seq`` at which it last gave a sign of life."""

    holder: Holder
    kind: str
    pulse: int


@dataclass(frozen=True, slots=True)
class Lock:
    """``lock.json``. Times are whole Unix seconds, for people (and for the end of a hold), never for leases.

    ``token`` counts the writers and survives ``FREE``; ``seq`` counts the commits; ``pulse`` is the ``seq`` of the holder's
    last commit, which others watch; ``recover`` says that an earlier holder left intents open, outcome unknown.
    ``entries`` counts the audit entries and ``chain`` is the digest of the last one.
    """

    format: int = FORMAT
    state: State = State.FREE
    move: str = ""
    kind: str = ""
    holder: Holder | None = None
    token: int = 0
    seq: int = 0
    pulse: int = 0
    nonce: str = ""
    lease_seconds: int = 0
    grace_seconds: int = 0
    run: str = ""
    plan: str = ""
    reason: str = ""
    since: int = 0
    expires: int = 0
    recover: bool = False
    readers: tuple[Claim, ...] = ()
    queue: tuple[Claim, ...] = ()
    entries: int = 0
    chain: str = ""

    def holder_text(self) -> str:
        """``Ann on build-7 (run 20261124-…)``, the readers by name, "" when nobody holds it."""
        if self.holder is not None:
            where = f" on {self.holder.host}" if self.holder.host else ""
            return f"{self.holder.name}{where}" + (f" (run {self.run})" if self.run else "")
        return ", ".join(f"{c.holder.name} on {c.holder.host} (reading)" for c in self.readers)

    @property
    def silence(self) -> float:
        """Seconds the holder must give no sign of life before others may take over (a quarter for clocks, and the grace)."""
        return self.lease_seconds * 1.25 + self.grace_seconds


# --- the moves -------------------------------------------------------------------------------------------

OWN = frozenset(
    ("state", "kind", "holder", "lease_seconds", "grace_seconds", "run", "plan", "reason", "since", "expires", "recover", "pulse")
)
ALWAYS = frozenset(("format", "move", "seq", "nonce"))
AUDITED = frozenset(("entries", "chain"))


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the transition table.

    ``target`` empty: the state stays. ``by``: who may (``holder``, ``contender``, ``owner`` of a hold, ``anyone``).
    ``token``: by how much it grows. ``changes``: lock fields it may change beside ``move``, ``seq`` and ``nonce``.
    ``writes``: parts of the ledger's tree it may change beside the lock.
    """

    name: str
    source: frozenset[State]
    target: frozenset[State]
    by: str
    when: str
    token: int = 0
    changes: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()


def _row(
    name: str, source: str, target: str, by: str, when: str, token: int, changes: frozenset[str], writes: str = ""
) -> tuple[str, Move]:
    parts = frozenset(writes.split())
    more = changes | (AUDITED if "audit" in parts else frozenset())
    before, after = (frozenset(State(s) for s in text.split()) for text in (source, target))
    return name, Move(name, before, after, by, when, token, more, parts)


RUN_PARTS = "runs plans pin converged audit"

MOVES: Mapping[str, Move] = dict((
    _row("create", "", "FREE", "anyone", "the ref does not exist: a push that only creates", 0, OWN, "meta audit"),
    _row("acquire", "FREE HOLD SHARED", "HELD", "contender", "nobody waits before us; a hold is over; every reader is gone",
         1, OWN | {"readers", "queue"}),
    _row("take-over", "HELD", "HELD", "contender", "the holder was silent for lease * 1.25 + grace, or died on our machine",
         1, OWN | {"queue"}, "audit"),
    _row("renew", "HELD", "", "holder", "a quarter of the lease has passed", 0, frozenset({"pulse"})),
    _row("record", "HELD", "", "holder", "results, intents, runs, pin: any write renews", 0, frozenset({"pulse", "recover"}),
         f"intents state {RUN_PARTS}"),
    _row("release", "HELD", "FREE", "holder", "the work is over; recover stays when intents are open", 0, OWN, RUN_PARTS),
    _row("break", "HELD HOLD SHARED", "FREE", "anyone", "a person says so, with a reason", 1, OWN | {"readers"}, "audit"),
    _row("hold", "FREE HOLD", "HOLD", "anyone", "a person says so, until when; an earlier hold is over", 0, OWN, "audit"),
    _row("release-hold", "HOLD", "FREE", "owner", "the same person, or the end has come", 0, OWN, "audit"),
    _row("join", "FREE HOLD SHARED", "SHARED", "anyone", "no writer waits, fewer than 16 read; a hold is over",
         0, OWN | {"readers", "queue"}),
    _row("stay", "SHARED", "", "anyone", "a quarter of the reader's lease has passed", 0, frozenset({"readers"})),
    _row("part", "SHARED", "SHARED FREE", "anyone", "a reader is done", 0, OWN | {"readers"}),
    _row("enqueue", "FREE HELD HOLD SHARED", "", "anyone", "lost three rounds, or has waited for 5 s", 0, frozenset({"queue"})),
    _row("dequeue", "FREE HELD HOLD SHARED", "", "anyone", "gave up waiting", 0, frozenset({"queue"})),
    _row("repair", "FREE HELD HOLD SHARED", "FREE", "anyone", "what followed is no transition, or there are two lines of them",
         1, OWN | {"readers"}, "audit"),
    _row("seal", "FREE", "SEALED", "anyone", "a person says so; nobody waits and no step is open", 0, OWN, "audit"),
    _row("continue", "SEALED", "FREE", "anyone", "another chain begins, on a ref that does not exist: a push that only creates",
         0, OWN, "meta audit"),
    _row("move-remote", "FREE", "FREE", "anyone", "the remote got another address", 0, frozenset(), "meta audit"),
))  # fmt: skip
"""The transition table. Everything that is not in it is no move of this program."""


def illegal(before: Lock | None, after: Lock) -> list[str]:
    """What is wrong with the step from ``before`` (``None``: no ledger yet) to ``after``; empty when it is a legal move."""
    move = MOVES.get(after.move)
    if move is None:
        return [f"'{after.move}' is no move"]
    if (before is None) != (not move.source):
        return [f"a ledger begins with 'create' and with nothing else, not with '{after.move}'"]
    was = before or Lock()
    allowed = move.changes | ALWAYS | (frozenset({"token"}) if move.token else frozenset())
    touched = [f.name for f in fields(Lock) if getattr(was, f.name) != getattr(after, f.name)]
    found = [f"a {move.name} does not change '{name}'" for name in touched if name not in allowed]
    if before is not None and was.state not in move.source:
        found.append(f"no {move.name} from {was.state}")
    if after.state not in (move.target or {was.state}):
        found.append(f"a {move.name} does not lead to {after.state}")
    if before is not None and after.format < was.format:
        found.append(f"format goes from {was.format} to {after.format}")
    if after.seq != was.seq + 1:
        found.append(f"seq goes from {was.seq} to {after.seq}")
    if after.token != was.token + move.token:
        found.append(f"token goes from {was.token} to {after.token}")
    if after.nonce == was.nonce or not NONCE.fullmatch(after.nonce):
        found.append("the nonce is not fresh")
    if move.by == "contender" and was.holder is not None and after.holder is not None and was.holder.id == after.holder.id:
        found.append(f"a {move.name} needs another holder")
    if move.by == "holder" and after.state is State.HELD and after.pulse != after.seq:
        found.append("the holder's pulse does not move")
    return found + inconsistent(after)


def inconsistent(lock: Lock) -> list[str]:
    """What is wrong with one lock taken alone."""
    one, readers = lock.holder is not None, len(lock.readers)
    wants = {
        State.FREE: (not one and not readers and not lock.kind and not lock.run, "FREE with a holder"),
        State.HELD: (one and not readers and lock.lease_seconds > 0, "HELD without one holder and a lease"),
        State.HOLD: (one and not readers and lock.expires > 0, "HOLD without an owner and an end"),
        State.SEALED: (not one and not readers and not lock.queue and not lock.run, "SEALED with somebody in it"),
        State.SHARED: (not one and 0 < readers <= READERS and lock.lease_seconds > 0, "SHARED without readers and a lease"),
    }
    right, wrong = wants[lock.state]
    return [] if right else [f"the lock is {wrong}"]


def freed(lock: Lock, recover: bool) -> Lock:
    """``lock`` without its holder or readers; the queue stays."""
    return Lock(token=lock.token, seq=lock.seq, recover=recover, queue=lock.queue, entries=lock.entries, chain=lock.chain)


# --- as JSON ---------------------------------------------------------------------------------------------


def encode(lock: Lock) -> dict[str, Json]:
    """``lock.json`` as a document."""
    return to_document(lock)


def decode(document: object) -> Lock | Problem:
    """The reverse of ``encode``; a newer format or anything that is no lock is a problem."""
    where = Where(PATH)
    found = document.get("format") if isinstance(document, Mapping) else None
    if type(found) is int and found > FORMAT:
        message = f"the ledger has format {found} and this version reads up to {FORMAT}"
        return Problem(where, "newer-format", message, "use the newer provisioning")
    hint = "'provisioning audit verify' names every change that is not ours"
    try:
        lock = of_document(Lock, document, state=State, holder=_holder_or_none, readers=many(_claim), queue=many(_claim))
    except Malformed as error:
        return Problem(where, "damaged-ledger", f"{PATH} {error}", hint)
    if wrong := inconsistent(lock):
        return Problem(where, "damaged-ledger", wrong[0], hint)
    return lock


def _holder(value: object) -> Holder:
    return of_document(Holder, value)


def _holder_or_none(value: object) -> Holder | None:
    return None if value is None else _holder(value)


def _claim(value: object) -> Claim:
    return of_document(Claim, value, holder=_holder)
