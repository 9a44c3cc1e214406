"""What happened, and the proof that nothing of it was changed since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gitops.ledger import tree
from gitops.ledger.check import walk
from gitops.ledger.line import cited, line
from gitops.ledger.records import Entry
from gitops.ledger.shape import Malformed
from gitops.ledger.view import View
from gitops.ports import Commit, GitError, Repository


@dataclass(frozen=True, slots=True)
class Verified:
    """How many transitions were looked at, what is wrong (commit, path and what), and what this cannot tell. ``noted``: what is
    legal and must be known all the same: a repair gave commits up."""

    transitions: int
    findings: tuple[str, ...]
    not_guaranteed: tuple[str, ...]
    noted: tuple[str, ...] = ()


def log(view: View, address: str = "", run: str = "", actor: str = "", limit: int = 0) -> tuple[Entry, ...]:
    """Audit entries, newest first; ``actor`` is any part of a name or address; ``limit`` 0 means all."""
    found: list[Entry] = []
    for entry in view.entries():
        if limit and len(found) == limit:
            break
        if (not address or entry.address == address) and (not run or entry.run == run) and actor.lower() in entry.actor.lower():
            found.append(entry)
    return tuple(found)


def verify(repository: Repository, tip: str, infra: str, workspace: str) -> Verified:
    """Every transition from the first to ``tip``, recomputed. Contacts nothing and works on any clone, bare ones too.

    ``workspace`` "" leaves out the question whose ledger it is.
    """
    if not tip:
        return Verified(0, (), ())
    try:
        commits = line(repository, tip)[::-1]
        findings = [*_bound(repository, commits[0], infra, workspace)]
        findings += [f"{commit.oid[:12]} {fault}" for commit, fault in walk(repository, commits)]
        noted = tuple(_noted(repository, commits))
    except GitError as error:
        return Verified(0, (f"{tip[:12]} the chain cannot be read whole: {error}",), ())
    return Verified(len(commits), tuple(findings), tuple(open_questions(commits)), noted)


def _noted(repository: Repository, commits: list[Commit]) -> Iterator[str]:
    """The repairs among ``commits``."""
    for commit in commits:
        if (good := cited(commit)) and commit.parents:
            given_up = len({c.oid for parent in commit.parents for c in repository.history(parent, good)})
            what = f"it continues {good[:12]} and gives up {given_up} commits"
            yield f"{commit.oid[:12]} is a repair by {commit.author.name}: {what}"


def _bound(repository: Repository, first: Commit, infra: str, workspace: str) -> Iterator[str]:
    """The first commit binds the ledger to its workspace and infra."""
    where = f"{first.oid[:12]} {tree.META}"
    entry = repository.entries(first.tree).get(tree.META)
    if entry is None:
        yield f"{where}: missing from the first commit"
        return
    try:
        meta = tree.meta_of(tree.parse(repository.blobs([entry.oid])[entry.oid]))
    except Malformed as error:
        yield f"{where}: {error}"
        return
    if meta.infra != infra:
        yield f"{where}: begun for infra '{meta.infra}'"
    if workspace and meta.workspace != workspace:
        yield f"{where}: begun for workspace {meta.workspace}"


def open_questions(commits: list[Commit]) -> Iterator[str]:
    """What no look at these commits can tell."""
    unsigned = sum(not c.signed for c in commits)
    if unsigned:
        yield f"who wrote {unsigned} of {len(commits)} transitions: they are not signed"
    if unsigned < len(commits):
        yield "whose the signatures are: keys are compared where approvals are judged, not here"
    yield "that nothing was cut off at the end: only a clone that saw a newer tip notices"
    yield "that a take-over waited as long as it had to: only the one who took over knows"
