"""A person's own work tree: looked at, snapshotted into the object store, and committed to by ``init`` alone.

Setting up a person's repository is what GitPython is the right tool for (it works the index and configuration of a
work tree); refs, ledgers and commits on machine-written branches never go through it (docs/measurements.md).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gitops.git.command import failure
from gitops.git.local import GitRepository
from gitops.ports import GitError

NEGATIVE_REFSPEC = "^refs/heads/provisioning/*"


def uncommitted(repository: GitRepository) -> tuple[str, ...]:
    """Changed and untracked paths, sorted. Raises ``GitError``."""
    if repository.work_tree is None:
        return ()
    where = {"GIT_DIR": repository.git_dir, "GIT_WORK_TREE": str(repository.work_tree)}
    done = repository.git.run("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=all", extra=where)
    if done.code != 0:
        raise failure("status", done)
    return tuple(sorted(row[3:] for row in done.out.decode(errors="surrogateescape").split("\0") if row))


def worktree_tree(repository: GitRepository) -> str:
    """The work tree as a tree id in the object store, untracked files included, ignored ones not; the person's index stays as it is."""
    if repository.work_tree is None:
        raise GitError("a bare repository has no working tree", "other", "name a commit with --ref")
    with tempfile.TemporaryDirectory(prefix="provisioning-") as folder:
        index = Path(folder, "index")
        own = Path(repository.git_dir, "index")
        if own.exists():
            # a copy of the person's index makes unchanged files free
            index.write_bytes(own.read_bytes())
        where = {"GIT_DIR": repository.git_dir, "GIT_WORK_TREE": str(repository.work_tree), "GIT_INDEX_FILE": str(index)}
        quiet = ["-c", "core.bigFileThreshold=1m", "-c", "core.fsync=none", "-c", "core.safecrlf=false", "-c", "advice.addEmbeddedRepo=false"]
        # -C: git takes paths relative to the current directory, which is never repository content otherwise
        done = repository.git.run(*quiet, "-C", str(repository.work_tree), "add", "--all", extra=where, timeout=120)
        if done.code != 0:
            raise failure("add", done)
        return repository.git.out("write-tree", extra=where)


def create(folder: Path) -> None:
    """An empty repository with branch ``main``."""
    import git

    git.Repo.init(folder, initial_branch="main").close()


def commit_all(folder: Path, paths: Sequence[str], message: str) -> str:
    """Commit exactly ``paths`` with the person's identity; returns the commit id. Raises ``GitError`` without an identity."""
    import git

    with git.Repo(folder) as repo:
        try:
            repo.git.add("--", *paths)
            repo.git.commit("--quiet", "--message", message, "--", *paths)
        except git.GitCommandError as error:
            text = str(error.stderr)
            if "tell me who you are" in text or "empty ident" in text or "auto-detect email" in text:
                hint = 'git config --global user.name "Your Name" && git config --global user.email you@example.org'
                raise GitError("git does not know who you are", "no-identity", hint) from error
            raise GitError(f"git could not commit: {text.strip().splitlines()[-1] if text.strip() else 'no reason given'}") from error
        return str(repo.head.commit.hexsha)


def connect(folder: Path, url: str) -> None:
    """Add ``origin``, and keep ordinary fetches free of ledgers."""
    import git

    with git.Repo(folder) as repo:
        if "origin" not in [r.name for r in repo.remotes]:
            repo.create_remote("origin", url)
        with repo.config_writer() as writer:
            section = 'remote "origin"'
            if NEGATIVE_REFSPEC not in [str(v) for v in (writer.get_values(section, "fetch") if writer.has_option(section, "fetch") else [])]:
                writer.add_value(section, "fetch", NEGATIVE_REFSPEC)


def push_main(folder: Path, branch: str) -> None:
    """Push the person's branch and set its upstream. Raises ``GitError``."""
    import git

    with git.Repo(folder) as repo:
        try:
            repo.git.push("--quiet", "--set-upstream", "origin", branch)
        except git.GitCommandError as error:
            words = [line for line in str(error.stderr).splitlines() if line.strip()]
            raise GitError(f"the push to origin failed: {words[-1].strip() if words else 'no reason given'}", "unreachable", f"push it yourself: git push -u origin {branch}") from error


def current_branch(repository: GitRepository) -> str:
    """The branch checked out, "" on a detached head."""
    head = Path(repository.git_dir, "HEAD").read_text().strip()
    return head.removeprefix("ref: refs/heads/") if head.startswith("ref: ") else ""


def inside(repository: GitRepository, path: Path) -> str:
    """``path`` relative to the work tree's root with forward slashes, "" outside of it."""
    if repository.work_tree is None:
        return ""
    relative = os.path.relpath(path.resolve(), repository.work_tree.resolve())
    return "" if relative.startswith("..") else relative.replace(os.sep, "/")
