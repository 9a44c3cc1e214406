"""Moments as people read them: UTC, to the second."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(unix: float) -> str:
    """``2026-11-24T14:05:09Z``, or ``-`` for no time."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if unix else "-"
