"""The program's first lines: what answers before anything is imported, and what a bug looks like to a person."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gitops import __main__ as program
from gitops import __version__


def test_the_version_is_all_that_version_prints(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["provisioning", "--version"])
    assert program.main() == 0
    assert capsys.readouterr().out == f"provisioning {__version__}\n"


def test_windows_is_told_at_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["provisioning", "plan"])
    monkeypatch.setattr(sys, "platform", "win32")
    assert program.main() == 1
    assert "does not run on Windows" in capsys.readouterr().err


def test_a_bug_is_one_line_and_a_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(_: object) -> int:
        raise RuntimeError("no number for it")

    monkeypatch.setattr(sys, "argv", ["provisioning", "plan", "--target", "server/secret-name"])
    monkeypatch.setattr("gitops.cli.main.main", broken)
    assert program.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("error: this is a bug in provisioning: RuntimeError; the report is in ")
    assert said.count("\n") == 1
    path = Path(said.rpartition(" ")[2].strip())
    report = path.read_text()
    path.unlink()
    assert "no number for it" in report
    assert f"provisioning {__version__}, Python " in report
    assert "secret-name" not in report
