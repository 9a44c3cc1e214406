"""What a valid declaration becomes: resources with their edges, and the taskservs the planner may add."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from planners.catalog import Requirement
from planners.model import Dependency, Lifecycle
from planners.problems import Problems, Where

MAIN = "infra/shop/main.yaml"
Load = Callable[[str], Any]


def extension(name: str, more: str = "", defaults: str = "") -> dict[str, str]:
    folder = f"extensions/taskservs/{name}"
    files = {f"{folder}/manifest.yaml": f"name: {name}\nversion: 1.0.0\n{more}"}
    return files | ({f"{folder}/defaults.yaml": defaults} if defaults else {})


EXTENSIONS = {
    **extension("nginx", defaults="port: 80\nworkers: {min: 1, max: 4}\n"),
    **extension("etcd", defaults="size: 1\n"),
    **extension("kubernetes", "requires: [etcd]\nroles: [control-plane, worker]\n"),
    **extension("web"),
}


@pytest.fixture
def loaded(load_files: Callable[..., Any]) -> Load:
    def run(text: str, provider: str = "fake") -> Any:
        result = load_files({MAIN: f"settings: {{provider: {provider}}}\n{text}", **EXTENSIONS})
        assert not isinstance(result, Problems), [str(p) for p in result]
        return result

    return run


def test_a_server_is_what_was_written_with_defaults_filled_in(loaded: Load) -> None:
    text = "servers: {a: {cpu_cores: 2, backups: [{frequency: hourly}], provider_config: {x: 1}, extra: {y: 2}, x-own: 3}}"
    server = loaded(text).desired.resources["server/a"]
    assert server.declared == {
        "backups": [{"frequency": "hourly", "retention_days": 7}],
        "cpu_cores": 2,
        "extra": {"y": 2},
        "power": "on",
        "provider_config": {"x": 1},
    }
    assert (server.provider, server.where) == ("fake", Where(MAIN, 2, 11))


@pytest.mark.parametrize("said", ["power: on", "backups: []", "labels: {}", "enabled: true", "lifecycle: {}", "depends_on: []"])
def test_writing_a_default_out_changes_nothing(said: str, loaded: Load) -> None:
    plain = loaded("servers: {a: {cpu_cores: 2}}").desired.resources
    assert loaded(f"servers: {{a: {{cpu_cores: 2, {said}}}}}").desired.resources == plain


def test_settings_are_defaults_and_labels_add_up(load_files: Callable[..., Any]) -> None:
    text = (
        "settings: {provider: cloud, zone: eu-1, image: debian-12, labels: {team: ops, tier: none}}\n"
        "servers: {a: {plan: small, labels: {tier: web}}, b: {plan: small, zone: us-1, image: ubuntu, provider: fake}}\n"
        "volumes: {d: {size_gb: 5}}\ndns: {web.example: {values: [x]}}\n"
    )
    found = load_files({MAIN: text}).desired.resources
    a, b = found["server/a"], found["server/b"]
    assert (a.provider, a.declared["zone"], a.declared["image"]) == ("cloud", "eu-1", "debian-12")
    assert a.declared["labels"] == {"team": "ops", "tier": "web"}
    assert (b.provider, b.declared["zone"], b.declared["image"]) == ("fake", "us-1", "ubuntu")
    assert found["volume/d"].declared["zone"] == "eu-1"
    assert "zone" not in found["dns/web.example"].declared


def test_every_kind_has_its_address(loaded: Load) -> None:
    text = (
        "servers: {a: {networks: [lan, {name: dmz, address: 10.0.0.9}], volumes: [{name: data, mount: /data}]}}\n"
        "networks: {lan: {}, dmz: {cidr: 10.0.0.0/24}}\nvolumes: {data: {size_gb: 5}}\n"
        "load_balancers: {lb: {servers: [a]}}\ndns: {web.example: {values: ['${load_balancer/lb.address}']}}\n"
    )
    found = loaded(text).desired.resources
    assert list(found) == ["dns/web.example", "load_balancer/lb", "network/dmz", "network/lan", "server/a", "volume/data"]
    assert found["server/a"].declared["networks"] == ["lan", {"name": "dmz", "address": "10.0.0.9"}]
    assert found["server/a"].declared["volumes"] == [{"name": "data", "mount": "/data"}]
    assert found["load_balancer/lb"].depends_on == (Dependency("server/a"),)
    assert found["dns/web.example"].depends_on == (Dependency("load_balancer/lb", output="address"),)


def test_a_taskserv_s_config_is_laid_from_core_to_its_server(loaded: Load) -> None:
    text = (
        "servers: {a: {taskservs: [nginx, {name: kubernetes, role: control-plane}]}, "
        "b: {taskservs: [{name: nginx, profile: big, config: {workers: {max: 99}}}]}}\n"
        "taskservs: {nginx: {version: 1.2.0, config: {port: 8080}, "
        "profiles: {big: {version: 1.3.0, config: {workers: {min: 9}}}}}}\n"
    )
    found = loaded(text)
    a, b = (found.desired.resources[f"taskserv/{s}/nginx"] for s in "ab")
    assert a.declared == {"version": "1.2.0", "config": {"port": 8080, "workers": {"min": 1, "max": 4}}}
    assert b.declared == {"version": "1.3.0", "profile": "big", "config": {"port": 8080, "workers": {"min": 9, "max": 99}}}
    assert found.desired.resources["taskserv/a/kubernetes"].declared == {
        "version": "1.0.0",
        "config": {},
        "role": "control-plane",
    }
    assert a.extension == found.catalog.taskservs["nginx"].digest
    origins = {o.key: (o.layer, o.where.path) for o in found.origins if o.key.startswith("taskserv/b/nginx")}
    assert origins == {
        "taskserv/b/nginx.config.port": ("infra", MAIN),
        "taskserv/b/nginx.config.workers.min": ("infra", MAIN),
        "taskserv/b/nginx.config.workers.max": ("infra", MAIN),
    }


def test_health_and_the_rest_go_with_it(loaded: Load) -> None:
    text = (
        "servers: {a: {taskservs: [nginx]}}\n"
        "taskservs: {nginx: {wait_for_health: false, labels: {x: y}, health: {type: tcp, port: 80}}}\n"
    )
    declared = loaded(text).desired.resources["taskserv/a/nginx"].declared
    assert declared["wait_for_health"] is False
    assert declared["labels"] == {"x": "y"}
    assert declared["health"]["retries"] == 3


def test_what_an_infra_says_of_a_taskserv_holds_for_an_added_one_too(loaded: Load) -> None:
    text = (
        "servers: {a: {taskservs: [kubernetes]}}\n"
        "taskservs: {etcd: {version: 3.5.0, config: {size: 3}, requires: [nginx]}, kubernetes: {dependencies: [web, "
        "{name: etcd, wait_for_health: false}], conflicts: [docker], provides: [orchestrator], optional: [nginx]}}\n"
    )
    specs = loaded(text).catalog.taskservs
    assert (specs["etcd"].version, specs["etcd"].defaults) == ("3.5.0", {"size": 3})
    assert specs["etcd"].requires == (Requirement("nginx"),)
    assert specs["kubernetes"].requires == (Requirement("web"), Requirement("etcd", False))
    assert (specs["kubernetes"].conflicts, specs["kubernetes"].provides) == (("docker",), ("orchestrator",))
    assert specs["kubernetes"].optional == ("nginx",)


def test_a_cluster_waits_for_its_components_and_its_config_reaches_the_one_of_its_name(loaded: Load) -> None:
    text = (
        "servers: {a: {}, b: {}}\nnetworks: {lan: {}}\n"
        "clusters: {web: {version: 2.0.0, servers: [a, b], config: {x: 1}, depends_on: [network/lan]}}\n"
        "taskservs: {web: {config: {x: 0, y: 0}}}\n"
    )
    found = loaded(text).desired.resources
    cluster = found["cluster/web"]
    assert cluster.declared == {"version": "2.0.0", "servers": ["a", "b"], "config": {"x": 1}, "taskservs": ["web"]}
    assert [d.address for d in cluster.depends_on] == ["network/lan", "taskserv/a/web", "taskserv/b/web"]
    assert found["taskserv/a/web"].declared["config"] == {"x": 1, "y": 0}


def test_lifecycles_take_a_name_or_an_address(loaded: Load) -> None:
    text = (
        "servers: {a: {lifecycle: {moved_from: old, prevent_destroy: true, ignore_changes: [labels]}, taskservs: [nginx, web]}, "
        "b: {lifecycle: {moved_from: server/older}}}\ntaskservs: {web: {lifecycle: {moved_from: www}}}\n"
    )
    found = loaded(text).desired.resources
    assert found["server/a"].lifecycle == Lifecycle(True, False, ("labels",), "server/old")
    assert found["server/b"].lifecycle.moved_from == "server/older"
    assert found["taskserv/a/web"].lifecycle.moved_from == "taskserv/a/www"


def test_drift_that_is_ignored_comes_from_the_resource_and_from_patterns(load_files: Callable[..., Any]) -> None:
    text = (
        "settings: {provider: fake, ignore_drift: {'server/web-*': [labels.owner, power], '*/a': [power]}}\n"
        "servers: {a: {}, web-1: {lifecycle: {ignore_drift: [power, cpu_cores]}}, db: {}}\n"
    )
    found = load_files({MAIN: text}).desired.resources
    ignored = {address: resource.lifecycle.ignore_drift for address, resource in found.items()}
    assert ignored == {"server/a": ("power",), "server/web-1": ("power", "cpu_cores", "labels.owner"), "server/db": ()}


def test_a_pattern_that_can_fit_nothing_is_a_mistake(load_files: Callable[..., Any]) -> None:
    (problem,) = load_files({MAIN: "settings: {provider: fake, ignore_drift: {servers/a: [power]}}\nservers: {a: {}}\n"})
    assert problem.code == "bad-address"
    assert problem.message == "settings.ignore_drift.servers/a: 'servers/a' fits no resource of a provider"


@pytest.mark.parametrize(
    "text",
    [
        "servers: {a: {enabled: false}}",
        "servers: {a: {enabled: false, taskservs: [nginx]}}",
        "networks: {lan: {enabled: false}}",
        "volumes: {d: {enabled: false, size_gb: 1}}",
        "dns: {x.example: {enabled: false, values: []}}",
        "taskservs: {nginx: {enabled: false}}",
        "servers: {a: {enabled: false}}\nclusters: {web: {enabled: false, servers: [a]}}",
    ],
)
def test_not_enabled_equals_not_declared(text: str, loaded: Load) -> None:
    assert loaded(text).desired.resources == {}


def test_local_and_fake_need_neither_zone_nor_size(loaded: Load) -> None:
    assert loaded("servers: {a: {}}", "local").desired.resources["server/a"].declared == {"power": "on"}


def test_references_become_edges_of_taskservs_too(loaded: Load) -> None:
    text = (
        "servers: {a: {taskservs: [nginx]}, db: {}}\n"
        "taskservs: {nginx: {config: {upstream: '${server/db.private_ip}', other: '${taskserv/a/etcd.url}'}, requires: [etcd]}}\n"
    )
    found = loaded(text).desired.resources["taskserv/a/nginx"]
    assert Dependency("server/db", output="private_ip") in found.depends_on
    assert Dependency("taskserv/a/etcd", output="url") in found.depends_on


def test_the_same_declaration_in_any_order_is_the_same(load_files: Callable[..., Any]) -> None:
    one = {MAIN: "settings: {provider: fake}\nservers: {a: {taskservs: [nginx]}, b: {}}\n", **EXTENSIONS}
    other: Mapping[str, str] = {
        **dict(reversed(EXTENSIONS.items())),
        "infra/shop/servers/b.yaml": "{}\n",
        MAIN: "# a comment\nservers:\n  - {taskservs: [nginx], name: a}\nsettings: {provider: fake}\n",
    }
    first, second = load_files(one), load_files(other)
    assert first.desired == second.desired
    assert first.catalog == second.catalog
    assert list(first.desired.resources) == list(second.desired.resources)
