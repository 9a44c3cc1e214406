"""What taskservs require, what is added for them, what clashes, what goes first."""

from __future__ import annotations

from typing import Any

import pytest
from estates import CATALOG, catalog, infra, resource, server, service, spec

from planners.catalog import Catalog, Requirement
from planners.model import Dependency, Resource, taskserv_of
from planners.requirements import Completed, clashes, complete, implied, is_need, needs_of, preferred, provided


def completed(*resources: Resource, known: Catalog = CATALOG) -> Completed:
    return complete(infra(*resources).resources, known)


def edges(found: Completed, address: str) -> dict[str, bool]:
    return {d.address: d.healthy for d in found.edges[address]}


def test_what_is_required_and_missing_is_added_with_its_own_requirements() -> None:
    found = completed(server("a"), service("a", "cilium"))
    added = {a: r.implied_by for a, r in found.resources.items() if r.implied_by}
    assert added == {
        "taskserv/a/kubernetes": "taskserv/a/cilium",
        "taskserv/a/containerd": "taskserv/a/kubernetes",
        "taskserv/a/etcd": "taskserv/a/kubernetes",
    }
    assert edges(found, "taskserv/a/kubernetes") == {"taskserv/a/containerd": True, "taskserv/a/etcd": True}
    assert not found.problems


def test_an_added_one_is_as_its_extension_says() -> None:
    known = spec("base", defaults={"port": 1}).__class__("base", "2", "d", defaults={"port": 1})
    made = implied(known, service("a", "app"))
    assert (made.declared, made.extension, made.provider) == ({"version": "2", "config": {"port": 1}}, "d", "fake")


def test_what_is_there_already_is_not_added_again() -> None:
    found = completed(server("a"), service("a", "containerd"), service("a", "etcd"), service("a", "kubernetes"))
    assert not any(r.implied_by for r in found.resources.values())


def test_a_capability_is_met_by_whatever_provides_it() -> None:
    found = completed(server("a"), service("a", "app"), service("a", "docker"))
    assert edges(found, "taskserv/a/app") == {"taskserv/a/docker": True}


def test_a_capability_that_several_provide_is_for_a_person_to_choose() -> None:
    (problem,) = completed(server("a"), service("a", "app")).problems
    assert (problem.code, problem.message, problem.hint) == (
        "ambiguous-requirement",
        "taskserv/a/app requires 'runtime' and several provide it: containerd, docker",
        "list one of them under the taskservs of server/a",
    )


def test_a_need_by_name_is_met_before_a_capability() -> None:
    """Kubernetes brings containerd, which then provides the runtime that app needs."""
    found = completed(server("a"), service("a", "app"), service("a", "kubernetes"))
    assert edges(found, "taskserv/a/app") == {"taskserv/a/containerd": True}
    assert not found.problems


def test_a_need_that_nothing_meets_is_told_with_the_nearest_name() -> None:
    (problem,) = completed(server("a"), service("a", "web"), known=catalog(spec("web", "postgers"))).problems
    assert problem.message == "taskserv/a/web requires 'postgers', which no extension is or provides"
    assert problem.hint == "did you mean 'postgres'?"


@pytest.mark.parametrize(("role", "needed"), [("primary", True), ("replica", False)])
def test_a_need_may_hold_for_some_roles_only(role: str, needed: bool) -> None:
    known = catalog(spec("store", Requirement("etcd", roles=("primary",))))
    found = completed(server("a"), service("a", "store", role=role), known=known)
    assert ("taskserv/a/etcd" in found.resources) is needed


def test_a_need_that_any_server_may_meet_is_met_elsewhere() -> None:
    known = catalog(spec("web", Requirement("redis", anywhere=True)))
    far = completed(server("a"), server("b"), service("a", "web"), service("b", "redis"), known=known)
    assert edges(far, "taskserv/a/web") == {"taskserv/b/redis": True}
    near = completed(server("a"), service("a", "web"), known=known)
    assert near.resources["taskserv/a/redis"].implied_by == "taskserv/a/web"


@pytest.mark.parametrize(
    ("healthy", "wait", "expected"), [(True, None, True), (False, None, False), (True, False, False), (True, True, True)]
)
def test_it_waits_for_health_unless_either_side_says_no(healthy: bool, wait: bool | None, expected: bool) -> None:
    redis = service("a", "redis")
    declared: dict[str, Any] = dict(redis.declared) | ({} if wait is None else {"wait_for_health": wait})
    redis = Resource(redis.address, "fake", declared, extension=redis.extension)
    known = catalog(spec("web", Requirement("redis", healthy)))
    assert edges(completed(server("a"), service("a", "web"), redis, known=known), "taskserv/a/web") == {redis.address: expected}


def test_an_edge_to_an_undeclared_service_of_the_same_server_is_a_requirement() -> None:
    web = service("a", "nginx", "taskserv/a/redis")
    found = completed(server("a"), web)
    assert found.resources["taskserv/a/redis"].implied_by == web.address
    assert list(needs_of(web, {}, CATALOG)) == [Requirement("redis")]
    assert not is_need(web, Dependency("taskserv/b/redis"), {})
    assert not is_need(web, Dependency("taskserv/a/redis", output="port"), {})


def test_conflicts_are_told_once_and_say_why_an_added_one_is_there() -> None:
    (problem,) = completed(server("a"), service("a", "docker"), service("a", "kubernetes")).problems
    assert problem.code == "conflict"
    assert problem.message == (
        "'containerd' and 'docker' cannot both be on server/a: extension 'containerd' declares the conflict; "
        "containerd is there because taskserv/a/kubernetes requires it"
    )


def test_conflicts_go_by_capability_too_and_only_on_one_server() -> None:
    known = catalog(spec("podman", conflicts=("runtime",)))
    assert clashes("podman", "docker", known) and clashes("docker", "podman", known)
    assert not clashes("redis", "docker", known) and not clashes("nowhere", "docker", known)
    assert not completed(server("a"), server("b"), service("a", "podman"), service("b", "docker"), known=known).problems


def test_names() -> None:
    assert taskserv_of("taskserv/a/redis") == "redis"
    assert provided("docker", CATALOG) == ("docker", "runtime")
    assert provided("nowhere", CATALOG) == ("nowhere",)


def test_optional_neighbours_and_roles_order_without_requiring() -> None:
    pairs = preferred(
        [
            ("taskserv/a/nginx", None),
            ("taskserv/a/redis", None),
            ("taskserv/b/redis", None),
            ("taskserv/m/kubernetes", "control-plane"),
            ("taskserv/w/kubernetes", "worker"),
            ("taskserv/x/kubernetes", "unheard of"),
        ],
        CATALOG,
    )
    assert set(pairs) == {("taskserv/a/redis", "taskserv/a/nginx"), ("taskserv/m/kubernetes", "taskserv/w/kubernetes")}


def test_servers_themselves_have_no_requirements() -> None:
    assert completed(server("a"), resource("dns/x")).edges == {}
