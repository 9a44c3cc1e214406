"""``init``: a template becomes a state repository: copied, named, committed, connected, pushed. Nothing is left of a failure."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gitops.declare.edit import set_value
from gitops.git.local import open_repository
from gitops.git.remote import GitRemote
from gitops.git.worktree import commit_all, connect, create, current_branch, push_main
from gitops.ports import GitError
from gitops.stops import Exit, Stop
from gitops.wiring import git_stops

BUILT_IN = (Path(__file__).with_name("_template"), Path(__file__).parent.parent / "state-repo-template")
"""Where the template is: in the wheel, or beside the packages of a checkout."""
EXAMPLE = ("infra/", "extensions/")
"""What ``--empty`` leaves out: the example and the taskservs it is made of."""
LEFT_OUT = ("__pycache__", ".git", ".DS_Store")


@dataclass(frozen=True, slots=True)
class Started:
    """A new state repository. ``files`` are paths in it."""

    path: Path
    workspace_id: str
    commit: str
    files: tuple[str, ...]


def start(folder: Path, template: Path | None, remote: str, empty: bool, environ: Mapping[str, str]) -> Started:
    """Make ``folder`` a state repository; it may be new, empty, or a repository already. ``remote`` "": none yet.

    Raises ``Stop``: files in the way or a remote with other commits (usage), no identity (invalid), unreachable (failure).
    """
    source = template or next((p for p in BUILT_IN if p.is_dir()), None)
    if source is None or not source.is_dir():
        raise Stop(Exit.NOT_FOUND, f"there is no template '{template or 'built in'}'", "name a folder with --template")
    made = not folder.exists()
    fresh = not (folder / ".git").exists()
    _require_place(folder, environ)
    files = {p: data for p, data in _files(source) if not (empty and p.startswith(EXAMPLE))}
    _require_room(folder, files)
    workspace_id = secrets.token_hex(8)
    files["workspace.yaml"] = (_named(files, folder.resolve().name, workspace_id, remote), 0o644)
    try:
        if fresh:
            folder.mkdir(parents=True, exist_ok=True)
            create(folder)
        with git_stops():
            _require_ready(folder, remote, environ)
            _write(folder, files)
            commit = commit_all(folder, sorted(files), "Begin a state repository")
    except BaseException:
        _take_back(folder, files, made, fresh)
        raise
    if remote:
        _publish(folder, remote, environ)
    return Started(folder, workspace_id, commit, tuple(sorted(files)))


def _files(source: Path) -> Iterator[tuple[str, tuple[bytes, int]]]:
    """(path, (content, mode)) of everything in a template."""
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_file() and not path.is_symlink() and not set(relative.parts) & set(LEFT_OUT):
            yield relative.as_posix(), (path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)


def _require_place(folder: Path, environ: Mapping[str, str]) -> None:
    """A state repository is a whole repository, not a folder of one."""
    parent = next((p for p in (folder.resolve(), *folder.resolve().parents) if p.exists()), Path("/"))
    if (folder / ".git").exists():
        return
    try:
        with open_repository(parent, environ) as around:
            top = around.work_tree or around.git_dir
    except GitError:
        return
    raise Stop(
        Exit.USAGE, f"'{folder}' lies inside the repository '{top}'", "a state repository is one of its own: choose another place"
    )


def _require_room(folder: Path, files: Mapping[str, object]) -> None:
    there = [path for path in sorted(files) if (folder / path).exists() or (folder / path).is_symlink()]
    if there:
        named = ", ".join(there[:3]) + (f" and {len(there) - 3} more" if len(there) > 3 else "")
        raise Stop(Exit.USAGE, f"files are in the way in '{folder}': {named}", "move them, or choose another folder")


def _named(files: Mapping[str, tuple[bytes, int]], name: str, workspace_id: str, remote: str) -> bytes:
    """``workspace.yaml`` with what is this workspace's own; comments stay."""
    if "workspace.yaml" not in files:
        raise Stop(Exit.INVALID, "the template has no workspace.yaml", "it needs one at its top")
    text = files["workspace.yaml"][0].decode()
    proper = "".join(c if c.isalnum() or c in "._-" else "-" for c in name).strip("-._")[:63] or "estate"
    for key, value in (("id", workspace_id), ("name", proper), ("remote", _absolute(remote))):
        edited = set_value("workspace.yaml", text, (key,), value)
        if not isinstance(edited, str):
            raise Stop(Exit.INVALID, "the template's workspace.yaml cannot be filled in", "mend it first", (edited,))
        text = edited
    return text.encode()


def _absolute(remote: str) -> str:
    """A path that means the same from everywhere on this machine."""
    is_path = remote and "://" not in remote and ":" not in remote.partition("/")[0]
    return str(Path(remote).resolve()) if is_path else remote


def _require_ready(folder: Path, remote: str, environ: Mapping[str, str]) -> None:
    """Whoever commits has a name, and the remote has nothing that we have not. Nothing was written so far."""
    with open_repository(folder, environ) as repository:
        if repository.identity() is None:
            hint = 'git config --global user.name "Your Name" && git config --global user.email you@example.org'
            raise Stop(Exit.INVALID, "git does not know who you are", hint)
        if not remote:
            return
        there = GitRemote(repository.git, _absolute(remote)).refs(["refs/heads/*"])
        head = repository.resolve("HEAD")
        strange = [ref for ref, oid in there.items() if not (head and repository.resolve(oid) and repository.contains(head, oid))]
        if strange:
            name = strange[0].removeprefix("refs/heads/")
            message = f"the remote {GitRemote(repository.git, _absolute(remote)).shown} has other commits, on '{name}'"
            raise Stop(Exit.USAGE, message, "clone it and run init in the clone, or name an empty repository")


def _write(folder: Path, files: Mapping[str, tuple[bytes, int]]) -> None:
    for path, (content, mode) in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(mode)


def _take_back(folder: Path, files: Mapping[str, object], made: bool, fresh: bool) -> None:
    """Nothing of a failed beginning is left."""
    if made:
        shutil.rmtree(folder, ignore_errors=True)
        return
    if fresh:
        shutil.rmtree(folder / ".git", ignore_errors=True)
    else:
        with open_repository(folder, {}) as repository:
            repository.git.run("read-tree", "--reset", "HEAD") if repository.resolve("HEAD") else None
    for path in files:
        (folder / path).unlink(missing_ok=True)
    for parent in sorted({p for f in files for p in Path(f).parents if p.parts}, key=lambda p: len(p.parts), reverse=True):
        if (folder / parent).is_dir() and not any((folder / parent).iterdir()):
            (folder / parent).rmdir()


def _publish(folder: Path, remote: str, environ: Mapping[str, str]) -> None:
    connect(folder, _absolute(remote))
    with git_stops(), open_repository(folder, environ) as repository:
        push_main(folder, current_branch(repository) or "main")
