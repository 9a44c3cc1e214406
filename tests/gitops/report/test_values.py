"""How one changed value is shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.report.values import LONGEST, MOST, line, lines, shown
from gitops.visible import clean
from planners.steps import Change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change("size", None, 2), ("+", "size: 2")),
        (Change("size", 2, None), ("-", "size: 2")),
        (Change("size", 2, 4), ("~", "size: 2 -> 4")),
        (Change("image", "a", "b", forces_replace=True), ("~", 'image: "a" -> "b"  # forces replacement')),
        (Change("ip", None, "${server/a.ip}", unknown=True), ("?", 'ip: "${server/a.ip}" (known after apply)')),
        (Change("ip", "${server/a.ip}", "${server/a.ip}"), ("~", 'ip: "${server/a.ip}" (what it refers to changed)')),
        (Change("pw", "old", "new", sensitive=True), ("~", "pw: (sensitive)")),
        (Change("pw", None, "new", sensitive=True, unknown=True), ("~", "pw: (sensitive)")),
        (Change("pw", "old", None, sensitive=True, forces_replace=True), ("~", "pw: (sensitive)  # forces replacement")),
        (Change("tags", ["a"], ["a", {"b": 1}]), ("~", 'tags: ["a"] -> ["a", {"b": 1}]')),
    ],
)
def test_each_kind_of_change_has_its_line(change: Change, expected: tuple[str, str]) -> None:
    assert line(change) == expected


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain ü 日本", "plain ü 日本"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
    ],
)
def test_nothing_that_does_not_print_gets_through(text: str, safe: str) -> None:
    assert clean(text) == safe
    assert clean(text).isprintable()


def test_values_are_json_on_one_line_cut_where_long() -> None:
    assert shown("a\x1b\nb") == '"a\\u001b\\nb"'
    assert shown({"b": 1, "a": None}) == '{"a": null, "b": 1}'
    long = shown("x" * 500)
    assert long == '"' + "x" * (LONGEST - 1) + "… (502 characters)"


LETTER = "".join(f"line {n}\n" for n in range(10))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            LETTER,
            LETTER.replace("line 4", "row 4"),
            [
                ("~", "text:"),
                (" ", "… 3 the same"),
                (" ", "line 3"),
                ("-", "line 4"),
                ("+", "row 4"),
                (" ", "line 5"),
                (" ", "… 5 the same"),
            ],
        ),
        (None, "a\nb\x1b", [("+", "text:"), ("+", "a"), ("+", "b\\x1b")]),
        ("a\nb", None, [("-", "text:"), ("-", "a"), ("-", "b")]),
        ("a", "a\nb", [("~", "text:"), (" ", "a"), ("+", "b")]),
        (7, "a\nb", [("~", "text:"), ("-", "7"), ("+", "a"), ("+", "b")]),
        ("one\n", "two\n", [("~", 'text: "one\\n" -> "two\\n"')]),
        (
            [f"10.0.0.{n}" for n in range(8)],
            [f"10.0.0.{n}" for n in range(8) if n != 5],
            [
                ("~", "text:"),
                (" ", "… 4 the same"),
                (" ", '"10.0.0.4"'),
                ("-", '"10.0.0.5"'),
                (" ", '"10.0.0.6"'),
                (" ", '"10.0.0.7"'),
            ],
        ),
    ],
)
def test_what_has_several_lines_or_elements_is_compared_by_them(before: Any, after: Any, expected: list[tuple[str, str]]) -> None:
    assert list(lines(Change("text", before, after))) == expected


def test_of_a_long_text_what_differs_is_shown_with_a_little_around_it() -> None:
    before = "a" * 300 + "old" + "z" * 300
    ((sign, text),) = lines(Change("key", before, before.replace("old", "new")))
    around = "a" * 24, "z" * 24
    assert (sign, text) == (
        "~",
        f"key: …{around[0]}old{around[1]}… (605 characters) -> …{around[0]}new{around[1]}… (605 characters)",
    )


def test_a_value_takes_no_more_than_so_many_lines() -> None:
    found = lines(Change("text", None, "\n".join(map(str, range(500))), forces_replace=True))
    assert found[0] == ("+", "text:  # forces replacement")
    assert (len(found), found[-1]) == (MOST + 2, (" ", "… 460 more lines"))
    huge = lines(Change("text", None, "\n" * 5_000 + "x"))
    assert len(huge) == 1 and len(huge[0][1]) < 2 * LONGEST, "what is too long to be compared is cut"


@pytest.mark.parametrize("marks", [{"sensitive": True}, {"unknown": True}])
def test_what_is_hidden_or_not_known_yet_is_never_taken_apart(marks: dict[str, bool]) -> None:
    change = Change("text", "a\nb", "a\nc", **marks)
    assert lines(change) == (line(change),)


texts = st.text(alphabet="ab\n\x1b", max_size=12)


@given(texts, texts)
def test_both_sides_can_be_read_back_as_far_as_they_are_shown(before: str, after: str) -> None:
    found = lines(Change("t", before, after))
    assert all(text.isprintable() for _, text in found)
    if len(found) > 1 and not any(text.startswith("…") for _, text in found):
        assert [t for sign, t in found[1:] if sign in " -"] == [clean(t) for t in before.split("\n")]
        assert [t for sign, t in found[1:] if sign in " +"] == [clean(t) for t in after.split("\n")]
