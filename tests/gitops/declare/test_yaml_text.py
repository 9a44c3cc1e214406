"""The positioned YAML reader: YAML 1.2 scalars, a place for everything, small answers to large attacks."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.declare.documents import Document
from gitops.declare.yaml_text import parse
from gitops.limits import DEPTH, FILE_BYTES
from planners.problems import Where


def read(text: str) -> Document:
    result = parse("f.yaml", text.encode())
    assert isinstance(result, Document), [str(p) for p in result]
    return result


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("22:22", "22:22"),
        ("012", 12),
        ("0o12", 10),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("2020-01-01", "2020-01-01"),
        ("1.5", 1.5),
        ("-3", -3),
        ("1e3", 1000.0),
        ("'12'", "12"),
        ('"true"', "true"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("!!str 12", "12"),
        ("1.2.3", "1.2.3"),
        ("-", None),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_plain_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = read(f"a: {text}\n").value["a"] if text != "-" else read("a:\n  -\n").value["a"][0]  # type: ignore[index, call-overload]
    assert found == value
    assert type(found) is type(value)


def test_every_key_and_value_has_its_place() -> None:
    document = read("a:\n  b: [1, {c: x}]\n'd': 2\n")
    assert document.value == {"a": {"b": [1, {"c": "x"}]}, "d": 2}
    assert document.at(("a",), key=True) == Where("f.yaml", 1, 1)
    assert document.at(("a", "b"), key=True) == Where("f.yaml", 2, 3)
    assert document.at(("a", "b", 1, "c")) == Where("f.yaml", 2, 14)
    assert document.at(("a", "b", 1, "c"), key=True) == Where("f.yaml", 2, 11)
    assert document.at(("d",)) == Where("f.yaml", 3, 6)
    assert document.at(("a", "nothing", "below")) == Where("f.yaml", 2, 3)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "---\n...\n", "\ufeff"])
def test_nothing_is_an_empty_map(text: str) -> None:
    assert read(text).value == {}


def test_keys_are_text_as_written() -> None:
    assert read("80: a\ntrue: b\n").value == {"80": "a", "true": "b"}


def test_several_duplicate_keys_are_all_told() -> None:
    result = parse("f.yaml", b"a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert isinstance(result, tuple)
    assert [p.where.line for p in result] == [2, 3]


def test_limits_hold_at_their_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    at_depth = "[" * DEPTH + "]" * DEPTH
    assert isinstance(parse("f", at_depth.encode()), Document)
    beyond = parse("f", f"[{at_depth}]".encode())
    assert isinstance(beyond, tuple)
    assert beyond[0].code == "too-deep"
    monkeypatch.setattr("gitops.declare.yaml_text.NODES", 100)
    assert isinstance(parse("f", b"[" + b"1," * 99 + b"]"), Document)
    many = parse("f", b"[" + b"1," * 100 + b"]")
    assert isinstance(many, tuple)
    assert many[0].code == "too-many-values"
    large = parse("f", b"#" * (FILE_BYTES + 1))
    assert isinstance(large, tuple)
    assert large[0].code == "file-too-large"


@pytest.mark.parametrize(
    "attack",
    [
        b"[" * 500_000,
        b"{a: " * 200_000,
        b"- " * 400_000,
        b"? " * 300_000,
        b"a: &a [x]\n" + b"".join(b"b%d: [%s]\n" % (n, b",".join([b"*a"] * 9)) for n in range(9)),
        b"x: !!binary " + b"A" * 1000,
        b"a: " + b"9" * 100_000,
        b'"' + b"\\x" * 100_000,
    ],
)
def test_attacks_are_answered_and_not_carried_out(attack: bytes) -> None:
    result = parse("f", attack)
    assert isinstance(result, tuple) or result.value == {"a": "9" * 100_000}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcdefg-_1", min_size=1, max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abcxyz-_", min_size=1, max_size=6), json_values, max_size=5), st.booleans())
@settings(max_examples=80, deadline=None)
def test_what_a_writer_wrote_is_read_back(value: dict[str, object], flow: bool) -> None:
    text = yaml.safe_dump(value, allow_unicode=True, default_flow_style=flow, default_style='"')
    # the writer's quotes make text of everything, so its tags say what is none: both readers must agree
    result = parse("f", text.encode())
    if isinstance(result, tuple):
        assert {p.code for p in result} <= {"tag", "yaml-syntax"}
        return
    assert result.value == yaml.load(text, yaml.CSafeLoader)


@given(st.text(max_size=60) | st.text("ab: -[]{}#&*!|>'\"%@`\n\t,?", max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_gives_a_value_or_problems_with_places(text: str) -> None:
    result = parse("f", text.encode(errors="surrogatepass"))
    if isinstance(result, tuple):
        assert result
        assert all(p.where.line >= 1 for p in result)
