"""Questions to the reading child and its answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from gitops.git.reader import BATCH, Found, Reader
from gitops.ports import GitError


@pytest.fixture
def reader(work: Path, opened: Any) -> Iterator[Reader]:
    """Over the work tree's clone."""
    found = Reader(opened(work).git.child)
    yield found
    found.close()


def test_headers_and_contents_in_the_order_asked(reader: Reader) -> None:
    (blob,) = reader.contents(["HEAD:a"])
    assert blob == Found("d00491fd7e5bb6fa28c517a0bb32b8b506539d4d", "blob", 2, b"1\n")
    assert [found and found.kind for found in reader.headers(["HEAD", "nope", "HEAD^{tree}", "HEAD:a"])] == [
        "commit",
        None,
        "tree",
        "blob",
    ]


def test_more_questions_than_fit_into_one_batch(reader: Reader) -> None:
    names = ["HEAD:a", "nope"] * (BATCH + 1)
    assert [found and found.content for found in reader.contents(names)] == [b"1\n", None] * (BATCH + 1)


def test_nothing_asked_starts_nothing() -> None:
    def start(*argv: str) -> Any:
        raise AssertionError("started")

    assert [*Reader(start).contents([])] == []


def test_a_question_is_one_line(reader: Reader) -> None:
    with pytest.raises(GitError):
        next(reader.headers(["HEAD\ncontents HEAD"]))


def test_a_child_that_is_gone_is_an_error_once_and_then_replaced(reader: Reader) -> None:
    assert next(reader.headers(["HEAD"])) is not None
    reader._child.kill()
    reader._child.wait()
    with pytest.raises(GitError) as error:
        next(reader.headers(["HEAD"]))
    assert error.value.kind == "damaged"
    assert next(reader.headers(["HEAD"])) is not None


def test_threads_do_not_mix_their_answers(reader: Reader) -> None:
    names = ["HEAD:a", "HEAD:infra/shop/main.yaml"]
    expected = [next(reader.contents([name])) for name in names]
    wrong: list[object] = []

    def ask(which: int) -> None:
        wrong.extend(found for _ in range(50) for found in reader.contents([names[which]]) if found != expected[which])

    threads = [Thread(target=ask, args=(number % 2,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
