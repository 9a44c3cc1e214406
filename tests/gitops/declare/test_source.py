"""The files of one commit: found by object id, judged before they are read, digested without being read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from gitops import limits
from gitops.declare.source import infras, inputs_digest, read, read_workspace

MAIN = "infra/shop/main.yaml"
State = Callable[[Mapping[str, Any]], Any]


def special(mode: str, content: bytes = b"x", size: int | None = None) -> Any:
    return SimpleNamespace(mode=mode, content=content, size=size)


def test_a_plan_without_changes_loads_no_third_party_module() -> None:
    code = (
        "import sys; before = set(sys.modules); import gitops.declare.source, gitops.schema.workspace; "
        "tops = {n.partition('.')[0] for n in set(sys.modules) - before}; "
        "sys.stdout.write(' '.join(sorted(tops - set(sys.stdlib_module_names))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["gitops", "planners"]


FILES = {
    MAIN: "settings: {provider: fake}\n",
    "infra/shop/servers/a.yaml": "{}",
    "infra/bank/main.yaml": "settings: {provider: fake}\n",
    "templates/defaults.yaml": "{}",
    "environments/dev.yaml": "class: dev",
    "extensions/taskservs/x/scripts/install.sh": "echo",
    "secrets/_shared.enc.yaml": "{}",
    ".gitattributes": "",
    "README.md": "",
    "policies/a.cedar": "",
}


@pytest.mark.parametrize("path", [p for p in FILES if not p.startswith(("README", "policies", "infra/bank"))])
def test_whatever_an_infra_is_made_of_is_in_its_digest(path: str, state: State) -> None:
    before = inputs_digest(state(FILES), "HEAD", "shop")
    assert inputs_digest(state({**FILES, path: "changed"}), "HEAD", "shop") != before
    assert inputs_digest(state({**FILES, path: None}), "HEAD", "shop") != before


@pytest.mark.parametrize("path", ["README.md", "policies/a.cedar", "infra/bank/main.yaml", "gitops-rules.yaml"])
def test_and_nothing_else(path: str, state: State) -> None:
    before = inputs_digest(state(FILES), "HEAD", "shop")
    assert inputs_digest(state({**FILES, path: "changed"}), "HEAD", "shop") == before


def test_the_digest_reads_no_file_and_differs_by_infra(state: State) -> None:
    objects = state({**FILES, "infra/shop": None})
    shop = inputs_digest(objects, "HEAD", "shop")
    assert shop != inputs_digest(objects, "HEAD", "bank") != inputs_digest(objects, "HEAD", "gone")
    assert objects.read == []


def test_infras_are_folders(state: State) -> None:
    objects = state({**FILES, "infra/README.md": "", "infra/link": special("120000")})
    assert infras(objects, "HEAD") == ("bank", "shop")


def test_only_the_infra_and_what_all_share_is_read(state: State) -> None:
    source = read(state(FILES), "HEAD", "shop")
    unread = {"README.md", "policies/a.cedar", "infra/bank/main.yaml", "extensions/taskservs/x/scripts/install.sh"}
    assert set(source.files) == {"workspace.yaml", *FILES} - unread
    assert set(source.extensions["x"]) == {"scripts/install.sh"}
    assert source.below("infra/shop", "main") == [MAIN]
    assert source.below("infra/shop/servers") == ["infra/shop/servers/a.yaml"]
    assert not source.problems


def test_a_large_file_is_refused_by_its_size_and_never_read(state: State) -> None:
    objects = state({**FILES, "infra/shop/servers/b.yaml": special("100644", size=100_000_000)})
    source = read(objects, "HEAD", "shop")
    assert [p.code for p in source.problems] == ["file-too-large"]
    assert "infra/shop/servers/b.yaml" in source.refused
    assert objects.read
    assert objects.entries("HEAD", "infra/shop/servers")["b.yaml"].oid not in objects.read


def test_files_are_limited_together_too(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitops.declare.source.TOTAL_BYTES", 60)
    source = read(state({**FILES, "infra/shop/servers/b.yaml": "#" * 50}), "HEAD", "shop")
    assert [(p.where.path, p.code) for p in source.problems] == [("infra", "file-too-large")]
    assert not source.complete
    assert limits.TOTAL_BYTES > limits.FILE_BYTES


def test_what_stands_in_the_place_of_an_infra_is_told(state: State) -> None:
    files = {
        **FILES,
        "infra/link": special("120000"),
        "infra/module": special("160000"),
        "infra/bank.yaml": "{}",
        "infra/a b/main.yaml": "{}",
        "infra/README.md": "",
    }
    found = [(p.where.path, p.code) for p in read(state(files), "HEAD", "").problems]
    assert sorted(found) == [
        ("infra", "bad-name"),
        ("infra/bank.yaml", "unknown-file"),
        ("infra/link", "symlink"),
        ("infra/module", "submodule"),
    ]


def test_an_infra_that_is_not_there_leaves_the_rest_unjudged(state: State) -> None:
    source = read(state(FILES), "HEAD", "../bank")
    assert [p.code for p in source.problems] == ["bad-name"]
    assert not source.complete
    assert read(state(FILES), "HEAD", "shop").complete


def test_the_workspace_alone_is_one_file(state: State) -> None:
    objects = state(FILES)
    assert list(read_workspace(objects, "HEAD").files) == ["workspace.yaml"]
    assert len(objects.read) == 1
    missing = read_workspace(state({**FILES, "workspace.yaml": None}), "HEAD")
    assert [p.code for p in missing.problems] == ["no-workspace"]
    linked = read_workspace(state({"workspace.yaml": special("120000")}), "HEAD")
    assert [p.code for p in linked.problems] == ["symlink"]
