"""The run machine, told as scripts: ``>>`` an event, ``<<`` what it must command."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executors.events import (
    Applied,
    Begin,
    Cancelled,
    CheckHealth,
    Failed,
    Finish,
    Healthy,
    Lost,
    Perform,
    Record,
    Recorded,
    Settle,
    Settled,
    Tick,
)
from executors.machine import Run, advance, start
from executors.phases import operation, phase_names
from executors.ports import Intent, RunOptions
from planners.model import Dependency, Environment, RecordedResource
from planners.steps import Create, Delete, Forget, Move, Plan, Replace, Step, Update


def after(*names: str, healthy: bool = True) -> tuple[Dependency, ...]:
    return tuple(Dependency(n, healthy) for n in names)


def create(name: str, *needs: str, healthy: bool = True) -> Create:
    return Create(name, "fake", "new", depends_on=after(*needs, healthy=healthy))


def plan_of(*steps: Step) -> Plan:
    return Plan("shop", Environment("dev"), steps, id="plan")


def record(address: str) -> RecordedResource:
    return RecordedResource(address, "fake", {})


class Script:
    """A run with short names: op ids are written ``address`` or ``address:phase``."""

    def __init__(self, *steps: Step, finished: Sequence[str] = (), opened: Sequence[str] = (), **options: object) -> None:
        self.plan = plan_of(*steps)
        self.names = {
            operation(("shop", "plan", "r1"), s.address, i, p): (s.address if len(phase_names(s)) == 1 else f"{s.address}:{p}")
            for i, s in enumerate(steps)
            for p in phase_names(s)
        }
        self.ops = {name: op for op, name in self.names.items()}
        intents = [Intent(self.op(n), "", n.partition(":")[0], "create", n.partition(":")[2] or "create", "fake", "", 1) for n in opened]
        before = {"a/old": record("a/old")}
        self.run: Run = start(
            self.plan, "r1", RunOptions(**options), frozenset(self.op(n) for n in finished), intents, before  # type: ignore[arg-type]
        )
        self.pending: list[str] = []
        self.said: list[str] = []

    def op(self, name: str) -> str:
        return self.ops.setdefault(name, name)

    def text(self, command: object) -> str:
        if isinstance(command, Record):
            results = " ".join(f"{self.names.get(r.op, r.op)}={r.status}" for r in command.results)
            return f"record [{results}] + [{' '.join(self.short(o) for o in command.intents)}]"
        if isinstance(command, Finish):
            o = command.outcome
            return f"finish {o.status} done={','.join(o.done)} failed={','.join(a for a, _ in o.failed)} skipped={','.join(o.skipped)}"
        verb = {Perform: "perform", CheckHealth: "check", Settle: "settle"}[type(command)]
        return f"{verb} {self.short(command.op)}"  # type: ignore[attr-defined]

    def short(self, op: str) -> str:
        if op not in self.names and op in self.run.index:
            phase = self.run.phase(op)
            return f"undo {phase.name} {phase.step.address}"
        return self.names.get(op, op)

    def __rshift__(self, event: object) -> Script:
        self._all_said()
        self.run, commands = advance(self.run, event)  # type: ignore[arg-type]
        self.pending = [self.text(c) for c in commands]
        return self

    def __lshift__(self, command: str) -> Script:
        if not self.pending or self.pending[0] != command:
            diff = "\n".join(difflib.ndiff(self.pending[:1] or ["(nothing)"], [command]))
            raise AssertionError(f"the machine commanded otherwise (- machine, + script):\n{diff}")
        self.said.append(self.pending.pop(0))
        return self

    def _all_said(self) -> None:
        if self.pending:
            raise AssertionError("the script leaves out: " + "; ".join(self.pending))

    def ends(self) -> None:
        self._all_said()
        if not self.run.finished:
            raise AssertionError("the script ends before the run does")

    def durable(self, *names: str) -> Recorded:
        return Recorded(tuple(self.op(n) for n in names))

    def applied(self, name: str, check: bool = False) -> Applied:
        return Applied(self.op(name), record(name.partition(":")[0]), check)

    def failed(self, name: str, kind: str = "permanent") -> Failed:
        return Failed(self.op(name), kind, "no room")


def test_an_empty_plan_finishes_at_once() -> None:
    s = Script()
    s >> Begin() << "finish succeeded done= failed= skipped="
    s.ends()


def test_intent_first_then_effect_then_result_with_the_next_intent() -> None:
    s = Script(create("a/1"), create("a/2", "a/1"))
    s >> Begin() << "record [] + [a/1]"
    s >> s.durable("a/1") << "perform a/1"
    s >> s.applied("a/1") << "record [a/1=done] + [a/2]"
    s >> s.durable("a/2") << "perform a/2"
    s >> s.applied("a/2") << "record [a/2=done] + []"
    s >> s.durable() << "finish succeeded done=a/1,a/2 failed= skipped="
    s.ends()


def test_a_window_of_intents_and_bounded_parallelism() -> None:
    s = Script(*(create(f"a/{i}") for i in range(4)), window=3, parallel=2)
    s >> Begin() << "record [] + [a/0 a/1 a/2]"
    s >> s.durable("a/0", "a/1", "a/2") << "perform a/0" << "perform a/1"
    s >> s.applied("a/0") << "perform a/2" << "record [a/0=done] + [a/3]"
    s >> s.applied("a/1")
    s >> s.durable("a/3") << "perform a/3"
    s >> s.applied("a/2")
    s >> s.applied("a/3") << "record [a/1=done a/2=done a/3=done] + []"
    s >> s.durable() << "finish succeeded done=a/0,a/1,a/2,a/3 failed= skipped="
    s.ends()


def test_results_are_flushed_when_they_have_waited_long_enough() -> None:
    s = Script(create("a/1"), create("a/2"), flush_seconds=5.0)
    s >> Begin() << "record [] + [a/1 a/2]"
    s >> s.durable("a/1", "a/2") << "perform a/1" << "perform a/2"
    s >> s.applied("a/1")
    s >> Tick(3.0)
    s >> Tick(2.0) << "record [a/1=done] + []"
    s >> s.durable()
    s >> s.applied("a/2") << "record [a/2=done] + []"
    s >> s.durable() << "finish succeeded done=a/1,a/2 failed= skipped="
    s.ends()


def test_a_dependent_waits_for_health_unless_applied_is_enough() -> None:
    s = Script(create("a/1"), create("a/soon", "a/1", healthy=False), create("a/late", "a/1"))
    s >> Begin() << "record [] + [a/1]"
    s >> s.durable("a/1") << "perform a/1"
    s >> s.applied("a/1", check=True) << "check a/1" << "record [] + [a/soon]"
    s >> s.durable("a/soon") << "perform a/soon"
    s >> s.applied("a/soon")
    s >> Healthy(s.op("a/1")) << "record [a/soon=done a/1=done] + [a/late]"
    s >> s.durable("a/late") << "perform a/late"
    s >> s.applied("a/late") << "record [a/late=done] + []"
    s >> s.durable() << "finish succeeded done=a/1,a/soon,a/late failed= skipped="
    s.ends()


def test_unhealthy_fails_and_only_those_that_need_health_are_skipped() -> None:
    s = Script(create("a/1"), create("a/late", "a/1"), on_failure="continue")
    s >> Begin() << "record [] + [a/1]"
    s >> s.durable("a/1") << "perform a/1"
    s >> s.applied("a/1", check=True) << "check a/1"
    s >> s.failed("a/1") << "record [a/1=failed] + []"
    s >> s.durable() << "finish failed done= failed=a/1 skipped=a/late"
    s.ends()


def test_stop_closes_open_intents_and_lets_running_ones_finish() -> None:
    s = Script(create("a/1"), create("a/2"), create("a/3"), create("a/4", "a/1"), parallel=2)
    s >> Begin() << "record [] + [a/1 a/2 a/3]"
    s >> s.durable("a/1", "a/2", "a/3") << "perform a/1" << "perform a/2"
    s >> s.failed("a/1") << "record [a/1=failed a/3=skipped] + []"
    s >> s.durable()
    s >> s.applied("a/2") << "record [a/2=done] + []"
    s >> s.durable() << "finish failed done=a/2 failed=a/1 skipped=a/3,a/4"
    s.ends()


def test_continue_skips_dependents_and_goes_on_with_the_others() -> None:
    s = Script(create("a/1"), create("a/2", "a/1"), create("a/3", "a/2"), create("a/4"), on_failure="continue", window=1)
    s >> Begin() << "record [] + [a/1]"
    s >> s.durable("a/1") << "perform a/1"
    s >> s.failed("a/1") << "record [a/1=failed] + [a/4]"
    s >> s.durable("a/4") << "perform a/4"
    s >> s.applied("a/4") << "record [a/4=done] + []"
    s >> s.durable() << "finish failed done=a/4 failed=a/1 skipped=a/2,a/3"
    s.ends()


def test_an_unknown_outcome_leaves_its_intent_open() -> None:
    s = Script(create("a/1"))
    s >> Begin() << "record [] + [a/1]"
    s >> s.durable("a/1") << "perform a/1"
    s >> s.failed("a/1", "unknown") << "finish failed done= failed=a/1 skipped="
    s.ends()


def test_cancel_finishes_what_runs_and_starts_nothing() -> None:
    s = Script(create("a/1"), create("a/2", "a/1"))
    s >> Begin() << "record [] + [a/1]"
    s >> s.durable("a/1") << "perform a/1"
    s >> Cancelled()
    s >> s.applied("a/1") << "record [a/1=done] + []"
    s >> s.durable() << "finish cancelled done=a/1 failed= skipped=a/2"
    s.ends()


def test_cancel_after_the_last_effect_is_a_success() -> None:
    s = Script(create("a/1"))
    s >> Begin() << "record [] + [a/1]"
    s >> s.durable("a/1") << "perform a/1"
    s >> Cancelled()
    s >> s.applied("a/1") << "record [a/1=done] + []"
    s >> s.durable() << "finish succeeded done=a/1 failed= skipped="
    s.ends()


def test_cancel_while_intents_are_being_recorded_closes_them() -> None:
    s = Script(create("a/1"))
    s >> Begin() << "record [] + [a/1]"
    s >> Cancelled()
    s >> s.durable("a/1") << "record [a/1=skipped] + []"
    s >> s.durable() << "finish cancelled done= failed= skipped=a/1"
    s.ends()


def test_a_lost_lease_records_nothing_more() -> None:
    s = Script(create("a/1"), create("a/2"), create("a/3"), parallel=2)
    s >> Begin() << "record [] + [a/1 a/2 a/3]"
    s >> s.durable("a/1", "a/2", "a/3") << "perform a/1" << "perform a/2"
    s >> s.applied("a/1") << "perform a/3"
    s >> Lost("the lease is gone")
    s >> s.applied("a/2", check=True)
    s >> s.applied("a/3") << "finish lost done=a/1 failed=shop skipped="
    s.ends()


def test_a_replacement_deletes_first_or_creates_first() -> None:
    s = Script(Replace("a/1", "fake", "image"))
    s >> Begin() << "record [] + [a/1:delete]"
    s >> s.durable("a/1:delete") << "perform a/1:delete"
    s >> Applied(s.op("a/1:delete"), None) << "record [a/1:delete=done] + [a/1:create]"
    s >> s.durable("a/1:create") << "perform a/1:create"
    s >> s.applied("a/1:create") << "record [a/1:create=done] + []"
    s >> s.durable() << "finish succeeded done=a/1 failed= skipped="
    s.ends()
    assert phase_names(Replace("a/1", "fake", "", create_first=True)) == ("create", "delete")
    assert phase_names(Replace("a/1", "fake", "", gone_with_host=True)) == ("create",)


def test_a_begun_replacement_is_finished_while_stopping() -> None:
    s = Script(Replace("a/1", "fake", "image"), create("a/2", "a/1"))
    s >> Begin() << "record [] + [a/1:delete]"
    s >> s.durable("a/1:delete") << "perform a/1:delete"
    s >> Cancelled()
    s >> Applied(s.op("a/1:delete"), None) << "record [a/1:delete=done] + [a/1:create]"
    s >> s.durable("a/1:create") << "perform a/1:create"
    s >> s.applied("a/1:create") << "record [a/1:create=done] + []"
    s >> s.durable() << "finish cancelled done=a/1 failed= skipped=a/2"
    s.ends()


def test_deletion_says_gone_and_a_move_says_from_where() -> None:
    s = Script(Delete("a/1", "fake", ""), Move("a/3", "fake", "", moved_from="a/2"), Forget("a/4", "fake", ""))
    s >> Begin() << "record [] + [a/1 a/3 a/4]"
    s >> s.durable("a/1", "a/3", "a/4") << "perform a/1" << "perform a/3" << "perform a/4"
    s >> Applied(s.op("a/1"), None)
    s >> s.applied("a/3")
    s.run, (command,) = advance(s.run, Applied(s.op("a/4"), None))
    assert isinstance(command, Record)
    assert [(r.address, r.gone, r.renamed_from) for r in command.results] == [("a/1", True, None), ("a/3", False, "a/2"), ("a/4", True, None)]


def test_open_intents_are_settled_before_anything_new() -> None:
    s = Script(create("a/1"), create("a/2"), create("a/3"), opened=("a/1", "a/2"))
    s >> Begin() << "settle a/1" << "settle a/2"
    s >> Settled(s.op("a/1"), "applied", record("a/1"))
    s >> Settled(s.op("a/2"), "nothing") << "perform a/2" << "record [a/1=done] + [a/3]"
    s >> s.durable("a/3") << "perform a/3"
    s >> s.applied("a/2")
    s >> s.applied("a/3") << "record [a/2=done a/3=done] + []"
    s >> s.durable() << "finish succeeded done=a/1,a/2,a/3 failed= skipped="
    s.ends()


def test_settle_only_completes_closes_and_starts_nothing() -> None:
    s = Script(create("a/1"), create("a/2"), create("a/3"), create("a/4"), opened=("a/1", "a/2", "a/3"), settle_only=True)
    s >> Begin() << "settle a/1" << "settle a/2" << "settle a/3"
    s >> Settled(s.op("a/1"), "redo") << "perform a/1"
    s >> Settled(s.op("a/2"), "nothing")
    s >> Settled(s.op("a/3"), "partial", record("a/3"))
    s >> s.applied("a/1") << "record [a/2=skipped a/3=failed a/1=done] + []"
    s >> s.durable() << "finish succeeded done=a/1 failed= skipped=a/2,a/4"
    s.ends()


def test_an_intent_that_the_plan_does_not_know_is_settled_and_never_begun() -> None:
    s = Script(opened=("stray/1",))
    s >> Begin() << "settle stray/1"
    s >> Settled("stray/1", "nothing") << "record [stray/1=skipped] + []"
    s >> s.durable() << "finish succeeded done= failed= skipped="
    s.ends()


def test_a_resumed_run_does_not_repeat_what_is_finished() -> None:
    s = Script(create("a/1"), create("a/2", "a/1"), finished=("a/1",))
    s >> Begin() << "record [] + [a/2]"
    s >> s.durable("a/2") << "perform a/2"
    s >> s.applied("a/2") << "record [a/2=done] + []"
    s >> s.durable() << "finish succeeded done=a/1,a/2 failed= skipped="
    s.ends()


def test_compensation_takes_back_in_reverse() -> None:
    s = Script(create("a/1"), Update("a/old", "fake", "", depends_on=after("a/1")), create("a/3", "a/old"), compensate=True)
    s >> Begin() << "record [] + [a/1]"
    s >> s.durable("a/1") << "perform a/1"
    s >> s.applied("a/1") << "record [a/1=done] + [a/old]"
    s >> s.durable("a/old") << "perform a/old"
    s >> s.applied("a/old") << "record [a/old=done] + [a/3]"
    s >> s.durable("a/3") << "perform a/3"
    s >> s.failed("a/3") << "record [a/3=failed] + []"
    s >> s.durable() << "record [] + [undo update a/old]"
    undo = {f"{p.name} {p.step.address}": p.op for p in s.run.phases[3:]}
    s >> Recorded((undo["update a/old"],)) << "perform undo update a/old"
    s.run, commands = advance(s.run, Applied(undo["update a/old"], record("a/old")))
    assert [c.intents for c in commands if isinstance(c, Record)] == [(undo["delete a/1"],)]
    s >> Recorded((undo["delete a/1"],)) << "perform undo delete a/1"
    s.run, _ = advance(s.run, Applied(undo["delete a/1"], None))
    s >> s.durable() << "finish failed done= failed=a/3 skipped="
    s.ends()


def test_operation_ids_are_stable_and_differ_by_run_plan_step_and_phase() -> None:
    base = operation(("shop", "plan", "r1"), "a/1", 0, "create")
    assert base == operation(("shop", "plan", "r1"), "a/1", 0, "create")
    assert len({base, operation(("shop", "plan", "r2"), "a/1", 0, "create"), operation(("shop", "p2", "r1"), "a/1", 0, "create"),
                operation(("shop", "plan", "r1"), "a/1", 1, "create"), operation(("shop", "plan", "r1"), "a/1", 0, "delete")}) == 5  # fmt: skip


def test_a_script_that_stops_early_or_differs_fails() -> None:
    s = Script(create("a/1"))
    with pytest.raises(AssertionError, match="commanded otherwise"):
        s >> Begin() << "perform a/1"
    with pytest.raises(AssertionError, match="leaves out"):
        s.ends()


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    count = draw(st.integers(1, 8))
    steps: list[Step] = []
    for i in range(count):
        needs = draw(st.lists(st.integers(0, i - 1), max_size=2, unique=True)) if i else []
        kind = draw(st.sampled_from((Create, Replace, Delete)))
        steps.append(kind(f"a/{i}", "fake", "", depends_on=tuple(Dependency(f"a/{n}", draw(st.booleans())) for n in needs)))
    return steps


@settings(max_examples=150)
@given(graphs(), st.data(), st.integers(1, 3), st.integers(1, 4), st.sampled_from(("stop", "continue")), st.booleans())
def test_any_run_ends_and_keeps_the_rules(
    steps: list[Step], data: st.DataObject, parallel: int, window: int, on_failure: str, compensate: bool
) -> None:
    options = RunOptions(parallel=parallel, window=window, on_failure=on_failure, compensate=compensate)
    run = start(plan_of(*steps), "r", options)
    durable: set[str] = set()
    closed: set[str] = set()
    unknown: set[str] = set()
    applied_steps: set[str] = set()
    waiting: list[object] = []
    run, commands = advance(run, Begin())
    for _ in range(400):
        for command in commands:
            if isinstance(command, Perform):
                assert command.op in durable, "an effect without a recorded intent"
                phase = run.phase(command.op)
                if not phase.step.reason:
                    assert {d.address for d in phase.step.depends_on} <= applied_steps
            if isinstance(command, Record):
                for result in command.results:
                    assert result.op in durable and result.op not in closed
                    closed.add(result.op)
            if not isinstance(command, Finish):
                waiting.append(command)
        assert sum(isinstance(w, (Perform, CheckHealth)) for w in waiting) <= parallel
        assert sum(isinstance(w, Record) for w in waiting) <= 1
        if run.finished:
            break
        done = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
        if isinstance(done, Record):
            durable |= set(done.intents)
            event: object = Recorded(done.intents)
        elif isinstance(done, CheckHealth):
            event = Healthy(done.op) if data.draw(st.booleans()) else Failed(done.op, "permanent", "sick")
        else:
            fate = data.draw(st.sampled_from(("ok", "ok", "ok", "check", "permanent", "unknown")))
            phase = run.phase(done.op)
            if fate in ("ok", "check"):
                event = Applied(done.op, record(phase.step.address), fate == "check")
                if phase.last:
                    applied_steps.add(phase.step.address)
            else:
                unknown |= {done.op} if fate == "unknown" else set()
                event = Failed(done.op, fate, "no")
        run, commands = advance(run, event)  # type: ignore[arg-type]
    assert run.finished
    assert durable - closed == unknown, "every intent is closed, but for unknown outcomes"
