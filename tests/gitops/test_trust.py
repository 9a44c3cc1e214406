"""Who may sign is read from the protected branch, whatever else says otherwise."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gitops.stops import Exit, Stop
from gitops.trust import class_of, former, known, protected_head, seen_head
from gitops.wiring import Workspace, open_workspace

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{0}"
WORKSPACE = "format: 1\nid: 0123456789abcdef\nname: test\nidentities: [{}]\n"
LISTED = '{{name: {0}, emails: [{0}@example.org], keys: ["' + KEY + '"]}}'
INFRA = "settings: {{provider: fake, environment: {}}}\n"


class Clone:
    """Ann's clone and her workspace in it."""

    def __init__(self, person: Any, folder: Path) -> None:
        self.person, self.folder = person, folder
        self.environ = {**person.environ, "XDG_CACHE_HOME": str(person.home / "cache")}
        self.opened: list[Workspace] = []

    def push(self, *, environment: str | None = None, names: tuple[str, ...] | None = None, branch: str = "main") -> str:
        files = {"infra/shop/main.yaml": INFRA.format(environment)} if environment is not None else {}
        if names is not None:
            files["workspace.yaml"] = WORKSPACE.format(", ".join(LISTED.format(name) for name in names))
        commit = str(self.person.write(self.folder, files))
        self.person.git(self.folder, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        return commit

    @property
    def space(self) -> Workspace:
        """Opened anew, as by another command."""
        self.opened.append(open_workspace(self.folder, self.environ))
        return self.opened[-1]


@pytest.fixture
def clone(meet: Callable[..., Any], file_remote: Callable[[str], Any], tmp_path: Path) -> Iterator[Clone]:
    ann, remote = meet("Ann"), file_remote("state").path
    folder = tmp_path / "work"
    folder.mkdir()
    ann.git(folder, "init", "--quiet")
    ann.git(folder, "remote", "add", "origin", str(remote))
    files = {"environments/prod.yaml": "class: prod\n", "environments/dev.yaml": "class: dev\n"}
    ann.write(folder, {**files, "workspace.yaml": WORKSPACE.format("")})
    made = Clone(ann, folder)
    yield made
    for space in made.opened:
        space.close()


@pytest.mark.parametrize(
    ("environment", "names", "required", "why"),
    [
        ("prod", ("ann",), True, "an environment of class prod asks for a signature"),
        ("dev", ("ann",), False, "an environment of class dev asks for none"),
        ("prod", (), False, "workspace.yaml on 'main' lists no key of anybody"),
        ("nowhere", ("ann",), None, "it was signed before, and 'main' does not say which environment 'shop' is in"),
    ],
)
def test_class_and_keys_decide(clone: Clone, environment: str, names: tuple[str, ...], required: bool, why: str) -> None:
    clone.push(environment=environment, names=names)
    found = known(clone.space, "shop", False)
    assert (found.required, found.why) == (required, why)
    assert [i.name for i in found.identities] == ([*names] if names else [])


def test_what_is_not_on_the_protected_branch_says_nothing(clone: Clone) -> None:
    clone.push(environment="prod", names=("ann",))
    clone.person.git(clone.folder, "checkout", "--quiet", "-b", "side")
    clone.push(environment="dev", names=("eve",), branch="side")
    found = known(clone.space, "shop", True)
    assert (found.required, [i.name for i in found.identities]) == (True, ["ann"])


def test_what_was_seen_last_counts_until_it_is_looked_at_again(clone: Clone) -> None:
    assert seen_head(clone.space) == ""
    first = clone.push(environment="prod", names=("ann",))
    clone.person.git(clone.folder, "fetch", "--quiet")
    clone.push(names=("ann", "bob"))
    clone.person.git(clone.folder, "update-ref", "refs/remotes/origin/main", first)
    assert seen_head(clone.space) == first
    assert [i.name for i in known(clone.space, "shop", False).identities] == ["ann"]
    assert [i.name for i in known(clone.space, "shop", True).identities] == ["ann", "bob"]


def test_where_nothing_was_pushed_nobody_is_listed(clone: Clone) -> None:
    assert known(clone.space, "shop", False).required is False
    with pytest.raises(Stop) as stopped:
        protected_head(clone.space)
    assert stopped.value.code is Exit.NOT_FOUND


def test_the_class_is_kept_by_what_it_is_made_of(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    head = clone.push(environment="prod", names=("ann",))
    assert class_of(clone.space, "shop", head) == "prod"
    space = clone.space
    monkeypatch.setattr(space, "load", lambda *_: pytest.fail("evaluated again"))
    assert class_of(space, "shop", head) == "prod"
    assert class_of(clone.space, "shop", clone.push(environment="dev")) == "dev"
    assert class_of(clone.space, "elsewhere", head) is None


def test_a_class_that_somebody_else_wrote_is_not_believed(clone: Clone) -> None:
    head = clone.push(environment="prod", names=("ann",))
    assert class_of(clone.space, "shop", head) == "prod"
    path = clone.space.cache("made") / "entries.sqlite"
    with closing(sqlite3.connect(path)) as base, base:
        assert base.execute("UPDATE entry SET content = CAST('dev' AS BLOB) WHERE name LIKE 'class/%'").rowcount == 1
    assert class_of(clone.space, "shop", head) == "prod"


def test_keys_that_were_listed_once_are_found(clone: Clone) -> None:
    clone.push(environment="prod", names=("ann",))
    clone.person.write(clone.folder, {"workspace.yaml": "{"})
    clone.push(names=("bob",))
    head = clone.push(names=("cy",))
    found = known(clone.space, "shop", True)
    assert ([i.name for i in found.identities], [i.name for i in found.former()]) == (["cy"], ["cy", "bob", "ann"])
    assert former(clone.space, head) == found.former()
