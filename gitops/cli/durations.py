"""Durations as people write them: ``90s``, ``15m``, ``2h``, ``7d``."""

from __future__ import annotations

import re

from gitops.stops import Exit, Stop

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(text: str) -> float:
    """``10m`` -> 600.0; raises ``Stop`` (usage) for anything else than a number with one unit."""
    match = re.fullmatch(r"(\d+)([smhd])", text.strip())
    if match is None:
        raise Stop(Exit.USAGE, f"'{text}' is not a duration", "write it as 90s, 15m, 2h or 7d")
    return float(int(match[1]) * UNITS[match[2]])


def moment_of(text: str, now: float) -> float:
    """A day, a time (UTC unless it says otherwise) or a duration before ``now``, as Unix seconds. Raises ``Stop`` (usage)."""
    from datetime import UTC, datetime

    if re.fullmatch(r"\d+[smhd]", text.strip()):
        return now - seconds_of(text)
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        message = f"'{text}' is neither a time nor a duration"
        raise Stop(Exit.USAGE, message, "write it as 2026-11-24, 2026-11-24T15:00Z, 90s, 15m, 2h or 7d") from error
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
