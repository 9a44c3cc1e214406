"""Progress for people: lines where there is no terminal."""

from __future__ import annotations

import os
import signal

import pytest

from gitops.cli.context import Context
from gitops.cli.progress import PlainProgress, cancellation
from planners.steps import Create

STEP = Create("server/web-01", "fake", "new")


def test_a_line_when_a_step_starts_and_one_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress(Context(), 2)
    progress.started(STEP)
    progress.finished(STEP, "done", "")
    progress.finished(STEP, "failed", "no room")
    progress.note("careful")
    assert capsys.readouterr().err.splitlines() == [
        "  create   server/web-01 ...",
        "[1/2] create server/web-01 ok",
        "[2/2] create server/web-01 FAILED: no room",
        "  careful",
    ]


def test_the_first_signal_asks_and_the_second_ends(capfd: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with cancellation() as cancel:
        assert not cancel.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert cancel.wait(5)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert "running steps finish and are recorded" in capfd.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
