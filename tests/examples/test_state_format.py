"""The page on the state repository is right: its examples load and plan, and its limits are the program's."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from gitops import limits
from gitops.declare.load import check_shared

HERE = Path(__file__).parent
HARNESS = runpy.run_path(str(HERE / "harness.py"))
PAGE = (HERE.parents[1] / "docs/state-format.md").read_text()
BLOCK = re.compile(r"^```(yaml|jsonnet|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r'\A(?:# |// |\{\s*"\$comment": ")(\S+?)(?:"|\n)')


def blocks(text: str) -> dict[str, bytes]:
    """Path -> content of every example; each names its file in its first line, and may be shown once more with lines added."""
    found: dict[str, bytes] = {}
    for _, content in BLOCK.findall(text):
        named = PATH.match(content)
        assert named, f"this example does not say which file it is:\n{content}"
        assert content.encode().startswith(found.get(named[1], b"")), f"{named[1]} is shown twice"
        found[named[1]] = content.encode()
    return found


def test_every_example_is_valid_without_a_warning_and_can_be_planned() -> None:
    files = blocks(PAGE)
    repository, commit = HARNESS["committed"](files)
    assert check_shared(repository, commit) == ()
    infras = dict(HARNESS["loaded"](repository, commit))
    assert set(infras) == {"shop", "lab", "staging"}
    assert {name: loaded.warnings for name, loaded in infras.items() if loaded.warnings} == {}
    assert all(HARNESS["planned"](loaded).steps for loaded in infras.values())


def test_the_limits_are_the_program_s() -> None:
    said = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", PAGE[PAGE.index("## Limits") :], re.MULTILINE))
    assert said["a declaration file"] == f"{limits.FILE_BYTES >> 20} MiB"
    assert said["all files of one infra"] == f"{limits.TOTAL_BYTES >> 20} MiB"
    assert said["maps and lists inside each other"] == str(limits.DEPTH)
    assert said["values in one file"] == f"{limits.NODES:,}"
    assert said["a file that a command edits for you"] == f"{limits.EDIT_BYTES >> 10} KiB"
    assert said["one Jsonnet file, or one config against its schema"] == (
        f"{limits.EVALUATION_CPU_SECONDS} s of processor time, {limits.EVALUATION_MEMORY_BYTES >> 20} MiB"
    )
    assert said["all Jsonnet files of one infra"] == f"{limits.EVALUATION_WALL_SECONDS:.0f} s"
    assert said["calls of Jsonnet inside each other"] == str(limits.JSONNET_STACK)
    assert said["the value of a Jsonnet file"] == f"{limits.JSONNET_OUTPUT_BYTES >> 20} MiB"
