"""Values with places: what has none is told at the nearest thing around it."""

from __future__ import annotations

import pytest

from gitops.declare.documents import Document, Findings, dotted, empty, leaves, texts, type_name, unmarked, without
from gitops.declare.yaml_text import parse
from planners.problems import NOWHERE, Problem, Where


def read(text: str) -> Document:
    found = parse("f", text.encode())
    assert isinstance(found, Document)
    return found


def test_parts_keep_their_places() -> None:
    document = read("a:\n  b: [1, x]\n")
    part = document.part(("a", "b"))
    assert part.value == [1, "x"]
    assert part.at((1,)) == Where("f", 2, 10)
    with pytest.raises(KeyError):
        document.part(("a", "c"))


def test_what_has_no_place_of_its_own_is_told_where_the_whole_is() -> None:
    document = unmarked({"a": {"b": 1}}, Where("f", 1, 1))
    assert document.at(("a", "b"), key=True) == Where("f", 1, 1)
    assert document.part(("a", "b")).at(()) == Where("f", 1, 1)
    assert empty().at(("x",)) == NOWHERE


def test_leaves_are_scalars_lists_and_empty_maps_in_order() -> None:
    found = [(path, value) for path, value, _ in leaves(read("b: {c: [1]}\na: {}\nd: x\n"))]
    assert found == [(("b", "c"), [1]), (("a",), {}), (("d",), "x")]


def test_texts_are_found_in_lists_too() -> None:
    found = [(dotted(path), text, where.line) for path, text, where in texts(read("a:\n  - x: y\n  - z\nb: 1\n"))]
    assert found == [("a[0].x", "y", 2), ("a[1]", "z", 3)]


def test_paths_are_written_as_people_do() -> None:
    assert dotted(("servers", "web-01", "taskservs", 0, "name")) == "servers.web-01.taskservs[0].name"
    assert dotted(()) == ""


@pytest.mark.parametrize(
    ("value", "name"),
    [(None, "null"), (True, "bool"), (1, "int"), (1.5, "number"), ("", "string"), ({}, "map"), ([], "list")],
)
def test_types_have_the_names_of_declarations(value: object, name: str) -> None:
    assert type_name(value) == name


def test_entries_are_taken_out_without_touching_the_original() -> None:
    document = read("servers: {a: 1, b: 2}\nextra: {a: 3}\n")
    assert without(document, {("servers", "a"), ("volumes", "a")}).value == {"servers": {"b": 2}, "extra": {"a": 3}}
    assert document.value == {"servers": {"a": 1, "b": 2}, "extra": {"a": 3}}
    assert without(document, ()) is document


def test_findings_gather() -> None:
    findings = Findings()
    findings.add(NOWHERE, "code", "what", "advice")
    findings.extend((Problem(NOWHERE, "other", "what"),))
    assert [p.code for p in findings.items] == ["code", "other"]
