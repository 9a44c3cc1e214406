"""The jobs of the child, in this process: what they answer and what they refuse. Limits are set only in the child."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gitops.declare import sandbox_child
from gitops.declare.sandbox_child import JOBS, evaluate, load_evaluator, refusal


@pytest.fixture(autouse=True)
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test process must not limit itself."""

    def plainly(request: Mapping[str, Any]) -> Iterator[Any]:
        yield from request["items"]

    monkeypatch.setattr(sandbox_child, "items", plainly)
    monkeypatch.setattr(sandbox_child, "bound_memory", lambda memory: None)


@pytest.mark.parametrize(
    ("name", "path", "reason"),
    [
        ("/etc/hostname", "/etc/hostname", "is an absolute path"),
        ("../../x", "../x", "leads out of the repository"),
        ("..", "..", "leads out of the repository"),
        ("link.libsonnet", "infra/link.libsonnet", "is a symlink"),
        ("other.libsonnet", "infra/other.libsonnet", "is not among the files that may be imported (infra/other.libsonnet)"),
        ("good.libsonnet", "infra/good.libsonnet", ""),
    ],
)
def test_what_may_be_imported(name: str, path: str, reason: str) -> None:
    told = refusal(name, path, {"infra/good.libsonnet": "1"}, {"infra/link.libsonnet": "is a symlink"})
    assert told == (f"import '{name}' {reason}" if reason else "")


def test_imports_are_relative_to_the_importing_file() -> None:
    files = {"infra/a/main.jsonnet": "import 'lib/x.libsonnet'", "infra/a/lib/x.libsonnet": "import '../../../t.libsonnet'"}
    request = {"items": ["infra/a/main.jsonnet"], "files": {**files, "t.libsonnet": "'found'"}, "refused": {}}
    (answer,) = JOBS["jsonnet"]({**request, "stack": 100, "output": 1000, "memory": 0})
    assert answer["value"].strip() == '"found"'


def test_a_value_larger_than_allowed_is_not_handed_on() -> None:
    request = {"files": {"a": "std.repeat('x', 2000)"}, "refused": {}, "stack": 100, "output": 1000}
    assert evaluate(load_evaluator(), "a", request) == {"error": "output-too-large"}


def test_a_refused_import_is_told_apart_from_an_error() -> None:
    request = {"files": {"a": "import 'b'"}, "refused": {}, "stack": 100, "output": 1000}
    answer = evaluate(load_evaluator(), "a", request)
    assert answer["import"] == "import 'b' is not among the files that may be imported (b)"
    assert "a:1:1" in answer["error"]


def judge(schema: Any, value: Any) -> dict[str, Any]:
    (answer,) = JOBS["schema"]({"items": [{"schema": schema, "value": value}], "memory": 0, "most": 3})
    return answer


def test_faults_are_told_with_path_and_rule() -> None:
    schema = {"type": "object", "properties": {"port": {"type": "integer"}}, "required": ["port", "host"]}
    faults = judge(schema, {"port": "x"})["faults"]
    assert [(f["path"], f["rule"], f["wanted"], f["known"]) for f in faults] == [
        (["port"], "type", "integer", []),
        ([], "required", ["port", "host"], ["port"]),
    ]


def test_faults_are_counted() -> None:
    assert len(judge({"items": {"type": "integer"}}, ["x"] * 10)["faults"]) == 3


@pytest.mark.parametrize(
    ("schema", "start"),
    [
        ({"type": "nothing"}, "is not a JSON Schema: type: "),
        ({"$ref": "https://example.org/x"}, "refers to 'https://example.org/x', which it does not hold"),
        ({"$ref": "#/$defs/x"}, "refers to '/$defs/x', which it does not hold"),
        ({"$ref": "#"}, "refers to itself without end"),
    ],
)
def test_schemas_that_are_none(schema: Any, start: str) -> None:
    assert judge(schema, {})["bad"].startswith(start)
