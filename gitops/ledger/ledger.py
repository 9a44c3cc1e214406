"""One infra's ledger: looked at, locked, held by a person, broken."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from executors.ports import Clock
from gitops.ledger import tree
from gitops.ledger.chain import LOCAL, REMOTE_PREFIX, Backoff, Chain, LostRaceError
from gitops.ledger.held import Held, chained
from gitops.ledger.holder import Actor
from gitops.ledger.lock import Lock, State, freed
from gitops.ledger.lock import encode as encode_lock
from gitops.ledger.tree import Meta
from gitops.ledger.view import View
from gitops.ports import GitError, Person, Remote, Repository
from gitops.schema.workspace import LedgerConfig
from gitops.stops import Exit, Stop
from planners.canonical import encode

__all__ = ["LOCAL", "REMOTE_PREFIX", "Ledger"]

PATIENCE = 1.25
"""A dead lease is taken over after this many times its length, plus the grace: monotonic clocks of two machines may differ
in rate by less than that."""


class Ledger:
    """``remote_name``: the remote's normalised address, which the ledger remembers. ``draw`` and ``nonce``: chance, injected."""

    def __init__(
        self,
        repository: Repository,
        remote: Remote,
        infra: str,
        workspace: str,
        timing: LedgerConfig,
        clock: Clock,
        actor: Actor,
        remote_name: str,
        draw: Callable[[], float] = random.random,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self.infra = infra
        self.clock = clock
        self.actor = actor
        self.nonce = nonce
        self.chain = Chain(repository, remote, infra, Backoff(clock, draw))
        self._meta = Meta(workspace, infra, remote_name)
        self._timing = timing

    # --- looking -----------------------------------------------------------------------------------------

    def view(self, offline: bool = False) -> View:
        """The ledger as it is at the remote, or as this clone saw it last. Raises ``Stop``: unreachable, rewritten."""
        try:
            return View(self.chain.repository, self.infra, self.chain.seen() if offline else self.chain.fetch())
        except GitError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: GitError) -> Stop:
        code = Exit.DENIED if error.kind == "denied" else Exit.FAILURE
        return Stop(code, str(error), error.hint)

    # --- locking -----------------------------------------------------------------------------------------

    @contextmanager
    def acquire(
        self, kind: str, run_id: str, plan: str, reason: str, timeout: float, waiting: Callable[[str], None]
    ) -> Iterator[Held]:
        """The lock while the block runs. Raises ``Stop``: locked, denied, unreachable, rewritten."""
        held = self._take(Lock(kind=kind, run=run_id, plan=plan, reason=reason), timeout, waiting)
        try:
            yield held
        finally:
            held.release()

    def _take(self, wish: Lock, timeout: float, waiting: Callable[[str], None]) -> Held:
        deadline = self.clock.monotonic() + timeout
        watched, since = "", 0.0
        told = ""
        attempt = 0
        while True:
            view = self.view()
            try:
                now = self.clock.monotonic()
                if not view.tip:
                    self._genesis()
                    continue
                self._ours(view)
                if view.tip != watched:
                    watched, since = view.tip, now
                if self._open(view.lock, now - since):
                    return self._take_now(view, wish)
            except LostRaceError:
                attempt = 0  # somebody else moved it: look again at once
            if self.clock.monotonic() >= deadline:
                raise self._locked(view.lock)
            if view.lock.holder_text() and told != view.lock.holder_text():
                told = view.lock.holder_text()
                waiting(f"waiting for the lock of {self.infra}, held by {told}: {view.lock.reason}")
            attempt += 1
            self.chain.backoff.wait(attempt)

    def _open(self, lock: Lock, still: float) -> bool:
        """Whether we may take it: free, its holder is known dead, or we watched the tip stand still for its lease and more."""
        if lock.state is State.FREE:
            return True
        if lock.state is State.HOLD:
            return self.clock.wall() >= lock.expires
        return self.actor.dead(lock.holder) or still >= lock.lease_seconds * PATIENCE + lock.grace_seconds

    def _take_now(self, view: View, wish: Lock) -> Held:
        old = view.lock
        lock = replace(
            wish, state=State.HELD, holder=self.actor.holder, token=old.token + 1, seq=old.seq + 1, nonce=self.nonce(),
            lease_seconds=self._timing.lease_seconds, grace_seconds=self._timing.grace_seconds, recover=bool(view.open_intents),
            at=self.clock.wall(), audit_seq=old.audit_seq, audit_head=old.audit_head,
        )  # fmt: skip
        files: dict[str, bytes] = {}
        if old.state is not State.FREE:
            entry = self._entry("take-over", lock, message=f"from {old.holder_text()}")
            lock, files = chained(lock, [entry])
        sent = self.clock.monotonic()
        tip = self._publish(view.tip, {**files, tree.LOCK: encode(encode_lock(lock))}, "lock", lock)
        return Held(self, tip, lock, sent)

    def _genesis(self) -> None:
        lock = Lock(nonce=self.nonce(), lease_seconds=self._timing.lease_seconds, grace_seconds=self._timing.grace_seconds)
        files = {tree.META: tree.file_of(self._meta), tree.LOCK: encode(encode_lock(lock))}
        self._publish("", files, "begin the ledger", lock)

    def _ours(self, view: View) -> None:
        """A fork or a copied repository never drives the same estate. Raises ``Stop`` (denied)."""
        meta = view.meta
        if meta is None or meta.infra != self.infra:
            raise Stop(
                Exit.FAILURE,
                f"the ledger of '{self.infra}' has no meta.json of its own: it was edited",
                "see 'provisioning audit verify'",
            )
        if meta.workspace != self._meta.workspace:
            message = f"the ledger of '{self.infra}' belongs to workspace {meta.workspace}, and this is {self._meta.workspace}"
            raise Stop(
                Exit.DENIED,
                message,
                "a copied state repository needs ledgers of its own: delete the copied provisioning/* branches",
            )
        if meta.remote != self._meta.remote:
            message = f"the ledger of '{self.infra}' was begun at {meta.remote}, and this remote is {self._meta.remote}"
            hint = (
                "a fork or mirror must not drive the same estate; if the repository has moved: provisioning workspace move-remote"
            )
            raise Stop(Exit.DENIED, message, hint)

    def _locked(self, lock: Lock) -> Stop:
        when = f" since token {lock.token}" if lock.state is State.HELD else ""
        message = f"infra '{self.infra}' is locked by {lock.holder_text() or 'others in turn'}{when}: {lock.reason or 'busy'}"
        hint = f"wait with --lock-timeout 10m; see 'provisioning lock show -i {self.infra}'"
        return Stop(Exit.LOCKED, message, hint)

    # --- a person's hold ---------------------------------------------------------------------------------

    def hold(self, reason: str, seconds: float) -> None:
        """Hold the infra by hand for at most ``seconds``. Raises ``Stop`` (locked)."""
        with self._moving() as view:
            if view.lock.state is not State.FREE:
                raise self._locked(view.lock)
            now = self.clock.wall()
            person = replace(self.actor.holder, pid=0, boot="", started="", job="")
            lock = replace(
                view.lock,
                state=State.HOLD,
                kind="hold",
                holder=person,
                token=view.lock.token + 1,
                reason=reason,
                expires=now + seconds,
            )
            self._step(view, lock, "hold", reason)

    def release_hold(self) -> None:
        """End one's own hold. Raises ``Stop``: not held (not found), somebody else's (denied)."""
        with self._moving() as view:
            lock = view.lock
            if lock.state is not State.HOLD or lock.holder is None:
                raise Stop(
                    Exit.NOT_FOUND,
                    f"infra '{self.infra}' is not held by anybody",
                    f"see 'provisioning lock show -i {self.infra}'",
                )
            if lock.holder.mail != self.actor.person.email:
                raise Stop(
                    Exit.DENIED, f"{lock.holder_text()} holds '{self.infra}', not you", "ask them, or 'provisioning lock break'"
                )
            self._step(view, freed(lock), "release-hold", "")

    def break_lock(self, reason: str) -> None:
        """Take the lock from its holder, who can then write nothing more. Raises ``Stop`` (not found) when it is free."""
        with self._moving() as view:
            if view.lock.state is State.FREE:
                raise Stop(Exit.NOT_FOUND, f"infra '{self.infra}' is not locked", "there is nothing to break")
            lock = replace(freed(view.lock), token=view.lock.token + 1, recover=bool(view.open_intents))
            self._step(view, lock, "break", f"{reason} (was held by {view.lock.holder_text()})")

    def move_remote(self, reason: str) -> None:
        """Record that the repository lives at this remote from now on. Raises ``Stop``."""
        with self._moving() as view:
            if view.lock.state is not State.FREE:
                raise self._locked(view.lock)
            self._step(
                view, replace(view.lock, token=view.lock.token), "move-remote", reason, {tree.META: tree.file_of(self._meta)}
            )

    @contextmanager
    def _moving(self) -> Iterator[View]:
        """The present tip, made if there is none. A lost race is told as what it is: try again."""
        try:
            view = self.view()
            while not view.tip:
                with suppress(LostRaceError):  # somebody else began it
                    self._genesis()
                view = self.view()
            yield view
        except LostRaceError as error:
            raise Stop(
                Exit.LOCKED, f"the lock of '{self.infra}' has just been moved by somebody else", "look again, then try again"
            ) from error

    def _step(self, view: View, lock: Lock, action: str, reason: str, files: dict[str, bytes] | None = None) -> None:
        lock = replace(lock, seq=lock.seq + 1, nonce=self.nonce(), at=self.clock.wall())
        lock, audit = chained(lock, [self._entry(action, lock, reason=reason)])
        self._publish(view.tip, {**(files or {}), **audit, tree.LOCK: encode(encode_lock(lock))}, action, lock)

    # --- commits -----------------------------------------------------------------------------------------

    def _entry(self, action: str, lock: Lock, **more: str) -> tree.Entry:
        holder = self.actor.holder
        return tree.Entry(0, self.clock.wall(), self.actor.name, holder.host, action, run=lock.run, token=lock.token, **more)

    def _publish(self, parent: str, files: dict[str, bytes], what: str, lock: Lock) -> str:
        try:
            return self.chain.publish(parent, files, self.message(what, lock), self.author())
        except GitError as error:
            raise self._unreachable(error) from error

    def author(self) -> Person:
        """Who commits, now."""
        return replace(self.actor.person, time=int(self.clock.wall()))

    def message(self, what: str, lock: Lock, commit: str = "") -> str:
        """The commit message with its trailers."""
        trailers = {
            "Run": lock.run,
            "Plan": lock.plan,
            "Infra": self.infra,
            "Source-Commit": commit,
            "Token": str(lock.token),
            "Actor": self.actor.name,
        }
        lines = [f"Provisioning-{key}: {value}" for key, value in trailers.items() if value]
        return f"{self.infra}: {what}\n\n" + "\n".join(lines) + "\n"
