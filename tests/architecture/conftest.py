"""The source tree as the architecture tests read it: text and syntax trees, never imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest

PACKAGES = ("planners", "rules", "executors", "gitops")


@dataclass(frozen=True)
class Module:
    """One source file."""

    name: str
    """Path below the root, such as ``planners/plan.py``."""
    text: str = field(repr=False)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)

    @cached_property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def dotted(self) -> str:
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @cached_property
    def functions(self) -> tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]:
        return tuple(n for n in ast.walk(self.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))

    @cached_property
    def imports(self) -> frozenset[str]:
        """Dotted names this module imports, ``from a import b`` as both ``a`` and ``a.b``; type-checking ones left out."""
        found: set[str] = set()
        for node in walk_runtime(self.tree):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
        return frozenset(found)

    def place(self, node: ast.AST) -> str:
        """``path:line`` of a node, for messages."""
        return f"{self.name}:{getattr(node, 'lineno', 0)}"


def walk_runtime(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those below ``if TYPE_CHECKING:``."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from walk_runtime(child)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def modules(root: Path) -> Mapping[str, Module]:
    """Every module of the four packages by its path, sorted."""
    paths = sorted(p for package in PACKAGES for p in (root / package).rglob("*.py"))
    return {(name := p.relative_to(root).as_posix()): Module(name, p.read_text()) for p in paths}
