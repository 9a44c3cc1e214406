"""The remote's address, and what only real ones do; what they all must do is in the conformance suite."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gitops.git.remote import GitRemote, folder_of, normalised
from gitops.ports import ZERO, GitError, Person, Pushed, RefUpdate

ANN = Person("Ann", "ann@example.org", 1)


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c id",
        "-oProxyCommand=id",
        "--upload-pack=id",
        "git://x/y",
        "fd::3",
        "file",
        "",
        "ssh-x::y",
        "ftp://x/y",
        "../x",
        "HTTPS://x",
    ],
)
def test_what_is_no_address_of_ours_is_refused(work: Path, opened: Any, url: str) -> None:
    with pytest.raises(GitError, match="is not the address of a remote"):
        GitRemote(opened(work).git, url)


@pytest.mark.parametrize(
    "url", ["https://x/y", "http://x/y", "ssh://git@x:22/y", "git@x:y", "x:y", "[::1]:y", "/srv/x", "file:///srv/x"]
)
def test_addresses_of_ours(work: Path, opened: Any, url: str) -> None:
    assert GitRemote(opened(work).git, url).url == url


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://github.com/acme/state.git", "github.com/acme/state"),
        ("https://token:x@GitHub.com:443//acme/state.git/", "github.com/acme/state"),
        ("git@github.com:acme/state.git", "github.com/acme/state"),
        ("github.com:/acme/state", "github.com/acme/state"),
        ("ssh://git@github.com:22/acme/state", "github.com/acme/state"),
        ("ssh://git@forge.example:2222/acme/state.git", "forge.example:2222/acme/state"),
        ("https://x/with%20space", "x/with space"),
        ("ssh://[::1]/srv/x.git", "[::1]/srv/x"),
        ("[::1]:srv/x.git", "[::1]/srv/x"),
    ],
)
def test_addresses_of_one_repository_compare_equal(url: str, plain: str) -> None:
    assert normalised(url) == plain


def test_folders_compare_by_where_they_really_are(tmp_path: Path) -> None:
    (tmp_path / "real dir").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real dir")
    spellings = [f"{tmp_path}/link", f"file://{tmp_path}/link", f"file://{tmp_path}/real%20dir/", f"{tmp_path}/x/../real dir"]
    assert {normalised(spelling) for spelling in spellings} == {str(tmp_path / "real dir")}
    assert folder_of("https://x/y") is None


def test_credentials_in_an_address_are_never_shown(work: Path, opened: Any) -> None:
    remote = GitRemote(opened(work).git, "https://ann:secret@127.0.0.1:1/x")
    assert remote.shown == "https://127.0.0.1:1/x"
    with pytest.raises(GitError) as error:
        remote.refs(["*"])
    assert "secret" not in str(error.value) and "127.0.0.1:1/x" in str(error.value)


def test_an_annotated_tag_is_its_commit(work: Path, git: Any, opened: Any, file_remote: Any) -> None:
    site = file_remote("x")
    git(work, "tag", "-a", "v1", "-m", "one")
    git(work, "push", "--quiet", site.url, "main", "v1")
    repository = opened(work)
    remote = GitRemote(repository.git, site.url)
    tip = repository.resolve("HEAD")
    assert remote.refs(["refs/tags/*"]) == {"refs/tags/v1": tip}
    assert remote.refs(["*"]) == {"HEAD": tip, "refs/heads/main": tip, "refs/tags/v1": tip}
    assert remote.fetch({"refs/tags/v1": "refs/provisioning/v1"}) == {"refs/provisioning/v1": tip}


def test_a_fetch_overcomes_the_lock_of_a_killed_one(work: Path, git: Any, opened: Any, file_remote: Any) -> None:
    site = file_remote("x")
    git(work, "push", "--quiet", site.url, "main")
    lock = work / ".git/refs/provisioning/seen.lock"
    lock.parent.mkdir()
    lock.touch()
    os.utime(lock, (0, 0))
    repository = opened(work)
    remote = GitRemote(repository.git, site.url)
    assert remote.fetch({"refs/heads/main": "refs/provisioning/seen"}) == {"refs/provisioning/seen": repository.resolve("main")}


def test_a_server_that_says_no_in_other_words_leaves_the_push_unknown(work: Path, opened: Any, file_remote: Any) -> None:
    site = file_remote("x")
    site.hook("update", "echo 'come back later' >&2; kill -9 $PPID")
    repository = opened(work)
    remote = GitRemote(repository.git, site.url)
    assert remote.push([RefUpdate("refs/heads/main", ZERO, repository.resolve("HEAD"))]) is Pushed.UNKNOWN


def test_why_a_push_was_not_taken_is_told_with_what_helps(work: Path, opened: Any, file_remote: Any) -> None:
    site = file_remote("estate")
    repository = opened(work)
    remote = GitRemote(repository.git, site.url)
    update = RefUpdate("refs/heads/x", ZERO, repository.resolve("HEAD"))
    lock = site.path / "refs/heads/x.lock"
    lock.touch()
    assert remote.push([update]) is Pushed.UNKNOWN
    assert remote.refused is not None
    assert f"does not take this push: '{site.path}/./refs/heads/x.lock': File exists" in str(remote.refused)
    assert remote.refused.hint.startswith("once no push is running, remove ")
    lock.unlink()
    site.hook("reference-transaction", "echo 'fatal: write error: No space left on device' >&2; exit 1")
    assert remote.push([update]) is Pushed.UNKNOWN
    assert remote.refused.hint == "make room at the remote"
    (site.path / "hooks/reference-transaction").unlink()
    assert remote.push([update]) is Pushed.ACCEPTED
    assert remote.refused is None


def test_a_push_whose_answer_is_lost_is_unknown_and_has_landed(work: Path, opened: Any, file_remote: Any) -> None:
    site = file_remote("x")
    site.hook("post-receive", "kill -9 $PPID")
    repository = opened(work)
    remote = GitRemote(repository.git, site.url)
    tip = repository.resolve("HEAD")
    assert remote.push([RefUpdate("refs/heads/main", ZERO, tip)]) is Pushed.UNKNOWN
    assert remote.refs(["refs/heads/main"]) == {"refs/heads/main": tip}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a folder away")
def test_a_folder_of_another_user_is_used_when_the_person_trusts_it(
    work: Path, environ: Mapping[str, str], opened: Any, file_remote: Any
) -> None:
    site = file_remote("x")
    os.chown(site.path, 65534, 65534)
    repository = opened(work)
    with pytest.raises(GitError) as error:
        GitRemote(repository.git, site.url).refs(["*"])
    assert (error.value.kind, error.value.hint) == ("denied", f"git config --global --add safe.directory {site.path}")
    subprocess.run(error.value.hint.split(), env=environ, check=True)
    repository = opened(work)
    remote = GitRemote(repository.git, site.url)
    assert remote.push([RefUpdate("refs/heads/main", ZERO, tip := repository.resolve("HEAD"))]) is Pushed.ACCEPTED
    assert remote.fetch({"refs/heads/main": "refs/provisioning/x"}) == {"refs/provisioning/x": tip}


def test_a_push_needs_updates_and_each_ref_once(work: Path, opened: Any, file_remote: Any) -> None:
    repository = opened(work)
    remote = GitRemote(repository.git, file_remote("x").url)
    update = RefUpdate("refs/heads/main", ZERO, repository.resolve("HEAD"))
    for updates in ([], [update, update]):
        with pytest.raises(GitError, match="a push needs updates"):
            remote.push(updates)


def test_only_a_scratch_branch_is_ever_rewound_or_deleted(work: Path, opened: Any, file_remote: Any) -> None:
    repository = opened(work)
    site = file_remote("state")
    remote = GitRemote(repository.git, site.url)
    tip = repository.resolve("HEAD")
    ledger, scratch = "refs/heads/provisioning/ledger/shop", "refs/heads/provisioning/probe-1"
    assert remote.push([RefUpdate(ledger, ZERO, tip), RefUpdate(scratch, ZERO, tip)]) is Pushed.ACCEPTED
    for new in (ZERO, tip):
        with pytest.raises(GitError, match="is no scratch branch"):
            remote.overwrite(ledger, tip, new)
    other = repository.write("", {"a": b"2"}, "another", ANN)
    assert remote.overwrite(scratch, other, ZERO) is Pushed.REJECTED
    assert remote.overwrite(scratch, tip, other) is Pushed.ACCEPTED
    assert remote.refs(["refs/heads/*"]) == {ledger: tip, scratch: other}
    assert remote.overwrite(scratch, other, ZERO) is Pushed.ACCEPTED
    assert remote.refs(["refs/heads/*"]) == {ledger: tip}
