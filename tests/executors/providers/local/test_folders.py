"""Tagged folders: found by id and key, made and removed in one step each."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from executors.ports import Broken, NeedsHuman, NotFound, Owner
from executors.providers.local.folders import Folder, Folders, machine_identity
from planners.model import RecordedResource

NETWORK = "network/inner"


@pytest.fixture
def folders(estate: Any) -> Folders:
    return Folders(estate.world)


def make(folders: Folders, estate: Any, address: str = NETWORK, key: str = "") -> Folder:
    return folders.make(estate.request(address, key=key), {}, lambda path: None)


def record(folder: Folder) -> RecordedResource:
    return RecordedResource(folder.tag.address, "local", {}, {"id": folder.tag.id})


def hidden(estate: Any) -> list[str]:
    return [p.name for p in estate.world.rglob("*") if p.name.startswith(".")]


def test_a_folder_is_made_with_its_tag_and_found_again(folders: Folders, estate: Any) -> None:
    made = make(folders, estate)
    assert made.path == estate.world / "shop/networks/inner"
    assert made.tag.owner == estate.owner
    assert folders.by_key(estate.request(NETWORK)) == made
    assert folders.by_id(estate.owner, record(made)) == made
    assert folders.newest(estate.owner, NETWORK) == made
    assert list(folders.all(estate.owner)) == [made]
    assert hidden(estate) == []


def test_nobody_elses_is_found(folders: Folders, estate: Any) -> None:
    made = make(folders, estate)
    stranger = Owner("workspace-2", "shop")
    assert folders.by_key(replace(estate.request(NETWORK), owner=stranger)) is None
    assert folders.by_id(stranger, record(made)) is None
    assert folders.by_id(estate.owner, replace(record(made), observed={"id": "another"})) is None
    assert list(folders.all(stranger)) == []


def test_a_name_that_is_taken_needs_a_person(folders: Folders, estate: Any) -> None:
    made = make(folders, estate)
    told = f"{made.path} is there and not recorded: take it over with 'state import {NETWORK}' and id {made.tag.id}, or remove it"
    with pytest.raises(NeedsHuman, match=f"^{re.escape(told)}$"):
        make(folders, estate, key="another")
    with pytest.raises(NeedsHuman, match="belongs to infra 'shop' of workspace workspace-1, not to us"):
        folders.make(replace(estate.request(NETWORK, key="another"), owner=Owner("workspace-2", "shop")), {}, lambda path: None)
    assert hidden(estate) == []


def test_a_replacement_stands_beside_what_it_replaces(folders: Folders, estate: Any) -> None:
    old = make(folders, estate)
    estate.records[NETWORK] = record(old)
    new = make(folders, estate, key="replacement")
    assert new.path.name == "inner+replacem"
    assert folders.by_key(estate.request(NETWORK, key="replacement")) == new
    assert folders.newest(estate.owner, NETWORK) == new
    assert folders.by_id(estate.owner, record(new)) == new
    folders.remove(old)
    assert folders.by_id(estate.owner, record(old)) is None
    assert folders.by_id(estate.owner, record(new)) == new


def test_a_moved_record_finds_its_folder(folders: Folders, estate: Any) -> None:
    made = make(folders, estate)
    assert folders.by_id(estate.owner, replace(record(made), address="network/renamed")) == made


def test_the_same_request_at_once_makes_one(folders: Folders, estate: Any) -> None:
    made: list[Folder] = []
    threads = [Thread(target=lambda: made.append(make(folders, estate))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({f.tag.id for f in made}) == 1
    assert len(made) == 8
    assert hidden(estate) == []


def test_making_and_removing_at_once_hinder_nobody(folders: Folders, estate: Any) -> None:
    failures: list[BaseException] = []

    def churn(number: int) -> None:
        try:
            for turn in range(15):
                folders.remove(make(folders, estate, f"network/n{number}", f"{number}-{turn}"))
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=churn, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert not (estate.world / "shop").exists()


def test_one_that_cannot_be_filled_is_not_there(folders: Folders, estate: Any) -> None:
    def fail(path: Path) -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        folders.make(estate.request(NETWORK), {}, fail)
    assert list((estate.world / "shop/networks").iterdir()) == []


def test_what_killed_runs_left_is_tidied_and_what_others_make_is_not(folders: Folders, estate: Any) -> None:
    parent = estate.world / "shop/networks"
    (parent / ".tmp-999999999~never~01/deep").mkdir(parents=True)
    (parent / f".tmp-{os.getpid()}~another-start~02").mkdir()
    from executors.providers.local import init

    mine = parent / f".tmp-{os.getpid()}~{init.start_time(os.getpid())}~03"
    mine.mkdir()
    folders.tidy(parent)
    assert list(parent.iterdir()) == [mine]
    mine.rmdir()
    folders.tidy(parent)
    assert not parent.parent.exists(), "empty parents go as well"
    folders.tidy(parent)


@pytest.mark.parametrize(
    ("content", "error", "told"),
    [
        (b"{", Broken, "the tag of .* cannot be read"),
        (b"{}", Broken, "the tag of .* cannot be read"),
        (b'{"format": 1, "id": "x"}', Broken, "the tag of .* cannot be read"),
        (b'{"format": 2}', NeedsHuman, "was made by a newer provisioning"),
        (None, Broken, "has no tag: it was not made by provisioning; move it away"),
    ],
)
def test_what_cannot_be_read_is_not_taken_for_absent(
    folders: Folders, estate: Any, content: bytes | None, error: type[Exception], told: str
) -> None:
    made = make(folders, estate)
    path = made.path / "tag.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    for ask in (
        lambda: folders.by_id(estate.owner, record(made)),
        lambda: folders.by_key(estate.request(NETWORK)),
        lambda: list(folders.all(estate.owner)),
        lambda: make(folders, estate, key="another"),
    ):
        with pytest.raises(error, match=told):
            ask()


@pytest.mark.parametrize(("infra", "address"), [("..", NETWORK), ("shop", "network/.."), ("shop", "network/a/b"), ("", NETWORK)])
def test_no_name_leads_out_of_the_world(folders: Folders, infra: str, address: str) -> None:
    with pytest.raises(Broken, match="cannot be a folder"):
        folders.parent(Owner("w", infra), address)


def test_a_tag_changes_in_one_go(folders: Folders, estate: Any) -> None:
    made = make(folders, estate).retag(token=7, declared={"cidr": "10.0.0.0/24"})
    assert json.loads((made.path / "tag.json").read_text())["token"] == 7
    assert folders.by_id(estate.owner, record(made)) == made


def test_this_machine_is_always_the_same(tmp_path: Path) -> None:
    identity = machine_identity(tmp_path)
    assert identity == machine_identity(tmp_path / "elsewhere")
    name, _, id = identity.rpartition("#")
    assert name
    assert re.fullmatch("[0-9a-f]{16}", id)
    for path in (Path("/etc/machine-id"),):
        assert not path.exists() or path.read_text().strip() not in identity, "it is not to be shown (machine-id(5))"


def test_a_machine_without_an_identity_gets_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exists = Path.exists
    monkeypatch.setattr(Path, "exists", lambda self: "machine-id" not in self.name and exists(self))
    first = machine_identity(tmp_path / "world")
    assert first == machine_identity(tmp_path / "world")
    assert first != machine_identity(tmp_path / "other")


def test_nothing_is_found_where_nothing_is(folders: Folders, estate: Any) -> None:
    assert folders.by_key(estate.request(NETWORK)) is None
    assert folders.newest(estate.owner, NETWORK) is None
    assert list(folders.all(estate.owner)) == []
    with pytest.raises(NotFound):
        estate.provider.update(estate.request(NETWORK))
