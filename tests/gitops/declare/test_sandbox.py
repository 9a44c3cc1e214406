"""The child process in which contributors' text is evaluated: bounded, and honest about how it ended."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gitops import limits
from gitops.declare import sandbox
from gitops.declare.sandbox import Ending, Outcome, run

BASE = {"files": {}, "refused": {}, "output": 1000, "stack": 100}


def jsonnet(*texts: str) -> Outcome:
    files = {f"{n}.jsonnet": text for n, text in enumerate(texts)}
    return run("jsonnet", list(files), **{**BASE, "files": files})


def test_answers_come_in_the_order_of_the_items() -> None:
    outcome = jsonnet("1 + 1", "error 'no'", "'x'")
    assert [set(a) for a in outcome.answers] == [{"value", "imports"}, {"error", "import"}, {"value", "imports"}]
    assert (outcome.ending, outcome.code) == (Ending.DONE, 0)


def test_nothing_to_do_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_CHILD", Path("nowhere"))
    assert run("jsonnet", []) == Outcome((), Ending.DONE)


def test_an_item_out_of_memory_ends_it_and_what_came_before_is_kept() -> None:
    outcome = jsonnet("1", "std.foldl(function(a, b) a + a, std.range(0, 60), 'xxxxxxxx')", "2")
    assert len(outcome.answers) == 1
    assert outcome.ending is Ending.MEMORY
    assert outcome.blame()[0] == "evaluation-memory"


def test_an_item_out_of_time_ends_it_and_each_has_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVALUATION_CPU_SECONDS", 1)
    endless = "local f(n) = if n == 0 then 0 else f(n - 1) + f(n - 1); f(60)"
    outcome = jsonnet("1", endless, "2")
    assert len(outcome.answers) == 1
    assert outcome.ending is Ending.TIME
    assert outcome.blame() == ("evaluation-time", "takes more than 1 s of processor time", "look for a loop that never ends")


def test_waiting_has_an_end_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text("import sys, threading\nsys.stdin.read()\nthreading.Event().wait()\n")
    monkeypatch.setattr(sandbox, "_CHILD", child)
    monkeypatch.setattr(limits, "EVALUATION_WALL_SECONDS", 0.1)
    assert run("jsonnet", ["a"]).ending is Ending.TIME


def test_a_child_that_breaks_is_not_taken_for_anything_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text("import sys\nsys.stdin.read()\nprint('{\"value\": ')\nsys.exit(7)\n".replace("print(", "sys.stdout.write("))
    monkeypatch.setattr(sandbox, "_CHILD", child)
    outcome = run("jsonnet", ["a"])
    assert (outcome.answers, outcome.ending, outcome.code) == ([], Ending.BROKEN, 7)
    assert outcome.blame()[1] == "ended the evaluator with code 7"


def test_the_child_sees_no_environment_and_is_isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    child = tmp_path / "child.py"
    child.write_text(
        "import json, os, sys\nsys.stdin.read()\nprint(json.dumps({'env': sorted(os.environ), 'i': sys.flags.isolated}))\n"
    )
    monkeypatch.setattr(sandbox, "_CHILD", child)
    monkeypatch.setenv("SECRET_TOKEN", "x")
    (answer,) = run("jsonnet", ["a"]).answers
    assert answer["i"] == 1
    assert set(answer["env"]) <= {"GOMAXPROCS", "GOTRACEBACK", "LC_ALL", "LC_CTYPE"}
    assert sys.flags.isolated == 0
