"""Renames: when a record goes on under another address."""

from __future__ import annotations

import pytest
from estates import actions, applied, apply, infra, life, planned, refusals, resource, server, service, step

from planners.model import Resource
from planners.moves import moves
from planners.steps import Move


def moving(name: str, source: str, **more: object) -> Resource:
    return server(name, lifecycle=life(moved_from=source), **more)


BEFORE = applied(infra(server("old"), service("old", "kubernetes"), server("other")))


def test_a_server_is_renamed_and_takes_its_services_along() -> None:
    after = infra(moving("new", "server/old"), service("new", "kubernetes"), server("other"))
    made = planned(after, BEFORE)
    assert [(s.action, s.address) for s in made.steps] == [
        ("move", "server/new"),
        ("move", "taskserv/new/containerd"),
        ("move", "taskserv/new/etcd"),
        ("move", "taskserv/new/kubernetes"),
    ]
    first = step(made, "server/new")
    assert isinstance(first, Move)
    assert (first.moved_from, first.reason) == ("server/old", "moved from server/old")
    assert [a for a, _ in first.writes] == ["server/new", "server/old"]
    assert made.notices == ()


def test_services_follow_their_server_also_when_the_run_was_stopped_in_between() -> None:
    after = infra(moving("new", "server/old"), service("new", "kubernetes"), server("other"))
    halfway = apply(planned(after, BEFORE), BEFORE, steps=2)
    assert actions(planned(after, halfway)) == ["move taskserv/new/etcd", "move taskserv/new/kubernetes"]


def test_a_move_as_target_brings_along_what_must_leave_the_old_name_first() -> None:
    after = infra(moving("new", "server/old"), server("other"))
    made = planned(after, applied(infra(server("old"), service("old", "redis"), server("other"))), None, "server/new")
    assert actions(made) == ["delete taskserv/old/redis", "move server/new"]


def test_a_move_may_come_with_changes() -> None:
    made = planned(infra(moving("new", "server/old", cpu_cores=8), service("new", "kubernetes"), server("other")), BEFORE)
    assert step(made, "server/new").reason == "moved from server/old; declaration changed"
    assert [c.path for c in step(made, "server/new").changes] == ["cpu_cores"]


def test_a_service_may_get_another_name_while_its_server_moves() -> None:
    recorded = applied(infra(server("old"), service("old", "redis")))
    kept = service("new", "postgres", lifecycle=life(moved_from="taskserv/new/redis"))
    found, problems = moves(infra(moving("new", "server/old"), kept).resources, recorded.resources)
    assert (found, problems) == ({"server/new": "server/old", "taskserv/new/postgres": "taskserv/old/redis"}, ())


@pytest.mark.parametrize("source", ["server/old", "server/never-was"])
def test_moved_from_says_nothing_once_the_new_one_is_recorded_or_the_old_one_is_not(source: str) -> None:
    recorded = applied(infra(server("new")))
    assert moves(infra(moving("new", source)).resources, recorded.resources) == ({}, ())


def test_what_else_referred_to_it_is_brought_up_to_date_after_it() -> None:
    recorded = applied(infra(server("old"), resource("load_balancer/lb", "server/old")))
    made = planned(infra(moving("new", "server/old"), resource("load_balancer/lb", "server/new")), recorded)
    balancer = step(made, "load_balancer/lb")
    assert (balancer.action, balancer.record_only, balancer.reason) == ("update", True, "dependencies changed")
    assert [d.address for d in balancer.depends_on] == ["server/new"]


@pytest.mark.parametrize(
    ("resources", "code", "message"),
    [
        (
            (moving("new", "server/old"), server("old"), server("other")),
            "move-onto-declared",
            "server/new says moved_from 'server/old', which is still declared",
        ),
        (
            (moving("new", "server/old"), moving("newer", "server/old"), server("other")),
            "move-claimed-twice",
            "server/newer says moved_from 'server/old', which is claimed by another declaration too",
        ),
        (
            (resource("volume/v", lifecycle=life(moved_from="server/old")), server("other")),
            "move-across-kinds",
            "volume/v says moved_from 'server/old', which is of another kind",
        ),
        (
            (server("other"), service("other", "etcd", lifecycle=life(moved_from="taskserv/old/etcd"))),
            "move-across-servers",
            "taskserv/other/etcd says moved_from 'taskserv/old/etcd', which stands on another server",
        ),
        (
            (moving("new", "server/old", image="other"), server("other")),
            "move-and-replace",
            "server/new cannot be moved from server/old: it would be made anew (image cannot change in place)",
        ),
    ],
)
def test_what_would_not_keep_the_thing_is_refused(resources: tuple[Resource, ...], code: str, message: str) -> None:
    assert [(p.code, p.message) for p in refusals(infra(*resources), BEFORE)] == [(code, message)]
