"""One tip of a ledger, read on demand: nothing is decoded before it is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TypeVar

from executors.ports import Intent
from gitops.ledger import lock as locks
from gitops.ledger import tree
from gitops.ledger.lock import Lock, State
from gitops.ledger.tree import Converged, Entry, Meta, RunRecord
from gitops.ports import Entry as TreeEntry
from gitops.ports import Repository
from gitops.stops import Exit, Stop
from planners.model import Pin, Recorded

__all__ = ["Converged", "Entry", "Meta", "RunRecord", "View"]
T = TypeVar("T")


class View:
    """An immutable look at the commit ``tip`` ("" when there is no ledger yet)."""

    def __init__(self, repository: Repository, infra: str, tip: str) -> None:
        self._repository = repository
        self.infra = infra
        self.tip = tip

    # --- files -------------------------------------------------------------------------------------------

    def _below(self, folder: str = "", recursive: bool = False) -> Mapping[str, TreeEntry]:
        return self._repository.entries(self.tip, folder, recursive) if self.tip else {}

    def has(self, path: str) -> bool:
        """Whether the tree holds this file."""
        folder, _, name = path.rpartition("/")
        return name in self._below(folder)

    def _file(self, name: str, read: Callable[[bytes], T]) -> T | None:
        entry = self._below().get(name)
        return self._read(name, self._repository.blobs([entry.oid])[entry.oid], read) if entry else None

    def _folder(self, folder: str, read: Callable[[bytes], T]) -> dict[str, T]:
        entries = self._below(folder, recursive=True)
        contents = self._repository.blobs(e.oid for e in entries.values())
        return {path: self._read(f"{folder}/{path}", contents[e.oid], read) for path, e in entries.items()}

    def _read(self, path: str, content: bytes, read: Callable[[bytes], T]) -> T:
        """A file that is not ours is an edited ledger, never an empty one."""
        try:
            return read(content)
        except OverflowError as error:
            message = f"{path} in the ledger of '{self.infra}' has a newer format than this version reads"
            raise Stop(Exit.INVALID, message, "install a newer provisioning") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            message = f"{path} in the ledger of '{self.infra}' was edited: it is not what this program writes"
            raise Stop(Exit.FAILURE, message, f"see 'provisioning audit verify -i {self.infra}'") from error

    # --- what it says ------------------------------------------------------------------------------------

    @cached_property
    def lock(self) -> Lock:
        """The lock; a ledger without one is damaged, no ledger is free."""
        if not self.tip:
            return Lock()
        found = self._file(tree.LOCK, lambda content: locks.decode(json.loads(content)))
        if found is None:
            raise Stop(
                Exit.FAILURE, f"the ledger of '{self.infra}' has no lock.json: it was edited", "see 'provisioning audit verify'"
            )
        return found

    @cached_property
    def meta(self) -> Meta | None:
        """Whose ledger it is; ``None`` when there is none yet."""
        return self._file(tree.META, lambda content: Meta(**tree.load(content)))

    @cached_property
    def pin(self) -> Pin | None:
        """The tree that plans follow instead of HEAD."""
        return self._file(tree.PIN, lambda content: Pin(**tree.load(content)))

    @cached_property
    def converged(self) -> Converged | None:
        """The marker of the last clean apply."""
        return self._file(tree.CONVERGED, lambda content: Converged(**tree.load(content)))

    @property
    def state_tree(self) -> str:
        """The id of the recorded state as a whole, "" when nothing is recorded."""
        entry = self._below().get("state")
        return entry.oid if entry else ""

    @cached_property
    def open_intents(self) -> tuple[Intent, ...]:
        """Effects whose outcome nobody recorded, by operation id."""
        return tuple(self._folder("intents", tree.read_intent).values()) if "intents" in self._below() else ()

    @cached_property
    def _recorded(self) -> Recorded:
        found = self._folder("state", tree.read_resource) if self.state_tree else {}
        for path, resource in found.items():
            if tree.state_path(resource.address) != f"state/{path}":
                message = f"state/{path} in the ledger of '{self.infra}' was edited: it holds {resource.address}"
                raise Stop(Exit.FAILURE, message, f"see 'provisioning audit verify -i {self.infra}'")
        return Recorded(self.infra, {r.address: r for r in found.values()}, self.tip, self.pin)

    def recorded(self) -> Recorded:
        """What the last runs left."""
        return self._recorded

    def runs(self) -> tuple[RunRecord, ...]:
        """All runs, newest first."""
        return tuple(sorted(self._folder("runs", tree.read_run).values(), key=lambda r: (r.started, r.id), reverse=True))

    def run(self, run_id: str) -> RunRecord | None:
        """One run."""
        entry = self._below("runs").get(f"{run_id}.json") if run_id else None
        path = tree.run_path(run_id)
        return self._read(path, self._repository.blobs([entry.oid])[entry.oid], tree.read_run) if entry else None

    def interrupted_runs(self) -> tuple[RunRecord, ...]:
        """Runs that nobody closed, and whose writer is not the living holder of the lock; oldest first."""
        if not self.open_intents and "runs" not in self._below():
            return ()
        live = self.lock.run if self.lock.state is State.HELD else ""
        return tuple(r for r in reversed(self.runs()) if r.status == "running" and r.id != live)

    def entries(self) -> tuple[Entry, ...]:
        """All audit entries, oldest first."""
        found = self._folder("audit", tree.read_entry).values() if "audit" in self._below() else ()
        return tuple(sorted(found, key=lambda e: e.seq))

    def step_results(self, run_id: str) -> tuple[Entry, ...]:
        """How the steps of a run ended, in that order."""
        return tuple(e for e in self.entries() if e.run == run_id and e.op)

    def finished_ops(self, run_id: str) -> frozenset[str]:
        """Operations of a run that are done."""
        return frozenset(e.op for e in self.step_results(run_id) if e.status == "done")
