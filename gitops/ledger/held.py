"""A ledger while its lock is ours: the journal that a run writes, and the only thing that writes recorded state.

Every write is one commit on our own last one, so a holder that was replaced can publish nothing, however late it wakes. Every
write renews the lease, which is counted on our own monotonic clock from before the sending of the last write that succeeded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import field, replace
from threading import RLock

from executors.ports import Broken, Intent, LeaseLost, Result
from gitops.ledger import tree
from gitops.ledger.admission import Admission
from gitops.ledger.chain import LOOKS, LostRaceError, OutdatedError
from gitops.ledger.check import faults_since
from gitops.ledger.lock import Lock, State, freed
from gitops.ledger.records import Converged, Entry, RunRecord, tail
from gitops.ledger.spread import Spread
from gitops.ledger.transition import Draft
from gitops.ledger.view import View
from gitops.ledger.writer import Writer
from gitops.ports import NOTHING, GitError
from gitops.stops import Exit, Stop
from planners.canonical import encode
from planners.dataclass import dataclass
from planners.model import Pin, RecordedResource

GUARD = 0.05
"""Of the lease, kept between the end of an effect and the end of the lease: our own pauses between looking and acting."""
TIDY_EVERY = 20
"""Transitions after which the clone is repacked; without it long runs turn quadratic."""


def nothing() -> None:
    """What there is to do meanwhile, mostly."""


@dataclass(slots=True)
class Changes:
    """What the next commit writes beside the lock."""

    edits: dict[str, bytes | None] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)


class Held:
    """Implements ``executors.ports.Journal``. Once it raised ``LeaseLost`` it writes nothing more. Safe from several threads.

    The begin and the end of a run, and the pin, are not sent alone: they go with the next write, at the latest with the
    release (``view`` writes them first, so that it shows them). ``found`` is the ledger as it was when the lock was taken.
    """

    def __init__(
        self,
        writer: Writer,
        tip: str,
        lock: Lock,
        me: str,
        sent: float,
        admission: Admission,
        meanwhile: Callable[[], None] = nothing,
    ) -> None:
        self.token = lock.token
        self.refused: Stop | None = None
        """Why nothing may begin, where that was found out once the lock was ours: it was given back."""
        self._writer = writer
        self._admission = admission
        self._admitted = False
        self._me = me
        self._tip = tip
        self._lock = lock
        self._sent = sent
        self._meanwhile = meanwhile
        self._view = self.found = self._view_of(tip)
        self._open = dict(self._view.intent_runs)
        self._spread = Spread(self.found.beside)
        self._waiting = Changes()
        self._runs: dict[str, RunRecord] = {}
        self.run = lock.run
        """The run whose effects are written: the lock's own, or one that is being settled under it."""
        self._commit = ""
        self._lost = ""
        self._written = 0
        self._mutex = RLock()
        self._resume()

    # --- the journal -------------------------------------------------------------------------------------

    def record(self, results: Sequence[Result], intents: Sequence[Intent]) -> None:
        """One durable transition: these results are finished and these intents may start. Raises ``LeaseLost``."""
        with self._mutex:
            changes, still_open = Changes(), dict(self._open)
            for result in results:
                self._result(result, changes, still_open)
            for intent in intents:
                if intent.token != self.token:
                    raise Broken(f"the intent for {intent.address} carries token {intent.token}, the lock {self.token}")
                changes.edits[tree.intent_path(intent.op)] = tree.intent_bytes(intent, self.run)
                still_open[intent.op] = self.run
            self._write("record", changes, still_open, f"{len(results)} results, {len(intents)} intents")

    def may_start(self, seconds: float) -> bool:
        """Whether an effect of at most ``seconds`` would end inside the lease; renews it first if that is needed."""
        with self._mutex:
            self._require()
            if not self._fits(seconds):
                self._renew()
            return self._fits(seconds)

    def renew(self) -> None:
        """Keep the lease, and what else was to be kept alive meanwhile. Raises ``LeaseLost``."""
        self.keep()
        self._meanwhile()

    def keep(self) -> None:
        """Keep the lease alone: writes only when a quarter of it has passed. Raises ``LeaseLost``."""
        with self._mutex:
            self._require()
            if self._age() >= self._lease / 4:
                self._renew()

    def require_open(self) -> None:
        """Whether it was frozen before the lock was ours; for who begins something without writing it down. Raises ``Stop``."""
        with self._mutex:
            self._require()
            self._admission.again(self._lock.kind)
            self._admitted = True

    @property
    def waited(self) -> float:
        """Which part of the lease has passed since the last write."""
        return self._age() / self._lease

    # --- runs and the record -----------------------------------------------------------------------------

    def view(self) -> View:
        """The ledger as we left it, everything written."""
        with self._mutex:
            if self._waiting.entries:
                self._write("record", Changes(), self._open, "runs")
            if self._view.tip != self._tip:
                self._view = self._view_of(self._tip)
            return self._view

    def begin_run(self, run: RunRecord) -> None:
        """A run begins; its plan is kept so that any machine can finish it."""
        with self._mutex:
            self._require()
            self.run, self._commit = run.id, run.source_commit
            begun = replace(run, first=self._next_entry())
            if run.plan and not self._view.has_plan(run.plan):
                self._waiting.edits[tree.plan_path(run.plan)] = encode(run.document)
            self._put_run(begun, "started", run.reason)

    def finish_run(self, run_id: str, status: str, converged: Converged | None) -> None:
        """A run is over. Raises ``LeaseLost``.

        ``converged``: the marker of a clean one; ``None`` leaves an older one, as what that says of another state stays true.
        """
        with self._mutex:
            self._require()
            run = self._runs.get(run_id) or self._view_of(self._tip).run(run_id)
            if run is None:
                raise Broken(f"run {run_id} was never begun")
            ended = replace(run, status=status, finished=self._writer.clock.wall(), last=self._next_entry())
            if converged:
                self._waiting.edits[tree.CONVERGED] = tree.converged_bytes(converged)
            self._put_run(ended, status, "")

    def set_pin(self, pin: Pin | None) -> None:
        """Set the tree that plans follow, or release it."""
        with self._mutex:
            self._require()
            self._waiting.edits[tree.PIN] = tree.value_bytes(pin) if pin else None
            said = Entry(action="pin", status="set", message=pin.source, reason=pin.reason) if pin else None
            self._waiting.entries.append(said or Entry(action="pin", status="released"))

    def amend(self, action: str, address: str, put: RecordedResource | None, reason: str, renamed_to: str = "") -> None:
        """A person's act on the record (``import``, ``forget``, ``move``) as one audited transition. Raises ``LeaseLost``."""
        with self._mutex:
            changes = Changes(self._spread.edits(address, None))
            changes.entries.append(Entry(action=action, address=address, status="done", reason=reason))
            if renamed_to:
                changes.entries[0] = replace(changes.entries[0], message=f"to {renamed_to}")
                to = Entry(action=action, address=renamed_to, status="done", reason=reason, message=f"from {address}")
                changes.entries.append(to)
            if put is not None:
                changes.edits |= self._spread.edits(renamed_to or address, encode(tree.resource_document(put)))
            self._write("record", changes, self._open, f"{action} {address}")

    def remark(self, action: str, address: str, message: str) -> None:
        """Have the audit tell of something that was found and nothing was done about; it goes with the next write."""
        with self._mutex:
            self._require()
            self._waiting.entries.append(Entry(action=action, address=address, status="found", message=message))

    def leave(self, failed: bool) -> None:
        """Release the lock and write what still waits. Raises ``LeaseLost``.

        With open intents after an exception nothing is released: calls of ours may still be under way, so the lease has to
        run out. After an ordinary end none is, and the next holder is told by ``recover`` to ask what became of them.
        """
        with self._mutex:
            if self._lost or (failed and self._open):
                return
            if failed and all(run.status == "running" for run in self._runs.values()):
                self._waiting = Changes()
            self._write("part" if self._reading else "release", Changes(), self._open, "")
            # a step's thread may still be on its way to write: nothing is written under a lock that was given back
            self._lost = f"the lock of '{self._writer.infra}' was given back"
            with suppress(GitError):
                self._writer.chain.repository.tidy()

    # --- making changes ----------------------------------------------------------------------------------

    def _result(self, result: Result, changes: Changes, still_open: dict[str, str]) -> None:
        run = still_open.pop(result.op, None)
        if run is None and result.status != "skipped":
            raise Broken(f"the result for {result.address} comes without an open intent")
        if run is not None:
            changes.edits[tree.intent_path(result.op)] = None
        names = [name for name in (result.renamed_from, result.address) if name]
        if result.gone or (result.recorded is not None and result.renamed_from):
            for name in names:
                changes.edits |= self._spread.edits(name, None)
        if result.recorded is not None and not result.gone:
            changes.edits |= self._spread.edits(result.address, encode(tree.resource_document(result.recorded)))
        run, plan = run or self.run, ""
        if run != self._lock.run:
            plan = next((r.plan for r in self._view.runs() if r.id == run), "")
        said = Entry(
            action=result.action, status=result.status, op=result.op, run=run, plan=plan, message=result.message,
            output=tail(result.output),
        )  # fmt: skip
        changes.entries += [replace(said, address=name) for name in names]

    def _resume(self) -> None:
        """Whoever takes the lock for a run that had ended has it going again, in the record too."""
        run = self._view.run(self._lock.run)
        if run is None:
            return
        self._commit = run.source_commit
        if run.status != "running":
            self._put_run(replace(run, status="running", finished=0.0, last=0), "resumed", self._lock.reason)

    def _put_run(self, run: RunRecord, status: str, reason: str) -> None:
        self._runs[run.id] = run
        over = run.status != "running"
        self._waiting.edits |= {tree.run_path(run.id, not over): None, tree.run_path(run.id, over): tree.run_bytes(run)}
        said = Entry(action="run", status=status, run=run.id, plan=run.plan, reason=reason, message=run.kind)
        self._waiting.entries.append(said)

    def _next_entry(self) -> int:
        return self._lock.entries + len(self._waiting.entries) + 1

    # --- writing -----------------------------------------------------------------------------------------

    @property
    def _lease(self) -> float:
        return float(self._lock.lease_seconds)

    @property
    def _reading(self) -> bool:
        return self._lock.state is State.SHARED

    def _age(self) -> float:
        return self._writer.clock.monotonic() - self._sent

    def _fits(self, seconds: float) -> bool:
        return self._age() + seconds + self._lease * GUARD < self._lease

    def _require(self) -> None:
        if self._lost:
            raise LeaseLost(self._lost)

    def _renew(self) -> None:
        self._write("stay" if self._reading else "renew", Changes(), self._open, "")

    def _write(self, move: str, changes: Changes, still_open: dict[str, str], note: str) -> None:
        """One move with ``changes`` and all that waits, sent and known to be there."""
        self._require()
        waiting = self._waiting
        edits = {**waiting.edits, **changes.edits}
        entries = (*waiting.entries, *changes.entries)
        if self._reading and edits:
            raise Broken("a reader of an infra writes nothing to its ledger")
        if move == "renew" and edits:
            move = "record"

        def draft(lock: Lock) -> Draft:
            return Draft(move, self._next_lock(move, lock, bool(still_open)), edits, entries, self._commit, note)

        self._send(draft)
        self._waiting, self._open = Changes(), still_open
        self._written += 1
        if self._written % TIDY_EVERY == 0:
            with suppress(GitError):
                self._writer.chain.repository.tidy()

    def _next_lock(self, move: str, lock: Lock, any_open: bool) -> Lock:
        if move == "release":
            return freed(lock, any_open)
        if move == "part":
            others = tuple(c for c in lock.readers if c.holder.id != self._me)
            return replace(lock, readers=others) if others else freed(lock, lock.recover)
        if move == "stay":
            return replace(
                lock, readers=tuple(replace(c, pulse=lock.seq + 1) if c.holder.id == self._me else c for c in lock.readers)
            )
        return replace(lock, recover=lock.recover and any_open)

    def _send(self, draft: Callable[[Lock], Draft]) -> None:
        outdated = 0
        while True:
            try:
                made = draft(self._lock)
                asks = bool(made.edits) and not self._admitted
                new, lock = self._writer.commit(self._tip, self._lock, made)
                sent = self._writer.clock.monotonic()
                unmoved = self._admission.unmoved(lock.kind) if asks else NOTHING
                tip = self._writer.chain.send(self._tip, new, self._lease / 3, unmoved)
            except LostRaceError as race:
                self._follow(self._tip, race.tip)
                continue
            except OutdatedError:
                outdated += 1
                self._require_admission(outdated)
                continue
            except GitError as error:
                raise self._lose(f"the ledger of '{self._writer.infra}' cannot be written: {error}") from error
            except Stop as stop:
                raise self._lose(stop.message) from stop
            except BaseException:
                # interrupted on the way: whether it landed is not known here, so nothing may be built on either answer
                self._lost = "a write to the ledger was interrupted"
                raise
            self._admitted |= asks
            self._tip, self._lock, self._sent = new, lock, sent
            if tip != new and lock.state in (State.HELD, State.SHARED):
                self._follow(new, tip)
            return

    def _require_admission(self, attempt: int) -> None:
        """Look again whether we may begin; if not, the lock is given back and what waits is not written. Raises ``LeaseLost``."""
        try:
            if attempt > LOOKS:
                told = f"whether '{self._writer.infra}' is frozen cannot be told: the remote shows less than it compares with"
                raise Stop(Exit.FAILURE, told, "nothing was begun; try again")
            self._admission.again(self._lock.kind)
            self._writer.chain.backoff.wait(attempt)
        except Stop as stop:
            self.refused, self._waiting, self._admitted = stop, Changes(), True
            with suppress(LeaseLost):
                self._write("release", Changes(), self._open, "")
            raise self._lose(stop.message) from stop

    def _follow(self, ours: str, tip: str) -> None:
        """Somebody moved the ref: go on from there if that was only the queue or other readers. Raises ``LeaseLost``."""
        try:
            lock = self._view_of(tip).lock
            wrong = faults_since(self._writer.chain.repository, tip, ours, 0)
        except (GitError, Stop) as error:
            raise self._lose(str(error)) from error
        mine = lock.holder is not None and lock.holder.id == self._me
        if wrong or not (mine or any(c.holder.id == self._me for c in lock.readers)):
            by = f" by {lock.holder_text()}" if lock.holder_text() else ""
            raise self._lose(wrong[0] if wrong else f"the lock of '{self._writer.infra}' was taken over{by}")
        self._tip, self._lock = tip, lock

    def _lose(self, why: str) -> LeaseLost:
        self._lost = why
        return LeaseLost(why)

    def _view_of(self, tip: str) -> View:
        return View(self._writer.chain.repository, self._writer.infra, tip)
