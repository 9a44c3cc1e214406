"""House rules that a linter cannot say, checked on the source. Each exception is named with its reason and expires."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Module

ENVIRONMENT = {
    "gitops/__main__.py": "the entry point hands argv down",
    "gitops/cli/main.py": "the command line hands the environment down",
    "executors/providers/local/init.py": "a process of its own: the first one of a server",
}
PRINTS = {
    "gitops/__main__.py": "speaks before and after the command line can",
}
SLEEPS = {
    "executors/providers/local/server.py": "waits for processes of this machine, which tell nobody when they are up",
    "executors/clocks.py": "the one real clock",
    "executors/providers/local/init.py": "a process of its own: the first one of a server",
}
RUNS_GIT = {
    "gitops/checkup.py": "asks which git there is, before anything of ours uses it",
}
STREAMS = PRINTS | {
    "gitops/declare/sandbox_child.py": "a process of its own, which answers on stdout",
}
SECRET_NAME = re.compile(r"(^|_)(secret|password|signature|hmac)(s)?$|(^|_)(secret|access|api|webhook)_token$")


def found(modules: Mapping[str, Module], wanted: Callable[[ast.AST], bool], below: str = "") -> dict[str, list[str]]:
    """Path -> places of the nodes that are ``wanted``, in modules whose path begins with ``below``."""
    hits: dict[str, list[str]] = {}
    for module in modules.values():
        if module.name.startswith(below):
            for node in ast.walk(module.tree):
                if wanted(node):
                    hits.setdefault(module.name, []).append(module.place(node))
    return hits


def judge(hits: Mapping[str, list[str]], exceptions: Mapping[str, str]) -> None:
    """Only the named exceptions may be among the hits, and each of them must be."""
    assert [place for name, places in hits.items() if name not in exceptions for place in places] == []
    assert [name for name in exceptions if name not in hits] == [], "an exception that is no longer needed"


def is_attribute(node: ast.AST, owner: str, *names: str) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == owner and node.attr in names


def test_environment_and_arguments_are_read_at_the_edge_only(modules: Mapping[str, Module]) -> None:
    judge(
        found(modules, lambda n: is_attribute(n, "os", "environ", "environb", "getenv") or is_attribute(n, "sys", "argv")),
        ENVIRONMENT,
    )


def test_nothing_sleeps_but_the_clock(modules: Mapping[str, Module]) -> None:
    judge(found(modules, lambda n: is_attribute(n, "time", "sleep")), SLEEPS)


def test_nothing_below_the_command_line_prints(modules: Mapping[str, Module]) -> None:
    judge(found(modules, lambda n: isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "print"), PRINTS)
    streams = found(modules, lambda n: is_attribute(n, "sys", "stdout", "stderr"))
    judge({name: places for name, places in streams.items() if not name.startswith("gitops/cli/")}, STREAMS)


def test_no_shell_ever_sees_a_command(modules: Mapping[str, Module]) -> None:
    def shell(node: ast.AST) -> bool:
        if isinstance(node, ast.keyword):
            return node.arg == "shell"
        return is_attribute(node, "os", "system", "popen") or is_attribute(node, "subprocess", "getoutput", "getstatusoutput")

    judge(found(modules, shell), {})


def test_only_the_git_layer_runs_or_imports_git(modules: Mapping[str, Module]) -> None:
    importing = {
        m.name: [m.name]
        for m in modules.values()
        if {"git", "dulwich"} & {i.partition(".")[0] for i in m.imports if i != "gitops"}
    }
    assert {name for name in importing if not name.startswith("gitops/git/")} == set()

    def runs_git(node: ast.AST) -> bool:
        return isinstance(node, ast.List | ast.Tuple) and bool(node.elts) and is_text(node.elts[0], "git")

    running = found(modules, runs_git)
    judge({name: places for name, places in running.items() if not name.startswith("gitops/git/")}, RUNS_GIT)


def test_secrets_are_compared_in_constant_time(modules: Mapping[str, Module]) -> None:
    def compares_a_secret(node: ast.AST) -> bool:
        if not isinstance(node, ast.Compare) or not any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            return False
        names = [
            n.id if isinstance(n, ast.Name) else n.attr if isinstance(n, ast.Attribute) else ""
            for n in (node.left, *node.comparators)
        ]
        return any(SECRET_NAME.search(name) for name in names)

    judge(found(modules, compares_a_secret), {})


def test_every_module_says_what_it_is_for(modules: Mapping[str, Module]) -> None:
    assert [m.name for m in modules.values() if m.text.strip() and not ast.get_docstring(m.tree)] == []


def test_expected_mistakes_are_not_swallowed(modules: Mapping[str, Module]) -> None:
    """``except: pass`` hides bugs, and so does catching everything; the last line of defence in ``__main__`` reports."""

    def swallows(node: ast.AST) -> bool:
        if not isinstance(node, ast.ExceptHandler):
            return False
        broad = node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException"))
        return (
            broad
            and not any(isinstance(n, ast.Raise) for n in ast.walk(node))
            and all(isinstance(n, ast.Pass) for n in node.body)
        )

    judge(found(modules, swallows), {})


def is_text(node: ast.AST, text: str) -> bool:
    return isinstance(node, ast.Constant) and node.value == text
