"""Strict JSON of plain dataclasses: what does not fit is refused, never guessed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.ledger.shape import Malformed, many, of_document, to_document


@dataclass(frozen=True, slots=True)
class Inner:
    name: str


@dataclass(frozen=True, slots=True)
class Outer:
    text: str
    count: int
    flag: bool
    inner: tuple[Inner, ...] = ()
    late: str = "default"


def read(document: Any) -> Outer:
    return of_document(Outer, document, inner=many(lambda v: of_document(Inner, v)))


@given(st.builds(Outer, st.text(), st.integers(), st.booleans(), st.lists(st.builds(Inner, st.text())).map(tuple), st.text()))
def test_what_is_written_is_read_back(value: Outer) -> None:
    assert read(to_document(value)) == value


def test_a_field_an_older_writer_did_not_know_has_its_default() -> None:
    assert read({"text": "a", "count": 1, "flag": True}).late == "default"


GOOD = {"text": "a", "count": 1, "flag": True}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "is not an object"),
        ({**GOOD, "extra": 1}, "has the unknown field 'extra'"),
        ({"text": "a", "count": 1}, "lacks the field 'flag'"),
        ({**GOOD, "count": "1"}, "field 'count' is not of type int"),
        ({**GOOD, "count": True}, "field 'count' is not of type int"),
        ({**GOOD, "text": None}, "field 'text' is not of type str"),
        ({**GOOD, "inner": {}}, "field 'inner' is not a list"),
        ({**GOOD, "inner": [{"name": 1}]}, "field 'inner' field 'name' is not of type str"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(document: Any, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(document)
    assert str(caught.value) == message


def test_a_reader_that_fails_for_its_own_reasons_is_told_by_field() -> None:
    with pytest.raises(Malformed, match="field 'text' is broken"):
        of_document(Outer, GOOD, text=lambda v: v.missing)
