"""The inverse of each kind of step."""

from __future__ import annotations

import pytest

from executors.phases import laid_out, operation
from executors.undo import inverse, undoing, was_taken_back
from planners.model import Environment, Lifecycle, RecordedResource
from planners.steps import Adopt, Create, Delete, Forget, Move, Plan, Read, Replace, Step, Update

IDENTITY = ("shop", "plan", "r1")
BEFORE = RecordedResource(
    "server/a", "fake", {"cpu_cores": 2}, {"id": "i-1"}, ("network/n",), Lifecycle(prevent_destroy=True), "ext", implied_by="x"
)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (Update("server/a", "fake", ""), Update),
        (Replace("server/a", "fake", ""), Replace),
        (Delete("server/a", "fake", ""), Create),
        (Forget("server/a", "fake", ""), Adopt),
        (Move("server/b", "fake", "", moved_from="server/a"), Move),
    ],
)
def test_what_was_changed_is_changed_back_to_the_record(step: Step, kind: type[Step]) -> None:
    back = inverse(step, BEFORE)
    assert isinstance(back, kind)
    assert (back.address, back.declared, back.extension, back.implied_by) == ("server/a", {"cpu_cores": 2}, "ext", "x")
    assert back.lifecycle == BEFORE.lifecycle
    assert [d.address for d in back.edges] == ["network/n"]


def test_names_and_ids_find_their_way_back() -> None:
    moved = inverse(Move("server/b", "fake", "", moved_from="server/a"), BEFORE)
    assert isinstance(moved, Move) and moved.moved_from == "server/b"
    adopted = inverse(Forget("server/a", "fake", ""), BEFORE)
    assert isinstance(adopted, Adopt) and adopted.external_id == "i-1"


def test_what_was_made_is_removed_and_what_was_adopted_is_forgotten() -> None:
    assert isinstance(inverse(Create("server/a", "fake", ""), None), Delete)
    assert isinstance(inverse(Adopt("server/a", "fake", ""), None), Forget)


@pytest.mark.parametrize(
    ("step", "before"),
    [
        (Create("server/a", "fake", "drift: it is gone"), BEFORE),
        (Read("server/a", "fake", ""), BEFORE),
        (Update("server/a", "fake", ""), None),
        (Replace("taskserv/a/nginx", "fake", "", gone_with_host=True), BEFORE),
    ],
)
def test_some_steps_leave_nothing_to_take_back(step: Step, before: RecordedResource | None) -> None:
    assert inverse(step, before) is None


def plan(*steps: Step) -> Plan:
    return Plan("shop", Environment("dev"), steps, id="plan")


def test_what_was_begun_goes_back_last_first() -> None:
    a, b, d = (Create(f"server/{name}", "fake", "") for name in "abd")
    phases, _ = laid_out(plan(a, b, Delete("server/c", "fake", ""), d), IDENTITY)
    record = RecordedResource("server/c", "fake", {})
    back = undoing(zip(phases, "DUXX", strict=True), {"server/c": record}, IDENTITY)
    assert [(p.step.address, p.name) for p in back] == [("server/d", "delete"), ("server/b", "delete"), ("server/a", "delete")]
    assert undoing(zip(phases, "FSQF", strict=True), {}, IDENTITY) == []


def test_operations_that_take_back_are_recognised() -> None:
    move = Move("server/b", "fake", "", moved_from="server/a")
    phases, _ = laid_out(plan(Create("server/n", "fake", ""), move), IDENTITY)
    back = undoing(zip(phases, "DD", strict=True), {"server/a": BEFORE}, IDENTITY)
    for phase in back:
        assert was_taken_back(phases, IDENTITY, [phase.op])
    assert not was_taken_back(phases, IDENTITY, [p.op for p in phases])
    assert not was_taken_back(phases, IDENTITY, [operation(IDENTITY, "server/z", 0, "undo-delete")])
    assert not was_taken_back(phases, IDENTITY, [])
