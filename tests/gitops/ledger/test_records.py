"""Audit entries and what a step printed."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.ledger.records import OUTPUT_BYTES, Entry, entry_of, tail
from gitops.ledger.shape import Malformed
from planners.canonical import encode

ENTRY = Entry(
    1, "i", 2, "Ann <ann@example.org>", "create", "server/web-01", "done", "r1", "p1", 3, "op", "m", "o", "why", "host", "prev"
)


def test_an_entry_survives_its_json() -> None:
    assert entry_of(ENTRY.document()) == ENTRY


def test_the_digest_covers_every_field_but_the_id() -> None:
    for field in fields(Entry):
        value: Any = getattr(ENTRY, field.name)
        changed = replace(ENTRY, **{field.name: value + 1 if isinstance(value, int) else value + "x"})
        assert (changed.digest == ENTRY.digest) == (field.name == "id"), field.name


def test_what_is_no_entry_is_refused() -> None:
    with pytest.raises(Malformed):
        entry_of({**ENTRY.document(), "seq": "1"})


@given(st.text(max_size=20), st.integers(0, 3))
def test_the_tail_of_an_output_fits_and_ends_as_the_output_does(text: str, more: int) -> None:
    whole = text * (more * OUTPUT_BYTES // max(1, len(text.encode())) + 1)
    kept = tail(whole)
    assert len(kept.encode()) <= OUTPUT_BYTES
    assert whole.endswith(kept)
    assert encode(kept)


def test_a_short_output_is_kept_whole() -> None:
    assert tail("made\n") == "made\n"
