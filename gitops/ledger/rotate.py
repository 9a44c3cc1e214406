"""Seal a ledger and begin the next chain: for one that has grown, or that holds what must be purged.

Two pushes. ``seal`` ends the chain: nothing is legal after it, so whoever still holds an old tip is fenced out as ever, by
ancestry. ``continue`` begins the next chain on a ref that must not exist yet; of several who try, one does. Between the two the
ledger is whole and nobody can take it, and anybody can do the second.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gitops.ledger import tree
from gitops.ledger.chain import LostRaceError, stop_of
from gitops.ledger.check import LEFT_BEHIND
from gitops.ledger.lock import State, freed
from gitops.ledger.records import Entry
from gitops.ledger.transition import Draft, Edits
from gitops.ledger.view import View
from gitops.ledger.writer import Writer
from gitops.ports import GitError
from gitops.stops import Exit, Stop

ROUNDS = 10
"""Attempts against others who move the same ledger."""


def rotate(writer: Writer, look: Callable[[], View], reason: str) -> View:
    """The first view of the next chain. Goes on with a rotation that was begun. Raises ``Stop``: somebody has or wants the lock,
    a step or run is open, there is no ledger."""
    for attempt in range(1, ROUNDS + 1):
        view = look()
        if view.lock.state is not State.SEALED and not _sealed(writer, view, reason):
            writer.chain.backoff.wait(attempt)
            continue
        if (view := look()).lock.state is State.SEALED and not _begun(writer, view, reason):
            continue
        return look()
    raise Stop(Exit.LOCKED, f"the ledger of '{writer.infra}' keeps being moved by others", "look again, then try again")


def _sealed(writer: Writer, view: View, reason: str) -> bool:
    """Whether our seal is the tip, and not somebody else's move."""
    _require(view)
    lock = replace(freed(view.lock, False), state=State.SEALED, reason=reason, since=int(writer.clock.wall()))
    said = Entry(action="seal", message=f"generation {_generation(view)}", reason=reason)
    return _sent(writer, view.tip, lambda: writer.commit(view.tip, view.lock, Draft("seal", lock, {}, (said,)))[0])


def _begun(writer: Writer, view: View, reason: str) -> bool:
    """Whether the chain that follows the seal ``view`` begins with our commit, and not with somebody else's."""
    repository, chain = writer.chain.repository, writer.chain
    root = repository.entries(repository.commit(view.tip).tree)
    carried: Edits = {name: e.oid for name, e in root.items() if name not in LEFT_BEHIND}
    meta = replace(view.meta or writer.meta, generation=_generation(view) + 1)
    said = Entry(action="continue", message=f"generation {meta.generation}, after {view.tip}", reason=reason)
    draft = Draft(
        "continue", freed(view.lock, False), {**carried, tree.META: tree.value_bytes(meta)}, (said,), continues=view.tip
    )
    chain.generation = meta.generation
    return _sent(writer, "", lambda: writer.commit("", view.lock, draft)[0])


def _sent(writer: Writer, old: str, commit: Callable[[], str]) -> bool:
    try:
        writer.chain.send(old, commit())
    except LostRaceError:
        return False
    except GitError as error:
        raise stop_of(error) from error
    return True


def _generation(view: View) -> int:
    return view.meta.generation if view.meta else 1


def _require(view: View) -> None:
    """Nothing may be under way. Raises ``Stop``."""
    infra, lock = view.infra, view.lock
    if not view.tip:
        raise Stop(Exit.NOT_FOUND, f"infra '{infra}' has no ledger: nothing was ever applied", "there is nothing to rotate")
    if lock.state is not State.FREE or lock.queue:
        who = lock.holder_text() or ", ".join(c.holder.name for c in lock.queue)
        raise Stop(Exit.LOCKED, f"infra '{infra}' is locked or waited for by {who}", f"see 'provisioning lock show -i {infra}'")
    runs = ", ".join(run.id for run in view.interrupted_runs())
    if view.has_intents or runs:
        hint = f"'provisioning apply -i {infra}' or 'run resume' settles it first"
        raise Stop(Exit.FAILURE, f"infra '{infra}' has an interrupted run {runs}", hint)
