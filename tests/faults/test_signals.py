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
    ended = gate.end(None)
    whole = "0 not started" in ended.err  # nothing was left to begin: whichever deletion comes first may be the last step
    assert ended.code == (0 if whole else 130), ended.err
    assert not whole or where.startswith("delete"), "behind a creation there is always something"
    assert not here.documents("intents/"), "a step that ran was not recorded"
    assert here.lock()["state"] == "FREE"
    newest = max(here.documents("runs/"), key=lambda run: run["first"])
    assert newest["status"] == ("succeeded" if whole else "cancelled")
    if not whole:
        assert "go on with 'provisioning run resume" in ended.err
        here.proved(here.start(("run", "resume", newest["id"], "--yes"), cwd=here.two))


@pytest.mark.slow
def test_asked_twice_it_ends_at_once(here: Any) -> None:
    gate = here.held("create.before#1")
    stopping(gate)
    gate.running.kill(signal.SIGTERM)
    ended = gate.running.wait()[0]
    assert ended.code == 130, ended.err
    assert here.lock()["state"] == "HELD", "calls may be under way: the lock stays"
    here.go_on()
