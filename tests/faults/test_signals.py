"""SIGTERM: what runs is finished and recorded, the lock is released; a second one ends at once."""

from __future__ import annotations

import signal
from typing import Any

import pytest


def stopping(gate: Any) -> None:
    """Ask it to stop; it has heard."""
    gate.running.kill(signal.SIGTERM)
    assert gate.running.until(lambda: "stopping: " in gate.running.read("0.err"))


@pytest.mark.slow
@pytest.mark.parametrize("where", ["create.before#1", "delete.before#1", "push.before~create.after"])
def test_a_polite_stop_finishes_and_records_what_runs(where: str, here: Any) -> None:
    gate = here.held(where)
    stopping(gate)
    ended = gate.end(130)
    assert "go on with 'provisioning run resume" in ended.err
    assert not here.documents("intents/"), "a step that ran was not recorded"
    assert here.lock()["state"] == "FREE"
    assert [run["status"] for run in here.documents("runs/")][-1] == "cancelled"
    run = sorted(r["id"] for r in here.documents("runs/"))[-1]
    here.proved(here.start(("run", "resume", run, "--yes"), cwd=here.two))


@pytest.mark.slow
def test_asked_twice_it_ends_at_once(here: Any) -> None:
    gate = here.held("create.before#1")
    stopping(gate)
    gate.running.kill(signal.SIGTERM)
    ended = gate.running.wait()[0]
    assert ended.code == 130, ended.err
    assert here.lock()["state"] == "HELD", "calls may be under way: the lock stays"
    here.go_on()
