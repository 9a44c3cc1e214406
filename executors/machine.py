"""One run as a pure state machine: events in, commands out, no clock, thread or port in sight.

Theory. Each step of the plan is one phase, or two when it replaces (delete and create, in either order). A phase is
one effect with one intent. It goes through these states, one letter each in ``Run.status``:

    W waiting -> R ready -> I intent being recorded -> O open (recorded) -> P performing -> D done
    P -> C applied, health check due -> H being checked -> D
    T to be settled (found open) -> M must be performed (begun, so finished even while stopping) -> P
    F failed   U applied but unhealthy   Q outcome unknown, intent left open   S skipped

House rules: an effect starts only behind a recorded intent; one ``Record`` at a time; what has begun is finished and
recorded, whatever stops the run, unless the lease is lost: then nothing more is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from executors.events import (
    Applied,
    Begin,
    Cancelled,
    CheckHealth,
    Command,
    Event,
    Failed,
    Finish,
    Healthy,
    Lost,
    Perform,
    Record,
    Recorded,
    Settle,
    Settled,
    Tick,
)
from executors.phases import Phase, operation, phase_names
from executors.ports import Intent, Outcome, Result, RunOptions
from executors.undo import inverse
from planners.model import RecordedResource
from planners.steps import STEP_TYPES, Plan

_LIVE = tuple(bytes([letter]) for letter in b"WRIOPCHTM")


# --- state -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """``needs[i]``: (phase, must be healthy) that come before phase ``i``; ``feeds`` is the reverse.

    ``base``: how many phases are the plan's own; orphans and compensating phases follow.
    """

    phases: tuple[Phase, ...]
    needs: tuple[tuple[tuple[int, bool], ...], ...]
    feeds: tuple[tuple[int, ...], ...]
    index: Mapping[str, int]
    options: RunOptions
    status: bytes
    base: int
    identity: tuple[str, str, str] = ("", "", "")
    before: Mapping[str, RecordedResource] = field(default_factory=lambda: MappingProxyType({}))
    results: tuple[Result, ...] = ()
    applied: Mapping[str, Applied] = field(default_factory=lambda: MappingProxyType({}))
    failures: tuple[tuple[str, str], ...] = ()
    recording: bool = False
    waited: float = 0.0
    urgent: bool = False
    stopping: str = ""
    """Why nothing new starts: failed, cancelled, settled or lost; "" while it goes on."""
    undoing: bool = False
    finished: bool = False

    def phase(self, op: str) -> Phase:
        """The phase of an operation id."""
        return self.phases[self.index[op]]


def start(
    plan: Plan,
    run_id: str,
    options: RunOptions,
    finished: frozenset[str] = frozenset(),
    open_intents: Sequence[Intent] = (),
    recorded: Mapping[str, RecordedResource] | None = None,
) -> Run:
    """The state of a run before its first event. ``finished`` and ``open_intents`` are what an earlier holder left."""
    identity = (plan.infra, plan.id, run_id)
    phases: list[Phase] = []
    needs: list[tuple[tuple[int, bool], ...]] = []
    last: dict[str, int] = {}
    for number, step in enumerate(plan.steps):
        outer = tuple((last[d.address], d.healthy) for d in step.depends_on if d.address in last)
        names = phase_names(step)
        for position, name in enumerate(names):
            op = operation(identity, step.address, number, name)
            needs.append(((len(phases) - 1, False),) if position else outer)
            phases.append(Phase(op, name, step, position == 0, position == len(names) - 1))
        last[step.address] = len(phases) - 1
    base = len(phases)
    known = {p.op for p in phases}
    for intent in open_intents:
        if intent.op not in known:
            step = STEP_TYPES[intent.action](intent.address, intent.provider, "left open by an earlier run")
            phases.append(Phase(intent.op, intent.phase, step, orphan=True))
            needs.append(())
    to_settle = {i.op for i in open_intents}
    status = bytearray(b"".join(b"D" if p.op in finished else b"T" if p.op in to_settle else b"W" for p in phases))
    for i in range(base):
        _consider(needs, status, i)
    stopping = "settled" if options.settle_only else ""
    return Run(
        tuple(phases), tuple(needs), _reverse(needs), {p.op: i for i, p in enumerate(phases)}, options, bytes(status), base,
        identity, recorded or {}, stopping=stopping,
    )  # fmt: skip


def _reverse(needs: Sequence[tuple[tuple[int, bool], ...]]) -> tuple[tuple[int, ...], ...]:
    feeds: list[list[int]] = [[] for _ in needs]
    for phase, before in enumerate(needs):
        for need, _ in before:
            feeds[need].append(phase)
    return tuple(tuple(f) for f in feeds)


def _consider(needs: Sequence[tuple[tuple[int, bool], ...]], status: bytearray, phase: int) -> bool:
    """Make a waiting phase ready or skipped if what it needs allows; whether that changed anything."""
    if status[phase] != ord("W"):
        return False
    ready = True
    for need, healthy in needs[phase]:
        letter = chr(status[need])
        applied = letter == "D" or (not healthy and letter in "CHU")
        if not applied and letter in "FUQS":
            status[phase] = ord("S")
            return True
        ready = ready and applied
    if ready:
        status[phase] = ord("R")
    return ready


def _moved(run: Run, changes: Mapping[int, str]) -> bytes:
    """The statuses after ``changes``, with everything that follows from them made ready or skipped."""
    status = bytearray(run.status)
    queue: list[int] = []
    for phase, letter in changes.items():
        status[phase] = ord(letter)
        queue.extend(run.feeds[phase])
    while queue:
        phase = queue.pop()
        if _consider(run.needs, status, phase) and status[phase] == ord("S"):
            queue.extend(run.feeds[phase])
    return bytes(status)


# --- what each event does --------------------------------------------------------------------------------


def advance(run: Run, event: Event) -> tuple[Run, tuple[Command, ...]]:
    """The state after ``event`` and what is to be done now. After ``Finish`` nothing changes any more."""
    if run.finished:
        return run, ()
    if run.stopping == "lost" and isinstance(event, (Applied, Healthy, Failed, Settled)):
        # it ended, but nobody may write that down any more: its intent stays open
        run = replace(run, status=_moved(run, {run.index[event.op]: "Q"}))
    else:
        run = _HANDLERS[type(event)](run, event)
    first: tuple[Command, ...] = ()
    if isinstance(event, Begin):
        first = tuple(Settle(p.op) for p, letter in zip(run.phases, run.status, strict=True) if letter == ord("T"))
    run, commands = _proceed(run)
    return run, first + commands


def _begin(run: Run, _: Begin) -> Run:
    return run


def _recorded(run: Run, event: Recorded) -> Run:
    # the second half of a replacement, once its intent is there, is finished even while the run stops
    changes = {i: "O" if run.phases[i].first else "M" for i in map(run.index.__getitem__, event.ops) if run.status[i] == ord("I")}
    return replace(run, status=_moved(run, changes), recording=False)


def _applied(run: Run, event: Applied) -> Run:
    if event.check:
        status = _moved(run, {run.index[event.op]: "C"})
        return replace(run, status=status, applied={**run.applied, event.op: event})
    return _done(run, event)


def _done(run: Run, event: Applied) -> Run:
    phase = run.phase(event.op)
    moved_from = getattr(phase.step, "moved_from", "") if phase.name == "move" else ""
    result = Result(
        op=event.op,
        address=phase.step.address,
        action=phase.step.action,
        status="done",
        recorded=event.recorded,
        gone=event.recorded is None,
        renamed_from=moved_from or None,
        message=event.message,
        output=event.output,
    )
    return replace(run, status=_moved(run, {run.index[event.op]: "D"}), results=(*run.results, result))


def _healthy(run: Run, event: Healthy) -> Run:
    return _done(_without(run, event.op), run.applied[event.op])


def _without(run: Run, op: str) -> Run:
    return replace(run, applied={k: v for k, v in run.applied.items() if k != op})


def _failed(run: Run, event: Failed) -> Run:
    phase = run.phase(event.op)
    checking = run.applied.get(event.op)
    letter = "Q" if event.kind == "unknown" else "U" if checking else "F"
    failures = (*run.failures, (phase.step.address, event.message))
    if letter != "Q":
        # an unknown outcome keeps its intent open: whoever comes next asks the provider
        output = (checking.output if checking else "") + event.output
        run = replace(run, results=(*run.results, _result(phase, "failed", event.message, event.left, output)))
    stop = run.stopping or ("failed" if run.options.on_failure == "stop" or run.undoing else "")
    status = _moved(run, {run.index[event.op]: letter})
    return replace(_without(run, event.op), status=status, failures=failures, stopping=stop, urgent=True)


def _result(phase: Phase, status: str, message: str, left: RecordedResource | None = None, output: str = "") -> Result:
    return Result(phase.op, phase.step.address, phase.step.action, status, left, message=message, output=output)


def _settled(run: Run, event: Settled) -> Run:
    phase, i = run.phase(event.op), run.index[event.op]
    if event.verdict == "applied":
        return _applied(run, Applied(event.op, event.recorded, event.check, message="found done when the run was taken up again"))
    if event.verdict == "redo" or not (run.stopping or phase.orphan):
        return replace(run, status=_moved(run, {i: "M"}))
    if event.verdict == "nothing":
        skipped = _result(phase, "skipped", "nothing had been done")
        return replace(run, status=_moved(run, {i: "S"}), results=(*run.results, skipped))
    interrupted = _result(phase, "failed", "interrupted half way; the next plan repairs it", event.recorded)
    return replace(run, status=_moved(run, {i: "F"}), results=(*run.results, interrupted))


def _cancelled(run: Run, _: Cancelled) -> Run:
    return replace(run, stopping=run.stopping or "cancelled")


def _lost(run: Run, event: Lost) -> Run:
    status = run.status
    for letter in b"TRIOMW":
        status = status.replace(bytes([letter]), b"S")
    failures = (*run.failures, (run.identity[0], event.message)) if event.message and run.stopping != "lost" else run.failures
    return replace(run, status=status, stopping="lost", results=(), recording=False, failures=failures)


def _tick(run: Run, event: Tick) -> Run:
    return replace(run, waited=run.waited + event.seconds) if run.results else run


_HANDLERS: Mapping[type, Callable[[Run, Any], Run]] = {
    Begin: _begin,
    Recorded: _recorded,
    Applied: _applied,
    Healthy: _healthy,
    Failed: _failed,
    Settled: _settled,
    Cancelled: _cancelled,
    Lost: _lost,
    Tick: _tick,
}


# --- what follows from the state -------------------------------------------------------------------------


def _proceed(run: Run) -> tuple[Run, tuple[Command, ...]]:
    if run.stopping and run.stopping != "lost":
        run = _halt(run)
    run, commands = _perform(run)
    run, record = _record(run)
    commands += record
    if _busy(run) or run.results or run.recording:
        return run, commands
    if run.options.compensate and run.failures and run.stopping in ("", "failed") and not run.undoing:
        run, more = _proceed(_undo(run))
        return run, commands + more
    return replace(run, finished=True), (*commands, Finish(_outcome(run)))


def _busy(run: Run) -> bool:
    return any(letter in run.status for letter in _LIVE)


def _halt(run: Run) -> Run:
    """Nothing new: what has not begun is skipped, intents that were ahead are closed."""
    if not any(letter in run.status for letter in (b"W", b"R", b"O")):
        return run
    changes: dict[int, str] = {}
    closed: list[Result] = []
    for i, letter in enumerate(run.status):
        begun = not run.phases[i].first and run.status[i - 1] in b"TMPCHD"
        if letter in b"WR" and not begun:
            changes[i] = "S"
        elif letter == ord("O"):
            changes[i] = "S"
            closed.append(_result(run.phases[i], "skipped", "not started"))
    if not changes:
        return run
    return replace(run, status=_moved(run, changes), results=run.results + tuple(closed))


def _perform(run: Run) -> tuple[Run, tuple[Command, ...]]:
    """Start open intents, as many as may run at once; go on to the health check where one is due."""
    status = bytearray(run.status)
    commands: list[Command] = []
    for op in run.applied:
        i = run.index[op]
        if status[i] == ord("C"):
            commands.append(CheckHealth(op))
            status[i] = ord("H")
    free = run.options.parallel - status.count(b"P") - status.count(b"H")
    while free > 0:
        i = status.find(b"M")
        if i < 0 and b"T" not in status:
            i = status.find(b"O")
        if i < 0:
            break
        status[i] = ord("P")
        commands.append(Perform(run.phases[i].op))
        free -= 1
    return replace(run, status=bytes(status)), tuple(commands)


def _record(run: Run) -> tuple[Run, tuple[Command, ...]]:
    """One commit for finished results and new intents, when it is worth one."""
    if run.recording or run.stopping == "lost":
        return run, ()
    count = run.status.count
    started = count(b"P") + count(b"H") + count(b"I")
    waiting = count(b"O") + count(b"M")
    ready: list[int] = []
    if not count(b"T"):
        room = run.options.window - started - waiting
        i = run.status.find(b"R")
        while i >= 0 and len(ready) < room:
            ready.append(i)
            i = run.status.find(b"R", i + 1)
    due = bool(run.results) and (run.urgent or run.waited >= run.options.flush_seconds or not (started or waiting))
    if not (due or (ready and not waiting)):
        return run, ()
    ops = tuple(run.phases[i].op for i in ready)
    status = _moved(run, dict.fromkeys(ready, "I"))
    command = Record(run.results, ops)
    return replace(run, status=status, results=(), waited=0.0, urgent=False, recording=True), (command,)


def _undo(run: Run) -> Run:
    """Append, in reverse, the inverse of every step this run has done."""
    phases, needs = list(run.phases), list(run.needs)
    begun = len(phases)
    for i in range(run.base - 1, -1, -1):
        phase = run.phases[i]
        if run.status[i] != ord("D") or not phase.last:
            continue
        step = inverse(phase.step, run.before.get(getattr(phase.step, "moved_from", "") or phase.step.address))
        for position, name in enumerate(phase_names(step) if step else ()):
            op = operation(run.identity, phase.step.address, len(phases), f"undo-{name}")
            needs.append(((len(phases) - 1, False),) if len(phases) > begun else ())
            phases.append(Phase(op, name, step, position == 0, position == len(phase_names(step)) - 1))  # type: ignore[arg-type]
    status = bytearray(run.status + b"W" * (len(phases) - begun))
    if len(phases) > begun:
        status[begun] = ord("R")
    index = {p.op: i for i, p in enumerate(phases)}
    return replace(
        run,
        phases=tuple(phases),
        needs=tuple(needs),
        feeds=_reverse(needs),
        index=index,
        status=bytes(status),
        undoing=True,
        stopping="",
    )


def _outcome(run: Run) -> Outcome:
    each = [(p, chr(letter)) for p, letter in zip(run.phases, run.status, strict=True)]
    undone = {p.step.address for p, letter in each[run.base :] if letter == "D" and not p.orphan}
    plan = each[: run.base]
    done = tuple(p.step.address for p, letter in plan if p.last and letter == "D" and p.step.address not in undone)
    failed = {address for address, _ in run.failures}
    skipped = tuple(dict.fromkeys(p.step.address for p, s in plan if s == "S" and p.last and p.step.address not in failed))
    if run.stopping == "lost":
        status = "lost"
    elif run.stopping == "cancelled" and skipped:
        status = "cancelled"
    else:
        status = "failed" if run.failures else "succeeded"
    return Outcome(status, done, run.failures, skipped)
