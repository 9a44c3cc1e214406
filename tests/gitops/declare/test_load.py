"""The one entry: a commit or tree to everything a plan needs, or to all that is wrong with it at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops.declare.load import Loaded, check, check_shared, load, load_workspace
from gitops.git.memory import MemoryRepository
from gitops.ports import Person
from gitops.schema.workspace import WorkspaceConfig
from planners.problems import Problems

MAIN = "infra/shop/main.yaml"
WORKSPACE = "format: 1\nid: 0123456789abcdef\nname: test\n"
NGINX = {"extensions/taskservs/nginx/manifest.yaml": "name: nginx\nversion: 1.0.0\n"}
Load = Callable[..., Any]


def told(result: Any) -> list[tuple[str, str]]:
    assert isinstance(result, Problems), "it loads"
    return [(p.code, p.message.split(" ")[0].strip("':")) for p in result]


def test_a_valid_declaration(load_files: Load) -> None:
    text = "settings: {provider: fake, environment: prod, extra: {a: 1}}\nextra: {b: 2}\nservers: {a: {cores: 1}}\n"
    loaded = load_files({MAIN: text, "environments/prod.yaml": "class: prod\ndeletion_budget: 3\n"})
    assert isinstance(loaded, Loaded)
    assert list(loaded.desired.resources) == ["server/a"]
    assert loaded.desired.settings == {"provider": "fake", "environment": "prod", "extra": {"a": 1, "b": 2}}
    assert loaded.desired.environment.deletion_budget == 3
    assert loaded.catalog.evaluators == {"declarations": "1"}
    assert loaded.workspace.name == "test"
    assert [p.code for p in loaded.warnings] == ["old-name"]
    assert {o.key: o.layer for o in loaded.origins}["servers.a.cpu_cores"] == "infra"


def test_mistakes_in_one_entry_hide_none_in_another(load_files: Load) -> None:
    text = """\
settings: {provider: fake}
servers:
  a: {cpu_cores: -1, taskservs: [nginx]}
  b: {depends_on: [server/x], networks: [lan]}
  c: {depends_on: [server/a, server/linked, server/broken], image: '${server/a.image}'}
  d: {depends_on: [server/e]}
  e: {depends_on: [server/d]}
  f: {taskservs: [{name: nginx, profile: big}], image: '${server/y.image}'}
taskservs:
  nginx: {version: latest}
clusters:
  web: {servers: [a, linked, z], taskservs: [nginx]}
"""
    files = {
        MAIN: text,
        "infra/shop/servers/linked.yaml": SimpleNamespace(mode="120000", content=b"x", size=None),
        "infra/shop/servers/broken.yaml": "{",
        **NGINX,
    }
    assert told(load_files(files)) == [
        ("value", "servers.a.cpu_cores"),
        ("unknown-dependency", "server/b"),
        ("unknown-dependency", "server/b"),
        ("dependency-cycle", "these"),
        ("reference-to-nothing", "${server/y.image}"),
        ("bad-version", "taskservs.nginx.version"),
        ("unknown-dependency", "cluster"),
        ("yaml-syntax", "YAML"),
        ("symlink", "infra/shop/servers/linked.yaml"),
    ]


def test_a_taskserv_on_a_server_that_is_not_valid_is_not_called_unbound(load_files: Load) -> None:
    files = {
        MAIN: "settings: {provider: fake}\nservers: {a: {cpu_cores: x, taskservs: [nginx]}}\ntaskservs: {nginx: {}}\n",
        **NGINX,
    }
    assert told(load_files(files)) == [("wrong-type", "servers.a.cpu_cores")]


def test_faults_of_the_whole_stop_at_the_shape(load_files: Load) -> None:
    text = "settings: {provider: 3}\nservers: {a: {depends_on: [server/x], cpu: -1}}\n"
    assert [c for c, _ in told(load_files({MAIN: text}))] == ["wrong-type", "old-name", "value"]


def test_what_only_the_graph_shows_is_told_by_check(state: Any, providers: Any) -> None:
    objects = state({MAIN: "settings: {provider: fake}\nservers: {a: {depends_on: [server/b]}, b: {depends_on: [server/a]}}\n"})
    assert isinstance(load(objects, "HEAD", "shop", providers), Loaded)
    assert told(check(objects, "HEAD", "shop", providers)) == [("dependency-cycle", "these")]


def test_warnings_are_among_the_problems_when_there_are_errors(load_files: Load) -> None:
    found = load_files({MAIN: "settings: {provider: fake}\nservers: {a: {cores: 1, depends_on: [server/b]}}\n"})
    assert [c for c, _ in told(found)] == ["old-name", "unknown-dependency"]


def test_a_newer_format_is_the_only_thing_said(state: Any, providers: Any) -> None:
    objects = state({"workspace.yaml": "format: 99\n", MAIN: "{", "templates/x.k": ""})
    assert [c for c, _ in told(load(objects, "HEAD", "shop", providers))] == ["newer-format"]
    assert [p.code for p in check_shared(objects, "HEAD")] == ["newer-format"]


def test_secrets_in_use_have_versions_and_no_values(load_files: Load) -> None:
    sops = "db: {password: 'ENC[AES256_GCM,data:x]', user: 'ENC[y]'}\nsops: {version: 3.9.0}\n"
    text = "settings: {provider: fake}\nservers: {a: {extra: {p: 'secret://shop/db/password', q: 'secret://_shared/db/user'}}}\n"
    loaded = load_files({MAIN: text, "infra/shop/secrets.enc.yaml": sops, "secrets/_shared.enc.yaml": sops})
    assert sorted(loaded.secrets) == ["secret://_shared/db/user", "secret://shop/db/password"]
    assert "ENC" not in repr(loaded.secrets)


def test_a_secrets_file_that_cannot_be_read_is_the_only_thing_said(load_files: Load) -> None:
    text = "settings: {provider: fake}\nservers: {a: {extra: {p: 'secret://shop/db/password'}}}\n"
    assert told(load_files({MAIN: text, "infra/shop/secrets.enc.yaml": "{"})) == [("yaml-syntax", "YAML")]


def test_nothing_is_loaded_of_an_infra_that_is_too_large(load_files: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitops.declare.source.TOTAL_BYTES", 80)
    files = {MAIN: "settings: {provider: fake}\nservers: {a: {depends_on: [server/b]}}\n", "infra/shop/servers/b.yaml": "{}"}
    assert told(load_files(files)) == [("file-too-large", "the")]


def test_the_workspace_alone(state: Any) -> None:
    assert isinstance(load_workspace(state({MAIN: "{"}), "HEAD"), WorkspaceConfig)
    assert told(load_workspace(state({"workspace.yaml": "name: x\nformat: 1\n"}), "HEAD")) == [("missing-key", "id")]
    assert told(load_workspace(state({"workspace.yaml": None}), "HEAD")) == [("no-workspace", "there")]


def test_what_all_share_is_checked_whether_or_not_one_uses_it(state: Any) -> None:
    files = {
        "workspace.yaml": WORKSPACE + "idd: 1\n",
        "environments/eu.yaml": "class: x",
        "extensions/taskservs/nginx/manifest.yaml": "name: nginx",
        "infra/shop": SimpleNamespace(mode="120000", content=b"x", size=None),
    }
    assert [(p.where.path, p.code) for p in check_shared(state(files), "HEAD")] == [
        ("environments/eu.yaml", "value"),
        ("extensions/taskservs/nginx/manifest.yaml", "missing-key"),
        ("infra/shop", "symlink"),
        ("workspace.yaml", "unknown-key"),
    ]
    assert check_shared(state({}), "HEAD") == ()


def test_a_frozen_tree_is_loaded_like_a_commit(providers: Mapping[str, Any]) -> None:
    repository = MemoryRepository()
    files = {"workspace.yaml": WORKSPACE, MAIN: "settings: {provider: fake}\nservers: {a: {taskservs: [nginx]}}\n", **NGINX}
    person = Person("Ada", "ada@example.org")
    commit = repository.write("", {path: text.encode() for path, text in files.items()}, "declare", person)
    live = load(repository, commit, "shop", providers)
    top = {f".frozen/v1/declarations/{name}": entry.oid for name, entry in repository.entries(commit).items()}
    frozen = repository.write("", dict(top), "freeze", person)
    tree = repository.entries(frozen, ".frozen/v1")["declarations"].oid
    assert load(repository, tree, "shop", providers) == live
    assert isinstance(live, Loaded)


WHOLE = {
    "settings": {"provider": "fake", "environment": "dev", "zone": "z", "labels": {"a": "b"}, "provider_config": {"fake": {}}},
    "use": ["base"],
    "servers": {
        "a": {"cpu_cores": 1, "taskservs": ["nginx", {"name": "nginx", "role": "x"}], "networks": [{"name": "lan"}]},
        "b": {"depends_on": ["server/a"], "image": "${server/a.image}", "lifecycle": {"moved_from": "c"}, "backups": [{}]},
    },
    "taskservs": {"nginx": {"config": {"port": 80}, "profiles": {"big": {}}, "requires": ["x"], "health": {"type": "none"}}},
    "clusters": {"web": {"servers": ["a"], "taskservs": ["nginx"]}},
    "networks": {"lan": {"cidr": "10.0.0.0/24"}},
    "volumes": {"d": {"size_gb": 1}},
    "load_balancers": {"lb": {"servers": ["a"], "listeners": [{"port": 80}]}},
    "dns": {"x.example": {"values": ["secret://shop/a/b"]}},
}
odd = st.sampled_from(
    [None, True, -1, 1.5, "", "x", "${server/zz.id}", "secret://x", [], {}, [None], {"name": 3}, [[]], {"": None}]
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(s for k, v in items for s in spots(v, (*path, k)))]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.sampled_from(spots(WHOLE)), odd), min_size=1, max_size=3))
def test_whatever_stands_anywhere_is_loaded_or_told(changes: list[tuple[tuple[Any, ...], Any]], load_files: Load) -> None:
    value: Any = deepcopy(WHOLE)
    for path, new in changes:
        spot = value
        for part in path[:-1]:
            if part not in keys(spot):
                break
            spot = spot[part]
        else:
            if path and path[-1] in keys(spot):
                spot[path[-1]] = new
    result = load_files({MAIN: json.dumps(value), "templates/base.yaml": "", **NGINX})
    assert isinstance(result, Loaded | Problems)
    if isinstance(result, Problems):
        assert all(p.where.path and p.hint for p in result)


def keys(value: Any) -> Any:
    """The keys or indexes of a container."""
    return value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()


def test_prices_of_the_workspace_take_the_place_of_a_provider_s_own(load_files: Load) -> None:
    prices = "prices: {fake: {currency: EUR, server: {each: 1}}"
    loaded = load_files({MAIN: "settings: {provider: fake}", "workspace.yaml": f"{WORKSPACE}{prices}}}\n"})
    assert loaded.catalog.providers["fake"].prices == loaded.workspace.prices["fake"]
    wrong = load_files(
        {MAIN: "settings: {provider: fake}", "workspace.yaml": f"{WORKSPACE}{prices}, fakes: {{currency: EUR}}}}\n"}
    )
    assert [p.message for p in wrong] == ["prices are given for 'fakes', which is no provider"]
