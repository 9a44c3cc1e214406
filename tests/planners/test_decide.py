"""One resource at a time: declared now, declared then, observed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from estates import (
    AWAY,
    CATALOG,
    GONE,
    actions,
    applied,
    apply,
    catalog,
    infra,
    life,
    planned,
    refusals,
    resource,
    server,
    service,
    spec,
    step,
    there,
)

from planners.catalog import KindSpec
from planners.decide import spec_of
from planners.model import Desired, Observation, Recorded, Resource, Status
from planners.plan import plan
from planners.steps import Adopt, Change, Forget, Options, Plan

WEB = server("web", image="debian-12")


def replan(after: Resource, before: Resource = WEB, seen: Observation | None = None) -> Plan:
    """The plan from one made resource to another declaration of it."""
    return planned(infra(after), applied(infra(before)), None if seen is None else {after.address: seen})


@pytest.mark.parametrize(
    ("after", "seen", "action", "reason"),
    [
        # declared now against declared then
        (WEB, None, "", ""),
        (server("web", image="debian-12", cpu_cores=4), None, "update", "declaration changed"),
        (server("web", image="debian-13"), None, "replace", "image cannot change in place"),
        (server("web", image="debian-13", zone="x"), None, "replace", "image, zone cannot change in place"),
        (server("web", image="debian-12", note=None, extra={}), None, "", ""),
        # against what is there
        (WEB, there(cpu_cores=2, image="debian-12", power="on"), "", ""),
        (WEB, there(cpu_cores=4), "update", "drift: cpu_cores"),
        (WEB, there(power="off"), "update", "drift: power"),
        (WEB, there(image="debian-11"), "replace", "image cannot change in place"),
        (WEB, there(tags=["made by hand"], uptime=3), "", ""),
        (WEB, there(healthy=False), "update", "drift: not healthy"),
        (WEB, there(outputs={"private_ip": "10.9.9.9"}), "update", "drift: output private_ip"),
        (WEB, GONE, "create", "drift: it is gone"),
        (WEB, AWAY, "", ""),
        # both
        (server("web", image="debian-12", cpu_cores=4), there(cpu_cores=3), "update", "declaration changed"),
        (server("web", image="debian-12", cpu_cores=4), there(power="off"), "update", "declaration changed; drift: power"),
        (server("web", image="debian-12", cpu_cores=4), there(cpu_cores=4), "update", "already as declared"),
        (server("web", image="debian-13"), there(image="debian-13"), "update", "already as declared"),
        (server("web", image="debian-12", cpu_cores=4), AWAY, "update", "declaration changed"),
    ],
)
def test_three_ways(after: Resource, seen: Observation | None, action: str, reason: str) -> None:
    made = replan(after, seen=seen)
    assert [(s.action, s.reason) for s in made.steps] == ([(action, reason)] if action else [])


def test_what_is_already_so_outside_only_changes_the_record() -> None:
    (only,) = replan(server("web", image="debian-13"), seen=there(image="debian-13")).steps
    assert (only.record_only, only.declared["image"]) == (True, "debian-13")  # type: ignore[union-attr]


def test_a_new_resource_shows_all_it_will_have() -> None:
    (made,) = planned(infra(server("web", root_password="hush"))).steps
    assert made.reason == "not there yet"
    assert made.changes == (Change("cpu_cores", None, 2), Change("root_password", None, "hush", sensitive=True))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": Status.TAINTED}, "tainted: the last run left it half made"),
        ({"status": Status.DELETING}, "its deletion was not finished"),
    ],
)
def test_what_was_left_half_done_is_made_anew(change: dict[str, Any], reason: str) -> None:
    record = replace(applied(infra(WEB)).resources[WEB.address], **change)
    made = planned(infra(WEB), Recorded("shop", {WEB.address: record}))
    assert [(s.action, s.reason) for s in made.steps] == [("replace", reason)]


def test_what_was_left_changed_half_way_is_updated() -> None:
    record = replace(applied(infra(WEB)).resources[WEB.address], status=Status.DEGRADED)
    (made,) = planned(infra(WEB), Recorded("shop", {WEB.address: record})).steps
    assert (made.action, made.reason) == ("update", "the last run left it changed half way or not healthy")
    assert not made.record_only  # type: ignore[union-attr]


def test_what_it_replaced_goes_without_a_replacement_of_its_own() -> None:
    left = {"id": "2", "replaces": {"provider": "fake", "observed": {"id": "1"}}}
    record = replace(applied(infra(WEB)).resources[WEB.address], observed=left)
    (made,) = planned(infra(WEB), Recorded("shop", {WEB.address: record})).steps
    assert (made.action, made.reason) == ("update", "what it replaced is still there and is removed")
    assert not made.record_only  # type: ignore[union-attr]


def test_a_deletion_that_was_not_finished_is_told() -> None:
    record = replace(applied(infra(WEB)).resources[WEB.address], status=Status.DELETING)
    (made,) = planned(infra(), Recorded("shop", {WEB.address: record})).steps
    assert (made.action, made.reason) == ("delete", "no longer declared, and its deletion was not finished")


def test_a_stray_that_was_taken_in_is_removed_and_nothing_else() -> None:
    recorded = applied(infra(WEB)).resources[WEB.address]
    stray = replace(recorded, address=f"{WEB.address}~9", declared={}, status=Status.STRAY)
    (made,) = planned(infra(WEB), Recorded("shop", {WEB.address: recorded, stray.address: stray})).steps
    assert (made.action, made.address, made.reason) == ("delete", f"{WEB.address}~9", "nobody recorded it when it was made")


def test_another_provider_makes_it_anew() -> None:
    known = catalog(providers=(CATALOG.providers["fake"], replace(CATALOG.providers["fake"], name="cloud")))
    made = planned(infra(replace(WEB, provider="cloud")), applied(infra(WEB)), known=known)
    assert [(s.action, s.reason) for s in made.steps] == [("replace", "provider changes from 'fake' to 'cloud'")]
    assert {"provider/fake", "provider/cloud"} <= made.catalog.keys()


def test_the_new_one_may_be_made_first() -> None:
    (made,) = replan(server("web", image="debian-13", lifecycle=life(create_before_destroy=True))).steps
    assert made.create_first is True  # type: ignore[union-attr]


def test_a_service_that_went_with_its_server_is_not_made_first() -> None:
    redis = service("a", "redis", lifecycle=life(create_before_destroy=True))
    made = planned(infra(server("a", image="2"), redis), applied(infra(server("a", image="1"), redis)))
    assert (step(made, redis.address).gone_with_host, step(made, redis.address).create_first) == (True, False)


@pytest.mark.parametrize(("ignored", "steps"), [(("cpu_cores",), 0), (("labels",), 1), ((), 1)])
def test_ignored_changes_are_not_asked_for(ignored: tuple[str, ...], steps: int) -> None:
    made = replan(
        server("web", cpu_cores=4, lifecycle=life(ignore_changes=ignored)), server("web", lifecycle=life(ignore_changes=ignored))
    )
    assert len(made.steps) == steps


def test_ignored_drift_is_left_and_a_declared_change_of_the_same_key_is_made() -> None:
    lifecycle = life(ignore_drift=("cpu_cores",))
    web = server("web", lifecycle=lifecycle)
    assert planned(infra(web), applied(infra(web)), {"server/web": there(cpu_cores=9)}).steps == ()
    (made,) = planned(
        infra(server("web", cpu_cores=4, lifecycle=lifecycle)), applied(infra(web)), {"server/web": there(cpu_cores=9)}
    ).steps
    assert [(c.path, c.before, c.after) for c in made.changes] == [("cpu_cores", 2, 4)]


def test_ignored_leaves_stay_as_recorded_when_something_else_changes() -> None:
    lifecycle = life(ignore_changes=("cpu_cores",))
    (made,) = replan(server("web", cpu_cores=4, labels={"a": 1}, lifecycle=lifecycle), server("web", lifecycle=lifecycle)).steps
    assert made.declared == {"cpu_cores": 2, "labels": {"a": 1}}
    assert [c.path for c in made.changes] == ["labels.a"]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (WEB, replace(WEB, lifecycle=life(prevent_destroy=True)), "lifecycle changed"),
        (WEB, replace(WEB, lifecycle=life(moved_from="server/former")), ""),
    ],
)
def test_what_only_the_record_knows_is_brought_up_to_date(before: Resource, after: Resource, reason: str) -> None:
    assert [(s.reason, s.record_only) for s in replan(after, before).steps] == ([(reason, True)] if reason else [])  # type: ignore[union-attr]


def test_a_service_once_added_by_the_planner_may_be_declared_and_the_other_way_round() -> None:
    implied, declared = (
        infra(server("a"), service("a", "cilium")),
        infra(server("a"), service("a", "cilium"), service("a", "etcd")),
    )
    there_now = planned(declared, applied(implied))
    assert [(s.address, s.reason) for s in there_now.steps] == [("taskserv/a/etcd", "now declared")]
    back = planned(implied, applied(declared))
    assert [(s.address, s.reason) for s in back.steps] == [("taskserv/a/etcd", "now required by taskserv/a/kubernetes")]


def test_another_extension_updates_the_service() -> None:
    before = infra(server("a"), service("a", "redis"))
    after = infra(server("a"), replace(service("a", "redis"), extension="digest of a newer one"))
    assert [s.reason for s in planned(after, applied(before)).steps] == ["extension changed"]


def test_what_a_service_replaces_on_and_hides_is_in_its_config() -> None:
    before = infra(server("a"), service("a", "postgres", data_dir="/a", admin="x"))
    made = planned(infra(server("a"), service("a", "postgres", data_dir="/b", admin="y")), applied(before))
    (only,) = made.steps
    assert (only.action, only.reason) == ("replace", "config.data_dir cannot change in place")
    assert only.changes == (
        Change("config.admin", "x", "y", sensitive=True),
        Change("config.data_dir", "/a", "/b", forces_replace=True),
    )


def test_specs_of_what_is_not_known_ask_for_nothing() -> None:
    assert spec_of("taskserv/a/nothing", "fake", CATALOG) == spec_of("server/a", "nobody", CATALOG) == KindSpec()
    assert spec_of("cluster/c", "fake", CATALOG) == KindSpec()


# --- what follows from others ----------------------------------------------------------------------------

CHAIN = (
    resource("network/lan"),
    server("db", networks=["lan"], image="1"),
    service("db", "postgres"),
    server("web"),
    service("web", "nginx", upstream="http://${server/db.private_ip}", cache="none"),
    resource("dns/shop", target="${server/web.private_ip}"),
)


def chain(**changes: Resource) -> Plan:
    """The plan after some of the chain's resources are declared otherwise."""
    changed = {r.address: r for r in changes.values()}
    return planned(infra(*(changed.get(r.address, r) for r in CHAIN)), applied(infra(*CHAIN)))


def test_what_stands_on_something_made_anew_follows_it() -> None:
    made = chain(db=server("db", networks=["lan"], image="2"))
    assert actions(made) == ["replace server/db", "replace taskserv/db/postgres", "update taskserv/web/nginx"]
    assert step(made, "taskserv/db/postgres").gone_with_host is True
    assert step(made, "taskserv/db/postgres").reason == "server/db is made anew"
    nginx = step(made, "taskserv/web/nginx")
    assert nginx.reason == "config.upstream is known after apply"
    text = "http://${server/db.private_ip}"
    assert nginx.changes == (Change("config.upstream", text, text, unknown=True),)


def test_a_change_in_place_leaves_ids_and_addresses_as_they_are() -> None:
    assert actions(chain(db=server("db", networks=["lan"], image="1", cpu_cores=9))) == ["update server/db"]


def test_an_output_that_bears_the_name_of_a_changed_key_is_unknown() -> None:
    base = infra(server("a", private_ip="10.0.0.1"), resource("dns/x", target="${server/a.private_ip}"))
    after = infra(server("a", private_ip="10.0.0.2"), resource("dns/x", target="${server/a.private_ip}"))
    assert actions(planned(after, applied(base))) == ["update server/a", "update dns/x"]


def test_any_change_of_a_service_may_change_what_it_puts_out() -> None:
    use = resource("dns/x", target="${taskserv/a/redis.port}")
    base = infra(server("a"), service("a", "redis", port=1), use)
    made = planned(infra(server("a"), service("a", "redis", port=2), use), applied(base))
    assert actions(made) == ["update taskserv/a/redis", "update dns/x"]


def test_an_attached_network_that_is_made_anew_changes_the_server() -> None:
    base = infra(*CHAIN)
    record = applied(base)
    tainted = {**record.resources, "network/lan": replace(record.resources["network/lan"], status=Status.TAINTED)}
    made = planned(base, Recorded("shop", tainted))
    assert [(s.address, s.reason) for s in made.steps][:2] == [
        ("network/lan", "tainted: the last run left it half made"),
        ("server/db", "networks is known after apply"),
    ]


def test_a_value_that_moved_since_is_brought_to_those_who_stand_on_it() -> None:
    """As after a run that was stopped between a server and its users."""
    record = applied(infra(*CHAIN))
    moved = replace(record.resources["server/db"], observed={**record.resources["server/db"].observed, "private_ip": "10.9.9.9"})
    made = planned(infra(*CHAIN), Recorded("shop", {**record.resources, "server/db": moved}))
    assert [(s.address, s.reason) for s in made.steps] == [("taskserv/web/nginx", "the value behind config.upstream changed")]


def test_an_output_that_drifted_reaches_those_who_stand_on_it() -> None:
    made = planned(infra(*CHAIN), applied(infra(*CHAIN)), {"server/db": there(outputs={"private_ip": "10.9.9.9"})})
    assert actions(made) == ["update server/db", "update taskserv/web/nginx"]


def test_a_server_that_is_gone_takes_its_services_with_it() -> None:
    made = planned(infra(*CHAIN), applied(infra(*CHAIN)), {"server/db": GONE})
    assert actions(made) == ["create server/db", "replace taskserv/db/postgres", "update taskserv/web/nginx"]
    assert step(made, "taskserv/db/postgres").gone_with_host is True


def test_a_service_on_a_server_made_anew_before_is_made_anew_now() -> None:
    """As after a run that was stopped between a server and its services."""
    record = applied(infra(*CHAIN))
    moved = replace(
        record.resources["server/db"],
        observed={"id": "another", "private_ip": record.resources["server/db"].observed["private_ip"]},
    )
    made = planned(infra(*CHAIN), Recorded("shop", {**record.resources, "server/db": moved}))
    assert [(s.action, s.address, s.reason) for s in made.steps] == [
        ("replace", "taskserv/db/postgres", "server/db is made anew")
    ]


# --- removals --------------------------------------------------------------------------------------------


def test_what_is_declared_no_more_goes_with_the_reason() -> None:
    before = applied(infra(server("a"), service("a", "cilium")))
    made = planned(infra(server("a")), before)
    assert [(s.address, s.reason, s.implied_by) for s in made.steps] == [
        ("taskserv/a/cilium", "no longer declared", None),
        ("taskserv/a/kubernetes", "no longer required by taskserv/a/cilium", "taskserv/a/cilium"),
        ("taskserv/a/containerd", "no longer required by taskserv/a/kubernetes", "taskserv/a/kubernetes"),
        ("taskserv/a/etcd", "no longer required by taskserv/a/kubernetes", "taskserv/a/kubernetes"),
    ]


def test_what_stands_on_a_server_goes_with_it() -> None:
    made = planned(infra(), applied(infra(server("a"), service("a", "redis"))))
    assert step(made, "taskserv/a/redis").gone_with_host is True
    assert step(made, "server/a").gone_with_host is False


def test_what_is_gone_already_is_only_forgotten() -> None:
    made = planned(infra(), applied(infra(server("a"))), {"server/a": GONE})
    assert [(s.action, s.reason) for s in made.steps] == [("forget", "no longer declared, and it is already gone")]


def test_what_stood_on_a_server_that_is_ours_no_more_is_only_forgotten() -> None:
    records = applied(infra(server("a"), service("a", "redis"))).resources
    made = planned(infra(), Recorded("shop", {"taskserv/a/redis": records["taskserv/a/redis"]}))
    assert [(s.action, s.reason) for s in made.steps] == [("forget", "no longer declared, and server/a is not recorded any more")]


def test_what_has_no_extension_any_more_can_still_be_removed() -> None:
    known = catalog(spec("relic"))
    before = applied(infra(server("a"), service("a", "relic")), known)
    made = planned(infra(server("a")), before)
    assert actions(made) == ["delete taskserv/a/relic"]
    assert made.catalog["extension/relic"] == "absent"


# --- replaced with another -------------------------------------------------------------------------------


def pair(cause: str, **db: Any) -> Desired:
    """A server that is replaced when something of another changes."""
    return infra(server("db", **db), server("web", "server/db", image="debian-12", lifecycle=life(replace_triggered_by=(cause,))))


CAUSES = [
    ("server/db", {"cpu_cores": 4}, True),
    ("server/db", {"image": "b"}, True),
    ("server/db", {}, False),
    ("server/db#cpu_cores", {"cpu_cores": 4}, True),
    ("server/db#cpu_cores", {"labels": {"a": "b"}}, False),
    ("server/db#labels.a", {"labels": {"a": "b"}}, True),
    ("server/db#labels.a", {"labels": {"a": "a", "z": "b"}}, False),
    ("server/db#labels.a", {"labels": {"z": "b"}}, True),
    ("server/db#private_ip", {"cpu_cores": 4}, False),
    ("server/db#private_ip", {"image": "b"}, True),
    ("server/db#cpu_cores", {"image": "b"}, False),
    ("server/db#nothing", {"cpu_cores": 4}, False),
]


@pytest.mark.parametrize(("cause", "change", "replaced"), CAUSES)
def test_a_change_elsewhere_replaces_what_names_it(cause: str, change: dict[str, Any], replaced: bool) -> None:
    before = {"image": "a", **({"labels": {"a": "a"}} if "labels" in change else {})}
    made = planned(pair(cause, **{**before, **change}), applied(pair(cause, **before)))
    found = {s.address: (s.action, s.reason) for s in made.steps}
    assert found.get("server/web") == (("replace", f"{cause} changed") if replaced else None)


@pytest.mark.parametrize(("cause", "change", "replaced"), CAUSES)
def test_who_was_stopped_before_it_came_to_that_finds_it_all_the_same(cause: str, change: dict[str, Any], replaced: bool) -> None:
    before = {"image": "a", **({"labels": {"a": "a"}} if "labels" in change else {})}
    after = pair(cause, **{**before, **change})
    halfway = apply(planned(after, applied(pair(cause, **before))), applied(pair(cause, **before)), steps=1)
    made = planned(after, halfway)
    assert actions(made) == (["replace server/web"] if replaced else [])
    assert planned(after, apply(made, halfway)).steps == ()


def test_a_cause_that_is_new_replaces_nothing_yet() -> None:
    before = infra(server("db"), server("web", "server/db", image="debian-12"))
    made = planned(pair("server/db"), applied(before))
    assert [(s.address, s.action, s.reason) for s in made.steps] == [("server/web", "update", "lifecycle changed")]
    assert actions(planned(pair("server/db", cpu_cores=4), apply(made, applied(before)))) == [
        "update server/db",
        "replace server/web",
    ]


# --- taken in, let go, asked for -------------------------------------------------------------------------


def test_what_is_there_already_is_taken_in_once() -> None:
    web = server("web", lifecycle=life(import_id="i-7"))
    made = planned(infra(web))
    (only,) = made.steps
    assert isinstance(only, Adopt)
    assert (only.external_id, only.reason, only.declared) == ("i-7", "i-7 is taken in", web.declared)
    assert planned(infra(web), apply(made)).steps == ()


@pytest.mark.parametrize("other", [server("old"), server("other", lifecycle=life(import_id="i-7"))])
def test_one_thing_has_one_address(other: Resource) -> None:
    recorded = {"server/old": replace(applied(infra(server("old"))).resources["server/old"], observed={"id": "i-7"})}
    found = refusals(infra(server("web", lifecycle=life(import_id="i-7")), other), Recorded("shop", recorded))
    assert {p.code for p in found} == {"import-taken"}
    assert "server/web imports 'i-7', which is server/o" in found[-1].message


def test_what_is_let_go_is_forgotten_with_what_stands_on_it() -> None:
    recorded = applied(infra(server("old"), service("old", "nginx"), server("web")))
    made = planned(replace(infra(server("web")), let_go=frozenset({"server/old"})), recorded)
    assert actions(made) == ["forget taskserv/old/nginx", "forget server/old"]
    assert all(isinstance(s, Forget) and s.let_go for s in made.steps)
    assert made.notices == ()
    destroyed = planned(replace(infra(server("web")), let_go=frozenset({"server/old"})), recorded, destroy=True)
    assert actions(destroyed) == ["forget taskserv/old/nginx", "forget server/old", "delete server/web"]


def test_what_is_asked_for_is_made_anew_and_nothing_else() -> None:
    estate = infra(server("db"), server("web", "server/db"))
    made = plan(estate, applied(estate), None, CATALOG, Options(("server/web",), replace=True))
    assert isinstance(made, Plan)
    assert [(s.address, s.action, s.reason) for s in made.steps] == [("server/web", "replace", "asked for")]
