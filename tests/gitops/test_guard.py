"""The start-up guard against a rival distribution that installs a package of one of our names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gitops
from gitops import guard

RIVAL = {
    "rules/__init__.py": "VERSION = (3, 5)\nfrom .rulesets import *\n",
    "rules/rulesets.py": "",
    "rules-3.5.dist-info/METADATA": "Metadata-Version: 2.1\nName: rules\nVersion: 3.5\n",
    "rules-3.5.dist-info/RECORD": "rules/__init__.py,,\nrules/rulesets.py,,\nrules-3.5.dist-info/METADATA,,\n",
    "rules-3.5.dist-info/INSTALLER": "pip\n",
}
"""What a rival's wheel unpacks to, as pip does it: into our folder, over our file, without a word."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site-packages folder that holds our four packages and our metadata."""
    for name in guard.PACKAGES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f'"""Ours."""\n\n{guard.OWNER}{gitops.__version__}"\n')
        (tmp_path / name / "py.typed").write_text("")
    (tmp_path / "gitops/guard.py").write_bytes(Path(guard.__file__).read_bytes())
    info = tmp_path / "provisioning-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: provisioning\nVersion: 0.1.0\n")
    (info / "RECORD").write_text("".join(f"{name}/__init__.py,,\n" for name in guard.PACKAGES))
    return tmp_path


def install(site: Path, files: dict[str, str]) -> None:
    """Unpack a wheel into ``site``."""
    for path, text in files.items():
        (site / path).parent.mkdir(exist_ok=True)
        (site / path).write_text(text)


def verdict(site: Path) -> str:
    """What the guard says in a fresh Python that sees only ``site``; and it must not have imported any sibling."""
    code = f"import sys; sys.path[:0] = [{str(site)!r}]; from gitops.guard import foreign; print(foreign())"
    code += "; assert not {'rules', 'planners', 'executors'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_all_four_are_ours(site: Path) -> None:
    assert verdict(site) == ""


def test_a_rival_installed_over_ours_is_named(site: Path) -> None:
    install(site, RIVAL)
    assert verdict(site) == (
        f"package 'rules' in {site}/rules/__init__.py was overwritten by distribution 'rules'; "
        "reinstall it into an environment of its own, such as: pipx install --force provisioning"
    )


def test_a_rival_that_was_removed_took_ours_along(site: Path) -> None:
    install(site, RIVAL)
    for path in RIVAL:
        (site / path).unlink()  # what is left of ours is a folder without __init__.py
    assert verdict(site).startswith(
        "package 'rules' of provisioning is gone: most likely a package of the same name was installed"
    )


def test_a_package_that_is_not_there_at_all(site: Path) -> None:
    for file in (site / "planners").iterdir():
        file.unlink()
    (site / "planners").rmdir()
    assert verdict(site).startswith("package 'planners' of provisioning is gone")


def test_two_versions_of_ours_in_one_place(site: Path) -> None:
    (site / "executors/__init__.py").write_text(f'{guard.OWNER}0.0.9"\n')
    said = verdict(site)
    assert said.startswith(f"two versions of provisioning are mixed in this environment (gitops {gitops.__version__}, rules ")
    assert "executors 0.0.9" in said


def test_the_real_packages_carry_their_owner_line() -> None:
    assert guard.foreign() == ""
    assert {guard.owner_line(name) for name in guard.PACKAGES} == {f'{guard.OWNER}{gitops.__version__}"'}
