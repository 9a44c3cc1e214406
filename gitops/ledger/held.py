"""The ledger while its lock is ours: the journal that a run writes, and the only thing that writes state."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from executors.ports import Intent, LeaseLost, Result
from gitops.ledger import tree
from gitops.ledger.chain import LostRaceError
from gitops.ledger.lock import Lock, freed
from gitops.ledger.lock import encode as encode_lock
from gitops.ledger.tree import Converged, RunRecord
from gitops.ledger.view import View
from gitops.ports import GitError
from planners.canonical import encode
from planners.model import Pin, RecordedResource

if TYPE_CHECKING:
    from gitops.ledger.ledger import Ledger

GUARD_SECONDS = 1.0
"""Kept free at the end of a lease for what lies between a check and the effect it allows."""
TIDY_EVERY = 20
"""Transitions between two packings of the local clone."""


class Held:
    """Implements ``executors.ports.Journal``. Everything here raises ``LeaseLost`` once the lock is somebody else's."""

    def __init__(self, ledger: Ledger, tip: str, lock: Lock, since: float) -> None:
        self._ledger = ledger
        self._tip = tip
        self._lock = lock
        self._since = since
        """Monotonic time before the push that is known to have succeeded was sent: the lease counts from here."""
        self._lost = ""
        self._commit = ""
        self._view: View | None = None
        self._written = 0

    @property
    def token(self) -> int:
        """The fencing token."""
        return self._lock.token

    def view(self) -> View:
        """The ledger as our last write left it."""
        if self._view is None or self._view.tip != self._tip:
            self._view = View(self._ledger.chain.repository, self._ledger.infra, self._tip)
        return self._view

    # --- the lease ---------------------------------------------------------------------------------------

    def _left(self) -> float:
        return self._lock.lease_seconds - (self._ledger.clock.monotonic() - self._since)

    def may_start(self, seconds: float) -> bool:
        """Whether an effect of at most ``seconds`` would end inside the lease; renews it first if that is needed."""
        if seconds + GUARD_SECONDS >= self._left():
            self._write({}, "renew")
        return seconds + GUARD_SECONDS < self._left()

    def renew(self) -> None:
        """Keep the lease; nothing is done before a quarter of it has passed."""
        if self._left() < self._lock.lease_seconds * 0.75:
            self._write({}, "renew")

    # --- transitions -------------------------------------------------------------------------------------

    def record(self, results: Sequence[Result], intents: Sequence[Intent]) -> None:
        """Finished steps with the state they leave, and the intents that may start: one commit."""
        edits: dict[str, bytes | str | None] = {}
        entries = []
        for result in results:
            edits[tree.intent_path(result.op)] = None
            if result.renamed_from:
                edits[tree.state_path(result.renamed_from)] = None
            if result.recorded is not None:
                edits[tree.state_path(result.recorded.address)] = encode(tree.resource_document(result.recorded))
            elif result.gone:
                edits[tree.state_path(result.address)] = None
            reason = f"from {result.renamed_from}" if result.renamed_from else ""
            said = {
                "status": result.status,
                "op": result.op,
                "message": result.message,
                "output": result.output,
                "reason": reason,
            }
            entries.append(self._entry(result.action, result.address, **said))
        for intent in intents:
            edits[tree.intent_path(intent.op)] = tree.file_of(intent)
        self._write(edits, f"{len(results)} results, {len(intents)} intents", entries)

    def begin_run(self, run: RunRecord) -> None:
        """The run exists from here on; a crash leaves it to be settled or resumed."""
        self._lock = replace(self._lock, run=run.id, plan=run.plan)
        self._commit = run.source_commit
        entry = self._entry("run", status="started", reason=run.reason)
        self._write({tree.run_path(run.id): encode(tree.run_document(run))}, f"begin run {run.id}", [entry])

    def finish_run(self, run_id: str, status: str, converged: Converged | None) -> None:
        """The run is closed; ``converged`` is written, or taken away, as what there is to say of the state."""
        run = self.view().run(run_id)
        if run is None:
            raise LeaseLost(f"run {run_id} is not in the ledger")
        closed = replace(run, status=status, finished=self._ledger.clock.wall())
        edits: dict[str, bytes | str | None] = {tree.run_path(run_id): encode(tree.run_document(closed))}
        edits[tree.CONVERGED] = tree.file_of(converged) if converged else None
        entry = self._entry("run", status=status, message=f"{run_id} closed" if run_id != self._lock.run else "")
        self._write(edits, f"end run {run_id}: {status}", [replace(entry, run=run_id)])

    def set_pin(self, pin: Pin | None) -> None:
        """Plans follow this tree from now on; ``None``: HEAD again."""
        entry = self._entry("pin" if pin else "unpin", reason=pin.reason if pin else "", message=pin.source if pin else "")
        self._write({tree.PIN: tree.file_of(pin) if pin else None}, entry.action, [entry])

    def amend(self, action: str, address: str, put: RecordedResource | None, reason: str, renamed_to: str = "") -> None:
        """A person's act on the record: import, forget, move."""
        edits: dict[str, bytes | str | None] = {tree.state_path(address): None, tree.CONVERGED: None}
        if put is not None:
            edits[tree.state_path(put.address)] = encode(tree.resource_document(put))
        entry = self._entry(action, address, status="done", reason=reason, message=f"to {renamed_to}" if renamed_to else "")
        self._write(edits, f"{action} {address}", [entry])

    def release(self) -> None:
        """Free the lock; open intents are left for whoever comes next, and the lock says so.

        Nothing is raised when that fails: a lock that is not freed runs out by itself.
        """
        if not self._lost:
            lock = replace(freed(self._lock), recover=bool(self.view().open_intents))
            with suppress(LeaseLost):
                self._write({}, "release", [], lock)

    # --- writing -----------------------------------------------------------------------------------------

    def _entry(self, action: str, address: str = "", **more: str) -> tree.Entry:
        lock, ledger = self._lock, self._ledger
        return tree.Entry(
            0, ledger.clock.wall(), ledger.actor.name, ledger.actor.holder.host, action, address,
            run=lock.run, plan=lock.plan, token=lock.token, **more,
        )  # fmt: skip

    def _write(
        self, edits: dict[str, bytes | str | None], what: str, entries: Sequence[tree.Entry] = (), lock: Lock | None = None
    ) -> None:
        if self._lost:
            raise LeaseLost(self._lost)
        ledger = self._ledger
        lock, files = chained(lock or self._lock, entries)
        lock = replace(lock, seq=lock.seq + 1, nonce=ledger.nonce(), at=ledger.clock.wall())
        kept = {path: content for path, content in edits.items() if content is not None or self.view().has(path)}
        whole = {**kept, **files, tree.LOCK: encode(encode_lock(lock))}
        sent = ledger.clock.monotonic()
        try:
            self._tip = ledger.chain.publish(
                self._tip, whole, ledger.message(what, lock, self._commit), ledger.author(), self._since + lock.lease_seconds
            )
        except LostRaceError as error:
            self._lost = f"the lock of '{ledger.infra}' was taken over by somebody else"
            raise LeaseLost(self._lost) from error
        except GitError as error:
            self._lost = f"the ledger of '{ledger.infra}' cannot be written: {error}"
            raise LeaseLost(self._lost) from error
        self._lock, self._since = lock, sent
        self._written += 1
        if self._written % TIDY_EVERY == 0:
            ledger.chain.repository.tidy()


def chained(lock: Lock, entries: Sequence[tree.Entry]) -> tuple[Lock, dict[str, bytes]]:
    """Audit entries numbered and hooked to the one before, with the lock that remembers the last."""
    files: dict[str, bytes] = {}
    seq, head = lock.audit_seq, lock.audit_head
    for entry in entries:
        seq += 1
        numbered = replace(entry, seq=seq, previous=head)
        files[numbered.path] = encode(numbered.document())
        head = numbered.digest
    return replace(lock, audit_seq=seq, audit_head=head), files
