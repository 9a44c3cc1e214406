"""The shared remote through the git program, over file, ssh and https alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitops.git.command import Done, Git, failure, kind_of, scrub
from gitops.ports import ZERO, GitError, Pushed, RefUpdate

SCHEMES = ("file://", "ssh://", "https://", "http://")


class GitRemote:
    """Implements ``gitops.ports.Remote`` for ``url``; objects arrive in and leave from the repository of ``git``."""

    def __init__(self, git: Git, url: str) -> None:
        if url.startswith("-") or ("::" in url.partition("/")[0]):
            raise GitError(f"'{scrub(url)}' is not a remote address", "denied", "use file, ssh or https")
        self._git = git
        self.url = url
        self._own = not (url.startswith(("/", "file://")))
        """A path needs nothing of the person's configuration, which costs one process to read."""

    @property
    def shown(self) -> str:
        """The address without credentials."""
        return scrub(self.url)

    def refs(self, patterns: Sequence[str]) -> Mapping[str, str]:
        """``ls-remote``; a tag's peeled commit stands under its own name."""
        done = self._git.run("ls-remote", "--end-of-options", self.url, *patterns, own=self._own)
        if done.code != 0:
            raise self._failure(done)
        found = {}
        for line in done.out.decode().splitlines():
            oid, _, name = line.partition("\t")
            found[name.removesuffix("^{}")] = oid
        return found

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, str]:
        """Bring remote refs into local ones. One round trip when all exist; a second when some do not."""
        if not refs:
            return {}
        done = self._fetch(refs)
        if done.code == 0:
            return self._landed(refs.values())
        if "couldn't find remote ref" not in done.err:
            raise self._failure(done)
        there = self.refs(list(refs))
        known = {remote: local for remote, local in refs.items() if remote in there}
        if known and (done := self._fetch(known)).code != 0:
            raise self._failure(done)
        return self._landed(known.values())

    def _fetch(self, refs: Mapping[str, str]) -> Done:
        specs = [f"+{remote}:{local}" for remote, local in refs.items()]
        argv = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules"]
        return self._git.run(*argv, "--end-of-options", self.url, *specs, own=self._own)

    def _landed(self, names: object) -> Mapping[str, str]:
        wanted = set(names)  # type: ignore[call-overload]
        text = self._git.out("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", *sorted(wanted))
        rows = [line.split() for line in text.splitlines()]
        return {row[0]: row[-1] for row in rows if row[0] in wanted}

    def push(self, updates: Sequence[RefUpdate]) -> Pushed:
        """One atomic compare-and-swap push. Anything but a clean answer is ``UNKNOWN``: git's text and code decide nothing."""
        leases = [f"--force-with-lease={u.ref}:{'' if u.old == ZERO else u.old}" for u in updates]
        specs = [f"{u.new}:{u.ref}" for u in updates]
        argv = ["push", "--atomic", "--porcelain", "--no-verify", "--no-follow-tags", *leases]
        try:
            done = self._git.run(*argv, "--end-of-options", self.url, *specs, own=self._own)
        except GitError:
            return Pushed.UNKNOWN
        flags = [line[0] for line in done.out.decode(errors="replace").splitlines() if "\t" in line]
        if done.code == 0 and len(flags) == len(updates) and all(flag in " +*" for flag in flags):
            return Pushed.ACCEPTED
        text = done.out.decode(errors="replace") + done.err
        if "!" in flags and ("stale info" in text or "reference already exists" in text or "but expected" in text or "cannot lock ref" in text):
            return Pushed.REJECTED
        if kind_of(text) == "denied":
            raise GitError(f"the remote {self.shown} does not allow this push: {last_words(text)}", "denied", "check your rights on provisioning/* branches")
        return Pushed.UNKNOWN

    def _failure(self, done: Done) -> GitError:
        error = failure("fetch", done)
        kind = "denied" if error.kind == "denied" else "unreachable"
        verb = "refuses us" if kind == "denied" else "cannot be reached"
        return GitError(f"the remote {self.shown} {verb}: {last_words(done.err)}", kind, "check the address, the network and your credentials")


def last_words(text: str) -> str:
    """The line of git's output that says most, without credentials."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("remote:", "fatal:", "error:", "!")) or "denied" in line.lower()]
    return scrub((telling or lines or ["no reason given"])[0])
