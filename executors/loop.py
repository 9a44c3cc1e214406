"""One thread that decides, jobs in others that act and report back, and what is to happen later. Everything else runs in here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, replace
from functools import partial
from heapq import heapify, heappop, heappush
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from executors.ports import Broken, Clock
from executors.threads import Pool
from planners.dataclass import dataclass

T = TypeVar("T")
TICK_SECONDS = 0.5
"""How long ``wait`` takes at most, so that clock, lease and cancellation are looked at again."""


@dataclass(frozen=True, slots=True, order=True)
class _Timer:
    """``due``: monotonic time. ``patient``: being asked to hurry does not concern it."""

    due: float
    number: int
    act: Callable[[], None] = field(compare=False)
    patient: bool = field(compare=False)


class Loop:
    """Timers and reports, each handled by the thread that calls ``wait``. ``hurried``: nothing waits for its time any more."""

    def __init__(self, clock: Clock, pool: Pool) -> None:
        self.hurried = False
        self._clock, self._pool = clock, pool
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._busy = 0
        self._timers: list[_Timer] = []
        self._order = count()

    def wait(self) -> None:
        """Do what is due or was reported; else wait for that, at most a tick. Raises what ended a job and was no error."""
        left = min(TICK_SECONDS, self._timers[0].due - self._clock.monotonic()) if self._timers else TICK_SECONDS
        if left <= 0:
            heappop(self._timers).act()
        elif self._busy:
            self._take(left)
        elif self._timers:
            self._clock.sleep(left)
        else:
            raise Broken("the run waits for nothing, and is not over")

    def later(self, seconds: float, act: Callable[[], None], patient: bool = False) -> None:
        """Have ``act`` called after so many seconds."""
        wait = 0.0 if self.hurried and not patient else seconds
        heappush(self._timers, _Timer(self._clock.monotonic() + wait, next(self._order), act, patient))

    def hurry(self) -> None:
        """Whatever waits happens now, and from now on at once; only the patient go on waiting."""
        self.hurried = True
        now = self._clock.monotonic()
        self._timers = [t if t.patient else replace(t, due=now) for t in self._timers]
        heapify(self._timers)

    def job(self, work: Callable[[], T], report: Callable[[T | BaseException], None]) -> None:
        """Have ``work`` done in the pool; ``report`` is called by the loop with its result or its error."""

        def act() -> None:
            result: T | BaseException
            try:
                result = work()
            except BaseException as error:  # every end of a job reaches the loop, which raises what is not for it
                result = error
            self._inbox.put(partial(self._ended, report, result))

        self._busy += 1
        self._pool.submit(act)

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

    def _ended(self, report: Callable[[Any], None], result: object) -> None:
        self._busy -= 1
        if isinstance(result, BaseException) and not isinstance(result, Exception):
            raise result
        report(result)
