"""One line of transitions through the commits of a ledger: which earlier transition each of them continues.

That is the first parent, unless the commit names another in its trailer ``Provisioning-Continues``. A ``repair`` does: a push
only ever goes forward, so it stands on whatever it found at the remote, and continues the last good transition. So does the
first commit of a chain that was begun anew: it has no parent, and continues the seal of the chain before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gitops.git.objects import is_oid
from gitops.ledger.transition import CONTINUES, trailers_of
from gitops.ports import Commit, GitError, Repository


def cited(commit: Commit) -> str:
    """The commit that ``commit`` says it continues in place of its first parent, "" when it does not say so."""
    named = trailers_of(commit.message).get(CONTINUES, "")
    return named if is_oid(named) else ""


def anew(commit: Commit) -> bool:
    """Whether ``commit`` begins a chain that continues a sealed one."""
    return bool(cited(commit)) and not commit.parents


def continued(commit: Commit) -> str:
    """The commit whose state ``commit`` went on from, "" for the first of all."""
    return cited(commit) or next(iter(commit.parents), "")


def line(repository: Repository, tip: str, stop: str = "", limit: int = 0) -> list[Commit]:
    """Transitions up to ``tip``, newest first, down to but without ``stop``; at most ``limit`` when given. It ends where one
    continues what is not in this clone. Raises ``GitError`` when ``tip`` or a parent is not."""
    found: list[Commit] = []
    while tip and tip != stop and not (limit and len(found) >= limit):
        stretch, tip = repository.history(tip, stop, limit and limit - len(found)), ""
        for commit in stretch:
            found.append(commit)
            if other := cited(commit):
                tip = other if here(repository, other) else ""
                break
    return found


def follows(repository: Repository, tip: str, commit: str) -> bool:
    """Whether ``commit`` is ``tip``, below it, or below a sealed chain that it continues. Raises ``GitError``."""
    while tip and here(repository, tip):
        if repository.contains(tip, commit):
            return True
        tip = cited(repository.history(tip)[-1])
    return False


def abandoned(repository: Repository, tips: Iterable[str], keep: str) -> list[str]:
    """The commits below ``tips`` that ``keep`` does not stand on, newest first. Raises ``GitError``."""
    kept = {c.oid for c in repository.history(keep)}
    return list(dict.fromkeys(c.oid for tip in tips for c in repository.history(tip, keep) if c.oid not in kept))


def misdone(repository: Repository, commit: Commit, legal: Callable[[Commit, str], bool]) -> list[str]:
    """What is wrong with the parents of a repair and with what it says it continues: it stands on what it found, continues what
    was good below it, and takes back nothing that begins with a transition that is ``legal`` on that."""
    good = cited(commit)
    above = [p for p in commit.parents if good and here(repository, good) and repository.contains(p, good)]
    if not above:
        return ["a repair continues a transition below it"]
    found = []
    for parent in above:
        if parent == good:
            found += ["there was nothing to repair"] if len(commit.parents) == 1 else []
            continue
        first = line(repository, parent, good)[-1]
        if continued(first) == good and legal(first, good):
            found.append(f"it takes back {first.oid[:12]}, a legal transition")
    return found


def unrepaired(commit: Commit, first: bool) -> list[str]:
    """The same of any other commit: it follows its one parent, the ``first`` of all has none."""
    other = cited(commit)
    wrong = [f"it says that it continues {other[:12]}, as only a repair does"] if other else []
    return wrong + ([] if len(commit.parents) == (not first) else [f"it has {len(commit.parents)} parents"])


def here(repository: Repository, oid: str) -> bool:
    """Whether a commit is in this clone."""
    try:
        repository.commit(oid)
    except GitError:
        return False
    return True
