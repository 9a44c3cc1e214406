"""When to try again, and when to leave an endpoint alone. Pure: time and chance are arguments."""

from __future__ import annotations

from dataclasses import replace

from planners.dataclass import dataclass

ATTEMPTS = 3
"""Of one effect, the first included."""
BASE_SECONDS, FACTOR, CAP_SECONDS = 5.0, 2.0, 300.0
OPEN_AFTER, OPEN_SECONDS = 5, 60.0
"""A breaker opens after so many transient failures in a row, for so long (all of these: DESIGN section 8)."""


def pause(failures: int, chance: float, asked: float = 0.0) -> float:
    """Seconds to wait after so many failures: full jitter below a bound that doubles, but never less than was ``asked`` for.

    ``chance`` is from 0 up to 1. What is asked for counts up to the same cap: nobody is made to wait for ever.
    """
    bound = min(CAP_SECONDS, BASE_SECONDS * FACTOR ** (failures - 1))
    return min(CAP_SECONDS, max(asked, chance * bound))


@dataclass(frozen=True, slots=True)
class Breaker:
    """One endpoint's recent failures. ``opened``: monotonic time at which it was opened, ``None`` while closed."""

    failures: int = 0
    opened: float | None = None

    def admit(self, now: float) -> tuple[Breaker, float]:
        """Whether a call may go through: seconds to wait for that, 0 when it may.

        Once an open breaker has waited long enough it lets one call through and stays open for all others until that ends.
        """
        if self.opened is None:
            return self, 0.0
        left = self.opened + OPEN_SECONDS - now
        return (self, left) if left > 0 else (replace(self, opened=now), 0.0)

    def failed(self, now: float) -> Breaker:
        """After one more transient failure."""
        failures = self.failures + 1
        return Breaker(failures, now if failures >= OPEN_AFTER else None)

    def succeeded(self) -> Breaker:
        """After any answer that is not a transient failure."""
        return Breaker()
