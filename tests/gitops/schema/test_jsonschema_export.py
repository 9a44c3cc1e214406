"""The schemas that editors use: valid themselves, complete, and of one mind with the program where they can be."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from gitops.cli.config import SCHEMAS
from gitops.schema.jsonschema_export import ENTRIES, FOLDER, NAMES, files, schema

ROOT = Path(__file__).parents[3]
TEMPLATE = ROOT / "state-repo-template"
COMMENT = re.compile(r"# yaml-language-server: \$schema=(\S+)")


def faults(name: str, value: Any) -> list[str]:
    return [e.message for e in jsonschema.Draft202012Validator(schema(name)).iter_errors(value)]


def definitions(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    made = schema(name)
    yield name, made
    yield from made.get("$defs", {}).items()


@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_json_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))
    assert schema(name) == schema(name)


@pytest.mark.parametrize("name", NAMES)
def test_an_editor_can_complete_and_explain_every_key(name: str) -> None:
    for where, definition in definitions(name):
        assert definition.get("description"), where
        assert definition["additionalProperties"] is False, where
        for key, property_ in definition["properties"].items():
            assert property_.get("description") or "$ref" in property_, f"{where}.{key}"


def test_choices_are_listed() -> None:
    assert schema("environment")["properties"]["class"]["enum"] == ["dev", "test", "staging", "prod"]
    assert schema("server")["properties"]["power"]["enum"] == ["on", "off"]


def test_the_command_line_offers_them_all() -> None:
    assert SCHEMAS == NAMES
    with pytest.raises(KeyError):
        schema("nonsense")


def test_the_template_holds_them_in_step() -> None:
    assert {path: (TEMPLATE / path).read_bytes() for path, _ in files()} == dict(files()), "run: make docs"
    assert sorted(p.name for p in (TEMPLATE / FOLDER).iterdir()) == sorted(f"{n}.json" for n in NAMES)


@pytest.mark.parametrize(
    "path", sorted(p for p in TEMPLATE.rglob("*.yaml") if COMMENT.match(p.read_text())), ids=lambda p: p.name
)
def test_the_template_s_files_name_their_schema_and_pass_it(path: Path) -> None:
    named = COMMENT.match(path.read_text())
    assert named
    target = (path.parent / named[1]).resolve()
    assert target.is_relative_to(TEMPLATE / FOLDER)
    errors = list(jsonschema.Draft202012Validator(json.loads(target.read_text())).iter_errors(yaml.safe_load(path.read_text())))
    assert errors == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("infra", "settings: {provider: fake}\nservers: {web-01: {cpu_cores: 2, taskservs: [nginx, {name: redis, role: main}]}}"),
        ("infra", "settings: {provider: fake}\nservers: [web-01, {name: web-02, cpu_cores: 2}]"),
        ("infra", "servers: {app: {name: web-01}}\nx-own: 1\nextra: {any: [thing]}"),
        ("infra", "servers: {web-01: }"),
        ("infra", "settings: {environment: dev}\nuse: [base]"),
        ("server", "name: web-01\nplan: small\nx-own: {a: 1}"),
        ("dns", "values: [10.0.0.1]\nttl_seconds: 60"),
        ("taskserv", "version: '15.3'\nhealth: {type: tcp, port: 80}\nprofiles: {big: {config: {a: 1}}}"),
        ("manifest", "name: nginx\nversion: 1.0.0\nrequires: [os, {name: etcd, anywhere: true}]"),
    ],
)
def test_what_the_program_takes_is_taken(name: str, text: str) -> None:
    assert faults(name, yaml.safe_load(text)) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("infra", "server: {}"),
        ("infra", "servers: {web-01: {cpu_core: 2}}"),
        ("infra", "servers: {web-01: {cpu_cores: -1}}"),
        ("infra", "servers: {web-01: {cpu_cores: two}}"),
        ("infra", "servers: {Web_01: {}}"),
        ("infra", "servers: [{cpu_cores: 2}]"),
        ("infra", "servers: {web-01: {power: of}}"),
        ("infra", "servers: {web-01: {depends_on: [web-02]}}"),
        ("infra", "taskservs: {nginx: {version: latest}}"),
        ("infra", "taskservs: {nginx: {version: 15.0}}"),
        ("infra", "volumes: {data: {}}"),
        ("infra", "settings: {provider: 1}"),
        ("server", "taskservs: [{role: x}]"),
        ("workspace", "format: 1\nname: x"),
        ("environment", "class: production"),
        ("manifest", "name: nginx\nversion: v1"),
    ],
)
def test_what_the_program_refuses_is_refused_where_a_schema_can(name: str, text: str) -> None:
    assert faults(name, yaml.safe_load(text))


SHAPES = {"unknown key", "unknown key at the top", "wrong type", "number where text is wanted", "quoted number", "negative cores"}
SHAPES |= {"no memory", "not a host name", "entry without a name", "missing key", "unknown choice", "version latest"}
SHAPES |= {"version that YAML reads as a number", "unknown key without a likeness"}


def test_bad_shapes_of_the_table_are_seen_while_typing() -> None:
    table = runpy.run_path(str(ROOT / "tests/gitops/declare/bad_inputs.py"))
    texts = {c.name: c.files[table["MAIN"]] for c in table["CASES"] if c.name in SHAPES}
    assert texts.keys() == SHAPES
    assert [name for name, text in texts.items() if not faults("infra", yaml.safe_load(text))] == []


def test_a_file_of_each_folder_may_say_its_name() -> None:
    assert all(schema(name)["properties"]["name"]["type"] == "string" for name in ENTRIES)
