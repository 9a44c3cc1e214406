"""One run as a pure state machine: events in, commands out, no clock, thread or port in sight.

Each step of the plan is one phase, or two when it replaces (delete and create, in either order). A phase is one effect with
one intent; the states it goes through are in ``executors.state``.

House rules: an effect starts only behind a recorded intent and after what it needs; open intents of an earlier holder are
settled before anything new begins; one ``Record`` at a time; what has begun is finished and recorded, whatever stops the
run, unless the lease is lost: then nothing more is written. Events may come twice, late and in any order: one that the run
does not wait for says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
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
from executors.phases import Phase
from executors.ports import Outcome, Result
from executors.state import LIVE, Run, moved, standing, taking_back
from planners.model import RecordedResource

LINGER = 0.5
"""Seconds that a free place waits for those at work to end too, where a whole window of intents is to be written: short steps
end at nearly the same time, and are then told in one commit. Longer ones are not waited for."""

# --- what each event does --------------------------------------------------------------------------------


def advance(run: Run, *events: Event) -> tuple[Run, tuple[Command, ...]]:
    """The state after ``events`` and what is to be done now. After ``Finish`` nothing changes any more."""
    if run.finished:
        return run, ()
    settle: tuple[Command, ...] = ()
    for event in events:
        if not _is_due(run, event):
            continue
        if isinstance(event, Begin):
            settle = tuple(Settle(p.op) for p, letter in zip(run.phases, run.status, strict=True) if letter == ord("T"))
        run = _absorbed(run, event)
    run, commands = _proceed(run)
    return run, settle + commands


_WAITED: Mapping[type, bytes] = {Applied: b"P", Healthy: b"H", Failed: b"PHT", Settled: b"T"}
"""The states of a phase in which it waits for each of its events."""


def _is_due(run: Run, event: Event) -> bool:
    """Whether the run waits for it: not what was told before, came too late, or is not of this run."""
    if isinstance(event, Begin):
        return not run.begun
    if isinstance(event, Recorded):
        return run.recording is not None and run.recording.number == event.number
    if isinstance(event, (Cancelled, Lost, Tick)):
        return True
    phase = run.index.get(event.op)
    return phase is not None and run.status[phase] in _WAITED[type(event)]


def _absorbed(run: Run, event: Event) -> Run:
    if run.stopping == "lost" and isinstance(event, (Applied, Healthy, Failed, Settled)):
        # it ended, but nobody may write that down any more: its intent stays open
        return replace(run, status=moved(run, {run.index[event.op]: "Q"}))
    return _HANDLERS[type(event)](run, event)


def _begin(run: Run, _: Begin) -> Run:
    return replace(run, begun=True)


def _recorded(run: Run, event: Recorded) -> Run:
    changes = {i: _opened(run.phases[i]) for i in map(run.index.__getitem__, event.ops) if run.status[i] == ord("I")}
    return replace(run, status=moved(run, changes), recording=None)


def _opened(phase: Phase) -> str:
    """The state of a recorded intent: the second half of a replacement is finished even while the run stops."""
    return "O" if phase.first else "M"


def _applied(run: Run, event: Applied) -> Run:
    if event.check:
        status = moved(run, {run.index[event.op]: "C"})
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
    return replace(run, status=moved(run, {run.index[event.op]: "D"}), results=(*run.results, result))


def _healthy(run: Run, event: Healthy) -> Run:
    return _done(_without(run, event.op), run.applied[event.op])


def _without(run: Run, op: str) -> Run:
    return replace(run, applied={k: v for k, v in run.applied.items() if k != op})


def _failed(run: Run, event: Failed) -> Run:
    phase = run.phase(event.op)
    checking = run.applied.get(event.op)
    letter = "Q" if event.kind == "unknown" else "U" if checking else "X" if event.left else "F"
    failures = (*run.failures, (phase.step.address, event.message))
    if letter != "Q":
        # an unknown outcome keeps its intent open: whoever comes next asks the provider
        output = (checking.output if checking else "") + event.output
        run = replace(run, results=(*run.results, _result(phase, "failed", event.message, event.left, output)))
    stop = run.stopping or ("failed" if run.options.on_failure == "stop" or run.undoing else "")
    status = moved(run, {run.index[event.op]: letter})
    return replace(_without(run, event.op), status=status, failures=failures, stopping=stop, urgent=True)


def _result(phase: Phase, status: str, message: str, left: RecordedResource | None = None, output: str = "") -> Result:
    # a move that failed leaves its resource under the old address
    address = left.address if left else phase.step.address
    return Result(phase.op, address, phase.step.action, status, left, message=message, output=output)


def _settled(run: Run, event: Settled) -> Run:
    phase, i = run.phase(event.op), run.index[event.op]
    if event.verdict == "applied":
        message = event.message or "found done when the run was taken up again"
        return _applied(run, Applied(event.op, event.recorded, event.check, message=message))
    if event.verdict == "redo":
        return replace(run, status=moved(run, {i: "M"}))
    if event.verdict == "partial":
        return _interrupted(run, phase, event.recorded)
    if phase.orphan or (run.stopping and phase.first):
        return _skipped(run, {i: "nothing had been done"})
    return replace(run, status=moved(run, {i: _opened(phase)}))


def _interrupted(run: Run, phase: Phase, left: RecordedResource | None) -> Run:
    """Half done and not to be completed: recorded as it is, for the next plan to repair. A run that goes on has failed."""
    message = "interrupted half way; the next plan repairs it"
    status = moved(run, {run.index[phase.op]: "X" if left else "F"})
    run = replace(run, status=status, results=(*run.results, _result(phase, "failed", message, left)))
    if run.options.settle_only:
        return run
    stop = run.stopping or ("failed" if run.options.on_failure == "stop" else "")
    return replace(run, failures=(*run.failures, (phase.step.address, message)), stopping=stop)


def _skipped(run: Run, closed: Mapping[int, str]) -> Run:
    """Close the intents of phases that are not to begin; ``closed`` says why."""
    if not closed:
        return run
    results = tuple(_result(run.phases[i], "skipped", why) for i, why in closed.items())
    return replace(run, status=moved(run, dict.fromkeys(closed, "S")), results=run.results + results)


def _cancelled(run: Run, _: Cancelled) -> Run:
    return replace(run, stopping=run.stopping or "cancelled")


def _lost(run: Run, event: Lost) -> Run:
    """Nothing is written any more: what is not known to be durable is as unknown as what still runs will be."""
    status = run.status
    for letter in b"TRIOMW":
        status = status.replace(bytes([letter]), b"S")
    unwritten = run.results + (run.recording.results if run.recording else ())
    run = replace(run, status=status, results=(), recording=None, stopping="lost")
    told = event.message and not any(address == run.identity[0] for address, _ in run.failures)
    failures = (*run.failures, (run.identity[0], event.message)) if told else run.failures
    return replace(run, status=moved(run, {run.index[r.op]: "Q" for r in unwritten}), failures=failures)


def _tick(run: Run, event: Tick) -> Run:
    if not run.results:
        return run
    idle = run.idle + event.seconds if _idle(run) else 0.0
    return replace(run, waited=run.waited + event.seconds, idle=idle)


def _idle(run: Run) -> bool:
    """Whether a place is free and no open intent is left to take it."""
    count = run.status.count
    return not count(b"O") + count(b"M") and _started(run) < run.options.parallel


def _started(run: Run) -> int:
    """How many phases are on their way, from the writing of their intent to the end of their health check."""
    return sum(run.status.count(letter) for letter in (b"P", b"H", b"I", b"T"))


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
    if any(map(run.status.count, LIVE)) or run.results or run.recording:
        return run, commands
    if _to_be_taken_back(run):
        run, more = _proceed(taking_back(run))
        return run, commands + more
    return replace(run, finished=True), (*commands, Finish(_outcome(run)))


def _to_be_taken_back(run: Run) -> bool:
    """Not while an outcome is unknown: what depends on what could not be told."""
    wanted = run.options.compensate and not run.options.settle_only and not run.undoing
    return wanted and bool(run.failures) and run.stopping in ("", "failed") and b"Q" not in run.status


def _halt(run: Run) -> Run:
    """Nothing new: what has not begun is skipped, intents that were ahead are closed."""
    waiting = [i for letter in b"WR" for i in _all(run.status, letter) if not _begun(run, i)]
    status = moved(run, dict.fromkeys(waiting, "S")) if waiting else run.status
    ahead = _all(run.status, ord("O"))
    return _skipped(replace(run, status=status), dict.fromkeys(ahead, "not started"))


def _begun(run: Run, phase: int) -> bool:
    """Whether it is the second half of a replacement whose first half is done or on its way."""
    return not run.phases[phase].first and run.status[phase - 1] in b"TMPCHD"


def _all(status: bytes, letter: int, limit: int = -1) -> list[int]:
    """Where ``letter`` is, in order, no more than ``limit`` places unless that is negative."""
    found: list[int] = []
    i = status.find(letter)
    while i >= 0 and len(found) != limit:
        found.append(i)
        i = status.find(letter, i + 1)
    return found


def _perform(run: Run) -> tuple[Run, tuple[Command, ...]]:
    """Start open intents, as many as may run at once; go on to the health check where one is due."""
    checks = [op for op in run.applied if run.status[run.index[op]] == ord("C")]
    status = bytearray(run.status)
    for op in checks:
        status[run.index[op]] = ord("H")
    free = run.options.parallel - status.count(b"P") - status.count(b"H")
    begin: list[int] = []
    never: list[int] = []
    for letter in b"M" if status.count(b"T") else b"MO":
        i = status.find(letter)
        while i >= 0 and len(begin) < free:
            said = standing(run.needs[i], status)
            if said == "met" or (said == "never" and letter == ord("M")):
                begin.append(i)
            elif said == "never":
                never.append(i)
            i = status.find(letter, i + 1)
    for i in begin:
        status[i] = ord("P")
    run = _skipped(replace(run, status=bytes(status)), dict.fromkeys(never, "what it needs was not done"))
    return run, (*map(CheckHealth, checks), *(Perform(run.phases[i].op) for i in begin))


def _record(run: Run) -> tuple[Run, tuple[Command, ...]]:
    """One commit for finished results and new intents, when it is worth one."""
    if run.recording or run.stopping == "lost":
        return run, ()
    count = run.status.count
    started = _started(run)
    waiting = count(b"O") + count(b"M")
    # found open and waiting for something that is yet to begin: that goes ahead, whatever the window
    stuck = bool(waiting) and not started
    room = max(run.options.window - started - waiting, 1 if stuck else 0)
    ready = [] if count(b"T") else _all(run.status, ord("R"), room)
    due = bool(run.results) and (run.urgent or run.waited >= run.options.flush_seconds or not (started or waiting))
    # written ahead when a place is free and nothing is left to take it: the later, the more goes into one commit
    whole = started and len(ready) == room and run.idle < LINGER
    wanted = bool(ready) and (stuck or (_idle(run) and not whole))
    if not (due or wanted):
        return run, ()
    ops = tuple(run.phases[i].op for i in ready)
    status = moved(run, dict.fromkeys(ready, "I"))
    command = Record(run.results, ops, run.records + 1)
    written = replace(run, results=(), waited=0.0, idle=0.0, urgent=False, recording=command, records=command.number)
    return replace(written, status=status), (command,)


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
    unknown = tuple(dict.fromkeys(p.step.address for p, letter in each if letter == "Q"))
    return Outcome(status, done, run.failures, skipped, unknown)
