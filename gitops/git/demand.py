"""What a clone without all objects lacks, brought when it is needed: history of a shallow one, contents of a partial one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from gitops.git.command import FETCH_TIMEOUT, Git, Setting, value_of

QUIET = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules")


def is_shallow(git: Git) -> bool:
    """Whether history was cut when this was cloned."""
    return Path(git.common, "shallow").exists()


def is_partial(git: Git) -> bool:
    """Whether contents were left out when this was cloned."""
    folder = Path(git.common, "objects", "pack")
    return folder.is_dir() and any(path.suffix == ".promisor" for path in folder.iterdir())


def deepen(git: Git, base: str) -> bool:
    """Fetch the history that a shallow clone lacks, ``False`` when it cannot be had. Relative addresses start at ``base``."""
    # asked for by id: a detached checkout may be on no branch, and 'origin' may have moved on
    cut = Path(git.common, "shallow").read_text().split()
    return _fetch(git, base, ["--unshallow"], cut)


def bring(git: Git, base: str, oids: Iterable[str]) -> None:
    """Fetch those of ``oids`` that a partial clone lacks, in one request; git alone would make one request for each."""
    here = git.out("cat-file", "--batch-all-objects", "--batch-check=%(objectname)", "--unordered")
    missing = set(oids).difference(here.split())
    if missing:
        _fetch(git, base, ["--filter=blob:none"], sorted(missing))


def _fetch(git: Git, base: str, options: Sequence[str], oids: Iterable[str]) -> bool:
    remote = _source(git.settings)
    if not value_of(git.settings, f"remote.{remote}.url"):
        return False
    # what is there says nothing about what is missing, so there is nothing to negotiate
    argv = ["-C", base, "-c", "fetch.negotiationAlgorithm=noop", "fetch", *QUIET, "--upload-pack=git-upload-pack", *options]
    listed = "".join(f"{oid}\n" for oid in oids).encode()
    return git.run(*argv, "--stdin", "--end-of-options", remote, own=True, stdin=listed, timeout=FETCH_TIMEOUT).code == 0


def _source(settings: Iterable[Setting]) -> str:
    """The name of the remote that the clone was made of: the one marked as promisor, else ``origin``."""
    marked = (re.fullmatch(r"remote\.(.+)\.promisor", s.key) for s in settings if s.value in ("true", ""))
    return next((m.group(1) for m in marked if m), "origin")
