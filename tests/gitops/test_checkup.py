"""``doctor``: each thing that can be wrong is told in one line, and what to do about it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gitops.checkup import Check, checks, git, python
from gitops.ledger.workspace_moves import DAY, ProbeRecord
from gitops.wiring import open_workspace

WORKSPACE = "format: 1\nid: 0123456789abcdef\nname: test\nremote: {}\n"


class Desk:
    """Somebody with a clone of a state repository and its remote."""

    def __init__(self, person: Any, folder: Path, remote: Path) -> None:
        self.person, self.folder, self.remote = person, folder, remote
        self.environ: dict[str, str] = {**person.environ, "XDG_CACHE_HOME": str(person.home / "cache")}

    def commit(self, **files: str) -> None:
        self.person.write(self.folder, files)

    def push(self) -> None:
        self.person.git(self.folder, "push", "--quiet", "origin", "HEAD:refs/heads/main")

    def found(self, probing: bool = False) -> dict[str, Check]:
        """The last check of each name."""
        return {c.name: c for c in checks(str(self.folder), self.environ, probing)}


@pytest.fixture
def desk(meet: Callable[..., Any], file_remote: Callable[[str], Any], tmp_path: Path) -> Desk:
    """All is well but for the probe."""
    ann, remote = meet("Ann", key=True), file_remote("state").path
    folder = tmp_path / "work"
    folder.mkdir()
    ann.git(folder, "init", "--quiet")
    ann.git(folder, "remote", "add", "origin", str(remote))
    ann.git(folder, "config", "--add", "remote.origin.fetch", "^refs/heads/provisioning/*")
    made = Desk(ann, folder, remote)
    made.commit(**{"workspace.yaml": WORKSPACE.format(remote)})
    made.push()
    return made


def test_when_all_is_well_there_is_only_one_thing_to_do(desk: Desk) -> None:
    found = desk.found()
    assert [name for name, check in found.items() if check.level != "ok"] == ["probe"]
    assert [*found] == ["python", "git", "repository", "identity", "signing key", "workspace.yaml", "remote", "probe"]
    untried = "nobody has tried out yet what the remote guarantees; the first apply does"
    assert found["probe"] == Check("probe", "warning", untried, "provisioning doctor --remote")
    assert found["workspace.yaml"].finding == "test, id 0123456789abcdef, format 1"
    assert found["repository"].finding == str(desk.folder)


def test_a_probe_is_told_and_remembered(desk: Desk) -> None:
    told = [c for c in checks(str(desk.folder), desk.environ, True) if c.name == "remote probe"]
    assert {c.level for c in told[:6]} == {"ok"}
    assert [c.finding for c in told if c.level == "warning"] == [
        "not so: a branch cannot be rewritten",
        "not so: a branch cannot be deleted",
    ]
    assert told[-1].finding.startswith("a push takes ")
    assert desk.found()["probe"] == Check("probe", "ok", "the remote was tried out 0 days ago")
    refs = desk.person.git(desk.remote, "for-each-ref", "--format=%(refname)").splitlines()
    assert refs == ["refs/heads/main", "refs/heads/provisioning/audit"]


def test_every_clone_knows_of_a_probe_and_none_believes_it_for_ever(desk: Desk, tmp_path: Path) -> None:
    recorded(desk, ProbeRecord(str(desk.remote), int(time.time()) - 40 * DAY))
    desk.person.git(tmp_path, "clone", "--quiet", str(desk.remote), "clone")
    desk.folder = tmp_path / "clone"
    assert desk.found()["probe"].finding == "the remote was last tried out 40 days ago; the next apply does it again"
    desk.found(probing=True)
    assert desk.found()["probe"].finding == "the remote was tried out 0 days ago"


def test_a_remote_that_was_found_unfit_is_told(desk: Desk) -> None:
    recorded(desk, ProbeRecord(str(desk.remote), int(time.time()), ("a branch moves only from where it is",)))
    check = desk.found()["probe"]
    assert (check.level, check.hint) == ("error", "provisioning doctor --remote")
    assert check.finding == "the remote was not fit for a ledger 0 days ago: not so: a branch moves only from where it is"


def recorded(desk: Desk, made: ProbeRecord) -> None:
    space = open_workspace(desk.folder, desk.environ)
    space.common.record(made)
    space.close()


def test_a_lock_that_a_killed_git_left_at_the_remote_is_named(desk: Desk) -> None:
    lock = desk.remote / "refs/heads/provisioning/ledger/shop.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    assert "remote lock" not in desk.found(), "it may be a living one's"
    os.utime(lock, (0, 0))
    check = desk.found()["remote lock"]
    assert (check.level, check.hint) == ("error", f"once no push is running, remove {lock}")
    assert "left shop.lock" in check.finding


def test_a_remote_that_may_not_be_written_is_told(desk: Desk) -> None:
    hook = desk.remote / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho read only >&2\nexit 1\n")
    hook.chmod(0o755)
    check = desk.found(probing=True)["remote probe"]
    assert check.level == "error"
    assert "does not allow this push" in check.finding


@pytest.mark.parametrize(("version", "level"), [((3, 10, 9), "error"), ((3, 11, 0), "ok"), ((3, 14, 1), "ok"), ((4, 0, 0), "ok")])
def test_python_has_to_be_new_enough(version: tuple[int, ...], level: str) -> None:
    assert python(version).level == level


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("git version 2.39.5", Check("git", "ok", "2.39.5")),
        ("git version 2.50.1 (Apple Git-155)", Check("git", "ok", "2.50.1")),
        ("git version 2.38.9", Check("git", "error", "2.38.9", "install git 2.39 or newer")),
        ("?", Check("git", "error", "no version told", "install git 2.39 or newer")),
    ],
)
def test_git_has_to_be_new_enough(tmp_path: Path, said: str, expected: Check) -> None:
    program = tmp_path / "git"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    assert git({"PATH": str(tmp_path)}) == expected


def test_without_git_that_is_what_is_told(tmp_path: Path) -> None:
    assert git({"PATH": str(tmp_path)}) == Check("git", "error", "it cannot be run", "install git 2.39 or newer")


def test_outside_a_repository_the_rest_is_not_looked_at(tmp_path: Path, meet: Callable[..., Any]) -> None:
    found = checks(str(tmp_path), meet("Ann").environ, True)
    assert [c.name for c in found] == ["python", "git", "repository"]
    assert (found[-1].level, found[-1].hint) == ("error", "'provisioning init DIR' makes a state repository")


def test_who_has_no_identity_or_key_is_told_how_to_get_one(desk: Desk) -> None:
    (desk.person.home / ".gitconfig").write_text("")
    found = desk.found(probing=True)
    assert (found["identity"].level, found["identity"].finding) == ("error", "git does not know you")
    assert (found["signing key"].level, found["signing key"].finding) == ("warning", "none, and approvals are signed")
    assert "remote probe" not in found


def test_a_key_of_another_kind_is_told(desk: Desk) -> None:
    desk.person.git(desk.folder, "config", "--global", "gpg.format", "openpgp")
    check = desk.found()["signing key"]
    assert (check.level, check.finding) == ("warning", "it is no ssh key, and approvals are checked against those")


def test_mistakes_in_workspace_yaml_are_told_with_their_place(desk: Desk) -> None:
    desk.commit(**{"workspace.yaml": "format: 1\nid: 0123456789abcdef\nname: test\nremot: x\nlegder: {}\n"})
    check = desk.found()["workspace.yaml"]
    assert check.level == "error"
    assert check.finding.startswith("workspace.yaml:4:1: error: ")
    assert check.finding.endswith("(and 1 more)")
    assert check.hint == "'provisioning validate' shows all"


def test_a_repository_without_a_commit_is_told(desk: Desk, tmp_path: Path) -> None:
    desk.folder = tmp_path / "new"
    desk.folder.mkdir()
    desk.person.git(desk.folder, "init", "--quiet")
    assert desk.found()["workspace.yaml"].finding == "this repository has no commit yet"


@pytest.mark.parametrize(
    ("argv", "level", "finding"),
    [
        (("remote", "remove", "origin"), "error", "this repository has no remote 'origin', and the ledger lives there"),
        (("remote", "set-url", "origin", "/nowhere.git"), "error", "the remote /nowhere.git cannot be reached: "),
        (("remote", "set-url", "origin", "ext::sh"), "error", "'ext::sh' is not the address of a remote"),
    ],
)
def test_a_remote_that_is_not_there_is_told_and_not_probed(desk: Desk, argv: tuple[str, ...], level: str, finding: str) -> None:
    desk.person.git(desk.folder, *argv)
    found = desk.found(probing=True)
    assert found["remote"].level == level
    assert found["remote"].finding.startswith(finding)
    assert "remote probe" not in found


def test_a_fork_is_told(desk: Desk, file_remote: Callable[[str], Any]) -> None:
    fork = file_remote("fork").path
    desk.person.git(desk.folder, "remote", "set-url", "origin", str(fork))
    desk.push()
    check = desk.found()["remote"]
    assert (check.level, check.finding) == ("warning", f"workspace.yaml says this workspace lives at {desk.remote}")


def test_a_remote_without_the_protected_branch_is_told(desk: Desk) -> None:
    desk.commit(**{"workspace.yaml": WORKSPACE.format(desk.remote) + "protected_branch: trunk\n"})
    check = desk.found()["remote"]
    assert (check.level, check.finding) == ("warning", f"{desk.remote} has no branch 'trunk'")
    assert check.hint == "git push -u origin HEAD:trunk"


def test_fetches_that_bring_ledgers_are_told(desk: Desk) -> None:
    desk.person.git(desk.folder, "config", "--unset-all", "remote.origin.fetch", "provisioning")
    check = desk.found()["fetch"]
    assert (check.level, check.hint) == ("warning", "git config --add remote.origin.fetch '^refs/heads/provisioning/*'")


@pytest.mark.parametrize("there", [False, True])
def test_sops_is_asked_for_where_there_are_secrets(desk: Desk, tmp_path: Path, there: bool) -> None:
    assert "sops" not in desk.found()
    desk.commit(**{"infra/shop/secrets.enc.yaml": "sops: {}\n"})
    folder = tmp_path / "bin"
    folder.mkdir()
    if there:
        (folder / "sops").write_text("#!/bin/sh\n")
        (folder / "sops").chmod(0o755)
    (folder / "git").symlink_to(where(desk.environ, "git"))
    desk.environ["PATH"] = str(folder)
    check = desk.found()["sops"]
    assert check.level == ("ok" if there else "error")
    assert check.finding == (
        str(folder / "sops") if there else "this repository has secrets, and the sops program is not on PATH"
    )


def where(environ: Mapping[str, str], name: str) -> str:
    import shutil

    return str(shutil.which(name, path=environ["PATH"]))
