"""Text from elsewhere does nothing on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.visible import clean, lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("a\x1b[31mb", "a\\x1b[31mb"), ("x\nfree", "x\\nfree"), ("\u202eabc", "\\u202eabc"), ("Grüße", "Grüße")],
)
def test_what_does_not_print_is_written_out(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text())
def test_nothing_that_acts_is_left(text: str) -> None:
    assert clean(text).isprintable()
    assert all(c.isprintable() or c in "\n\t" for c in lines(text))
    assert lines(text).count("\n") == text.count("\n")
