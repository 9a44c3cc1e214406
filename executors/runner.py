"""Performs what the run machine commands. One loop decides everything; jobs in threads only act and report back."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from queue import Empty, SimpleQueue
from random import Random
from threading import Event as Flag
from typing import Any, TypeVar

from executors import steplog
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
from executors.machine import advance
from executors.phases import Phase
from executors.ports import Broken, LeaseLost, Outcome, PortError, Retry, RunOptions, Tools
from executors.redact import Redactor, last
from executors.retry import ATTEMPTS, Breaker, pause
from executors.settling import Settler
from executors.state import start
from executors.threads import Pool, Threads
from planners.model import kind_of
from planners.steps import Plan

T = TypeVar("T")
TICK_SECONDS = 0.5
"""How long the loop waits at most before it looks at clock, lease and cancellation again."""


def run(plan: Plan, tools: Tools, options: RunOptions, cancel: Flag, pool: Pool | None = None) -> Outcome:
    """Carry out ``plan``; returns how it ended. ``cancel`` set: what runs is finished and recorded, nothing new starts.

    ``pool``: where jobs run; ``threads.Inline`` makes everything happen in one order. Nothing but a bug is raised.
    """
    pool = pool or Threads(options.parallel + 1)
    try:
        return _Runner(plan, tools, options, cancel, pool).go()
    finally:
        pool.close()


@dataclass(frozen=True, slots=True, order=True)
class _Timer:
    """``due``: monotonic time. ``patient``: being asked to stop does not hurry it."""

    due: float
    number: int
    act: Callable[[], None] = field(compare=False)
    patient: bool = field(compare=False)


class _Runner:
    """The loop's state. Every method but those handed to ``_job`` runs in the loop's thread."""

    def __init__(self, plan: Plan, tools: Tools, options: RunOptions, cancel: Flag, pool: Pool) -> None:
        self._tools, self._cancel, self._pool = tools, cancel, pool
        self._redactor = Redactor()
        self._effects = Effects(tools, self._redactor, options.call_seconds)
        self._settler = Settler(self._effects)
        self._run = start(plan, tools.run, options, tools.finished, tools.open_intents, tools.recorded)
        self._events: list[Event] = []
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._busy = 0
        self._timers: list[_Timer] = []
        self._order = count()
        self._attempts: dict[str, int] = {}
        self._unknown: set[str] = set()
        self._breakers: dict[str, Breaker] = {}
        self._chance = Random(tools.run)  # noqa: S311  # jitter, told apart by run
        self._outcome: Outcome | None = None
        self._cancelled = False
        self._at = tools.clock.monotonic()

    # --- the loop ----------------------------------------------------------------------------------------

    def go(self) -> Outcome:
        if before := sum(letter == ord("D") for letter in self._run.status):
            self._tools.progress.note(f"{before} of {self._run.base} were done before")
        self._handle(Begin())
        self._advance()
        while self._outcome is None:
            self._wait()
            self._look()
            self._advance()
        return self._outcome

    def _look(self) -> None:
        """What no job reports: cancellation, time, the lease."""
        now = self._tools.clock.monotonic()
        if self._cancel.is_set() and not self._cancelled:
            self._cancelled = True
            # whoever waits to try again does so now, for the last time; health goes on being waited for
            self._timers = [t if t.patient else replace(t, due=now) for t in self._timers]
            heapify(self._timers)
            self._handle(Cancelled())
        if now - self._at >= TICK_SECONDS:
            self._at, passed = now, now - self._at
            self._handle(Tick(passed))
        if not self._run.recording and self._run.stopping != "lost":
            try:
                self._tools.journal.renew()
            except LeaseLost as error:
                self._lose(error)

    def _wait(self) -> None:
        """Do what is due or was reported; else wait for that, but no longer than a tick."""
        clock = self._tools.clock
        left = min(TICK_SECONDS, self._timers[0].due - clock.monotonic()) if self._timers else TICK_SECONDS
        if left <= 0:
            heappop(self._timers).act()
        elif self._busy:
            self._take(left)
        elif self._timers:
            clock.sleep(left)
        else:
            raise Broken("the run waits for nothing, and is not over")

    def _take(self, seconds: float) -> None:
        """All reports there are, waiting for the first."""
        try:
            reports = [self._inbox.get(timeout=seconds)]
            while not self._inbox.empty():
                reports.append(self._inbox.get_nowait())
        except Empty:
            return
        for report in reports:
            report()

    def _later(self, seconds: float, act: Callable[[], None], patient: bool = False) -> None:
        wait = 0.0 if self._cancelled and not patient else seconds
        heappush(self._timers, _Timer(self._tools.clock.monotonic() + wait, next(self._order), act, patient))

    def _job(self, work: Callable[[], T], report: Callable[[T | BaseException], None]) -> None:
        """Have ``work`` done in the pool; ``report`` is called by the loop with its result or its error."""

        def job() -> None:
            result: T | BaseException
            try:
                result = work()
            except BaseException as error:  # every end of a job reaches the loop, which raises what is not for it
                result = error
            self._inbox.put(partial(self._ended, report, result))

        self._busy += 1
        self._pool.submit(job)

    def _ended(self, report: Callable[[Any], None], result: object) -> None:
        self._busy -= 1
        if isinstance(result, BaseException) and not isinstance(result, Exception):
            raise result
        report(result)

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
            self._job(record, partial(self._recorded, command, record, 1))
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
        self._handle(Lost(self._redactor.sentence(str(error))))

    def _recorded(self, command: Record, record: Callable[[], None], attempt: int, result: object) -> None:
        if isinstance(result, Retry) and attempt < ATTEMPTS:
            self._tools.progress.note(self._redactor.sentence(f"{result}; trying again"))
            again = partial(self._job, record, partial(self._recorded, command, record, attempt + 1))
            self._later(pause(attempt, self._chance.random(), result.after), again)
        elif isinstance(result, Exception):
            self._lose(result if isinstance(result, PortError) else Broken(f"the ledger cannot be written: {result!r}"))
        else:
            self._handle(Recorded(command.intents, command.number))

    # --- a phase -----------------------------------------------------------------------------------------

    def _begin(self, phase: Phase) -> None:
        if phase.first:
            self._tell(phase, "started")
        self._attempt(phase, partial(self._effects.perform, phase), partial(self._performed, phase))

    def _settle(self, phase: Phase) -> None:
        self._attempt(phase, partial(self._settler.settle, phase), partial(self._settled, phase))

    def _attempt(self, phase: Phase, work: Callable[[], T], ended: Callable[[T | PortError | Exception], None]) -> None:
        """Do ``work`` until it ends with anything but a transient error, but not too often, nor while its endpoint is down."""
        endpoint = self._effects.endpoint(phase)
        now = self._tools.clock.monotonic()
        self._breakers[endpoint], wait = self._breakers.get(endpoint, Breaker()).admit(now)
        if wait and not self._cancelled:
            self._later(wait, partial(self._attempt, phase, work, ended))
        else:
            self._job(work, partial(self._tried, phase, work, ended))

    def _tried(self, phase: Phase, work: Callable[[], T], ended: Callable[[Any], None], result: object) -> None:
        endpoint, now = self._effects.endpoint(phase), self._tools.clock.monotonic()
        if not isinstance(result, Retry):
            self._breakers[endpoint] = self._breakers[endpoint].succeeded()
            self._attempts.pop(phase.op, None)
            ended(result)
            return
        self._breakers[endpoint] = self._breakers[endpoint].failed(now)
        attempt = self._attempts[phase.op] = self._attempts.get(phase.op, 0) + 1
        if result.unknown:
            self._unknown.add(phase.op)
        if attempt >= ATTEMPTS or self._cancelled or not self._may_repeat(phase):
            ended(result)
            return
        self._log(phase, str(result), result.output)
        self._tools.progress.note(self._redactor.sentence(f"{phase.step.address}: {result}; trying again"))
        self._later(pause(attempt, self._chance.random(), result.after), partial(self._attempt, phase, work, ended))

    def _may_repeat(self, phase: Phase) -> bool:
        """A creation only where the provider recognises it by key or name; all else leads to the same when repeated."""
        known = ("key", "name")
        return not self._makes(phase) or self._effects.provider(phase.step.provider).spec.idempotency in known

    def _makes(self, phase: Phase) -> bool:
        """Whether it may make something at a provider that nobody would know of."""
        return phase.name == "create" and kind_of(phase.step.address) not in ("taskserv", "cluster")

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
        bug = not isinstance(error, PortError)
        unknown = self._makes(phase) and self._effects.begun(phase) and (bug or phase.op in self._unknown)
        kind = "unknown" if unknown else "transient" if isinstance(error, Retry) else "permanent"
        what = f"the adapter failed: {type(error).__name__}: {error}" if bug else str(error)
        output = "".join(traceback.format_exception(error)) if bug else getattr(error, "output", "")
        self._end(phase, kind, what, output)

    def _end(self, phase: Phase, kind: str, what: str, output: str) -> None:
        message = self._redactor.sentence(what)
        self._log(phase, what, output)
        applied = self._run.applied.get(phase.op)
        left = None if kind == "unknown" else self._effects.left(phase, applied.recorded if applied else None)
        if left is not None:
            self._effects.put(phase.step, left)
        self._tell(phase, "failed", message)
        self._handle(Failed(phase.op, kind, message, left, last(self._redactor.text(output))))

    def _settled(self, phase: Phase, result: Settled | Exception) -> None:
        if isinstance(result, LeaseLost):
            self._lose(result)
        elif isinstance(result, Exception):
            self._end(phase, "unknown", f"what became of it cannot be told: {result}", getattr(result, "output", ""))
        elif result.verdict == "applied":
            self._effects.put(phase.step, result.recorded)
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
        self._job(partial(self._effects.healthy, phase.step), partial(self._asked, phase, watch))

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
            self._later(pause, partial(self._ask, phase, watch), patient=True)
