"""Edits of a person's file: the meant value comes out, and everything else stays as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.declare.documents import Document
from gitops.declare.edit import add, append, remove, set_value
from gitops.declare.yaml_text import parse
from gitops.limits import EDIT_BYTES
from planners.problems import Problem

PATH = "infra/shop/main.yaml"


def value(text: str) -> Any:
    found = parse(PATH, text.encode())
    assert isinstance(found, Document), [str(p) for p in found]
    return found.value


def edited(result: str | Problem) -> str:
    assert isinstance(result, str), str(result)
    return result


# --- what people write -----------------------------------------------------------------------------------

WORDS = st.sampled_from(["eu-1", "debian-12", "small", "10.0.0.1", "a b"])
COMMENTS = st.sampled_from(["", "", '  # why: it\'s "so"', " #x", "   # a: b"])


@dataclass(frozen=True)
class Written:
    """A file as a person might lay it out. ``listed``: whether servers are a list."""

    text: str
    listed: bool


@st.composite
def scalars(draw: Any) -> str:
    kind = draw(st.integers(0, 3))
    if kind == 0:
        return str(draw(st.integers(1, 99)))
    word = draw(WORDS)
    return [word, f"'{word}'", f'"{word}"'][kind - 1]


@st.composite
def files(draw: Any) -> Written:
    step, dash, listed = draw(st.sampled_from([2, 4])), draw(st.sampled_from([0, 2])), draw(st.booleans())
    lines = ["# the shop\n", "\n"] if draw(st.booleans()) else []
    lines += ["settings:\n", f"{' ' * step}provider: fake{draw(COMMENTS)}\n"]
    lines += ["\n"] * draw(st.integers(0, 2))
    lines += [f"servers:{draw(COMMENTS)}\n"]
    for name in draw(st.lists(st.sampled_from(["web-01", "web-02", "db-01"]), min_size=1, max_size=3, unique=True)):
        indent = " " * (dash if listed else step)
        lines += [f"{indent}# about {name}\n"] if draw(st.booleans()) else []
        fields = [f"{k}: {draw(scalars())}{draw(COMMENTS)}\n" for k in draw(st.permutations(["zone", "image", "extra"]))]
        if listed:
            fields = [f"name: {name}\n", *fields]
            lines += [f"{indent}- {fields[0]}", *(f"{indent}  {f}" for f in fields[1:])]
        else:
            quote = draw(st.sampled_from(["", "'", '"']))
            lines += [f"{indent}{quote}{name}{quote}:{draw(COMMENTS)}\n", *(f"{indent}{' ' * step}{f}" for f in fields)]
        below = indent + ("  " if listed else " " * step)
        if draw(st.booleans()):
            lines += [f"{below}taskservs: [nginx,  redis]{draw(COMMENTS)}\n"]
        elif draw(st.booleans()):
            lines += [f"{below}taskservs:\n", f"{below}{' ' * dash}- nginx{draw(COMMENTS)}\n"]
        lines += ["\n"] * draw(st.integers(0, 1))
    if draw(st.booleans()):
        lines += ["# what else\n", "extra: {a:  1, b: 'x'}   # kept\n"]
    return Written("".join(lines), listed)


def comments(text: str) -> list[str]:
    return [line[line.index("#") :] for line in text.splitlines() if "#" in line]


def is_within(part: list[str], whole: list[str]) -> bool:
    """Whether ``part`` is ``whole`` with lines left out."""
    rest = iter(whole)
    return all(any(line == other for other in rest) for line in part)


def entry(document: Any, name: str) -> Any:
    servers = document["servers"]
    if isinstance(servers, list):
        return next(s for s in servers if s["name"] == name)
    return servers[name]


def first(document: Any) -> str:
    servers = document["servers"]
    return servers[0]["name"] if isinstance(servers, list) else next(iter(servers))


# --- what must hold --------------------------------------------------------------------------------------


@given(
    files(), st.sampled_from([{}, {"zone": "eu-1", "cpu_cores": 2}, {"taskservs": ["nginx", {"name": "redis", "role": "main"}]}])
)
def test_a_new_entry_leaves_every_line_as_it_was(written: Written, new: Mapping[str, Any]) -> None:
    result = edited(add(PATH, written.text, ("servers", "new-01"), new))
    expected = value(written.text)
    if written.listed:
        expected["servers"].append({"name": "new-01", **new})
    else:
        expected["servers"]["new-01"] = new
    assert value(result) == expected
    assert is_within(written.text.splitlines(), result.splitlines())


@settings(deadline=None)
@given(files())
def test_what_was_added_and_removed_leaves_the_file_as_it_was(written: Written) -> None:
    longer = edited(add(PATH, written.text, ("servers", "new-01"), {"zone": "eu-1"}))
    assert edited(remove(PATH, longer, ("servers", "new-01"))) == written.text


@settings(deadline=None)
@given(files(), st.sampled_from(["zone", "image", "new"]), st.sampled_from([7, "text", "yes", "12", ["a", "b"]]))
def test_a_value_set_changes_its_own_line(written: Written, key: str, new: Any) -> None:
    before = value(written.text)
    name = first(before)
    result = edited(set_value(PATH, written.text, ("servers", name, key), new))
    expected = deepcopy(before)
    entry(expected, name)[key] = new
    assert value(result) == expected
    others = [line for line in written.text.splitlines() if not line.lstrip(" -").startswith(f"{key}:")]
    assert is_within(others, result.splitlines())
    assert set(comments(written.text)) - set(comments(result)) == set()


@settings(deadline=None)
@given(files(), st.sampled_from(["zone", "image", "extra"]))
def test_the_same_value_set_again_changes_nothing(written: Written, key: str) -> None:
    name = first(value(written.text))
    same = entry(value(written.text), name)[key]
    assert set_value(PATH, written.text, ("servers", name, key), same) == written.text


@settings(deadline=None)
@given(files(), st.sampled_from(["haproxy", {"name": "haproxy", "role": "edge"}]))
def test_an_item_appended_is_the_last_of_its_list(written: Written, new: Any) -> None:
    before = value(written.text)
    name = first(before)
    result = edited(append(PATH, written.text, ("servers", name, "taskservs"), new))
    expected = deepcopy(before)
    entry(expected, name).setdefault("taskservs", []).append(new)
    assert value(result) == expected
    own = [line for line in written.text.splitlines() if "taskservs: [" not in line]
    assert is_within(own, result.splitlines())
    assert set(comments(written.text)) - set(comments(result)) == set()


@settings(deadline=None)
@given(files(), st.data())
def test_an_entry_removed_takes_its_own_lines_and_no_other(written: Written, data: Any) -> None:
    before = value(written.text)
    names = [s["name"] for s in before["servers"]] if written.listed else list(before["servers"])
    name = data.draw(st.sampled_from(names))
    result = edited(remove(PATH, written.text, ("servers", name)))
    expected = deepcopy(before)
    if len(names) == 1:
        del expected["servers"]
    elif written.listed:
        expected["servers"] = [s for s in expected["servers"] if s["name"] != name]
    else:
        del expected["servers"][name]
    assert value(result) == expected
    assert is_within(result.splitlines(), written.text.splitlines())


# --- one by one ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", "servers:\n  a:\n    zone: eu\n"),
        ("# nothing yet\n", "# nothing yet\nservers:\n  a:\n    zone: eu\n"),
        ("settings: {provider: fake}\n", "settings: {provider: fake}\nservers:\n  a:\n    zone: eu\n"),
        ("servers:\n", "servers:\n  a:\n    zone: eu\n"),
        ("servers: {}\n", "servers:\n  a:\n    zone: eu\n"),
        ("servers: {b: {zone: us}} # all\n", "servers: {b: {zone: us}, a: {zone: eu}} # all\n"),
        ("servers: []\n", "servers:\n  - name: a\n    zone: eu\n"),
        ("servers:\n- b # one\n", "servers:\n- b # one\n- name: a\n  zone: eu\n"),
        ("servers:\n  b: {}\n# the end\n", "servers:\n  b: {}\n  a:\n    zone: eu\n# the end\n"),
        ("servers:\n  b: {}\n\n\nextra: {}\n", "servers:\n  b: {}\n  a:\n    zone: eu\n\n\nextra: {}\n"),
        ("servers:\n  b: {}", "servers:\n  b: {}\n  a:\n    zone: eu\n"),
    ],
)
def test_a_new_server_in_files_of_every_shape(text: str, result: str) -> None:
    assert add(PATH, text, ("servers", "a"), {"zone": "eu"}) == result


def test_what_would_read_as_something_else_is_quoted() -> None:
    for text in ("on", "12", "1e3", "null", "~", "", "a: b", "# x", "- x", "1.2", "0o7", "true", "a\nb", "ü"):
        result = edited(set_value(PATH, "a: 1\n", ("b",), text))
        assert value(result) == {"a": 1, "b": text}


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (add(PATH, "servers: {a: {}}\n", ("servers", "a"), {}), "duplicate-name"),
        (add(PATH, "servers: [{hostname: a}]\n", ("servers", "a"), {}), "duplicate-name"),
        (append(PATH, "a: [{name: x}]\n", ("a",), "x"), "duplicate-name"),
        (append(PATH, "a: 1\n", ("a",), "x"), "wrong-type"),
        (add(PATH, "servers: 1\n", ("servers", "a"), {}), "wrong-type"),
        (remove(PATH, "servers: {a: {}}\n", ("servers", "b")), "not-there"),
        (remove(PATH, "servers: {a: {}}\n", ("volumes", "b")), "not-there"),
        (set_value(PATH, "servers: [a]\n", ("servers", "b", "zone"), "x"), "not-there"),
        (add(PATH, "[1]\n", ("servers", "a"), {}), "wrong-type"),
        (add(PATH, "a: {\n", ("servers", "a"), {}), "yaml-syntax"),
        (add(PATH, "a: &x 1\nb: *x\n", ("servers", "a"), {}), "alias"),
        (add(PATH, "#" * (EDIT_BYTES + 1), ("servers", "a"), {}), "file-too-large"),
    ],
)
def test_what_cannot_be_done_is_a_problem_and_no_text(result: str | Problem, code: str) -> None:
    assert isinstance(result, Problem)
    assert (result.code, result.where.path) == (code, PATH)
    assert result.hint


def test_the_nearest_name_is_offered() -> None:
    problem = remove(PATH, "servers: {web-01: {}, db-01: {}}\n", ("servers", "web-1"))
    assert isinstance(problem, Problem)
    assert problem.hint == "did you mean 'web-01'?"


def test_the_last_entry_takes_its_collection_with_it() -> None:
    assert remove(PATH, "a: 1\nservers:\n  x: {}\n", ("servers", "x")) == "a: 1\n"
    assert remove(PATH, "servers:\n  x: {}\n", ("servers", "x")) == ""
    assert remove(PATH, "# keep\nservers: [x]\nb: 2\n", ("servers", "x")) == "# keep\nb: 2\n"
