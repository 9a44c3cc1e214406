"""Which commit is meant: HEAD, the protected branch, the working tree, a pin; and whether others have it too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from gitops.ports import GitError
from gitops.stops import Exit, Stop
from gitops.trust import REMOTE
from gitops.trust import protected_head as protected_head
from gitops.wiring import Workspace, git_stops, head
from planners.model import EnvironmentClass, Pin
from planners.steps import Notice

if TYPE_CHECKING:
    from gitops.flow import Ask
    from gitops.ledger.view import View
    from planners.model import Environment

EDITS_WAIT = 0.030
"""Seconds a plan waits at most, beside its own work, for the look at the working tree (DESIGN section 6)."""
ENDING = 5.0
"""Seconds a look that was ended may take to remove its temporary folder."""
PROTECTED_CLASSES = (EnvironmentClass.STAGING, EnvironmentClass.PROD)


def commit_of(space: Workspace, revision: str) -> str:
    """The commit a person named. Raises ``Stop`` (not found)."""
    if revision == "HEAD":
        return head(space)
    with git_stops():
        found = space.repository.resolve(revision)
    if found is None:
        raise Stop(Exit.NOT_FOUND, f"there is no commit '{revision}' in this clone", "git fetch, or name another commit")
    return found


def infra_names(space: Workspace, treeish: str) -> tuple[str, ...]:
    """The infras a commit or tree declares, sorted."""
    from gitops.declare.source import infras

    with git_stops():
        return infras(space.repository, treeish)


def infra_of_directory(space: Workspace, folder: Path) -> str:
    """The infra whose folder ``folder`` is in, "" for none."""
    from gitops.git.worktree import inside

    parts = inside(space.repository, folder).split("/")
    return parts[1] if len(parts) > 1 and parts[0] == "infra" else ""


def worktree(space: Workspace) -> str:
    """The working tree, uncommitted edits and all, as a tree id. Raises ``Stop``."""
    from gitops.git.worktree import worktree_tree

    with git_stops():
        return worktree_tree(space.repository)


class Edits:
    """A look at the working tree that goes on beside other work."""

    def __init__(self, look: Callable[[], Sequence[str]]) -> None:
        self._found: Sequence[str] | None = None

        def run() -> None:
            try:
                self._found = look()
            except GitError:
                self._found = None

        self._thread = Thread(target=run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Wait until the look has put its things away: git is ended, so that takes no time."""
        self._thread.join(ENDING)

    def result(self) -> Sequence[str] | None:
        """Changed paths; ``None`` when it did not answer in time."""
        self._thread.join(EDITS_WAIT)
        return None if self._thread.is_alive() else self._found


def look_for_edits(space: Workspace) -> Edits:
    """Begin to look for uncommitted edits."""
    from gitops.git.worktree import uncommitted

    edits = Edits(lambda: uncommitted(space.repository))
    space.at_close.append(edits.end)
    return edits


def require_published(space: Workspace, commit: str, environment: Environment) -> None:
    """Others must have what is applied: for staging and prod on the protected branch, else on any. Raises ``Stop`` (failure)."""
    branch = space.config.protected_branch
    protected = protected_head(space)
    if contains(space, protected, commit):
        return
    if environment.class_ in PROTECTED_CLASSES:
        message = f"commit {commit[:12]} is not on '{branch}', and environment '{environment.name}' applies from there only"
        raise Stop(Exit.FAILURE, message, f"merge it into {branch} first")
    if not any(contains(space, tip, commit) for tip in fetch_branches(space).values()):
        raise Stop(
            Exit.FAILURE,
            f"commit {commit[:12]} is not on the remote: nobody else could finish or review this",
            f"git push {REMOTE} HEAD",
        )


def fetch_branches(space: Workspace) -> Mapping[str, str]:
    """Every branch of the remote but our own machine-written ones, fetched: local name -> tip. Raises ``Stop``."""
    with git_stops():
        heads = [ref for ref in space.remote.refs(["refs/heads/*"]) if "/provisioning/" not in ref]
        return space.remote.fetch({ref: f"refs/provisioning/heads/{ref.removeprefix('refs/heads/')}" for ref in heads})


def contains(space: Workspace, tip: str, commit: str) -> bool:
    """Whether ``tip`` has ``commit`` in its history."""
    with git_stops():
        return space.repository.contains(tip, commit)


def commits_between(space: Workspace, old: str, new: str, infra: str) -> list[str]:
    """One line per commit after ``old`` up to ``new`` that changed what ``infra`` is made of, newest first.

    At most 1,000 are looked at.
    """
    from gitops.declare.source import inputs_digest

    with git_stops():
        chain = space.repository.history(new, stop=old, limit=1000)
        found = []
        for commit in chain:
            before = commit.parents[0] if commit.parents else ""
            if not before or inputs_digest(space.repository, commit.oid, infra) != inputs_digest(space.repository, before, infra):
                found.append(
                    f"{commit.oid[:12]} {commit.message.splitlines()[0] if commit.message else ''} ({commit.author.name})"
                )
    return found


def follow_pin(space: Workspace, ask: Ask, view: View) -> tuple[Ask, tuple[Notice, ...]]:
    """After a rollback or a frozen deploy the pinned tree is what is planned, until a plain deploy releases it."""
    pin = view.pin
    if pin is None or not ask.follow_pin:
        return ask, ()
    from gitops.runs import pinned_tree

    held = len(commits_between(space, pin.commit, ask.commit, ask.infra)) if ask.commit else 0
    held_back = f"{held} change{'s' * (held != 1)} at HEAD held back"
    text = f"{ask.infra} is pinned to {pin.source} ({pin.reason}): {held_back}; 'provisioning deploy' releases it"
    pinned = replace(ask, treeish=pinned_tree(space, ask.infra, pin), commit=pin.commit, frozen=frozen_version(pin))
    return pinned, (Notice("pinned", text),)


def frozen(space: Workspace, infra: str) -> tuple[Notice, ...]:
    """What keeps the infra from being changed now, as far as it was seen with the last look at its ledger."""
    try:
        found = space.common.standing(infra)
    except Stop as stop:
        return (Notice("frozen", f"whether {infra} is frozen cannot be told, so nothing is applied: {stop.message}"),)
    return (Notice("frozen", found.text, f"'{found.thaw}'"),) if found else ()


def interrupted(space: Workspace, view: View) -> tuple[Notice, ...]:
    """Runs that ended without an end: nobody works on them, and nothing new starts before they are closed."""
    lock, infra = view.lock, view.infra
    dead = [lock.run] if lock.holder is not None and lock.run and space.actor.is_dead(lock.holder) else []
    afresh = f"'provisioning apply -i {infra}' closes it and plans afresh"
    return tuple(
        Notice("interrupted", f"run {run} of {infra} was interrupted: 'provisioning run resume {run}' goes on with it, {afresh}")
        for run in (*(run.id for run in view.interrupted_runs()), *dead)
    )


def frozen_version(pin: Pin | bool | None) -> str:
    """The version of the snapshot that a pin names, "" for none."""
    kind, _, version = pin.source.partition(":") if isinstance(pin, Pin) else ("", "", "")
    return version if kind == "snapshot" else ""


def last_change(space: Workspace, commit: str, path: str) -> str:
    """The newest commit (of the last 1,000) that changed the file ``path``, as one line; "" when none did."""
    folder, _, name = path.rpartition("/")

    def oid(at: str) -> str | None:
        entry = space.repository.entries(at, folder).get(name)
        return entry.oid if entry else None

    try:
        for item in space.repository.history(commit, limit=1000):
            if not item.parents or oid(item.oid) != oid(item.parents[0]):
                when = datetime.fromtimestamp(item.author.time, UTC).strftime("%Y-%m-%d")
                return f"{item.oid[:12]} {item.message.splitlines()[0] if item.message else ''} ({item.author.name}, {when})"
    except GitError:
        pass  # a shallow clone ends before the answer: nobody needs it to go on
    return ""


def ledger_names(space: Workspace, offline: bool = False) -> tuple[str, ...]:
    """Infras that have a ledger, at the remote or (offline, or in a bare clone without one) as last seen."""
    from gitops.ledger.generations import names
    from gitops.ledger.ledger import LOCAL, REMOTE_PREFIX

    with git_stops():
        if offline:
            # a mirror has them under their own names
            return names((*space.repository.local(LOCAL), *space.repository.local(REMOTE_PREFIX)))
        return names(space.remote.refs([f"{REMOTE_PREFIX}/*"]))
