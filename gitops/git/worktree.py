"""A person's own work tree: looked at, previewed as a tree in the object store, and committed to by ``init`` alone.

Setting up a person's repository is what GitPython is the right tool for (it works the index and configuration of a
work tree); refs, ledgers and commits on machine-written branches never go through it (docs/measurements.md).
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gitops.git.command import failure, kind_of, last_words
from gitops.git.local import GitRepository
from gitops.limits import FILE_BYTES
from gitops.ports import GitError

if TYPE_CHECKING:
    from git import GitCommandError, Repo

NEGATIVE_REFSPEC = "^refs/heads/provisioning/*"
"""Keeps ledgers out of a person's ordinary fetches."""

# of a repository's configuration what says how files and folders compare, and nothing that names a program
COMPARING = r"core\.(filemode|symlinks|ignorecase|precomposeunicode|autocrlf|eol|trustctime|checkstat|excludesfile)\Z"


def uncommitted(repository: GitRepository) -> tuple[str, ...]:
    """Changed and untracked paths, sorted. Raises ``GitError``."""
    if repository.work_tree is None:
        return ()
    with beside(repository) as (options, where):
        return changed(repository, options, where)


def changed(repository: GitRepository, options: Sequence[str], where: Mapping[str, str]) -> tuple[str, ...]:
    """``git status`` as paths."""
    argv = ["status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=all"]
    done = repository.git.run(*options, *argv, extra=where)
    if done.code != 0:
        raise failure("status", done)
    return tuple(sorted(row[3:] for row in done.out.decode(errors="surrogateescape").split("\0") if row))


def worktree_tree(repository: GitRepository) -> str:
    """The work tree as a tree id in the object store, untracked files included, ignored ones not; the index stays as it is.

    Files that no declaration may be as large as are not copied there: a small blob stands for each, whose size
    ``repository.sizes`` tells as that of the file. Raises ``GitError``.
    """
    if repository.work_tree is None:
        raise GitError("a bare repository has no working tree", "other", "name a commit with --ref")
    with beside(repository) as (options, where):
        git, top = repository.git, repository.work_tree
        paths = changed(repository, options, where)
        large = {path: size for path in paths if (size := size_of(top / path)) > FILE_BYTES}
        # a repository inside is listed with a slash, and becomes a submodule, which the reader of declarations refuses
        small = "".join(f"{path.rstrip('/')}\0" for path in paths if path not in large).encode(errors="surrogateescape")
        git.out(*options, "update-index", "--add", "--remove", "--replace", "-z", "--stdin", stdin=small, extra=where)
        if large:
            rows = [f"100644 {stand_in(repository, size)}\t{path}\0" for path, size in large.items()]
            listed = "".join(rows).encode(errors="surrogateescape")
            git.out(*options, "update-index", "--add", "--replace", "-z", "--index-info", stdin=listed, extra=where)
        return git.out(*options, "write-tree", extra=where)


def stand_in(repository: GitRepository, size: int) -> str:
    """The blob that stands for a file of ``size`` bytes."""
    oid = repository.git.out(
        "hash-object", "-w", "--stdin", stdin=f"a file of {size} bytes was left out of the preview\n".encode()
    )
    repository.left_out[oid] = size
    return oid


def size_of(path: Path) -> int:
    """Bytes of a regular file, 0 for anything else."""
    try:
        found = path.lstat()
    except OSError:
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


@contextmanager
def beside(repository: GitRepository) -> Iterator[tuple[list[str], Mapping[str, str]]]:
    """Options and environment to look at the work tree with a git directory of its own.

    So nothing that a repository's configuration names is run (a content filter, the status of a repository inside), and the
    person's index is neither locked nor changed. What ``.gitattributes`` says of line ends holds, filters do not.
    """
    top, own, common = repository.base, Path(repository.git_dir), Path(repository.git.common)
    with tempfile.TemporaryDirectory(prefix="provisioning-") as name:
        folder = Path(name)
        for part in ("objects", "refs", "info"):
            (folder / part).mkdir()
        (folder / "HEAD").write_text(repository.resolve("HEAD") or "ref: refs/heads/none\n")
        if (common / "info" / "exclude").exists():
            shutil.copyfile(common / "info" / "exclude", folder / "info" / "exclude")
        if (own / "index").exists():
            # a copy of the person's index makes unchanged files free; it may be in two parts. Its time is copied too: a file
            # that is not older may have changed unseen, and git looks into it
            shutil.copy2(own / "index", folder / "index")
            for shared in own.glob("sharedindex.*"):
                (folder / shared.name).symlink_to(shared)
        kept = {s.key: s.value for s in repository.git.settings if re.match(COMPARING, s.key)}
        options = [
            "-C",
            top,
            "-c",
            "core.fsync=none",
            *(word for key, value in kept.items() for word in ("-c", f"{key}={value}")),
        ]
        yield options, {"GIT_DIR": name, "GIT_WORK_TREE": top, "GIT_OBJECT_DIRECTORY": str(common / "objects")}


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


# --- setting up ------------------------------------------------------------------------------------------


def create(folder: Path) -> None:
    """An empty repository with branch ``main``."""
    from git import Repo

    Repo.init(folder, initial_branch="main").close()


def create_remote(folder: Path) -> None:
    """A bare repository to be the remote. It keeps each push as one pack: a ledger is many small pushes."""
    from git import Repo

    with Repo.init(folder, bare=True, initial_branch="main") as repo, repo.config_writer() as writer:
        writer.set_value("receive", "unpackLimit", "1")
        writer.set_value("receive", "fsckObjects", "true")


def commit_all(folder: Path, paths: Sequence[str], message: str) -> str:
    """Commit exactly ``paths`` with the person's identity; returns the commit id. Raises ``GitError`` without an identity."""
    from git import GitCommandError, Repo

    with Repo(folder) as repo:
        try:
            repo.git.add("--", *paths)
            repo.git.commit("--quiet", "--message", message, "--", *paths)
        except GitCommandError as error:
            text = said(error)
            if re.search(r"tell me who you are|empty ident|auto-detect email", text):
                hint = 'git config --global user.name "Your Name" && git config --global user.email you@example.org'
                raise GitError("git does not know who you are", "no-identity", hint) from error
            raise GitError(f"git could not commit: {last_words(text)}") from error
        return str(repo.head.commit.hexsha)


def connect(folder: Path, url: str) -> None:
    """Add ``origin``, and keep ordinary fetches free of ledgers."""
    from git import Repo

    with Repo(folder) as repo:
        if "origin" not in [remote.name for remote in repo.remotes]:
            repo.create_remote("origin", url)
        if NEGATIVE_REFSPEC not in fetched(repo):
            with repo.config_writer() as writer:
                writer.add_value('remote "origin"', "fetch", NEGATIVE_REFSPEC)


def fetched(repo: Repo) -> list[str]:
    """What an ordinary fetch from ``origin`` brings."""
    with repo.config_reader("repository") as reader:
        return [str(value) for value in reader.get_values('remote "origin"', "fetch", default="")]


def push_main(folder: Path, branch: str) -> None:
    """Push the person's branch and set its upstream. Raises ``GitError``."""
    from git import GitCommandError, Repo

    with Repo(folder) as repo:
        try:
            repo.git.push("--quiet", "--set-upstream", "origin", branch)
        except GitCommandError as error:
            text = said(error)
            kind = "denied" if kind_of(text) == "denied" else "unreachable"
            hint = f"push it yourself: git push -u origin {branch}"
            raise GitError(f"the push to origin failed: {last_words(text)}", kind, hint) from error


def said(error: GitCommandError) -> str:
    """What git wrote, out of GitPython's wrapping."""
    return re.sub(r"\A\s*stderr: '|'\Z", "", str(error.stderr).strip())
