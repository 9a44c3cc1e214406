"""Phases and their operation ids."""

from __future__ import annotations

import pytest

from executors.phases import laid_out, operation, phase_names
from planners.model import Dependency, Environment
from planners.steps import Create, Delete, Plan, Replace, Step

IDENTITY = ("shop", "plan", "r1")


def test_operation_ids_are_stable_and_differ_by_run_plan_step_and_phase() -> None:
    base = operation(IDENTITY, "a/1", 0, "create")
    others = {
        operation(("shop", "plan", "r2"), "a/1", 0, "create"),
        operation(("shop", "p2", "r1"), "a/1", 0, "create"),
        operation(("mall", "plan", "r1"), "a/1", 0, "create"),
        operation(IDENTITY, "a/1", 1, "create"),
        operation(IDENTITY, "a/2", 0, "create"),
        operation(IDENTITY, "a/1", 0, "delete"),
    }
    assert operation(IDENTITY, "a/1", 0, "create") == base
    assert len(others | {base}) == 7


def test_the_key_is_the_first_half_of_the_operation() -> None:
    ((phase,), _) = laid_out(Plan("shop", Environment("dev"), (Create("a/1", "fake", ""),), id="plan"), IDENTITY)
    assert phase.key == phase.op[:32] and len(phase.op) == 64


@pytest.mark.parametrize(
    ("step", "names"),
    [
        (Create("server/a", "fake", ""), ("create",)),
        (Delete("server/a", "fake", ""), ("delete",)),
        (Replace("server/a", "fake", ""), ("delete", "create")),
        (Replace("server/a", "fake", "", create_first=True), ("create", "delete")),
        (Replace("taskserv/a/nginx", "fake", "", create_first=True), ("delete", "create")),
        (Replace("taskserv/a/nginx", "fake", "", gone_with_host=True), ("create",)),
    ],
)
def test_the_phases_of_a_step(step: Step, names: tuple[str, ...]) -> None:
    assert phase_names(step) == names


def test_needs_lead_to_the_last_phase_and_from_the_first() -> None:
    steps = (
        Replace("server/a", "fake", "", create_first=True),
        Replace("server/b", "fake", "", depends_on=(Dependency("server/a", False), Dependency("server/elsewhere"))),
    )
    phases, needs = laid_out(Plan("shop", Environment("dev"), steps, id="plan"), IDENTITY)
    assert [(p.step.address, p.name, p.removes_old) for p in phases] == [
        ("server/a", "create", False),
        ("server/a", "delete", True),
        ("server/b", "delete", False),
        ("server/b", "create", False),
    ]
    assert needs == [(), ((0, True),), ((1, False),), ((2, False),)]
