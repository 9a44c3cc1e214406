"""pydantic's errors in our words: exact places, the nearest known key, and apart from what is right."""

# ruff: noqa: E501  # a line of output is a line here
from __future__ import annotations

import pytest

from gitops.declare.documents import Document
from gitops.declare.validation import known_keys, validate, validate_apart
from gitops.declare.yaml_text import parse
from gitops.schema.infra import Infra, Server
from planners.problems import Problem


def read(text: str) -> Document:
    found = parse("f", text.encode())
    assert isinstance(found, Document)
    return found


def faults(text: str, about: str = "") -> tuple[Problem, ...]:
    found = validate(Server, read(text), about)
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("cpu_cores: 1.5", "f:1:12: error: cpu_cores: expected int, got number 1.5; write a whole number"),
        ("cpu_cores: true", "f:1:12: error: cpu_cores: expected int, got bool; write a whole number"),
        ("cpu_cores: [1]", "f:1:12: error: cpu_cores: expected int, got list; write a whole number"),
        ("zone: {a: 1}", "f:1:7: error: zone: expected string, got map; write a string"),
        ("enabled: 'no'", "f:1:10: error: enabled: expected bool, got string 'no'; write a bool"),
        ("labels: {a: 1}", "f:1:13: error: labels.a: expected string, got int 1; quote it"),
        ("networks: lan", "f:1:11: error: networks: expected list, got string 'lan'; write a list"),
        ("networks: [{adress: x, name: a}]", "f:1:13: error: unknown key 'adress' in networks[0]; did you mean 'address'?"),
        ("networks: [3]", "f:1:12: error: networks[0]: expected map, got int 3; write a map"),
        ("taskservs: [{role: x}]", "f:1:13: error: taskservs[0]: 'name' is missing; add name"),
        (
            "lifecycle: {prevent_destory: true}",
            "f:1:13: error: unknown key 'prevent_destory' in lifecycle; did you mean 'prevent_destroy'?",
        ),
        (
            "depends_on: [web-01]",
            "f:1:14: error: depends_on[0]: 'web-01' is not an address; kind/name, such as server/web-01 or taskserv/web-01/postgres",
        ),
        (
            "backups: [{retention_days: 0}]",
            "f:1:28: error: backups[0].retention_days: must be at least 1, got 0; choose another value",
        ),
    ],
)
def test_faults_in_our_words(text: str, line: str) -> None:
    assert [str(p) for p in faults(text)] == [line]


def test_what_it_is_about_goes_before_the_path() -> None:
    found = {p.message for p in faults("cpu_cores: x\nzzz: 1\nbackups: [{}, 1]\n", about="servers.web-01")}
    assert "servers.web-01.cpu_cores: expected int, got string 'x'" in found
    assert "unknown key 'zzz' in servers.web-01" in found


def test_long_texts_are_cut() -> None:
    assert len(faults(f"cpu_cores: {'x' * 5000}")[0].message) < 120


def test_known_keys_follow_maps_lists_and_unions() -> None:
    assert "cpu_cores" in known_keys(Infra, ("servers", "web-01"))
    assert known_keys(Infra, ("servers", "web-01", "networks", 0)) == {"name", "address", "mount"}
    assert known_keys(Infra, ("taskservs", "a", "health")) >= {"type", "url"}
    assert known_keys(Infra, ("nowhere", "x")) == frozenset()


def test_a_faulty_entry_is_set_apart_and_the_others_are_kept() -> None:
    document = read("settings: {provider: fake}\nservers: {a: {cpu_cores: x}, b: {}, C: {}}\nvolumes: {d: {}}\n")
    model, problems, apart = validate_apart(Infra, document, ("servers", "volumes"))
    assert isinstance(model, Infra)
    assert (list(model.servers), list(model.volumes)) == (["b"], [])
    assert apart == {("servers", "a"), ("servers", "C"), ("volumes", "d")}
    assert len(problems) == 3


@pytest.mark.parametrize(
    "text", ["servers: {a: {cpu_cores: x}}", "settings: {provider: 1}", "settings: {provider: a}\nserver: {}"]
)
def test_a_fault_elsewhere_leaves_nothing_to_judge(text: str) -> None:
    model, problems, apart = validate_apart(Infra, read(text), ("servers",))
    assert model is None
    assert problems
    assert apart == frozenset()


def test_a_valid_document_has_nothing_apart() -> None:
    model, problems, apart = validate_apart(Infra, read("settings: {provider: a}"), ("servers",))
    assert (model is not None, problems, apart) == (True, (), frozenset())
