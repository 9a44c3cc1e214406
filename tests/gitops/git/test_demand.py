"""Clones without all objects bring what they lack when it is needed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from gitops.git import demand
from gitops.ports import GitError


@pytest.fixture
def source(work: Path, git: Any) -> Path:
    """Five commits, and a server that gives away parts of its history and contents."""
    for number in range(2, 6):
        (work / f"f{number}").write_text(f"{number}\n")
        git(work, "add", ".")
        git(work, "commit", "--quiet", "-m", str(number))
    git(work, "config", "uploadpack.allowFilter", "true")
    return work


@pytest.fixture
def shallow(source: Path, git: Any, tmp_path: Path) -> Path:
    """As CI checks out: the last commit, on no branch."""
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{source}", "shallow")
    git(tmp_path / "shallow", "checkout", "--quiet", "--detach")
    return tmp_path / "shallow"


@pytest.fixture
def partial(source: Path, git: Any, tmp_path: Path) -> Path:
    """A bare clone without contents."""
    git(tmp_path, "clone", "--quiet", "--bare", "--filter=blob:none", f"file://{source}", "partial")
    return tmp_path / "partial"


def test_a_shallow_clone_works_alone_while_the_tree_is_there(shallow: Path, source: Path, opened: Any) -> None:
    shutil.rmtree(source)
    repository = opened(shallow)
    tip = repository.resolve("HEAD")
    assert repository.is_shallow()
    assert "f5" in repository.entries(tip, recursive=True)
    assert [found.oid for found in repository.history(tip, limit=1)] == [tip]


@pytest.mark.parametrize("need", ["resolve", "commit", "history", "contains"])
def test_a_shallow_clone_fetches_history_when_it_is_needed(shallow: Path, source: Path, git: Any, opened: Any, need: str) -> None:
    repository = opened(shallow)
    tip, first = repository.resolve("HEAD"), git(source, "rev-parse", "main~4")
    answers = {
        "resolve": lambda: repository.resolve("HEAD~4") == first,
        "commit": lambda: repository.commit(first).message == "first\n",
        "history": lambda: [found.oid for found in repository.history(tip)][-1] == first,
        "contains": lambda: repository.contains(tip, first),
    }
    assert answers[need]()
    assert not repository.is_shallow()


def test_a_relative_address_starts_at_the_work_tree(shallow: Path, source: Path, git: Any, opened: Any) -> None:
    git(shallow, "remote", "set-url", "origin", "../work")
    assert opened(shallow).resolve("HEAD~4") == git(source, "rev-parse", "main~4")


def test_history_that_cannot_be_had_is_an_error_and_not_a_no(shallow: Path, source: Path, git: Any, opened: Any) -> None:
    first = git(source, "rev-parse", "main~4")
    shutil.rmtree(source)
    repository = opened(shallow)
    tip = repository.resolve("HEAD")
    for ask in (lambda: repository.contains(tip, first), lambda: repository.history(tip)):
        with pytest.raises(GitError) as error:
            ask()
        assert error.value.kind == "missing"


def test_a_shallow_clone_of_nowhere_says_so(shallow: Path, source: Path, git: Any, opened: Any) -> None:
    git(shallow, "remote", "remove", "origin")
    git(shallow, "clone", "--quiet", "--bare", str(source), "origin")  # content is not mistaken for the remote
    repository = opened(shallow)
    assert not repository.deepen()
    assert repository.resolve("HEAD~1") is None


def test_a_whole_clone_has_nothing_to_fetch(source: Path, opened: Any) -> None:
    assert not opened(source).deepen()
    assert not demand.is_partial(opened(source).git)


def test_a_partial_clone_brings_contents_in_one_request(partial: Path, source: Path, git: Any, opened: Any) -> None:
    repository = opened(partial)
    assert demand.is_partial(repository.git)
    entries = repository.entries(repository.resolve("HEAD"), recursive=True)
    packs = {*(partial / "objects/pack").glob("*.pack")}
    contents = repository.blobs(entry.oid for entry in entries.values())
    assert contents[entries["f3"].oid] == b"3\n" and len(contents) == 6
    assert len({*(partial / "objects/pack").glob("*.pack")} - packs) == 1
    shutil.rmtree(source)
    assert repository.sizes(contents) == {oid: len(content) for oid, content in contents.items()}


def test_a_partial_clone_is_never_repacked_by_us(partial: Path, opened: Any) -> None:
    for number in range(30):
        (partial / f"objects/pack/pack-{number}.pack").touch()
    assert opened(partial).tidy() is False
