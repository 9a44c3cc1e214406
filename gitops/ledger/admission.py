"""Who may begin something in one infra, as the workspace's chain says.

It is asked by a look, before the lock is taken, and once more under the lock: whatever was frozen before the lock was ours is
found before anything begins. That second question costs no trip: it goes with the first write, as the place where the chain has
to be at the remote (``unmoved``). Only who begins something without a write has to look again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from gitops.ports import NOTHING

if TYPE_CHECKING:
    from gitops.ledger.workspace_chain import WorkspaceChain

CHANGES_NOTHING = frozenset(("read", "hold", "settle"))
"""Kinds of lock under which nothing new is begun (``settle``: only asking what became of steps): a freeze leaves them alone."""


class Admission:
    """``common``: the workspace's chain, ``None`` where everybody may; ``look`` reads it at the remote, beside the ledger."""

    def __init__(self, infra: str, common: WorkspaceChain | None, look: Callable[[], object]) -> None:
        self._infra = infra
        self._common = common
        self._look = look
        self._tip = ""

    def admit(self, kind: str) -> None:
        """Whether a lock of this kind may be taken, by what was seen last. Raises ``Stop``: frozen (locked), or unknown."""
        if self._common is not None:
            self._tip = self._common.admit(self._infra, kind)

    def again(self, kind: str) -> None:
        """The same by another look. Raises ``Stop``."""
        if self._common is not None and kind not in CHANGES_NOTHING:
            self._look()
            self.admit(kind)

    def unmoved(self, kind: str) -> Mapping[str, str]:
        """Where the chain was when this infra was admitted, whatever was seen of it since; as a push compares it."""
        if self._common is None or kind in CHANGES_NOTHING:
            return NOTHING
        return {self._common.ref: self._tip}
