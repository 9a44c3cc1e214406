"""The nearest known name, for hints."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def hint(name: str, known: Iterable[str], otherwise: str) -> str:
    """``did you mean 'x'?``, or ``otherwise`` when nothing known is near."""
    near = get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else otherwise
