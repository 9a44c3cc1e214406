"""What the README tells a newcomer to type, typed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()


def blocks(section: str, language: str) -> list[str]:
    """The fenced blocks of a section."""
    text = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.slow
def test_the_first_infrastructure_works_as_written(desk: Any) -> None:
    shells, declaration = (
        blocks("Your first infrastructure, in ten minutes", "sh"),
        blocks("Your first infrastructure, in ten minutes", "yaml")[0],
    )
    where = desk.repo
    printed = ""
    for number, block in enumerate(shells):
        if number == 1:
            (where / "infra/home/main.yaml").write_text(declaration)
        for line in block.splitlines():
            for command in line.partition("#")[0].split("&&"):
                argv = shlex.split(command)
                if argv[:1] == ["cd"]:
                    where = where / argv[1]
                    continue
                if argv == ["provisioning", "apply"]:
                    argv.append("--yes")  # a test has no terminal to be asked on
                argv[:1] = [sys.executable, "-m", "gitops"] if argv[0] == "provisioning" else argv[:1]
                done = subprocess.run(argv, cwd=where, env=desk.env(), capture_output=True, text=True, timeout=120, check=False)
                assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
                printed += done.stdout
    assert "Plan home (dev): 2 to create" in printed
    desk("apply", "--destroy", "--yes", cwd=where)
    assert not list((desk.home / "state").glob("**/servers/*"))


def test_the_exit_codes_are_those_of_the_program() -> None:
    from gitops.stops import MEANING

    table = dict(re.findall(r"^\| (\d+) \| (.*?) \|$", README, re.MULTILINE))
    assert table == {str(int(code)): text.replace(" (", " (").strip() for code, text in MEANING.items()} | {
        "6": "changes pending (only with `--detailed-exitcode`)"
    }


def test_what_the_readme_points_to_is_there() -> None:
    top = Path(__file__).parents[2]
    missing = [link for link in re.findall(r"\]\(([a-z][^):]*)\)", README) if not (top / link).exists()]
    assert not missing
