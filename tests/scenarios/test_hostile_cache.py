"""A cache folder that somebody else has written to, such as one that a CI job restored, decides nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gitops.cache import Cache, own_key

PROD = {
    "infra/shop/main.jsonnet": "local n = 1; {settings: {provider: 'fake', environment: 'prod'}, servers: {a: {cpu_cores: n}}}\n",
    "infra/shop/main.yaml": None,
}


def answers(office: Any) -> list[str]:
    """What must not depend on a cache: the plan, and whom the gate asks."""
    return [office("plan", "--full", "--out", "json").out, office("apply", "--yes", code=None).err]


def entries(path: Path) -> dict[str, bytes]:
    with closing(sqlite3.connect(path)) as base:
        return dict(base.execute("SELECT name, content FROM entry"))


@pytest.fixture
def kept(office: Any) -> Path:
    """What two commands left."""
    office.commit(PROD)
    answers(office)
    (path,) = (office.home / "cache").rglob("*.sqlite")
    assert {name.partition("/")[0] for name in entries(path)} >= {"workspace", "jsonnet"}
    return Path(path)


def test_what_is_kept_lies_where_everything_is_sealed(office: Any, kept: Path) -> None:
    assert [p for p in (office.home / "cache").rglob("*") if p.is_file()] == [kept]


@pytest.mark.parametrize(("old", "new"), [("prod", "dev"), ('"main"', '"evil"'), ("cpu_cores", "memory_gb"), ("{", "[")])
def test_edited_entries_are_not_believed(office: Any, kept: Path, old: str, new: str) -> None:
    before = answers(office)
    with closing(sqlite3.connect(kept)) as base, base:
        base.execute("UPDATE entry SET content = CAST(replace(CAST(content AS TEXT), ?, ?) AS BLOB)", (old, new))
    assert answers(office) == before


def test_entries_that_another_machine_sealed_are_not_believed(office: Any, kept: Path, tmp_path: Path) -> None:
    before, theirs = answers(office), {name: content.replace(b"prod", b"dev") for name, content in entries(kept).items()}
    Cache(kept, lambda: own_key(tmp_path / "their.key")).put(theirs)
    assert entries(kept) == theirs
    assert answers(office) == before
