"""``ledger detour`` and ``ledger return``: what goes along, and what is said when there are two lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gitops.stops import Exit, Stop
from gitops.wiring import Workspace, git_stops

if TYPE_CHECKING:
    from gitops.ledger.mirror import Bound
    from gitops.ledger.view import View


def leave(space: Workspace, infra: str, reason: str) -> str:
    """Go on at ``space.remote``, a mirror, while the remote of this clone is away; finishes what was cut short. Returns what is
    said. Raises ``Stop``: that remote answers and somebody is at work, the mirror is none."""
    from gitops.ledger.mirror import Bound, PartedError, arrived, carry_all

    home = other_side(space)
    answers = answering(home)
    view = home.ledger(infra).view(offline=not answers)
    bound = Bound(space.address, home.address)
    if not arrived(view, bound) and (view.meta is None or view.meta.remote != home.address):
        place = view.meta.remote if view.meta else "no place"
        raise Stop(Exit.DENIED, f"the ledger of '{infra}' lives at {place}, not at {home.address}", "go on from there")
    try:
        with git_stops():
            if not before(space, view, bound):
                carry_others(space, infra)
                tip = view.tip if arrived(view, bound) else left(space, home, view, answers, reason)
                carry_all(space.ledger(infra).writer.chain, view.meta.generation if view.meta else 1, tip)
    except PartedError as parted:
        message = f"{space.remote.shown} holds {parted.there[:12]} of '{infra}', from which {view.tip[:12]} does not follow"
        raise Stop(Exit.FAILURE, message, "it is no mirror of this one, or somebody went on there") from parted
    space.ledger(infra).view()
    fenced = "which refuses it now" if answers else "which cannot be told: nobody may apply there before the return"
    return f"{infra} goes on at {space.remote.shown} in place of {home.remote.shown}, {fenced}"


def before(space: Workspace, view: View, bound: Bound) -> bool:
    """Whether what ``view`` shows went on at the mirror already: a detour that was cut short before its last look."""
    from gitops.ledger.mirror import arrived
    from gitops.ledger.view import View

    tip = there_now(space, view.infra)
    follows = tip != view.tip and tip and space.repository.contains(tip, view.tip)
    return bool(follows) and arrived(View(space.repository, view.infra, tip), bound)


def left(space: Workspace, home: Workspace, view: View, answers: bool, reason: str) -> str:
    """The tip by which the ledger lives at the mirror; a remote that answers has it, and is fenced by that. Raises ``Stop``."""
    from gitops.ledger.chain import LostRaceError
    from gitops.ledger.mirror import Bound, moved

    writer = home.ledger(view.infra).writer
    free(view) if answers else quiet(home, view)
    tip = moved(writer, view, Bound(space.address, home.address), reason)
    try:
        return writer.chain.send(view.tip, tip) if answers else tip
    except LostRaceError as lost:
        raise Stop(Exit.LOCKED, f"the ledger of '{view.infra}' was moved by somebody else meanwhile", "try again") from lost


def back(space: Workspace, infra: str, reason: str) -> str:
    """Bring what was done at ``space.remote``, a mirror, home to the remote of this clone. Returns what is said. Raises ``Stop``:
    somebody is at work there, or went on at home meanwhile."""
    from gitops.ledger.line import follows
    from gitops.ledger.mirror import PartedError, carry_all

    home = other_side(space)
    mirror, target = space.ledger(infra).writer.chain, home.ledger(infra).writer.chain
    try:
        with git_stops():
            away, there = there_now(space, infra), there_now(home, infra)
            if there and away and not follows(space.repository, away, there):
                # whatever is at home leads on from the mirror, or there are two lines
                carry_all(mirror, target.generation, there)
            view = space.ledger(infra).view()
            meta = view.meta
            if meta is None or home.address not in (meta.remote, meta.home):
                raise Stop(
                    Exit.DENIED, f"the ledger of '{infra}' did not come to {space.remote.shown} from here", "see 'ledger detour'"
                )
            tip = view.tip if meta.remote == home.address else returned(space, home, view, reason)
            carry_others(home, infra)
            carry_all(target, meta.generation, tip)
    except PartedError as parted:
        raise forked(space, home, infra) from parted
    home.ledger(infra).view()
    return f"{infra} is at {home.remote.shown} again; {space.remote.shown} refuses it"


def returned(space: Workspace, home: Workspace, view: View, reason: str) -> str:
    """The tip by which the ledger lives at home again: the mirror has it, and is fenced by that. Raises ``Stop``."""
    from gitops.ledger.chain import LostRaceError
    from gitops.ledger.mirror import Bound, moved

    free(view)
    writer = space.ledger(view.infra).writer
    try:
        return writer.chain.send(view.tip, moved(writer, view, Bound(home.address, ""), reason))
    except LostRaceError as lost:
        raise Stop(Exit.LOCKED, f"the ledger of '{view.infra}' was moved by somebody else meanwhile", "try again") from lost


# --- the two sides ---------------------------------------------------------------------------------------


def other_side(space: Workspace) -> Workspace:
    """The clone with its own remote. Raises ``Stop`` (usage) when no mirror is named beside it."""
    home = space.home()
    if not space.elsewhere or space.address == home.address:
        raise Stop(Exit.USAGE, "this needs the address of a mirror", "add --remote URL")
    return home


def answering(home: Workspace) -> bool:
    """Whether the remote can be read."""
    from gitops.ports import GitError

    try:
        home.remote.refs(["refs/heads/provisioning/*"])
    except GitError:
        return False
    return True


def there_now(side: Workspace, infra: str) -> str:
    """The tip at the remote, fetched and neither judged nor remembered, "" without one."""
    return side.ledger(infra).writer.chain.peek()[1]


def free(view: View) -> None:
    """Nobody may be at work. Raises ``Stop`` (locked)."""
    if view.lock.holder_text():
        who = f"{view.lock.holder_text()}: {view.lock.reason}"
        raise Stop(Exit.LOCKED, f"infra '{view.infra}' is locked by {who}", f"see 'provisioning lock show -i {view.infra}'")


def quiet(home: Workspace, view: View) -> None:
    """A holder that lost its remote starts nothing once its lease is over; until then it is waited for."""
    lock = view.lock
    claims = [c.holder for c in lock.readers] + ([lock.holder] if lock.holder and not lock.expires else [])
    if any(not home.actor.is_dead(holder) for holder in claims):
        home.say(f"{lock.holder_text()} had the lock: waiting {lock.silence:.0f} s, until its lease is over")
        home.clock.sleep(lock.silence)


def carry_others(to: Workspace, infra: str) -> None:
    """Bring what belongs to the ledger without being in it: approvals, and the workspace's own chain."""
    from gitops.approval import KIND as APPROVALS
    from gitops.ledger.chain import Backoff, Chain
    from gitops.ledger.mirror import PartedError, carry
    from gitops.ledger.workspace_chain import KIND as COMMON

    for name, kind in ((infra, APPROVALS), ("", COMMON)):
        chain = Chain(to.repository, to.remote, name, Backoff(to.clock, to.draw), kind)
        if not (seen := chain.seen()):
            continue
        try:
            carry(chain, seen)
        except PartedError as parted:
            message = f"{chain.what} at {to.remote.shown} went on to {parted.there[:12]}, and this clone saw {seen[:12]}"
            raise Stop(Exit.FAILURE, message, "look at both; the branch must be set by hand to the one that counts") from parted


def forked(space: Workspace, home: Workspace, infra: str) -> Stop:
    """Both sides by name, and both held where that can be done: which of them counts is for a person to say."""
    from gitops.ledger.mirror import stopped
    from gitops.ledger.view import View

    sides = []
    with git_stops():
        there, here = there_now(home, infra), there_now(space, infra)
        for place, tip, other in ((home, there, here), (space, here, there)):
            view = View(space.repository, infra, tip)
            held = stopped(place.ledger(infra).writer, view, f"two lines: {there[:12]} and {here[:12]}; see 'state repair'")
            own = [*commits_of_one(space, tip, other)]
            sides.append(
                f"{len(own)} moves at {place.remote.shown} up to {tip[:12]} ({', '.join(own[:1])})"
                + ("" if held else ", not held")
            )
    message = f"the ledger of '{infra}' went on in two places: {'; '.join(sides)}. Nobody can apply at either while they are held"
    return Stop(
        Exit.FAILURE, message, f"look at both, then: provisioning state repair -i {infra} --from {space.remote.url} --keep ID"
    )


def commits_of_one(space: Workspace, tip: str, other: str) -> Iterator[str]:
    """Who made the moves of ``tip`` that ``other`` lacks, newest first."""
    shared = {commit.oid for commit in space.repository.history(other)}
    for commit in space.repository.history(tip):
        if commit.oid in shared:
            return
        yield f"by {commit.author.name}"
