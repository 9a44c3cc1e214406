"""Performs what the run machine commands. One loop decides everything; jobs in threads only act and report back."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from functools import partial
from threading import Event as Flag
from typing import Any

from executors import steplog
from executors.attempts import Attempts
from executors.effects import Done, Effects
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
    Settled,
    Tick,
)
from executors.health import Watch
from executors.loop import TICK_SECONDS, Loop
from executors.machine import advance
from executors.phases import Phase
from executors.ports import Broken, LeaseLost, Outcome, PortError, Retry, RunOptions, Tools
from executors.redact import Redactor, last
from executors.retry import ATTEMPTS
from executors.settling import Settler
from executors.state import start
from executors.threads import Pool, Threads
from planners.dataclass import dataclass
from planners.steps import Plan


def run(plan: Plan, tools: Tools, options: RunOptions, cancel: Flag, pool: Pool | None = None) -> Outcome:
    """Carry out ``plan``; returns how it ended. ``cancel`` set: what runs is finished and recorded, nothing new starts.

    ``pool``: where jobs run; ``threads.Inline`` makes everything happen in one order. Nothing but a bug is raised.
    """
    pool = pool or Threads(options.parallel + 1)
    try:
        return _Runner(plan, tools, options, cancel, pool).go()
    finally:
        pool.close()


@dataclass(frozen=True, slots=True)
class _Job:
    """Something to do for a phase until it ends with anything but a transient error, which ``ended`` is called with.

    ``asks``: it changes nothing, so it may be done again in any case.
    """

    phase: Phase
    act: Callable[[], Any]
    ended: Callable[[Any], None]
    asks: bool = False

    @property
    def name(self) -> str:
        return f"ask {self.phase.op}" if self.asks else self.phase.op


class _Runner:
    """The loop's state. Every method but those handed to ``_job`` runs in the loop's thread."""

    def __init__(self, plan: Plan, tools: Tools, options: RunOptions, cancel: Flag, pool: Pool) -> None:
        self._tools, self._cancel = tools, cancel
        self._redactor = Redactor()
        self._effects = Effects(tools, self._redactor, options.call_seconds)
        self._settler = Settler(self._effects)
        self._run = start(plan, tools.run, options, tools.finished, tools.open_intents, tools.recorded)
        self._events: list[Event] = []
        self._loop = Loop(tools.clock, pool)
        self._attempts = Attempts(tools.run)
        self._outcome: Outcome | None = None
        self._cancelled = False
        self._quiet: set[str] = set()
        self._at = tools.clock.monotonic()

    # --- the loop ----------------------------------------------------------------------------------------

    def go(self) -> Outcome:
        if before := sum(letter == ord("D") for letter in self._run.status):
            self._tools.progress.note(f"{before} of {self._run.base} were done before")
        self._handle(Begin())
        self._advance()
        while self._outcome is None:
            self._loop.wait()
            self._look()
            self._advance()
        return self._outcome

    def _look(self) -> None:
        """What no job reports: cancellation, time, the lease."""
        now = self._tools.clock.monotonic()
        if self._cancel.is_set() and not self._cancelled:
            self._cancelled = True
            self._loop.hurry()
            self._handle(Cancelled())
        if now - self._at >= TICK_SECONDS:
            self._at, passed = now, now - self._at
            self._handle(Tick(passed))
        if not self._run.recording and self._run.stopping != "lost":
            try:
                self._tools.journal.renew()
            except LeaseLost as error:
                self._lose(error)

    # --- events and commands -----------------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        """Have the machine told of it, together with whatever else has happened by then."""
        self._events.append(event)

    def _advance(self) -> None:
        events, self._events = self._events, []
        if events:
            self._run, commands = advance(self._run, *events)
            for command in commands:
                self._obey(command)

    def _obey(self, command: Command) -> None:
        if isinstance(command, Finish):
            self._finish(command.outcome)
        elif isinstance(command, Record):
            intents = [self._effects.intent(self._run.phase(op)) for op in command.intents]
            record = partial(self._tools.journal.record, command.results, intents)
            self._loop.job(record, partial(self._recorded, command, record, 1))
        elif isinstance(command, Perform):
            self._begin(self._run.phase(command.op))
        elif isinstance(command, CheckHealth):
            self._check(self._run.phase(command.op))
        else:
            self._settle(self._run.phase(command.op))

    def _finish(self, outcome: Outcome) -> None:
        self._outcome = outcome
        skipped = set(outcome.skipped)
        for phase in self._run.phases:
            if phase.last and phase.step.address in skipped:
                self._tell(phase, "skipped", "")

    def _tell(self, phase: Phase, status: str, message: str = "") -> None:
        """People hear of each step of the plan once when it begins and once when it ends; of taking back by the way."""
        planned = self._run.index[phase.op] < self._run.base
        if not planned:
            what = f"{phase.step.action} {phase.step.address}: {phase.step.reason}, {status}"
            self._tools.progress.note(f"{what}: {message}" if message else what)
        elif status == "started":
            self._tools.progress.started(phase.step)
        else:
            self._tools.progress.finished(phase.step, status, message)

    def _lose(self, error: BaseException) -> None:
        self._loop.hurry()
        self._handle(Lost(self._redactor.sentence(str(error))))

    def _recorded(self, command: Record, record: Callable[[], None], attempt: int, result: object) -> None:
        if isinstance(result, Retry) and attempt < ATTEMPTS:
            self._tools.progress.note(self._redactor.sentence(f"{result}; trying again"))
            again = partial(self._loop.job, record, partial(self._recorded, command, record, attempt + 1))
            self._loop.later(self._attempts.pause(attempt, result), again)
        elif isinstance(result, Exception):
            self._lose(result if isinstance(result, PortError) else Broken(f"the ledger cannot be written: {result!r}"))
        else:
            self._handle(Recorded(command.intents, command.number))

    # --- a phase -----------------------------------------------------------------------------------------

    def _begin(self, phase: Phase) -> None:
        if phase.first:
            self._tell(phase, "started")
        self._perform(phase)

    def _perform(self, phase: Phase) -> None:
        self._attempt(_Job(phase, partial(self._effects.perform, phase), partial(self._performed, phase)))

    def _settle(self, phase: Phase) -> None:
        """Ask what became of what an earlier holder began."""
        quiet = self._tools.clock.monotonic() >= self._effects.quiet_at(phase)
        ask = partial(self._settler.settle, phase, quiet)
        self._attempt(_Job(phase, ask, partial(self._settled, phase), asks=True))

    def _attempt(self, job: _Job) -> None:
        """Do it until it ends with anything but a transient error, but not too often, nor while its endpoint is down."""
        wait = self._attempts.admit(self._effects.endpoint(job.phase), self._tools.clock.monotonic())
        if wait and not self._loop.hurried:
            self._loop.later(wait, partial(self._attempt, job))
        else:
            self._loop.job(job.act, partial(self._tried, job))

    def _tried(self, job: _Job, result: object) -> None:
        phase, now = job.phase, self._tools.clock.monotonic()
        self._attempts.ended(self._effects.endpoint(phase), phase.op, job.name, result, now)
        again = isinstance(result, Retry) and self._attempts.left(job.name) and not self._loop.hurried
        if not isinstance(result, Retry) or not again or (not job.asks and self._in_doubt(phase)):
            job.ended(result)
            return
        self._log(phase, str(result), result.output)
        self._tools.progress.note(self._redactor.sentence(f"{phase.step.address}: {result}; trying again"))
        self._loop.later(self._attempts.pause_before(job.name, result), partial(self._attempt, job))

    def _in_doubt(self, phase: Phase) -> bool:
        """Whether it may have taken place, or still take place, and saying it again might do it twice or out of order."""
        return phase.op in self._attempts.unknown and self._effects.outlives(phase) and not self._effects.keyed(phase)

    def _performed(self, phase: Phase, result: Done | Exception) -> None:
        if isinstance(result, LeaseLost):
            self._lose(result)
            self._handle(Failed(phase.op, "unknown", str(result)))
        elif isinstance(result, Exception):
            self._fail(phase, result)
        else:
            self._effects.put(phase.step, result.recorded)
            self._log(phase, "", result.output)
            output = last(self._redactor.text(result.output))
            self._done(phase, Applied(phase.op, result.recorded, result.check, output))

    def _done(self, phase: Phase, event: Applied | Healthy | Settled) -> None:
        if phase.last and not getattr(event, "check", False):
            self._tell(phase, "done")
        self._handle(event)

    def _fail(self, phase: Phase, error: Exception) -> None:
        """A refusal, a transient error once too often, or a bug of an adapter: nothing is hidden, nothing half made is lost."""
        if not isinstance(error, PortError) and self._effects.begun(phase):
            self._attempts.unknown.add(phase.op)
        if phase.op in self._attempts.unknown and self._effects.outlives(phase):
            self._wait_until_told(phase, error)
        else:
            self._refused(phase, error)

    def _refused(self, phase: Phase, error: Exception, kind: str = "") -> None:
        bug = not isinstance(error, PortError)
        kind = kind or ("transient" if isinstance(error, Retry) else "permanent")
        what = f"the adapter failed: {type(error).__name__}: {error}" if bug else str(error)
        output = "".join(traceback.format_exception(error)) if bug else getattr(error, "output", "")
        self._end(phase, kind, what, output)

    def _end(self, phase: Phase, kind: str, what: str, output: str) -> None:
        message = self._redactor.sentence(what)
        self._log(phase, what, output)
        applied, unknown = self._run.applied.get(phase.op), phase.op in self._attempts.unknown
        left = None if kind == "unknown" else self._effects.left(phase, applied.recorded if applied else None, unknown)
        if left is not None:
            self._effects.put(phase.step, left)
        self._tell(phase, "failed", message)
        self._handle(Failed(phase.op, kind, message, left, last(self._redactor.text(output))))

    # --- unknown outcomes --------------------------------------------------------------------------------

    def _wait_until_told(self, phase: Phase, error: Exception) -> None:
        """Nobody knows whether it took place. That shows once its provider has been quiet for as long as its spec says."""
        wait = self._effects.quiet_at(phase) - self._tools.clock.monotonic()
        wait = max(wait, self._attempts.pause_before(phase.op, error) if isinstance(error, Retry) else 0.0)
        told = f"{phase.step.address}: its outcome is unknown; {phase.step.provider} is asked in {wait:.0f} s"
        self._tools.progress.note(told)
        self._loop.later(wait, partial(self._ask_after, phase, error))

    def _tell_quiet(self, provider: str, seconds: float) -> None:
        """Once for each provider, however much was left open there."""
        if provider not in self._quiet:
            self._quiet.add(provider)
            told = f"{provider} is asked in {seconds:.0f} s what became of what was under way: by then nothing can come late"
            self._tools.progress.note(told)

    def _ask_after(self, phase: Phase, error: Exception) -> None:
        told = partial(self._told, phase, error, self._tools.clock.monotonic() >= self._effects.quiet_at(phase))
        if phase.name == "create":
            self._attempt(_Job(phase, partial(self._settler.made, phase), told, asks=True))
        else:
            told(None)

    def _told(self, phase: Phase, error: Exception, quiet: bool, found: Settled | Exception | None) -> None:
        """Adopt what is there, do it again when nothing is, or leave its intent open when it is too early to tell."""
        if isinstance(found, Exception):
            self._cannot_tell(phase, found)
        elif found is not None:
            self._effects.put(phase.step, found.recorded)
            message = found.message or "its answer was lost, and it was found by its tag"
            self._done(phase, Applied(phase.op, found.recorded, message=message))
        elif not quiet and self._loop.hurried:
            self._refused(phase, error, "unknown")
        elif not quiet:
            self._wait_until_told(phase, error)
        else:
            if phase.name == "create":
                self._attempts.unknown.discard(phase.op)
            if isinstance(error, Retry) and self._attempts.left(phase.op) and not self._loop.hurried:
                self._perform(phase)
            else:
                self._refused(phase, error)

    def _cannot_tell(self, phase: Phase, why: Exception) -> None:
        self._end(phase, "unknown", f"what became of it cannot be told: {why}", getattr(why, "output", ""))

    def _settled(self, phase: Phase, result: Settled | Exception | None) -> None:
        if isinstance(result, LeaseLost):
            self._lose(result)
        elif isinstance(result, Exception):
            self._cannot_tell(phase, result)
        elif result is None and self._loop.hurried:
            self._cannot_tell(phase, Broken("asked to stop before its provider had been quiet for long enough"))
        elif result is None:
            self._attempts.forget(f"ask {phase.op}")
            wait = self._effects.quiet_at(phase) - self._tools.clock.monotonic()
            self._tell_quiet(phase.step.provider, wait)
            self._loop.later(wait, partial(self._settle, phase))
        else:
            self._taken_up(phase, result)

    def _taken_up(self, phase: Phase, result: Settled) -> None:
        if result.verdict == "redo":
            # the earlier call may still be under way, whatever becomes of this one
            self._attempts.unknown.add(phase.op)
        if result.recorded is not None or result.verdict == "applied":
            self._effects.put(phase.step, result.recorded)
        if result.verdict == "applied":
            self._done(phase, result)
        else:
            self._handle(result)

    def _log(self, phase: Phase, what: str, output: str) -> None:
        text = self._redactor.text(f"{output}\n{what}" if output and what else output or what)
        steplog.append(self._tools.log_dir, self._tools.run, phase.step.address, text)

    # --- health ------------------------------------------------------------------------------------------

    def _check(self, phase: Phase) -> None:
        """Ask until it is healthy, or has not been for as long as its check allows."""
        timing = self._effects.timing(phase.step)
        if timing is None:
            self._done(phase, Healthy(phase.op))
        else:
            self._ask(phase, Watch(timing, self._tools.clock.monotonic()))

    def _ask(self, phase: Phase, watch: Watch) -> None:
        self._loop.job(partial(self._effects.healthy, phase.step), partial(self._asked, phase, watch))

    def _asked(self, phase: Phase, watch: Watch, result: tuple[bool, str] | Exception) -> None:
        if isinstance(result, Exception) and not isinstance(result, Retry):
            self._fail(phase, result)
            return
        healthy, detail = (False, str(result)) if isinstance(result, Exception) else result
        if healthy:
            self._done(phase, Healthy(phase.op))
            return
        watch = watch.unhealthy()
        # what runs is finished, also when asked to stop: a service that is still starting is no failure
        pause = watch.pause(self._tools.clock.monotonic())
        if pause is None:
            self._end(phase, "permanent", f"not healthy: {detail}", "")
        else:
            self._loop.later(pause, partial(self._ask, phase, watch), patient=True)
