"""Whether one commit of a ledger is a legal transition from the one before it. ``faults`` is pure; ``step_of`` reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeAlias

from gitops.ledger import tree
from gitops.ledger.line import anew, continued, here, line, misdone, unrepaired
from gitops.ledger.lock import MOVES, Lock, State, illegal
from gitops.ledger.records import Entry, entry_of
from gitops.ledger.shape import Malformed
from gitops.ledger.transition import TRAILERS, trailers_of
from gitops.ports import Commit, Repository
from gitops.ports import Entry as TreeEntry
from planners.canonical import encode
from planners.dataclass import dataclass
from planners.problems import Problem, Where

FILE = "100644"
AT_ONCE = 32
"""Transitions whose changes are read together: with the longest outputs some 100 MB."""
Pair: TypeAlias = tuple[TreeEntry | None, TreeEntry | None]
"""A file as it was and as it is."""
ACTS = frozenset({"import", "forget", "move"})
"""A person's acts on the record, which have no intent."""
UNDENIABLE = frozenset({"repair", "seal", "continue"})
"""Moves that nobody makes without a word in the audit."""

LEFT_BEHIND = frozenset({"runs", "plans", "audit"})
"""Parts of the tree that stay in a sealed chain."""

READERS: Mapping[str, Callable[[Any], Any]] = {
    "intents": tree.intent_of, "state": tree.resource_of, "runs": tree.run_of, "plans": tree.map_of, "audit": entry_of,
    "pin": tree.pin_of, "converged": tree.converged_of, "meta": tree.meta_of,
}  # fmt: skip
"""Part of the tree -> how its files are read."""


@dataclass(frozen=True, slots=True)
class Changed:
    """One path that differs between a commit and its parent; ``None``: not there. ``plain``: an ordinary file on both sides."""

    old: bytes | None
    new: bytes | None
    plain: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One commit with what it changed. ``before`` is ``None`` for the first; ``open`` says whether intents are open after it."""

    commit: Commit
    before: Lock | None
    after: Lock
    changed: Mapping[str, Changed]
    open: bool


def step_of(repository: Repository, commit: Commit, before: Lock | None, changed: Mapping[str, Changed]) -> Step | Problem:
    """``commit`` and all it ``changed``; a problem when it has no readable lock. Raises ``GitError`` for missing objects."""
    root = repository.entries(commit.tree)
    found = root.get(tree.LOCK)
    if found is None:
        return Problem(Where(tree.LOCK), "damaged-ledger", f"{tree.LOCK}: missing")
    written = changed[tree.LOCK].new if tree.LOCK in changed else None
    lock = tree.lock_of(repository.blobs([found.oid])[found.oid] if written is None else written)
    if isinstance(lock, Problem):
        return lock
    if lock.move == "repair" and before is not None:
        before = reckoned(repository, before, commit.parents)
    return Step(commit, before, lock, changed, "intents" in root)


def changes(repository: Repository, commits: Sequence[Commit]) -> Iterator[Mapping[str, Changed]]:
    """Everything that each of ``commits`` changed against the one it continues, by path; what a sealed chain keeps is no change.
    Read in bulk: one by one, each waits for the answer before."""
    for start in range(0, len(commits), AT_ONCE):
        some = commits[start : start + AT_ONCE]
        formers = [former if (former := continued(commit)) and here(repository, former) else "" for commit in some]
        trees = [(repository.commit(f).tree if f else "", commit.tree) for f, commit in zip(formers, some, strict=True)]
        found = zip(some, formers, repository.differences(trees), strict=True)
        pairs = [_counted(commit, bool(former), pair) for commit, former, pair in found]
        oids = {e.oid for pair in pairs for both in pair.values() for e in both if e is not None and e.mode == FILE}
        contents = repository.blobs(sorted(oids))
        yield from (_changed(pair, contents) for pair in pairs)


def _counted(commit: Commit, known: bool, pairs: Mapping[str, Pair]) -> Mapping[str, Pair]:
    """Of all that differs what ``commit`` answers for. ``known``: the one it continues is here."""
    if not anew(commit):
        return pairs
    seen = ("audit", tree.part(tree.LOCK)) if not known else ()
    return {
        path: pair
        for path, pair in pairs.items()
        if (not seen or tree.part(path) in seen) and (pair[1] is not None or tree.part(path) not in LEFT_BEHIND)
    }


def _changed(pairs: Mapping[str, Pair], contents: Mapping[str, bytes]) -> Mapping[str, Changed]:
    """The files of ``pairs`` with their contents."""

    def content(entry: TreeEntry | None) -> bytes | None:
        return contents.get(entry.oid, b"") if entry else None

    return {
        path: Changed(content(old), content(new), all(e is None or e.mode == FILE for e in (old, new)))
        for path, (old, new) in pairs.items()
    }


# --- the rules -------------------------------------------------------------------------------------------


def faults(step: Step) -> list[str]:
    """Everything about ``step`` that is no legal move of this program, each as ``path: what`` where it has one."""
    values, found = _values(step)
    entries = sorted((v for p, v in values.items() if tree.part(p) == "audit"), key=lambda e: e.seq)
    found += illegal(step.before, step.after)
    found += _trailers(step)
    found += _chain(step, entries)
    found += _recover(step)
    for path, change in step.changed.items():
        found += _allowed(step, path, change)
    found += _consequences(step, values, entries)
    found += _rebound(step, values)
    return found


def _values(step: Step) -> tuple[dict[str, Any], list[str]]:
    """New content by path, decoded; and what is no canonical file of ours."""
    values: dict[str, Any] = {}
    found = []
    for path, change in step.changed.items():
        if not change.plain:
            found.append(f"{path}: not an ordinary file")
            continue
        read = READERS.get(tree.part(path), tree.map_of if path == tree.LOCK else None)
        if change.new is None or read is None:
            continue
        try:
            document = tree.parse(change.new)
            values[path] = read(document)
        except Malformed as error:
            found.append(f"{path}: {error}")
        else:
            if encode(document) != change.new:
                found.append(f"{path}: not in canonical form")
            elif path not in (named := _paths_of(path, values[path], step.after.format)):
                found.append(f"{path}: holds what belongs to {named[0]}")
    return values, found


def _paths_of(path: str, value: Any, written: int) -> tuple[str, ...]:
    """Where ``value`` may lie in a ledger that was ``written`` in that format."""
    by_part: Mapping[str, Callable[[], tuple[str, ...]]] = {
        "state": lambda: tree.state_places(value.address, written),
        "intents": lambda: (tree.intent_path(value[0].op),),
        "runs": lambda: (tree.run_path(value.id, value.status != "running", written),),
        "audit": lambda: (tree.audit_path(value),),
    }
    return by_part.get(tree.part(path), lambda: (path,))()


def _trailers(step: Step) -> list[str]:
    after, author = step.after, step.commit.author
    acting = after if after.holder or step.before is None or step.before.holder is None else step.before
    told = trailers_of(step.commit.message)
    wants = {"Run": acting.run, "Plan": acting.plan, "Token": str(after.token), "Actor": f"{author.name} <{author.email}>"}
    found = [f"its trailer Provisioning-{name} is missing" for name in TRAILERS if name not in told]
    found += [f"its trailer Provisioning-{n} does not agree" for n, v in wants.items() if n in told and told[n] != v]
    move = MOVES.get(after.move)
    if move and move.by in ("holder", "contender") and acting.holder and acting.holder.principal != wants["Actor"]:
        found.append(f"written by {wants['Actor']}, while {acting.holder.principal} held the lock")
    return found


def _chain(step: Step, entries: list[Entry]) -> list[str]:
    """Audit entries are numbered without a gap, each hooked to the one before, and the lock knows the last."""
    before, after = step.before or Lock(), step.after
    seq, chain, found = before.entries, before.chain, []
    for entry in entries:
        seq += 1
        where = tree.audit_path(entry)
        if (entry.seq, entry.previous) != (seq, chain):
            found.append(f"{where}: does not follow the entry before it")
        chain = entry.digest
        if entry.id != chain[:16]:
            found.append(f"{where}: its id is not that of its content")
        if entry.token != after.token:
            found.append(f"{where}: written under token {entry.token}")
    if (after.entries, after.chain) != (seq, chain):
        found.append(f"{tree.LOCK}: does not know the last audit entry")
    return found


def _recover(step: Step) -> list[str]:
    """``recover`` says that somebody else's intents are open: it comes with a new holder or none, and goes with the intents."""
    before = step.before or Lock()
    kept = step.after.move in ("record", "renew", "enqueue", "dequeue", "stay", "move-remote")
    wanted = step.open and (before.recover or not kept)
    return [] if step.after.recover == wanted else [f"{tree.LOCK}: recover is {step.after.recover} and intents say otherwise"]


def _allowed(step: Step, path: str, change: Changed) -> list[str]:
    part, move = tree.part(path), MOVES.get(step.after.move)
    verb = "added" if change.old is None else "removed" if change.new is None else "changed"
    if path == tree.LOCK:
        return []
    if part not in READERS or ("/" in path) != (part in tree.FOLDERS):
        return [f"{path}: {verb}, and nothing of a ledger lies there"]
    if move is None or part not in move.writes:
        return [f"{path}: {verb} by a {step.after.move}"]
    if part in ("audit", "plans") and change.old is not None:
        return [f"{path}: {verb}, though such a file only ever grows in number"]
    return []


def _consequences(step: Step, values: Mapping[str, Any], entries: list[Entry]) -> list[str]:
    """Nothing changes without an audit entry that says so, and no step's result comes without its intent."""
    found = []
    ops = {e.op for e in entries if e.op and e.status != "skipped"}
    ended = {tree.intent_path(e.op) for e in entries if e.op}
    closed = {p for p, c in step.changed.items() if tree.part(p) == "intents" and c.new is None}
    found += [f"{p}: a result without an open intent" for p in sorted({tree.intent_path(op) for op in ops} - closed)]
    found += [f"{p}: closed without a result" for p in sorted(closed - ended)]
    acted = (e.address for e in entries if e.address and (e.op in ops or e.action in ACTS))
    told = {place for address in acted for place in tree.state_places(address, step.after.format)}
    told |= {place for e in entries if e.action == "run" for place in tree.run_places(e.run)}
    runs = {place for path, v in values.items() if tree.part(path) == "runs" for place in tree.run_places(v.id)}
    gone = (p for p, c in step.changed.items() if tree.part(p) == "runs" and c.new is None)
    found += [f"{p}: removed, though a run only ever moves to its day" for p in gone if p not in runs]
    acts = {e.action for e in entries}
    if step.after.move in UNDENIABLE and step.after.move not in acts:
        found.append(f"{tree.LOCK}: a {step.after.move} without an audit entry that says so")
    singles = {"pin": "pin", "converged": "run", "plans": "run", "meta": step.after.move}
    for path in step.changed:
        part = tree.part(path)
        if (part in ("state", "runs") and path not in told) or (part in singles and singles[part] not in acts):
            found.append(f"{path}: changed without an audit entry that says so")
        if part == "intents" and path in values and values[path][0].token != step.after.token:
            found.append(f"{path}: carries token {values[path][0].token}")
    return found


def _rebound(step: Step, values: Mapping[str, Any]) -> list[str]:
    """What a ledger is bound to stays, but for what the move is about."""
    change = step.changed.get(tree.META)
    if change is None or change.old is None or tree.META not in values:
        return []
    meta, move = values[tree.META], step.after.move
    try:
        was = tree.meta_of(tree.parse(change.old))
    except Malformed:
        return []
    due = replace(was, format=meta.format, generation=was.generation + (move == "continue"))
    bound = replace(due, remote=meta.remote, home=meta.home) if move == "move-remote" else due
    return [] if meta == bound else [f"{tree.META}: bound to something else by a {move}"]


def faults_since(repository: Repository, tip: str, stop: str, limit: int) -> list[str]:
    """What is wrong with the newest commits of a ledger, at most ``limit``, down to but without ``stop``. Raises ``GitError``."""
    commits = line(repository, tip, stop, limit)[::-1]
    return [fault for commit, fault in walk(repository, commits)]


def walk(repository: Repository, commits: list[Commit]) -> Iterator[tuple[Commit, str]]:
    """(commit, what is wrong with it) for a stretch of the chain, oldest first."""
    before = _before(repository, commits[0]) if commits else None
    for commit, changed in zip(commits, changes(repository, commits), strict=True):
        step = step_of(repository, commit, before, changed)
        if isinstance(step, Problem):
            yield commit, step.message
            before = replace(before, seq=before.seq + 1) if before else None
            continue
        for fault in (*faults(step), *strays(repository, step)):
            yield commit, fault
        before = step.after


def newer_format(repository: Repository, commit: Commit) -> bool:
    """Whether a commit holds the lock of a newer version."""
    entry = repository.entries(commit.tree).get(tree.LOCK)
    lock = tree.lock_of(repository.blobs([entry.oid])[entry.oid]) if entry else None
    return isinstance(lock, Problem) and lock.code == "newer-format"


def lock_at(repository: Repository, oid: str) -> Lock | None:
    """The lock that a commit holds, ``None`` when it holds none that can be read."""
    entry = repository.entries(repository.commit(oid).tree).get(tree.LOCK)
    lock = tree.lock_of(repository.blobs([entry.oid])[entry.oid]) if entry else None
    return lock if isinstance(lock, Lock) else None


def _before(repository: Repository, commit: Commit) -> Lock | None:
    """The lock that ``commit`` found, ``None`` when it is the first of all. Of a sealed chain that is not in this clone it is the
    one that follows from what came next."""
    former = continued(commit)
    if not former or here(repository, former):
        return lock_at(repository, former) if former else None
    lock, entries = lock_at(repository, commit.oid), [*_audit_of(repository, commit)]
    if lock is None or not entries:
        return None
    sealed = Lock(state=State.SEALED, token=lock.token, seq=lock.seq - 1, format=lock.format)
    return replace(sealed, entries=lock.entries - len(entries), chain=entries[0].previous)


def _audit_of(repository: Repository, commit: Commit) -> Iterator[Entry]:
    """The audit entries in the tree of ``commit``, oldest first, as far as they can be read."""
    found = repository.entries(commit.tree, "audit", recursive=True)
    contents = repository.blobs([e.oid for e in found.values()])
    for entry in sorted(found.values(), key=lambda e: tree.audit_seq(e.name)):
        with suppress(Malformed):
            yield entry_of(tree.parse(contents[entry.oid]))


# --- commits and the line through them -------------------------------------------------------------------


def strays(repository: Repository, step: Step) -> list[str]:
    """What is wrong with the parents of a commit and with what it says it continues."""
    commit = step.commit
    if step.after.move == "seal" and step.open:
        return ["intents: sealed while steps are open"]
    if step.after.move == "continue" or anew(commit):
        return _begun_anew(repository, step)
    if step.after.move != "repair":
        return unrepaired(commit, step.before is None)

    def legal(first: Commit, good: str) -> bool:
        # one that is not signed where its forerunner is may have been taken for junk
        return not [*walk(repository, [first])] and (first.signed or not repository.commit(good).signed)

    return misdone(repository, commit, legal)


def _begun_anew(repository: Repository, step: Step) -> list[str]:
    """A chain that continues a sealed one has no parent, says which one it is, and takes no run, plan or entry along."""
    if not anew(step.commit) or step.after.move != "continue":
        return ["only a continue begins a chain anew, and says which one it continues"]
    root = repository.entries(step.commit.tree)
    entries = [*repository.entries(step.commit.tree, "audit", recursive=True)] if "audit" in root else []
    kept = [part for part in ("runs", "plans") if part in root]
    kept += [f"audit/{name}" for name in entries if f"audit/{name}" not in step.changed]
    return [f"{part}: stays behind in a sealed chain" for part in kept]


def reckoned(repository: Repository, kept: Lock, parents: Sequence[str]) -> Lock:
    """``kept`` with the highest token that any of ``parents`` knows: nobody's token is ever given out twice."""
    locks = [lock for lock in (lock_at(repository, parent) for parent in parents) if lock is not None]
    return replace(kept, token=max([kept.token, *(lock.token for lock in locks)]))
