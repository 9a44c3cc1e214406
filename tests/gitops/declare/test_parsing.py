"""YAML and Jsonnet of one source, together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gitops.declare.parsing import parse_all
from gitops.declare.source import read

FOLDER = "infra/shop/servers"


def parsed(state: Callable[[Mapping[str, Any]], Any], files: Mapping[str, str], *paths: str) -> Any:
    return parse_all(read(state({"infra/shop/main.yaml": "{}", **files}), "HEAD", "shop"), paths)


def test_both_languages_give_documents_and_imports_are_found(state: Any) -> None:
    files = {f"{FOLDER}/a.yaml": "cpu_cores: 2\n", f"{FOLDER}/b.jsonnet": "import '../lib/size.libsonnet'"}
    files["infra/shop/lib/size.libsonnet"] = "{cpu_cores: 1 + 1}"
    documents, problems = parsed(state, files, *sorted(files)[1:])
    assert {path: d.value for path, d in documents.items()} == {p: {"cpu_cores": 2} for p in sorted(files)[1:]}
    assert problems == ()


def test_what_cannot_be_read_is_no_document_and_hides_no_other(state: Any) -> None:
    files = {
        f"{FOLDER}/a.yaml": "{",
        f"{FOLDER}/b.yaml": "a: 1",
        f"{FOLDER}/c.jsonnet": "error 'x'",
        f"{FOLDER}/d.jsonnet": "{a: 1}",
    }
    documents, problems = parsed(state, files, *files)
    assert [p[-6:] for p in documents] == ["b.yaml", "sonnet"]
    assert [p.code for p in problems] == ["yaml-syntax", "jsonnet"]


def test_one_entry_cannot_import_another(state: Any) -> None:
    files = {f"{FOLDER}/a.jsonnet": "import 'b.jsonnet'", f"{FOLDER}/b.jsonnet": "{cpu_cores: 2}"}
    documents, problems = parsed(state, files, *files)
    assert [*documents] == [f"{FOLDER}/b.jsonnet"]
    assert [p.code for p in problems] == ["bad-import"]
    assert "is the declaration of one entry: shared Jsonnet ends in .libsonnet" in problems[0].message


def test_nothing_asked_is_nothing_read(state: Any) -> None:
    assert parsed(state, {}) == ({}, ())
