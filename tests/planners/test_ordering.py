"""What each step waits for, and the one sequence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from estates import (
    NOTHING,
    actions,
    applied,
    catalog,
    comes_before,
    infra,
    life,
    planned,
    refusals,
    resource,
    server,
    service,
    spec,
    step,
)

from planners.model import Dependency, Recorded, RecordedResource
from planners.ordering import is_removal


def waits(made: object, address: str) -> dict[str, bool]:
    return {d.address: d.healthy for d in step(made, address).depends_on}  # type: ignore[arg-type]


def test_kinds_come_in_their_order_and_names_within_them() -> None:
    kinds = ("network", "volume", "server", "cluster", "load_balancer", "dns")
    made = planned(infra(*(resource(f"{kind}/{name}") for kind in reversed(kinds) for name in ("b", "a"))))
    assert [s.address for s in made.steps] == [f"{kind}/{name}" for kind in kinds for name in ("a", "b")]


def test_needs_beat_kinds() -> None:
    made = planned(infra(resource("network/lan", "dns/x"), resource("dns/x")))
    assert actions(made) == ["create dns/x", "create network/lan"]


def test_removals_come_last_and_in_the_opposite_order() -> None:
    before = applied(infra(resource("network/lan"), server("a", networks=["lan"]), service("a", "redis"), resource("dns/x")))
    made = planned(infra(server("new")), before)
    assert actions(made) == [
        "create server/new",
        "delete dns/x",
        "delete taskserv/a/redis",
        "delete server/a",
        "delete network/lan",
    ]
    assert waits(made, "server/a") == {"taskserv/a/redis": False}


def test_of_several_edges_to_one_step_the_strictest_counts() -> None:
    web = replace(server("web"), depends_on=(Dependency("dns/x", healthy=False), Dependency("dns/x", healthy=True)))
    lazy = replace(server("lazy"), depends_on=(Dependency("dns/x", healthy=False),))
    made = planned(infra(web, lazy, resource("dns/x")))
    assert waits(made, "server/web") == {"dns/x": True}
    assert waits(made, "server/lazy") == {"dns/x": False}


def test_what_goes_waits_until_its_users_were_changed() -> None:
    before = applied(infra(server("a"), server("b"), resource("load_balancer/lb", "server/a", "server/b")))
    made = planned(infra(server("a"), resource("load_balancer/lb", "server/a")), before)
    assert actions(made) == ["update load_balancer/lb", "delete server/b"]
    assert waits(made, "server/b") == {"load_balancer/lb": True}


def test_what_leaves_a_server_makes_room_for_what_it_conflicts_with() -> None:
    before = applied(infra(server("a"), service("a", "docker")))
    made = planned(infra(server("a"), service("a", "containerd")), before)
    assert actions(made) == ["delete taskserv/a/docker", "create taskserv/a/containerd"]
    assert waits(made, "taskserv/a/containerd") == {"taskserv/a/docker": False}


def test_where_room_is_needed_the_old_one_goes_before_its_users_are_changed_and_that_is_said() -> None:
    before = applied(infra(server("a"), service("a", "docker"), service("a", "app")))
    made = planned(infra(server("a"), service("a", "containerd"), service("a", "app")), before)
    assert actions(made) == ["delete taskserv/a/docker", "create taskserv/a/containerd", "update taskserv/a/app"]
    assert [(n.code, n.message) for n in made.notices] == [
        (
            "removed-early",
            "taskserv/a/docker is removed before taskserv/a/app, which still uses it, is changed: its successor needs the room",
        )
    ]


def test_optional_neighbours_come_first_when_they_are_there() -> None:
    made = planned(infra(server("a"), service("a", "nginx"), service("a", "redis")))
    assert comes_before(made, "taskserv/a/redis", "taskserv/a/nginx")
    assert waits(made, "taskserv/a/nginx")["taskserv/a/redis"] is False
    assert "taskserv/a/redis" not in dict(step(made, "taskserv/a/nginx").reads)


def test_roles_come_in_their_order_healthy_and_go_against_it() -> None:
    estate = infra(
        server("z"), server("a"), service("z", "kubernetes", role="control-plane"), service("a", "kubernetes", role="worker")
    )
    made = planned(estate)
    assert waits(made, "taskserv/a/kubernetes")["taskserv/z/kubernetes"] is True
    assert comes_before(made, "taskserv/z/kubernetes", "taskserv/a/kubernetes")
    gone = planned(infra(), applied(estate), destroy=True)
    assert comes_before(gone, "taskserv/a/kubernetes", "taskserv/z/kubernetes")


def test_a_role_that_does_not_wait_for_health_is_not_waited_for() -> None:
    master = service("m", "kubernetes", role="control-plane")
    master = replace(master, declared={**master.declared, "wait_for_health": False})
    made = planned(infra(server("m"), server("w"), master, service("w", "kubernetes", role="worker")))
    assert waits(made, "taskserv/w/kubernetes")["taskserv/m/kubernetes"] is False


def test_wishes_yield_to_needs_and_to_each_other() -> None:
    known = catalog(spec("left", optional=("right",)), spec("right", optional=("left",)), spec("redis", "nginx"))
    made = planned(infra(server("a"), service("a", "left"), service("a", "right"), service("a", "redis")), known=known)
    assert len(made.steps) == 5
    assert comes_before(made, "taskserv/a/nginx", "taskserv/a/redis")


def test_removals_come_before_what_they_stood_on_is_made_anew() -> None:
    before = applied(infra(server("a", image="1"), resource("dns/x", "server/a")))
    made = planned(infra(server("a", image="2")), before)
    assert actions(made) == ["delete dns/x", "replace server/a"]


def test_recorded_dependencies_that_form_a_ring_are_refused_with_the_path() -> None:
    ring = {a: RecordedResource(a, "fake", {}, depends_on=(b,)) for a, b in (("server/a", "server/b"), ("server/b", "server/a"))}
    (problem,) = refusals(infra(), Recorded("shop", ring), destroy=True)
    assert (problem.code, problem.message) == (
        "dependency-cycle",
        "these steps wait for each other: server/a -> server/b -> server/a",
    )


@pytest.mark.parametrize("destroy", [True, False])
def test_only_deletes_and_forgets_are_removals(destroy: bool) -> None:
    made = planned(infra(server("a")), applied(infra(server("a"))) if destroy else NOTHING, destroy=destroy)
    assert is_removal(made.steps[0]) is destroy
    assert not is_removal(None)


def test_a_record_without_its_server_among_its_edges_goes_before_the_server_all_the_same() -> None:
    before = applied(infra(server("a"), service("a", "redis")))
    bare = {a: replace(r, depends_on=()) for a, r in before.resources.items()}
    assert actions(planned(infra(), Recorded("shop", bare), destroy=True)) == ["delete taskserv/a/redis", "delete server/a"]


def test_removals_come_before_their_server_takes_another_name() -> None:
    before = applied(infra(server("old"), service("old", "redis")))
    made = planned(infra(server("new", lifecycle=life(moved_from="server/old"))), before)
    assert actions(made) == ["delete taskserv/old/redis", "move server/new"]
