"""The files of an extension come from the tree that is applied."""

from __future__ import annotations

import pytest

from executors.ports import NotFound
from gitops.extensions import TreeExtensions
from gitops.git.memory import MemoryRepository
from gitops.ports import Person


def test_files_below_the_extension_and_nothing_else() -> None:
    repository = MemoryRepository()
    edits: dict[str, bytes | str | None] = {
        "extensions/taskservs/web/manifest.yaml": b"name: web\n",
        "extensions/taskservs/web/scripts/install": b"#!/bin/sh\n",
        "extensions/taskservs/other/manifest.yaml": b"name: other\n",
    }
    commit = repository.write("", edits, "all", Person("Ada", "ada@example.org"))
    files = TreeExtensions(repository, commit).files("taskservs", "web")
    assert files == {"manifest.yaml": b"name: web\n", "scripts/install": b"#!/bin/sh\n"}
    with pytest.raises(NotFound, match="taskservs/gone is not in the applied commit"):
        TreeExtensions(repository, commit).files("taskservs", "gone")
