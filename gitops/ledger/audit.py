"""The proof that nothing of a ledger was changed since it was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field

from gitops.ledger import tree
from gitops.ledger.anchor import Mark, departures, mark_of
from gitops.ledger.check import lock_at, walk
from gitops.ledger.line import abandoned, cited, line
from gitops.ledger.lock import State
from gitops.ledger.naming import Kind, Link, finding, named
from gitops.ledger.shape import Malformed
from gitops.ledger.signing import forged
from gitops.ledger.transition import trailers_of
from gitops.ports import Commit, GitError, Repository
from gitops.schema.workspace import Identity
from gitops.signers import Signers, who_signed
from planners.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Verified:
    """How many transitions were looked at, what is wrong (commit, what was done to it, path and what), and what this cannot
    tell. ``noted``: what is legal and must be known all the same: a repair gave commits up. ``guaranteed``: what holds."""

    transitions: int
    findings: tuple[str, ...]
    not_guaranteed: tuple[str, ...]
    noted: tuple[str, ...] = ()
    guaranteed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a ledger from elsewhere. ``anchor``: a mark kept outside, and the day it was made; ``seen``: the tip that
    this clone saw last, "" for none."""

    signers: Signers = field(default_factory=Signers)
    anchor: Mark | None = None
    made: str = ""
    seen: str = ""


def verify(repository: Repository, tip: str, infra: str, workspace: str, known: Known = Known()) -> Verified:
    """Every transition up to ``tip`` recomputed: from the first, or from the one that the anchor names, which holds all below it.
    Contacts nothing and works on any clone, bare ones too.

    ``workspace`` "" leaves out the question whose ledger it is.
    """
    if not tip and not known.anchor and not known.seen:
        return Verified(0, (), ())
    try:
        apart = [*_departures(repository, tip, known)]
        if not tip:
            return Verified(0, tuple(apart), ())
        start = known.anchor.tip if known.anchor and not apart else ""
        commits = line(repository, tip, start)[::-1]
        findings = [*apart, *_bound(repository, commits[0] if commits else repository.commit(tip), infra, workspace)]
        findings += named(_links(repository, commits), infra, known.anchor.seq if known.anchor and start else 0)
        signed = [*who_signed(repository, commits, known.signers)]
        findings += [finding(c.oid, Kind.FORGED, what) for c, what in forged(commits, signed, known.signers)]
        noted = tuple(_noted(repository, commits))
    except (GitError, Malformed) as error:
        return Verified(0, (finding(tip, Kind.UNREADABLE, f"the chain cannot be read whole: {error}"),), ())
    on, off = guarantees(commits, signed, known)
    return Verified(len(commits), tuple(findings), tuple(off), noted, tuple(on))


def _departures(repository: Repository, tip: str, known: Known) -> Iterator[str]:
    """Where the chain does not hold what is known of it."""
    if known.anchor:
        yield from departures(repository, tip, known.anchor, "the anchor")
    if known.seen and known.seen != tip:
        yield from departures(repository, tip, mark_of(repository, known.seen), "this clone")


def _links(repository: Repository, commits: Sequence[Commit]) -> list[Link]:
    """``commits`` with what is wrong with each; an empty list when nothing is."""
    faults: dict[str, list[str]] = {}
    for commit, fault in walk(repository, list(commits)):
        faults.setdefault(commit.oid, []).append(fault)
    foreign = len({trailers_of(commit.message).get("Infra") for commit in commits}) > 1
    if not faults and not foreign:
        return []
    return [Link(commit, lock_at(repository, commit.oid), faults.get(commit.oid, [])) for commit in commits]


def _noted(repository: Repository, commits: list[Commit]) -> Iterator[str]:
    """Where ``commits`` do not simply follow from one another."""
    for commit in commits:
        good = cited(commit)
        if good and not commit.parents:
            what = f"it continues {good[:12]}, the seal of the one before"
            yield f"{commit.oid[:12]} begins a chain by {commit.author.name}: {what}"
        elif good:
            given_up = len(abandoned(repository, commit.parents, good))
            what = f"it continues {good[:12]} and gives up {given_up} commit{'s' * (given_up != 1)}"
            yield f"{commit.oid[:12]} is a repair by {commit.author.name}: {what}"
    if commits and (last := lock_at(repository, commits[-1].oid)) and last.state is State.SEALED:
        where = "the rotation was not finished, or the branch that went on was taken away"
        yield f"{commits[-1].oid[:12]} seals the ledger, and nothing goes on from it here: {where}"


def _bound(repository: Repository, first: Commit, infra: str, workspace: str) -> Iterator[str]:
    """The first commit binds the ledger to its workspace and infra."""
    where = tree.META
    entry = repository.entries(first.tree).get(tree.META)
    if entry is None:
        yield finding(first.oid, Kind.REMOVED, f"{where}: missing from the first commit")
        return
    try:
        meta = tree.meta_of(tree.parse(repository.blobs([entry.oid])[entry.oid]))
    except Malformed as error:
        yield finding(first.oid, Kind.EDITED, f"{where}: {error}")
        return
    if meta.infra != infra:
        yield finding(first.oid, Kind.FOREIGN, f"{where}: begun for infra '{meta.infra}'")
    if workspace and meta.workspace != workspace:
        yield finding(first.oid, Kind.FOREIGN, f"{where}: begun for workspace {meta.workspace}")


# --- what holds, and what cannot be told -----------------------------------------------------------------

WHOLE = "every transition is a legal one that follows from the one before"
WAITED = "that a take-over waited as long as it had to: only the one who took over knows"


def guarantees(commits: Sequence[Commit], signed: Sequence[Identity | None], known: Known) -> tuple[list[str], list[str]]:
    """(what holds, what does not and why)."""
    on, off = [WHOLE if commits or not known.anchor else f"nothing follows transition {known.anchor.seq}"], [*_before(commits)]
    by, unknown = _authors(commits, signed, known.signers)
    on += by
    off += unknown
    if known.anchor:
        on.append(f"nothing up to transition {known.anchor.seq}, as anchored on {known.made}, was cut off or written anew")
        off.append(
            f"who wrote the transitions up to {known.anchor.seq}, and that they are legal ones: not looked at with --since-anchor"
        )
        off.append("the same for what followed, at the end: make another anchor")
    elif known.seen:
        on.append(f"nothing up to {known.seen[:12]}, as this clone saw it, was cut off or written anew")
        off.append("the same for what this clone never saw: keep an anchor outside (audit anchor), verify with --since-anchor")
    else:
        off.append(ENDS)
    return on, [*off, WAITED]


ENDS = "that nothing was cut off or written anew as a whole: that takes an anchor kept outside, or a clone that saw more"


def open_questions(commits: Sequence[Commit]) -> Iterator[str]:
    """What no look at these commits alone can tell."""
    yield from _before(commits)
    unsigned = sum(not c.signed for c in commits)
    if unsigned:
        yield f"who wrote {unsigned} of {len(commits)} transitions: they are not signed"
    if unsigned < len(commits):
        yield "whose the signatures are: keys are compared where approvals are judged, not here"
    yield ENDS
    yield WAITED


def _before(commits: Sequence[Commit]) -> Iterator[str]:
    if commits and not commits[0].parents and (sealed := cited(commits[0])):
        yield f"what was before {commits[0].oid[:12]}: the chain that {sealed[:12]} sealed is not in this clone"


def _authors(commits: Sequence[Commit], signed: Sequence[Identity | None], signers: Signers) -> tuple[list[str], list[str]]:
    """(whose signatures are good, whose authorship is not proved)."""
    total, people, bare = len(commits), [i for i in signed if i is not None], sum(not c.signed for c in commits)
    names = ", ".join(sorted({i.name for i in people}))
    on = [f"who wrote {len(people)} of {total} transitions: {names}, by signature"] if people else []
    off = [f"who wrote {bare} of {total} transitions: they are not signed; {signers.why}"] if bare else []
    if strange := total - bare - len(people):
        off.append(f"who wrote {strange} of {total} transitions: the signature is of no listed key; {signers.why}")
    return on, off
