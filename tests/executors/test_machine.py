"""The run machine, told as scripts: ``>>`` an event, ``<<`` what it must command."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace

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
from executors.machine import advance
from executors.phases import operation, phase_names
from executors.ports import Intent, RunOptions
from executors.state import Run, start
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
        intents = [self.intent(n) for n in opened]
        before = {"a/old": record("a/old")}
        self.run: Run = start(
            self.plan,
            "r1",
            RunOptions(**options),
            frozenset(self.op(n) for n in finished),
            intents,
            before,  # type: ignore[arg-type]
        )
        self.pending: list[str] = []
        self.said: list[str] = []

    def intent(self, name: str) -> Intent:
        address, _, phase = name.partition(":")
        return Intent(self.op(name), "", address, "create", phase or "create", "fake", "", 1)

    def op(self, name: str) -> str:
        return self.ops.setdefault(name, name)

    def text(self, command: object) -> str:
        if isinstance(command, Record):
            results = " ".join(f"{self.names.get(r.op, r.op)}={r.status}" for r in command.results)
            return f"record [{results}] + [{' '.join(self.short(o) for o in command.intents)}]"
        if isinstance(command, Finish):
            o = command.outcome
            failed = ",".join(a for a, _ in o.failed)
            return f"finish {o.status} done={','.join(o.done)} failed={failed} skipped={','.join(o.skipped)}"
        verb = {Perform: "perform", CheckHealth: "check", Settle: "settle"}[type(command)]
        return f"{verb} {self.short(command.op)}"  # type: ignore[attr-defined]

    def short(self, op: str) -> str:
        if op not in self.names and not (phase := self.run.phase(op)).orphan:
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
        return Recorded(tuple(self.op(n) for n in names), self.run.records)

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
    s >> s.applied("a/0") << "perform a/2"
    s >> s.applied("a/1") << "record [a/0=done a/1=done] + [a/3]"
    s >> s.applied("a/2")
    s >> s.durable("a/3") << "perform a/3"
    s >> s.applied("a/3") << "record [a/2=done a/3=done] + []"
    s >> s.durable() << "finish succeeded done=a/0,a/1,a/2,a/3 failed= skipped="
    s.ends()


def test_a_whole_window_waits_a_moment_for_those_still_at_work() -> None:
    s = Script(*(create(f"a/{i}") for i in range(4)), window=2, parallel=2)
    s >> Begin() << "record [] + [a/0 a/1]"
    s >> s.durable("a/0", "a/1") << "perform a/0" << "perform a/1"
    s >> s.applied("a/0")
    s >> s.applied("a/1") << "record [a/0=done a/1=done] + [a/2 a/3]"
    s >> s.durable("a/2", "a/3") << "perform a/2" << "perform a/3"


def test_but_not_for_one_that_takes_its_time() -> None:
    s = Script(*(create(f"a/{i}") for i in range(4)), window=2, parallel=2)
    s >> Begin() << "record [] + [a/0 a/1]"
    s >> s.durable("a/0", "a/1") << "perform a/0" << "perform a/1"
    s >> s.applied("a/0")
    s >> Tick(0.25)
    s >> Tick(0.25) << "record [a/0=done] + [a/2]"
    s >> s.durable("a/2") << "perform a/2"


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


def test_what_is_told_twice_or_too_late_changes_nothing() -> None:
    s = Script(create("a/1"), create("a/2", "a/1"))
    s >> Begin() << "record [] + [a/1]"
    s >> Begin()
    s >> s.applied("a/1")
    s >> s.durable("a/1") << "perform a/1"
    s >> s.durable("a/1")
    s >> s.failed("a/1") << "record [a/1=failed] + []"
    s >> s.applied("a/1")
    s >> s.failed("a/1", "unknown")
    s >> Recorded((s.op("a/1"),), 1)
    s >> Applied("of another run")
    s >> s.durable() << "finish failed done= failed=a/1 skipped=a/2"
    s >> s.durable()
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
    s.run, (command,) = advance(s.run, s.failed("a/1", "unknown"))
    assert isinstance(command, Finish)
    assert (command.outcome.status, command.outcome.unknown) == ("failed", ("a/1",))
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
    s >> s.applied("a/3") << "finish lost done= failed=shop skipped="
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
    told = [(r.address, r.gone, r.renamed_from) for r in command.results]
    assert told == [("a/1", True, None), ("a/3", False, "a/2"), ("a/4", True, None)]


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


def test_what_had_not_begun_begins_when_all_is_settled() -> None:
    s = Script(create("a/1"), create("a/2"), opened=("a/1", "a/2"))
    s >> Begin() << "settle a/1" << "settle a/2"
    s >> Settled(s.op("a/1"), "nothing")
    s >> Settled(s.op("a/2"), "nothing") << "perform a/1" << "perform a/2"


def test_settled_steps_keep_their_order() -> None:
    """An intent may be ahead of the health of what it needs: after a crash both are open."""
    s = Script(create("a/1"), create("a/soon", "a/1", healthy=False), opened=("a/1", "a/soon"))
    s >> Begin() << "settle a/1" << "settle a/soon"
    s >> Settled(s.op("a/soon"), "redo")
    s >> Settled(s.op("a/1"), "nothing") << "perform a/1"
    s >> s.applied("a/1", check=True) << "check a/1" << "perform a/soon"
    s >> s.applied("a/soon")
    s >> Healthy(s.op("a/1")) << "record [a/soon=done a/1=done] + []"
    s >> s.durable() << "finish succeeded done=a/1,a/soon failed= skipped="
    s.ends()


def test_a_settled_step_whose_need_came_to_nothing_is_closed() -> None:
    s = Script(create("a/1"), create("a/soon", "a/1", healthy=False), opened=("a/1", "a/soon"), on_failure="continue")
    s >> Begin() << "settle a/1" << "settle a/soon"
    s >> Settled(s.op("a/soon"), "nothing")
    s >> Settled(s.op("a/1"), "partial", record("a/1")) << "record [a/1=failed a/soon=skipped] + []"
    s >> s.durable() << "finish failed done= failed=a/1 skipped=a/soon"
    s.ends()


def test_what_is_open_may_wait_for_what_has_to_begin_again() -> None:
    """Its need was unhealthy, which was recorded as a failure, and is tried again by the resumed run."""
    s = Script(create("a/1"), create("a/soon", "a/1", healthy=False), opened=("a/soon",), window=1)
    s >> Begin() << "settle a/soon"
    s >> Settled(s.op("a/soon"), "nothing") << "record [] + [a/1]"
    s >> s.durable("a/1") << "perform a/1"
    s >> s.applied("a/1", check=True) << "check a/1" << "perform a/soon"
    s >> Healthy(s.op("a/1"))
    s >> s.applied("a/soon") << "record [a/1=done a/soon=done] + []"
    s >> s.durable() << "finish succeeded done=a/1,a/soon failed= skipped="
    s.ends()


def test_a_begun_replacement_is_finished_when_nothing_but_settling_is_asked_for() -> None:
    s = Script(Replace("a/1", "fake", "image"), finished=("a/1:delete",), settle_only=True)
    s >> Begin() << "record [] + [a/1:create]"
    s >> s.durable("a/1:create") << "perform a/1:create"
    s >> s.applied("a/1:create") << "record [a/1:create=done] + []"
    s >> s.durable() << "finish succeeded done=a/1 failed= skipped="
    s.ends()


def test_the_open_half_of_a_replacement_is_done_again_while_settling() -> None:
    s = Script(Replace("a/1", "fake", "image"), finished=("a/1:delete",), opened=("a/1:create",), settle_only=True)
    s >> Begin() << "settle a/1:create"
    s >> Settled(s.op("a/1:create"), "nothing") << "perform a/1:create"
    s >> s.applied("a/1:create") << "record [a/1:create=done] + []"
    s >> s.durable() << "finish succeeded done=a/1 failed= skipped="
    s.ends()


def test_what_cannot_be_settled_stays_open_and_is_named() -> None:
    s = Script(create("a/1"), create("a/2"), opened=("a/1",))
    s >> Begin() << "settle a/1"
    s >> s.failed("a/1", "unknown") << "finish failed done= failed=a/1 skipped=a/2"
    s.ends()


def test_a_replaced_one_goes_only_when_its_successor_is_healthy() -> None:
    s = Script(Replace("a/1", "fake", "image", create_first=True))
    s >> Begin() << "record [] + [a/1:create]"
    s >> s.durable("a/1:create") << "perform a/1:create"
    s >> s.applied("a/1:create", check=True) << "check a/1:create"
    s >> s.failed("a/1:create") << "record [a/1:create=failed] + []"
    s >> s.durable() << "finish failed done= failed=a/1 skipped="
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
    s >> s.durable(undo["update a/old"]) << "perform undo update a/old"
    s.run, commands = advance(s.run, Applied(undo["update a/old"], record("a/old")))
    assert [c.intents for c in commands if isinstance(c, Record)] == [(undo["delete a/1"],)]
    s >> s.durable(undo["delete a/1"]) << "perform undo delete a/1"
    s.run, _ = advance(s.run, Applied(undo["delete a/1"], None))
    s >> s.durable() << "finish failed done= failed=a/3 skipped="
    s.ends()


def test_a_script_that_stops_early_or_differs_fails() -> None:
    s = Script(create("a/1"))
    with pytest.raises(AssertionError, match="commanded otherwise"):
        s >> Begin() << "perform a/1"
    with pytest.raises(AssertionError, match="leaves out"):
        s.ends()


def test_what_is_left_half_made_is_taken_back_too_and_what_came_to_nothing_is_not() -> None:
    s = Script(create("a/1"), create("a/2"), compensate=True, on_failure="continue")
    s >> Begin() << "record [] + [a/1 a/2]"
    s >> s.durable("a/1", "a/2") << "perform a/1" << "perform a/2"
    s >> s.failed("a/1") << "record [a/1=failed] + []"
    s >> s.durable()
    s >> Failed(s.op("a/2"), "permanent", "half", record("a/2")) << "record [a/2=failed] + []"
    s >> s.durable() << "record [] + [undo delete a/2]"
    undo = s.run.phases[-1].op
    s >> s.durable(undo) << "perform undo delete a/2"
    s.run, (command,) = advance(s.run, Applied(undo, None))
    assert isinstance(command, Record) and [r.status for r in command.results] == ["done"]
    s >> s.durable() << "finish failed done= failed=a/1,a/2 skipped="
    s.ends()


def test_nothing_is_taken_back_while_an_outcome_is_unknown() -> None:
    s = Script(create("a/1"), create("a/2", "a/1"), compensate=True)
    s >> Begin() << "record [] + [a/1]"
    s >> s.durable("a/1") << "perform a/1"
    s >> s.applied("a/1") << "record [a/1=done] + [a/2]"
    s >> s.durable("a/2") << "perform a/2"
    s >> s.failed("a/2", "unknown") << "finish failed done=a/1 failed=a/2 skipped="
    s.ends()


def test_a_run_interrupted_on_its_way_back_does_not_go_forward_again() -> None:
    undo = operation(("shop", "plan", "r1"), "a/2", 1, "undo-delete")
    s = Script(create("a/1"), create("a/2", "a/1"), create("a/3"), finished=("a/1", "a/2"), opened=(undo,))
    s >> Begin() << f"settle {undo}"
    s >> Settled(undo, "nothing") << f"record [{undo}=skipped] + []"
    s >> s.durable() << "finish failed done=a/1,a/2 failed=shop skipped=a/3"
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


class Ledger:
    """What is durable, and what really is: the world the machine is driven in."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}
        self.closed: dict[str, str] = {}
        self.failed: set[str] = set()
        self.began: list[str] = []
        self.applied: set[str] = set()

    def record(self, command: Record, run: Run) -> None:
        for result in command.results:
            assert result.op in self.open, "a result without an open intent"
            del self.open[result.op]
            self.closed[result.op] = result.status
            if result.status == "failed":
                self.failed.add(result.op)
        for op in command.intents:
            assert op not in self.open and self.closed.get(op) != "done"
            self.open[op] = run.phase(op).name


def drive(run: Run, ledger: Ledger, data: st.DataObject, kill_after: int = 10**6) -> Run | None:
    """Feed the machine with whatever may happen until it ends; ``None`` when it was killed before.

    Every now and then it is told something again, or something that it does not wait for: neither may change anything.
    """
    waiting: list[object] = []
    told: list[object] = [Begin()]
    run, commands = advance(run, Begin())
    for _ in range(kill_after):
        for command in commands:
            if isinstance(command, Perform):
                began(run, command.op, ledger)
            if not isinstance(command, Finish):
                waiting.append(command)
        assert sum(isinstance(w, (Perform, CheckHealth)) for w in waiting) <= run.options.parallel
        assert sum(isinstance(w, Record) for w in waiting) <= 1
        unknown = {p.op for p, letter in zip(run.phases, run.status, strict=True) if letter == ord("Q")}
        assert len(ledger.open.keys() - unknown) <= run.options.window + 1
        if run.finished:
            return run
        assert waiting, "it waits for nothing"
        done = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
        told.append(answer(done, run, ledger, data))
        run, commands = advance(run, told[-1])  # type: ignore[arg-type]
        nonsense = data.draw(st.sampled_from((*told, *untimely(run, data.draw(st.sampled_from(run.phases)).op))))
        assert advance(run, nonsense) == (run, ()), f"changed by {nonsense}"  # type: ignore[arg-type]
    return None


def untimely(run: Run, op: str) -> list[object]:
    """What comes too early or too late for one phase, and what is of no phase of this run at all."""
    made, letter = record("a/0"), chr(run.status[run.index[op]])
    events: list[tuple[str, object]] = [
        ("P", Applied(op, made)),
        ("H", Healthy(op)),
        ("PHT", Failed(op, "unknown", "too late")),
        ("T", Settled(op, "applied", made)),
    ]
    return [event for letters, event in events if letter not in letters] + [Applied("another run's"), Recorded((op,), -1)]


def began(run: Run, op: str, ledger: Ledger) -> None:
    phase = run.phase(op)
    assert op in ledger.open, "an effect without a recorded intent"
    assert op not in ledger.applied or op in ledger.failed, "an effect that took place is not repeated"
    ledger.began.append(op)
    if run.undoing:
        return
    for need, healthy in run.needs[run.index[op]]:
        other = run.phases[need].op
        assert other in ledger.applied, f"{phase.step.address} began before what it needs"
        if healthy:
            assert run.status[need] == ord("D"), f"{phase.step.address} began before what it needs was healthy"


def answer(done: object, run: Run, ledger: Ledger, data: st.DataObject) -> object:
    if isinstance(done, Record):
        ledger.record(done, run)
        return Recorded(done.intents, done.number)
    assert isinstance(done, (Settle, CheckHealth, Perform))
    phase = run.phase(done.op)
    made = None if phase.name == "delete" else record(phase.step.address)
    if isinstance(done, Settle):
        return Settled(done.op, "applied", made) if done.op in ledger.applied else Settled(done.op, "nothing")
    if isinstance(done, CheckHealth):
        return Healthy(done.op) if data.draw(st.booleans()) else Failed(done.op, "permanent", "sick")
    fate = data.draw(st.sampled_from(("ok", "ok", "ok", "check", "permanent", "half", "unknown")))
    if fate in ("ok", "check") or (fate == "unknown" and data.draw(st.booleans())):
        ledger.applied.add(done.op)
    if fate in ("ok", "check"):
        return Applied(done.op, made, fate == "check")
    return Failed(done.op, "unknown" if fate == "unknown" else "permanent", "no", made if fate == "half" else None)


@settings(max_examples=200)
@given(graphs(), st.data(), st.integers(1, 3), st.integers(1, 4), st.sampled_from(("stop", "continue")), st.booleans())
def test_any_run_ends_and_keeps_the_rules(
    steps: list[Step], data: st.DataObject, parallel: int, window: int, on_failure: str, compensate: bool
) -> None:
    options = RunOptions(parallel=parallel, window=window, on_failure=on_failure, compensate=compensate)
    ledger = Ledger()
    run = drive(start(plan_of(*steps), "r", options), ledger, data)
    assert run is not None
    left = {p.op for p, letter in zip(run.phases, run.status, strict=True) if letter == ord("Q")}
    assert set(ledger.open) == left, "every intent is closed, but for unknown outcomes"


@settings(max_examples=200)
@given(graphs(), st.data(), st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_a_run_killed_anywhere_is_taken_up_and_repeats_nothing(
    steps: list[Step], data: st.DataObject, parallel: int, window: int, settle_only: bool
) -> None:
    plan, ledger = plan_of(*steps), Ledger()
    options = RunOptions(parallel=parallel, window=window)
    for attempt in range(4):
        finished = frozenset(op for op, status in ledger.closed.items() if status == "done")
        intents = [Intent(op, op[:32], "a/0", "create", name, "fake", "", 1) for op, name in ledger.open.items()]
        again = replace(options, settle_only=settle_only and attempt == 3)
        run = start(plan, "r", again, finished, intents)
        kill_after = data.draw(st.integers(0, 12)) if attempt < 3 else 10**6
        if ended := drive(run, ledger, data, kill_after):
            left = {p.op for p, letter in zip(ended.phases, ended.status, strict=True) if letter == ord("Q")}
            assert set(ledger.open) == left
            break
    else:
        raise AssertionError("the last attempt is never killed, so it must end")
