"""How one phase moving on moves others, and what a run starts from."""

from __future__ import annotations

import pytest

from executors.phases import laid_out
from executors.ports import Intent, RunOptions
from executors.state import moved, standing, start, taking_back
from planners.model import Dependency, Environment
from planners.steps import Create, Plan, Step


def chain(*names: str) -> list[Step]:
    steps: list[Step] = []
    for name in names:
        needs = (Dependency(steps[-1].address),) if steps else ()
        steps.append(Create(name, "fake", "", depends_on=needs))
    return steps


def plan(*steps: Step) -> Plan:
    return Plan("shop", Environment("dev"), steps, id="plan")


@pytest.mark.parametrize(
    ("letter", "healthy", "answer"),
    [
        *((letter, True, "later") for letter in "WRIOPTMCH"),
        *((letter, True, "never") for letter in "FXUQS"),
        ("D", True, "met"),
        ("D", False, "met"),
        *((letter, False, "met") for letter in "CHU"),
        ("F", False, "never"),
        ("P", False, "later"),
    ],
)
def test_what_a_need_says_of_its_dependent(letter: str, healthy: bool, answer: str) -> None:
    assert standing(((0, healthy),), letter.encode()) == answer


def test_one_need_that_never_comes_outweighs_one_that_may() -> None:
    assert standing(((0, True), (1, True), (2, True)), b"WFD") == "never"
    assert standing((), b"") == "met"


def test_a_failure_skips_the_whole_chain_behind_it() -> None:
    run = start(plan(*chain("a/1", "a/2", "a/3")), "r", RunOptions())
    assert run.status == b"RWW"
    assert moved(run, {0: "F"}) == b"FSS"
    assert moved(run, {0: "D"}) == b"DRW"


def test_a_run_starts_from_what_is_finished_open_and_unknown_to_the_plan() -> None:
    steps = plan(*chain("a/1", "a/2", "a/3"))
    one, two, _ = (p.op for p in laid_out(steps, ("shop", "plan", "r"))[0])
    intents = [Intent(op, "", "a/x", "delete", "delete", "fake", "", 1) for op in (two, "stray")]
    run = start(steps, "r", RunOptions(settle_only=True), frozenset({one}), intents)
    assert (run.status, run.base, run.stopping) == (b"DTWT", 3, "settled")
    assert run.phases[3].orphan and run.phases[3].step.action == "delete"


def test_phases_that_take_back_follow_each_other() -> None:
    steps = chain("a/1", "a/2")
    run = start(plan(*steps), "r", RunOptions(compensate=True))
    back = taking_back(run)
    assert (back.phases, back.undoing) == (run.phases, True), "nothing was done yet"
    back = taking_back(start(plan(*steps), "r", RunOptions(), frozenset(p.op for p in run.phases)))
    assert back.status == b"DDRW"
    assert back.needs[2:] == ((), ((2, False),))
