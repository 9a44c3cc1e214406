"""Performs what the run machine commands: the only threads of this package are here."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Event as Flag

from executors.effects import Effects
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
    Tick,
)
from executors.machine import advance, start
from executors.phases import Phase
from executors.ports import Broken, Conflict, LeaseLost, NeedsHuman, NotFound, Outcome, Retry, RunOptions, Tools
from executors.redact import Redactor
from executors.retry import ATTEMPTS, Breaker, wait_before
from planners.model import kind_of
from planners.requirements import taskserv_of
from planners.steps import Plan

TICK_SECONDS = 0.5
"""How long the loop waits for an event before it looks at the lease and the clock."""


def run(plan: Plan, tools: Tools, options: RunOptions, cancel: Flag, draw: Callable[[], float] = random.random) -> Outcome:
    """Carry out ``plan``; returns how it ended. ``cancel`` set: what runs is finished and recorded, nothing new starts."""
    return _Runner(plan, tools, options, cancel, draw).go()


class _Runner:
    def __init__(self, plan: Plan, tools: Tools, options: RunOptions, cancel: Flag, draw: Callable[[], float]) -> None:
        self._tools, self._cancel, self._draw = tools, cancel, draw
        self._redactor = Redactor()
        self._effects = Effects(tools, self._redactor)
        self._run = start(plan, tools.run, options, tools.finished, tools.open_intents, tools.recorded)
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._pool = ThreadPoolExecutor(options.parallel, "step")
        self._breakers: dict[str, Breaker] = {}
        self._outcome: Outcome | None = None
        self._told = False
        self._at = tools.clock.monotonic()

    def go(self) -> Outcome:
        try:
            self._handle(Begin())
            while self._outcome is None:
                if self._cancel.is_set() and not self._told:
                    self._told = True
                    self._handle(Cancelled())
                    continue
                try:
                    event: Event = self._events.get(timeout=TICK_SECONDS)
                except Empty:
                    event = self._passed()
                self._handle(event)
                self._keep()
            return self._outcome
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _passed(self) -> Tick:
        now = self._tools.clock.monotonic()
        seconds, self._at = now - self._at, now
        return Tick(seconds)

    def _keep(self) -> None:
        if self._outcome is None:
            try:
                self._tools.journal.renew()
            except LeaseLost as error:
                self._handle(Lost(str(error)))

    def _handle(self, event: Event) -> None:
        self._run, commands = advance(self._run, event)
        for command in commands:
            self._obey(command)

    def _obey(self, command: Command) -> None:
        if isinstance(command, Finish):
            self._outcome = command.outcome
        elif isinstance(command, Record):
            self._record(command)
        else:
            phase = self._run.phase(command.op)
            work = {Perform: self._perform, CheckHealth: self._check, Settle: self._settle}[type(command)]
            self._pool.submit(self._guarded, work, phase)

    def _record(self, command: Record) -> None:
        intents = [self._effects.intent(self._run.phase(op)) for op in command.intents]
        try:
            self._tools.journal.record(command.results, intents)
        except LeaseLost as error:
            self._events.put(Lost(str(error)))
        else:
            self._events.put(Recorded(command.intents))

    # --- in the threads ----------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[Phase], Event], phase: Phase) -> None:
        """Every end of a thread is an event; a bug in an adapter fails its step and hides nothing."""
        try:
            event = work(phase)
        except LeaseLost as error:
            self._events.put(Lost(str(error)))
            event = Failed(phase.op, "unknown", str(error))
        except Exception as error:
            what = self._redactor.sentence(f"{type(error).__name__}: {error}")
            event = Failed(phase.op, "unknown", f"the adapter is broken: {what}")
        if isinstance(event, (Failed, Healthy)) or (isinstance(event, Applied) and not event.check):
            status, message = ("failed", event.message) if isinstance(event, Failed) else ("done", "")
            self._tools.progress.finished(phase.step, status, message)
        self._events.put(event)

    def _perform(self, phase: Phase) -> Event:
        if phase.first or phase.name == "create":
            self._tools.progress.started(phase.step)
        try:
            done = self._trying(phase)
        except (Retry, NeedsHuman, NotFound, Conflict, Broken) as error:
            return self._failed(phase, error, applied=False)
        output = self._redactor.end(done.output)
        self._effects.log(phase.step.address, done.output)
        return Applied(phase.op, done.recorded, done.check, output)

    def _trying(self, phase: Phase):  # type: ignore[no-untyped-def]  # Done
        """Transient errors are tried again: creates only because they carry an idempotency key."""
        endpoint = phase.step.provider
        for attempt in range(1, ATTEMPTS + 1):
            wait = self._breakers.get(endpoint, Breaker()).left(self._tools.clock.monotonic())
            if wait:
                self._tools.clock.sleep(wait)
            if not self._tools.journal.may_start(20.0):
                raise LeaseLost("the lease ends before this call could")
            try:
                done = self._effects.perform(phase)
            except Retry as error:
                breaker = self._breakers.get(endpoint, Breaker())
                self._breakers[endpoint] = breaker.failed(self._tools.clock.monotonic())
                if attempt == ATTEMPTS or self._cancel.is_set():
                    raise
                self._tools.progress.note(self._redactor.sentence(f"{phase.step.address}: {error}; trying again"))
                self._tools.clock.sleep(wait_before(attempt, self._draw(), error.after))
            else:
                self._breakers[endpoint] = Breaker()
                return done
        raise AssertionError("unreachable")

    def _failed(self, phase: Phase, error: Exception, applied: bool) -> Failed:
        unknown = isinstance(error, Retry) and error.unknown
        kind = "unknown" if unknown else "transient" if isinstance(error, Retry) else "permanent"
        output = getattr(error, "output", "")
        self._effects.log(phase.step.address, output)
        left = None if unknown else self._effects.left(phase, applied)
        return Failed(phase.op, kind, self._redactor.sentence(str(error)), left, self._redactor.end(output))

    def _check(self, phase: Phase) -> Event:
        """Until it is healthy, or was asked as often as its check says."""
        from executors.taskservs import scripted

        files = self._tools.extensions.files("taskservs", taskserv_of(phase.step.address))
        timing = scripted.timing(files, phase.step.declared)
        detail = "no health check"
        if timing is None:
            return Healthy(phase.op)
        deadline = self._tools.clock.monotonic() + timing.start_period
        attempt = 0
        while attempt < timing.retries:
            healthy, detail = self._effects.healthy(phase.step)
            if healthy:
                return Healthy(phase.op)
            if self._tools.clock.monotonic() >= deadline:
                attempt += 1
            if attempt < timing.retries:
                early = self._tools.clock.monotonic() < deadline
                self._tools.clock.sleep(min(timing.interval, 0.25) if early else timing.interval)
        message = f"not healthy after {timing.retries} checks: {detail}"
        return self._failed(phase, Broken(message), applied=True)

    def _settle(self, phase: Phase) -> Event:
        try:
            return self._effects.settle(phase)
        except (Retry, NeedsHuman, NotFound, Conflict, Broken) as error:
            message = self._redactor.sentence(f"what became of it cannot be told: {error}")
            return Failed(phase.op, "unknown", message)


__all__ = ["kind_of", "run"]
