"""Layers laid over each other: RFC 7396, and the place each value came from."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.declare.documents import Document, unmarked
from gitops.declare.merge import Origin, layer_of, layered, merge, origins
from gitops.declare.yaml_text import parse
from planners.canonical import Json
from planners.problems import NOWHERE, Where


def value(value: Json) -> Document:
    return unmarked(value, NOWHERE)


def merged(*layers: Json) -> Json:
    return layered(map(value, layers)).value


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_every_example_of_the_standard(target: Json, patch: Json, result: Json) -> None:
    assert merge(value(target), value(patch)).value == result


POSTGRES = {"version": "15.5", "port": 5432, "max_connections": 100}


@pytest.mark.parametrize(
    ("layers", "result"),
    [
        ([POSTGRES, {"max_connections": 500}], {"version": "15.5", "port": 5432, "max_connections": 500}),
        (
            [
                POSTGRES,
                {"replication": {"enabled": True, "replicas": 2, "sync_mode": "async"}},
                {"replication": {"sync_mode": "sync"}, "custom_extensions": ["pgvector", "timescaledb"]},
            ],
            {
                **POSTGRES,
                "replication": {"enabled": True, "replicas": 2, "sync_mode": "sync"},
                "custom_extensions": ["pgvector", "timescaledb"],
            },
        ),
        ([{"replicas": [1, 2]}, {"replicas": [3]}], {"replicas": [3]}),
        ([{"a": {"b": 1}}, {"a": None}, {"a": {"c": 2}}], {"a": {"c": 2}}),
    ],
    ids=["scalar", "recursive", "lists are replaced", "removed and added anew"],
)
def test_core_workspace_infra(layers: list[Json], result: Json) -> None:
    assert merged(*layers) == result


json = st.recursive(
    st.integers(0, 3) | st.text("ab", max_size=2) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), json, max_size=3), st.dictionaries(st.sampled_from("abc"), json, max_size=3))
def test_a_layer_wins_where_it_speaks_and_only_there(base: dict[str, Json], patch: dict[str, Json]) -> None:
    result = merged(base, patch)
    assert merged(result, patch) == result
    assert merged(base, {}) == base
    assert isinstance(result, dict)
    assert {k: v for k, v in result.items() if k not in patch} == {k: v for k, v in base.items() if k not in patch}


def test_neither_layer_is_changed_and_each_key_keeps_its_place() -> None:
    core = parse("extensions/taskservs/postgres/defaults.yaml", b"version: '15'\nlimits:\n  connections: 100\n  memory: 1\n")
    shared = parse("templates/defaults.yaml", b"limits: {memory: 2}\n")
    own = parse("infra/shop/main.yaml", b"# own\nlimits: {connections: 500}\nextensions: [vector]\n")
    assert isinstance(core, Document)
    assert isinstance(shared, Document)
    assert isinstance(own, Document)
    result = layered([core, shared, own])
    assert core.value == {"version": "15", "limits": {"connections": 100, "memory": 1}}
    assert origins(result) == (
        Origin("version", "core", Where("extensions/taskservs/postgres/defaults.yaml", 1, 10)),
        Origin("limits.connections", "infra", Where("infra/shop/main.yaml", 2, 23)),
        Origin("limits.memory", "workspace", Where("templates/defaults.yaml", 1, 18)),
        Origin("extensions", "infra", Where("infra/shop/main.yaml", 3, 13)),
    )
    assert origins(own, "x")[0].key == "x.limits.connections"


def test_the_folder_says_the_layer() -> None:
    paths = ("extensions/taskservs/x/defaults.yaml", "templates/base.jsonnet", "infra/shop/servers/a.yaml")
    assert [layer_of(p) for p in paths] == ["core", "workspace", "infra"]
