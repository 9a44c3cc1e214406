"""Time as a port: this machine's, and one that tests move."""

from __future__ import annotations

import threading
import time


class SystemClock:
    """The real one. Its monotonic time counts suspend where the system can tell (Linux: CLOCK_BOOTTIME)."""

    def wall(self) -> float:
        """Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never step back."""
        boottime = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic() if boottime is None else time.clock_gettime(boottime)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class FakeClock:
    """Stands still until it is told to go on; sleeping is going on."""

    def __init__(self, wall: float = 1_700_000_000.0) -> None:
        self._wall = wall
        self._passed = 0.0
        self._lock = threading.Lock()

    def wall(self) -> float:
        """Unix time in seconds."""
        return self._wall + self._passed

    def monotonic(self) -> float:
        """Seconds since it was made."""
        return self._passed

    def sleep(self, seconds: float) -> None:
        """Go on at once."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._passed += seconds
