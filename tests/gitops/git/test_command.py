"""The environment of git: what is handed on, what is not, and that nothing a repository names is run."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gitops.git.command import Done, Git, Setting, failure, kind_of, last_words, scrub, subcommand, unlocked, value_of
from gitops.git.remote import GitRemote
from gitops.git.worktree import uncommitted, worktree_tree
from gitops.ports import ZERO, GitError, Person, RefUpdate

ANN = Person("Ann", "ann@example.org", 1)


def handed_on(env: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(env[f"GIT_CONFIG_KEY_{n}"], env[f"GIT_CONFIG_VALUE_{n}"]) for n in range(int(env["GIT_CONFIG_COUNT"]))]


def test_a_local_process_gets_nothing_of_the_persons_variables_and_configuration(work: Path, home: Path) -> None:
    (home / ".gitconfig").write_text("[user]\n\tname = Ann\n[core]\n\tsshCommand = mine\n")
    environ = {
        "PATH": "/bin",
        "HOME": str(home),
        "GIT_DIR": "/elsewhere",
        "GIT_EXEC_PATH": "/evil",
        "TOKEN": "t",
        "LANG": "de_DE",
    }
    env = Git(str(work / ".git"), environ).base
    assert env["GIT_DIR"] == str(work / ".git")
    assert not {"GIT_EXEC_PATH", "TOKEN", "LANG"} & env.keys()
    assert ("core.sshCommand", "mine") not in handed_on(env)
    assert ("core.hooksPath", "/dev/null") in handed_on(env)


def test_a_process_that_leaves_the_machine_gets_the_allowed_part(work: Path, home: Path, environ: Mapping[str, str]) -> None:
    (home / ".gitconfig").write_text(
        "[core]\n\tsshCommand = mine\n\tfsmonitor = /evil\n\thooksPath = /evil\n\tpager = less\n"
        '[credential]\n\thelper = store\n[url "https://x/"]\n\tinsteadOf = gh:\n[alias]\n\tpush = !evil\n[http]\n\tproxy = p\n'
    )
    env = Git(str(work / ".git"), {**environ, "TOKEN": "for a helper", "GIT_ASKPASS": "asks", "GIT_TRACE": "1"}).own
    assert (env["TOKEN"], env["GIT_ASKPASS"]) == ("for a helper", "asks")
    assert "GIT_TRACE" not in env
    settings = handed_on(env)
    assert {("core.sshcommand", "mine"), ("credential.helper", "store"), ("http.proxy", "p")} <= {*settings}
    assert ("url.https://x/.insteadof", "gh:") in settings
    keys = [key.lower() for key, _ in settings]
    assert "alias.push" not in keys and "core.pager" not in keys
    # the last one counts: ours for what is fixed, the person's for the rest
    strongest = {key.lower(): value for key, value in settings}
    assert strongest["core.fsmonitor"] == "false" and strongest["core.hookspath"] == "/dev/null"
    assert strongest["core.sshcommand"] == "mine"


def test_settings_of_the_persons_environment_count_as_theirs(work: Path, environ: Mapping[str, str]) -> None:
    counted = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "credential.helper", "GIT_CONFIG_VALUE_0": "cache"}
    assert ("credential.helper", "cache") in handed_on(Git(str(work / ".git"), {**environ, **counted}).own)


def test_no_program_of_a_repositorys_configuration_is_run(work: Path, git: Any, opened: Any, canary: Path) -> None:
    for key in ("core.fsmonitor", "core.sshCommand", "core.askPass", "core.alternateRefsCommand", "credential.helper"):
        git(work, "config", key, str(canary))
    for key in ("gpg.program", "gpg.ssh.program", "gpg.ssh.defaultKeyCommand", "credential.https://127.0.0.1.helper"):
        git(work, "config", key, str(canary))
    for key in ("filter.evil.clean", "filter.evil.process", "filter.evil.smudge", "diff.evil.textconv", "diff.external"):
        git(work, "config", key, str(canary))
    for key in ("uploadpack", "receivepack"):
        git(work, "config", f"remote.file:///nonexistent.git.{key}", str(canary))
    git(work, "config", "core.hooksPath", str(canary.parent))
    for hook in ("pre-push", "reference-transaction", "post-index-change", "pre-auto-gc", "post-commit"):
        (canary.parent / hook).symlink_to(canary)
    (work / ".gitattributes").write_text("* filter=evil diff=evil\n")
    (work / "a").write_text("changed\n")

    repository = opened(work)
    assert uncommitted(repository) == (".gitattributes", "a")
    worktree_tree(repository)
    tip = repository.write(repository.resolve("HEAD"), {"b": b"1"}, "m", ANN)
    repository.set_ref("refs/provisioning/x", tip)
    repository.verify(tip, [])
    for key, value in {"": "", "gpg.format": "ssh", "user.signingKey": str(canary)}.items():
        if key:
            git(work, "config", key, value)
        with pytest.raises(GitError, match="git cannot sign"):
            opened(work).write("", {"b": b"1"}, "m", ANN, sign=True)
    for url in ("ssh://127.0.0.1:1/x", "https://127.0.0.1:1/x", "file:///nonexistent.git"):
        with pytest.raises(GitError):
            GitRemote(repository.git, url).refs(["*"])
        GitRemote(repository.git, url).push([RefUpdate("refs/heads/x", ZERO, tip)])
    assert not (canary.parent / "ran").exists()


@pytest.mark.real
def test_a_credential_helper_of_the_repository_is_not_asked(
    work: Path, git: Any, opened: Any, canary: Path, https_remote: Any
) -> None:
    site = https_remote("x")
    git(work, "config", "credential.helper", str(canary))
    git(work, "config", f"credential.{site.url.rpartition('/')[0]}.helper", str(canary))
    repository = opened(work)
    repository.git.environ = {**repository.git.environ, "GIT_SSL_CAINFO": site.environ["GIT_SSL_CAINFO"]}
    with pytest.raises(GitError) as error:
        GitRemote(repository.git, site.url).refs(["*"])
    assert (error.value.kind, error.value.hint) == (
        "denied",
        "credential.helper in .git/config is not used: set it with 'git config --global'",
    )
    assert not (canary.parent / "ran").exists()


def test_a_process_over_its_time_ends_with_all_below_it(work: Path, environ: Mapping[str, str], tmp_path: Path) -> None:
    git, said = Git(str(work / ".git"), environ), tmp_path / "said"
    os.mkfifo(said)
    # the fifo's reader gets an end of file only when every process that holds its other end is gone
    holding = f"!exec 3>{said}; (exec sleep 600) & exec sleep 600"
    reader = os.open(said, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(GitError, match="git waiting did not end within 1 s") as error:
        git.run("-c", f"alias.waiting={holding}", "waiting", timeout=1)
    assert error.value.kind == "unreachable"
    os.set_blocking(reader, True)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_without_git_there_is_a_sentence(work: Path) -> None:
    with pytest.raises(GitError, match="the git program is not installed"):
        Git(str(work / ".git"), {"PATH": "/nonexistent"}).run("version")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ann@host: Permission denied (publickey).\nfatal: Could not read from remote repository.", "denied"),
        ("fatal: Authentication failed for 'https://x/'", "denied"),
        ("fatal: could not read Username for 'https://x': terminal prompts disabled", "denied"),
        ("fatal: unable to access 'https://x/': The requested URL returned error: 403", "denied"),
        ("[remote rejected] (pre-receive hook declined)", "denied"),
        ("fatal: detected dubious ownership in repository at '/srv/x'", "denied"),
        ("fatal: unable to access 'https://x/': Could not resolve host: x", "unreachable"),
        ("fatal: unable to access 'https://x/': The requested URL returned error: 503", "unreachable"),
        ("fatal: '/srv/x' does not appear to be a git repository", "unreachable"),
        ("ssh: connect to host x port 22: Connection timed out", "unreachable"),
        ("error: 401f403a0000 is something else", "other"),
        ("", "other"),
    ],
)
def test_what_git_says_is_sorted_by_kind(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_a_failure_tells_the_line_that_says_most_without_credentials() -> None:
    text = "hint: try\nwarning: slow\nfatal: unable to access 'https://ann:secret@x/y': Could not resolve host\n"
    error = failure("fetch", Done(128, b"", text))
    assert str(error) == "git fetch failed: unable to access 'https://x/y': Could not resolve host"
    assert last_words("") == "no reason given"
    assert scrub("see https://a:b@c@h/p and ssh://git@h/p, git@h:p") == "see https://h/p and ssh://h/p, git@h:p"


def test_the_subcommand_is_found_behind_options() -> None:
    assert subcommand(["-C", "/x", "-c", "a=b", "push", "-c"]) == "push"
    assert subcommand(["version"]) == "version"
    assert subcommand([]) == ""


def test_the_strongest_setting_counts_whatever_the_case() -> None:
    settings = [
        Setting("global", "user.name", "weak"),
        Setting("local", "user.name", "strong"),
        Setting("local", "remote.A.url", "u"),
    ]
    assert value_of(settings, "User.Name") == "strong"
    assert value_of(settings, "Remote.A.URL") == "u"
    assert value_of(settings, "remote.a.url") == ""


def test_a_lock_left_by_a_killed_git_is_removed_when_it_is_old_and_ours(work: Path, environ: Mapping[str, str]) -> None:
    git = Git(str(work / ".git"), environ)
    ours = work / ".git/refs/provisioning/ledger/shop.lock"
    ours.parent.mkdir(parents=True)
    theirs = work / ".git/refs/heads/main.lock"

    def said(lock: Path) -> str:
        lock.touch()
        return f"fatal: Unable to create '{lock}': File exists.\n\nAnother git process seems to be running"

    assert not unlocked(git, said(ours)) and ours.exists()
    os.utime(ours, (time.time() - 60,) * 2)
    assert unlocked(git, f"Unable to create '{ours}': File exists") and not ours.exists()
    os.utime(theirs.parent, None)
    text = said(theirs)
    os.utime(theirs, (0, 0))
    assert not unlocked(git, text) and theirs.exists()
    assert not unlocked(git, "fatal: something else")
