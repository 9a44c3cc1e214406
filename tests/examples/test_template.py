"""The state repository template as its users get it: valid, complete for editors, and guarded by its own hooks."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import jsonschema
import pytest
import yaml

TEMPLATE = Path(__file__).parents[2] / "state-repo-template"
DECLARED = sorted(
    path
    for folder in ("environments", "infra", "templates", "extensions")
    for path in (TEMPLATE / folder).rglob("*.yaml")
    if path.name != "defaults.yaml" or folder == "templates"
)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a command in a new state repository, made by ``init``."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": path, "HOME": str(home), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    def run(*argv: str, cwd: Path = tmp_path / "estate", code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    run(*provisioning("init", "estate"), cwd=tmp_path)
    return run


def provisioning(*words: str) -> Sequence[str]:
    """The program's command line."""
    return (sys.executable, "-m", "gitops", *words)


def test_the_template_is_valid_to_the_last_warning(run: Run) -> None:
    done = run(*provisioning("validate", "--strict"))
    assert done.stdout + done.stderr == "1 infra, 8 resources: 0 errors, 0 warnings\n"


def test_every_declaration_names_a_schema_that_is_there_and_accepts_it() -> None:
    assert len(DECLARED) >= 8
    for path in [TEMPLATE / "workspace.yaml", *DECLARED]:
        text = path.read_text()
        named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
        assert named, path
        schema = json.loads((path.parent / named[1]).read_text())
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(yaml.safe_load(text), schema)


def test_an_editor_is_told_of_a_typing_error() -> None:
    schema = json.loads((TEMPLATE / ".provisioning/schemas/infra.json").read_text())
    with pytest.raises(jsonschema.ValidationError, match="cpu_core"):
        jsonschema.validate({"settings": {"provider": "local"}, "servers": {"web-01": {"cpu_core": 2}}}, schema)


def test_the_commit_hook_lets_good_through_and_stops_bad(run: Run, tmp_path: Path) -> None:
    if not (Path(sys.executable).parent / "provisioning").exists():
        pytest.skip("the program is not installed here; 'make test' installs it")
    hook = (sys.executable, "-m", "pre_commit", "run", "--all-files", "--color=never")
    assert "Passed" in run(*hook).stdout
    main = tmp_path / "estate/infra/shop/main.yaml"
    main.write_text(main.read_text().replace("provider: local", "provider: lokal"))
    run("git", "add", "--all")
    assert "infra/shop/main.yaml:" in run(*hook, code=1).stdout


def test_the_hooks_of_this_repository_are_well_formed(tmp_path: Path) -> None:
    files = [TEMPLATE.parent / ".pre-commit-config.yaml", TEMPLATE / ".pre-commit-config.yaml"]
    argv = [sys.executable, "-m", "pre_commit", "validate-config", *map(str, files)]
    done = subprocess.run(argv, env={**os.environ, "HOME": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
