"""Every git process starts here: fixed environment, argument lists, time limits.

Repository content and ambient settings must not change what git does, so the environment is built from nothing, hooks and
fsmonitor are off, and only an allow-list of the person's own configuration is handed on.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from gitops.ports import GitError

TIMEOUT = 60.0
"""Seconds a git process that leaves the machine may take."""

KEPT = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME", "GIT_SSH_COMMAND", "GIT_SSL_CAINFO", "GNUPGHOME")
KEPT_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")

# of the person's own configuration only what is needed to reach a remote and to sign
ALLOWED = re.compile(
    r"credential\.|http\.|url\..*\.(push)?insteadof$|core\.sshcommand$|user\.(name|email|signingkey)$|gpg\.|ssh\.variant$|safe\.directory$",
    re.IGNORECASE,
)

FIXED = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.fsync": "committed,reference",
    "core.fsyncMethod": "fsync",
    "core.quotePath": "false",
    "fastimport.unpackLimit": "1",
    "fetch.fsckObjects": "true",
    "transfer.fsckObjects": "true",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "push.default": "nothing",
    "push.followTags": "false",
    "submodule.recurse": "false",
    "protocol.allow": "never",
    "protocol.file.allow": "always",
    "protocol.ssh.allow": "always",
    "protocol.https.allow": "always",
    "protocol.http.allow": "always",
    "advice.detachedHead": "false",
}


@dataclass(frozen=True, slots=True)
class Done:
    """A finished git process."""

    code: int
    out: bytes
    err: str


class Git:
    """Runs git on one git directory. ``environ`` is the person's environment, of which little is handed on."""

    def __init__(self, git_dir: str, environ: Mapping[str, str]) -> None:
        self.git_dir = git_dir
        self._environ = environ

    @cached_property
    def base(self) -> dict[str, str]:
        """The environment of a process that stays on this machine."""
        kept = {k: self._environ[k] for k in (*KEPT, *KEPT_PROXIES) if k in self._environ}
        fixed = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
        fixed |= {"GIT_ATTR_NOSYSTEM": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_DIR": self.git_dir}
        return with_config({**kept, **fixed}, FIXED)

    @cached_property
    def own(self) -> dict[str, str]:
        """``base`` plus the allowed part of the person's own configuration, read once, handed on by environment (never by argument)."""
        env = {k: v for k, v in self.base.items() if k not in ("GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_COUNT")}
        if "GIT_CONFIG_GLOBAL" in self._environ:
            env["GIT_CONFIG_GLOBAL"] = self._environ["GIT_CONFIG_GLOBAL"]
        done = self._spawn(["config", "--null", "--list", "--includes"], env, b"", 10.0)
        pairs = [entry.partition("\n") for entry in done.out.decode(errors="replace").split("\0") if entry]
        allowed = [(key, value) for key, _, value in pairs if ALLOWED.match(key)]
        return with_config(dict(self.base), {**FIXED}, allowed)

    def run(
        self, *argv: str, stdin: bytes = b"", own: bool = False, timeout: float = TIMEOUT, extra: Mapping[str, str] | None = None
    ) -> Done:
        """Run one command to its end. ``own``: with the person's configuration. Raises ``GitError`` (unreachable) at the time limit."""
        env = {**(self.own if own else self.base), **(extra or {})}
        return self._spawn(argv, env, stdin, timeout)

    def out(self, *argv: str, stdin: bytes = b"", own: bool = False, extra: Mapping[str, str] | None = None) -> str:
        """Standard output of a command that must succeed, without its last newline. Raises ``GitError``."""
        done = self.run(*argv, stdin=stdin, own=own, extra=extra)
        if done.code != 0:
            raise failure(argv[0], done)
        return done.out.decode(errors="surrogateescape").removesuffix("\n")

    def child(self, *argv: str) -> subprocess.Popen[bytes]:
        """A long-lived process with pipes; the caller ends it."""
        return subprocess.Popen(
            ["git", *argv], env=self.base, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/"
        )

    def _spawn(self, argv: Sequence[str], env: Mapping[str, str], stdin: bytes, timeout: float) -> Done:
        # never with the working directory inside repository content: a bare repository planted there could bring its own settings
        try:
            process = subprocess.Popen(
                ["git", *argv],
                env=dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise GitError("the git program is not installed", "other", "install git 2.39 or newer") from error
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired as error:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise GitError(f"git {argv[0]} did not end within {timeout:.0f} s", "unreachable", "check the network, then try again") from error
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        return Done(process.returncode, out, err.decode(errors="replace"))


def with_config(env: dict[str, str], fixed: Mapping[str, str], allowed: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """Hand configuration on through ``GIT_CONFIG_COUNT``: it may hold credentials and must not show in the process list.

    The person's settings come first, so that ours win.
    """
    pairs = [*allowed, *fixed.items()]
    env["GIT_CONFIG_COUNT"] = str(len(pairs))
    for number, (key, value) in enumerate(pairs):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


DENIED = ("permission denied", "authentication failed", "could not read username", "403", "401", "read-only", "not permitted", "access denied",
          "hook declined", "protected branch", "insufficient permission", "not allowed")
UNREACHABLE = ("could not resolve", "connection refused", "connection reset", "connection timed out", "unable to access", "could not connect",
               "does not appear to be a git repository", "could not read from remote", "early eof", "hung up", "network is unreachable",
               "operation timed out", "does not exist", "not found", "no such file or directory", "not a git repository")


def kind_of(text: str) -> str:
    """``denied``, ``unreachable`` or ``other`` from git's words: good enough to word an error, never to decide an outcome."""
    low = text.lower()
    if any(word in low for word in DENIED):
        return "denied"
    return "unreachable" if any(word in low for word in UNREACHABLE) else "other"


def failure(command: str, done: Done) -> GitError:
    """A failed git process as an error with its last telling line."""
    lines = [line.removeprefix("fatal: ").removeprefix("error: ").strip() for line in done.err.splitlines() if line.strip()]
    telling = next((line for line in lines if not line.startswith(("hint:", "remote:"))), "") or (lines[0] if lines else "no reason given")
    return GitError(f"git {command} failed: {scrub(telling)}", kind_of(done.err))


def scrub(text: str) -> str:
    """Take user names and passwords out of any URL in ``text``."""
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1", text)
