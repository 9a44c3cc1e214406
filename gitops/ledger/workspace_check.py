"""Whether one commit of the workspace's chain is a legal move from the one before it, and the proof over the whole chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gitops.ledger import tree
from gitops.ledger.audit import Verified, open_questions
from gitops.ledger.check import Changed, changes
from gitops.ledger.line import continued, here, line, misdone, unrepaired
from gitops.ledger.records import Entry, entry_of
from gitops.ledger.shape import Malformed
from gitops.ledger.transition import TRAILERS, trailers_of
from gitops.ledger.workspace_moves import (
    HEAD,
    LONGEST_FREEZE,
    MOVES,
    READERS,
    Freeze,
    Head,
    freeze_of,
    head_of,
    illegal,
    told,
)
from gitops.ports import Commit, GitError, Repository
from planners.canonical import encode

OWN_WORDS: Mapping[str, tuple[str, ...]] = {"thaw": ("message",), "repair": ()}
"""Move -> of message and reason what is not its author's own."""


def head_at(repository: Repository, oid: str) -> Head:
    """The head of one commit. Raises ``Malformed``, ``NewerFormat``; ``GitError`` for missing objects."""
    entry = repository.entries(repository.commit(oid).tree).get(HEAD)
    if entry is None:
        raise Malformed("is missing")
    return head_of(tree.parse(repository.blobs([entry.oid])[entry.oid]))


def walk(repository: Repository, commits: Sequence[Commit]) -> Iterator[tuple[Commit, str]]:
    """(commit, what is wrong with it) for a stretch of the chain, oldest first. Raises ``GitError``."""
    before = _before(repository, commits[0]) if commits else None
    for commit in commits:
        try:
            after = head_at(repository, commit.oid)
        except Malformed as error:
            yield commit, f"{HEAD}: {error}"
            before = replace(before, seq=before.seq + 1) if before else None
            continue
        for fault in (
            *faults(commit, before, after, next(changes(repository, [commit]))),
            *strays(repository, commit, before, after),
        ):
            yield commit, fault
        before = after


def _before(repository: Repository, first: Commit) -> Head | None:
    former = continued(first)
    try:
        return head_at(repository, former) if former and here(repository, former) else None
    except Malformed:
        return None


def strays(repository: Repository, commit: Commit, before: Head | None, after: Head) -> list[str]:
    """What is wrong with the parents of a commit and with what it says it continues."""
    if after.move != "repair":
        return unrepaired(commit, before is None)
    return misdone(repository, commit, lambda first, _: not [*walk(repository, [first])])


def faults_since(repository: Repository, tip: str, stop: str, limit: int) -> list[tuple[Commit, str]]:
    """(commit, what is wrong with it) of the newest, at most ``limit``, down to but without ``stop``. Raises ``GitError``."""
    return list(walk(repository, line(repository, tip, stop, limit)[::-1]))


# --- the rules: pure -------------------------------------------------------------------------------------


def faults(commit: Commit, before: Head | None, after: Head, changed: Mapping[str, Changed]) -> list[str]:
    """Everything about a commit that is no legal move of this program, each as ``path: what`` where it has one."""
    found = illegal(before, after)
    values, unread = _values(changed)
    found += unread
    entries = [(p, v) for p, v in values.items() if isinstance(v, Entry)]
    kept = [p for p in changed if tree.part(p) in READERS]
    for path, change in changed.items():
        found += _allowed(after, path, change)
    if len(entries) != 1 or len(kept) != bool(after.move in MOVES and MOVES[after.move].part):
        return [*found, f"a {after.move} adds one audit entry and changes the one file that it tells of"]
    (where, entry) = entries[0]
    found += _entry(before, after, where, entry)
    value = values.get(kept[0]) if kept else None
    return found + _told(commit, after, where, entry, value, changed[kept[0]].old if kept else None)


def _values(changed: Mapping[str, Changed]) -> tuple[dict[str, Any], list[str]]:
    """What the changed files hold (of removed ones, what they held), and which are no canonical files of ours."""
    values: dict[str, Any] = {}
    found = []
    readers = {**READERS, "audit": entry_of, "head": head_of}
    for path, change in changed.items():
        content, read = change.old if change.new is None else change.new, readers.get(tree.part(path))
        if not change.plain:
            found.append(f"{path}: not an ordinary file")
        if not change.plain or content is None or read is None:
            continue
        try:
            document = tree.parse(content)
            values[path] = read(document)
        except Malformed as error:
            found.append(f"{path}: {error}")
            continue
        if encode(document) != content:
            found.append(f"{path}: not in canonical form")
        elif (named := _path_of(values[path])) != path:
            found.append(f"{path}: holds what belongs to {named}")
    return values, found


def _path_of(value: Any) -> str:
    """Where a value belongs."""
    if isinstance(value, Head):
        return HEAD
    return tree.audit_path(value) if isinstance(value, Entry) else str(value.path)


def _allowed(after: Head, path: str, change: Changed) -> list[str]:
    part = tree.part(path)
    verb = "added" if change.old is None else "removed" if change.new is None else "changed"
    if path == HEAD:
        return []
    if part == "audit":
        return [] if verb == "added" else [f"{path}: {verb}, though such a file only ever grows in number"]
    move = MOVES.get(after.move)
    if part not in READERS or "/" not in path:
        return [f"{path}: {verb}, and nothing of a workspace's chain lies there"]
    if move is None or part != move.part or (change.new is not None) != move.leaves:
        return [f"{path}: {verb} by a {after.move}"]
    return []


def _entry(before: Head | None, after: Head, where: str, entry: Entry) -> list[str]:
    """The entry follows the one before it, and the head knows it."""
    was = before or Head(after.workspace)
    found = []
    if (entry.seq, entry.previous) != (was.entries + 1, was.chain):
        found.append(f"{where}: does not follow the entry before it")
    if entry.id != entry.digest[:16]:
        found.append(f"{where}: its id is not that of its content")
    if (after.entries, after.chain) != (entry.seq, entry.digest):
        found.append(f"{HEAD}: does not know the last audit entry")
    return found


def _told(commit: Commit, after: Head, where: str, entry: Entry, value: Any, old: bytes | None) -> list[str]:
    """The entry tells what was changed, and author and trailers agree with it."""
    said = told(after.move, value, after.workspace)
    compared = ["action", "status", *OWN_WORDS.get(after.move, ("message", "reason"))]
    found = [f"{where}: its {name} is not what was done" for name in compared if getattr(entry, name) != getattr(said, name)]
    author = f"{commit.author.name} <{commit.author.email}>"
    trailers = trailers_of(commit.message)
    about = value.infra if isinstance(value, Freeze) else ""
    wants = dict.fromkeys(TRAILERS, "") | {"Infra": about, "Actor": author}
    found += [f"its trailer Provisioning-{n} does not agree" for n, v in wants.items() if trailers.get(n) != v]
    if entry.actor != author:
        found.append(f"{where}: by {entry.actor}, and {author} wrote it")
    return found + (_frozen(value, after.move, entry, old) if isinstance(value, Freeze) else [])


def _frozen(value: Freeze, move: str, entry: Entry, old: bytes | None) -> list[str]:
    """Who may freeze and thaw what: everybody their own, and somebody else's only with a reason, or once it is over."""
    author = f"{value.name} <{value.email}>"
    if move == "thaw":
        # a person is known by the mail: the name may be written otherwise on another machine
        own = entry.actor.endswith(f" <{value.email}>") or bool(entry.reason)
        return [] if own else [f"{value.path}: {entry.actor} ended it without a reason, and it was {author}'s"]
    found = []
    if (author, value.since) != (entry.actor, entry.time):
        found.append(f"{value.path}: frozen by somebody else, or at another time, than it says")
    if not 0 < value.expires - value.since <= LONGEST_FREEZE:
        found.append(f"{value.path}: lasts longer than 30 days, or not at all")
    was = _freeze(old)
    if was and was.email != value.email and was.expires > entry.time:
        found.append(f"{value.path}: was {was.name}'s and not over yet")
    return found


def _freeze(old: bytes | None) -> Freeze | None:
    """The freeze that stood there before; what is none of ours was told when it came."""
    try:
        return freeze_of(tree.parse(old)) if old else None
    except Malformed:
        return None


def verify_workspace(repository: Repository, tip: str, workspace: str) -> Verified:
    """Every move from the first to ``tip``, recomputed, as ``audit.verify`` does for a ledger. ``workspace`` "" : whoever's."""
    if not tip:
        return Verified(0, (), ())
    try:
        commits = line(repository, tip)[::-1]
        findings = [f"{commit.oid[:12]} {fault}" for commit, fault in walk(repository, commits)]
    except GitError as error:
        return Verified(0, (f"{tip[:12]} the chain cannot be read whole: {error}",), ())
    try:
        bound = head_at(repository, commits[0].oid).workspace
    except Malformed:
        bound = ""  # found above
    if workspace and bound not in ("", workspace):
        findings.insert(0, f"{commits[0].oid[:12]} {HEAD}: begun for workspace {bound}")
    return Verified(len(commits), tuple(findings), tuple(open_questions(commits)))
