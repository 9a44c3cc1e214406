"""One tip of a ledger, read on demand: nothing is decoded before it is asked for, and what cannot be read is never empty."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from gitops.ledger import tree
from gitops.ledger.lock import Lock, State
from gitops.ledger.records import Converged, Entry, Meta, RunRecord, entry_of
from gitops.ledger.shape import Malformed
from gitops.ports import Entry as TreeEntry
from gitops.ports import GitError, Repository
from gitops.stops import Exit, Stop
from planners.model import Pin, Recorded, RecordedResource
from planners.problems import Problem

if TYPE_CHECKING:
    from executors.ports import Intent

__all__ = ["Converged", "Entry", "Meta", "RunRecord", "View"]
T = TypeVar("T")

AT_ONCE = 256
"""Audit entries read in one go when only the newest are wanted."""


class Files:
    """The files at the commit ``tip`` ("" : none) of ``what``, such as "the ledger of 'dev'". Raises ``Stop`` for a damaged one;
    ``verify`` is the command that finds the damage."""

    def __init__(self, repository: Repository, tip: str, what: str, verify: str = "provisioning audit verify") -> None:
        self._repository = repository
        self.tip = tip
        self._what = what
        self._verify = verify

    @cached_property
    def _root(self) -> Mapping[str, TreeEntry]:
        return self._below("", False)

    def _below(self, folder: str, recursive: bool = True) -> Mapping[str, TreeEntry]:
        if not self.tip or (folder and folder.partition("/")[0] not in self._root):
            return {}
        try:
            return self._repository.entries(self.tip, folder, recursive)
        except GitError as error:
            raise Stop(Exit.FAILURE, f"{self._what} cannot be read: {error}", error.hint) from error

    def _read(self, entries: Mapping[str, TreeEntry], read: Callable[[Any], T]) -> dict[str, T]:
        """Files by path through ``read``."""
        if not entries:
            return {}
        try:
            contents = self._repository.blobs([e.oid for e in entries.values()])
        except GitError as error:
            raise Stop(Exit.FAILURE, f"{self._what} cannot be read: {error}", error.hint) from error
        return {path: self._value(path, contents[e.oid], read) for path, e in entries.items()}

    def _value(self, path: str, content: bytes, read: Callable[[Any], T]) -> T:
        try:
            return read(tree.parse(content))
        except Malformed as error:
            raise self._damaged(f"{path} {error}") from error

    def _damaged(self, what: str) -> Stop:
        message = f"{self._what} is damaged at {self.tip[:12]}: {what}"
        return Stop(Exit.FAILURE, message, f"'{self._verify}' names the change that is not ours")

    def _file(self, path: str, read: Callable[[Any], T]) -> T | None:
        entry = self._root.get(path)
        return self._read({path: entry}, read)[path] if entry else None

    def _folder(self, folder: str, read: Callable[[Any], T]) -> dict[str, T]:
        return self._read({f"{folder}/{path}": e for path, e in self._below(folder).items()}, read)

    def _at(self, *paths: str) -> Mapping[str, TreeEntry]:
        """The first of ``paths`` that is there, found without listing anything else."""
        for path in paths:
            folder, _, name = path.rpartition("/")
            if (entry := self._below(folder, False).get(name)) is not None:
                return {path: entry}
        return {}

    def _audit(self, first: int, last: int, forward: bool = False) -> Iterator[Entry]:
        """Audit entries from number ``last`` back to ``first``, or the other way round, read as they are wanted."""
        found = {f"audit/{p}": e for p, e in self._below("audit").items()}
        wanted = sorted((p for p in found if first <= tree.audit_seq(p) <= last), key=tree.audit_seq, reverse=not forward)
        for start in range(0, len(wanted), AT_ONCE):
            yield from self._read({p: found[p] for p in wanted[start : start + AT_ONCE]}, entry_of).values()


class View(Files):
    """An immutable look at one tip of an infra's ledger; without a tip there is none yet."""

    def __init__(self, repository: Repository, infra: str, tip: str) -> None:
        super().__init__(repository, tip, f"the ledger of '{infra}'", f"provisioning audit verify -i {infra}")
        self.infra = infra

    # --- what it says ------------------------------------------------------------------------------------

    @cached_property
    def lock(self) -> Lock:
        """The lock; free where there is no ledger yet."""
        if not self.tip:
            return Lock()
        entry = self._root.get(tree.LOCK)
        if entry is None:
            raise self._damaged(f"{tree.LOCK} is missing")
        lock = tree.lock_of(self._repository.blobs([entry.oid])[entry.oid])
        if isinstance(lock, Problem):
            if lock.code == "newer-format":
                raise Stop(Exit.INVALID, f"the ledger of '{self.infra}': {lock.message}", lock.hint)
            raise self._damaged(lock.message)
        return lock

    @cached_property
    def meta(self) -> Meta | None:
        """What the ledger is bound to; ``None`` when there is none yet."""
        return self._file(tree.META, tree.meta_of)

    @cached_property
    def pin(self) -> Pin | None:
        """The tree that plans follow instead of HEAD."""
        return self._file(tree.PIN, tree.pin_of)

    @cached_property
    def converged(self) -> Converged | None:
        """The marker of the last clean apply."""
        return self._file(tree.CONVERGED, tree.converged_of)

    @property
    def state_tree(self) -> str:
        """The id of the recorded state as a whole, "" when nothing is recorded."""
        entry = self._root.get("state")
        return entry.oid if entry else ""

    @property
    def has_intents(self) -> bool:
        """Whether any intent is open, without reading them."""
        return "intents" in self._root

    def has_plan(self, plan: str) -> bool:
        """Whether the ledger keeps this plan's document."""
        return bool(self._plan(plan))

    def _plan(self, plan: str) -> Mapping[str, TreeEntry]:
        return self._at(tree.plan_path(plan), tree.plan_path(plan, 1))

    @cached_property
    def intent_runs(self) -> Mapping[str, str]:
        """Operation id of each open intent -> the run it belongs to."""
        return {intent.op: run for intent, run in self._intents}

    @cached_property
    def _intents(self) -> tuple[tuple[Intent, str], ...]:
        return tuple(self._folder("intents", tree.intent_of).values())

    @property
    def open_intents(self) -> tuple[Intent, ...]:
        """Effects whose outcome nobody recorded, by operation id."""
        return tuple(intent for intent, _ in self._intents)

    @cached_property
    def _recorded(self) -> Recorded:
        found = self._folder("state", tree.resource_of)
        seen: dict[str, str] = {}
        for path, resource in found.items():
            if path != tree.state_path(resource.address) and path != tree.spread_path(resource.address):
                raise self._damaged(f"{path} holds {resource.address}")
            if (other := seen.setdefault(resource.address, path)) != path:
                raise self._damaged(f"{resource.address} is recorded twice, at {other} and {path}")
        return Recorded(self.infra, {r.address: r for r in found.values()}, self.tip, self.pin)

    def records(self, addresses: Iterable[str]) -> dict[str, RecordedResource]:
        """Those of ``addresses`` that are recorded, found without listing the others."""
        owners: dict[str, str] = {}
        there: dict[str, TreeEntry] = {}
        for address in addresses:
            for path, entry in self._at(*tree.state_places(address)).items():
                owners[path], there[path] = address, entry
        found = self._read(there, tree.resource_of)
        for path, record in found.items():
            if record.address != owners[path]:
                raise self._damaged(f"{path} holds {record.address}")
        return {record.address: record for record in found.values()}

    def is_recorded(self, address: str) -> bool:
        """Whether it is, without reading it."""
        return bool(self._at(*tree.state_places(address)))

    def services_of(self, server: str) -> dict[str, RecordedResource]:
        """What is recorded on one server, by address."""
        folders = {path.rpartition("/")[0] for path in tree.state_places(f"taskserv/{server}/-")}
        return {r.address: r for folder in folders for r in self.records_below(folder)}

    def state_folders(self) -> Mapping[str, str]:
        """The folders that hold the records, each at most some thousand: path -> id of its tree."""
        found = {}
        for name, entry in self._below("state", False).items():
            if name.startswith("~"):
                found.update({f"state/{name}/{n}": e.oid for n, e in self._below(f"state/{name}", False).items()})
            else:
                found[f"state/{name}"] = entry.oid
        return found

    def records_below(self, folder: str) -> Iterable[RecordedResource]:
        """All records in one folder of the state."""
        return self._folder(folder, tree.resource_of).values()

    def beside(self, folder: str) -> Collection[str]:
        """The names that lie side by side in a folder of recorded resources, such as ``state/server``."""
        return self._below(folder, False).keys()

    def recorded(self) -> Recorded:
        """What the last runs left."""
        return self._recorded

    def times(self, count: int) -> tuple[int, ...]:
        """When the last ``count`` moves were made, newest first: Unix seconds by the clocks of those who made them."""
        return tuple(commit.author.time for commit in self._repository.history(self.tip, limit=count)) if self.tip else ()

    # --- runs and audit ----------------------------------------------------------------------------------

    @cached_property
    def _runs(self) -> tuple[RunRecord, ...]:
        return tuple(sorted(self._folder("runs", tree.run_of).values(), key=_begun, reverse=True))

    def runs(self) -> tuple[RunRecord, ...]:
        """All runs, newest first, without their plans' documents."""
        return self._runs

    def run(self, run_id: str) -> RunRecord | None:
        """One run with its plan's document."""
        for run in self._read(self._at(*tree.run_places(run_id)) if run_id else {}, tree.run_of).values():
            return next((replace(run, document=d) for d in self._read(self._plan(run.plan), tree.map_of).values()), run)
        return None

    def interrupted_runs(self) -> tuple[RunRecord, ...]:
        """Runs that nobody closed, except the one that holds the lock; oldest first."""
        live = self.lock.run if self.lock.state is State.HELD else ""
        here = {f"runs/{name}": e for name, e in self._below("runs", False).items() if e.mode != "040000"}
        found = sorted(self._read(here, tree.run_of).values(), key=_begun)
        return tuple(r for r in found if r.status == "running" and r.id != live)

    def entries(self, first: int = 1, last: int = 0, forward: bool = False) -> Iterable[Entry]:
        """Audit entries from number ``last`` (0: the newest) back to ``first``, newest first, read as they are wanted;
        ``forward``: oldest first."""
        return self._audit(first, last or self.lock.entries, forward)

    def step_results(self, run_id: str) -> tuple[Entry, ...]:
        """How the steps of a run ended, in that order."""
        run = next((r for r in self._runs if r.id == run_id), None)
        if run is None:
            return ()
        # the others may be gone on with
        last = run.last if run.status in ("succeeded", "settled") else 0
        return tuple(reversed([e for e in self.entries(run.first, last) if e.run == run_id and e.op]))

    def finished_ops(self, run_id: str) -> frozenset[str]:
        """Operations of a run that are done."""
        return frozenset(e.op for e in self.step_results(run_id) if e.status == "done")


def _begun(run: RunRecord) -> int:
    """By the audit entry that tells of the beginning: clocks are set back, and ids of one second are in no order."""
    return run.first
