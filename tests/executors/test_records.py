"""References, records and predecessors as values."""

from __future__ import annotations

from typing import Any

import pytest

from executors.phases import Phase
from executors.ports import NeedsHuman
from executors.records import Source, alone, filled, outputs_of, predecessors, recorded, replacing, request_digest
from executors.redact import MASK
from planners.canonical import digest
from planners.model import Dependency, Lifecycle, RecordedResource, Status
from planners.references import RESOLVED
from planners.steps import Adopt, Create

RECORDS = {
    "server/a": RecordedResource(
        "server/a", "fake", {}, {"id": "i-1", "port": 80, "private_ip": "10.0.0.1", RESOLVED: {"x": "y"}}
    ),
    "taskserv/a/db": RecordedResource("taskserv/a/db", "fake", {}, {"dsn": f"db://me:{MASK}@a"}),
}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain $text ${}", "plain $text ${}"),
        ("${server/a.private_ip}", "10.0.0.1"),
        ("${server/a.port}", 80),
        ("http://${server/a.private_ip}:${server/a.port}/", "http://10.0.0.1:80/"),
        ({"k": ["${server/a.port}", 1, None]}, {"k": [80, 1, None]}),
        ("secret://shop/db/password", "secret://shop/db/password"),
    ],
)
def test_references_are_filled_in(value: Any, expected: Any) -> None:
    assert filled(value, RECORDS) == expected


@pytest.mark.parametrize("text", ["${server/b.id}", "${server/a.nothing}", "${server/a.resolved}", "x ${taskserv/a/db.dsn} y"])
def test_a_reference_without_a_value_is_for_a_person(text: str) -> None:
    with pytest.raises(NeedsHuman):
        filled({"k": text}, RECORDS)


def test_a_record_is_the_declaration_as_planned_and_what_was_seen() -> None:
    step = Create(
        "taskserv/a/web", "fake", "", declared={"config": {"ip": "${server/a.private_ip}"}}, implied_by="taskserv/a/shop",
        edges=(Dependency("server/a"), Dependency("server/a", output="private_ip"), Dependency("network/n")),
        lifecycle=Lifecycle(prevent_destroy=True), extension="e-1",
    )  # fmt: skip
    made = recorded(step, {"url": "http://x"}, RECORDS, Source("r1", "plan", "c0ffee"), Status.TAINTED)
    resolved = {"${server/a.private_ip}": digest(RESOLVED, "10.0.0.1"), "${server/a.id}": digest(RESOLVED, "i-1")}
    assert made == RecordedResource(
        "taskserv/a/web", "fake", step.declared, {"url": "http://x", RESOLVED: resolved}, ("network/n", "server/a"),
        Lifecycle(prevent_destroy=True), "e-1", Status.TAINTED, "taskserv/a/shop", "r1", "plan", "c0ffee",
    )  # fmt: skip
    assert outputs_of(made) == {"url": "http://x"}
    assert outputs_of(None) == {}


def test_what_is_adopted_has_the_id_it_was_adopted_by() -> None:
    step = Adopt("server/a", "fake", "", external_id="i-9")
    assert recorded(step, {}, {}, Source()).observed["id"] == "i-9"
    assert recorded(step, {"id": "i-10"}, {}, Source()).observed["id"] == "i-10"


def server(identity: str, provider: str = "fake") -> RecordedResource:
    return RecordedResource("server/a", provider, {"image": identity}, {"id": identity, RESOLVED: {"x": "y"}})


def test_a_chain_of_predecessors_is_kept_until_they_are_gone() -> None:
    third = replacing(server("3"), replacing(server("2", "other"), server("1")))
    assert [(p.provider, p.observed["id"]) for p in predecessors(third)] == [("other", "2"), ("fake", "1")]
    assert all(not list(predecessors(p)) for p in predecessors(third)), "each is told once"
    assert outputs_of(third) == {"id": "3"}
    assert alone(third) == server("3")
    assert list(predecessors(server("1"))) == []
    assert replacing(server("1"), None) == server("1")


def test_the_digest_of_a_request_is_of_address_phase_and_value() -> None:
    def of(address: str, name: str, declared: Any) -> str:
        return request_digest(Phase("op", name, Create(address, "fake", "")), declared)

    base = of("server/a", "create", {"x": 1})
    assert base == of("server/a", "create", {"x": 1})
    assert (
        len({base, of("server/b", "create", {"x": 1}), of("server/a", "delete", {"x": 1}), of("server/a", "create", {"x": 2})})
        == 4
    )
