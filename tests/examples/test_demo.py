"""``make demo`` as a newcomer runs it, and as an impatient one interrupts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "demo/run.py"

pytestmark = pytest.mark.slow


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo, begun in a process group of its own, with its temporary folder below the test's."""
    if not (Path(sys.executable).parent / "provisioning").exists():
        pytest.skip("the program is not installed here; 'make test' installs it")
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "PYTHONSAFEPATH")} | {"TMPDIR": str(tmp_path)}
    argv = [sys.executable, str(DEMO)]
    process = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    with process:
        yield process
        process.kill()


def test_it_tells_the_whole_story_and_leaves_nothing(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    text, _ = demo.communicate(timeout=110)
    assert demo.returncode == 0, text[-3000:]
    assert "200 Paper & Ink (web-0" in text
    assert "200 Paper, Ink & Wax (web-0" in text
    assert re.search(r"not healthy: .* answered 503", text), "the bad change was not noticed"
    assert re.search(r"Nothing left: \d+ processes ended", text)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_in_the_middle_of_an_apply_leaves_nothing_either(demo: subprocess.Popen[str], tmp_path: Path) -> None:
    assert demo.stdout is not None
    for line in demo.stdout:
        if "create taskserv/db-01/database ok" in line:
            break
    os.killpg(demo.pid, signal.SIGINT)
    rest = demo.stdout.read()
    assert demo.wait(timeout=60) == 130, rest
    assert re.search(r"Nothing left: \d+ processes ended", rest)
    assert [path.read_text() for path in tmp_path.glob("provisioning-bug-*")] == []
    assert list(tmp_path.iterdir()) == []
