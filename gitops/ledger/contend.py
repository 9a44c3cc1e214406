"""What a contender may do now. Pure: it is told the lock, what it has watched, and who is known dead.

Time is the contender's own monotonic clock alone. It watches signs of life: as long as a holder's pulse stands still its
silence grows, and only a whole silence, watched from here, makes it gone. Entries of the queue do not restart that watch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from gitops.ledger.holder import Holder
from gitops.ledger.lock import READERS, Claim, Lock, State

Seen: TypeAlias = Mapping[tuple[str, str, int], float]
"""(role, holder id, pulse) -> monotonic time at which it was first seen so."""

QUEUE_PATIENCE = 15.0
"""Seconds the first in the queue of a free lock has to take it: three of the longest pauses between two looks."""
LOST_ROUNDS = 3
"""After so many lost rounds a contender joins the queue, so that it is not passed over for ever."""
QUEUE_AFTER = 5.0
"""Seconds after which it does so in any case: those who wait for one long run are served in the order in which they came."""


def watch(seen: Seen, lock: Lock, now: float) -> Seen:
    """``seen`` brought up to this look at the lock, taken at ``now``."""
    keys = [("reader", c.holder.id, c.pulse) for c in lock.readers]
    if lock.holder is not None and lock.state is State.HELD:
        keys.append(("holder", lock.holder.id, lock.pulse))
    if lock.state in (State.FREE, State.HOLD):
        keys += [("queue", c.holder.id, 0) for c in lock.queue]
    return {key: seen.get(key, now) for key in keys}


def gone(lock: Lock, seen: Seen, now: float, is_dead: Callable[[Holder], bool]) -> frozenset[str]:
    """Ids of holder, readers and waiters that no longer count: silent for too long, or dead on our own machine.

    A waiter's time runs while the lock could be had: free, or with nobody left alive in it.
    """
    leases = [since for (role, _, _), since in seen.items() if role != "queue"]
    found = {who for (role, who, _), since in seen.items() if role != "queue" and now - since >= lock.silence}
    for place, claim in enumerate(lock.queue, 1):
        could = max(leases) + lock.silence if leases else seen.get(("queue", claim.holder.id, 0), now)
        if now - could >= QUEUE_PATIENCE * place:
            found.add(claim.holder.id)
    everyone = [c.holder for c in (*lock.readers, *lock.queue)] + ([lock.holder] if lock.holder else [])
    return frozenset(found | {h.id for h in everyone if is_dead(h)})


def next_move(lock: Lock, me: str, kind: str, lost: frozenset[str], wall: float) -> str:
    """The move the contender ``me`` may try now, "" to wait. ``lost``: what ``gone`` says."""
    if any(c.kind != "read" or kind != "read" for c in ahead(lock, me) if c.holder.id not in lost):
        return ""
    open_now = lock.state is State.FREE or (lock.state is State.HOLD and lock.expires <= wall)
    if kind == "read":
        room = lock.state is State.SHARED and sum(c.holder.id not in lost for c in lock.readers) < READERS
        return "join" if open_now or room else ""
    if lock.state is State.HELD:
        return "take-over" if lock.holder is not None and lock.holder.id in lost else ""
    readers_gone = lock.state is State.SHARED and all(c.holder.id in lost for c in lock.readers)
    return "acquire" if open_now or readers_gone else ""


def ahead(lock: Lock, me: str) -> tuple[Claim, ...]:
    """Who waits before ``me``: those earlier in the queue, all of them for one who is not in it."""
    places = [c.holder.id for c in lock.queue]
    return lock.queue[: places.index(me)] if me in places else lock.queue


def left(claims: tuple[Claim, ...], lost: frozenset[str], me: str) -> tuple[Claim, ...]:
    """``claims`` without the lost ones and without ``me``."""
    return tuple(c for c in claims if c.holder.id not in lost and c.holder.id != me)


def in_line(lock: Lock, me: str) -> bool:
    """Whether ``me`` stands in the queue: whoever paused for too long was passed over and has to stand in line again."""
    return any(c.holder.id == me for c in lock.queue)


def holders(lock: Lock) -> frozenset[str]:
    """Ids of those who have the lock."""
    return frozenset(h.id for h in (lock.holder, *(c.holder for c in lock.readers)) if h is not None)


def overtaken(before: frozenset[str], lock: Lock) -> bool:
    """Whether somebody has got in since those ``before`` were seen to have it: a round lost, though nothing was tried."""
    return bool(before and holders(lock) - before)
