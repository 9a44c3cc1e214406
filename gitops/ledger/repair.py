"""What is wrong with a ledger, told before anything is done, and the one safe way back. It explains and never guesses.

Everything known of the ledger is a chain with a tip: the one at the remote, the one this clone saw last, those another clone
has. Each is walked to its last good transition. When one of these follows from all the others it is the truth, and what is at
the remote is brought forward to it: by sending what it lacks, or by a ``repair``, a new transition that stands on everything
there is and continues the good one. Two good lines that part are a fork: which of them counts, a person says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gitops.ledger.chain import Chain, stop_of
from gitops.ledger.check import newer_format, reckoned, walk
from gitops.ledger.line import abandoned, cited, follows, line
from gitops.ledger.lock import freed
from gitops.ledger.records import Entry, Meta
from gitops.ledger.signing import Signing
from gitops.ledger.transition import Draft
from gitops.ledger.view import View
from gitops.ledger.writer import Writer
from gitops.ports import ZERO, Commit, GitError, RefUpdate, Repository
from gitops.stops import Exit, Stop

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

    infra: str
    there: str
    good: str
    told: tuple[str, ...]
    remedy: Remedy | None = None
    choices: tuple[str, ...] = ()


# --- looking ---------------------------------------------------------------------------------------------


def diagnose(writer: Writer, elsewhere: Sequence[str] = (), keep: str = "") -> Diagnosis:
    """How a ledger stands. ``elsewhere``: tips of it that another clone has, fetched already. ``keep``: how the id
    begins of the transition that a person chose. Raises ``Stop``: no ledger, the remote does not answer, ``keep`` is no choice.
    """
    chain, seen = writer.chain, writer.chain.seen()
    known = [tip for tip in dict.fromkeys((seen, *elsewhere)) if tip]
    try:
        there = _newest(chain, seen)
    except GitError as error:
        raise stop_of(error) from error
    if not there and not known:
        raise Stop(
            Exit.NOT_FOUND, f"infra '{chain.infra}' has no ledger, and this clone never saw one", "name a clone that did: --from"
        )
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
        chains = [chained(chain.repository, tip, writer.signing) for tip in dict.fromkeys((there, *known)) if tip]
    except GitError as error:
        lost = f"this clone cannot read the chain whole: {error}"
        return Diagnosis(chain.infra, there, "", (*told, lost), None, ("look again from another clone, or name one: --from",))
    return _judged(chain, writer.meta, there, chains, told, keep)


def _newest(chain: Chain, seen: str) -> str:
    """The tip of the ref that counts, "" when it is gone: the newest that is there, or that this clone saw."""
    tips, last = chain.tips(), 1
    with suppress(Stop):  # what is missing here is fetched next
        meta = View(chain.repository, chain.infra, seen).meta
        last = meta.generation if meta else 1
    chain.generation = max(last, *tips, 1)
    return tips.get(chain.generation, "")


def heads(repository: Repository, tips: Iterable[str]) -> list[str]:
    """Those of ``tips`` ("" is none) that no other of them follows from. Raises ``GitError``."""
    unique = [tip for tip in dict.fromkeys(tips) if tip]
    return [a for a in unique if not any(a != b and follows(repository, b, a) for b in unique)]


def chained(repository: Repository, tip: str, signing: Signing | None = None) -> Chained:
    """The chain of ``tip``, walked from its beginning. Raises ``GitError`` when objects are missing."""
    commits = line(repository, tip)[::-1]
    faults = dict[str, str]()
    unsigned = signing.missing(commits) if signing else ()
    for commit, fault in (*walk(repository, commits), *unsigned):
        faults.setdefault(commit.oid, fault)
    first = next((n for n, commit in enumerate(commits) if commit.oid in faults), len(commits))
    after = tuple((commit, faults.get(commit.oid, "")) for commit in commits[first:])
    newer = any(newer_format(repository, commit) for commit, _ in after)
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
    return Diagnosis(chain.infra, there, "", tuple(found), None, tuple(choices))


# --- judging ---------------------------------------------------------------------------------------------


def _judged(chain: Chain, meta: Meta, there: str, chains: Sequence[Chained], told: Sequence[str], keep: str) -> Diagnosis:
    repository, infra = chain.repository, chain.infra
    goods = heads(repository, (c.good for c in chains if _is_ours(View(repository, infra, c.good).meta, meta)))
    tips = heads(repository, (c.tip for c in chains))
    found = [*told, *(text for c in chains if c.tip in tips for text in _damage(c))]
    if not goods:
        hint = (
            "name a clone that has seen a good one: --from; if there is none, delete the branch by hand and begin the infra anew"
        )
        return Diagnosis(infra, there, "", (*found, "nothing of this is a ledger of this infra and workspace"), None, (hint,))
    if there and all(_generation(repository, infra, good) < chain.generation for good in goods):
        branch = chain.ref.removeprefix("refs/heads/")
        away = f"take the branch {branch} away: git push --force-with-lease={chain.ref}:{there} origin :{chain.ref}"
        why = f"{branch} is no continuation of the ledger: nothing that was sealed goes on there"
        return Diagnosis(infra, there, goods[0] if len(goods) == 1 else "", (*found, why), None, (away,))
    kept = [good for good in goods if keep and good.startswith(keep)]
    if keep and len(kept) != 1:
        raise Stop(Exit.USAGE, f"'{keep}' is not among what could be kept", f"choose from {', '.join(g[:12] for g in goods)}")
    if tips == [there] == goods:
        return Diagnosis(infra, there, there, (*found, "nothing is wrong: every transition up to there is legal"))
    found += [text for good in goods for text in _means(View(repository, infra, good))]
    if not kept and (why := _undecided(repository, goods, [c for c in chains if c.tip in tips])):
        choices = [f"go on from {g[:12]}: provisioning state repair -i {infra} --keep {g[:12]} --reason TEXT" for g in goods]
        if seal := next((c.seal for c in chains if c.seal and len(goods) > 1), ""):
            choices = [f"name a clone that has {seal[:12]}, by which the chain before was sealed: --from"]
        return Diagnosis(infra, there, goods[0] if len(goods) == 1 else "", (*found, why), None, tuple(choices))
    good = (kept or goods)[0]
    return Diagnosis(infra, there, good, tuple(found), _remedy(chain.ref, there, tips, good))


def _generation(repository: Repository, infra: str, tip: str) -> int:
    """Which chain of the ledger ``tip`` belongs to."""
    meta = View(repository, infra, tip).meta
    return meta.generation if meta else 0


def _is_ours(found: Meta | None, meta: Meta) -> bool:
    return found is not None and (found.workspace, found.infra) == (meta.workspace, meta.infra)


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


def _means(view: View) -> list[str]:
    """What it means to go on from ``view``."""
    lock, opened = view.lock, sorted(intent.address for intent in view.open_intents)
    told = [f"at {view.tip[:12]} ({lock.move}, token {lock.token}) {len(view.recorded().resources)} resources are recorded"]
    if opened:
        told.append(
            f"  steps with unknown outcome: {', '.join(opened)}; the next run asks their providers, then adopts or redoes"
        )
    if lock.holder_text():
        told.append(
            f"  the lock is with {lock.holder_text()}, who can write nothing more; a call already sent may still take effect"
        )
    return told


def _undecided(repository: Repository, goods: Sequence[str], chains: Sequence[Chained]) -> str:
    """Why only a person can say from where to go on; "" when that is plain."""
    if len(goods) > 1:
        return _forked(repository, goods)
    if any(chained.newer for chained in chains):
        return "some of it was written by a newer version of this program: look again with that one"
    resumed = [commit for chained in chains for commit in chained.resumed]
    oids = ", ".join(commit.oid[:12] for commit in resumed[:SHOWN])
    what = "1 transition was" if len(resumed) == 1 else f"{len(resumed)} transitions were"
    return f"{what} written on top of the damage ({oids}): a repair gives up what they recorded" if resumed else ""


def _forked(repository: Repository, goods: Sequence[str]) -> str:
    """Two good lines, from where they part."""
    lines = [line(repository, good) for good in goods]
    shared = set.intersection(*({c.oid for c in one} for one in lines))
    base = next((c.oid[:12] for c in lines[0] if c.oid in shared), "the very beginning")
    sides = [
        f"{len(own)} up to {own[0].oid[:12]} by {own[0].author.name}"
        for one in lines
        if (own := [c for c in one if c.oid not in shared])
    ]
    return f"the ledger goes on in two ways from {base}: {'; '.join(sides)}. Both may have changed the infrastructure"


# --- doing -----------------------------------------------------------------------------------------------


def perform(writer: Writer, diagnosis: Diagnosis, remedy: Remedy, reason: str) -> str:
    """Carry out ``remedy``; the tip at the remote afterwards. Raises ``Stop``: the ref has moved since, or cannot be written."""
    chain = writer.chain
    try:
        new = _continuation(writer, diagnosis, remedy, reason) if remedy.on else remedy.keep
        for attempt in range(1, TRIES + 1):
            chain.remote.push([RefUpdate(chain.ref, diagnosis.there or ZERO, new)])
            tip = chain.tips().get(chain.generation, "")
            if tip == new:
                return chain.fetch()
            if tip != diagnosis.there:
                if tip and chain.repository.contains(chain.remote.fetch({chain.ref: chain.incoming})[chain.incoming], new):
                    return chain.fetch()
                raise Stop(Exit.FAILURE, f"the ledger of '{diagnosis.infra}' was moved to {tip[:12]} meanwhile", "look again")
            chain.backoff.wait(attempt)
    except GitError as error:
        raise stop_of(error) from error
    raise Stop(Exit.FAILURE, f"the remote does not take {new[:12]}", "try again, or ask whoever runs the remote")


def _continuation(writer: Writer, diagnosis: Diagnosis, remedy: Remedy, reason: str) -> str:
    """A ``repair`` on all of ``remedy.on``, with the state of ``remedy.keep``; not sent anywhere."""
    repository, keep = writer.chain.repository, remedy.keep
    before = reckoned(repository, View(repository, diagnosis.infra, keep).lock, remedy.on)
    given_up = abandoned(repository, remedy.on, keep)
    said = f"continues {keep}; given up: {', '.join(given_up[:SHOWN])}" + (
        f" and {len(given_up) - SHOWN} more" if len(given_up) > SHOWN else ""
    )
    draft = Draft(
        "repair", freed(before, View(repository, diagnosis.infra, keep).has_intents), {"": repository.commit(keep).tree},
        (Entry(action="repair", message=said, reason=reason),), continues=keep, others=remedy.on[1:],
    )  # fmt: skip
    return writer.commit(remedy.on[0], before, draft)[0]
