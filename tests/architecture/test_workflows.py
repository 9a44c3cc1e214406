"""Workflows, ours and the template's: pinned actions, no permission that is not asked for, no untrusted text in a script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

PINNED = re.compile(r"^\s*-? ?uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
UNTRUSTED = re.compile(r"\$\{\{[^}]*(head_ref|github\.event\.[\w.]*(title|body|ref|label|message|name|email))")


@pytest.fixture(params=[".github/workflows", "state-repo-template/.github/workflows"])
def workflows(root: Path, request: pytest.FixtureRequest) -> list[Path]:
    found = sorted((root / request.param).glob("*.yml"))
    assert found
    return found


def steps(workflow: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for job in workflow["jobs"].values():
        yield from job["steps"]


def test_actions_are_pinned_by_commit(workflows: list[Path]) -> None:
    uses = [line for path in workflows for line in path.read_text().splitlines() if "uses:" in line]
    assert uses
    assert [line for line in uses if not PINNED.match(line)] == []


def test_permissions_are_named_one_by_one(workflows: list[Path]) -> None:
    for path in workflows:
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {}, path.name
        for name, job in workflow["jobs"].items():
            assert job["permissions"], f"{path.name}: {name}"
            assert job["timeout-minutes"] <= 60, f"{path.name}: {name}"


def test_no_untrusted_text_reaches_a_script(workflows: list[Path]) -> None:
    for path in workflows:
        workflow = yaml.safe_load(path.read_text())
        assert "pull_request_target" not in workflow[True]  # YAML 1.1 reads the key "on" as true
        assert [s["run"] for s in steps(workflow) if "run" in s and UNTRUSTED.search(s["run"])] == [], path.name


def test_a_pull_request_gets_no_secret(root: Path) -> None:
    text = (root / "state-repo-template/.github/workflows/plan.yml").read_text()
    assert "secrets." not in text
    assert yaml.safe_load(text)["jobs"]["plan"]["permissions"] == {"contents": "read", "pull-requests": "write"}
