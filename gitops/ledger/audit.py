"""What happened, and the proof that nothing of it was changed since.

``verify`` walks the chain from its first commit and holds every one against the rules: each commit is one legal move of the
lock, made on the one before; state changes only by results of open intents or acts that say so; audit entries are only
added, numbered without a gap, each citing the one before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gitops.ledger import tree
from gitops.ledger.lock import Lock, move_of
from gitops.ledger.tree import Entry
from gitops.ledger.view import View
from gitops.ports import Commit, GitError, Repository
from gitops.stops import Stop

ACTS = frozenset({"import", "forget", "move"})
"""Acts of a person on the record, which have no intent."""


@dataclass(frozen=True, slots=True)
class Verified:
    """How many transitions were looked at, what is wrong, and what this cannot tell."""

    transitions: int
    findings: tuple[str, ...]
    not_guaranteed: tuple[str, ...]


def log(view: View, address: str = "", run: str = "", actor: str = "", limit: int = 0) -> tuple[Entry, ...]:
    """Audit entries, newest first; ``actor`` is a part of a name; ``limit`` 0 means all."""
    found = [
        e
        for e in reversed(view.entries())
        if (not address or e.address == address) and (not run or e.run == run) and actor.lower() in e.actor.lower()
    ]
    return tuple(found[:limit] if limit else found)


def verify(repository: Repository, tip: str, infra: str, workspace: str) -> Verified:
    """Every transition up to ``tip``. Works on any clone that holds the chain, bare ones too; contacts nothing."""
    try:
        commits = list(reversed(repository.history(tip))) if tip else []
    except GitError as error:
        return Verified(0, (f"the chain is cut: {error}",), ())
    findings: list[str] = []
    before: View | None = None
    for commit in commits:
        after = View(repository, infra, commit.oid)
        try:
            findings += [f"{commit.oid[:12]}: {what}" for what in _wrong(repository, before, after, commit, workspace)]
        except (Stop, GitError) as error:
            findings.append(f"{commit.oid[:12]}: {error}")
        before = after
    off = ["who wrote each entry: commits are not signed"] if not all(c.signed for c in commits) else []
    off.append("that nothing was cut off at the end: only a clone that saw the newer tip notices")
    return Verified(len(commits), tuple(findings), tuple(off) if commits else ())


def _wrong(repository: Repository, before: View | None, after: View, commit: Commit, workspace: str) -> Iterator[str]:
    if len(commit.parents) != (0 if before is None else 1):
        yield f"it has {len(commit.parents)} parents"
    changed = dict(changes(repository, before.tip if before else "", after.tip))
    old, new = (before.lock if before else None), after.lock
    if before is None:
        yield from _genesis(after, workspace)
    elif changed.pop(tree.META, None) and not any(e.action == "move-remote" for e in _added(after, changed)):
        yield "meta.json was changed"
    yield from _moves(old, new, changed)
    yield from _entries(old, new, after, changed)
    if before is not None:
        yield from _contents(before, after, changed)
    if f"Provisioning-Token: {new.token}" not in commit.message or f"Provisioning-Infra: {after.infra}" not in commit.message:
        yield "its trailers do not say what its lock says"


def _genesis(after: View, workspace: str) -> Iterator[str]:
    meta = after.meta
    if meta is None:
        yield "the first commit has no meta.json"
    elif meta.workspace != workspace or meta.infra != after.infra:
        yield f"the ledger was begun for infra '{meta.infra}' of workspace {meta.workspace}"


def _moves(old: Lock | None, new: Lock, changed: Mapping[str, str]) -> Iterator[str]:
    """The lock moved as it may, by one, with a nonce of its own; only its holder writes anything else."""
    move = move_of(old, new)
    if move is None:
        came = f"{old.state} with token {old.token}" if old else "nothing"
        yield f"the lock went from {came} to {new.state} with token {new.token}"
    if old is None:
        return
    if new.seq != old.seq + 1:
        yield f"the lock's number went from {old.seq} to {new.seq}"
    if new.nonce == old.nonce or not new.nonce:
        yield "the lock's nonce was not renewed"
    if move is not None and move.name == "write" and new.holder != old.holder:
        yield "the holder changed without a new token"
    own = {p for p in changed if p not in (tree.LOCK, tree.META) and not p.startswith("audit/")}
    if own and (move is None or move.name != "write"):
        yield f"{sorted(own)[0]} was changed by somebody who did not hold the lock"


def _added(after: View, changed: Mapping[str, str]) -> list[Entry]:
    by_path = {e.path: e for e in after.entries()} if any(p.startswith("audit/") for p in changed) else {}
    return sorted((by_path[p] for p, how in changed.items() if how == "added" and p in by_path), key=lambda e: e.seq)


def _entries(old: Lock | None, new: Lock, after: View, changed: Mapping[str, str]) -> Iterator[str]:
    """Audit entries are added and never touched again, each citing the one before."""
    touched = sorted(p for p, how in changed.items() if p.startswith("audit/") and how != "added")
    yield from (f"{path} was {changed[path]}" for path in touched)
    added = _added(after, changed)
    misplaced = {p for p in changed if p.startswith("audit/") and changed[p] == "added"} - {e.path for e in added}
    yield from (f"{path} does not hold what its name says" for path in sorted(misplaced))
    seq, head = (old.audit_seq, old.audit_head) if old else (0, "")
    for entry in added:
        seq += 1
        if entry.seq != seq or entry.previous != head:
            yield f"{entry.path} does not follow from the entry before it"
        head = entry.digest
    if (new.audit_seq, new.audit_head) != (seq, head):
        yield "the lock does not cite the last audit entry"


def _contents(before: View, after: View, changed: Mapping[str, str]) -> Iterator[str]:
    """State and intents change only as the entries of the same commit say."""
    added = _added(after, changed)
    ended = {tree.intent_path(e.op): e for e in added if e.op}
    open_before = {tree.intent_path(i.op): i for i in before.open_intents}
    said = {tree.state_path(e.address) for e in added if e.address}
    said |= {tree.state_path(e.message.removeprefix("to ")) for e in added if e.action == "move" and e.message.startswith("to ")}
    said |= {
        tree.state_path(e.reason.removeprefix("from ")) for e in added if e.action == "move" and e.reason.startswith("from ")
    }
    for path, how in sorted(changed.items()):
        top = path.partition("/")[0]
        if top == "state" and path not in said:
            yield f"{path} was {how} and no entry says so"
        elif top == "intents" and how == "removed" and path not in ended:
            yield f"{path} was closed without a result"
        elif top == "intents" and how == "changed":
            yield f"{path} was changed"
        elif top == "runs" and how == "removed":
            yield f"{path} was removed"
        elif top not in ("state", "intents", "runs", "audit") and path not in (tree.LOCK, tree.META, tree.PIN, tree.CONVERGED):
            yield f"{path} does not belong in a ledger"
    for path, entry in ended.items():
        if path not in open_before and entry.action not in ACTS:
            yield f"{entry.action} {entry.address} has a result and had no intent"


def changes(repository: Repository, old: str, new: str, folder: str = "") -> Iterator[tuple[str, str]]:
    """(path, added | changed | removed) of every file; equal subtrees are passed over by their ids."""
    left = repository.entries(old, folder) if old else {}
    right = repository.entries(new, folder) if new else {}
    for name in sorted({*left, *right}):
        a, b = left.get(name), right.get(name)
        if a == b:
            continue
        path = f"{folder}/{name}" if folder else name
        trees = [e for e in (a, b) if e is not None and e.mode == "040000"]
        if trees:
            yield from changes(repository, old if a in trees else "", new if b in trees else "", path)
        if (a in trees and b is None) or (b in trees and a is None) or len(trees) == 2:
            continue
        plain_a, plain_b = (a if a not in trees else None), (b if b not in trees else None)
        if plain_a or plain_b:
            yield path, "changed" if plain_a and plain_b else "added" if plain_b else "removed"
