"""Every bad input gets exactly the lines that the table says."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planners.problems import Problems, Severity

TABLE = runpy.run_path(str(Path(__file__).with_name("bad_inputs.py")))


SLOW = {"endless Jsonnet loop"}


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=c.name, marks=[pytest.mark.slow] if c.name in SLOW else []) for c in TABLE["CASES"]],
)
def test_bad_input_is_answered_with_its_lines(case: Any, load_files: Callable[..., Any]) -> None:
    result = load_files({TABLE["MAIN"]: TABLE["HEAD"], **case.files})
    assert isinstance(result, Problems)
    assert tuple(str(p) for p in result) == case.lines
    assert any(p.severity is Severity.ERROR for p in result)
    assert all(p.code and p.hint and p.where.path for p in result)


def test_the_table_names_each_case_once_and_every_problem_has_a_place() -> None:
    names = [case.name for case in TABLE["CASES"]]
    assert len(names) == len(set(names))
    assert all(case.lines for case in TABLE["CASES"])


def test_all_mistakes_of_all_files_come_at_once_and_sorted(load_files: Callable[..., Any]) -> None:
    files = {
        "infra/shop/main.yaml": "settings: {provider: fake}\nservers: {web-01: {cpu_core: 1, memory_gb: -2}}\n",
        "infra/shop/servers/db-01.yaml": "powr: on\n",
        "infra/shop/servers/link.yaml": TABLE["Special"]("120000", b"x"),
        "extensions/taskservs/nginx/manifest.yaml": "name: nginx\n",
    }
    result = load_files(files)
    assert [(p.where.path, p.code) for p in result] == [
        ("extensions/taskservs/nginx/manifest.yaml", "missing-key"),
        ("infra/shop/main.yaml", "unknown-key"),
        ("infra/shop/main.yaml", "value"),
        ("infra/shop/servers/db-01.yaml", "unknown-key"),
        ("infra/shop/servers/link.yaml", "symlink"),
    ]
