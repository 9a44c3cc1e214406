"""When to try again, and when to leave an endpoint alone. Pure: time and chance are arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace

ATTEMPTS = 3
BASE_SECONDS, FACTOR, CAP_SECONDS = 5.0, 2.0, 300.0
OPEN_AFTER, OPEN_SECONDS = 5, 60.0
"""A breaker opens after so many failures in a row, for so long (DESIGN section 8)."""


def wait_before(attempt: int, chance: float, asked: float = 0.0) -> float:
    """Seconds before attempt ``attempt`` (the first retry is 1): full jitter below a bound that doubles, but no less than
    the other side ``asked`` for. ``chance`` is from 0 up to 1."""
    return min(CAP_SECONDS, max(asked, chance * min(CAP_SECONDS, BASE_SECONDS * FACTOR ** (attempt - 1))))


@dataclass(frozen=True, slots=True)
class Breaker:
    """One endpoint's recent failures. ``opened``: monotonic time at which it was opened, ``None`` while closed."""

    failures: int = 0
    opened: float | None = None

    def left(self, now: float) -> float:
        """Seconds until the endpoint may be asked again; one call is let through then."""
        return 0.0 if self.opened is None else max(0.0, self.opened + OPEN_SECONDS - now)

    def failed(self, now: float) -> Breaker:
        """After one more failure."""
        failures = self.failures + 1
        return replace(self, failures=failures, opened=now if failures >= OPEN_AFTER else self.opened)

    def succeeded(self) -> Breaker:
        """After a success."""
        return Breaker()
