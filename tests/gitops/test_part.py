"""What belongs to the part of an infra that has to be planned, case by case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from estates import apply
from part_histories import WHO, Estate, History

from gitops import part as parts
from gitops.flow import Ask, Planned
from gitops.ledger.records import Converged
from gitops.part import Part
from gitops.runs import recorded, with_declared
from planners.canonical import encode
from planners.document import to_document
from planners.model import Recorded
from planners.problems import Problems
from planners.stale import moved
from planners.steps import Options

Entries = Mapping[tuple[str, str], dict[str, Any]]


def server(*networks: str, **more: Any) -> dict[str, Any]:
    return {"cpu_cores": 1, "image": "a", "networks": [*networks], **more}


ESTATE: Entries = {
    ("networks", "n0"): {"cidr": "10.0.0.0/8"},
    ("volumes", "v0"): {"size_gb": 1},
    ("servers", "s0"): server("n0", taskservs=["nginx", "redis"]),
    ("servers", "s1"): server("n0", depends_on=["server/s0"]),
    ("servers", "s2"): server(labels={"peer": "${server/s1.private_ip}"}),
    ("servers", "s3"): server(taskservs=["app"]),
    ("servers", "s4"): server(),
    ("taskservs", "nginx"): {"config": {"port": 1}},
    ("clusters", "redis"): {"servers": ["s4"]},
}


@pytest.fixture
def scene(tmp_path: Path) -> Callable[..., History]:
    """An infra after a clean apply."""

    def make(entries: Entries = ESTATE, inline: set[tuple[str, str]] | None = None) -> History:
        history = History(0, tmp_path)
        history.estate = Estate(history.chance, {k: dict(v) for k, v in entries.items()}, inline or set())
        history.push()
        while history.marker is None:
            whole = history.whole()
            assert not isinstance(whole, Problems), list(whole)
            history.apply(whole)
        return history

    return make


def after(history: History, changes: Mapping[tuple[str, str], dict[str, Any] | None]) -> Part | None:
    """The part to be planned after a commit, which must be planned as the whole is."""
    for key, entry in changes.items():
        if entry is None:
            del history.estate.entries[key]
        else:
            history.estate.entries[key] = {**history.estate.entries.get(key, {}), **entry}
    history.push()
    part, whole = history.part(history.record()), history.whole()
    if part is not None:
        assert not isinstance(whole, Problems), list(whole)
        assert encode(to_document(part.plan)) == encode(to_document(whole[1]))
    return part


def looked_at(part: Part | None) -> set[str]:
    assert part is not None
    return set(part.looked_at)


def test_nothing_moved_is_nothing_read(scene: Any) -> None:
    part = after(scene(), {})
    assert looked_at(part) == set()
    assert part is not None and part.plan.unchanged == 13


def test_a_change_in_place_concerns_what_it_refers_to_and_nobody_else(scene: Any) -> None:
    part = after(scene(), {("servers", "s1"): {"cpu_cores": 2}})
    assert looked_at(part) == {"server/s1", "network/n0", "server/s0", "taskserv/s0/nginx", "taskserv/s0/redis"}


def test_what_is_made_anew_concerns_those_who_use_it(scene: Any) -> None:
    part = after(scene(), {("servers", "s1"): {"image": "b"}})
    assert part is not None
    assert [s.address for s in part.plan.steps] == ["server/s1", "server/s2"]


def test_a_new_entry_asks_for_no_index(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    history = scene()
    monkeypatch.setattr(history.space, "users", lambda _: pytest.fail("nobody can use what was never there"))
    assert looked_at(after(history, {("servers", "s5"): server("n0")})) == {"server/s5", "network/n0"}


@pytest.mark.parametrize(
    "changes",
    [
        {("servers", "s1"): None},
        {("servers", "s0"): {"depends_on": ["server/s2"]}},
        {("servers", "s0"): {"taskservs": ["redis"]}},
        {("servers", "s1"): {"image": 5}},
        {("servers", "s1"): {"networks": ["n9"]}},
        {("servers", "s2"): {"labels": {"peer": "${server/s4.nothing}"}}},
    ],
    ids=["used", "ring", "taskserv on no server", "type", "no such network", "no such output"],
)
def test_where_the_whole_is_refused_there_is_no_part(scene: Any, changes: Any) -> None:
    history = scene()
    assert after(history, changes) is None
    assert isinstance(history.whole(), Problems)


@pytest.mark.parametrize(
    "changes",
    [
        {("taskservs", "nginx"): {"requires": ["redis"]}},
        {("taskservs", "nginx"): None},
        {("taskservs", "redis"): {"config": {"port": 2}}},
        {("servers", "s5"): server(taskservs=["hub"]), ("servers", "s4"): {"taskservs": ["agent"]}},
    ],
    ids=["what a service needs", "a service that is no more", "a new one", "a need that any server meets"],
)
def test_what_may_concern_all_is_planned_as_a_whole(scene: Any, changes: Any) -> None:
    history = scene()
    assert after(history, changes) is None
    assert not isinstance(history.whole(), Problems)


def test_a_service_that_is_configured_otherwise_concerns_the_servers_that_have_it(scene: Any) -> None:
    history = scene()
    part = after(history, {("taskservs", "nginx"): {"config": {"port": 2}, "labels": {"a": "b"}}})
    assert part is not None
    assert [s.address for s in part.plan.steps] == ["taskserv/s0/nginx"]
    assert looked_at(part).isdisjoint({"server/s1", "server/s2", "server/s3", "server/s4"})


@pytest.mark.parametrize(
    ("servers", "steps"),
    [
        (["s3", "s4"], ["taskserv/s3/redis", "cluster/redis"]),
        (["s3"], ["taskserv/s3/redis", "cluster/redis", "taskserv/s4/redis"]),
    ],
)
def test_a_cluster_that_changed_is_looked_at_with_the_servers_it_had_and_has(
    scene: Any, servers: list[str], steps: list[str]
) -> None:
    part = after(scene(), {("clusters", "redis"): {"servers": servers}})
    assert part is not None
    assert [s.address for s in part.plan.steps] == steps
    assert looked_at(part).isdisjoint({"server/s0", "server/s1"})


def test_clusters_come_and_go(scene: Any) -> None:
    history = scene()
    gone = after(history, {("clusters", "redis"): None})
    assert gone is not None
    assert {s.address for s in gone.plan.steps} == {"cluster/redis", "taskserv/s4/redis"}
    new = after(
        history, {("clusters", "redis"): {"servers": ["s4"]}, ("clusters", "k0"): {"servers": ["s2"], "taskservs": ["nginx"]}}
    )
    assert new is not None
    assert {s.address for s in new.plan.steps} == {"cluster/k0", "taskserv/s2/nginx"}


def test_a_cluster_is_looked_at_with_all_its_servers(scene: Any) -> None:
    history = scene({**ESTATE, ("clusters", "redis"): {"servers": ["s2", "s4"]}})
    part = after(history, {("servers", "s4"): {"image": "b"}})
    assert {"cluster/redis", "server/s2", "taskserv/s2/redis", "taskserv/s4/redis"} <= looked_at(part)


def test_entries_of_main_are_always_looked_at(scene: Any) -> None:
    history = scene(inline={("networks", "n0"), ("servers", "s3")})
    part = after(history, {("servers", "s4"): {"cpu_cores": 4}})
    assert {"network/n0", "server/s3", "taskserv/s3/app", "taskserv/s3/containerd", "server/s4"} <= looked_at(part)


def test_a_change_of_main_is_planned_as_a_whole(scene: Any) -> None:
    history = scene()
    history.estate.settings["labels"] = {"team": "x"}
    assert after(history, {}) is None


def test_a_renamed_server_is_moved(scene: Any) -> None:
    entry = {**ESTATE["servers", "s4"], "lifecycle": {"moved_from": "server/s4"}}
    history = scene({k: v for k, v in ESTATE.items() if k != ("clusters", "redis")})
    part = after(history, {("servers", "s4"): None, ("servers", "s5"): entry})
    assert part is not None
    assert [(s.action, s.address) for s in part.plan.steps] == [("move", "server/s5")]


def test_two_files_of_one_entry_are_seen(scene: Any) -> None:
    history = scene()
    files = {**history.estate.files(), "infra/shop/servers/s1.yml": b"{}"}
    history.commit = history.repository.write("", files, "m", WHO)
    assert history.part(history.record()) is None
    assert isinstance(history.whole(), Problems)


def test_what_is_recorded_otherwise_concerns_those_who_remember_it(scene: Any) -> None:
    history = scene()
    record = history.records.resources["server/s1"]
    other = replace(record, observed={**record.observed, "private_ip": "192.0.2.7"})
    history.records = Recorded("shop", {**history.records.resources, "server/s1": other})
    part = after(history, {})
    assert part is not None
    assert [s.reason for s in part.plan.steps] == ["the value behind labels.peer changed"]


def test_what_was_forgotten_is_made_and_its_users_see_it(scene: Any) -> None:
    history = scene()
    history.records = Recorded("shop", {a: r for a, r in history.records.resources.items() if a != "server/s1"})
    part = after(history, {})
    assert part is not None
    assert [(s.action, s.address) for s in part.plan.steps] == [("create", "server/s1"), ("update", "server/s2")]


@pytest.mark.parametrize("field", ["own", "inputs"])
def test_a_marker_of_other_inputs_says_nothing(scene: Any, field: str) -> None:
    history = scene()
    assert isinstance(history.marker, Converged)
    history.marker = replace(history.marker, **{field: ""})
    assert after(history, {("servers", "s4"): {"cpu_cores": 4}}) is None


def test_trees_that_are_gone_are_no_base(scene: Any) -> None:
    history = scene()
    assert history.marker is not None
    del history.repository.objects[history.marker.own]
    history.commit, history.files = "", {}
    assert after(history, {("servers", "s4"): {"cpu_cores": 4}}) is None


def test_a_part_that_is_most_of_it_is_none(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "FEW", 2)
    history = scene()
    assert looked_at(after(history, {("volumes", "v0"): {"size_gb": 2}})) == {"volume/v0"}
    many = {("servers", f"s{n}"): {"cpu_cores": 4} for n in range(5)} | {("networks", "n0"): {"cidr": "10.1.0.0/16"}}
    assert after(history, many) is None


def test_what_somebody_makes_meanwhile_is_seen_though_it_was_not_there(scene: Any) -> None:
    history = scene()
    part = after(history, {("servers", "s5"): server("n0")})
    assert part is not None
    planned = Planned(
        Ask("shop", history.commit, history.commit), part.plan, history.record(), part.loaded, looked_at=part.looked_at
    )
    whole = history.whole()
    assert not isinstance(whole, Problems)
    history.records = apply(whole[1], history.records)
    now = recorded(planned, history.record())
    assert [str(m) for m in moved(part.plan, part.loaded.desired, now, part.loaded.catalog)] == ["server/s5 (recorded)"]


def test_a_target_is_looked_at_with_all_that_it_needs(scene: Any) -> None:
    history = scene()
    part = history.part(history.record(), Options(("server/s2",)))
    assert looked_at(part) >= {"server/s2", "server/s1", "server/s0", "network/n0"}
    assert looked_at(part).isdisjoint({"server/s3", "server/s4", "volume/v0"})
    assert part.plan.unchanged == 4 and not part.plan.steps


def test_what_moved_elsewhere_is_not_done_for_a_target(scene: Any) -> None:
    history = scene()
    after(history, {("servers", "s1"): {"image": "b"}, ("servers", "s4"): {"image": "b"}})
    part = history.part(history.record(), Options(("server/s2",)))
    assert [s.address for s in part.plan.steps] == ["server/s1", "server/s2"]


def test_a_target_is_made_anew_with_its_users_told(scene: Any) -> None:
    history = scene()
    part = history.part(history.record(), Options(("server/s4",), replace=True))
    first = part.plan.steps[0]
    assert (first.action, first.address) == ("replace", "server/s4")
    assert history.part(history.record(), Options(destroy=True)) is None


def test_a_saved_plan_is_checked_against_what_it_relied_on_alone(scene: Any) -> None:
    history = scene()
    made = after(history, {("servers", "s1"): {"cpu_cores": 2}})
    assert made is not None
    after(history, {("servers", "s4"): {"cpu_cores": 2}})
    view, ask = history.record(), Ask("shop", history.commit, history.commit)
    planned, loaded = with_declared(history.space, Planned(ask, made.plan, view, None), view)
    assert planned.looked_at is not None and "server/s3" not in planned.looked_at
    assert moved(made.plan, loaded.desired, recorded(planned, view), loaded.catalog) == ()
    after(history, {("servers", "s1"): {"cpu_cores": 4}})
    ask = replace(ask, treeish=history.commit, commit=history.commit)
    planned, loaded = with_declared(history.space, Planned(ask, made.plan, view, None), view)
    changed = moved(made.plan, loaded.desired, recorded(planned, view), loaded.catalog)
    assert [str(m) for m in changed] == ["server/s1 (declared)"]


def test_what_all_comes_to_is_known_in_a_part(scene: Any) -> None:
    history = scene()
    part = after(history, {("servers", "s1"): {"cpu_cores": 3}})
    assert part is not None
    assert (part.plan.before.cpu_cores, part.plan.after.cpu_cores) == (5, 7)
    assert after(history, {("servers", "s1"): {"cpu_cores": 6}}) is None, "the whole tells what is too much"
    assert [p.code for p in history.whole()] == ["limit"]


def test_a_marker_of_0_1_0_does_not_say_what_all_comes_to(scene: Any) -> None:
    history = scene()
    history.marker = replace(history.marker, plan={k: v for k, v in history.marker.plan.items() if k != "totals"})
    assert after(history, {("servers", "s1"): {"cpu_cores": 3}}) is None
