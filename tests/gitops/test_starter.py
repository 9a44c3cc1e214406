"""``init``: whole or not at all, in a new place or an old one."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gitops import starter
from gitops.declare.load import load_workspace
from gitops.schema.workspace import WorkspaceConfig
from gitops.starter import BUILT_IN, absolute, public, start
from gitops.stops import Exit, Stop

TEMPLATE = {
    "workspace.yaml": '# whose\nformat: 1\n# random\nid: filled-in-by-init\nname: x\nremote: ""\n',
    "README.md": "ours\n",
    ".gitignore": "*.plan\n",
    ".github/workflows/plan.yml": "on: push\n",
    "infra/shop/main.yaml": "settings: {provider: fake}\n",
    "extensions/taskservs/web/scripts/install": "#!/bin/sh\n",
}


@pytest.fixture
def ann(meet: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ann, whose environment is that of this process too: GitPython reads it from there."""
    return at_desk(meet("Ann"), monkeypatch)


def at_desk(person: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in [n for n in os.environ if n.startswith("GIT_") or n in ("XDG_CONFIG_HOME", "EMAIL")]:
        monkeypatch.delenv(name)
    for name, value in person.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(person.home)
    return person


@pytest.fixture
def template(tmp_path: Path) -> str:
    folder = tmp_path / "template"
    for path, text in TEMPLATE.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "extensions/taskservs/web/scripts/install").chmod(0o755)
    return str(folder)


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    path = tmp_path / "state.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", str(path)], check=True)
    return path


def snapshot(folder: Path) -> dict[str, bytes | None]:
    """Every path below ``folder`` (without Git's own) and its content."""
    if not folder.exists():
        return {}
    paths = [p for p in sorted(folder.rglob("*")) if ".git" not in p.relative_to(folder).parts]
    return {p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else None for p in paths}


def refused(folder: Path, template: str, ann: Any, remote: str = "") -> tuple[Exit, str]:
    """``start`` ends so, and leaves nothing behind."""
    before = snapshot(folder)
    was_there, was_repository = folder.exists(), (folder / ".git").exists()
    index = ann.git(folder, "status", "--porcelain") if was_repository else ""
    with pytest.raises(Stop) as stopped:
        start(folder, template, remote, False, ann.environ)
    assert snapshot(folder) == before
    assert (folder.exists(), (folder / ".git").exists()) == (was_there, was_repository)
    assert (ann.git(folder, "status", "--porcelain") if was_repository else "") == index
    return stopped.value.code, stopped.value.message


def test_a_new_place_becomes_a_repository_with_one_commit(ann: Any, template: str, tmp_path: Path) -> None:
    made = start(tmp_path / "deep/estate", template, "", False, ann.environ)
    assert made.files == tuple(sorted(TEMPLATE))
    assert (made.branch, made.origin, made.pushed, made.kept) == ("main", "", False, ())
    assert ann.git(made.path, "log", "--format=%H %an <%ae>") == f"{made.commit} Ann <ann@example.org>"
    assert ann.git(made.path, "status", "--porcelain", "--ignored") == ""
    assert ann.git(made.path, "ls-files", "-s", "extensions").startswith("100755 ")


def test_the_workspace_has_a_name_and_a_random_id_and_keeps_its_comments(ann: Any, template: str, tmp_path: Path) -> None:
    one, two = (start(tmp_path / name, template, "", True, ann.environ) for name in ("Büro & co", "other"))
    assert re.fullmatch(r"[0-9a-f]{16}", one.workspace_id) and one.workspace_id != two.workspace_id
    text = (one.path / "workspace.yaml").read_text()
    assert text == f'# whose\nformat: 1\n# random\nid: {one.workspace_id}\nname: B-ro---co\nremote: ""\n'


def test_without_the_example_on_request(ann: Any, template: str, tmp_path: Path) -> None:
    made = start(tmp_path / "estate", template, "", True, ann.environ)
    assert made.files == (".github/workflows/plan.yml", ".gitignore", "README.md", "workspace.yaml")


def test_what_tools_leave_behind_is_no_part_of_a_template(ann: Any, template: str, tmp_path: Path) -> None:
    for path in ("infra/__pycache__/x.pyc", "infra/old.yaml~", ".git/config", "infra/.main.yaml.swp"):
        (Path(template) / path).parent.mkdir(parents=True, exist_ok=True)
        (Path(template) / path).write_text("x")
    assert start(tmp_path / "estate", template, "", False, ann.environ).files == tuple(sorted(TEMPLATE))


def test_the_first_commit_is_pushed_and_fetches_stay_free_of_ledgers(
    ann: Any, template: str, shared: Path, tmp_path: Path
) -> None:
    made = start(tmp_path / "estate", template, str(shared), False, ann.environ)
    assert (made.origin, made.pushed) == (str(shared), True)
    assert ann.git(shared, "for-each-ref", "--format=%(refname) %(objectname)") == f"refs/heads/main {made.commit}"
    assert f'remote: "{shared}"' in (made.path / "workspace.yaml").read_text()
    assert ann.git(made.path, "rev-parse", "--abbrev-ref", "main@{upstream}") == "origin/main"
    assert ann.git(made.path, "config", "--get-all", "remote.origin.fetch").splitlines() == [
        "+refs/heads/*:refs/remotes/origin/*",
        "^refs/heads/provisioning/*",
    ]


def test_a_relative_remote_is_the_one_seen_from_here(
    ann: Any, template: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = start(Path("estate"), template, "state.git", False, ann.environ)
    assert made.origin == str(shared)
    assert ann.git(shared, "rev-parse", "main") == made.commit


def test_an_existing_repository_keeps_history_branch_files_and_what_is_staged(
    ann: Any, template: str, shared: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    ann.git(folder, "init", "--quiet")
    first = ann.write(folder, {"README.md": "mine\n", "src/app.py": "x\n"})
    ann.git(folder, "checkout", "--quiet", "-b", "trunk")
    (folder / "src/app.py").write_text("staged\n")
    ann.git(folder, "add", "src/app.py")
    made = start(folder, template, str(shared), False, ann.environ)
    assert (made.branch, made.kept) == ("trunk", ("README.md",))
    assert "README.md" not in made.files
    assert (folder / "README.md").read_text() == "mine\n"
    assert ann.git(folder, "rev-parse", "HEAD~1") == first
    assert ann.git(folder, "status", "--porcelain") == "M  src/app.py"
    assert ann.git(shared, "rev-parse", "trunk") == made.commit


def test_a_clone_of_an_empty_remote_uses_its_origin_and_pushes_nothing_unasked(
    ann: Any, template: str, shared: Path, tmp_path: Path
) -> None:
    ann.git(tmp_path, "clone", "--quiet", str(shared), "clone")
    made = start(tmp_path / "clone", template, "", False, ann.environ)
    assert (made.origin, made.pushed) == (str(shared), False)
    assert f'remote: "{shared}"' in (made.path / "workspace.yaml").read_text()
    assert ann.git(shared, "for-each-ref") == ""


def test_files_in_the_way_are_named(ann: Any, template: str, tmp_path: Path) -> None:
    folder = tmp_path / "estate"
    for path in ("workspace.yaml", "README.md", "infra/shop/main.yaml", ".gitignore"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("mine\n")
    told = f"files are in the way in '{folder}': .gitignore, README.md, infra/shop/main.yaml and 1 more"
    assert refused(folder, template, ann) == (Exit.USAGE, told)


def test_a_file_where_a_folder_must_be_is_in_the_way(ann: Any, template: str, tmp_path: Path) -> None:
    folder = tmp_path / "estate"
    folder.mkdir()
    (folder / "infra").write_text("mine\n")
    (folder / ".github").symlink_to(tmp_path)
    (folder / "README.md").symlink_to("nowhere")
    told = f"files are in the way in '{folder}': .github/workflows/plan.yml, README.md, infra/shop/main.yaml"
    assert refused(folder, template, ann) == (Exit.USAGE, told)


def test_a_state_repository_is_not_begun_twice(ann: Any, template: str, tmp_path: Path) -> None:
    made = start(tmp_path / "estate", template, "", False, ann.environ)
    assert refused(made.path, template, ann) == (Exit.USAGE, f"'{made.path}' is a state repository already")


def test_a_place_inside_another_repository_is_refused(ann: Any, template: str, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    ann.git(outer, "init", "--quiet")
    told = f"'{outer / 'estate'}' lies inside the repository '{outer}'"
    assert refused(outer / "estate", template, ann) == (Exit.USAGE, told)


def test_a_bare_repository_is_a_remote_and_no_place(ann: Any, template: str, shared: Path) -> None:
    assert refused(shared, template, ann) == (Exit.USAGE, f"'{shared}' is a bare repository")


def test_a_file_is_no_place(ann: Any, template: str, tmp_path: Path) -> None:
    (tmp_path / "estate").write_text("x")
    assert refused(tmp_path / "estate", template, ann) == (Exit.USAGE, f"'{tmp_path / 'estate'}' is a file")


@pytest.mark.parametrize("existing", [False, True])
def test_without_an_identity_nothing_is_left(
    meet: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, template: str, tmp_path: Path, existing: bool
) -> None:
    nobody = at_desk(meet("Nobody", identity=False), monkeypatch)
    folder = tmp_path / "estate"
    if existing:
        folder.mkdir()
        nobody.git(folder, "init", "--quiet")
        (folder / "infra").mkdir()
    assert refused(folder, template, nobody) == (Exit.INVALID, "git does not know who you are")


def test_a_detached_head_has_no_branch_to_commit_to(ann: Any, template: str, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    ann.git(folder, "init", "--quiet")
    ann.git(folder, "checkout", "--quiet", "--detach", ann.write(folder, {"a": "1"}))
    assert refused(folder, template, ann) == (Exit.USAGE, "no branch is checked out here")


def test_a_hook_that_refuses_the_commit_leaves_nothing(ann: Any, template: str, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    ann.git(folder, "init", "--quiet")
    ann.write(folder, {"a": "1"})
    (folder / "a").write_text("2")
    ann.git(folder, "add", "a")
    hook = folder / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no commits today >&2\nexit 1\n")
    hook.chmod(0o755)
    code, message = refused(folder, template, ann)
    assert (code, message.partition(":")[0]) == (Exit.FAILURE, "git could not commit")
    assert ann.git(folder, "status", "--porcelain") == "M  a"


def other_commit(ann: Any, shared: Path, tmp_path: Path, branch: str = "main") -> str:
    folder = tmp_path / "somebody"
    folder.mkdir()
    ann.git(folder, "init", "--quiet")
    commit: str = ann.write(folder, {"theirs": "1"})
    ann.git(folder, "push", "--quiet", str(shared), f"HEAD:refs/heads/{branch}")
    return commit


@pytest.mark.parametrize("branch", ["main", "develop"])
@pytest.mark.parametrize("existing", [False, True])
def test_a_remote_with_other_commits_is_refused(
    ann: Any, template: str, shared: Path, tmp_path: Path, branch: str, existing: bool
) -> None:
    commit = other_commit(ann, shared, tmp_path, branch)
    folder = tmp_path / "estate"
    if existing:
        folder.mkdir()
        ann.git(folder, "init", "--quiet")
        ann.write(folder, {"mine": "1"})
    told = f"the remote {shared} has other commits, on '{branch}'"
    assert refused(folder, template, ann, str(shared)) == (Exit.USAGE, told)
    assert ann.git(shared, "for-each-ref", "--format=%(refname) %(objectname)") == f"refs/heads/{branch} {commit}"


def test_a_remote_behind_our_branch_is_ours_whatever_else_is_there(ann: Any, template: str, shared: Path, tmp_path: Path) -> None:
    other_commit(ann, shared, tmp_path)
    ann.git(tmp_path, "clone", "--quiet", str(shared), "clone")
    ann.write(tmp_path / "somebody", {"theirs": "2"})
    ann.git(tmp_path / "somebody", "push", "--quiet", str(shared), "HEAD:refs/heads/feature")
    made = start(tmp_path / "clone", template, str(shared), False, ann.environ)
    assert made.pushed
    assert ann.git(shared, "rev-parse", "main") == made.commit


def test_another_origin_is_not_replaced(ann: Any, template: str, shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    ann.git(folder, "init", "--quiet")
    ann.git(folder, "remote", "add", "origin", "https://user:word@forge.example/x.git")
    told = "this repository has another origin already, https://forge.example/x.git"
    assert refused(folder, template, ann, str(shared)) == (Exit.USAGE, told)


def test_a_remote_that_is_not_there_says_how_to_make_it(ann: Any, template: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone.git"
    assert refused(tmp_path / "estate", template, ann, str(gone)) == (Exit.FAILURE, f"the remote {gone} is not there")


def test_a_push_that_fails_keeps_the_commit_and_says_how_to_push(ann: Any, template: str, shared: Path, tmp_path: Path) -> None:
    hook = shared / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(Stop) as stopped:
        start(tmp_path / "estate", template, str(shared), False, ann.environ)
    assert (stopped.value.code, stopped.value.hint) == (Exit.DENIED, "push it yourself: git push -u origin main")
    assert ann.git(tmp_path / "estate", "log", "--format=%s") == "Begin a state repository"


@pytest.mark.parametrize("name", ["nowhere", "Default"])
def test_an_unknown_template_is_not_found(ann: Any, tmp_path: Path, name: str) -> None:
    assert refused(tmp_path / "estate", name, ann) == (Exit.NOT_FOUND, f"there is no template '{name}'")


def test_a_template_without_a_workspace_or_with_a_symlink_is_refused(ann: Any, template: str, tmp_path: Path) -> None:
    (Path(template) / "infra/link").symlink_to("/etc/passwd")
    assert refused(tmp_path / "estate", template, ann) == (Exit.INVALID, "the template holds the symlink 'infra/link'")
    (Path(template) / "workspace.yaml").unlink()
    assert refused(tmp_path / "estate", template, ann) == (Exit.INVALID, f"the template '{template}' has no workspace.yaml")


@pytest.mark.parametrize("name", ["", "default"])
def test_the_built_in_template_is_a_valid_state_repository(ann: Any, tmp_path: Path, name: str) -> None:
    made = start(tmp_path / "estate", name, "", False, ann.environ)
    config = load_workspace(ann.open(made.path), made.commit)
    assert isinstance(config, WorkspaceConfig), list(config)
    assert (config.id, config.name) == (made.workspace_id, "estate")


def test_the_template_of_the_wheel_comes_first(monkeypatch: pytest.MonkeyPatch, ann: Any, template: str, tmp_path: Path) -> None:
    assert BUILT_IN[0] == Path(starter.__file__).parent / "_template"
    monkeypatch.setattr(starter, "BUILT_IN", (Path(template), *BUILT_IN))
    assert start(tmp_path / "estate", "", "", False, ann.environ).files == tuple(sorted(TEMPLATE))


@pytest.mark.parametrize(
    ("address", "committed"),
    [
        ("https://token@forge.example/x.git", "https://forge.example/x.git"),
        ("https://ann:word@forge.example/x.git", "https://forge.example/x.git"),
        ("ssh://git@forge.example/x.git", "ssh://git@forge.example/x.git"),
        ("ssh://git:word@forge.example/x.git", "ssh://git@forge.example/x.git"),
        ("git@forge.example:x.git", "git@forge.example:x.git"),
        ("/srv/x.git", "/srv/x.git"),
    ],
)
def test_no_credentials_are_committed(address: str, committed: str) -> None:
    assert public(address) == committed
    assert absolute(address) == address
