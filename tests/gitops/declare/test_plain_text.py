"""Only text that shows what it is."""

from __future__ import annotations

import pytest

from gitops.declare.plain_text import decoded, named, too_large
from gitops.limits import FILE_BYTES
from planners.problems import Problem, Where


def test_a_byte_order_mark_is_no_text() -> None:
    assert decoded("f", b"\xef\xbb\xbfa: 1\n") == "a: 1\n"


@pytest.mark.parametrize("text", ["plain\ttabs\r\nlines\n", "Zürich, naïve, 日本, 😀", "ک‌ی", "a\u00a0b"])
def test_people_s_text_passes(text: str) -> None:
    assert decoded("f", text.encode()) == text


@pytest.mark.parametrize(
    ("text", "name", "column"),
    [
        ("ab\x00", "U+0000", 3),
        ("\x1b[2J", "U+001B", 1),
        ("a\rb", "U+000D", 2),
        ("a\x85b", "U+0085", 2),
        ("# x\u2028evil: true", "U+2028", 4),
        ("a\u202eb", "U+202E", 2),
        ("a\u2066b", "U+2066", 2),
        ("a\u200bb", "U+200B", 2),
        ("a\ufeffb", "U+FEFF", 2),
        ("a\U000e0041", "U+E0041", 2),
    ],
)
def test_what_cannot_be_seen_is_refused_with_its_place(text: str, name: str, column: int) -> None:
    problem = decoded("f", f"first\n{text}".encode())
    assert isinstance(problem, Problem)
    assert (problem.code, problem.where) == ("hidden-character", Where("f", 2, column))
    assert name in problem.message


@pytest.mark.parametrize(("data", "where"), [(b"\xff", Where("f", 1, 1)), (b"a: 1\nb: caf\xe9\n", Where("f", 2, 7))])
def test_bytes_that_are_no_text(data: bytes, where: Where) -> None:
    problem = decoded("f", data)
    assert isinstance(problem, Problem)
    assert (problem.code, problem.where) == ("not-utf8", where)


def test_size_is_told_before_anything_else() -> None:
    problem = decoded("f", b"\xff" * (FILE_BYTES + 1))
    assert problem == too_large("f", FILE_BYTES + 1)
    assert named("\x07") == "U+0007"
