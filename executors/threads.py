"""Where jobs run: in threads of their own, or right here when everything has to happen in one order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol, TypeAlias

Job: TypeAlias = Callable[[], None]


class Pool(Protocol):
    """Runs jobs. A job reports by itself and raises nothing."""

    def submit(self, job: Job) -> None:
        """Have it run; does not wait unless the pool has no threads."""

    def close(self) -> None:
        """Take no more jobs; what runs is left to end."""


class Threads:
    """At most ``limit`` threads, started as they are needed.

    They are daemons: whoever insists on leaving (a second Ctrl-C) does not wait for a provider that hangs.
    """

    def __init__(self, limit: int, name: str = "step") -> None:
        self._limit = limit
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._started = 0

    def submit(self, job: Job) -> None:
        """Queue it; another thread is started if none is idle."""
        self._jobs.put(job)
        if not self._idle.acquire(blocking=False) and self._started < self._limit:
            self._started += 1
            threading.Thread(target=self._work, name=f"{self._name}-{self._started}", daemon=True).start()

    def close(self) -> None:
        """Let the threads go once they have done what is queued."""
        for _ in range(self._started):
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            self._idle.release()


class Inline:
    """No threads: a job is over when ``submit`` returns. What happens then happens in the same order every time."""

    def submit(self, job: Job) -> None:
        """Run it."""
        job()

    def close(self) -> None:
        """Nothing to let go."""
