"""``doctor``: is everything here that the next command needs, and does the remote keep what a ledger relies on?"""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops.ports import ZERO, GitError, Pushed, RefUpdate, Remote, Repository
from gitops.stops import Stop
from gitops.wiring import Workspace, open_workspace

OLDEST_GIT = (2, 39)
"""``push --atomic`` and ``--porcelain`` behave as the ledger needs from here on."""
PROBE = "refs/heads/provisioning/probe"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``level``: ok, warning, error."""

    name: str
    level: str
    finding: str
    hint: str = ""


def checks(path: str, environ: Mapping[str, str], probe: bool) -> tuple[Check, ...]:
    """Everything that can be looked at, in the order in which it matters. ``probe``: also push to scratch branches."""
    found = [_python(), _git(environ)]
    try:
        space = open_workspace(Path(path), environ)
    except Stop as stop:
        return (*found, Check("repository", "error", stop.message, stop.hint))
    try:
        found += [
            Check("repository", "ok", str(space.repository.work_tree or space.repository.git_dir)),
            *_workspace(space, environ),
        ]
        if probe and not any(c.name == "remote" and c.level == "error" for c in found):
            found += _probe(space.repository, space.remote, space.person())
    except Stop as stop:
        found.append(Check("workspace", "error", stop.message, stop.hint))
    finally:
        space.close()
    return tuple(found)


def _python() -> Check:
    own = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    return Check(
        "python",
        "ok" if sys.version_info >= (3, 11) else "error",
        own,
        "" if sys.version_info >= (3, 11) else "use 3.11 or newer",
    )


def _git(environ: Mapping[str, str]) -> Check:
    try:
        argv = ["git", "--version"]
        said = subprocess.run(argv, env=dict(environ), capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return Check("git", "error", "it cannot be run", "install git 2.39 or newer")
    word = next((w for w in said.split() if w[:1].isdigit()), "0")
    version = tuple(int(n) for n in word.split(".")[:2] if n.isdigit())
    fine = version >= OLDEST_GIT
    return Check("git", "ok" if fine else "error", word, "" if fine else "install git 2.39 or newer")


def _workspace(space: Workspace, environ: Mapping[str, str]) -> Iterator[Check]:
    repository = space.repository
    who = repository.identity()
    missing = 'git config --global user.name "Your Name" && git config --global user.email you@example.org'
    yield Check(
        "identity",
        "ok" if who else "error",
        f"{who.name} <{who.email}>" if who else "git does not know who you are",
        "" if who else missing,
    )
    key = repository.setting("user.signingkey", own=True)
    advice = "" if key else "approvals are signed: ssh-keygen -t ed25519, then git config gpg.format ssh and user.signingkey"
    yield Check("signing key", "ok" if key else "warning", key or "none", advice)
    config = space.config
    yield Check("workspace.yaml", "ok", f"{config.name}, id {config.id}, format {config.format}")
    try:
        heads = space.remote.refs(["refs/heads/*"])
        branch = f"refs/heads/{config.protected_branch}"
        fine = branch in heads
        finding = (
            f"{space.remote.shown}, {len(heads)} branches"
            if fine
            else f"{space.remote.shown} has no branch '{config.protected_branch}'"
        )
        yield Check(
            "remote", "ok" if fine else "warning", finding, "" if fine else f"git push -u origin HEAD:{config.protected_branch}"
        )
    except GitError as error:
        yield Check("remote", "error", str(error), error.hint)
    if _has_secrets(repository):
        there = shutil.which("sops", path=environ.get("PATH"))
        advice = "" if there else "install it: brew install sops, or see getsops.io"
        yield Check(
            "sops", "ok" if there else "error", there or "this repository has secrets and the sops program is not on PATH", advice
        )


def _has_secrets(repository: Repository) -> bool:
    head = repository.resolve("HEAD")
    return head is not None and any(p.endswith(".enc.yaml") for p in repository.entries(head, "", recursive=True))


def _probe(repository: Repository, remote: Remote, person: object) -> Iterator[Check]:
    """Create-only, compare-and-swap and all-or-nothing on scratch branches, which are then left behind empty or removed."""
    name = f"{PROBE}-{secrets.token_hex(4)}"

    def commit(parent: str, text: str) -> str:
        return repository.write(parent, {"probe": text.encode()}, f"probe {text}\n", person)  # type: ignore[arg-type]

    first, rival = commit("", "first"), commit("", "rival")
    second, stray = commit(first, "second"), commit(rival, "stray")

    def landed(update: RefUpdate, *more: RefUpdate) -> bool:
        if remote.push([update, *more]) is Pushed.ACCEPTED:
            return True
        return remote.refs([update.ref]).get(update.ref) == update.new

    results = {
        "a branch can be made": landed(RefUpdate(name, ZERO, first)),
        "a branch that is there is not made again": not landed(RefUpdate(name, ZERO, rival)),
        "what was pushed is read back": remote.refs([name]).get(name) == first,
        "a move from where it is not is refused": not landed(RefUpdate(name, rival, stray)),
        "several refs move together or not at all": not landed(
            RefUpdate(f"{name}-two", ZERO, rival), RefUpdate(name, rival, stray)
        )
        and f"{name}-two" not in remote.refs([f"{name}-two"]),
        "a move from where it is, is taken": landed(RefUpdate(name, first, second)),
    }
    for what, fine in results.items():
        yield Check(
            "remote probe",
            "ok" if fine else "error",
            what if fine else f"not so: {what}",
            "" if fine else "do not apply to this remote",
        )
    yield Check("remote probe", "ok", f"scratch branch {name.removeprefix('refs/heads/')} may be deleted")
