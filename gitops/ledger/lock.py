"""The lock as a value, and every move it may make. Pure.

The lock is a file of the ledger's tree, so whoever writes a commit on the tip is the holder, and a holder that was replaced
cannot write any more: its parent is no longer the tip. No clock takes part in that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from planners.canonical import Json

FORMAT = 1


class State(StrEnum):
    """``held`` lives by its lease; ``hold`` is a person's, without a lease, until it expires or is released."""

    FREE = "free"
    HELD = "held"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds it. ``boot`` and ``started`` tell a process from another that got its number later."""

    name: str
    mail: str = ""
    host: str = ""
    boot: str = ""
    pid: int = 0
    started: str = ""
    job: str = ""

    def text(self) -> str:
        """``Ada Example on build-7 (pid 4711)``."""
        where = f" on {self.host}" if self.host else ""
        return f"{self.name}{where}" + (f" (pid {self.pid})" if self.pid else "")


@dataclass(frozen=True, slots=True)
class Lock:
    """``token``: grows by one at each change of writer, never falls. ``seq``: one per commit. ``at``, ``expires``: Unix seconds.

    ``recover``: the last writer left open intents. ``audit_seq`` and ``audit_head``: number and digest of the last audit entry.
    """

    state: State = State.FREE
    kind: str = ""
    holder: Holder | None = None
    token: int = 0
    seq: int = 0
    nonce: str = ""
    lease_seconds: int = 60
    grace_seconds: int = 30
    plan: str = ""
    run: str = ""
    reason: str = ""
    recover: bool = False
    at: float = 0.0
    expires: float = 0.0
    audit_seq: int = 0
    audit_head: str = ""

    def holder_text(self) -> str:
        """Who holds it, "" when it is free."""
        return self.holder.text() if self.holder and self.state is not State.FREE else ""


@dataclass(frozen=True, slots=True)
class Move:
    """One legal transition: ``token`` is by how much the token grows."""

    name: str
    before: State | None
    after: State
    token: int
    by: str


MOVES: tuple[Move, ...] = (
    Move("genesis", None, State.FREE, 0, "the first to lock"),
    Move("acquire", State.FREE, State.HELD, 1, "anyone"),
    Move("take-over", State.HELD, State.HELD, 1, "a contender that watched the lease run out, or saw the holder's process dead"),
    Move("write", State.HELD, State.HELD, 0, "the holder: renewal, intents, results, runs, pin"),
    Move("release", State.HELD, State.FREE, 0, "the holder"),
    Move("move-remote", State.FREE, State.FREE, 0, "a person, when the repository has a new address"),
    Move("hold", State.FREE, State.HOLD, 1, "a person"),
    Move("release-hold", State.HOLD, State.FREE, 0, "the same person"),
    Move("expired-hold", State.HOLD, State.HELD, 1, "anyone, once it has expired"),
    Move("break", State.HELD, State.FREE, 1, "a person, with a reason"),
    Move("break", State.HOLD, State.FREE, 1, "a person, with a reason"),
)


def move_of(before: Lock | None, after: Lock) -> Move | None:
    """The move that leads from one lock to the next, ``None`` when there is no such move."""
    grown = after.token - (before.token if before else 0)
    states = (before.state if before else None, after.state)
    for move in MOVES:
        if (move.before, move.after) == states and move.token == grown:
            return move
    return None


def encode(lock: Lock) -> dict[str, Json]:
    """As ``lock.json`` holds it."""
    return {"format": FORMAT, **{k: v for k, v in asdict(lock).items() if v not in ("", None)}, "state": str(lock.state)}


def decode(document: Mapping[str, Any]) -> Lock:
    """The reverse. Raises ``ValueError``, ``TypeError`` or ``KeyError`` on anything else, ``OverflowError`` on a newer format."""
    rest = dict(document)
    if rest.pop("format") > FORMAT:
        raise OverflowError("newer format")
    holder = rest.pop("holder", None)
    return Lock(**{**rest, "state": State(rest["state"]), "holder": Holder(**holder) if holder else None})


def freed(lock: Lock) -> Lock:
    """The lock without its holder."""
    return replace(lock, state=State.FREE, kind="", holder=None, plan="", run="", reason="", expires=0.0)
