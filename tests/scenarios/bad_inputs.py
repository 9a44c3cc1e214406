"""Everything that can be wrong around the declarations, with the exact line it is answered with and the exit code.

``CASES``: (name, what happens first, the command, the exit code, the line). ``<…>`` stands for what differs each time. The table
in the docs is made from this one and that of the declarations.
"""

# ruff: noqa: E501  # a line of output is a line here
from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple


class Case(NamedTuple):
    """One bad input. ``prepare`` gets the person's desk, with an applied workspace and its remote beside it."""

    name: str
    prepare: Callable[[Any], object]
    argv: tuple[str, ...]
    code: int
    line: str


def remote(desk: Any) -> Path:
    """The bare repository beside the workspace."""
    return Path(desk.git("remote", "get-url", "origin"))


def ledger(desk: Any, edit: Callable[[Path], object]) -> None:
    """Somebody edits the ledger by hand and pushes it."""
    where = desk.home / "ledger"
    desk.git("clone", "--quiet", "--branch", "provisioning/ledger/shop", str(remote(desk)), str(where), cwd=desk.home)
    edit(where)
    desk.git("add", "--all", cwd=where)
    desk.git("commit", "--quiet", "--message", "by hand", cwd=where)
    desk.git("push", "--quiet", "origin", "HEAD", cwd=where)


def edit_state(where: Path) -> None:
    """A number is changed in a state file."""
    path = next((where / "state" / "server").rglob("db-01.json"))
    document = json.loads(path.read_text())
    document["declared"]["cpu_cores"] = 1
    path.write_text(json.dumps(document))


def newer_lock(where: Path) -> None:
    """A later version was here."""
    path = where / "lock.json"
    document = json.loads(path.read_text())
    document["format"] = 99
    path.write_text(json.dumps(document))


def rewrite(desk: Any) -> None:
    """The ledger goes back by one."""
    desk("plan")
    desk.git("update-ref", "refs/heads/provisioning/ledger/shop", "refs/heads/provisioning/ledger/shop~1", cwd=remote(desk))


def empty(desk: Any) -> None:
    """A repository without a commit."""
    shutil.rmtree(desk.repo)
    desk.git("init", "--quiet", str(desk.repo), cwd=desk.home)


def nowhere(desk: Any) -> None:
    """A folder that is no repository."""
    desk.repo = desk.home


def one_more_server(desk: Any, push: bool = True) -> None:
    """Something to apply."""
    text = (desk.repo / "infra/shop/main.yaml").read_text()
    desk.commit({"infra/shop/main.yaml": text + "  web-03: {cpu_cores: 1, memory_gb: 1}\n"}, "one more", push=push)


def unpushed(desk: Any) -> None:
    """A commit nobody else has."""
    one_more_server(desk, push=False)


def anonymous(desk: Any) -> None:
    """Git does not know who acts."""
    one_more_server(desk)
    (desk.home / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")


def read_only(desk: Any) -> None:
    """The remote takes nothing."""
    one_more_server(desk)
    hook = remote(desk) / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'this repository is read-only' >&2\nexit 1\n")
    hook.chmod(0o755)


def fork(desk: Any) -> None:
    """The repository with its ledgers is copied elsewhere."""
    where = desk.home / "fork.git"
    desk.git("clone", "--quiet", "--mirror", str(remote(desk)), str(where), cwd=desk.home)
    desk.git("remote", "set-url", "origin", str(where))
    one_more_server(desk)


def copied(desk: Any) -> None:
    """Another workspace is pushed to the same remote."""
    text = (desk.repo / "workspace.yaml").read_text()
    lines = ["id: another-workspace" if line.startswith("id:") else line for line in text.splitlines()]
    desk.commit({"workspace.yaml": "\n".join(lines) + "\n"})
    one_more_server(desk)


def held(desk: Any) -> None:
    """Somebody holds the infra."""
    one_more_server(desk)
    desk("lock", "acquire", "--reason", "moving house")


def newer_workspace(desk: Any) -> None:
    """A state repository of a later version."""
    text = (desk.repo / "workspace.yaml").read_text()
    desk.commit({"workspace.yaml": text.replace("format: 1", "format: 9")})


def no_file(_: Any) -> None:
    """Nothing is prepared."""


CASES = (
    Case(
        "not a repository",
        nowhere,
        ("plan",),
        5,
        "error: '<path>' is not inside a Git repository; 'provisioning init DIR' makes a state repository",
    ),
    Case(
        "an empty repository",
        empty,
        ("plan",),
        5,
        "error: this repository has no commit yet; 'provisioning init .' fills it, or commit something first",
    ),
    Case(
        "no remote",
        lambda d: d.git("remote", "remove", "origin"),
        ("plan",),
        3,
        "error: this repository has no remote 'origin', and the ledger lives there; git remote add origin URL && git push -u origin HEAD (a bare repository will do: git init --bare PATH)",
    ),
    Case(
        "remote gone",
        lambda d: remote(d).rename(d.home / "elsewhere"),
        ("plan",),
        1,
        "error: the remote <path> cannot be reached: '<path>' does not appear to be a git repository; check the address, the network and your credentials",
    ),
    Case(
        "no identity",
        anonymous,
        ("apply", "--yes"),
        3,
        'error: git does not know who you are; git config --global user.name "Your Name" && git config --global user.email you@example.org',
    ),
    Case(
        "unpushed commit",
        unpushed,
        ("apply", "--yes"),
        1,
        "error: commit <id> is not on the remote: nobody else could finish or review this; git push origin HEAD",
    ),
    Case(
        "read-only remote",
        read_only,
        ("apply", "--yes"),
        4,
        "error: the remote <path> does not allow this push: remote: this repository is read-only; check your rights on provisioning/* branches",
    ),
    Case(
        "rewritten ledger",
        rewrite,
        ("plan",),
        1,
        "error: TAMPERED: the ledger of 'shop' was rewritten at the remote: this clone saw <id> and <id> does not follow from it; nothing is written any more; 'provisioning state repair -i shop' says what happened and what can be done",
    ),
    Case("state file edited by hand", lambda d: ledger(d, edit_state), ("audit", "verify"), 1, ""),
    Case(
        "ledger of a newer version",
        lambda d: ledger(d, newer_lock),
        ("plan",),
        3,
        "error: the ledger of 'shop': the ledger has format 99 and this version reads up to 3; use the newer provisioning",
    ),
    Case(
        "repository of a newer version",
        newer_workspace,
        ("plan",),
        3,
        "error: workspace.yaml cannot be used; mend what is listed above",
    ),
    Case(
        "a fork",
        fork,
        ("apply", "--yes"),
        4,
        "error: workspace.yaml says this workspace lives at <path>, and this clone's origin is <path>; apply from there; if the workspace has moved, change 'remote' in workspace.yaml",
    ),
    Case(
        "another workspace's ledger",
        copied,
        ("apply", "--yes"),
        4,
        "error: the ledger of 'shop' belongs to workspace <word>, and this is another-workspace; a copied state repository needs ledgers of its own: delete the copied provisioning/* branches",
    ),
    Case(
        "lock held",
        held,
        ("apply", "--yes"),
        7,
        "error: infra 'shop' is held by Ada Example on <word> until <time>: moving house; it is yours: 'provisioning lock release -i shop' ends it",
    ),
    Case(
        "no terminal to ask on",
        one_more_server,
        ("apply",),
        2,
        "error: this needs a yes and there is no terminal to ask on; add --yes, or --check to only look",
    ),
    Case("unknown infra", no_file, ("plan", "-i", "shp"), 5, "error: there is no infra 'shp'; there are: shop"),
    Case("unknown command", no_file, ("aply",), 2, "error: there is no command 'aply'; did you mean 'apply'?"),
    Case(
        "unknown option", no_file, ("plan", "--traget", "x"), 2, "error: there is no option '--traget'; did you mean '--target'?"
    ),
    Case(
        "unknown target",
        no_file,
        ("plan", "--target", "server/web-1"),
        5,
        "error: there is no resource 'server/web-1'; did you mean 'server/web-01'?",
    ),
    Case(
        "unknown revision",
        no_file,
        ("plan", "--ref", "v0"),
        5,
        "error: there is no commit 'v0' in this clone; git fetch, or name another commit",
    ),
    Case(
        "a revision that looks like an option",
        no_file,
        ("plan", "--ref=--output=x"),
        5,
        "error: there is no commit '--output=x' in this clone; git fetch, or name another commit",
    ),
    Case(
        "unknown resource",
        no_file,
        ("why", "server/web-1"),
        5,
        "error: there is no resource 'server/web-1'; did you mean 'server/web-01'?",
    ),
    Case("unknown run", no_file, ("run", "show", "r1"), 5, "error: there is no run 'r1'; 'provisioning run list' shows the runs"),
    Case(
        "unknown snapshot",
        no_file,
        ("deploy", "--frozen", "v9", "--yes"),
        5,
        "error: there is no snapshot 'v9' of 'shop'; 'provisioning workspace freeze -i shop --version V' makes one",
    ),
    Case(
        "not a plan file",
        no_file,
        ("apply", "workspace.yaml", "--yes"),
        3,
        "error: 'workspace.yaml' is not a plan file; make one: plan --save FILE",
    ),
    Case(
        "not a duration",
        one_more_server,
        ("apply", "--yes", "--lock-timeout", "soon"),
        2,
        "error: 'soon' is not a duration; write it as 90s, 15m, 2h or 7d",
    ),
)
