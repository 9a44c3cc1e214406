"""Jsonnet to values: pure, bounded, importing only what was handed over, and never showing a file of this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops import limits
from gitops.declare import sandbox
from gitops.declare.documents import Document
from gitops.declare.jsonnet_text import check_limits, evaluate, plain
from planners.problems import Problem, Where

ROOT = "infra/shop/main.jsonnet"


def values(files: Mapping[str, str | bytes], refused: Mapping[str, str] | None = None, *roots: str) -> Mapping[str, object]:
    data = {p: t.encode() if isinstance(t, str) else t for p, t in files.items()}
    answers = evaluate(roots or (ROOT,), data, refused or {})
    return {root: a.value if isinstance(a, Document) else a for root, a in answers.items()}


def problem(files: Mapping[str, str | bytes], refused: Mapping[str, str] | None = None) -> Problem:
    found = values(files, refused)[ROOT]
    assert isinstance(found, tuple)
    assert len(found) == 1
    assert isinstance(found[0], Problem)
    return found[0]


def test_composition_by_import_and_plus() -> None:
    files = {
        ROOT: "local t = import '../../templates/web.libsonnet'; {servers: {web: t.small + {memory_gb: 8}}}",
        "templates/web.libsonnet": "{small: {cpu_cores: 2, memory_gb: 4, tags:: ['hidden']}}",
    }
    assert values(files)[ROOT] == {"servers": {"web": {"cpu_cores": 2, "memory_gb": 8}}}


def test_data_may_be_imported_as_json_and_as_text() -> None:
    files = {ROOT: "{a: import 'a.json', b: importstr 'a.json'}", "infra/shop/a.json": "[1]"}
    assert values(files)[ROOT] == {"a": [1], "b": "[1]"}


def test_no_clock_no_environment_no_randomness() -> None:
    told = problem({ROOT: "std.extVar('HOME')"})
    assert told.code == "jsonnet"
    assert "HOME" in told.message


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("importstr '/etc/hostname'", "is an absolute path"),
        ("import '/etc/hostname'", "is an absolute path"),
        ("importbin '/etc/hostname'", "is an absolute path"),
        ("importstr '../../../../../../etc/hostname'", "leads out of the repository"),
        ("import '../bank/main.jsonnet'", "is not among the files that may be imported"),
        ("importstr 'secrets.enc.yaml'", "is not among the files that may be imported"),
        ("import 'link.libsonnet'", "is a symlink"),
        ("import 'bytes.libsonnet'", "cannot be read as text"),
    ],
)
def test_imports_that_are_refused_show_nothing_of_what_they_lead_to(text: str, what: str) -> None:
    hostname = Path("/etc/hostname").read_text().strip() if Path("/etc/hostname").exists() else "no-such-name"
    files: dict[str, str | bytes] = {ROOT: "{\n  a: " + text + ",\n}\n", "infra/shop/bytes.libsonnet": b"'\xff'"}
    told = problem(files, {"infra/shop/link.libsonnet": "is a symlink"})
    assert (told.code, told.where) == ("bad-import", Where(ROOT, 2, 6))
    assert what in told.message
    assert hostname not in str(told)


def test_an_error_shows_its_place_and_not_the_text_around_it() -> None:
    files = {
        ROOT: "(import 'lib.libsonnet').f(1)",
        "infra/shop/lib.libsonnet": "{\n  local key = 'hunter2',\n  f(x):: key + x.y,\n}",
    }
    told = problem(files)
    assert told.where.path == "infra/shop/lib.libsonnet"
    assert told.where.line == 3
    assert "hunter2" not in str(told)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("local f(x) = 1 + f(x); f(0)", "jsonnet-depth"),
        ("local a = {b: a.b}; a", "jsonnet-depth"),
        ("std.foldl(function(a, b) a + a, std.range(0, 60), 'xxxxxxxx')", "evaluation-memory"),
        ("std.makeArray(100000000, function(i) i)", "evaluation-memory"),
    ],
)
def test_what_never_ends_ends(text: str, code: str) -> None:
    assert problem({ROOT: text}).code == code


def test_an_endless_loop_ends_and_only_its_file_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVALUATION_CPU_SECONDS", 1)
    loop = "local f(n) = if n == 0 then 0 else f(n - 1) + f(n - 1); f(60)"
    found = values({"a.jsonnet": "1", "b.jsonnet": loop, "c.jsonnet": "3"}, None, "a.jsonnet", "b.jsonnet", "c.jsonnet")
    assert found["a.jsonnet"] == 1
    assert found["c.jsonnet"] == ()
    assert isinstance(found["b.jsonnet"], tuple)
    assert found["b.jsonnet"][0].code == "evaluation-time"


def test_output_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "JSONNET_OUTPUT_BYTES", 1 << 20)
    assert "more than 1 MiB" in problem({ROOT: "std.foldl(function(a, b) a + a, std.range(1, 18), 'xxxxxxxx')"}).message


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"a": [2**63]}, "too large a number"),
        ({"a\u202e": 1}, "U+202E"),
        ([["\x00"]], "U+0000"),
    ],
)
def test_values_that_no_yaml_could_hold(value: object, what: str) -> None:
    with pytest.raises(ValueError, match=what.replace("+", r"\+")):
        check_limits(value)  # type: ignore[arg-type]


def test_depth_and_number_of_values_at_their_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    deep: object = 1
    for _ in range(limits.DEPTH):
        deep = [deep]
    check_limits(deep)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nested more than"):
        check_limits([deep])  # type: ignore[list-item]
    monkeypatch.setattr(limits, "NODES", 4)
    check_limits([1, 2, 3])
    with pytest.raises(ValueError, match="more than 4 values"):
        check_limits([1, 2, 3, 4])


@pytest.mark.parametrize("text", [b"{a: '\xff'}", "{a: 'x\u202e'}".encode()])
def test_a_file_that_is_no_plain_text_is_not_evaluated(text: bytes) -> None:
    assert problem({ROOT: text}).code in ("not-utf8", "hidden-character")


def test_nothing_to_evaluate_starts_nothing() -> None:
    assert evaluate((), {}, {}) == {}


# --- plain JSON ------------------------------------------------------------------------------------------

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["é", '"', "\\", "\x7f"])
)
JSONS = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(JSONS, max_size=3) | st.dictionaries(st.text(max_size=4), JSONS, max_size=3), min_size=1, max_size=20))
def test_plain_json_is_what_the_evaluator_makes_of_it(items: list[Any]) -> None:
    texts = {f"{n}.jsonnet": json.dumps(item, ensure_ascii=n % 2 == 0, indent=n % 3 or None) for n, item in enumerate(items)}
    evaluated, here = values({p: f"local x = 1; {t}" for p, t in texts.items()}, None, *texts), values(texts, None, *texts)
    for path, text in texts.items():
        if plain(text) is not None:
            expected, found = evaluated[path], here[path]
            assert isinstance(found, tuple) == isinstance(expected, tuple), "what cannot be seen is refused in both"
            assert isinstance(found, tuple) or repr(found) == repr(expected), "equal, and in the same order"


@pytest.mark.parametrize(
    "text",
    [
        "1", '"a"', "{a: 1}", "[1,]", '{"a": 1, "a": 2}', "[1.0]", "[1e3]", "[9007199254740993]", "[NaN]", "[-Infinity]",
        '["\\ud800"]', "{} // no", "[1] + [2]", "", "[" * 5000 + "]" * 5000, "[" + "1" * 5000 + "]",
    ],
)  # fmt: skip
def test_what_may_mean_something_else_in_jsonnet_is_left_to_the_evaluator(text: str) -> None:
    assert plain(text) is None


def test_plain_json_starts_no_evaluator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_CHILD", Path("nowhere"))
    assert values({ROOT: '{"b": [9007199254740992], "a": {"x": null}}'})[ROOT] == {"a": {"x": None}, "b": [9007199254740992]}
    assert "nested" in str(values({ROOT: "[" * 70 + "]" * 70})[ROOT])
