"""Size budgets: small modules, short functions, narrow ports."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Module

MODULE_LINES, MODULE_LINES_HARD = 400, 600
OVER_BUDGET: frozenset[str] = frozenset()
"""Modules between the budget and the hard limit; leave the list when they are split."""
FUNCTION_LINES_P90, FUNCTION_LINES_HARD = 30, 60
PORT_METHODS = 8
PORT_FILE_LINES = 320
"""A ports file holds a package's ports and the values they speak in, docstrings included."""


def test_modules_keep_to_their_size(modules: Mapping[str, Module]) -> None:
    sizes = {m.name: m.lines for m in modules.values()}
    assert {n: s for n, s in sizes.items() if s > MODULE_LINES_HARD} == {}
    over = {n: s for n, s in sizes.items() if s > MODULE_LINES}
    assert {n: s for n, s in over.items() if n not in OVER_BUDGET} == {}
    assert OVER_BUDGET - over.keys() == set(), "no longer over budget: take it off the list"


def test_functions_keep_to_their_size(modules: Mapping[str, Module]) -> None:
    sizes = {m.place(f) + f" {f.name}": (f.end_lineno or f.lineno) - f.lineno + 1 for m in modules.values() for f in m.functions}
    assert {n: s for n, s in sizes.items() if s > FUNCTION_LINES_HARD} == {}
    ordered = sorted(sizes.values())
    assert ordered[len(ordered) * 9 // 10] <= FUNCTION_LINES_P90


def test_ports_are_narrow(modules: Mapping[str, Module]) -> None:
    files = [m for m in modules.values() if m.name.endswith("/ports.py")]
    assert {m.name: m.lines for m in files if m.lines > PORT_FILE_LINES} == {}
    ports = [
        (m, node) for m in modules.values() for node in ast.walk(m.tree) if isinstance(node, ast.ClassDef) and is_protocol(node)
    ]
    assert len(ports) >= 8, "the ports were not found"
    methods = {f"{m.place(p)} {p.name}": sum(isinstance(n, ast.FunctionDef) for n in p.body) for m, p in ports}
    assert {n: c for n, c in methods.items() if c > PORT_METHODS} == {}


def is_protocol(node: ast.ClassDef) -> bool:
    """Whether a class is a ``Protocol``."""
    return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)
