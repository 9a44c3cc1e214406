"""The shared remote through the git program, over file, ssh and https alike."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import unquote, urlsplit

from gitops.git.command import FETCH_TIMEOUT, PROGRAMS, STALE_LOCK, Done, Git, kind_of, last_words, scrub, unlocked
from gitops.git.demand import QUIET
from gitops.ports import NOTHING, ZERO, GitError, Pushed, RefUpdate, check_updates

SCHEMES = ("file", "ssh", "https", "http")
SCP = r"(?s)(?:[^@/:\s]+@)?(\[[^\]\s]+\]|[^@/:\s\[\]]+):(?!:)(.*)\Z"
"""``user@host:path``, ssh without a scheme."""
PORTS = {"ssh": 22, "https": 443, "http": 80}
SCRATCH = "refs/heads/provisioning/probe-"
"""Branches that hold nothing, made to learn what a remote allows."""
ELSEWHERE = "stale info"
"""What git says when a ref was not where it should be before anything was sent."""


class GitRemote:
    """Implements ``gitops.ports.Remote`` for ``url``; objects arrive in and leave from the repository of ``git``.
    ``contains`` is that repository's, where it has an answer without a process."""

    def __init__(self, git: Git, url: str, contains: Callable[[str, str], bool] | None = None) -> None:
        scheme = url.partition("://")[0] if "://" in url else ""
        if url.startswith("-") or not (scheme in SCHEMES or (not scheme and (re.match(SCP, url) or url.startswith("/")))):
            raise GitError(f"'{scrub(url)}' is not the address of a remote", "denied", "use file, ssh or https")
        self._git = git
        self._contains = contains or self._asked
        self.url = url
        self.refused: GitError | None = None
        self._folder = folder_of(url)
        # a path needs nothing of the person's configuration, which costs one process to read
        self._own = self._folder is None

    @property
    def shown(self) -> str:
        """The address without credentials."""
        return scrub(self.url)

    def _program(self, name: str) -> str:
        """What serves us. Said outright, as configuration could name any program; another user's folder only where the person
        trusts it, who cannot be asked by git itself, which hands none of our settings to the other side."""
        if self._folder is not None and not owned(self._folder):
            trusted = [s.value for s in self._git.settings if s.own and s.key == "safe.directory"]
            if "*" in trusted or str(self._folder) in trusted:
                return f"git -c safe.directory=* {name}"
        return f"git-{name}"

    def refs(self, patterns: Sequence[str]) -> Mapping[str, str]:
        """``ls-remote``; a tag's peeled commit stands under its own name."""
        kinds = {"refs/heads/": "--heads", "refs/tags/": "--tags"}
        only = {next((flag for prefix, flag in kinds.items() if pattern.startswith(prefix)), "") for pattern in patterns}
        flags = sorted(only) if "" not in only else []
        argv = ["ls-remote", f"--upload-pack={self._program('upload-pack')}", *flags]
        done = self._git.run(*argv, "--end-of-options", self.url, own=self._own)
        if done.code != 0:
            raise self._failure(done)
        rows = (line.partition("\t") for line in done.out.decode(errors="surrogateescape").splitlines())
        found = {name.removesuffix("^{}"): oid for oid, _, name in rows}
        return {ref: oid for ref, oid in sorted(found.items()) if any(fnmatchcase(ref, p) for p in patterns)}

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, str]:
        """Bring remote refs into local ones. Asks where they are first: mostly nothing moved, and to learn that by fetching
        takes three times as long."""
        if not refs:
            return {}
        there = self.refs(list(refs))
        known = {remote: local for remote, local in refs.items() if remote in there}
        here = self._here(known.values())
        behind = [f"+{remote}:{local}" for remote, local in known.items() if here.get(local) != there[remote]]
        if behind:
            self._bring(behind)
        return self._here(known.values())

    def refetch(self, refs: Mapping[str, str]) -> Mapping[str, str]:
        """Everything anew: git sends what it believes to be missing only, and may be wrong in a damaged clone."""
        there = self.refs(list(refs))
        known = {remote: local for remote, local in refs.items() if remote in there}
        if known:
            self._bring([f"+{remote}:{local}" for remote, local in known.items()], "--refetch")
        return self._here(known.values())

    def _bring(self, specs: Sequence[str], *options: str) -> None:
        argv = ["fetch", *QUIET, *options, f"--upload-pack={self._program('upload-pack')}", "--end-of-options", self.url, *specs]
        done = self._git.run(*argv, own=self._own, timeout=FETCH_TIMEOUT)
        if done.code != 0 and unlocked(self._git, done.err):
            done = self._git.run(*argv, own=self._own, timeout=FETCH_TIMEOUT)
        if done.code != 0:
            raise self._failure(done)

    def _here(self, names: Iterable[str]) -> Mapping[str, str]:
        """Local refs by full name, a tag's as that of its commit."""
        wanted = sorted(set(names))
        if not wanted:
            return {}
        text = self._git.out("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", "--end-of-options", *wanted)
        rows = [line.split() for line in text.splitlines()]
        return {row[0]: row[-1] for row in rows if row[0] in wanted}

    def push(self, updates: Sequence[RefUpdate], unmoved: Mapping[str, str] = NOTHING) -> Pushed:
        """One atomic compare-and-swap push."""
        check_updates(updates, self._contains, unmoved)
        return self._send(updates, unmoved)

    def overwrite(self, ref: str, old: str, new: str) -> Pushed:
        """Rewind a scratch branch, or delete it (``new`` is ``ZERO``): whether a remote allows that to happen to a ledger is told
        by trying. Raises ``GitError``: any other ref, and denied."""
        if not ref.startswith(SCRATCH):
            raise GitError(f"{ref} is no scratch branch, and nothing else is ever rewound or deleted")
        return self._send([RefUpdate(ref, old, new)])

    def _send(self, updates: Sequence[RefUpdate], unmoved: Mapping[str, str] = NOTHING) -> Pushed:
        self.refused = None
        leases = [f"--force-with-lease={u.ref}:{'' if u.old == ZERO else u.old}" for u in updates]
        # git compares these with what the server says first, and sends nothing about one that is where it should be
        leases += [f"--force-with-lease={ref}:{oid}" for ref, oid in unmoved.items()]
        refspecs = [f"{u.new if u.new != ZERO else ''}:{u.ref}" for u in updates] + [
            f"{oid}:{ref}" for ref, oid in unmoved.items()
        ]
        argv = ["push", "--atomic", "--porcelain", "--no-verify", "--no-follow-tags", "--no-signed", *leases]
        argv += [f"--receive-pack={self._program('receive-pack')}", "--end-of-options", self.url]
        try:
            done = self._git.run(*argv, *refspecs, own=self._own)
        except GitError as error:
            self.refused = error
            return Pushed.UNKNOWN
        lines = [line.split("\t") for line in done.out.decode(errors="replace").splitlines() if "\t" in line]
        moved = [line for line in lines if line[0] != "="]
        if done.code == 0 and len(moved) == len(updates) and all(line[0] in (" ", "+", "*", "-") for line in moved):
            return Pushed.ACCEPTED
        reasons = "\n".join(line[-1] for line in lines)
        if f"({ELSEWHERE})" in reasons:
            return Pushed.REJECTED
        # ids are left out of what is searched: one in fifty holds "401" or "403"
        if kind_of(f"{reasons}\n{done.err}") == "denied":
            words = last_words(done.err if kind_of(done.err) == "denied" else reasons)
            message = f"the remote {self.shown} does not allow this push: {words}"
            raise GitError(message, "denied", self._advice("check your rights on provisioning/* branches"))
        self.refused = self._not_taken(f"{done.err}\n{reasons}")
        return Pushed.UNKNOWN

    def _not_taken(self, said: str) -> GitError:
        """Why a push failed in git's words, and what helps where that does not go away by itself."""
        words, hint = last_words(said), "try again"
        if left := re.search(r"'([^']+\.lock)': File exists", said):
            words = left[0]
            hint = f"once no push is running, remove {left[1]} there: a git that was killed at the remote left it"
        elif re.search(r"(?i)no space left|quota exceeded", said):
            hint = "make room at the remote"
        return GitError(f"the remote {self.shown} does not take this push: {words}", "unreachable", hint)

    def _asked(self, tip: str, commit: str) -> bool:
        return self._git.run("merge-base", "--is-ancestor", commit, tip).code == 0

    def _failure(self, done: Done) -> GitError:
        kind = "denied" if kind_of(done.err) == "denied" else "unreachable"
        verb = "refuses us" if kind == "denied" else "cannot be reached"
        hint = self._advice("check the address, the network and your credentials")
        if "dubious ownership" in done.err:
            hint = f"git config --global --add safe.directory {self._folder}"
        return GitError(f"the remote {self.shown} {verb}: {last_words(done.err)}", kind, hint)

    def _advice(self, usual: str) -> str:
        """``usual``, or why a setting of the repository that git would use did not help."""
        ignored = [] if not self._own else [s.key for s in self._git.settings if not s.own and re.match(PROGRAMS, s.key)]
        return f"{ignored[0]} in .git/config is not used: set it with 'git config --global'" if ignored else usual


def folder_of(url: str) -> Path | None:
    """The folder that ``url`` means when it is on this machine."""
    if url.startswith("file://"):
        return Path(unquote(urlsplit(url).path))
    return Path(url) if url.startswith("/") else None


def left_locks(url: str, now: float) -> list[Path]:
    """Lock files on branches older than any living git's (``now``: Unix seconds); only where the remote is a folder."""
    folder = folder_of(url)
    if folder is None:
        return []
    left = []
    for path in sorted([*folder.glob("refs/**/*.lock"), *folder.glob(".git/refs/**/*.lock")]):
        with suppress(FileNotFoundError):  # a living git's has gone by now
            left += [path] if now - path.stat().st_mtime > STALE_LOCK else []
    return left


def owned(folder: Path) -> bool:
    """Whether ``folder`` is ours, or is not there."""
    try:
        return folder.stat().st_uid == os.geteuid()
    except OSError:
        return True


def normalised(url: str) -> str:
    """``host/path`` of a remote, equal for the ssh and https addresses of one repository; a folder as its real path.

    Scheme, user, password, default port, ``.git`` and surrounding slashes do not count, and a host has no case.
    """
    if (folder := folder_of(url)) is not None:
        return str(folder.resolve())
    scp = re.match(SCP, url) if "://" not in url else None
    if scp:
        host, port, path = scp[1], None, scp[2]
    else:
        split = urlsplit(url)
        host, path = split.hostname or "", unquote(split.path)
        port = split.port if split.port != PORTS.get(split.scheme) else None
        host = f"[{host}]" if ":" in host else host
    path = re.sub(r"/+", "/", path).strip("/").removesuffix(".git").rstrip("/")
    return f"{host.lower()}{f':{port}' if port else ''}/{path}"
