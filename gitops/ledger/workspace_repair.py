"""The workspace's own chain as something that may be damaged and is mended as a ledger is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from executors.ports import Clock
from gitops.ledger.chain import Chain
from gitops.ledger.repair import Remedy, given_up
from gitops.ledger.shape import Malformed
from gitops.ledger.workspace_chain import WorkspaceView
from gitops.ledger.workspace_check import head_at, walk
from gitops.ledger.workspace_moves import Act, Head, NewerFormat
from gitops.ports import Commit


class OfWorkspace:
    """Implements ``gitops.ledger.repair.Subject``. ``commit`` writes a move: (parent, head before, act, infra, wall, other
    parents) -> (id, head after)."""

    command = "provisioning audit repair"
    parting = "What only one of them says is lost with it"

    def __init__(self, chain: Chain, workspace: str, clock: Clock, commit: Callable[..., tuple[str, Head]]) -> None:
        self.chain = chain
        self._workspace = workspace
        self._clock = clock
        self._commit = commit

    def newest(self, seen: str) -> str:  # noqa: ARG002  # it has no generations
        """The one there is."""
        return self.chain.tips().get(1, "")

    def faults(self, commits: list[Commit]) -> Iterable[tuple[Commit, str]]:
        """Those of the moves."""
        return walk(self.chain.repository, commits)

    def newer(self, commit: Commit) -> bool:
        """By the format of its head."""
        try:
            head_at(self.chain.repository, commit.oid)
        except NewerFormat:
            return True
        except Malformed:
            return False
        return False

    def ours(self, good: str) -> bool:
        """Of this workspace."""
        return head_at(self.chain.repository, good).workspace == self._workspace

    def misplaced(self, there: str, goods: Sequence[str]) -> tuple[str, str]:  # noqa: ARG002  # it has one place
        """Never."""
        return "", ""

    def means(self, good: str) -> list[str]:
        """What is frozen there."""
        view, now = WorkspaceView(self.chain.repository, good, self.chain.what), self._clock.wall()
        standing = [freeze for freeze in view.freezes if freeze.expires > now]
        frozen = "; ".join(freeze.text for freeze in standing) or "nothing is frozen"
        return [f"at {good[:12]} ({view.head.move if view.head else 'nothing'}): {frozen}"]

    def continuation(self, remedy: Remedy, reason: str) -> str:
        """With the freezes and probes of ``remedy.keep``."""
        repository = self.chain.repository
        act = Act("repair", None, " ".join(reason.split()), remedy.keep, given_up(repository, remedy))
        first, *others = remedy.on
        return self._commit(first, head_at(repository, remedy.keep), act, "", int(self._clock.wall()), others)[0]
