"""Answers kept between commands are used exactly as long as all that they hang on is as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gitops.cache import Cache
from gitops.declare import evaluated, jsonnet_text, sandbox
from gitops.declare.config_schema import Judged, check
from gitops.declare.documents import Document, unmarked
from gitops.declare.evaluated import engine, name_of
from planners.problems import NOWHERE

MAIN = "infra/shop/main.jsonnet"
LIB = "templates/web.libsonnet"
FILES = {MAIN: "local t = import '../../templates/web.libsonnet'; {servers: t, at: std.thisFile}", LIB: "{web: {cpu_cores: 2}}"}


class Asked:
    """The questions that came to the sandbox."""

    def __init__(self) -> None:
        self.items: list[Any] = []

    def __call__(self, job: str, items: Any, **more: Any) -> sandbox.Outcome:
        self.items += items
        return sandbox.run(job, items, **more)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    asked, real = Asked(), sandbox.run

    class Sandbox:
        run = staticmethod(asked)
        Outcome = sandbox.Outcome

    monkeypatch.setattr(jsonnet_text, "sandbox", Sandbox)
    monkeypatch.setattr("gitops.declare.config_schema.sandbox", Sandbox)
    yield asked
    assert sandbox.run is real


@pytest.fixture
def kept(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "entries.sqlite", lambda: b"k" * 32)


def value(kept: Cache, files: Mapping[str, str] = FILES, refused: Mapping[str, str] | None = None) -> Any:
    answer = jsonnet_text.evaluate([MAIN], {p: t.encode() for p, t in files.items()}, refused or {}, kept)[MAIN]
    return answer.value if isinstance(answer, Document) else [p.message for p in answer]


def test_what_is_as_it_was_is_not_evaluated_again(kept: Cache, asked: Asked) -> None:
    first = value(kept)
    assert first == {"servers": {"web": {"cpu_cores": 2}}, "at": MAIN}
    assert value(kept, {**FILES, "templates/other.libsonnet": "{}"}) == first
    assert asked.items == [MAIN]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({LIB: "{web: {cpu_cores: 4}}"}, {"servers": {"web": {"cpu_cores": 4}}, "at": MAIN}),
        ({MAIN: "{a: 1 + 1}"}, {"a": 2}),
    ],
)
def test_a_change_of_what_it_is_made_of_is_seen(kept: Cache, asked: Asked, files: Mapping[str, str], found: Any) -> None:
    value(kept)
    assert value(kept, {**FILES, **files}) == found
    assert asked.items == [MAIN, MAIN]


def test_an_import_that_is_gone_or_refused_is_seen(kept: Cache) -> None:
    value(kept)
    assert "is not among the files" in value(kept, {MAIN: FILES[MAIN]})[0]
    assert "is a symlink" in value(kept, {MAIN: FILES[MAIN]}, {LIB: "is a symlink"})[0]


def test_an_import_of_an_import_is_seen(kept: Cache) -> None:
    files = {**FILES, LIB: "import 'deep.libsonnet'", "templates/deep.libsonnet": "{web: 1}"}
    assert value(kept, files)["servers"] == {"web": 1}
    assert value(kept, {**files, "templates/deep.libsonnet": "{web: 2}"})["servers"] == {"web": 2}


def test_the_same_text_elsewhere_is_another_question(kept: Cache, asked: Asked) -> None:
    text = b"{at: std.thisFile}"
    paths = ["infra/a/main.jsonnet", "infra/b/main.jsonnet"]
    for path in paths:
        answer = jsonnet_text.evaluate([path], {path: text}, {}, kept)[path]
        assert isinstance(answer, Document)
        assert answer.value == {"at": path}
    assert asked.items == paths


def test_what_was_wrong_is_evaluated_again(kept: Cache, asked: Asked) -> None:
    files = {MAIN: "error 'no'"}
    assert value(kept, files) == value(kept, files)
    assert asked.items == [MAIN, MAIN]


def test_another_engine_is_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    here = name_of("jsonnet", {"a": 1})
    assert engine("jsonnet") != engine("schema")
    monkeypatch.setattr(evaluated, "__version__", "0.0.0")
    engine.cache_clear()
    assert name_of("jsonnet", {"a": 1}) != here
    engine.cache_clear()


def config(schema: Any, given: Any) -> Judged:
    return Judged("nginx", schema, unmarked(given, NOWHERE))


def test_a_config_that_was_clean_is_not_checked_again(kept: Cache, asked: Asked) -> None:
    good = config({"properties": {"port": {"type": "integer"}}}, {"port": 1})
    bad = config({"properties": {"port": {"type": "integer"}}}, {"port": "x"})
    first = check([bad, good], kept)
    assert len(first) == 1
    assert check([good, bad], kept) == first, "what is wrong is told every time"
    assert [item["value"] for item in asked.items] == [{"port": "x"}, {"port": 1}, {"port": "x"}]
    stricter = config({"properties": {"port": {"minimum": 2}}}, {"port": 1})
    assert len(check([stricter], kept)) == 1
