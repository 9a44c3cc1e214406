"""Plans as JSON: saved, read back, shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from estates import GONE, applied, infra, life, planned, resource, server, service

from planners.canonical import digest, encode
from planners.document import from_document, plan_id, to_document, view
from planners.model import NO_LIMITS, Approvals, Budget, Environment, EnvironmentClass, Limits, Totals
from planners.problems import Problems
from planners.steps import STEP_TYPES, Adopt, Change, Notice, Plan, Read, Step

BEFORE = infra(
    resource("network/lan"),
    server("old", image="1"),
    server("kept", image="1", root_password="before"),
    server("lost"),
    service("kept", "redis"),
    server("leaving"),
)
AFTER = infra(
    resource("network/lan", cidr="10.0.0.0/8"),
    server("new", image="1", lifecycle=life(moved_from="server/old")),
    server("kept", image="2", root_password="after", lifecycle=life(ignore_changes=("x", "y"))),
    service("kept", "redis", upstream="${server/fresh.private_ip}"),
    server("fresh"),
    environment=Environment(
        "live", EnvironmentClass.PROD, 3, Approvals(2, ("ops",)), ("fake",), Limits(9, labels=()), Budget(5, "EUR")
    ),
)
MADE = planned(AFTER, applied(BEFORE), {"server/lost": GONE})


def everything() -> Plan:
    """A plan with every kind of step."""
    steps: tuple[Step, ...] = (
        *MADE.steps,
        Adopt("server/x", "fake", "import", external_id="i-1"),
        Read("dns/x", "fake", "later"),
    )
    made = replace(MADE, steps=steps, notices=(Notice("pinned", "it is pinned", "deploy"),))
    return replace(made, id=plan_id(made))


def document(plan: Plan) -> dict[str, Any]:
    """As it is after a journey through a file."""
    return dict(json.loads(encode(to_document(plan))))


def test_a_plan_comes_back_as_it_was() -> None:
    made = everything()
    assert {s.action for s in made.steps} == set(STEP_TYPES)
    assert from_document(document(made)) == made


def drop_notices(d: dict[str, Any]) -> None:
    d["notices"] = []


def raise_budget(d: dict[str, Any]) -> None:
    d["environment"]["deletion_budget"] = 99


def change_step(d: dict[str, Any]) -> None:
    d["steps"][0]["reason"] = "trust me"


def change_id(d: dict[str, Any]) -> None:
    d["id"] = "0" * 64


@pytest.mark.parametrize("alter", [drop_notices, raise_budget, change_step, change_id])
def test_any_alteration_is_seen(alter: Callable[[dict[str, Any]], None]) -> None:
    altered = document(everything())
    alter(altered)
    found = from_document(altered)
    assert isinstance(found, Problems)
    assert [p.code for p in found.items] == ["altered-plan"]


def test_an_alteration_with_a_digest_of_its_own_still_has_another_id() -> None:
    altered = document(everything())
    change_step(altered)
    altered["digest"] = digest("plan-document", {k: v for k, v in altered.items() if k != "digest"})
    found = from_document(altered)
    assert isinstance(found, Problems)
    assert found.items[0].message.endswith("was altered after it was made")


def test_a_newer_format_is_refused_with_both_versions() -> None:
    found = from_document({**document(MADE), "format": 2})
    assert isinstance(found, Problems)
    assert [(p.code, p.message) for p in found.items] == [
        ("newer-format", "the plan has format 2 and this version reads up to 1")
    ]


@pytest.mark.parametrize("broken", [{}, [], None, {"format": 1}, {**document(MADE), "steps": [{"action": "explode"}]}])
def test_what_is_no_plan_is_refused(broken: Any) -> None:
    found = from_document(broken)
    assert isinstance(found, Problems)
    assert [p.code for p in found.items] == ["broken-plan"]


def test_the_view_has_no_sensitive_value() -> None:
    shown = view(MADE)
    assert "before" in encode(to_document(MADE)).decode()
    (kept,) = (s for s in shown["steps"] if s["address"] == "server/kept")  # type: ignore[index,union-attr,call-overload]
    (password,) = (c for c in kept["changes"] if c["path"] == "root_password")  # type: ignore[index,union-attr,call-overload]
    assert password == {
        "path": "root_password",
        "before": "(sensitive)",
        "after": "(sensitive)",
        "unknown": False,
        "sensitive": True,
        "forces_replace": False,
    }


def test_the_view_says_what_only_some_steps_know_only_where_it_is_so() -> None:
    steps: dict[str, Any] = {s["address"]: s for s in view(MADE)["steps"]}  # type: ignore[index,union-attr,call-overload]
    common = {"address", "action", "provider", "reason", "depends_on", "implied_by", "changes"}
    assert set(steps["network/lan"]) == common
    assert set(steps["server/new"]) - common == {"moved_from"}
    assert set(steps["taskserv/kept/redis"]) - common == {"gone_with_host"}


def test_the_view_counts() -> None:
    assert view(MADE)["summary"] == {
        "create": 1,
        "update": 1,
        "replace": 2,
        "delete": 1,
        "forget": 1,
        "move": 1,
        "unchanged": 0,
    }
    assert view(planned(infra()))["summary"] == {"create": 0, "update": 0, "replace": 0, "delete": 0, "unchanged": 0}


def test_the_view_is_of_content_alone() -> None:
    keys = {"format", "id", "infra", "environment", "destroy", "targets", "summary", "steps", "drift", "notices", "totals"}
    assert set(view(MADE)) == keys


def test_what_is_told_beside_the_content_does_not_change_the_id() -> None:
    assert plan_id(replace(MADE, notices=(), unchanged=99, drift=(), targets=("x",))) == MADE.id
    changed = replace(MADE.steps[0], changes=(Change("x", 1, 2),))
    assert plan_id(replace(MADE, steps=(changed, *MADE.steps[1:]))) != MADE.id


def test_a_plan_of_0_1_0_knows_of_no_limits_and_no_totals() -> None:
    old = {k: v for k, v in to_document(MADE).items() if k not in ("totals", "digest")}
    old["environment"] = {k: v for k, v in old["environment"].items() if k not in ("limits", "budget")}  # type: ignore[union-attr]
    read = from_document({**old, "digest": digest("plan-document", old)})
    assert isinstance(read, Plan)
    assert (read.environment.limits, read.environment.budget, read.after) == (NO_LIMITS, None, Totals())
    assert read.steps == MADE.steps


def test_totals_are_shown_by_the_month() -> None:
    made = replace(MADE, after=Totals(2, 4, 8, 40, hourly={"EUR": 10**9}, unpriced=1))
    shown = view(made)["totals"]["after"]  # type: ignore[index, call-overload]
    assert shown == {
        "servers": 2, "cpu_cores": 4, "memory_gb": 8, "storage_gb": 40, "cores_unknown": 0, "memory_unknown": 0,
        "monthly": {"EUR": "730.00"}, "unpriced": 1,
    }  # fmt: skip
