"""A person's work tree: looked at without touching it, previewed, and set up by ``init``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from gitops.git.worktree import (
    NEGATIVE_REFSPEC,
    commit_all,
    connect,
    create,
    create_remote,
    current_branch,
    inside,
    push_main,
    uncommitted,
    worktree_tree,
)
from gitops.limits import FILE_BYTES
from gitops.ports import GitError


def contents(repository: Any, tree: str) -> dict[str, bytes]:
    entries = repository.entries(tree, recursive=True)
    blobs = repository.blobs(entry.oid for entry in entries.values())
    return {path: blobs[entry.oid] for path, entry in entries.items()}


class TestLooking:
    def test_a_clean_one_has_nothing_uncommitted_and_is_its_commits_tree(self, work: Path, opened: Any) -> None:
        repository = opened(work)
        assert uncommitted(repository) == ()
        assert worktree_tree(repository) == repository.commit(repository.resolve("HEAD")).tree

    def test_every_kind_of_edit_is_seen(self, work: Path, git: Any, opened: Any) -> None:
        (work / "infra/shop/main.yaml").unlink()
        (work / "infra/shop").rmdir()
        (work / "infra/shop").write_text("a file now\n")
        (work / "a").unlink()
        (work / "a").mkdir()
        for name in ("a/new", 'odd "name"', "line\nbreak", "\udcff"):
            (work / name).write_text(name, errors="surrogateescape")
        (work / ".gitignore").write_text("*.tmp\n")
        (work / "left.tmp").touch()
        (work / "link").symlink_to("/etc/passwd")
        (work / "staged").write_text("x")
        git(work, "add", "staged")
        (work / "staged").write_text("y")
        repository = opened(work)
        assert {*uncommitted(repository)} >= {
            "a/new",
            "infra/shop",
            'odd "name"',
            "line\nbreak",
            "\udcff",
            "staged",
            ".gitignore",
        }
        tree = worktree_tree(repository)
        assert contents(repository, tree) == {
            ".gitignore": b"*.tmp\n",
            "a/new": b"a/new",
            "infra/shop": b"a file now\n",
            "line\nbreak": b"line\nbreak",
            "link": b"/etc/passwd",
            'odd "name"': b'odd "name"',
            "staged": b"y",
            "\udcff": b"\xff",
        }
        assert repository.entries(tree)["link"].mode == "120000"

    def test_the_persons_index_stays_as_it_is(self, work: Path, git: Any, opened: Any) -> None:
        (work / "new").write_text("x")
        index = (work / ".git/index").read_bytes()
        before = {*(work / ".git").iterdir()}
        repository = opened(work)
        uncommitted(repository)
        worktree_tree(repository)
        assert (work / ".git/index").read_bytes() == index
        assert {*(work / ".git").iterdir()} == before
        assert git(work, "status", "--porcelain") == "?? new"

    def test_an_edit_in_the_moment_of_the_last_look_is_seen(self, work: Path, git: Any, opened: Any) -> None:
        git(work, "config", "core.trustctime", "false")
        moment = (1_600_000_000,) * 2
        os.utime(work / "a", moment)
        git(work, "add", "a")
        (work / "a").write_text("2\n")  # as long as before
        for path in (work / "a", work / ".git/index"):
            os.utime(path, moment)
        repository = opened(work)
        assert uncommitted(repository) == ("a",)
        assert contents(repository, worktree_tree(repository))["a"] == b"2\n"

    def test_excludes_of_the_person_and_the_clone_hold(self, work: Path, home: Path, opened: Any) -> None:
        (home / ".gitconfig").write_text(f"[core]\n\texcludesFile = {home / 'mine'}\n")
        (home / "mine").write_text("*.mine\n")
        (work / ".git/info/exclude").write_text("*.clone\n")
        for name in ("a.mine", "a.clone", "a.seen"):
            (work / name).touch()
        assert uncommitted(opened(work)) == ("a.seen",)

    def test_an_index_in_two_parts(self, work: Path, git: Any, opened: Any) -> None:
        git(work, "update-index", "--split-index")
        (work / "a").write_text("2\n")
        repository = opened(work)
        assert uncommitted(repository) == ("a",)
        assert contents(repository, worktree_tree(repository))["a"] == b"2\n"

    def test_a_linked_work_tree_and_one_without_a_commit(self, work: Path, git: Any, tmp_path: Path, opened: Any) -> None:
        git(work, "worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
        git(tmp_path, "init", "--quiet", "empty")
        for name in ("linked", "empty"):
            (tmp_path / name / "new").write_text("x")
            repository = opened(tmp_path / name)
            assert uncommitted(repository) == ("new",)
            assert contents(repository, worktree_tree(repository))["new"] == b"x"

    def test_a_filter_is_not_run_and_the_file_is_taken_as_it_is(self, work: Path, git: Any, opened: Any, canary: Path) -> None:
        git(work, "config", "filter.evil.clean", str(canary))
        git(work, "config", "filter.evil.required", "true")
        (work / ".gitattributes").write_text("* filter=evil\n")
        (work / "a").write_text("2\n")
        repository = opened(work)
        assert uncommitted(repository) == (".gitattributes", "a")
        assert contents(repository, worktree_tree(repository))["a"] == b"2\n"
        assert not (canary.parent / "ran").exists()

    @pytest.mark.parametrize("tracked", [True, False])
    def test_a_repository_inside_is_named_and_nothing_of_it_run(
        self, work: Path, git: Any, opened: Any, canary: Path, tracked: bool
    ) -> None:
        git(work, "init", "--quiet", "inner")
        git(work / "inner", "commit", "--quiet", "--allow-empty", "-m", "x")
        if tracked:
            git(work, "add", "inner")
            git(work, "commit", "--quiet", "-m", "a submodule")
        git(work / "inner", "config", "core.fsmonitor", str(canary))
        (work / "inner/file").touch()
        repository = opened(work)
        assert uncommitted(repository) == (() if tracked else ("inner/",))
        assert repository.entries(worktree_tree(repository))["inner"].mode == "160000"
        assert not (canary.parent / "ran").exists()

    def test_a_large_file_is_left_out_and_its_size_is_told(self, work: Path, opened: Any) -> None:
        for name, size in {"edge": FILE_BYTES, "large": FILE_BYTES + 1, "huge.yaml": 100 << 20}.items():
            with (work / name).open("wb") as file:
                file.truncate(size)
        repository = opened(work)
        entries = repository.entries(worktree_tree(repository))
        oids = {name: entries[name].oid for name in ("edge", "large", "huge.yaml")}
        sizes = repository.sizes(oids.values())
        assert {name: sizes[oid] for name, oid in oids.items()} == {
            "edge": FILE_BYTES,
            "large": FILE_BYTES + 1,
            "huge.yaml": 100 << 20,
        }
        assert len(repository.blobs([oids["huge.yaml"]])[oids["huge.yaml"]]) < 100
        assert sum(path.stat().st_size for path in (work / ".git/objects").rglob("*") if path.is_file()) < 1 << 20

    def test_a_bare_one_has_none(self, work: Path, git: Any, opened: Any) -> None:
        git(work, "clone", "--quiet", "--bare", ".", "../bare")
        repository = opened(work.parent / "bare")
        assert uncommitted(repository) == ()
        assert inside(repository, work) == ""
        with pytest.raises(GitError, match="no working tree"):
            worktree_tree(repository)

    def test_where_we_stand(self, work: Path, git: Any, opened: Any) -> None:
        repository = opened(work)
        assert [inside(repository, path) for path in (work / "infra/shop", work, work.parent)] == ["infra/shop", ".", ""]
        assert current_branch(repository) == "main"
        git(work, "checkout", "--quiet", "--detach")
        assert current_branch(repository) == ""


class TestSettingUp:
    def test_from_nothing_to_a_pushed_branch(self, home: Path, tmp_path: Path, git: Any) -> None:
        here, there = tmp_path / "state", tmp_path / "remote.git"
        here.mkdir()
        create(here)
        create_remote(there)
        (here / "workspace.yaml").write_text("format: 1\n")
        (here / "private").write_text("not given\n")
        oid = commit_all(here, ["workspace.yaml"], "a state repository")
        connect(here, str(there))
        push_main(here, "main")
        assert git(there, "rev-parse", "main") == oid == git(here, "rev-parse", "origin/main")
        assert git(here, "ls-files") == "workspace.yaml"
        assert git(here, "show", "-s", "--format=%an <%ae> %s") == "Ann Example <ann@example.org> a state repository"
        assert git(here, "config", "branch.main.remote") == "origin"
        assert git(there, "config", "receive.unpackLimit") == "1"

    def test_ordinary_fetches_stay_free_of_ledgers(self, work: Path, tmp_path: Path, git: Any) -> None:
        create_remote(tmp_path / "remote.git")
        connect(work, str(tmp_path / "remote.git"))
        connect(work, "elsewhere")
        assert git(work, "config", "--get-all", "remote.origin.fetch").split("\n") == [
            "+refs/heads/*:refs/remotes/origin/*",
            NEGATIVE_REFSPEC,
        ]
        assert git(work, "config", "remote.origin.url") == str(tmp_path / "remote.git")
        git(work, "push", "--quiet", "origin", "main")
        git(tmp_path / "remote.git", "update-ref", "refs/heads/provisioning/ledger/shop", "main")
        git(work, "fetch", "--quiet")
        assert git(work, "for-each-ref", "--format=%(refname)", "refs/remotes") == "refs/remotes/origin/main"

    def test_a_person_without_a_name_is_told_how_to_have_one(
        self, work: Path, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (home / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
        (work / "new").touch()
        with pytest.raises(GitError, match="git does not know who you are") as error:
            commit_all(work, ["new"], "m")
        assert error.value.kind == "no-identity" and "git config --global user.name" in error.value.hint

    def test_a_commit_that_a_hook_of_the_person_refuses(self, work: Path) -> None:
        hook = work / ".git/hooks/pre-commit"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text("#!/bin/sh\necho 'error: tests fail' >&2\nexit 1\n")
        hook.chmod(0o755)
        (work / "new").touch()
        with pytest.raises(GitError, match="git could not commit: tests fail"):
            commit_all(work, ["new"], "m")

    def test_a_push_that_fails_says_how_to_repeat_it(self, work: Path, git: Any) -> None:
        git(work, "remote", "add", "origin", "/nonexistent/x.git")
        with pytest.raises(GitError, match=r"the push to origin failed: '/nonexistent/x\.git'") as error:
            push_main(work, "main")
        assert (error.value.kind, error.value.hint) == ("unreachable", "push it yourself: git push -u origin main")
