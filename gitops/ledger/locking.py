"""How the lock of one infra is taken for a run, and the moves a person makes: hold, release, break, move to another remote."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from executors.ports import LeaseLost
from gitops.ledger import tree
from gitops.ledger.admission import Admission
from gitops.ledger.chain import LONGEST_WAIT, LostRaceError, stop_of
from gitops.ledger.contend import (
    LOST_ROUNDS,
    QUEUE_AFTER,
    QUEUE_PATIENCE,
    ahead,
    gone,
    holders,
    in_line,
    left,
    next_move,
    overtaken,
    watch,
)
from gitops.ledger.held import Held, nothing
from gitops.ledger.holder import Holder
from gitops.ledger.lock import HOLD_SECONDS, Claim, Lock, State, freed
from gitops.ledger.records import Entry
from gitops.ledger.transition import Draft
from gitops.ledger.view import View
from gitops.ledger.writer import Writer
from gitops.ports import GitError
from gitops.stops import Exit, Stop

FRONT_WAIT = 2.0
"""Seconds between two looks of the first in the queue at most, of the second twice that, and so on: handing over is quick."""
ROUNDS = 10
"""Attempts of a person's move against others who move the same lock."""


class Locking:
    """The writing half of a ``Ledger``, whose methods say what these do. ``look`` is a fresh view of the remote, ``seen`` what
    this clone saw last; ``admission`` says who may take the lock."""

    def __init__(
        self,
        writer: Writer,
        look: Callable[[], View],
        seen: Callable[[], View | None],
        admission: Admission,
    ) -> None:
        self._writer = writer
        self._look = look
        self._seen = seen
        self._admission = admission
        self._chain = writer.chain
        self._infra = writer.infra
        self._meta = writer.meta
        self._clock = writer.clock
        self._actor = writer.actor

    # --- locking for a run -------------------------------------------------------------------------------

    @contextmanager
    def acquire(
        self,
        kind: str,
        run_id: str,
        plan: str,
        reason: str,
        timeout: float,
        waiting: Callable[[str], None],
        meanwhile: Callable[[], None],
    ) -> Iterator[Held]:
        wish = Lock(kind=kind, run=run_id, plan=plan, reason=reason)
        held = self._take_unseen(wish, meanwhile) or self._take(wish, timeout, waiting, meanwhile)
        try:
            yield held
            if held.refused is not None:
                raise held.refused
        except LeaseLost as lost:
            raise held.refused or lost_stop(self._infra, "was lost", lost) from lost
        except BaseException:
            # what went wrong inside is what counts; a lock that cannot be released runs out by itself
            with suppress(LeaseLost):
                held.leave(failed=True)
            raise
        try:
            held.leave(failed=False)
        except LeaseLost as lost:
            raise held.refused or lost_stop(self._infra, "could not be released", lost) from lost

    def _take_unseen(self, wish: Lock, meanwhile: Callable[[], None]) -> Held | None:
        """The lock without a look, where this clone saw it free: the push itself asks whether the remote still has it so."""
        view = self._seen()
        if view is None or view.lock.state is not State.FREE or view.lock.queue:
            return None
        try:
            self._admission.admit(wish.kind)
        except Stop:
            return None
        move = next_move(view.lock, "", wish.kind, frozenset(), self._clock.wall())
        return self._try(view, move, wish, self._actor.holder(self._writer.nonce()), frozenset(), meanwhile)

    def _take(self, wish: Lock, timeout: float, waiting: Callable[[str], None], meanwhile: Callable[[], None]) -> Held:
        me = self._actor.holder(self._writer.nonce())
        start, seen, told = self._clock.monotonic(), dict[tuple[str, str, int], float](), ""
        inside, lost, queued, attempt = frozenset[str](), 0, False, 0
        try:
            while True:
                attempt += 1
                meanwhile()
                view = self._look()
                now, lock = self._clock.monotonic(), view.lock
                self._admission.admit(wish.kind)
                seen = dict(watch(seen, lock, now))
                missing = gone(lock, seen, now, self._actor.is_dead)
                move = next_move(lock, me.id, wish.kind, missing, self._clock.wall())
                if move and (held := self._try(view, move, wish, me, missing, meanwhile)):
                    return held
                if move:
                    lost += 1
                    self._chain.backoff.wait(1)
                    continue
                # a free lock with a queue is worth the time that the first in it has to take it
                patience = max(timeout, QUEUE_PATIENCE * len(lock.queue)) if lock.state is State.FREE else timeout
                if now - start >= patience:
                    raise self._locked(lock, wish.kind)
                lost += overtaken(inside, lock)
                inside = holders(lock) or inside
                if lock.holder_text() not in ("", told):
                    told = lock.holder_text()
                    waiting(f"infra '{self._infra}' is locked by {told}: {lock.reason}; waiting up to {patience:.0f} s")
                queued = in_line(lock, me.id)
                if not queued and (lost >= LOST_ROUNDS or now - start >= QUEUE_AFTER):
                    queued = self._enqueue(view, me, wish.kind)
                self._chain.backoff.wait(attempt, min(self._pause(lock, me, queued), start + patience - now))
        except BaseException:
            if queued:
                self._dequeue(me)
            raise

    def _pause(self, lock: Lock, me: Holder, queued: bool) -> float:
        """Seconds until the next look at most; what is kept alive meanwhile must not wait longer than a quarter of a lease."""
        place = FRONT_WAIT * (len(ahead(lock, me.id)) + 1) if queued else LONGEST_WAIT
        return min(place, self._writer.timing.lease_seconds / 4)

    def _try(
        self, view: View, move: str, wish: Lock, me: Holder, missing: frozenset[str], meanwhile: Callable[[], None] = nothing
    ) -> Held | None:
        """One attempt to make ``move``; ``None`` when somebody else was faster."""
        if view.tip:
            self._bound(view)
        timing, lock = self._writer.timing, view.lock
        shared = move == "join"
        readers = (*left(lock.readers, missing, me.id), Claim(me, wish.kind, lock.seq + 1)) if shared else ()
        taken = replace(
            freed(lock, view.has_intents), state=State.SHARED if shared else State.HELD, kind=wish.kind, run=wish.run,
            plan=wish.plan, reason=wish.reason, since=int(self._clock.wall()), lease_seconds=timing.lease_seconds,
            grace_seconds=timing.grace_seconds, queue=left(lock.queue, missing, me.id), readers=readers,
            holder=None if shared else me,
        )  # fmt: skip
        said = Entry(action="take-over", message=f"from {lock.holder_text()}", reason=wish.reason)
        sent = self._clock.monotonic()
        made = self._move(view, Draft(move, taken, entries=(said,) if move == "take-over" else (), note=wish.kind))
        return Held(self._writer, made[0], made[1], me.id, sent, self._admission, meanwhile) if made else None

    def _enqueue(self, view: View, me: Holder, kind: str) -> bool:
        """Stand in line, so that we are not passed over for ever; whether we do."""
        lock = view.lock
        return bool(self._move(view, Draft("enqueue", replace(lock, queue=(*lock.queue, Claim(me, kind, lock.seq + 1))))))

    def _dequeue(self, me: Holder) -> None:
        """Leave the line if that is easily done; whoever stays in it by mistake is passed over after a while."""
        with suppress(Stop):
            view = self._look()
            if any(c.holder.id == me.id for c in view.lock.queue):
                self._move(view, Draft("dequeue", replace(view.lock, queue=left(view.lock.queue, frozenset(), me.id))))

    def _locked(self, lock: Lock, kind: str = "write") -> Stop:
        who, hint = lock.holder_text(), f"wait with --lock-timeout 10m; 'provisioning lock why -i {self._infra}' says more"
        if lock.state is State.FREE:
            first = lock.queue[0].holder
            message = f"infra '{self._infra}' is free, and {first.name} on {first.host} is first in the queue for it"
        elif lock.state is State.SEALED:
            message = f"the ledger of '{self._infra}' is sealed and the next one not begun yet: {lock.reason}"
            hint = f"'provisioning ledger rotate -i {self._infra}' begins it"
        elif lock.state is State.HOLD:
            message = f"infra '{self._infra}' is held by {who} until {moment(lock.expires)}: {lock.reason}"
            release = f"'provisioning lock release -i {self._infra}'"
            mine = lock.holder is not None and lock.holder.email == self._actor.person.email
            hint = f"it is yours: {release} ends it" if mine else f"ask them to {release}, or break the lock with a reason"
        else:
            message = f"infra '{self._infra}' is locked by {who}: {lock.reason}; held since {moment(lock.since)}"
            who_then = "the next writer" if kind == "read" and lock.state is State.HELD else "whoever"
            hint += f"; a dead holder is taken over by {who_then} that watches it for {lock.silence:.0f} s"
        return Stop(Exit.LOCKED, message, hint)

    # --- a person's moves --------------------------------------------------------------------------------

    def hold(self, reason: str, seconds: float) -> None:
        if not 0 < seconds <= HOLD_SECONDS:
            raise Stop(Exit.USAGE, f"a hold of {seconds:.0f} s is not possible", "choose at most 24h")
        wall = int(self._clock.wall())
        me = replace(self._actor.holder(self._writer.nonce()), boot="", pid=0, started="", job="")

        def draft(view: View) -> Draft:
            lock = view.lock
            if lock.state is not State.FREE and not (lock.state is State.HOLD and lock.expires <= wall):
                raise self._locked(lock)
            held = replace(
                freed(lock, view.has_intents), state=State.HOLD, kind="hold", holder=me, reason=reason, since=wall,
                expires=wall + int(seconds),
            )  # fmt: skip
            return Draft("hold", held, entries=(Entry(action="hold", reason=reason),))

        self._by_person(draft)

    def release_hold(self) -> None:
        def draft(view: View) -> Draft:
            lock = view.lock
            if lock.state is not State.HOLD or lock.holder is None:
                hint = f"'provisioning lock show -i {self._infra}' says how it stands"
                raise Stop(Exit.NOT_FOUND, f"infra '{self._infra}' is not held by anybody", hint)
            if lock.holder.email != self._actor.person.email:
                hint = f"ask them, or 'provisioning lock break -i {self._infra}' with a reason"
                raise Stop(Exit.DENIED, f"{lock.holder_text()} holds '{self._infra}', not you", hint)
            return Draft("release-hold", freed(lock, view.has_intents), entries=(Entry(action="release-hold"),))

        self._by_person(draft)

    def break_lock(self, reason: str) -> None:
        def draft(view: View) -> Draft:
            if view.lock.state in (State.FREE, State.SEALED):
                raise Stop(Exit.NOT_FOUND, f"infra '{self._infra}' is not locked", "there is nothing to break")
            said = Entry(action="break", message=f"from {view.lock.holder_text()}", reason=reason)
            return Draft("break", freed(view.lock, view.has_intents), entries=(said,))

        self._by_person(draft)

    def move_remote(self, reason: str) -> None:
        moved = self._meta

        def draft(view: View) -> Draft:
            if view.lock.state is not State.FREE:
                raise self._locked(view.lock)
            if view.meta is None or view.meta.workspace != moved.workspace:
                self._bound(view)
            was = view.meta or moved
            said = Entry(action="move-remote", message=f"from {was.remote} to {moved.remote}", reason=reason)
            bound = replace(was, remote=moved.remote, home="")
            return Draft("move-remote", view.lock, {tree.META: tree.value_bytes(bound)}, (said,))

        self._by_person(draft, bound=False)

    def _by_person(self, draft: Callable[[View], Draft], bound: bool = True) -> None:
        for attempt in range(1, ROUNDS + 1):
            view = self._look()
            self._admission.admit("hold")
            if view.tip and bound:
                self._bound(view)
            if self._move(view, draft(view)):
                return
            self._chain.backoff.wait(attempt)
        raise Stop(Exit.LOCKED, f"the lock of '{self._infra}' keeps being moved by others", "look again, then try again")

    # --- one move ----------------------------------------------------------------------------------------

    def _move(self, view: View, draft: Draft) -> tuple[str, Lock] | None:
        """Our commit and its lock, known to be at the remote; ``None`` when somebody else was faster. Raises ``Stop``.

        A ledger that does not exist yet is begun in the same push: its first commit, and ours on it.
        """
        try:
            parent, before = (view.tip, view.lock) if view.tip else self._writer.begin()
            new, lock = self._writer.commit(parent, before, draft)
            self._chain.send(view.tip, new)
        except LostRaceError:
            return None
        except GitError as error:
            raise stop_of(error) from error
        return new, lock

    def _bound(self, view: View) -> None:
        """A fork or a copied repository never drives the same estate. Raises ``Stop`` (denied)."""
        meta, mine = view.meta, self._meta
        if meta is None or meta.infra != self._infra:
            message = f"the ledger of '{self._infra}' does not say what it belongs to"
            raise Stop(Exit.FAILURE, message, f"see 'provisioning audit verify -i {self._infra}'")
        if meta.workspace != mine.workspace:
            message = f"the ledger of '{self._infra}' belongs to workspace {meta.workspace}, and this is {mine.workspace}"
            hint = "a copied state repository needs ledgers of its own: delete the copied provisioning/* branches"
            raise Stop(Exit.DENIED, message, hint)
        if meta.remote != mine.remote:
            message = f"the ledger of '{self._infra}' lives at {meta.remote}, and this remote is {mine.remote}"
            hint = "a fork never drives the same estate; if the repository has moved: provisioning workspace move-remote"
            raise Stop(Exit.DENIED, message, hint)


def moment(unix: float) -> str:
    """``2026-11-24 14:05:09 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix))


def lost_stop(infra: str, what: str, lost: LeaseLost) -> Stop:
    """A lease that was lost, as the end of a command."""
    hint = f"results are recorded up to the last one sent; 'provisioning run list -i {infra}' shows what is open"
    return Stop(Exit.FAILURE, f"the lock of '{infra}' {what}: {lost}", hint)
