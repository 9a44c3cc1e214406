"""What a run has tried so far: how often, which endpoint failed, and whose outcome is not known. Time is an argument."""

from __future__ import annotations

from random import Random

from executors.ports import PortError, Retry, Unsettled
from executors.retry import ATTEMPTS, Breaker, pause


class Attempts:
    """Counts by name of what is tried; breakers by endpoint. ``unknown``: operations that may have taken effect unheard."""

    def __init__(self, run: str) -> None:
        self.unknown: set[str] = set()
        self._tried: dict[str, int] = {}
        self._breakers: dict[str, Breaker] = {}
        self._chance = Random(run)  # noqa: S311  # jitter, told apart by run

    def admit(self, endpoint: str, now: float) -> float:
        """Seconds to wait before the endpoint may be called, 0 when it may be now."""
        self._breakers[endpoint], wait = self._breakers.get(endpoint, Breaker()).admit(now)
        return wait

    def ended(self, endpoint: str, op: str, name: str, result: object, now: float) -> None:
        """One attempt at ``name`` is over. Whatever an endpoint answers, it is not down."""
        breaker = self._breakers.get(endpoint, Breaker())
        down = isinstance(result, Retry) and not isinstance(result, Unsettled)
        self._breakers[endpoint] = breaker.failed(now) if down else breaker.succeeded()
        self._tried[name] = self._tried.get(name, 0) + 1
        if isinstance(result, Retry) and result.unknown:
            self.unknown.add(op)

    def left(self, name: str) -> bool:
        """Whether it may be tried once more."""
        return self._tried.get(name, 0) < ATTEMPTS

    def forget(self, name: str) -> None:
        """Count it anew."""
        self._tried.pop(name, None)

    def pause(self, failures: int, error: PortError) -> float:
        """Seconds to wait after so many failures in a row, the last of them ``error``."""
        return pause(failures, self._chance.random(), error.after if isinstance(error, Retry) else 0.0)

    def pause_before(self, name: str, error: PortError) -> float:
        """Seconds to wait before ``name`` is tried again."""
        return self.pause(self._tried.get(name, 1), error)
