"""Tests mirror the source: ``gitops/git/local.py`` is tested by ``tests/gitops/git/test_local.py``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Module

ELSEWHERE: Mapping[str, str] = {
    "gitops/cli/apply.py": "tests/scenarios/test_main_job.py",
    "gitops/cli/approve.py": "tests/scenarios/test_approvals.py",
    "gitops/cli/audit.py": "tests/scenarios/test_audit.py",
    "gitops/cli/completion.py": "tests/scenarios/test_commands.py",
    "gitops/cli/config.py": "tests/scenarios/test_commands.py",
    "gitops/cli/doctor.py": "tests/scenarios/test_commands.py",
    "gitops/cli/drift.py": "tests/scenarios/test_drift.py",
    "gitops/cli/entries.py": "tests/scenarios/test_commands.py",
    "gitops/cli/freeze.py": "tests/scenarios/test_freezes.py",
    "gitops/cli/infra.py": "tests/scenarios/test_commands.py",
    "gitops/cli/init.py": "tests/scenarios/test_commands.py",
    "gitops/cli/layer.py": "tests/scenarios/test_commands.py",
    "gitops/cli/ledger.py": "tests/scenarios/test_rotated_ledgers.py",
    "gitops/cli/lock.py": "tests/scenarios/test_commands.py",
    "gitops/cli/plan.py": "tests/scenarios/test_main_job.py",
    "gitops/cli/repair.py": "tests/scenarios/test_damaged_ledgers.py",
    "gitops/cli/run.py": "tests/scenarios/test_commands.py",
    "gitops/cli/snapshot.py": "tests/scenarios/test_main_job.py",
    "gitops/cli/state.py": "tests/scenarios/test_commands.py",
    "gitops/cli/status.py": "tests/scenarios/test_commands.py",
    "gitops/cli/validate.py": "tests/scenarios/test_commands.py",
    "gitops/cli/why.py": "tests/scenarios/test_commands.py",
    "gitops/cli/workspace.py": "tests/scenarios/test_main_job.py",
    "gitops/gate.py": "tests/scenarios/test_approvals.py",
    "gitops/inspect.py": "tests/scenarios/test_commands.py",
    "gitops/mending.py": "tests/scenarios/test_damaged_ledgers.py",
    "gitops/moved.py": "tests/gitops/test_part.py",
    "gitops/observing.py": "tests/scenarios/test_drift.py",
    "gitops/pipeline.py": "tests/scenarios/test_main_job.py",
    "gitops/proof.py": "tests/scenarios/test_audit.py",
    "gitops/runs.py": "tests/scenarios/test_concurrency.py",
    "gitops/state_acts.py": "tests/scenarios/test_commands.py",
    "gitops/wiring.py": "tests/scenarios/test_bad_inputs.py",
}
"""Module -> the tests that hold it, where a file of its own would say nothing."""
ACROSS: Mapping[str, str] = {
    "tests/gitops/declare/test_bad_inputs.py": "the table of bad declarations, whichever module finds them",
    "tests/gitops/ledger/test_attacks.py": "every way to tamper with a chain, whichever module finds it",
    "tests/executors/test_unknown_outcomes.py": "what runner, settler and effects do together when a provider is not heard",
}
"""Test files that belong to a package as a whole."""


def expected(name: str) -> str:
    folder, _, file = name.rpartition("/")
    return f"tests/{folder}/test_{file.lstrip('_').replace('__.py', '.py')}"


def needs_tests(module: Module) -> bool:
    return bool(module.functions) and not module.name.endswith("/ports.py")


def test_each_module_has_its_tests(root: Path, modules: Mapping[str, Module]) -> None:
    missing = {m.name for m in modules.values() if needs_tests(m) and not (root / expected(m.name)).is_file()}
    assert sorted(missing - ELSEWHERE.keys()) == []
    assert sorted(ELSEWHERE.keys() - missing) == [], "an exception that is no longer needed"
    assert [place for place in ELSEWHERE.values() if not (root / place).exists()] == []


def test_each_test_file_has_its_module(root: Path, modules: Mapping[str, Module]) -> None:
    mirrored = {expected(m.name) for m in modules.values()}
    there = {
        p.relative_to(root).as_posix()
        for package in ("planners", "rules", "executors", "gitops")
        for p in (root / "tests" / package).rglob("test_*.py")
    }
    assert sorted(there - mirrored - ACROSS.keys()) == []
    assert sorted(ACROSS.keys() - there) == [], "an exception that is no longer needed"
