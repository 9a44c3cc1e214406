"""What is there against what is recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest
from estates import AWAY, GONE, applied, infra, life, server, service, there

from planners.drift import Drift, Drifted, differences, outputs_off, read_back, visible
from planners.model import Lifecycle, Observation, Recorded

WEB = server("web-01", image="debian-12", root_password="hush", url="${server/db.private_ip}")
RECORDED = applied(infra(WEB, server("db"), service("web-01", "nginx")))
RECORD = RECORDED.resources["server/web-01"]


def told(observation: Observation, address: str = "server/web-01") -> str:
    """The one detail."""
    found = differences(RECORDED, {address: observation})
    assert {d.address for d in found} <= {address}
    return found[0].detail if found else ""


@pytest.mark.parametrize(
    ("seen", "detail"),
    [
        (there(cpu_cores=2, image="debian-12", power="on"), ""),
        (there(cpu_cores=4, image="debian-11"), "cpu_cores differs; image differs"),
        (there(power="off"), "power is not on"),
        (there(size="made by somebody else"), ""),
        (there(url="10.0.0.1"), ""),
        (there(root_password="other"), "root_password differs"),
        (there(outputs={"id": RECORD.observed["id"], "new": 1}), ""),
        (there(outputs={"private_ip": "10.9.9.9"}), "output private_ip differs"),
        (there(healthy=False), "not healthy"),
        (there(healthy=False, detail="503"), "not healthy: 503"),
        (GONE, "it is gone"),
        (AWAY, "lives on build-7"),
    ],
)
def test_each_way_to_differ_is_said_without_values(seen: Observation, detail: str) -> None:
    assert told(seen) == detail


def test_power_is_asked_of_servers_only() -> None:
    assert told(there(power="off"), "taskserv/web-01/nginx") == ""


def test_what_was_not_read_is_not_judged_and_what_is_not_recorded_neither() -> None:
    assert differences(RECORDED, {}) == ()
    assert differences(RECORDED, {"server/foreign": GONE}) == ()


def test_what_lives_elsewhere_is_told_as_such() -> None:
    assert differences(RECORDED, {"server/db": AWAY}) == (Drifted("server/db", Drift.ELSEWHERE, "lives on build-7"),)


@pytest.mark.parametrize("lifecycle", [life(ignore_changes=("cpu_cores",)), life(ignore_drift=("cpu_cores", "power"))])
def test_ignored_leaves_do_not_drift(lifecycle: Lifecycle) -> None:
    record = replace(RECORD, lifecycle=lifecycle)
    assert differences(Recorded("shop", {record.address: record}), {record.address: there(cpu_cores=9)}) == ()


@pytest.mark.parametrize(("seen", "kind"), [(there(power="off"), Drift.CHANGED), (GONE, Drift.MISSING), (AWAY, Drift.ELSEWHERE)])
def test_each_difference_is_of_a_kind(seen: Observation, kind: Drift) -> None:
    assert [d.drift for d in differences(RECORDED, {"server/db": seen})] == [kind]


def test_only_readable_keys_are_read_back() -> None:
    seen = there(cpu_cores=4, image="debian-11")
    assert read_back("server/web-01", RECORD.declared, seen, {"image"}) == (("image", "debian-12", "debian-11"),)
    assert visible(seen, {"image"}) == {"image": "debian-11"}
    assert visible(GONE) == visible(None) == {}
    assert read_back("server/web-01", RECORD.declared, GONE) == ()


def test_only_recorded_outputs_can_be_off() -> None:
    assert outputs_off(RECORD, there(outputs={"private_ip": "x", "id": "y"})) == ("id", "private_ip")
    assert outputs_off(RECORD, AWAY) == outputs_off(RECORD, None) == ()
