"""How long, and how often, a health check is asked before it counts as failed. Pure: time is an argument."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from planners.dataclass import dataclass

FIRST_PAUSE = 0.2
"""Seconds after the first failed check. Most services need a moment and not a whole interval; pauses double up to that."""


class Timing(Protocol):
    """Seconds, but for ``retries``: how many checks may fail, an interval apart, once the start period is over."""

    @property
    def interval(self) -> float: ...

    @property
    def retries(self) -> int: ...

    @property
    def start_period(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Watch:
    """One service being waited for. ``since``: monotonic time at which it was applied; ``failed``: checks so far."""

    timing: Timing
    since: float
    failed: int = 0

    def unhealthy(self) -> Watch:
        """After one more failed check."""
        return replace(self, failed=self.failed + 1)

    def pause(self, now: float) -> float | None:
        """Seconds until the next check, ``None`` when there is to be no other."""
        ends = self.since + self.timing.start_period + self.timing.interval * (self.timing.retries - 1)
        if now >= ends:
            return None
        return min(self.timing.interval, FIRST_PAUSE * 2.0 ** min(self.failed - 1, 30), ends - now)
