"""The real clone: how it is found, and what the conformance suite cannot ask of its twin in memory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gitops.git.local import PACKS, READ_AHEAD, GitRepository, import_script, open_repository, quoted
from gitops.ports import ZERO, GitError, Person

ANN = Person("Ann Example", "ann@example.org", 1_700_000_000)


class TestOpening:
    def test_from_a_folder_inside(self, work: Path, opened: Any) -> None:
        repository = opened(work / "infra/shop")
        assert (repository.work_tree, repository.git_dir) == (work, str(work / ".git"))

    def test_a_bare_one(self, work: Path, git: Any, tmp_path: Path, opened: Any) -> None:
        git(tmp_path, "clone", "--quiet", "--bare", str(work), "bare.git")
        repository = opened(tmp_path / "bare.git")
        assert repository.work_tree is None
        assert repository.resolve("main") == git(work, "rev-parse", "main")

    def test_a_linked_work_tree_has_its_own_head_and_shares_refs(self, work: Path, git: Any, tmp_path: Path, opened: Any) -> None:
        git(work, "worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
        git(tmp_path / "linked", "commit", "--quiet", "--allow-empty", "-m", "second")
        main, linked = opened(work), opened(tmp_path / "linked")
        assert linked.work_tree == tmp_path / "linked"
        assert linked.resolve("HEAD") == git(tmp_path / "linked", "rev-parse", "HEAD") != main.resolve("HEAD")
        assert linked.resolve("HEAD~1") == main.resolve("HEAD")
        linked.set_ref("refs/provisioning/x", linked.resolve("HEAD"))
        assert main.local("refs/provisioning") == linked.local("refs/provisioning") != {}

    def test_a_detached_head_is_normal(self, work: Path, git: Any, opened: Any) -> None:
        git(work, "checkout", "--quiet", "--detach")
        assert opened(work).resolve("HEAD") == git(work, "rev-parse", "main")

    def test_an_empty_one(self, tmp_path: Path, git: Any, opened: Any) -> None:
        git(tmp_path, "init", "--quiet", "empty")
        assert opened(tmp_path / "empty").resolve("HEAD") is None

    @pytest.mark.parametrize(("name", "says"), [("nowhere", "does not exist"), ("plain", "is not inside a Git repository")])
    def test_what_is_none(self, tmp_path: Path, opened: Any, name: str, says: str) -> None:
        (tmp_path / "plain").mkdir()
        with pytest.raises(GitError, match=says) as error:
            opened(tmp_path / name)
        assert error.value.kind == "not-a-repository"

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
    def test_one_of_another_user(self, work: Path, git: Any, environ: Mapping[str, str], opened: Any) -> None:
        for path in (work, work / ".git"):
            os.chown(path, 65534, 65534)
        with pytest.raises(GitError, match="belongs to another user") as error:
            opened(work)
        assert (error.value.kind, error.value.hint) == ("denied", f"git config --global --add safe.directory {work}")
        subprocess.run(error.value.hint.split(), env=environ, check=True)
        assert opened(work).work_tree == work

    def test_variables_of_another_repository_do_not_count(
        self, work: Path, tmp_path: Path, git: Any, environ: Mapping[str, str]
    ) -> None:
        git(tmp_path, "init", "--quiet", "other")
        with open_repository(work, {**environ, "GIT_DIR": str(tmp_path / "other/.git"), "GIT_WORK_TREE": "/"}) as repository:
            assert repository.git_dir == str(work / ".git")

    def test_content_that_looks_like_a_repository_is_content(self, work: Path, git: Any, opened: Any, canary: Path) -> None:
        planted = work / "infra/planted"
        git(work, "init", "--quiet", "--bare", str(planted))
        git(planted, "config", "core.fsmonitor", str(canary))
        (planted / "refs/keep").touch()
        (planted / "objects/keep").touch()
        git(work, "add", ".")
        assert opened(planted).git_dir == str(work / ".git")
        with pytest.raises(GitError, match="is not inside a Git repository"):
            opened(planted / "refs")

    def test_a_bare_clone_that_someone_put_inside_a_work_tree_is_meant(self, work: Path, git: Any, opened: Any) -> None:
        git(work, "clone", "--quiet", "--bare", ".", "state.git")
        assert opened(work / "state.git").git_dir == str(work / "state.git")


def test_what_is_written_is_sound_and_leaves_no_ref(work: Path, git: Any, opened: Any) -> None:
    repository = opened(work)
    tip = repository.resolve("HEAD")
    for number in range(5):
        tip = repository.write(tip, {f"state/{number % 2}/{number}.json": b"x" * number}, f"m{number}\n", ANN)
    assert git(work, "for-each-ref", "--format=%(refname)") == "refs/heads/main"
    git(work, "update-ref", "refs/heads/written", tip)
    git(work, "fsck", "--strict", "--no-dangling")
    assert (
        git(work, "show", "-s", "--format=%an %ae %at %cn %ct", tip)
        == "Ann Example ann@example.org 1700000000 Ann Example 1700000000"
    )
    assert git(work, "status", "--porcelain") == ""


def test_a_stream_names_its_scratch_ref_once_and_quotes_paths() -> None:
    one, two = (import_script([], {'a "b"': b"1"}, {}, "m", ANN) for _ in range(2))
    assert one != two
    assert b'M 100644 inline "a \\"b\\""\n' in one
    assert quoted("a\n\\\udcff") == b'"a\\n\\\\\xff"'


def test_a_long_history_is_whole(work: Path, opened: Any) -> None:
    repository = opened(work)
    chain = [repository.resolve("HEAD")]
    stream = []
    for number in range(READ_AHEAD * 6):
        mark = f"from {chain[0]}\n" if not number else ""
        stream.append(
            f"commit refs/heads/long\nmark :{number + 1}\ncommitter a <a@b> {number} +0000\ndata 1\nm{mark and chr(10) + mark}\n"
        )
    subprocess.run(
        ["git", "-C", str(work), "fast-import", "--quiet"], input="".join(stream).encode(), check=True, capture_output=True
    )
    tip = repository.resolve("long")
    found = repository.history(tip)
    assert len(found) == READ_AHEAD * 6 + 1 and found[-1].oid == chain[0]
    assert all(found[n].parents[0] == found[n + 1].oid for n in range(len(found) - 1))
    assert [c.oid for c in opened(work).history(tip, stop=found[150].oid)] == [c.oid for c in found[:150]]
    assert len(opened(work).history(tip, limit=100)) == 100


class TestSigning:
    @pytest.fixture
    def keys(self, tmp_path: Path) -> Mapping[str, str]:
        """Public keys of two people; the first signs."""
        for name in ("ann", "eve"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(tmp_path / name)], check=True)
        return {name: " ".join((tmp_path / f"{name}.pub").read_text().split()[:2]) for name in ("ann", "eve")}

    @pytest.fixture
    def signed(self, work: Path, home: Path, tmp_path: Path, keys: Mapping[str, str], opened: Any) -> tuple[GitRepository, str]:
        """A commit signed by ann."""
        with (home / ".gitconfig").open("a") as config:
            config.write(f"\tsigningkey = {tmp_path / 'ann'}\n[gpg]\n\tformat = ssh\n[user]\n\tsigningkey = {tmp_path / 'ann'}\n")
        repository = opened(work)
        return repository, repository.write(repository.resolve("HEAD"), {"b": b"1"}, "approve\n\nx: y\n", ANN, sign=True)

    def test_a_signed_commit_is_the_same_commit_with_a_signature(self, signed: tuple[GitRepository, str]) -> None:
        repository, oid = signed
        found = repository.commit(oid)
        assert found.signed
        assert (found.author, found.message, found.parents) == (ANN, "approve\n\nx: y\n", (repository.resolve("HEAD"),))
        assert repository.blobs([repository.entries(oid)["b"].oid])

    def test_it_is_good_for_the_listed_key_and_names_the_principal(
        self, signed: tuple[GitRepository, str], keys: Mapping[str, str], tmp_path: Path
    ) -> None:
        repository, oid = signed
        fingerprint = subprocess.run(
            ["ssh-keygen", "-l", "-f", str(tmp_path / "ann.pub")], capture_output=True, text=True, check=True
        ).stdout.split()[1]
        found = repository.verify(oid, [f"eve@example.org {keys['eve']}", f"ann@example.org {keys['ann']}"])
        assert (found.good, found.principal, found.key) == (True, "ann@example.org", fingerprint)

    @pytest.mark.parametrize(
        "allowed",
        [
            [],
            ["ann@example.org {eve}"],
            ["ann@example.org {eve}\nann@example.org {ann}"],
            ['ann@example.org namespaces="file" {ann}'],
            ['ann@example.org valid-before="20200101" {ann}'],
            ["# ann@example.org {ann}"],
        ],
    )
    def test_it_is_good_for_nothing_else(
        self, signed: tuple[GitRepository, str], keys: Mapping[str, str], allowed: list[str]
    ) -> None:
        repository, oid = signed
        found = repository.verify(oid, [line.format(**keys) for line in allowed])
        assert (found.good, found.principal, found.key) == (False, "", "")

    def test_a_signature_moved_to_another_commit_is_not_good(
        self, signed: tuple[GitRepository, str], keys: Mapping[str, str], work: Path, git: Any
    ) -> None:
        repository, oid = signed
        raw = git(work, "cat-file", "commit", oid).replace("approve", "approve everything") + "\n"
        forged = (
            subprocess.run(
                ["git", "-C", str(work), "hash-object", "-t", "commit", "-w", "--stdin"],
                input=raw.encode(),
                capture_output=True,
                check=True,
            )
            .stdout.decode()
            .strip()
        )
        assert repository.commit(forged).signed
        assert not repository.verify(forged, [f"ann@example.org {keys['ann']}"]).good

    def test_a_key_given_by_the_repository_decides_nothing(
        self, signed: tuple[GitRepository, str], keys: Mapping[str, str], work: Path, git: Any, tmp_path: Path
    ) -> None:
        (tmp_path / "signers").write_text(f"ann@example.org {keys['ann']}\n")
        git(work, "config", "gpg.ssh.allowedSignersFile", str(tmp_path / "signers"))
        assert not signed[0].verify(signed[1], []).good

    def test_without_a_key_there_is_a_hint(self, work: Path, opened: Any) -> None:
        with pytest.raises(GitError, match="git cannot sign") as error:
            opened(work).write("", {"b": b"1"}, "m", ANN, sign=True)
        assert error.value.kind == "no-identity" and "ssh-keygen -t ed25519" in error.value.hint


class TestFacts:
    def test_the_repositorys_settings_and_the_persons(self, work: Path, git: Any, home: Path, opened: Any) -> None:
        git(work, "config", "remote.origin.url", "https://x/y")
        repository = opened(work)
        assert repository.setting("remote.origin.url") == "https://x/y"
        assert repository.setting("user.name") == ""
        assert repository.setting("user.name", own=True) == "Ann Example"
        assert repository.setting("no.such", own=True) == ""

    def test_who_the_person_is(self, work: Path, git: Any, home: Path, environ: Mapping[str, str], opened: Any) -> None:
        assert opened(work).identity() == Person("Ann Example", "ann@example.org")
        git(work, "config", "user.email", "ann@work.example")
        assert opened(work).identity() == Person("Ann Example", "ann@work.example")
        with open_repository(work, {**environ, "GIT_AUTHOR_NAME": "CI", "GIT_AUTHOR_EMAIL": "ci@x"}) as repository:
            assert repository.identity() == Person("CI", "ci@x")

    def test_nobody(self, work: Path, home: Path, opened: Any) -> None:
        (home / ".gitconfig").unlink()
        assert opened(work).identity() is None


class TestRefs:
    def test_a_stale_lock_is_overcome_and_a_fresh_one_is_an_error(self, work: Path, opened: Any) -> None:
        repository = opened(work)
        tip = repository.resolve("HEAD")
        lock = work / ".git/refs/provisioning/x.lock"
        lock.parent.mkdir()
        lock.touch()
        os.utime(lock, (0, 0))
        assert repository.set_ref("refs/provisioning/x", tip, ZERO)
        repository.git.base["GIT_CONFIG_COUNT"] = "0"  # or it waits two seconds for the other process
        lock.touch()
        with pytest.raises(GitError, match="File exists"):
            repository.set_ref("refs/provisioning/x", tip)

    def test_an_annotated_tag_is_its_commit(self, work: Path, git: Any, opened: Any) -> None:
        git(work, "tag", "-a", "v1", "-m", "one")
        repository = opened(work)
        assert repository.local("refs/tags") == {"refs/tags/v1": repository.resolve("HEAD")}
        assert repository.resolve("v1") == repository.resolve("HEAD")

    def test_a_ref_that_points_at_another_is_moved_itself(self, work: Path, git: Any, opened: Any) -> None:
        git(work, "symbolic-ref", "refs/provisioning/x", "refs/heads/main")
        repository = opened(work)
        main = repository.resolve("main")
        written = repository.write(main, {"b": b"1"}, "m", ANN)
        assert repository.set_ref("refs/provisioning/x", written)
        assert (repository.resolve("main"), repository.resolve("refs/provisioning/x")) == (main, written)

    def test_replaced_and_grafted_objects_do_not_count(self, work: Path, git: Any, opened: Any) -> None:
        git(work, "commit", "--quiet", "--allow-empty", "-m", "second")
        first, second = git(work, "rev-parse", "main~1"), git(work, "rev-parse", "main")
        git(work, "replace", "--graft", second)
        (work / ".git/info/grafts").write_text(f"{second}\n")
        assert opened(work).contains(second, first)
        assert opened(work).commit(second).parents == (first,)


def test_many_small_packs_are_joined_and_nothing_is_lost(work: Path, git: Any, opened: Any) -> None:
    repository = opened(work)
    packs = work / ".git/objects/pack"
    tip = repository.resolve("HEAD")
    written = []
    while len([*packs.glob("*.pack")]) < PACKS:
        assert repository.tidy() is False
        tip = repository.write(tip, {f"s/{len(written)}": os.urandom(9)}, "m", ANN)
        written.append(tip)
    assert repository.tidy() is True
    assert len([*packs.glob("*.pack")]) < PACKS / 2
    assert repository.tidy() is False
    # no ref leads there, and all of it is still there, for this reader and a new one
    assert [found.oid for found in repository.history(tip, limit=len(written))] == written[::-1]
    fresh = opened(work)
    assert len(fresh.blobs(entry.oid for entry in fresh.entries(tip, "s").values())) == len(written)
