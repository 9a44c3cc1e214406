"""One infra's ledger: looked at here; locked for a run, held by a person, broken and moved in ``locking``.

A plan without changes only looks, so what writing takes is imported when something is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING

from gitops.ledger import tree
from gitops.ledger.chain import LOCAL, REMOTE_PREFIX, Backoff, Chain, draw, fresh_nonce, stop_of
from gitops.ledger.view import View
from gitops.ports import GitError
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from executors.ports import Clock
    from gitops.ledger.held import Held
    from gitops.ledger.holder import Actor
    from gitops.ledger.locking import Locking
    from gitops.ledger.signing import Signing
    from gitops.ledger.workspace_chain import WorkspaceChain
    from gitops.ledger.writer import Writer
    from gitops.ports import Remote, Repository
    from gitops.schema.workspace import LedgerConfig

__all__ = ["LOCAL", "REMOTE_PREFIX", "Ledger", "View"]

LOOK = 10
"""New transitions checked whenever a newer tip is seen; ``audit verify`` checks all."""


class Ledger:
    """``remote_name``: the remote's normalised address, to which the ledger is bound. ``draw`` (0 up to 1, for pauses) and
    ``nonce`` (32 hex digits) are chance, injected. ``signing``: what signatures mean here; ``None``: nothing. ``common``: the
    workspace's chain, read with the same question to the remote, which says who may take a lock; ``None``: everybody. ``home``:
    the address that the remote is a mirror of, "" when it is none."""

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
        draw: Callable[[], float] = draw,
        nonce: Callable[[], str] = fresh_nonce,
        signing: Signing | None = None,
        common: WorkspaceChain | None = None,
        home: str = "",
    ) -> None:
        self.infra = infra
        self._chain = Chain(repository, remote, infra, Backoff(clock, draw), trust=self._trust)
        self._meta = tree.genesis(workspace, infra, remote_name, home)
        self._timing = timing
        self._actor = actor
        self._nonce = nonce
        self._signing = signing
        self._common = common
        self._view: View | None = None

    # --- looking -----------------------------------------------------------------------------------------

    def view(self, offline: bool = False, known: Mapping[str, str] | None = None) -> View:
        """The ledger as it is at the remote (``known``: refs just read there), or as this clone saw it last.

        Raises ``Stop``: unreachable, rewritten, edited by something else, a newer format, never seen.
        """
        try:
            tip = self._chain.seen() if offline else self._fetch(known)
        except GitError as error:
            raise stop_of(error) from error
        except Stop as stop:
            raise self._elsewhere() or stop from stop
        if offline and not tip:
            raise Stop(Exit.FAILURE, f"this clone has not seen the ledger of '{self.infra}' yet", "leave out --offline")
        if self._view is None or self._view.tip != tip:
            self._view = View(self._chain.repository, self.infra, tip)
        return self._view

    @property
    def seen(self) -> str:
        """The tip that this clone saw last, "" for none."""
        return self._chain.seen()

    def peek(self) -> tuple[str, str]:
        """(tip seen last, tip at the remote), "" for none, whatever they hold. Raises ``Stop``: unreachable."""
        try:
            return self._chain.peek()
        except GitError as error:
            raise stop_of(error) from error

    def _fetch(self, known: Mapping[str, str] | None) -> str:
        """The ledger's tip; the workspace's chain is seen on the way."""
        if known is None and self._common is not None:
            known = self._chain.remote.refs([*self._chain.refs, self._common.ref])
            self._common.see(known.get(self._common.ref, ""))
        return self._chain.fetch(known)

    def _seen(self) -> View | None:
        """The ledger as this clone saw it last, without asking anybody; ``None`` when it never did."""
        tip = self._chain.seen()
        return View(self._chain.repository, self.infra, tip) if tip else None

    def _elsewhere(self) -> Stop | None:
        """Why this remote is behind, when this clone saw the ledger bound to another."""
        seen = self._seen()
        meta = seen.meta if seen else None
        if meta is None or meta.remote == self._meta.remote:
            return None
        message = f"this clone saw the ledger of '{self.infra}' go on at {meta.remote}, and {self._meta.remote} is behind"
        back = f"'provisioning ledger return -i {self.infra} --remote URL' brings it home; until then, --remote URL works there"
        away = f"while that is away, 'provisioning ledger detour -i {self.infra} --remote URL' goes on at a mirror"
        return Stop(Exit.DENIED, message, back if meta.home == self._meta.remote else away)

    def bring_sealed(self) -> None:
        """Fetch the sealed chains that this one continues, as far as the remote still has them. Raises ``Stop``."""
        try:
            self._chain.bring_sealed(self._chain.tips())
        except GitError as error:
            raise stop_of(error) from error

    def _trust(self, tip: str, seen: str) -> None:
        """A tip that something else than this program wrote is not remembered, nor ever built upon. Raises ``Stop``."""
        from gitops.ledger.check import faults_since

        repository = self._chain.repository
        _ = View(repository, self.infra, tip).lock  # a newer format is told as that
        wrong = faults_since(repository, tip, seen, LOOK)
        meta = None if wrong else View(repository, self.infra, tip).meta
        if meta is not None and meta.generation != self._chain.generation:
            wrong = [f"{tree.META}: generation {meta.generation}, where {self._chain.generation} belongs"]
        if wrong:
            by = "was changed by something else than provisioning"
            message = f"TAMPERED: the ledger of '{self.infra}' {by}: {tip[:12]} {wrong[0]}"
            hint = f"'provisioning state repair -i {self.infra}' says what happened and what can be done"
            raise Stop(Exit.FAILURE, message, hint)
        if self._signing is not None:
            self._signing.trust(tip, seen)

    # --- writing -----------------------------------------------------------------------------------------

    def acquire(
        self,
        kind: str,
        run_id: str,
        plan: str,
        reason: str,
        timeout: float,
        waiting: Callable[[str], None],
        meanwhile: Callable[[], None] = lambda: None,
    ) -> AbstractContextManager[Held]:
        """The lock while a block runs. ``kind``: ``write`` and ``deploy`` are exclusive, ``read`` is shared. Waits at most
        ``timeout`` seconds, telling ``waiting`` for whom; ``meanwhile`` is called at each look, and at each renewal afterwards.
        Raises ``Stop``: locked or frozen, denied, unreachable, rewritten."""
        return self._locking.acquire(kind, run_id, plan, reason, timeout, waiting, meanwhile)

    def hold(self, reason: str, seconds: float) -> None:
        """Keep everybody from writing, for at most ``seconds`` (24 h). Raises ``Stop``: locked, usage."""
        self._locking.hold(reason, seconds)

    def release_hold(self) -> None:
        """End one's own hold. Raises ``Stop``: there is none (not found), it is somebody else's (denied)."""
        self._locking.release_hold()

    def break_lock(self, reason: str) -> None:
        """Take the lock from whoever has it; they can write nothing more. Raises ``Stop`` (not found) when it is free."""
        self._locking.break_lock(reason)

    def move_remote(self, reason: str) -> None:
        """Bind the ledger to the remote it is used with from now on. Raises ``Stop``: locked, another workspace's."""
        self._locking.move_remote(reason)

    def vouch(self, reason: str) -> int:
        """Sign for all that stands in a ledger which nobody listed has signed yet, by a hold that ends at once; returns how many
        transitions that are. Raises ``Stop``: there is none, it is not whole, somebody has signed it."""
        from gitops.ledger.signing import vouch

        return vouch(self, self.writer, reason)

    def rotate(self, reason: str) -> View:
        """Seal this chain and begin the next one, or go on with that. Raises ``Stop``: locked, interrupted runs, no ledger."""
        from gitops.ledger.rotate import rotate

        return rotate(self.writer, self.view, reason)

    @cached_property
    def writer(self) -> Writer:
        """What makes this ledger's commits."""
        from gitops.ledger.writer import Writer

        clock = self._chain.backoff.clock
        return Writer(self._chain, self.infra, self._meta, self._timing, clock, self._actor, self._nonce, self._signing)

    @cached_property
    def _locking(self) -> Locking:
        from gitops.ledger.admission import Admission
        from gitops.ledger.locking import Locking

        return Locking(self.writer, self.view, self._seen, Admission(self.infra, self._common, self.view))
