"""Start-up is a feature: what the everyday commands load is listed here, not timed (``make bench`` measures)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HEAVY = frozenset(
    """asyncio boto3 concurrent cryptography dulwich email git github gitlab http importlib.metadata jinja2 jsonschema logging
    multiprocessing pydantic pydantic_core pygments referencing rich ruamel ssl unittest urllib.request yaml _gojsonnet _jsonnet
    """.split()  # noqa: SIM905  # a list of 25 quoted words is harder to read
)
BESIDE_HELP = frozenset(["click", "planners", "rules", "executors", "gitops.pipeline", "gitops.wiring", "subprocess"])

CODE = """\
import sys
before = set(sys.modules)
from gitops.__main__ import main
code = main()
with open({out!r}, "w") as file:
    file.write("\\n".join(sorted(set(sys.modules) - before)))
sys.exit(code)
"""

Run = Callable[..., frozenset[str]]


@pytest.fixture
def loaded(tmp_path: Path) -> Run:
    """Runs one command in a Python of its own; returns the modules it has loaded by its end."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n")
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "PYTHONSAFEPATH")}
    env = kept | {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "XDG_CACHE_HOME": str(home / "cache")}
    env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)  # the same code as the tests, wheel or checkout

    def run(*argv: str, cwd: Path = tmp_path) -> frozenset[str]:
        out = tmp_path / "modules"
        done = subprocess.run(
            [sys.executable, "-c", CODE.format(out=str(out)), *argv], cwd=cwd, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
        return frozenset(out.read_text().splitlines())

    return run


def heavy(modules: frozenset[str], forbidden: frozenset[str] = HEAVY) -> list[str]:
    """Which of ``forbidden`` were loaded."""
    return sorted(f for f in forbidden if f in modules)


def test_the_version_loads_next_to_nothing(loaded: Run) -> None:
    modules = loaded("--version")
    assert heavy(modules, HEAVY | BESIDE_HELP) == []
    assert {m for m in modules if m.startswith("gitops")} == {"gitops", "gitops.__main__"}


@pytest.mark.parametrize("words", [("help",), ("--help",), ()])
def test_help_loads_no_command(loaded: Run, words: tuple[str, ...]) -> None:
    modules = loaded(*words)
    assert heavy(modules, HEAVY | (BESIDE_HELP - {"click"})) == []
    assert "gitops.cli.plan" not in modules


def test_a_plan_without_changes_loads_nothing_heavy(loaded: Run, tmp_path: Path) -> None:
    remote, repo = tmp_path / "remote.git", tmp_path / "estate"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(remote)], check=True)
    loaded("init", str(repo), "--empty", "--remote", str(remote))
    main = repo / "infra/shop/main.yaml"
    main.parent.mkdir(parents=True)
    main.write_text("settings: {provider: fake}\nservers: {web-01: {cpu_cores: 1, memory_gb: 1}}\n")
    for words in (
        ["add", "--all"],
        ["-c", "user.name=Ada", "-c", "user.email=a@b.c", "commit", "-qm", "shop"],
        ["push", "-q", "origin", "main"],
    ):
        subprocess.run(["git", "-C", str(repo), *words], check=True)
    assert heavy(loaded("apply", "--yes", cwd=repo)) != [], "the list of heavy modules finds nothing"
    assert heavy(loaded("plan", cwd=repo)) == []
