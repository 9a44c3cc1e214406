"""What is declared, locked, built and shipped agree with each other."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import gitops

if TYPE_CHECKING:
    from .conftest import Module

PACKAGES = {"planners", "rules", "executors", "gitops"}
IMPORTED_AS = {
    "gitpython": {"git"},
    "gojsonnet": {"_gojsonnet"},
    "jsonnet": {"_jsonnet"},
    "pyyaml": {"yaml"},
    "ruamel-yaml": {"ruamel"},
}
"""Distribution -> names it is imported by, where they differ."""
COMES_WITH = {"pydantic_core": "pydantic", "referencing": "jsonschema"}
"""Imported name -> the declared distribution that exists to bring it."""


@pytest.fixture(scope="module")
def project(root: Path) -> Mapping[str, Any]:
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def declared(project: Mapping[str, Any]) -> list[Requirement]:
    return [Requirement(text) for text in project["project"]["dependencies"]]


def third_party(module: Module) -> set[str]:
    """Names of foreign packages that a module imports, by statement or by ``import_module("literal")``."""
    literal = {
        node.args[0].value
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute | ast.Name)
        and (node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id) == "import_module"
        and node.args
        and isinstance(node.args[0], ast.Constant)
    }
    names = {str(name).partition(".")[0] for name in module.imports | literal}
    return names - sys.stdlib_module_names - PACKAGES


def test_every_import_is_declared_and_every_dependency_imported(
    modules: Mapping[str, Module], declared: list[Requirement]
) -> None:
    imported = {name for module in modules.values() for name in third_party(module)}
    provided = {canonicalize_name(r.name): IMPORTED_AS.get(canonicalize_name(r.name), {r.name}) for r in declared}
    assert imported - set().union(*provided.values()) - COMES_WITH.keys() == set(), "imported and not declared"
    assert [name for name, names in provided.items() if not names & imported] == [], "declared and never imported"
    assert {d for d in COMES_WITH.values() if d not in provided} == set()


def test_the_lock_answers_what_is_declared(root: Path, project: Mapping[str, Any], declared: list[Requirement]) -> None:
    text = (root / "requirements.lock").read_text()
    locked = {canonicalize_name(n): Version(v) for n, v in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, re.MULTILINE)}
    wanted = declared + [Requirement(text) for text in project["dependency-groups"]["dev"]]
    missing = [str(r) for r in wanted if (v := locked.get(canonicalize_name(r.name))) is None or v not in r.specifier]
    assert missing == [], "run: make lock"
    assert len(re.findall(r"^[A-Za-z0-9._-]+==", text, re.MULTILINE)) == len(
        re.findall(r"\\\n    --hash=sha256:\S+(?: \\\n    --hash=\S+)*", text)
    )


def test_one_version_everywhere(root: Path, modules: Mapping[str, Module]) -> None:
    owners = {name: re.findall(r'^__owner__ = "(.*)"$', modules[f"{name}/__init__.py"].text, re.MULTILINE) for name in PACKAGES}
    assert owners == {name: [f"provisioning {gitops.__version__}"] for name in PACKAGES}
    assert f"## [{gitops.__version__}]" in (root / "CHANGELOG.md").read_text()
    template = root / "state-repo-template"
    pinned = [p for p in template.rglob("*.yml") if "PROVISIONING: provisioning==" in p.read_text()]
    assert len(pinned) >= 3
    assert [p.name for p in pinned if f"PROVISIONING: provisioning=={gitops.__version__}\n" not in p.read_text()] == []


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in the wheel that this checkout makes."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=root, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_the_wheel_holds_the_four_packages_and_nothing_else(wheel: list[str]) -> None:
    assert {name.partition("/")[0] for name in wheel} == PACKAGES | {f"provisioning-{gitops.__version__}.dist-info"}
    assert {f"{name}/py.typed" for name in PACKAGES} <= set(wheel)
    assert [n for n in wheel if "__pycache__" in n or re.search(r"(^|/)(tests?|conftest\.py|test_[^/]*)(/|$)", n)] == []
    assert f"provisioning-{gitops.__version__}.dist-info/licenses/LICENSE" in wheel


def test_the_wheel_holds_the_whole_template(root: Path, wheel: list[str]) -> None:
    template = root / "state-repo-template"
    files = {f"gitops/_template/{p.relative_to(template).as_posix()}" for p in template.rglob("*") if p.is_file()}
    assert "gitops/_template/workspace.yaml" in files
    assert {n for n in wheel if n.startswith("gitops/_template/")} == files


def test_what_is_tested_is_the_installed_wheel(root: Path) -> None:
    try:
        files = distribution("provisioning").files
    except PackageNotFoundError:
        pytest.skip("the wheel is not installed here; 'make test' installs it")
    assert files is not None
    where = (
        "import gitops, rules, planners, executors as e; print(*(m.__file__ for m in (gitops, rules, planners, e)), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-P", "-c", where], cwd=root, capture_output=True, text=True, check=True)
    places = [Path(line) for line in done.stdout.splitlines()]
    assert [p for p in places if p.parent.parent == root] == [], "the checkout is tested, not the wheel"
    if sys.flags.safe_path:
        assert Path(gitops.__file__) == places[0]
