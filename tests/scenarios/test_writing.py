"""How often a run writes to the shared ledgers: never in vain, and seldom. Counted at git itself, below the real program."""

from __future__ import annotations

import shutil
from math import ceil
from pathlib import Path
from typing import Any

import pytest

WORKERS, WINDOW = 8, 50

WRAPPER = """\
#!/bin/sh
{git} "$@"
code=$?
case " $* " in *" push "*provisioning/ledger/*) echo "$code" >> {log} ;; esac
exit $code
"""


@pytest.fixture
def pushed(office: Any, tmp_path: Path) -> Path:
    """A file to which every push to a ledger that this office makes adds a line: git's exit code."""
    (tmp_path / "bin").mkdir()
    log, wrapper = tmp_path / "pushed", tmp_path / "bin" / "git"
    wrapper.write_text(WRAPPER.format(git=shutil.which("git"), log=log))
    wrapper.chmod(0o755)
    office.environ["PATH"] = f"{wrapper.parent}:{office.env()['PATH']}"
    log.touch()
    # on a slow machine a lease is renewed, and results are sent before a window is full: that is another matter
    workspace = (office.repo / "workspace.yaml").read_text()
    timing = "ledger: {lease_seconds: 3600, flush_seconds: 60}\n"
    office.commit({"workspace.yaml": workspace[: workspace.index("ledger:")] + timing}, "time enough")
    return log


def servers(count: int, depth: int = 0) -> str:
    """That many servers; the last ``depth`` of them each refer to what is known of the one before when that is made."""
    names = [f"web-{number:04d}" for number in range(count)]
    lines = [f"  {name}: {{cpu_cores: 2}}" for name in names]
    for number in range(count - depth, count):
        lines[number] = f'  {names[number]}: {{labels: {{next_to: "${{server/{names[number - 1]}.id}}"}}}}'
    return "settings: {provider: fake}\nservers:\n" + "\n".join(lines) + "\n"


@pytest.mark.slow
def test_eight_at_work_on_eight_infras_of_one_repository_never_push_in_vain(office: Any, pushed: Path, tmp_path: Path) -> None:
    infras = [f"shop-{number}" for number in range(WORKERS)]
    office.commit({f"infra/{infra}/main.yaml": servers(4) for infra in infras}, "eight shops")
    office("doctor", "--remote")  # the first to write would try the remote out
    clones = [office.another(tmp_path / infra) for infra in infras]
    started = [clone.start("apply", "-i", infra, "--yes") for clone, infra in zip(clones, infras, strict=True)]
    for process in started:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    codes = pushed.read_text().split()
    assert set(codes) == {"0"}
    assert len(codes) <= WORKERS * 5


@pytest.mark.slow
@pytest.mark.parametrize(("steps", "depth"), [(WINDOW + 10, 0), (12, 3)])
def test_an_apply_pushes_once_per_window_and_stage_and_a_few_times_more(
    office: Any, pushed: Path, steps: int, depth: int
) -> None:
    office.commit({"infra/shop/main.yaml": servers(steps, depth)}, f"{steps} servers")
    office("apply", "--yes")
    codes = pushed.read_text().split()
    assert len(office("state", "list", "--out", "json").json["resources"]) == steps
    assert set(codes) == {"0"}
    assert len(codes) <= ceil(steps / WINDOW) + depth + 5
