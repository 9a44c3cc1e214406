"""A look at the working tree goes on beside the plan and ends with it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from gitops.git.worktree import create
from gitops.sources import look_for_edits
from gitops.wiring import open_workspace

GIT = """#!/bin/sh
case "$*" in
*" status "*) touch "$HOME/looking"; exec sleep 600 ;;
esac
exec {git} "$@"
"""


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An environment whose git never comes back from looking at the working tree."""
    real = next(p for folder in os.environ["PATH"].split(os.pathsep) if (p := Path(folder, "git")).exists())
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").write_text(GIT.format(git=real))
    (tmp_path / "bin/git").chmod(0o755)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}


def test_a_look_that_takes_too_long_is_unknown_and_leaves_nothing_when_the_command_ends(
    tmp_path: Path, slow: dict[str, str]
) -> None:
    estate = tmp_path / "estate"
    create(estate)
    (estate / "new.txt").write_text("new\n")
    space = open_workspace(estate, slow)
    before = set(threading.enumerate())
    edits = look_for_edits(space)
    for _ in range(200):
        if (tmp_path / "looking").exists():
            break
        threading.Event().wait(0.05)
    assert (tmp_path / "looking").exists()
    assert edits.result() is None
    space.close()
    assert set(threading.enumerate()) <= before
    assert list((tmp_path / "tmp").iterdir()) == []
