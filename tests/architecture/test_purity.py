"""Planners, rules and the run machine only compute: what they import is named here, and nothing in it can see the world.

The import contract forbids what is known to do IO; this allow-list refuses what nobody thought of.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Module

ALLOWED = frozenset(
    [
        "__future__",
        "base64",
        "bisect",
        "collections",
        "dataclasses",
        "datetime",
        "difflib",
        "enum",
        "functools",
        "hashlib",
        "heapq",
        "hmac",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "string",
        "textwrap",
        "types",
        "typing",
    ]
)
OURS = ("planners", "rules", "executors", "gitops")
CLOCKS = {"now", "utcnow", "today"}


def closure(modules: Mapping[str, Module], start: str) -> set[str]:
    """Paths of the modules that ``start`` (a path or a folder with its slash) reaches by imports of our own."""
    by_dotted = {m.dotted: m for m in modules.values()}
    open_ = [m for m in modules.values() if m.name.startswith(start)]
    found: set[str] = set()
    while open_:
        module = open_.pop()
        if module.name not in found:
            found.add(module.name)
            open_ += [by_dotted[name] for name in module.imports if name in by_dotted]
    return found


@pytest.mark.parametrize("start", ["planners/", "rules/", "executors/machine.py"])
def test_pure_code_imports_only_what_computes(modules: Mapping[str, Module], start: str) -> None:
    reached = closure(modules, start)
    assert reached
    wrong = {
        name: outside
        for name in sorted(reached)
        if (
            outside := {
                i for i in modules[name].imports if i.partition(".")[0] not in ALLOWED and i.partition(".")[0] not in OURS
            }
        )
    }
    assert wrong == {}
    assert {name for name in reached if name.startswith("gitops/")} == set()
    assert sys.stdlib_module_names >= ALLOWED


def test_pure_code_reads_no_clock(modules: Mapping[str, Module]) -> None:
    import ast

    reached = closure(modules, "planners/") | closure(modules, "rules/") | closure(modules, "executors/machine.py")
    calls = [
        modules[name].place(node)
        for name in sorted(reached)
        for node in ast.walk(modules[name].tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CLOCKS
    ]
    assert calls == []
