"""``doctor``: is everything here that the next command needs, and does the remote keep what a ledger relies on?"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gitops.git.remote import left_locks, normalised
from gitops.git.worktree import NEGATIVE_REFSPEC
from gitops.stops import Stop
from gitops.trust import REMOTE
from gitops.wiring import Workspace, git_stops, open_workspace
from planners.dataclass import dataclass

OLDEST_GIT = (2, 39)
"""From here on ``push --atomic --porcelain`` and ``cat-file --batch-command`` are as we need them."""
OLDEST_PYTHON = (3, 11)
MAKE_KEY = "git config --global gpg.format ssh && git config --global user.signingkey ~/.ssh/id_ed25519.pub"
NAME = 'git config --global user.name "Your Name" && git config --global user.email you@example.org'


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``level``: ok, warning, error."""

    name: str
    level: str
    finding: str
    hint: str = ""


def checks(path: str, environ: Mapping[str, str], probing: bool) -> tuple[Check, ...]:
    """Everything that can be looked at, in the order in which it matters. ``probing``: also push to scratch branches."""
    found = [python(sys.version_info[:3]), git(environ)]
    try:
        space = open_workspace(Path(path), environ)
    except Stop as stop:
        return (*found, _of(stop, "repository"))
    try:
        for name, check in CHECKS.items():
            try:
                found += check(space)
            except Stop as stop:
                found.append(_of(stop, name))
        if probing and not any(c.level == "error" and c.name in ("identity", "remote") for c in found):
            found += _probed(space)
    finally:
        space.close()
    return tuple(found)


def _of(stop: Stop, name: str) -> Check:
    """What ended a check; of many mistakes the first."""
    if not stop.problems:
        return Check(name, "error", stop.message, stop.hint)
    more = f" (and {len(stop.problems) - 1} more)" if len(stop.problems) > 1 else ""
    return Check(name, "error", f"{stop.problems[0]}{more}", "'provisioning validate' shows all")


def python(version: tuple[int, ...]) -> Check:
    """This program's Python."""
    own = ".".join(map(str, version))
    return Check("python", "ok", own) if version >= OLDEST_PYTHON else Check("python", "error", own, "use 3.11 or newer")


def git(environ: Mapping[str, str]) -> Check:
    """The git program on the person's PATH."""
    hint = f"install git {'.'.join(map(str, OLDEST_GIT))} or newer"
    try:
        done = subprocess.run(["git", "--version"], env=dict(environ), capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return Check("git", "error", "it cannot be run", hint)
    word = next((w for w in done.stdout.split() if w[:1].isdigit()), "no version told")
    version = tuple(int(n) for n in word.split(".")[:2] if n.isdigit())
    return Check("git", "ok", word) if version >= OLDEST_GIT else Check("git", "error", word, hint)


# --- the workspace ---------------------------------------------------------------------------------------


def _repository(space: Workspace) -> Iterator[Check]:
    yield Check("repository", "ok", str(space.repository.work_tree or space.repository.git_dir))


def _identity(space: Workspace) -> Iterator[Check]:
    who = space.repository.identity()
    yield (
        Check("identity", "ok", f"{who.name} <{who.email}>") if who else Check("identity", "error", "git does not know you", NAME)
    )


def _key(space: Workspace) -> Iterator[Check]:
    """Only approvals need one."""
    key, format_ = (space.repository.setting(name, own=True) for name in ("user.signingkey", "gpg.format"))
    if not key:
        yield Check("signing key", "warning", "none, and approvals are signed", f"ssh-keygen -t ed25519, then: {MAKE_KEY}")
    elif format_ != "ssh":
        yield Check("signing key", "warning", "it is no ssh key, and approvals are checked against those", MAKE_KEY)
    else:
        yield Check("signing key", "ok", key)


def _workspace(space: Workspace) -> Iterator[Check]:
    config = space.config
    yield Check("workspace.yaml", "ok", f"{config.name}, id {config.id}, format {config.format}")


def _remote(space: Workspace) -> Iterator[Check]:
    remote, config = space.remote, space.config
    with git_stops():
        heads = remote.refs(["refs/heads/*"])
    if f"refs/heads/{config.protected_branch}" not in heads:
        hint = f"git push -u {REMOTE} HEAD:{config.protected_branch}"
        yield Check("remote", "warning", f"{remote.shown} has no branch '{config.protected_branch}'", hint)
    else:
        yield Check("remote", "ok", remote.shown)
    if config.remote and normalised(space.absolute(config.remote)) != normalised(remote.url):
        hint = "if the workspace has moved, change 'remote' in workspace.yaml; a fork cannot apply"
        yield Check("remote", "warning", f"workspace.yaml says this workspace lives at {config.remote}", hint)
    fetched = space.repository.git.settings
    if not any(s.key == f"remote.{REMOTE}.fetch" and s.value == NEGATIVE_REFSPEC for s in fetched):
        hint = f"git config --add remote.{REMOTE}.fetch '{NEGATIVE_REFSPEC}'"
        yield Check("fetch", "warning", "ordinary fetches bring every ledger along", hint)
    for path in left_locks(remote.url, space.clock.wall()):
        hint = f"once no push is running, remove {path}"
        yield Check("remote lock", "error", f"a git that was killed at the remote left {path.name}, which stops every push", hint)


def _secrets(space: Workspace) -> Iterator[Check]:
    """The sops program, where the repository has something for it to do."""
    head = space.repository.resolve("HEAD")
    with git_stops():
        paths = space.repository.entries(head, "", recursive=True) if head else {}
    if not any(path.endswith(".enc.yaml") for path in paths):
        return
    if there := shutil.which("sops", path=space.environ.get("PATH", "")):
        yield Check("sops", "ok", there)
    else:
        hint = "install it: https://getsops.io/docs/#download"
        yield Check("sops", "error", "this repository has secrets, and the sops program is not on PATH", hint)


def _last_probe(space: Workspace) -> Iterator[Check]:
    """What was found when the remote was tried out last, by whatever clone."""
    found, advice = space.common.view().probe(normalised(space.remote.url)), "provisioning doctor --remote"
    days = int((space.clock.wall() - found.time) // 86400) if found else 0
    ago = f"{days} day{'s' * (days != 1)} ago"
    if found is None:
        yield Check("probe", "warning", "nobody has tried out yet what the remote guarantees; the first apply does", advice)
    elif found.broken:
        yield Check("probe", "error", f"the remote was not fit for a ledger {ago}: not so: {', '.join(found.broken)}", advice)
    elif not found.valid(space.clock.wall()):
        yield Check("probe", "warning", f"the remote was last tried out {ago}; the next apply does it again", advice)
    else:
        yield Check("probe", "ok", f"the remote was tried out {ago}")


CHECKS: Mapping[str, Callable[[Workspace], Iterator[Check]]] = {
    "repository": _repository,
    "identity": _identity,
    "signing key": _key,
    "workspace.yaml": _workspace,
    "remote": _remote,
    "sops": _secrets,
    "probe": _last_probe,
}


def _probed(space: Workspace) -> Iterator[Check]:
    """Try the remote out, and write down for everybody what was found."""
    try:
        with git_stops():
            made = space.try_remote()
    except Stop as stop:
        yield _of(stop, "remote probe")
        return
    for finding in made.findings:
        if finding.kept:
            yield Check("remote probe", "ok", finding.what)
        elif finding.needed:
            advice = "nothing is applied from this remote; move to one that keeps it"
            yield Check("remote probe", "error", f"not so: {finding.what}", advice)
        else:
            yield Check("remote probe", "warning", f"not so: {finding.what}", finding.hint)
    left = f"; the empty branch {made.left} stays, as it cannot be deleted" if made.left else ""
    yield Check("remote probe", "ok", f"a push takes {made.seconds * 1000:.0f} ms{left}")
    try:
        space.common.record(made.record)
    except Stop as stop:
        yield _of(stop, "remote probe")
