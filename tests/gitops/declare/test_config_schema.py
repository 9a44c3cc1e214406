"""Configs of taskservs against their schemas: exact places, our words, and nothing sensitive shown."""

from __future__ import annotations

from typing import Any

import pytest

from gitops import limits
from gitops.declare.config_schema import Judged, check
from gitops.declare.documents import Document
from gitops.declare.yaml_text import parse


def judged(schema: Any, config: str, name: str = "nginx", sensitive: tuple[str, ...] = ()) -> Judged:
    document = parse("f", config.encode())
    assert isinstance(document, Document)
    return Judged(name, schema, document, sensitive)


def lines(*configs: Judged) -> list[str]:
    return [str(p) for p in check(configs)]


SCHEMA = {
    "type": "object",
    "properties": {
        "port": {"type": "integer", "maximum": 65535},
        "tls": {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key", "chain"]},
        "name": {"type": ["string", "null"], "pattern": "^[a-z]+$"},
    },
    "additionalProperties": False,
}


def test_a_good_config_has_no_faults() -> None:
    assert lines(judged(SCHEMA, "port: 80\nname: web\n"), judged(SCHEMA, "{}")) == []
    assert lines() == []


def test_faults_have_their_places_and_all_of_them_are_told() -> None:
    see = "see extensions/taskservs/nginx/schema.json"
    assert lines(judged(SCHEMA, "port: many\nprot: 80\ntls: {}\nname: [1]\nx-own: 1\n")) == [
        f"f:1:7: error: taskservs.nginx.config.port: expected int, got string; {see}",
        "f:2:1: error: unknown key 'prot' in taskservs.nginx.config; did you mean 'port'?",
        "f:3:6: error: taskservs.nginx.config.tls: 'chain' is missing; add chain",
        "f:3:6: error: taskservs.nginx.config.tls: 'key' is missing; add key",
        f"f:4:7: error: taskservs.nginx.config.name: expected string or null, got list; {see}",
    ]


@pytest.mark.parametrize("config", ["port: '${server/web-01.port}'", "name: secret://shop/web/name", "name: 'A${x/y.z}'"])
def test_a_reference_is_judged_when_its_value_is_known(config: str) -> None:
    assert lines(judged(SCHEMA, config)) == []


def test_values_of_sensitive_keys_are_not_shown_even_by_faults_of_the_whole() -> None:
    schema = {"properties": {"password": {"minLength": 99}}, "not": {"required": ["password"]}}
    found = lines(judged(schema, "password: hunter2\n", sensitive=("password",)))
    assert len(found) == 2
    assert "hunter2" not in "".join(found)
    assert "hunter2" in "".join(lines(judged(schema, "password: hunter2\n")))


def test_a_schema_that_is_none_is_told_once_at_its_file() -> None:
    bad = {"$ref": "https://example.org/schema.json"}
    (line,) = lines(judged(bad, "a: 1"), judged(bad, "a: 2"))
    assert line.startswith("extensions/taskservs/nginx/schema.json:1:1: error: the schema of taskserv 'nginx' refers to")


def test_a_pattern_that_takes_for_ever_is_stopped_and_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVALUATION_CPU_SECONDS", 1)
    endless = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    (line,) = lines(judged({}, "a: 1"), judged(endless, f"a: {'a' * 60}!", name="slow"), judged({}, "b: 1"))
    assert line == (
        "extensions/taskservs/slow/schema.json:1:1: error: checking a config of taskserv 'slow' against it takes more than 1 s "
        "of processor time; look for a loop that never ends"
    )
