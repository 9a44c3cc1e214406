"""Every git process starts here: fixed environment, argument lists, time limits.

Repository content and ambient settings must not change what git does. So hooks and fsmonitor are off, no program that a
repository's own ``.git/config`` names is run (ssh command, credential helper, signing program, alternates' listing), and of
the person's own configuration an allow-list is handed on, to processes that leave the machine or sign.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import Lock

from gitops.ports import GitError
from planners.dataclass import dataclass

TIMEOUT = 60.0
"""Seconds a git process may take; a ledger lease is as long, so a push that takes longer is lost anyway."""
FETCH_TIMEOUT = 600.0
"""Seconds a fetch may take: the first one of a large repository is long, and a dead connection ends earlier (see FIXED)."""
STALE_LOCK = 10.0
"""Seconds after which a lock file on one of our refs is taken for a killed git's: git holds it for milliseconds."""

# what reaches every git process, and what of git's own variables is kept where the person's configuration is
KEPT = ("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_CONFIG_HOME")
KEPT_GIT = ("GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_ASKPASS")
# begins the name of every variable that says where the person's configuration is
CONFIG = "GIT_CONFIG"

# of the person's own configuration what is needed to reach a remote, to sign, and to know which files are not theirs to commit
# (patterns are compiled where they are first used: few commands need any, and every command pays for what is done here)
ALLOWED = (
    r"(credential|http|gpg)\.|url\..*\.(push)?insteadof\Z|core\.(sshcommand|excludesfile)\Z"
    r"|(user|author)\.(name|email|signingkey)\Z|ssh\.variant\Z"
)
PROGRAMS = r"core\.sshcommand\Z|credential\.(.*\.)?helper\Z|gpg\.(.*\.)?program\Z"
"""Settings that name a program: from a repository's own configuration they are not used, whatever git itself would do."""

# the person's settings stand between these two, so they replace the first and cannot touch the second
DEFAULTS = {
    "core.askPass": "",
    "core.sshCommand": "ssh -o ConnectTimeout=20 -o ServerAliveInterval=15",
    "credential.helper": "",  # an empty one forgets those that a repository's configuration named before
    "gpg.openpgp.program": "gpg",
    "gpg.x509.program": "gpgsm",
    "gpg.ssh.program": "ssh-keygen",
    "gpg.ssh.defaultKeyCommand": "",
    "http.lowSpeedLimit": "1",
    "http.lowSpeedTime": "60",
}
FIXED = {
    "advice.detachedHead": "false",
    "core.alternateRefsCommand": "true",
    "core.filesRefLockTimeout": "2000",
    "core.fsmonitor": "false",
    "core.fsync": "committed,pack-metadata,reference",
    "core.fsyncMethod": "fsync",
    "core.hooksPath": "/dev/null",
    "core.quotePath": "false",
    "diff.ignoreSubmodules": "all",
    "fastimport.unpackLimit": "1",  # one pack per commit instead of loose objects: 10,000 steps stay linear
    "fetch.fsckObjects": "true",
    "fetch.unpackLimit": "1",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "push.default": "nothing",
    "push.followTags": "false",
    "push.gpgSign": "false",
    "push.recurseSubmodules": "no",
    "safe.bareRepository": "explicit",
    "submodule.recurse": "false",
    "transfer.fsckObjects": "true",
}


@dataclass(frozen=True, slots=True)
class Done:
    """A finished git process."""

    code: int
    out: bytes
    err: str


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of configuration. ``scope`` is git's word: system, global, local, worktree, command; ``key`` as git lists it."""

    scope: str
    key: str
    value: str

    @property
    def own(self) -> bool:
        """Whether the person set it, and not the repository."""
        return self.scope not in ("local", "worktree")


class Git:
    """Runs git on one git directory. ``environ`` is the person's environment, ``common`` where a linked work tree keeps refs."""

    def __init__(self, git_dir: str, environ: Mapping[str, str], common: str = "") -> None:
        self.git_dir = git_dir
        self.common = common or git_dir
        self.environ = environ
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ended = False
        self._lock = Lock()

    def end(self) -> None:
        """Kill what still runs in another thread; nothing is run any more, which whoever asked for it is told."""
        with self._lock:
            self._ended = True
            for process in self._running:
                killed(process)

    @cached_property
    def base(self) -> dict[str, str]:
        """The environment of a process that stays on this machine."""
        kept = {k: self.environ[k] for k in KEPT if k in self.environ}
        return with_config({**kept, **self._fixed}, [*DEFAULTS.items(), *FIXED.items()])

    @cached_property
    def own(self) -> dict[str, str]:
        """That of one that leaves it or signs: the allowed settings, and what credential helpers and ssh look for besides."""
        kept = {k: v for k, v in self.environ.items() if not k.startswith("GIT_") or k in KEPT_GIT}
        allowed = [(s.key, s.value) for s in self.settings if s.own and re.match(ALLOWED, s.key)]
        return with_config({**kept, **self._fixed}, [*DEFAULTS.items(), *allowed, *FIXED.items()])

    @property
    def _fixed(self) -> dict[str, str]:
        return {
            "GIT_ALLOW_PROTOCOL": "file:ssh:https:http",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_DIR": self.git_dir,
            "GIT_GRAFT_FILE": os.devnull,
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
        }

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """All configuration, the person's and the repository's, weakest first; read once."""
        env = {k: self.environ[k] for k in self.environ if k in KEPT or k.startswith(CONFIG)}
        env |= {"GIT_DIR": self.git_dir, "LC_ALL": "C"}
        done = self._spawn(["config", "--null", "--show-scope", "--includes", "--list"], env, b"", TIMEOUT)
        if done.code != 0:
            raise failure("config", done)
        fields = done.out.decode(errors="surrogateescape").split("\0")
        pairs = zip(fields[::2], (field.partition("\n") for field in fields[1::2]), strict=False)
        return tuple(Setting(scope, key, value) for scope, (key, _, value) in pairs)

    def run(
        self,
        *argv: str,
        stdin: bytes = b"",
        own: bool = False,
        timeout: float = TIMEOUT,
        extra: Mapping[str, str] | None = None,
    ) -> Done:
        """Run one command to its end. ``own``: with the person's configuration. Raises ``GitError`` at the time limit."""
        env = {**(self.own if own else self.base), **(extra or {})}
        return self._spawn(argv, env, stdin, timeout)

    def out(self, *argv: str, stdin: bytes = b"", own: bool = False, extra: Mapping[str, str] | None = None) -> str:
        """Standard output of a command that must succeed, without its last newline. Raises ``GitError``."""
        done = self.run(*argv, stdin=stdin, own=own, extra=extra)
        if done.code != 0:
            raise failure(subcommand(argv), done)
        return done.out.decode(errors="surrogateescape").removesuffix("\n")

    def child(self, *argv: str, own: bool = False) -> subprocess.Popen[bytes]:
        """A long-lived process with pipes; the caller ends it."""
        return self._start(argv, self.own if own else self.base, subprocess.DEVNULL)

    def _spawn(self, argv: Sequence[str], env: Mapping[str, str], stdin: bytes, timeout: float) -> Done:
        with self._lock:
            if self._ended:
                raise GitError(f"git {subcommand(argv)} was not run: the command is ending")
            process = self._start(argv, env, subprocess.PIPE)
            self._running.add(process)
        try:
            out, err = process.communicate(stdin, timeout)
        except BaseException as error:
            killed(process)
            process.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                message = f"git {subcommand(argv)} did not end within {timeout:.0f} s"
                raise GitError(message, "unreachable", "check the network, then try again") from error
            raise
        finally:
            with self._lock:
                self._running.discard(process)
        return Done(process.returncode, out, err.decode(errors="replace"))

    def _start(self, argv: Sequence[str], env: Mapping[str, str], stderr: int) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        try:
            # the working directory is never repository content: a bare repository planted there could bring its own settings.
            # A session of its own: nothing below git can ask on the terminal, and all of it ends at a time limit
            return subprocess.Popen(
                ["git", *argv], env=dict(env), stdin=pipe, stdout=pipe, stderr=stderr, cwd="/", start_new_session=True
            )
        except FileNotFoundError as error:
            raise GitError("the git program is not installed", "other", "install git 2.39 or newer") from error


def killed(process: subprocess.Popen[bytes]) -> None:
    """End a process of ours and all below it; one that has ended by itself is fine."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def subcommand(argv: Sequence[str]) -> str:
    """``push`` of ``-c key=value push …``."""
    words = iter(argv)
    for word in words:
        if word not in ("-c", "-C"):
            return word
        next(words, "")
    return ""


def with_config(env: dict[str, str], pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Hand configuration on through the environment: it may hold credentials and must not show in the process list."""
    env["GIT_CONFIG_COUNT"] = str(len(pairs))
    for number, (key, value) in enumerate(pairs):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


DENIED = (
    r"(?i)permission denied|authentication failed|could not read (username|password)|returned error: 40[13]|read-only"
    r"|not permitted|access denied|hook declined|protected branch|insufficient permission|not allowed|dubious ownership"
)
UNREACHABLE = (
    r"(?i)could not resolve|connection (refused|reset|timed out|closed)|unable to access|could(n't| not) connect"
    r"|not appear to be a git repository|could not read from remote|early eof|hung up|network is unreachable"
    r"|operation timed out|does not exist|not found|no such file or directory|not a git repository|host key"
)


def kind_of(text: str) -> str:
    """``denied``, ``unreachable`` or ``other`` from git's words: good enough to word an error, never to decide an outcome."""
    if re.search(DENIED, text):
        return "denied"
    return "unreachable" if re.search(UNREACHABLE, text) else "other"


def failure(command: str, done: Done) -> GitError:
    """A failed git process as an error with its last telling line."""
    return GitError(f"git {command} failed: {last_words(done.err)}", kind_of(done.err))


def last_words(text: str) -> str:
    """The line of git's output that says most, without its prefix and without credentials."""
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("hint:")]
    telling = [line for line in lines if line.startswith(("remote:", "fatal:", "error:", "!")) or re.search(DENIED, line)]
    line = (telling or lines or ["no reason given"])[0]
    return scrub(re.sub(r"^(fatal|error): ", "", line))


def scrub(text: str) -> str:
    """Take user names and passwords out of any URL in ``text``."""
    return re.sub(r"(\w+://)[^/\s]+@", r"\1", text)


def unlocked(git: Git, err: str) -> bool:
    """Remove the lock file that git stumbled over when a killed git left it on one of our own refs; ``True``: try again."""
    ours = (f"{git.common}/refs/provisioning/", f"{git.common}/packed-refs.lock")
    for name in re.findall(r"'([^']+\.lock)': File exists", err):
        try:
            if name.startswith(ours) and time.time() - Path(name).stat().st_mtime > STALE_LOCK:
                Path(name).unlink()
                return True
        except OSError:
            continue
    return False


def value_of(settings: Iterable[Setting], key: str) -> str:
    """The strongest value of ``key``, "" when unset; section and name are compared without case, as git does."""
    section, _, rest = key.rpartition(".")
    head, dot, middle = section.partition(".")
    wanted = f"{head.lower()}{dot}{middle}.{rest.lower()}"
    return next((s.value for s in reversed([*settings]) if s.key == wanted), "")
