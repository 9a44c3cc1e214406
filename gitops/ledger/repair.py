"""What is wrong with a chain, told before anything is done, and the one safe way back. It explains and never guesses.

Everything known of a ledger, or of the workspace's own chain, is a chain with a tip: the one at the remote, the one this clone
saw last, those another clone has. Each is walked to its last good transition. When one of these follows from all the others it
is the truth, and what is at the remote is brought forward to it: by sending what it lacks, or by a ``repair``, a new transition
that stands on everything there is and continues the good one. Two good lines that part are a fork: which of them counts, a
person says. What differs between chains is in their ``Subject``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol

from gitops.ledger.chain import Chain, stop_of
from gitops.ledger.check import newer_format, reckoned, walk
from gitops.ledger.line import abandoned, cited, follows, line
from gitops.ledger.lock import freed
from gitops.ledger.records import Entry
from gitops.ledger.transition import Draft
from gitops.ledger.view import View
from gitops.ledger.writer import Writer
from gitops.ports import ZERO, Commit, GitError, RefUpdate, Repository
from gitops.stops import Exit, Stop
from planners.dataclass import dataclass

SHOWN = 10
"""Commits named one by one; of the rest the number is told."""
TRIES = 10
"""Pushes of one repair before a remote that takes none is given up."""


@dataclass(frozen=True, slots=True)
class Chained:
    """One chain as far as it is good: ``good`` is its last good transition ("" : none is), ``after`` what follows that, oldest
    first, with the first fault of each. ``resumed``: of those, what would be transitions if nothing before them were wrong.
    ``newer``: some of it was written by a newer version. ``seal``: what it continues and this clone has not, "" for nothing."""

    tip: str
    good: str
    after: tuple[tuple[Commit, str], ...] = ()
    newer: bool = False
    seal: str = ""

    @property
    def resumed(self) -> tuple[Commit, ...]:
        """Written by this program on top of the damage."""
        return tuple(commit for commit, fault in self.after if not fault)


@dataclass(frozen=True, slots=True)
class Remedy:
    """``keep`` becomes what counts: put back as it is (``on`` empty), or continued by a repair that stands on the commits ``on``,
    the first of which is at the remote, unless the ref is gone. ``text``: what is done, in a sentence."""

    keep: str
    text: str
    on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """``there`` is the tip at the remote ("" : gone), ``good`` the last good transition ("" : not known which). ``told`` is
    everything found, in sentences; with neither ``remedy`` nor ``choices`` nothing is wrong."""

    what: str
    there: str
    good: str
    told: tuple[str, ...]
    remedy: Remedy | None = None
    choices: tuple[str, ...] = ()


class Subject(Protocol):
    """A chain that may be damaged. ``command`` is what mends it, as a person types it; ``parting`` what two lines of it mean."""

    chain: Chain
    command: str
    parting: str

    def newest(self, seen: str) -> str:
        """The tip at the remote that counts, "" when it is gone. Raises ``GitError``."""

    def faults(self, commits: list[Commit]) -> Iterable[tuple[Commit, str]]:
        """What is wrong with a whole chain, oldest first."""

    def newer(self, commit: Commit) -> bool:
        """Whether a newer version wrote it."""

    def ours(self, good: str) -> bool:
        """Whether a good line is one of this very chain, and not of another's."""

    def misplaced(self, there: str, goods: Sequence[str]) -> tuple[str, str]:
        """(why, what to do) where what is at the remote does not belong there, whatever it holds; "" where it does."""

    def means(self, good: str) -> list[str]:
        """What it means to go on from there, in sentences."""

    def continuation(self, remedy: Remedy, reason: str) -> str:
        """A ``repair`` on all of ``remedy.on``, with the state of ``remedy.keep``; not sent anywhere."""


# --- looking ---------------------------------------------------------------------------------------------


def diagnose(subject: Subject, elsewhere: Sequence[str] = (), keep: str = "") -> Diagnosis:
    """How a chain stands. ``elsewhere``: tips of it that another clone has, fetched already. ``keep``: how the id begins of the
    commit that a person chose. Raises ``Stop``: there is none, the remote does not answer, ``keep`` is no choice."""
    chain, seen = subject.chain, subject.chain.seen()
    known = [tip for tip in dict.fromkeys((seen, *elsewhere)) if tip]
    try:
        there = subject.newest(seen)
    except GitError as error:
        raise stop_of(error) from error
    if not there and not known:
        raise Stop(Exit.NOT_FOUND, f"{chain.what} is not there, and this clone never saw it", "name a clone that did: --from")
    told = [f"at the remote: {there[:12] if there else 'nothing, the branch is gone'}"]
    told += [f"{'this clone saw' if tip == seen else 'elsewhere'}: {tip[:12]}" for tip in known]
    try:
        if there:
            # everything anew: objects that this clone has lost are back then, and those that the remote has lost come to light
            chain.remote.refetch({chain.ref: chain.incoming})
            chain.bring_sealed(chain.tips())
    except GitError as error:
        return _remote_unread(chain, there, known, told, error)
    try:
        chains = [chained(subject, tip) for tip in dict.fromkeys((there, *known)) if tip]
    except GitError as error:
        lost = f"this clone cannot read the chain whole: {error}"
        return Diagnosis(chain.what, there, "", (*told, lost), None, ("look again from another clone, or name one: --from",))
    return _judged(subject, there, chains, told, keep)


def heads(repository: Repository, tips: Iterable[str]) -> list[str]:
    """Those of ``tips`` ("" is none) that no other of them follows from. Raises ``GitError``."""
    unique = [tip for tip in dict.fromkeys(tips) if tip]
    return [a for a in unique if not any(a != b and follows(repository, b, a) for b in unique)]


def chained(subject: Subject, tip: str) -> Chained:
    """The chain of ``tip``, walked from its beginning. Raises ``GitError`` when objects are missing."""
    commits = line(subject.chain.repository, tip)[::-1]
    faults = dict[str, str]()
    for commit, fault in subject.faults(commits):
        faults.setdefault(commit.oid, fault)
    first = next((n for n, commit in enumerate(commits) if commit.oid in faults), len(commits))
    after = tuple((commit, faults.get(commit.oid, "")) for commit in commits[first:])
    newer = any(subject.newer(commit) for commit, _ in after)
    return Chained(tip, commits[first - 1].oid if first else "", after, newer, cited(commits[0]))


def _remote_unread(chain: Chain, there: str, known: Sequence[str], told: Sequence[str], error: GitError) -> Diagnosis:
    """The ref is there and what it names cannot be had: only somebody with access to the remote's files mends that."""
    found = [*told, f"the remote does not hand over what is at its own branch: {error}"]
    choices = [
        "if that passes, look again; if not, the remote has lost objects, and no push brings back what it believes to have"
    ]
    with_it = [tip for tip in known if tip == there]
    where = "this clone has" if with_it else "find a clone that has"
    choices.append(f"{where} {there[:12]}: whoever runs the remote can copy the objects from there into its repository")
    return Diagnosis(chain.what, there, "", tuple(found), None, tuple(choices))


# --- judging ---------------------------------------------------------------------------------------------


def _judged(subject: Subject, there: str, chains: Sequence[Chained], told: Sequence[str], keep: str) -> Diagnosis:
    repository, what = subject.chain.repository, subject.chain.what
    goods = heads(repository, (c.good for c in chains if c.good and subject.ours(c.good)))
    tips = heads(repository, (c.tip for c in chains))
    found = [*told, *(text for c in chains if c.tip in tips for text in _damage(c))]
    if not goods:
        hint = "name a clone that has seen a good one: --from; if there is none, delete the branch by hand and begin anew"
        return Diagnosis(what, there, "", (*found, f"nothing here is {what} and bound to this workspace"), None, (hint,))
    why, away = subject.misplaced(there, goods)
    if why:
        return Diagnosis(what, there, goods[0] if len(goods) == 1 else "", (*found, why), None, (away,))
    kept = [good for good in goods if keep and good.startswith(keep)]
    if keep and len(kept) != 1:
        raise Stop(Exit.USAGE, f"'{keep}' is not among what could be kept", f"choose from {', '.join(g[:12] for g in goods)}")
    if tips == [there] == goods:
        return Diagnosis(what, there, there, (*found, "nothing is wrong: every transition up to there is legal"))
    found += [text for good in goods for text in subject.means(good)]
    if not kept and (why := _undecided(subject, goods, [c for c in chains if c.tip in tips])):
        choices = [f"go on from {g[:12]}: {subject.command} --keep {g[:12]} --reason TEXT" for g in goods]
        if seal := next((c.seal for c in chains if c.seal and len(goods) > 1), ""):
            choices = [f"name a clone that has {seal[:12]}, by which the chain before was sealed: --from"]
        return Diagnosis(what, there, goods[0] if len(goods) == 1 else "", (*found, why), None, tuple(choices))
    good = (kept or goods)[0]
    return Diagnosis(what, there, good, tuple(found), _remedy(subject.chain.ref, there, tips, good))


def _remedy(ref: str, there: str, tips: Sequence[str], good: str) -> Remedy:
    """What brings the remote forward to ``good``."""
    if list(tips) == [good]:
        return Remedy(good, f"send {good[:12]} to {ref} once more; it follows from all that is there")
    given_up = "what follows it here" if len(tips) == 1 else "everything that is not below it"
    text = f"add a transition 'repair' to {ref} that continues {good[:12]} and gives up {given_up}; no commit is removed"
    return Remedy(good, text, tuple(sorted(tips, key=lambda tip: tip != there)))


def _damage(chained: Chained) -> list[str]:
    """What follows the last good transition of one chain, commit by commit."""
    if not chained.after:
        return []
    rows = [f"  {c.oid[:12]} by {c.author.name}: {fault or 'a transition, built on the damage'}" for c, fault in chained.after]
    more = [f"  and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else []
    since = f"after {chained.good[:12]}, the last good transition" if chained.good else "from the beginning"
    return [f"{chained.tip[:12]} is damaged {since}:", *rows[:SHOWN], *more]


def _undecided(subject: Subject, goods: Sequence[str], chains: Sequence[Chained]) -> str:
    """Why only a person can say from where to go on; "" when that is plain."""
    if len(goods) > 1:
        return _forked(subject, goods)
    if any(chained.newer for chained in chains):
        return "some of it was written by a newer version of this program: look again with that one"
    resumed = [commit for chained in chains for commit in chained.resumed]
    oids = ", ".join(commit.oid[:12] for commit in resumed[:SHOWN])
    what = "1 transition was" if len(resumed) == 1 else f"{len(resumed)} transitions were"
    return f"{what} written on top of the damage ({oids}): a repair gives up what they recorded" if resumed else ""


def _forked(subject: Subject, goods: Sequence[str]) -> str:
    """Two good lines, from where they part."""
    lines = [line(subject.chain.repository, good) for good in goods]
    shared = set.intersection(*({c.oid for c in one} for one in lines))
    base = next((c.oid[:12] for c in lines[0] if c.oid in shared), "the very beginning")
    sides = [
        f"{len(own)} up to {own[0].oid[:12]} by {own[0].author.name}"
        for one in lines
        if (own := [c for c in one if c.oid not in shared])
    ]
    return f"{subject.chain.what} goes on in two ways from {base}: {'; '.join(sides)}. {subject.parting}"


# --- doing -----------------------------------------------------------------------------------------------


def perform(subject: Subject, diagnosis: Diagnosis, remedy: Remedy, reason: str) -> str:
    """Carry out ``remedy``; the tip at the remote afterwards. Raises ``Stop``: the ref has moved since, or cannot be written."""
    chain = subject.chain
    try:
        new = subject.continuation(remedy, reason) if remedy.on else remedy.keep
        for attempt in range(1, TRIES + 1):
            chain.remote.push([RefUpdate(chain.ref, diagnosis.there or ZERO, new)])
            tip = chain.tips().get(chain.generation, "")
            if tip == new:
                return chain.fetch()
            if tip != diagnosis.there:
                if tip and chain.repository.contains(chain.remote.fetch({chain.ref: chain.incoming})[chain.incoming], new):
                    return chain.fetch()
                raise Stop(Exit.FAILURE, f"{chain.what} was moved to {tip[:12]} meanwhile", "look again")
            chain.backoff.wait(attempt)
    except GitError as error:
        raise stop_of(error) from error
    raise Stop(Exit.FAILURE, f"the remote does not take {new[:12]}", "try again, or ask whoever runs the remote")


def given_up(repository: Repository, remedy: Remedy) -> str:
    """What the audit entry of a repair says."""
    lost = abandoned(repository, remedy.on, remedy.keep)
    more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
    return f"continues {remedy.keep}; given up: {', '.join(lost[:SHOWN])}{more}"


# --- a ledger --------------------------------------------------------------------------------------------


class OfLedger:
    """Implements ``Subject`` for the ledger of one infra."""

    parting = "Both may have changed the infrastructure"

    def __init__(self, writer: Writer) -> None:
        self.chain = writer.chain
        self.command = f"provisioning state repair -i {writer.infra}"
        self._writer = writer

    def _view(self, tip: str) -> View:
        return View(self.chain.repository, self.chain.infra, tip)

    def _generation(self, tip: str) -> int:
        meta = self._view(tip).meta
        return meta.generation if meta else 0

    def newest(self, seen: str) -> str:
        """Of the newest generation that is there, or that this clone saw."""
        tips, last = self.chain.tips(), 1
        with suppress(Stop):  # what is missing here is fetched next
            last = self._generation(seen) or 1
        self.chain.generation = max(last, *tips, 1)
        return tips.get(self.chain.generation, "")

    def faults(self, commits: list[Commit]) -> Iterable[tuple[Commit, str]]:
        """Those of the transitions, then those of signatures."""
        signing = self._writer.signing
        return (*walk(self.chain.repository, commits), *(signing.missing(commits) if signing else ()))

    def newer(self, commit: Commit) -> bool:
        """By the format of its lock."""
        return newer_format(self.chain.repository, commit)

    def ours(self, good: str) -> bool:
        """Of this infra and workspace."""
        found, meta = self._view(good).meta, self._writer.meta
        return found is not None and (found.workspace, found.infra) == (meta.workspace, meta.infra)

    def misplaced(self, there: str, goods: Sequence[str]) -> tuple[str, str]:
        """A branch in the place of a next generation."""
        chain = self.chain
        if not there or any(self._generation(good) >= chain.generation for good in goods):
            return "", ""
        branch = chain.ref.removeprefix("refs/heads/")
        why = f"{branch} is no continuation of the ledger: nothing that was sealed goes on there"
        return why, f"take the branch {branch} away: git push --force-with-lease={chain.ref}:{there} origin :{chain.ref}"

    def means(self, good: str) -> list[str]:
        """What is recorded there, which steps are open, who has the lock."""
        view = self._view(good)
        lock, opened = view.lock, sorted(intent.address for intent in view.open_intents)
        told = [f"at {view.tip[:12]} ({lock.move}, token {lock.token}) {len(view.recorded().resources)} resources are recorded"]
        if opened:
            steps = f"  steps with unknown outcome: {', '.join(opened)}"
            told.append(f"{steps}; the next run asks their providers, then adopts or redoes")
        if lock.holder_text():
            held = f"  the lock is with {lock.holder_text()}, who can write nothing more"
            told.append(f"{held}; a call already sent may still take effect")
        return told

    def continuation(self, remedy: Remedy, reason: str) -> str:
        """Under a token that nobody had."""
        repository, view = self.chain.repository, self._view(remedy.keep)
        before = reckoned(repository, view.lock, remedy.on)
        said = Entry(action="repair", message=given_up(repository, remedy), reason=reason)
        draft = Draft(
            "repair", freed(before, view.has_intents), {"": repository.commit(remedy.keep).tree}, (said,),
            continues=remedy.keep, others=remedy.on[1:],
        )  # fmt: skip
        return self._writer.commit(remedy.on[0], before, draft)[0]
