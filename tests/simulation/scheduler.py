"""Virtual time, and everything that happens in it, one thing at a time.

A history is one real thread. Each simulated process has fibers (greenlets); a fiber runs until it waits, then time jumps to
whatever comes next. What stands in for the machine's own threads, queues and locks is here too, so that the code under test
is the product's, unchanged, and every interleaving follows from the seed.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from itertools import count
from queue import Empty
from typing import Any

from greenlet import getcurrent, greenlet

BUDGET = 200_000
"""Events of one history at most: what runs longer has lost its way."""


class Dead(BaseException):
    """Raised in a fiber of a killed process wherever it stands. No effect happens after it."""


class HungError(Exception):
    """A history that does not come to its end."""


class Fiber(greenlet):
    """One flow of control of a process. ``epoch`` goes up whenever it is resumed: older wake-ups mean nothing then."""

    def __init__(self, scheduler: Scheduler, owner: Any, work: Callable[[], object]) -> None:
        super().__init__(lambda: _until_dead(work), scheduler.main)
        self.scheduler, self.owner, self.epoch = scheduler, owner, 0


def _until_dead(work: Callable[[], object]) -> None:
    with contextlib.suppress(Dead):
        work()


TICK = 1e-6
"""Seconds. A shorter wait would not move ``now`` at all, late in a history, and whoever waits for a time would do so for ever."""


class Scheduler:
    """The heap of what comes when. ``now`` is true time in seconds; no clock of the product shows it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.main = getcurrent()
        self.events = 0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, delay: float, act: Callable[[], None]) -> None:
        """Have ``act`` done ``delay`` seconds from now, outside every process."""
        heappush(self._heap, (self.now + delay, next(self._order), act))

    def spawn(self, owner: Any, work: Callable[[], object], delay: float = 0.0) -> Fiber:
        """A new fiber of ``owner``, which has ``fibers``, ``dead`` and ``frozen_until``."""
        fiber = Fiber(self, owner, work)
        owner.fibers.append(fiber)
        self.wake(fiber, delay)
        return fiber

    def wake(self, fiber: Fiber, delay: float = 0.0) -> None:
        """Resume ``fiber`` then, unless something else resumes it before."""
        epoch = fiber.epoch
        self.at(delay, lambda: self._resume(fiber, epoch))

    def _resume(self, fiber: Fiber, epoch: int) -> None:
        if fiber.dead or fiber.epoch != epoch:
            return
        if fiber.owner.frozen_until > self.now:
            self.wake(fiber, fiber.owner.frozen_until - self.now)
            return
        fiber.epoch += 1
        fiber.switch()

    def park(self) -> None:
        """Wait, in a fiber, until somebody wakes it. Raises ``Dead``."""
        self.main.switch()
        fiber = getcurrent()
        if fiber.owner.dead:
            raise Dead

    def wait(self, seconds: float) -> None:
        """Let time pass, in a fiber; if any, then so much that it shows. Raises ``Dead``."""
        fiber = getcurrent()
        if fiber.owner.dead:
            raise Dead
        self.wake(fiber, max(seconds, TICK) if seconds > 0 else 0.0)
        self.park()

    def run(self, until: Callable[[], bool]) -> None:
        """Do what comes next until ``until`` says that it is enough. Raises ``HungError``."""
        while not until():
            if not self._heap:
                raise HungError("nothing is left to happen")
            self.events += 1
            if self.events > BUDGET:
                raise HungError(f"more than {BUDGET} events")
            self.now, _, act = heappop(self._heap)
            act()

    def reap(self, owner: Any) -> None:
        """End every fiber of a dead process where it stands."""
        for fiber in owner.fibers:
            while fiber and not fiber.dead:
                fiber.epoch += 1
                fiber.throw(Dead)
        owner.fibers.clear()


def here() -> Fiber | None:
    """The fiber that runs, ``None`` outside of all of them."""
    fiber = getcurrent()
    return fiber if isinstance(fiber, Fiber) else None


# --- what stands in for threads --------------------------------------------------------------------------


class GreenLock:
    """For ``threading.Lock`` and ``RLock``: held by a fiber, and by the same one as often as it likes."""

    def __init__(self) -> None:
        self._owner: Fiber | None = None
        self._depth = 0
        self._waiting: deque[Fiber] = deque()

    def __enter__(self) -> None:
        me = here()
        while self._owner is not None and self._owner is not me and not self._owner.dead:
            assert me is not None
            self._waiting.append(me)
            me.scheduler.park()
        self._owner = me
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._owner = None
            while self._waiting:
                waiter = self._waiting.popleft()
                if not waiter.dead:
                    waiter.scheduler.wake(waiter)
                    break


class GreenQueue:
    """For ``queue.SimpleQueue``."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._waiting: Fiber | None = None

    def put(self, item: Any) -> None:
        """Wakes whoever waits."""
        self._items.append(item)
        if self._waiting is not None:
            self._waiting.scheduler.wake(self._waiting)
            self._waiting = None

    def get(self, timeout: float) -> Any:
        """Raises ``Empty`` after ``timeout`` seconds."""
        if not self._items:
            me = here()
            assert me is not None
            self._waiting = me
            me.scheduler.wait(timeout)
            self._waiting = None
        if not self._items:
            raise Empty
        return self._items.popleft()

    def get_nowait(self) -> Any:
        """What is there."""
        return self._items.popleft()

    def empty(self) -> bool:
        """Whether nothing is there."""
        return not self._items


class GreenPool:
    """For ``executors.threads.Threads``: each job is a fiber of the process that submits it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running = 0
        self._queued: deque[Callable[[], None]] = deque()

    def submit(self, job: Callable[[], None]) -> None:
        """Have it run, as soon as fewer than the limit do."""
        self._queued.append(job)
        self._next()

    def _next(self) -> None:
        me = here()
        assert me is not None
        while self._queued and self._running < self._limit:
            self._running += 1
            job = self._queued.popleft()
            me.scheduler.spawn(me.owner, lambda job=job: self._run(job))  # type: ignore[misc]

    def _run(self, job: Callable[[], None]) -> None:
        job()
        self._running -= 1
        self._next()

    def close(self) -> None:
        """Nothing to let go."""


class GreenExecutor:
    """For ``concurrent.futures.ThreadPoolExecutor``: one after the other, as all of them only read."""

    def __init__(self, workers: int) -> None:
        del workers

    def __enter__(self) -> GreenExecutor:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterable[Any]:
        """In order."""
        return [work(item) for item in items]
