"""Which taskserv is on which server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gitops.declare.bindings import Bindings, bindings, needed
from gitops.declare.documents import Document, Findings
from gitops.declare.extension import extensions_of
from gitops.declare.source import read
from gitops.declare.validation import validate
from gitops.declare.yaml_text import parse
from gitops.schema.infra import Infra
from planners.catalog import Requirement, TaskservSpec

Bound = Callable[..., tuple[Bindings, list[str]]]


@pytest.fixture
def bound(state: Callable[[Mapping[str, Any]], Any]) -> Bound:
    names = {"nginx": "", "redis": "roles: [main, replica]\n", "web": ""}
    files = {f"extensions/taskservs/{n}/manifest.yaml": f"name: {n}\nversion: 1.0.0\n{more}" for n, more in names.items()}
    extensions, _ = extensions_of(read(state(files), "HEAD", ""))

    def run(text: str, hidden: frozenset[tuple[str, str]] = frozenset()) -> tuple[Bindings, list[str]]:
        document = parse("f", b"settings: {provider: fake}\n" + text.encode())
        assert isinstance(document, Document)
        infra = validate(Infra, document)
        assert isinstance(infra, Infra), infra
        findings = Findings()
        return bindings(infra, document, extensions, findings, hidden), [p.code for p in findings.items]

    return run


def test_servers_list_what_runs_on_them(bound: Bound) -> None:
    found, codes = bound("servers: {a: {taskservs: [nginx, {name: redis, role: main}]}, b: {taskservs: [nginx]}}")
    assert list(found.by_address) == ["taskserv/a/nginx", "taskserv/a/redis", "taskserv/b/nginx"]
    assert found.by_address["taskserv/a/redis"].use.role == "main"
    assert found.by_address["taskserv/a/redis"].path == ("servers", "a", "taskservs", 1)
    assert codes == []


def test_a_cluster_brings_its_components_to_each_of_its_servers(bound: Bound) -> None:
    found, codes = bound("servers: {a: {}, b: {}}\nclusters: {shop: {servers: [a, b], taskservs: [nginx, redis]}}")
    assert found.clusters == {
        "shop": ("taskserv/a/nginx", "taskserv/a/redis", "taskserv/b/nginx", "taskserv/b/redis"),
    }
    assert set(found.by_address) == set(found.clusters["shop"])
    assert codes == []


def test_a_cluster_without_components_is_the_taskserv_of_its_name(bound: Bound) -> None:
    found, _ = bound("servers: {a: {}}\nclusters: {web: {servers: [a]}}")
    assert found.clusters == {"web": ("taskserv/a/web",)}
    assert found.by_address["taskserv/a/web"].path == ("clusters", "web")


def test_what_is_on_the_server_already_is_a_component_unless_the_cluster_says_more(bound: Bound) -> None:
    text = "servers: {a: {taskservs: [redis]}}\nclusters: {shop: {servers: [a], taskservs: [%s]}}"
    found, codes = bound(text % "redis")
    assert (list(found.by_address), found.clusters, codes) == (["taskserv/a/redis"], {"shop": ("taskserv/a/redis",)}, [])
    assert bound(text % "{name: redis, role: main}")[1] == ["duplicate-name"]


@pytest.mark.parametrize(
    "text",
    [
        "servers: {a: {enabled: false, taskservs: [nginx]}}",
        "servers: {a: {taskservs: [nginx]}}\ntaskservs: {nginx: {enabled: false}}",
        "servers: {a: {}}\nclusters: {web: {enabled: false, servers: [a]}}",
    ],
)
def test_what_is_not_enabled_is_nowhere(text: str, bound: Bound) -> None:
    found, codes = bound(text)
    assert (found.by_address, found.clusters, codes) == ({}, {}, [])


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("servers: {a: {taskservs: [ngnix]}, b: {taskservs: [{name: ngnix}]}}", ["unknown-taskserv"]),
        ("servers: {a: {taskservs: [nginx, nginx]}}", ["duplicate-name"]),
        ("servers: {a: {taskservs: [{name: nginx, profile: big}]}}", ["unknown-profile"]),
        ("servers: {a: {taskservs: [{name: redis, role: mian}]}}", ["unknown-role"]),
        ("servers: {a: {}}\nclusters: {web: {servers: [a, b]}}", ["unknown-dependency"]),
        ("servers: {a: {enabled: false}}\nclusters: {web: {servers: [a]}}", ["unknown-dependency"]),
    ],
)
def test_wrong_names_are_told_once(text: str, codes: list[str], bound: Bound) -> None:
    assert bound(text)[1] == codes


def test_what_could_not_be_read_is_not_called_wrong(bound: Bound) -> None:
    text = "servers: {a: {taskservs: [{name: nginx, profile: big}]}}\nclusters: {web: {servers: [a, b]}}"
    assert bound(text)[1] == ["unknown-dependency", "unknown-profile"]
    assert bound(text, frozenset({("taskservs", "nginx"), ("servers", "b")}))[1] == []


def test_needs_are_followed_by_name_and_by_what_provides_them() -> None:
    specs = {
        "app": TaskservSpec("app", "1", "", (Requirement("database"), Requirement("app"))),
        "pg": TaskservSpec("pg", "1", "", (Requirement("os"),), provides=("database",)),
        "os": TaskservSpec("os", "1", ""),
        "other": TaskservSpec("other", "1", ""),
    }
    assert needed({"app"}, specs) == {"app", "database", "pg", "os"}
