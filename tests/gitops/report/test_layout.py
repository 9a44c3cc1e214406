"""What a shown plan consists of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from estates import applied, infra, life, planned, resource, server, service

from gitops.report.layout import ALIKE, FIRST, HOSTS, RISKY, SIGNS, TITLES, costs, entry, groups, headline, look_first, told
from gitops.report.markdown import render_markdown
from gitops.report.text import render_text
from planners.model import Totals
from planners.ordering import PRIORITY
from planners.steps import STEP_TYPES, Change, Notice

BEFORE = infra(server("web", image="1"), server("old"), service("web", "redis"), resource("dns/x"))
AFTER = infra(
    resource("network/lan"),
    server("web", image="2", lifecycle=life(create_before_destroy=True)),
    service("web", "redis"),
    service("web", "nginx"),
)
MADE = planned(AFTER, applied(BEFORE))


def test_every_action_has_a_sign_of_its_own_and_kinds_come_in_the_order_of_plans() -> None:
    assert SIGNS.keys() == STEP_TYPES.keys()
    assert len(set(SIGNS.values())) == len(SIGNS)
    assert list(TITLES) == list(PRIORITY)


def test_steps_are_grouped_by_kind_services_by_server_removals_last() -> None:
    assert [(g.title, [e.address for e in g.entries]) for g in groups(MADE)] == [
        ("Networks", ["network/lan"]),
        ("Servers", ["server/web"]),
        ("Services on web", ["taskserv/web/redis", "taskserv/web/nginx"]),
        ("Removals", ["dns/x", "server/old"]),
    ]
    assert [g.title for g in groups(planned(infra(resource("bucket/b"))))] == ["Bucket"]


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (Totals(), Totals(), ""),
        (Totals(hourly={"EUR": 20_000_000}), Totals(hourly={"EUR": 25_000_000}), "18.25 EUR a month, +3.65"),
        (Totals(hourly={"EUR": 25_000_000}), Totals(hourly={"EUR": 20_000_000}), "14.60 EUR a month, -3.65"),
        (Totals(hourly={"EUR": 25_000_000}), Totals(hourly={"EUR": 25_000_000}), "18.25 EUR a month"),
        (Totals(hourly={"EUR": 10**9}), Totals(), "0.00 EUR a month, -730.00"),
        (
            Totals(),
            Totals(hourly={"EUR": 10**9, "USD": 10**9}, unpriced=2),
            "730.00 EUR a month, +730.00; 730.00 USD a month, +730.00; 2 without a known price",
        ),
    ],
)
def test_what_it_costs_and_what_changes_about_that(before: Totals, after: Totals, text: str) -> None:
    made = replace(MADE, before=before, after=after)
    assert costs(made) == text
    assert (f"Costs {text}" in render_text(made, color=False)) == bool(text)
    assert (f"Costs {text}" in render_markdown(made)) == bool(text)


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (MADE, "Plan shop (dev): 2 to create, 0 to update, 2 to replace, 2 to delete, 0 unchanged"),
        (planned(BEFORE, applied(BEFORE)), "Plan shop (dev): nothing to do, 4 unchanged"),
        (
            planned(infra(), applied(infra(server("a"))), destroy=True),
            "Plan to destroy shop (dev): 0 to create, 0 to update, 0 to replace, 1 to delete, 0 unchanged",
        ),
        (
            planned(infra(server("new", lifecycle=life(moved_from="server/a"))), applied(infra(server("a")))),
            "Plan shop (dev): 0 to create, 0 to update, 0 to replace, 0 to delete, 1 to move, 0 unchanged",
        ),
    ],
)
def test_the_headline_counts_or_says_that_nothing_is_to_do(plan: Any, text: str) -> None:
    assert headline(plan) == text


@pytest.mark.parametrize(
    ("address", "note"),
    [
        ("server/web", "image cannot change in place; the new one is made first"),
        ("taskserv/web/redis", "server/web is made anew"),
        ("dns/x", "no longer declared"),
    ],
)
def test_an_entry_says_why(address: str, note: str) -> None:
    assert [entry(s).note for s in MADE.steps if s.address == address] == [note]


def test_marks_of_steps_that_do_nothing_outside() -> None:
    gone = planned(infra(), applied(infra(server("a"), service("a", "redis"))))
    assert [entry(s).note for s in gone.steps] == ["no longer declared; goes with its server", "no longer declared"]
    kept = planned(infra(server("a", lifecycle=life(prevent_destroy=True))), applied(infra(server("a"))))
    assert [entry(s).note for s in kept.steps] == ["lifecycle changed; only the record changes"]


def test_addresses_reasons_and_notices_are_cleaned_too() -> None:
    odd = replace(MADE.steps[0], address="server/\x1b[2J", reason="because\x07", changes=(Change("a\x1b", 1, 2),))
    shown_entry = entry(odd)
    assert (shown_entry.address, shown_entry.note) == ("server/\\x1b[2J", "because\\x07")
    assert shown_entry.lines == (("~", "a\\x1b: 1 -> 2"),)
    assert told(Notice("x", "lives on \x1b[8mhost", "--destroy")) == "lives on \\x1b[8mhost; needs --destroy"
    assert told(Notice("x", "plain")) == "plain"


def crowd(count: int, **more: Any) -> Any:
    return infra(*(server(f"s-{i:04}", **more) for i in range(count)))


def test_many_that_read_alike_are_counted() -> None:
    (group,) = groups(planned(crowd(3000)))
    assert [e.address for e in group.entries] == ["server/s-0000", "server/s-0001", "server/s-0002", "2997 more like the 3 above"]
    assert (group.entries[3].note, group.entries[3].count, group.count) == ("server/s-0003 … server/s-2999", 2997, 3000)
    (small,) = groups(planned(crowd(ALIKE)))
    assert len(small.entries) == ALIKE
    (other,) = groups(planned(infra(*crowd(ALIKE + 1).resources.values(), server("odd", zone="x"))))
    assert [e.address for e in other.entries] == [
        "server/odd",
        *(f"server/s-000{n}" for n in range(FIRST)),
        "18 more like the 3 above",
    ]


def test_services_of_very_many_servers_are_grouped_by_what_they_are() -> None:
    estate = infra(*(server(f"s-{i:02}") for i in range(HOSTS + 1)), *(service(f"s-{i:02}", "redis") for i in range(HOSTS + 1)))
    assert [(g.title, g.count) for g in groups(planned(estate))] == [("Servers", HOSTS + 1), ("Services redis", HOSTS + 1)]


def test_what_may_lose_something_is_named_first_where_there_is_much_else() -> None:
    assert look_first(MADE) == ()
    few = planned(
        infra(*crowd(20).resources.values(), server("db", image="2")), applied(infra(server("db", image="1"), server("old")))
    )
    assert look_first(few) == ("± server/db  image cannot change in place", "- server/old  no longer declared")
    many = planned(crowd(1), applied(crowd(RISKY + 5)))
    assert look_first(many)[-1] == "and 4 more"
