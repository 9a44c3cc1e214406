"""Whole plans: targets, sets, ids, and the worked examples as plain values."""

from __future__ import annotations

from dataclasses import replace

import pytest
from estates import (
    CATALOG,
    GONE,
    NOTHING,
    actions,
    applied,
    apply,
    catalog,
    comes_before,
    infra,
    planned,
    refusals,
    resource,
    server,
    service,
    spec,
    step,
    there,
)

from planners.catalog import Requirement
from planners.digests import declared_digest, recorded_digest
from planners.model import Desired, Environment, EnvironmentClass, Observed, Recorded
from planners.plan import decided
from planners.problems import Problems, Where
from planners.steps import Options

SHOP = infra(
    resource("network/lan"),
    server("web", networks=["lan"]),
    server("db", networks=["lan"]),
    service("db", "postgres"),
    service("web", "nginx", upstream="${server/db.private_ip}"),
    resource("dns/shop.example", target="${server/web.private_ip}"),
)


def test_nothing_to_do_is_a_plan_of_no_steps() -> None:
    made = planned(SHOP, applied(SHOP))
    assert (made.steps, made.unchanged, made.notices, made.drift) == ((), 6, (), ())
    assert made.id


def test_mistakes_of_the_declaration_are_all_there_is() -> None:
    found = refusals(infra(server("a", "server/nowhere"), service("b", "redis")))
    assert {p.code for p in found} == {"unknown-dependency"}
    assert len(found) == 2


# --- targets ---------------------------------------------------------------------------------------------


def test_a_target_comes_with_what_it_needs_and_nothing_else() -> None:
    made = planned(SHOP, NOTHING, None, "taskserv/web/nginx")
    assert actions(made) == ["create network/lan", "create server/db", "create server/web", "create taskserv/web/nginx"]
    assert (made.targets, made.unchanged) == (("taskserv/web/nginx",), 0)


def test_what_a_target_needs_is_found_through_what_stays_as_it_is() -> None:
    changed = {**SHOP.resources, "network/lan": resource("network/lan", cidr="10.0.0.0/8")}
    made = planned(replace(SHOP, resources=changed), applied(SHOP), None, "taskserv/db/postgres")
    assert actions(made) == ["update network/lan"]
    assert made.unchanged == 2


def test_a_removal_as_target_comes_with_all_that_stood_on_it() -> None:
    made = planned(infra(server("other")), applied(SHOP), None, "network/lan")
    assert actions(made) == [
        "delete dns/shop.example",
        "delete taskserv/db/postgres",
        "delete taskserv/web/nginx",
        "delete server/db",
        "delete server/web",
        "delete network/lan",
    ]


def test_neighbours_that_only_go_first_are_not_needed() -> None:
    estate = infra(server("a"), service("a", "nginx"), service("a", "redis"))
    made = planned(estate, NOTHING, None, "taskserv/a/nginx")
    assert actions(made) == ["create server/a", "create taskserv/a/nginx"]
    assert [d.address for d in step(made, "taskserv/a/nginx").depends_on] == ["server/a"]


@pytest.mark.parametrize(
    ("target", "hint"),
    [("server/wbe", "did you mean 'server/web'?"), ("elsewhere", "write it as kind/name, such as server/web-01")],
)
def test_a_target_that_is_nothing_is_a_mistake(target: str, hint: str) -> None:
    (problem,) = refusals(SHOP, NOTHING, None, target)
    assert (problem.code, problem.message, problem.hint) == ("unknown-target", f"there is no resource '{target}'", hint)


def test_targets_are_a_set() -> None:
    one, two = planned(SHOP, NOTHING, None, "server/db", "network/lan"), planned(SHOP, NOTHING, None, "network/lan", "server/db")
    assert one == two


# --- destroy and drift -----------------------------------------------------------------------------------


def test_destroy_removes_what_is_recorded_whatever_is_declared() -> None:
    made = planned(SHOP, applied(SHOP), destroy=True)
    assert {s.action for s in made.steps} == {"delete"}
    assert (len(made.steps), made.destroy, made.unchanged) == (6, True, 0)
    assert {s.reason for s in made.steps} == {"destroy"}
    assert apply(made, applied(SHOP)) == NOTHING


def test_destroy_does_not_ask_whether_declarations_can_be_planned() -> None:
    broken = infra(server("web", "server/nowhere"))
    assert len(planned(broken, applied(SHOP), destroy=True).steps) == 6


def test_drift_is_listed_also_where_nothing_is_done_about_it() -> None:
    made = planned(SHOP, applied(SHOP), {"server/web": there(power="off"), "server/db": GONE})
    assert made.drift == ("server/db", "server/web")
    with_ignored = {
        a: replace(r, lifecycle=replace(r.lifecycle, ignore_changes=("cpu_cores",))) for a, r in SHOP.resources.items()
    }
    quiet = replace(SHOP, resources=with_ignored)
    assert planned(quiet, applied(SHOP), {"server/web": there(cpu_cores=9)}).drift == ("server/web",)


def concerned(desired: Desired, recorded: Recorded, observed: Observed, options: Options) -> set[str]:
    found = decided(desired, recorded, observed, CATALOG, options)
    assert not isinstance(found, Problems)
    return set(found.wanted)


def test_what_is_observed_for_targets_grows_with_what_was_found() -> None:
    """A service that is gone is made again, and needs the room of one that leaves."""
    after = infra(server("a"), service("a", "containerd"))
    recorded = applied(infra(server("a"), service("a", "docker")))
    recorded = replace(recorded, resources={**recorded.resources, **applied(after).resources})
    wanted = Options(("taskserv/a/containerd",))
    assert concerned(after, recorded, {}, wanted) == {"taskserv/a/containerd", "server/a"}
    assert concerned(after, recorded, {"taskserv/a/containerd": GONE}, wanted) == {
        "taskserv/a/containerd",
        "server/a",
        "taskserv/a/docker",
    }


def test_without_targets_everything_is_observed_and_without_a_plan_nothing() -> None:
    assert concerned(SHOP, applied(SHOP), {}, Options()) == {*SHOP.resources}
    assert isinstance(decided(infra(server("web", "server/nowhere")), NOTHING, {}, CATALOG, Options()), Problems)


# --- what a plan is bound to -----------------------------------------------------------------------------


def test_each_step_names_what_it_relied_on_and_what_it_changes() -> None:
    recorded = applied(SHOP)
    changed = {**SHOP.resources, "server/web": server("web", networks=["lan"], cpu_cores=8)}
    (only,) = planned(replace(SHOP, resources=changed), recorded).steps
    assert [a for a, _ in only.reads] == ["network/lan", "server/web"]
    ((address, digests),) = only.writes
    assert address == "server/web"
    assert digests.recorded == recorded_digest(recorded.resources["server/web"])
    assert digests.declared != declared_digest(SHOP.resources["server/web"])


def test_a_removal_relies_on_what_stood_on_it() -> None:
    made = planned(
        infra(resource("network/lan")),
        applied(infra(resource("network/lan"), server("a", networks=["lan"]), service("a", "redis"))),
    )
    assert [a for a, _ in step(made, "server/a").reads] == ["server/a", "taskserv/a/redis"]
    assert {d.declared for _, d in step(made, "server/a").reads} == {"absent"}


def test_the_removal_of_a_service_relies_on_its_server() -> None:
    """Were the server removed or made anew meanwhile, the service would go with it."""
    made = planned(infra(server("a")), applied(infra(server("a"), service("a", "redis"))))
    assert [a for a, _ in step(made, "taskserv/a/redis").reads] == ["server/a", "taskserv/a/redis"]


def test_the_catalog_relied_on_is_that_of_the_steps() -> None:
    assert planned(infra(server("a"), service("a", "redis"))).catalog == {
        "evaluator/declarations": "1",
        "extension/redis": "digest-of-redis",
        "planner": "2",
        "provider/fake": "1",
    }
    assert set(planned(infra()).catalog) == {"evaluator/declarations", "planner"}


def test_the_id_is_of_content_alone() -> None:
    made = planned(SHOP)
    moved = {a: replace(r, where=Where("elsewhere.yaml", 1, 1)) for a, r in SHOP.resources.items()}
    assert planned(replace(SHOP, resources=moved)).id == made.id
    assert planned(replace(SHOP, environment=Environment("prod", EnvironmentClass.PROD))).id != made.id
    newer = catalog(providers=(replace(CATALOG.providers["fake"], version="2"),))
    assert planned(SHOP, known=newer).id != made.id
    resized = {**SHOP.resources, "server/db": server("db", networks=["lan"], cpu_cores=3)}
    assert planned(replace(SHOP, resources=resized)).id != made.id


# --- the worked examples ---------------------------------------------------------------------------------

NAMED = ("dev-server-01", "dev-server-02", "dev-server-03")


def test_three_servers_and_kubernetes_that_brings_containerd_and_etcd() -> None:
    made = planned(infra(*(server(name) for name in NAMED), service("dev-server-01", "kubernetes")))
    assert actions(made) == [
        "create server/dev-server-01",
        "create server/dev-server-02",
        "create server/dev-server-03",
        "create taskserv/dev-server-01/containerd",
        "create taskserv/dev-server-01/etcd",
        "create taskserv/dev-server-01/kubernetes",
    ]
    for name in ("containerd", "etcd"):
        added = step(made, f"taskserv/dev-server-01/{name}")
        assert added.implied_by == "taskserv/dev-server-01/kubernetes"
        assert added.reason == "required by taskserv/dev-server-01/kubernetes"
        assert comes_before(made, added.address, "taskserv/dev-server-01/kubernetes")
    assert [step(made, f"taskserv/dev-server-01/{n}").declared["version"] for n in ("containerd", "etcd", "kubernetes")] == [
        "1.7.0",
        "3.5.0",
        "1.28.0",
    ]


def test_two_web_servers_wait_for_the_database() -> None:
    upstream = "${taskserv/db-01/postgres.port}"
    estate = infra(
        server("web-01"),
        server("web-02"),
        server("db-01"),
        service("db-01", "postgres"),
        service("web-01", "app", "taskserv/web-01/docker", database=upstream),
        service("web-02", "app", "taskserv/web-02/docker", database=upstream),
        resource("load_balancer/shop", "server/web-01", "server/web-02"),
    )
    made = planned(estate)
    for name in ("web-01", "web-02"):
        assert comes_before(made, "taskserv/db-01/postgres", f"taskserv/{name}/app")
        assert step(made, f"taskserv/{name}/docker").implied_by == f"taskserv/{name}/app"
        (database,) = (c for c in step(made, f"taskserv/{name}/app").changes if c.path == "config.database")
        assert database.unknown
    assert made.steps[-1].address == "load_balancer/shop"


def test_the_master_comes_before_its_workers() -> None:
    known = catalog(
        spec("kubernetes", "containerd", Requirement("etcd", roles=("control-plane",)), roles=("control-plane", "worker"))
    )
    names = ("k8s-master-01", "k8s-worker-01", "k8s-worker-02")
    roles = ("control-plane", "worker", "worker")
    estate = infra(*map(server, names), *(service(n, "kubernetes", role=r) for n, r in zip(names, roles, strict=True)))
    made = planned(estate, known=known)
    for name in names:
        assert comes_before(made, f"taskserv/{name}/containerd", f"taskserv/{name}/kubernetes")
        assert (f"create taskserv/{name}/etcd" in actions(made)) is (name == "k8s-master-01")
    for worker in names[1:]:
        assert comes_before(made, "taskserv/k8s-master-01/kubernetes", f"taskserv/{worker}/kubernetes")
    assert comes_before(made, "taskserv/k8s-master-01/etcd", "taskserv/k8s-master-01/kubernetes")
