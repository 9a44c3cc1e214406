"""Totals: what counts, what costs, and that nothing unknown passes for nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from estates import CATALOG, PRICED, applied, apply, infra, planned, resource, server, service
from hypothesis import given
from hypothesis import strategies as st

from planners.catalog import FREE, Catalog, KindPrice, Prices
from planners.cost import minus, monthly, plus, recorded_totals, total, totals_of
from planners.model import NOTHING_AT_ALL, Totals

KNOWN = Catalog({"fake": PRICED}, CATALOG.taskservs, CATALOG.evaluators)
NUMBERS = st.integers(0, 10**12)
SOME = st.builds(
    Totals, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS,
    st.dictionaries(st.sampled_from(["EUR", "USD"]), st.integers(1, 10**12)), NUMBERS,
)  # fmt: skip


@pytest.mark.parametrize(
    ("address", "declared", "expected"),
    [
        (
            "server/a",
            {"cpu_cores": 2, "memory_gb": 4, "disk_gb": 40},
            Totals(1, 2, 4, 40, hourly={"EUR": 11_000_000}),
        ),
        ("server/a", {"plan": "small"}, Totals(1, 1, 2, 20, hourly={"EUR": 4_000_000})),
        ("server/a", {"plan": "odd"}, Totals(1, cores_unknown=1, memory_unknown=1, unpriced=1)),
        ("server/a", {}, Totals(1, cores_unknown=1, memory_unknown=1, unpriced=1)),
        ("server/a", {"cpu_cores": "${x.y}", "memory_gb": True}, Totals(1, cores_unknown=1, memory_unknown=1, unpriced=1)),
        ("volume/a", {"size_gb": 100}, Totals(storage_gb=100, hourly={"EUR": 6_000_000})),
        ("volume/a", {}, Totals(unpriced=1)),
        ("network/a", {}, NOTHING_AT_ALL),
        ("load_balancer/a", {"plan": "lb-1"}, Totals(unpriced=1)),
        ("load_balancer/a", {}, Totals(hourly={"EUR": 8_000_000})),
        ("dns/a", {}, Totals(unpriced=1)),
        ("taskserv/a/nginx", {"config": {"cpu_cores": 9}}, NOTHING_AT_ALL),
        ("cluster/k8s", {"cpu_cores": 9}, NOTHING_AT_ALL),
    ],
)
def test_what_one_resource_adds(address: str, declared: dict[str, object], expected: Totals) -> None:
    assert totals_of(address, "fake", declared, KNOWN) == expected  # type: ignore[arg-type]


def test_without_a_list_nothing_has_a_price_and_what_is_free_costs_nothing() -> None:
    for prices, unpriced in ((None, 1), (FREE, 0), (Prices("EUR", {"server": KindPrice()}), 1)):
        known = Catalog({"fake": replace(PRICED, prices=prices)})
        assert totals_of("server/a", "fake", {"plan": "small"}, known) == Totals(1, 1, 2, 20, unpriced=unpriced)
    assert totals_of("volume/a", "gone", {"size_gb": 1}, KNOWN) == Totals(storage_gb=1, unpriced=1)


@given(SOME, SOME)
def test_what_is_added_can_be_taken_away(one: Totals, other: Totals) -> None:
    assert minus(plus(one, other), other) == one
    assert plus(one, other) == total((other, one))


def test_a_plan_says_what_all_comes_to_before_and_after() -> None:
    before = infra(server("a", memory_gb=4), server("b", memory_gb=4), service("a", "nginx"), resource("volume/v", size_gb=100))
    first = planned(before, known=KNOWN)
    assert (first.before, first.after.hourly) == (NOTHING_AT_ALL, {"EUR": 2 * 11_000_000 + 6_000_000})
    after = infra(server("a", memory_gb=4, plan="small"), resource("volume/v", size_gb=200), resource("dns/d"))
    second = planned(after, applied(before), known=KNOWN)
    assert second.before == first.after
    assert second.after == Totals(1, 2, 4, 220, hourly={"EUR": 4_000_000 + 12_000_000}, unpriced=1)
    done = apply(second, applied(before))
    assert recorded_totals(done.resources.values(), KNOWN) == second.after
    assert planned(after, done, known=KNOWN).after == second.after, "a plan without steps says it too"


def test_of_a_target_only_that_is_done() -> None:
    made = planned(infra(server("a"), server("b")), applied(infra()), None, "server/a", known=KNOWN)
    assert (made.after.servers, made.before.servers) == (1, 0)


def test_prices_do_not_change_what_a_plan_is() -> None:
    estate = infra(server("a"))
    assert planned(estate, known=KNOWN).id == planned(estate, known=CATALOG).id


@pytest.mark.parametrize(
    ("hourly", "shown"),
    [(0, "0.00"), (11_000_000, "8.03"), (10**9, "730.00"), (60, "0.000044"), (-(10**9), "-730.00"), (6_849, "0.005000")],
)
def test_a_month_has_730_hours(hourly: int, shown: str) -> None:
    assert monthly(hourly) == shown
