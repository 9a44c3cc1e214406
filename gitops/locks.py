"""One lock explained to somebody who has to go on: who has it, does it live, what did it do last, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from gitops.inspect import explain_lock, moment
from gitops.ledger.lock import Claim, Lock, State
from gitops.visible import clean
from planners.dataclass import dataclass

if TYPE_CHECKING:
    from gitops.ledger.holder import Actor, Holder
    from gitops.ledger.view import View
    from planners.steps import Notice


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who holds, reads or waits. ``alive``: ``yes``, ``no``, or ``unknown`` when it is on another machine.
    ``last_write`` is when it last gave a sign of life, in Unix seconds by its own clock (0: not told)."""

    name: str
    email: str
    host: str
    process: int
    job: str
    kind: str
    alive: str
    last_write: int


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a run: ``status`` is ``open`` for one whose outcome nobody has recorded yet. ``time`` in Unix seconds."""

    run: str
    action: str
    address: str
    status: str
    message: str = ""
    time: int = 0


@dataclass(frozen=True, slots=True)
class Why:
    """Everything there is to say about one lock. ``takeover_seconds``: how long the holder must give no sign of life, watched by
    one who waits, before that one gets the lock. ``advice`` begins with what to do first."""

    infra: str
    state: str
    kind: str
    reason: str
    since: int
    expires: int
    lease_seconds: int
    takeover_seconds: int
    holders: tuple[Party, ...]
    queue: tuple[Party, ...]
    run: str
    run_status: str
    plan: str
    last_step: Step | None
    open_steps: tuple[Step, ...]
    freeze: str
    advice: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """As the machine-readable outputs show it, described in docs/ledger.md."""
        return {"format": 1, **asdict(self)}


def why(view: View, actor: Actor, wall: float, frozen: Sequence[Notice]) -> Why:
    """``view`` as seen by ``actor`` at the moment ``wall``; ``frozen``: what keeps the infra from being changed."""
    lock = view.lock
    holding = [Claim(lock.holder, lock.kind, lock.pulse)] if lock.holder else [*lock.readers]
    holders = tuple(party(view, actor, claim) for claim in holding)
    interrupted = view.interrupted_runs()
    run = view.run(lock.run or (interrupted[-1].id if interrupted else ""))
    first = run.first if run else 1
    last = next((e for e in view.entries(first) if run and e.run == run.id and e.op), None)
    return Why(
        view.infra, lock.state, lock.kind, lock.reason, lock.since, lock.expires, lock.lease_seconds,
        int(lock.silence) if lock.lease_seconds else 0, holders, tuple(party(view, actor, claim) for claim in lock.queue),
        run.id if run else lock.run, run.status if run else "", run.plan if run else lock.plan,
        Step(last.run, last.action, last.address, last.status, last.message, last.time) if last else None,
        tuple(Step(view.intent_runs[i.op], i.action, i.address, "open") for i in view.open_intents),
        "; ".join(notice.message for notice in frozen),
        (*advice(view.infra, lock, holders, run.id if run else "", wall, bool(frozen)), *_thawing(frozen)),
    )  # fmt: skip


def party(view: View, actor: Actor, claim: Claim) -> Party:
    """One of those who hold or wait."""
    who, lock = claim.holder, view.lock
    times = view.times(lock.seq - claim.pulse + 1) if claim.pulse else ()
    return Party(who.name, who.email, who.host, who.pid, who.job, claim.kind, alive(actor, who), times[-1] if times else 0)


def alive(actor: Actor, holder: Holder) -> str:
    """What can be told from here: only of a process on this machine."""
    if not actor.sees(holder):
        return "unknown"
    return "no" if actor.is_dead(holder) else "yes"


def advice(infra: str, lock: Lock, holders: tuple[Party, ...], run: str, wall: float, frozen: bool = False) -> Iterator[str]:
    """What to do about the lock, best first."""
    breaking = f"gone for good? provisioning lock break -i {infra} --reason TEXT (it can then write nothing more)"
    resume = f"provisioning run resume {run} -i {infra}"
    if lock.state is State.FREE:
        if run:
            yield f"the lock is free and run {run} was interrupted: {resume}"
            yield f"or let 'provisioning apply -i {infra}' close it and plan afresh"
        elif lock.queue:
            yield f"free: {lock.queue[0].holder.name} is first in line and has 15 s to take it; wait with --lock-timeout 10m"
        elif not frozen:
            yield "free: nothing keeps anybody out"
    elif lock.state is State.HOLD:
        if lock.expires <= wall:
            yield "the hold is over: whoever locks next gets it"
            return
        yield f"ask {holders[0].name} to: provisioning lock release -i {infra}"
        yield f"or wait: it ends by itself at {moment(lock.expires)}"
        yield breaking
    elif lock.state is State.SHARED:
        yield "readers keep writers out: wait with --lock-timeout 10m; once you wait, no further reader is let in before you"
        yield breaking
    elif lock.state is State.HELD:
        yield from _written(infra, lock, holders[0], run)
        yield breaking
    else:
        yield f"the ledger is sealed and the next one not begun yet: provisioning ledger rotate -i {infra}"


def _thawing(frozen: Sequence[Notice]) -> Iterator[str]:
    for notice in frozen:
        told = f"while it is frozen; end that: {notice.blocks}" if notice.blocks else "before that can be told"
        yield f"nothing is changed {told}"


def _written(infra: str, lock: Lock, holder: Party, run: str) -> Iterator[str]:
    """Where one writer has it."""
    resume = f"provisioning run resume {run} -i {infra}"
    if holder.alive == "no" and run:
        yield f"its process is gone: {resume}"
        yield f"or let 'provisioning apply -i {infra}' close the run and plan afresh; neither has to wait"
        return
    if holder.alive == "no":
        yield "its process is gone: whoever locks next on this machine gets it at once"
        return
    wait = f"a holder that is dead is taken over by a writer that has watched it for {lock.silence:.0f} s"
    yield f"wait with --lock-timeout 10m; {wait}"
    if holder.job:
        yield f"look at its job: {holder.job}"
    if run and holder.alive == "yes":
        yield f"stop it (running steps finish): provisioning run cancel {run} -i {infra}"
    elif run:
        yield f"once you have the lock or it is broken: {resume}"


# --- for people ------------------------------------------------------------------------------------------


def text(found: Why, lock: Lock, wall: float) -> str:
    """Labels and sentences, one a line."""
    rows = [(f"{found.infra}:", explain_lock(lock))]
    rows += [("  held by", _who(p, wall)) for p in found.holders]
    if found.since:
        rows.append(("  since", moment(found.since)))
    if found.lease_seconds:
        lease = f"{found.lease_seconds} s, renewed with each write; silent for {found.takeover_seconds} s it is taken over"
        rows.append(("  lease", lease))
    if found.run:
        rows.append(
            ("  run", f"{found.run} {found.run_status or 'not begun'}" + (f", plan {found.plan[:12]}" if found.plan else ""))
        )
    if step := found.last_step:
        told = f": {step.message}" if step.message else ""
        rows.append(("  last step", f"{step.action} {step.address} {step.status} at {moment(step.time)}{told}"))
    rows += [("  open", f"{s.action} {s.address}: begun, outcome not recorded (run {s.run})") for s in found.open_steps]
    rows += [("  in line", f"{place}. {_who(p, wall)}") for place, p in enumerate(found.queue, 1)]
    rows += [("  frozen", found.freeze)] if found.freeze else []
    rows += [("  go on" if first == 0 else "", what) for first, what in enumerate(found.advice)]
    width = max(len(label) for label, _ in rows) + 2
    return "\n".join(f"{label:<{width}}{clean(value)}" for label, value in rows)


def _who(one: Party, wall: float) -> str:
    where = f", process {one.process} on {one.host}" if one.process else f" on {one.host}" if one.host else ""
    lives = {"yes": "alive", "no": "gone", "unknown": "on another machine: not to be seen from here"}
    living = f"; {lives[one.alive]}" if one.process else ""
    ago = wall - one.last_write
    clock = f"{ago:.0f} s ago" if ago >= 0 else f"in {-ago:.0f} s, so its clock is ahead"
    wrote = f"; last write {moment(one.last_write)} by its own clock ({clock})" if one.last_write and one.process else ""
    return f"{one.name} <{one.email}> ({one.kind}){where}{living}{wrote}" + (f"; {one.job}" if one.job else "")
