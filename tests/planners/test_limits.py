"""What an environment allows: nothing grows beyond it, everything may shrink, and nobody is stopped from taking away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from estates import CATALOG, PRICED, applied, infra, planned, refusals, resource, server, service

from planners.catalog import Catalog
from planners.model import Budget, Desired, Environment, Limits, Recorded, Resource

KNOWN = Catalog({"fake": PRICED}, CATALOG.taskservs, CATALOG.evaluators)


def estate(*resources: Resource, budget: Budget | None = None, **limits: Any) -> Desired:
    return infra(*resources, environment=Environment("dev", limits=Limits(**limits), budget=budget))


def told(desired: Desired, recorded: Recorded | None = None) -> list[str]:
    return [p.message for p in refusals(desired, recorded or applied(infra()), known=KNOWN)]


def noticed(desired: Desired, recorded: Recorded) -> list[str]:
    return [n.message for n in planned(desired, recorded, known=KNOWN).notices if n.code in ("limit", "budget")]


A, B = server("a", memory_gb=4, disk_gb=10), server("b", memory_gb=4, disk_gb=10)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"servers": 1}, "environment 'dev' allows 1 server and this plan makes 2, now 0"),
        ({"cpu_cores": 3}, "environment 'dev' allows 3 CPU cores and this plan makes 4, now 0"),
        ({"memory_gb": 7}, "environment 'dev' allows 7 GB of memory and this plan makes 8, now 0"),
        ({"storage_gb": 29}, "environment 'dev' allows 29 GB of storage and this plan makes 30, now 0"),
    ],
)
def test_beyond_a_limit_there_is_no_plan(limits: dict[str, int], message: str) -> None:
    volume = resource("volume/v", size_gb=10)
    assert told(estate(A, B, volume, **limits)) == [message]
    (key, most), *_ = limits.items()
    assert planned(estate(A, B, volume, **{key: most + 1}), known=KNOWN).steps


def test_what_was_beyond_it_before_may_shrink_and_stay_but_not_grow() -> None:
    recorded = applied(infra(A, B, server("c")))
    assert noticed(estate(A, B, server("c"), servers=1), recorded) == ["dev allows 1 server and after this plan there are 3"]
    assert noticed(estate(A, B, servers=1), recorded) == ["dev allows 1 server and after this plan there are 2"]
    assert noticed(estate(A, servers=1), recorded) == []
    assert len(told(estate(A, B, server("c"), server("d"), servers=1), recorded)) == 1


def test_an_unknown_size_is_not_no_size() -> None:
    odd = resource("server/odd", memory_gb=1)
    (message,) = told(estate(A, odd, cpu_cores=100))
    assert message == "environment 'dev' limits CPU cores, and how many 1 server will have is not known"
    assert planned(estate(A, odd, memory_gb=100), known=KNOWN).steps, "where only memory is limited, cores do not matter"
    assert planned(estate(A, odd, cpu_cores=100), applied(infra(odd)), known=KNOWN).steps, "what is there already is no news"


def test_beyond_the_budget_there_is_no_plan() -> None:
    cost = 2 * 11_000_000 * 730 / 10**9
    assert 16 < cost < 17
    assert told(estate(A, B, budget=Budget(16, "EUR"))) == [
        "environment 'dev' allows 16 EUR a month and this plan makes 16.06, now 0.00"
    ]
    near = noticed(estate(A, B, budget=Budget(17, "EUR")), applied(infra()))
    assert near == ["after this plan 94 % of the budget of dev is used: 16.06 of 17 EUR a month"]
    assert noticed(estate(A, B, budget=Budget(17, "EUR", warn_at=95)), applied(infra())) == []
    assert noticed(estate(A, B, budget=Budget(21, "EUR")), applied(infra())) == []


def test_a_budget_is_judged_by_known_prices_in_its_own_currency() -> None:
    free = resource("dns/d")
    assert told(estate(A, free, budget=Budget(100, "EUR"))) == [
        "environment 'dev' has a budget, and 1 of these resources has no known price"
    ]
    assert noticed(estate(A, free, budget=Budget(100, "EUR")), applied(infra(free))) == [
        "1 of these resources has no known price, so what all cost is not known"
    ]
    (message,) = told(estate(A, budget=Budget(100, "USD")))
    assert message == "the budget of dev is in USD, and this plan adds prices in EUR"
    assert noticed(estate(budget=Budget(0, "EUR")), applied(infra(A))) == [], "taking away is always within it"


def test_labels_that_are_asked_for() -> None:
    bare, labelled = A, replace(B, declared={**B.declared, "labels": {"team": "web", "empty": ""}})
    assert told(estate(bare, labelled, service("a", "nginx"), labels=("team",))) == [
        "server/a has no label 'team', which environment 'dev' asks for"
    ]
    assert len(told(estate(labelled, labels=("team", "empty", "cost-center")))) == 1
    assert planned(estate(bare, labels=("team",)), applied(infra(bare)), known=KNOWN).steps == (), "what stays as it is is let be"
    assert planned(estate(labels=("team",)), applied(infra(bare, B)), known=KNOWN).steps
