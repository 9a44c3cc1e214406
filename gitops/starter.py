"""``init``: a template becomes a state repository: copied, named, committed, connected, pushed. Nothing is left of a failure."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gitops.declare.edit import set_value
from gitops.git.command import scrub
from gitops.git.local import GitRepository, open_repository
from gitops.git.remote import GitRemote, folder_of, normalised
from gitops.git.worktree import commit_all, connect, create, current_branch, push_main
from gitops.ports import GitError
from gitops.stops import Exit, Stop
from gitops.wiring import git_stops
from planners.dataclass import dataclass

BUILT_IN = (Path(__file__).with_name("_template"), Path(__file__).parent.parent / "state-repo-template")
"""Where the template is: in the wheel, or beside the packages of a checkout."""
NAMES = ("", "default")
"""What ``--template`` may say to mean the built-in one."""
EXAMPLE = ("infra/", "extensions/")
"""What ``--empty`` leaves out: the example and the taskservs it is made of."""
LEFT_OUT = {".git", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".venv", "node_modules", ".DS_Store"}
RUBBISH = (".pyc", ".pyo", ".swp", "~")
PERSONAL = ("README.md", ".gitignore")
"""Files that a repository may have already and keeps: nothing depends on what ours say."""
NO_NAME = 'git config --global user.name "Your Name" && git config --global user.email you@example.org'

Files = Mapping[str, tuple[bytes, int]]
"""Path -> content and mode."""


@dataclass(frozen=True, slots=True)
class Started:
    """A new state repository. ``files``: what was added; ``kept``: files of the repository that stand in place of the
    template's; ``origin``: its remote ("" for none), ``pushed``: whether ``branch`` is there."""

    path: Path
    workspace_id: str
    commit: str
    branch: str
    files: tuple[str, ...]
    kept: tuple[str, ...] = ()
    origin: str = ""
    pushed: bool = False


def start(folder: Path, template: str, remote: str, empty: bool, environ: Mapping[str, str]) -> Started:
    """Make ``folder`` a state repository; it may be new, empty, or a repository already, which keeps its history and branch.

    ``template``: a folder, or the name of a built-in one. ``remote`` "": the ``origin`` that is there, and nothing is pushed.
    Raises ``Stop``: files in the way, a remote with other commits (usage), no identity (invalid), unreachable (failure).
    """
    files = {p: f for p, f in _files(_source(template)) if not (empty and p.startswith(EXAMPLE))}
    made, fresh = not folder.exists(), not (folder / ".git").exists()
    _require_place(folder, fresh, environ)
    kept = _require_room(folder, files, fresh)
    files = {p: f for p, f in files.items() if p not in kept}
    workspace_id = secrets.token_hex(8)
    folders = [p for p in _folders(files) if not (folder / p).exists()]
    try:
        if fresh:
            folder.mkdir(parents=True, exist_ok=True)
            create(folder)
        with git_stops(), open_repository(folder, environ) as repository:
            branch = _require_ready(repository)
            origin = _origin(repository, remote, branch)
            files["workspace.yaml"] = (_named(files, folder.resolve().name, workspace_id, public(origin)), 0o644)
            _write(folder, files)
            commit = commit_all(folder, sorted(files), "Begin a state repository")
    except BaseException:
        _take_back(folder, files, folders, made, fresh, environ)
        raise
    with git_stops():
        if origin:
            connect(folder, origin)
        if remote:
            push_main(folder, branch)
    return Started(folder, workspace_id, commit, branch, tuple(sorted(files)), kept, origin, bool(remote))


# --- the template ----------------------------------------------------------------------------------------


def _source(template: str) -> Path:
    places = BUILT_IN if template in NAMES else (Path(template),)
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        hint = "name a folder, or leave --template out for the built-in one"
        raise Stop(Exit.NOT_FOUND, f"there is no template '{template or 'default'}'", hint)
    if not (found / "workspace.yaml").is_file():
        raise Stop(Exit.INVALID, f"the template '{template or 'default'}' has no workspace.yaml", "it needs one at its top")
    return found


def _files(source: Path) -> Iterator[tuple[str, tuple[bytes, int]]]:
    """Everything in a template but what tools leave behind."""
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if set(relative.parts) & LEFT_OUT or path.name.endswith(RUBBISH):
            continue
        if path.is_symlink():
            message = f"the template holds the symlink '{relative.as_posix()}'"
            raise Stop(Exit.INVALID, message, "put a file in its place: a state repository has no symlinks")
        if path.is_file():
            yield relative.as_posix(), (path.read_bytes(), 0o755 if path.stat().st_mode & 0o100 else 0o644)


def _named(files: Files, name: str, workspace_id: str, remote: str) -> bytes:
    """``workspace.yaml`` with what is this workspace's own; comments stay."""
    text = files["workspace.yaml"][0].decode()
    proper = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name).strip("-._")[:63] or "estate"
    for key, value in (("id", workspace_id), ("name", proper), ("remote", remote)):
        edited = set_value("workspace.yaml", text, (key,), value)
        if not isinstance(edited, str):
            raise Stop(Exit.INVALID, "the template's workspace.yaml cannot be filled in", "mend it first", (edited,))
        text = edited
    return text.encode()


# --- what must be so before anything is written ----------------------------------------------------------


def _require_place(folder: Path, fresh: bool, environ: Mapping[str, str]) -> None:
    """A state repository is a whole repository, not a folder of one and not a bare one. Raises ``Stop`` (usage)."""
    if not fresh:
        return
    if folder.exists() and not folder.is_dir():
        raise Stop(Exit.USAGE, f"'{folder}' is a file", "choose another place")
    parent = next(p for p in (folder.resolve(), *folder.resolve().parents) if p.exists())
    try:
        with open_repository(parent, environ) as around:
            top, bare = around.work_tree or Path(around.git_dir), around.work_tree is None
    except GitError:
        return
    if bare and top.resolve() == folder.resolve():
        raise Stop(Exit.USAGE, f"'{folder}' is a bare repository", f"make it the remote: provisioning init DIR --remote {folder}")
    hint = "a state repository is one of its own: choose another place"
    raise Stop(Exit.USAGE, f"'{folder}' lies inside the repository '{top}'", hint)


def _require_room(folder: Path, files: Files, fresh: bool) -> tuple[str, ...]:
    """Nothing is overwritten. Returns what a repository keeps of its own. Raises ``Stop`` (usage)."""
    if (folder / "workspace.yaml").exists() and not fresh:
        raise Stop(Exit.USAGE, f"'{folder}' is a state repository already", "'provisioning doctor' tells whether all is well")
    there = [path for path in sorted(files) if _taken(folder, path)]
    kept = () if fresh else tuple(path for path in there if path in PERSONAL and (folder / path).is_file())
    if wrong := [path for path in there if path not in kept]:
        named = ", ".join(wrong[:3]) + (f" and {len(wrong) - 3} more" if len(wrong) > 3 else "")
        raise Stop(Exit.USAGE, f"files are in the way in '{folder}': {named}", "move them, or choose another folder")
    return kept


def _taken(folder: Path, path: str) -> bool:
    """Whether something is at ``path``, or a file or link stands where one of its folders must be."""
    above = [folder / parent for parent in Path(path).parents if parent.parts]
    blocked = any(p.is_symlink() or (p.exists() and not p.is_dir()) for p in above)
    return blocked or (folder / path).exists() or (folder / path).is_symlink()


def _require_ready(repository: GitRepository) -> str:
    """The branch to commit to. Raises ``Stop``: nobody to commit as (invalid), a detached head (usage)."""
    if repository.identity() is None:
        raise Stop(Exit.INVALID, "git does not know who you are", NO_NAME)
    branch = current_branch(repository)
    if not branch:
        raise Stop(Exit.USAGE, "no branch is checked out here", "git switch BRANCH, or git switch -c main")
    return branch


def _origin(repository: GitRepository, remote: str, branch: str) -> str:
    """The address of ``origin``, "" for none. Raises ``Stop`` (usage): another one is there, or it has other commits."""
    there = repository.setting("remote.origin.url")
    there = absolute(there, Path(repository.base)) if there else ""
    if not remote:
        return there
    wanted = absolute(remote)
    if there and normalised(there) != normalised(wanted):
        message = f"this repository has another origin already, {public(there)}"
        raise Stop(Exit.USAGE, message, "leave --remote out to use that one, or 'git remote remove origin' first")
    if (path := folder_of(wanted)) is not None and not path.exists():
        raise Stop(Exit.FAILURE, f"the remote {wanted} is not there", f"make it first: git init --bare {wanted}")
    _require_unused(repository, GitRemote(repository.git, wanted), branch)
    return there or wanted


def _require_unused(repository: GitRepository, remote: GitRemote, branch: str) -> None:
    """The remote has nothing that our branch has not, or at least nothing of that name."""
    heads = remote.refs(["refs/heads/*"])
    tip = repository.resolve("HEAD")
    ours = {ref for ref, oid in heads.items() if tip and repository.resolve(oid) and repository.contains(tip, oid)}
    own = f"refs/heads/{branch}"
    if heads and (own not in ours if own in heads else not ours):
        name = (own if own in heads else next(iter(heads))).removeprefix("refs/heads/")
        hint = "clone it and run init in the clone, or name an empty repository"
        raise Stop(Exit.USAGE, f"the remote {remote.shown} has other commits, on '{name}'", hint)


def absolute(remote: str, base: Path | None = None) -> str:
    """A path that means the same from everywhere on this machine; any other address as it is."""
    is_path = "://" not in remote and ":" not in remote.partition("/")[0]
    return str((base or Path.cwd()).joinpath(remote).resolve()) if is_path else remote


def public(remote: str) -> str:
    """An address as it may be committed: without a password, and over http without the user, who may be a token."""
    return scrub(remote) if remote.startswith("http") else re.sub(r"\A(\w+://[^:/@]+):[^/@]*@", r"\1@", remote)


# --- writing, and taking back ----------------------------------------------------------------------------


def _write(folder: Path, files: Files) -> None:
    for path, (content, mode) in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(mode)


def _take_back(folder: Path, files: Files, folders: Sequence[Path], made: bool, fresh: bool, environ: Mapping[str, str]) -> None:
    """Nothing of a failed beginning is left: neither files nor new folders, nor entries of the index."""
    if made:
        shutil.rmtree(folder, ignore_errors=True)
        return
    if fresh:
        shutil.rmtree(folder / ".git", ignore_errors=True)
    else:
        with open_repository(folder, environ) as repository:
            names = "".join(f"{path}\0" for path in files).encode(errors="surrogateescape")
            where = {"GIT_WORK_TREE": str(folder.resolve())}
            repository.git.run("update-index", "--force-remove", "-z", "--stdin", stdin=names, extra=where)
    for path in files:
        (folder / path).unlink(missing_ok=True)
    for parent in folders:
        if (folder / parent).is_dir() and not any((folder / parent).iterdir()):
            (folder / parent).rmdir()


def _folders(files: Files) -> Sequence[Path]:
    """Every folder of ``files``, the deepest first."""
    return sorted({p for f in files for p in Path(f).parents if p.parts}, key=lambda p: len(p.parts), reverse=True)
