"""Whether a plan still stands."""

from __future__ import annotations

from dataclasses import replace

import pytest
from estates import CATALOG, applied, apply, catalog, infra, planned, resource, server, service, spec

from planners.catalog import Catalog
from planners.model import Desired, Environment, EnvironmentClass, Recorded, Resource
from planners.problems import Where
from planners.stale import moved

BASE = infra(resource("network/lan"), server("web", networks=["lan"]), service("web", "redis"), server("far"))
RECORDED = applied(BASE)


def having(*resources: Resource, base: Desired = BASE) -> Desired:
    return replace(base, resources={**base.resources, **{r.address: r for r in resources}})


WANTED = having(server("web", networks=["lan"], cpu_cores=8), service("web", "nginx"))
PLAN = planned(WANTED, RECORDED)


def recording(address: str, **changes: object) -> Recorded:
    return Recorded("shop", {**RECORDED.resources, address: replace(RECORDED.resources[address], **changes)})  # type: ignore[arg-type]


def names(desired: Desired = WANTED, recorded: Recorded = RECORDED, known: Catalog = CATALOG) -> list[str]:
    return [str(m) for m in moved(PLAN, desired, recorded, known)]


def test_with_nothing_moved_it_stands() -> None:
    assert [s.address for s in PLAN.steps] == ["server/web", "taskserv/web/nginx"]
    assert names() == []


@pytest.mark.parametrize(
    "desired",
    [
        having(server("far", cpu_cores=9), base=WANTED),
        having(server("new"), base=WANTED),
        having(replace(WANTED.resources["server/web"], where=Where("moved.yaml", 9, 9)), base=WANTED),
        having(service("web", "redis", port=2), base=WANTED),
    ],
)
def test_what_it_did_not_rely_on_may_change(desired: Desired) -> None:
    assert names(desired) == []


def test_what_it_did_not_rely_on_may_be_recorded_otherwise() -> None:
    assert names(recorded=recording("server/far", observed={"id": "another"})) == []
    assert names(recorded=recording("server/web", run="a later run")) == []


@pytest.mark.parametrize(
    ("desired", "expected"),
    [
        (having(server("web", networks=["lan"], cpu_cores=16), base=WANTED), ["server/web (declared)"]),
        (having(resource("network/lan", cidr="10.0.0.0/8"), base=WANTED), ["network/lan (declared)"]),
        (
            having(service("web", "nginx", "taskserv/web/etcd"), base=WANTED),
            ["taskserv/web/nginx (declared)"],
        ),
        (replace(WANTED, environment=Environment("dev", EnvironmentClass.PROD)), ["environment/dev (declared)"]),
    ],
)
def test_what_was_declared_and_moved_is_named(desired: Desired, expected: list[str]) -> None:
    assert names(desired) == expected


def test_what_was_recorded_and_moved_is_named() -> None:
    assert names(recorded=recording("server/web", observed={"id": "another"})) == ["server/web (recorded)"]
    assert names(recorded=Recorded("shop", {})) == ["network/lan (recorded)", "server/web (recorded)"]


def newer(name: str) -> Catalog:
    return catalog(replace(spec(name), digest="newer"))


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (catalog(providers=(replace(CATALOG.providers["fake"], version="2"),)), ["provider/fake (catalog)"]),
        (replace(CATALOG, evaluators={"declarations": "2"}), ["evaluator/declarations (catalog)"]),
        (newer("nginx"), ["extension/nginx (catalog)"]),
        (newer("postgres"), []),
    ],
)
def test_what_it_relied_on_in_the_catalog_is_named(known: Catalog, expected: list[str]) -> None:
    assert names(known=known) == expected


def test_a_plan_of_another_planner_does_not_stand() -> None:
    older = replace(PLAN, catalog={**PLAN.catalog, "planner": "0"})
    assert [str(m) for m in moved(older, WANTED, RECORDED, CATALOG)] == ["planner (catalog)"]


def test_a_removal_falls_when_it_is_declared_again() -> None:
    gone = replace(BASE, resources={a: r for a, r in BASE.resources.items() if a != "server/far"})
    removal = planned(gone, RECORDED)
    assert [str(m) for m in moved(removal, BASE, RECORDED, CATALOG)] == ["server/far (declared)"]


def test_a_destruction_stands_while_nothing_of_it_moves_and_falls_with_a_new_protection() -> None:
    ruin = planned(BASE, RECORDED, destroy=True)
    assert moved(ruin, BASE, RECORDED, CATALOG) == ()
    kept = replace(BASE.resources["server/far"], lifecycle=replace(BASE.resources["server/far"].lifecycle, prevent_destroy=True))
    assert [str(m) for m in moved(ruin, having(kept), RECORDED, CATALOG)] == ["server/far (declared)"]


def test_a_plan_that_was_applied_is_stale_by_what_it_wrote() -> None:
    assert names(recorded=apply(PLAN, RECORDED)) == ["server/web (recorded)", "taskserv/web/nginx (recorded)"]
