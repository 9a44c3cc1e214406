"""What a shown plan consists of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from estates import applied, infra, life, planned, resource, server, service

from gitops.report.layout import LONGEST, SIGNS, TITLES, clean, entry, groups, headline, line, shown, told
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


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change("size", None, 2), ("+", "size: 2")),
        (Change("size", 2, None), ("-", "size: 2")),
        (Change("size", 2, 4), ("~", "size: 2 -> 4")),
        (Change("image", "a", "b", forces_replace=True), ("~", 'image: "a" -> "b"  # forces replacement')),
        (Change("ip", None, "${server/a.ip}", unknown=True), ("?", 'ip: "${server/a.ip}" (known after apply)')),
        (Change("ip", "${server/a.ip}", "${server/a.ip}"), ("~", 'ip: "${server/a.ip}" (what it refers to changed)')),
        (Change("pw", "old", "new", sensitive=True), ("~", "pw: (sensitive)")),
        (Change("pw", None, "new", sensitive=True, unknown=True), ("~", "pw: (sensitive)")),
        (Change("pw", "old", None, sensitive=True, forces_replace=True), ("~", "pw: (sensitive)  # forces replacement")),
        (Change("tags", ["a"], ["a", {"b": 1}]), ("~", 'tags: ["a"] -> ["a", {"b": 1}]')),
    ],
)
def test_each_kind_of_change_has_its_line(change: Change, expected: tuple[str, str]) -> None:
    assert line(change) == expected


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain ü 日本", "plain ü 日本"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\x9b31m", "\\x9b31m"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
    ],
)
def test_nothing_that_does_not_print_gets_through(text: str, safe: str) -> None:
    assert clean(text) == safe
    assert clean(text).isprintable()


def test_values_are_json_on_one_line_cut_where_long() -> None:
    assert shown("a\x1b\nb") == '"a\\u001b\\nb"'
    assert shown({"b": 1, "a": None}) == '{"a": null, "b": 1}'
    long = shown("x" * 500)
    assert long == '"' + "x" * (LONGEST - 1) + "… (502 characters)"


def test_addresses_reasons_and_notices_are_cleaned_too() -> None:
    odd = replace(MADE.steps[0], address="server/\x1b[2J", reason="because\x07", changes=(Change("a\x1b", 1, 2),))
    shown_entry = entry(odd)
    assert (shown_entry.address, shown_entry.note) == ("server/\\x1b[2J", "because\\x07")
    assert shown_entry.lines == (("~", "a\\x1b: 1 -> 2"),)
    assert told(Notice("x", "lives on \x1b[8mhost", "--destroy")) == "lives on \\x1b[8mhost; needs --destroy"
    assert told(Notice("x", "plain")) == "plain"
