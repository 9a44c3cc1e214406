"""Sizes as people read them; the rest is shown by ``tests/scenarios/test_rotated_ledgers.py``."""

from __future__ import annotations

import pytest

from gitops.growth import Grown, readable


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (3_565_158, "3.4 MiB"), (5 << 30, "5.0 GiB"), (7 << 40, "7168.0 GiB")],
)
def test_a_size_is_readable(size: int, text: str) -> None:
    assert readable(size) == text


def test_a_chain_is_a_document() -> None:
    assert Grown(2, "r", "live", "a", 3, 4).document() == {
        "generation": 2, "ref": "r", "state": "live", "tip": "a", "transitions": 3, "size": 4,
    }  # fmt: skip
