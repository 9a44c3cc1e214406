"""Makes the commits of one ledger: a draft becomes a commit on a tip, stamped with who, when and a fresh nonce."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from executors.ports import Clock
from gitops.ledger import tree
from gitops.ledger.chain import Chain, fresh_nonce
from gitops.ledger.holder import Actor
from gitops.ledger.lock import Lock
from gitops.ledger.records import Entry, Meta
from gitops.ledger.signing import Signing
from gitops.ledger.transition import Draft, Stamp, compose
from gitops.schema.workspace import LedgerConfig
from gitops.stops import Exit, Stop
from planners.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Writer:
    """All that writing to one ledger takes. ``meta``: what a new ledger is bound to; ``signing``: which commits are signed."""

    chain: Chain
    infra: str
    meta: Meta
    timing: LedgerConfig
    clock: Clock
    actor: Actor
    nonce: Callable[[], str] = fresh_nonce
    signing: Signing | None = None

    def commit(self, parent: str, before: Lock, draft: Draft) -> tuple[str, Lock]:
        """A commit on ``parent`` ("" for the first), not sent anywhere, and the lock it holds. Raises ``GitError``."""
        stamp = Stamp(self.infra, self.actor.name, self.actor.host, self.nonce(), int(self.clock.wall()))
        lock, edits, message = compose(before, draft, stamp)
        author = replace(self.actor.person, time=stamp.wall)
        former = draft.continues or parent
        sign = self.signing is not None and self.signing.wanted(former)
        new = self.chain.repository.write(parent, edits, message, author, sign, draft.others)
        if self.signing is not None:
            self.signing.own(new, former)
        return new, lock

    def begin(self) -> tuple[str, Lock]:
        """The first commit of a ledger. Raises ``Stop`` (denied): none begins at a mirror."""
        if self.meta.home:
            hint = f"'provisioning ledger detour -i {self.infra} --remote URL' goes on there with the one at {self.meta.home}"
            raise Stop(Exit.DENIED, f"infra '{self.infra}' has no ledger at {self.meta.remote}", hint)
        note = Entry(action="create", message=f"workspace {self.meta.workspace} at {self.meta.remote}")
        return self.commit("", Lock(), Draft("create", Lock(), {tree.META: tree.value_bytes(self.meta)}, (note,)))
