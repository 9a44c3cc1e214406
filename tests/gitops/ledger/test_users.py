"""Recorded edges turned round, and what of them is worked out again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gitops.cache import Cache
from gitops.git.memory import MemoryRepository
from gitops.ledger import tree
from gitops.ledger.users import Users
from gitops.ledger.view import View
from gitops.ports import Person
from planners.canonical import encode
from planners.model import RecordedResource

WHO = Person("Ann", "ann@example.org")
RECORDS = {
    "network/lan": (),
    "server/a": ("network/lan",),
    "server/b": ("network/lan", "server/a"),
    "taskserv/a/nginx": ("server/a",),
    "taskserv/b/nginx": ("server/b", "taskserv/a/nginx"),
    'server/odd"name': ("network/lan",),
}


class Desk:
    """A ledger's state in memory, and a cache beside it."""

    def __init__(self, folder: Path) -> None:
        self.repository = MemoryRepository()
        self.cache = Cache(folder / "entries.sqlite", lambda: b"k" * 32)
        self.read: list[str] = []

    def users(self, records: dict[str, tuple[str, ...]], spread: bool = False) -> Users:
        files = {}
        for address, used in records.items():
            record = RecordedResource(address, "fake", {}, depends_on=used)
            files[tree.state_places(address)[spread]] = encode(tree.resource_document(record))
        view = View(self.repository, "shop", self.repository.write("", files, "m", WHO))
        below = view.records_below

        def counted(folder: str) -> Any:
            self.read.append(folder)
            return below(folder)

        view.records_below = counted  # type: ignore[method-assign]
        return Users(view, self.cache)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("spread", [False, True])
def test_users_are_found_wherever_records_lie(desk: Desk, spread: bool) -> None:
    users = desk.users(RECORDS, spread)
    assert users.of(["network/lan"]) == {"server/a", "server/b", 'server/odd"name'}
    assert users.of(["server/a", "server/b"]) == {"server/b", "taskserv/a/nginx", "taskserv/b/nginx"}
    assert users.of(["server/c"]) == users.of([]) == frozenset()
    assert users.bearing("nginx") == {"taskserv/a/nginx", "taskserv/b/nginx"}


def test_only_folders_that_changed_are_read_again(desk: Desk) -> None:
    desk.users(RECORDS).of(["network/lan"])
    desk.read.clear()
    again = desk.users({**RECORDS, "server/c": ("network/lan",)})
    assert "server/c" in again.of(["network/lan"])
    assert desk.read == ["state/server"]


def test_without_the_cache_all_is_read_and_the_answer_is_the_same(desk: Desk, tmp_path: Path) -> None:
    first = desk.users(RECORDS).of(["network/lan"])
    (tmp_path / "entries.sqlite").unlink()
    desk.read.clear()
    assert desk.users(RECORDS).of(["network/lan"]) == first
    assert sorted(desk.read) == ["state/network", "state/server", "state/taskserv"]


def test_no_ledger_has_no_users(desk: Desk) -> None:
    assert Users(View(desk.repository, "shop", ""), desk.cache).of(["server/a"]) == frozenset()
