"""What is kept between commands is believed only when this machine wrote it, whole and under that name."""

from __future__ import annotations

import pickle
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gitops import cache as kept
from gitops.cache import KEY_BYTES, Cache, own_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "entries.sqlite"


def at(path: Path, key: bytes = b"k" * KEY_BYTES) -> Cache:
    return Cache(path, lambda: key)


def tampered(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as base, base:
        base.execute(statement, values)


def test_what_was_put_is_found_by_another_process(path: Path) -> None:
    at(path).put({"a": b"1", "b": b""})
    assert at(path).get(["a", "b", "c", "a"]) == {"a": b"1", "b": b""}


def test_a_later_content_takes_the_place_of_an_earlier(path: Path) -> None:
    at(path).put({"a": b"1"})
    at(path).put({"a": b"2"})
    assert at(path).get(["a"]) == {"a": b"2"}


def test_without_a_file_nothing_is_found_and_none_is_made(path: Path) -> None:
    assert at(path).get(["a"]) == {}
    at(path).put({})
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("UPDATE entry SET content = ? WHERE name = 'a'", (b"2",)),
        ("UPDATE entry SET content = ? WHERE name = 'a'", (pickle.dumps(["a"]),)),
        ("UPDATE entry SET content = 'text' WHERE name = 'a'", ()),
        ("UPDATE entry SET seal = NULL WHERE name = 'a'", ()),
        ("UPDATE entry SET name = 'c' WHERE name = 'a'", ()),
        ("UPDATE entry SET content = (SELECT content FROM entry WHERE name = 'b') WHERE name = 'a'", ()),
    ],
    ids=["edited", "a pickle", "text", "no seal", "renamed", "another's content"],
)
def test_what_somebody_else_wrote_is_not_there(path: Path, statement: str, values: tuple[object, ...]) -> None:
    at(path).put({"a": b"1", "b": b"3"})
    tampered(path, statement, *values)
    assert at(path).get(["a", "b", "c"]) == {"b": b"3"}


def test_what_another_machine_wrote_is_not_there(path: Path) -> None:
    at(path, b"x" * KEY_BYTES).put({"a": b"1"})
    assert at(path).get(["a"]) == {}


@pytest.mark.parametrize("size", [0, 1, 100, 5000])
def test_a_file_that_was_cut_short_is_begun_anew(path: Path, size: int) -> None:
    at(path).put({str(n): b"x" * 100 for n in range(100)})
    path.write_bytes(path.read_bytes()[:size])
    assert set(at(path).get(map(str, range(100))).values()) <= {b"x" * 100}
    at(path).put({"a": b"1"})
    assert at(path).get(["a"]) == {"a": b"1"}


def test_a_file_that_is_no_database_is_begun_anew(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("hello")
    assert at(path).get(["a"]) == {}
    at(path).put({"a": b"1"})
    assert at(path).get(["a"]) == {"a": b"1"}


def test_a_file_that_grew_too_large_is_begun_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(path).put({"a": b"1"})
    monkeypatch.setattr(kept, "MOST_BYTES", 1)
    at(path).put({"b": b"2"})
    assert at(path).get(["a", "b"]) == {"b": b"2"}


def test_where_nothing_can_be_written_all_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    nowhere = Cache(tmp_path / "file" / "entries.sqlite", lambda: b"k" * KEY_BYTES)
    nowhere.put({"a": b"1"})
    assert nowhere.get(["a"]) == {}


def test_a_key_that_cannot_be_had_is_no_cache(path: Path) -> None:
    def denied() -> bytes:
        raise PermissionError("no")

    at(path).put({"a": b"1"})
    Cache(path, denied).put({"b": b"2"})
    assert Cache(path, denied).get(["a"]) == {}
    assert at(path).get(["a", "b"]) == {"a": b"1"}


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "cache.key"
    key = own_key(path)
    assert (len(key), own_key(path), path.stat().st_mode & 0o777) == (KEY_BYTES, key, 0o600)
    assert [p.name for p in path.parent.iterdir()] == ["cache.key"]


def test_a_key_that_was_cut_short_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "cache.key"
    path.write_bytes(b"short")
    assert len(own_key(path)) == KEY_BYTES
