"""The local clone through the git program: objects and refs without a work tree or index."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from gitops.git import demand
from gitops.git.command import CONFIG, Done, Git, failure, unlocked, value_of
from gitops.git.objects import Edits, Pair, compared, in_order, is_oid, parse_commit, parse_diffs, parse_tree, parts_of, written
from gitops.git.reader import Found, Reader
from gitops.ports import ZERO, Commit, Entry, GitError, Person, Signature

PACKS = 20
"""Packs that may lie about before they are joined: every write makes one, and each is looked through on every read."""
READ_AHEAD = 32
"""Commits of a history read one by one before the rest is read in bulk, which costs a process."""
PAIRS = 200
"""Pairs of trees compared by one process."""
GOOD = r'(?m)^Good "git" signature for (.+) with \S+ key (\S+)$'


def open_repository(path: Path, environ: Mapping[str, str]) -> GitRepository:
    """The repository around ``path``: a work tree, a linked one, a bare one, a detached head. Raises ``GitError``."""
    start = path.resolve()
    if not start.exists():
        raise GitError(f"'{path}' does not exist", "not-a-repository", "name a state repository with -w PATH")
    done = discover(start, environ, "explicit")
    lines = done.out.decode(errors="surrogateescape").splitlines()
    if len(lines) < 3 and all((start / name).exists() for name in ("HEAD", "objects", "refs")):
        outer = repository_of(discover(start.parent, environ, "explicit"), environ)
        if outer is not None and outer.tracks(start / "HEAD"):
            # content that looks like a bare repository, with settings of a contributor's choice: the one around it is meant
            return outer
        done = discover(start, environ, "all")
    found = repository_of(done, environ)
    if found is None:
        if "dubious ownership" in done.err:
            raise GitError(f"'{start}' belongs to another user", "denied", f"git config --global --add safe.directory {start}")
        hint = "'provisioning init DIR' makes a state repository"
        raise GitError(f"'{start}' is not inside a Git repository", "not-a-repository", hint)
    return found


def discover(start: Path, environ: Mapping[str, str], bare: str) -> Done:
    """Ask git what is around ``start``. ``bare``: ``explicit`` finds no bare repository, ``all`` does."""
    kept = {k: v for k, v in environ.items() if not k.startswith("GIT_") or k.startswith((CONFIG, "GIT_CEILING_DIRECTORIES"))}
    argv = ["git", "-c", f"safe.bareRepository={bare}", "-C", str(start), "rev-parse", "--path-format=absolute"]
    argv += ["--git-common-dir", "--git-dir", "--is-bare-repository", "--show-toplevel"]
    try:
        done = subprocess.run(argv, env=kept | {"LC_ALL": "C"}, capture_output=True, timeout=10, check=False)
    except FileNotFoundError as error:
        raise GitError("the git program is not installed", "other", "install git 2.39 or newer") from error
    return Done(done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def repository_of(done: Done, environ: Mapping[str, str]) -> GitRepository | None:
    """What ``discover`` found, if anything."""
    lines = done.out.decode(errors="surrogateescape").splitlines()
    if len(lines) < 3:
        return None
    return GitRepository(Git(lines[1], environ, lines[0]), Path(lines[3]) if len(lines) > 3 else None)


class GitRepository:
    """Implements ``gitops.ports.Repository``. ``work_tree`` is ``None`` for a bare one.

    A shallow or partial clone fetches what it lacks when it is asked for, once.
    """

    def __init__(self, git: Git, work_tree: Path | None = None) -> None:
        self.git = git
        self.git_dir = git.git_dir
        self.work_tree = work_tree
        self._partial = demand.is_partial(git)
        # git itself brings what a partial clone lacks beside contents, and may need the person's credentials for it
        self._reader = Reader(partial(git.child, own=self._partial))
        self._commits: dict[str, Commit] = {}
        self._trees: dict[str, Mapping[str, Entry]] = {}
        self.left_out: dict[str, int] = {}
        """Blobs that stand for a large file of the work tree -> its real size; see ``worktree_tree``."""

    def close(self) -> None:
        """End the reading child, if there is one."""
        self._reader.close()

    def __enter__(self) -> GitRepository:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def base(self) -> str:
        """Where git starts a relative address of a remote."""
        return str(self.work_tree or self.git_dir)

    # --- objects -----------------------------------------------------------------------------------------

    def _one(self, name: str, kind: str) -> Found:
        found = next(iter(self._reader.contents([name])))
        if found is None or found.kind != kind:
            raise missing(kind, name)
        return found

    def commit(self, oid: str) -> Commit:
        """Raises ``GitError(missing)``."""
        if oid not in self._commits:
            checked(oid)
            try:
                found = self._one(oid, "commit")
            except GitError:
                if not self.deepen():
                    raise
                found = self._one(oid, "commit")
            self._commits[oid] = parse_commit(oid, found.content)
        return self._commits[oid]

    def history(self, tip: str, stop: str = "", limit: int = 0) -> Sequence[Commit]:
        """First-parent chain, newest first."""
        found: list[Commit] = []
        oid = tip
        ahead = READ_AHEAD
        while oid and oid != stop and not (limit and len(found) >= limit):
            if len(found) == ahead:
                ahead *= 4
                self._read_ahead(oid, ahead)
            found.append(self.commit(oid))
            oid = next(iter(found[-1].parents), "")
        return found

    def _read_ahead(self, tip: str, count: int) -> None:
        """Read commits that are wanted soon: one by one, each waits for the answer before."""
        chain = self.git.run("rev-list", "--first-parent", f"--max-count={count}", checked(tip)).out.decode().split()
        for oid, found in zip(chain, self._reader.contents(chain), strict=True):
            if found is not None:
                self._commits[oid] = parse_commit(oid, found.content)

    def entries(self, treeish: str, path: str = "", recursive: bool = False) -> Mapping[str, Entry]:
        """One folder, or everything below it; trees once read are kept."""
        found = self._tree(self._root(treeish))
        for part in parts_of(path):
            entry = found.get(part)
            if entry is None or entry.mode != "040000":
                return {}
            found = self._tree(entry.oid)
        return self._below(found) if recursive else found

    def _root(self, treeish: str) -> str:
        if treeish not in self._trees and treeish not in self._commits:
            found = next(iter(self._reader.contents([checked(treeish)])))
            if found is not None and found.kind == "tree":
                self._trees[treeish] = parse_tree(found.content)
        return treeish if treeish in self._trees else self.commit(treeish).tree

    def _tree(self, oid: str) -> Mapping[str, Entry]:
        if oid not in self._trees:
            self._trees[oid] = parse_tree(self._one(oid, "tree").content)
        return self._trees[oid]

    def _below(self, top: Mapping[str, Entry]) -> Mapping[str, Entry]:
        """Every path below, reading one level of folders at a time."""
        level = {"": top}
        found: dict[str, Entry] = {}
        while level:
            folders: dict[str, str] = {}
            for prefix, entries in level.items():
                for name, entry in entries.items():
                    if entry.mode == "040000":
                        folders[f"{prefix}{name}/"] = entry.oid
                    else:
                        found[f"{prefix}{name}"] = entry
            self._read_trees([oid for oid in folders.values() if oid not in self._trees])
            level = {prefix: self._trees[oid] for prefix, oid in folders.items()}
        return dict(sorted(found.items()))

    def _read_trees(self, oids: Sequence[str]) -> None:
        for oid, found in zip(oids, self._reader.contents(oids), strict=True):
            if found is None:
                raise missing("tree", oid)
            self._trees[oid] = parse_tree(found.content)

    def differences(self, pairs: Sequence[tuple[str, str]]) -> Iterator[Mapping[str, Pair]]:
        """For each pair of trees all that differs, by one process for many."""
        for start in range(0, len(pairs), PAIRS):
            some = pairs[start : start + PAIRS]
            done = self.git.run(
                "diff-tree", "--stdin", "-r", "-z", "--no-renames", "--ignore-submodules=none", stdin=compared(some)
            )
            found = [*parse_diffs(done.out)]
            if done.code != 0 or done.err or len(found) != len(some):  # what is not there it passes over, whole or in part
                raise GitError("a tree is not in this clone", "missing", "fetch it, or deepen a shallow clone")
            yield from found

    def sizes(self, oids: Iterable[str]) -> Mapping[str, int]:
        """Blob sizes, without their contents."""
        wanted = self._wanted(oids)
        found = {oid: self._blob(oid, found).size for oid, found in zip(wanted, self._reader.headers(wanted), strict=True)}
        return found | {oid: size for oid, size in self.left_out.items() if oid in found}

    def blobs(self, oids: Iterable[str]) -> Mapping[str, bytes]:
        """Contents by id."""
        wanted = self._wanted(oids)
        return {oid: self._blob(oid, found).content for oid, found in zip(wanted, self._reader.contents(wanted), strict=True)}

    def _wanted(self, oids: Iterable[str]) -> Sequence[str]:
        wanted = [checked(oid) for oid in dict.fromkeys(oids)]
        if self._partial and wanted:
            demand.bring(self.git, self.base, wanted)
        return wanted

    @staticmethod
    def _blob(oid: str, found: Found | None) -> Found:
        if found is None or found.kind != "blob":
            raise missing("blob", oid)
        return found

    def write(
        self, parent: str, edits: Edits, message: str, author: Person, sign: bool = False, others: Sequence[str] = ()
    ) -> str:
        """One ``git fast-import`` per commit: blobs, trees and the commit in one process and one pack, synced to disk."""
        grafts = [edit for edit in edits.values() if isinstance(edit, str)]
        kinds = {}
        for oid, found in zip(grafts, self._reader.headers([checked(oid) for oid in grafts]), strict=True):
            if found is None or found.kind not in ("tree", "blob"):
                raise missing("tree or blob", oid)
            kinds[oid] = found.kind
        parents = [p for p in (parent, *others) if p]
        for oid in parents:
            self.commit(checked(oid))
        script = import_script(parents, edits, kinds, message, author)
        oid = self.git.out("fast-import", "--quiet", "--force", "--done", stdin=script)
        return self._signed(oid, parents, message, author) if sign else oid

    def _signed(self, oid: str, parents: Sequence[str], message: str, author: Person) -> str:
        name, mail, date = re.split(r" <|> ", written(author))
        who = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": mail, "GIT_AUTHOR_DATE": f"@{date}"}
        who |= {key.replace("AUTHOR", "COMMITTER"): value for key, value in who.items()}
        named = [word for parent in parents for word in ("-p", parent)]
        text = message.encode(errors="replace")
        done = self.git.run("commit-tree", "-S", self.commit(oid).tree, *named, stdin=text, own=True, extra=who)
        if done.code != 0:
            hint = "ssh-keygen -t ed25519, then git config --global gpg.format ssh && git config --global user.signingkey KEY.pub"
            raise GitError(f"git cannot sign: {failure('commit-tree', done)}", "no-identity", f"make a key: {hint}")
        return done.out.decode().strip()

    def verify(self, oid: str, allowed: Sequence[str]) -> Signature:
        """Whether ``oid`` is signed by an ssh key among ``allowed``; any other kind of signature is not good."""
        import tempfile

        self.commit(checked(oid))
        with tempfile.NamedTemporaryFile("w", prefix="provisioning-", suffix=".signers") as signers:
            signers.write("".join(f"{line}\n" for line in allowed if "\n" not in line))
            signers.flush()
            ours = {"gpg.ssh.allowedSignersFile": signers.name, "gpg.openpgp.program": "false", "gpg.x509.program": "false"}
            options = [word for key, value in ours.items() for word in ("-c", f"{key}={value}")]
            done = self.git.run(*options, "verify-commit", "--raw", oid)
        match = re.search(GOOD, done.err)
        return Signature(True, match[1], match[2]) if done.code == 0 and match else Signature(False)

    def disk_usage(self, tip: str, without: str = "") -> int:
        """Bytes on disk of everything reachable from ``tip`` and not from ``without``."""
        beyond = [f"^{checked(without)}"] if without else []
        return int(self.git.out("rev-list", "--objects", "--disk-usage", checked(tip), *beyond))

    # --- refs --------------------------------------------------------------------------------------------

    def resolve(self, revision: str) -> str | None:
        """Commit id of a revision; it goes in as data, so that it can never be an option."""
        if not revision or any(c in revision for c in "\n\0"):
            return None
        found = next(iter(self._reader.headers([f"{revision}^{{commit}}"])))
        if found is None and re.search(r"[~^@]|\A[0-9a-f]{4,40}\Z", revision) and self.deepen():
            found = next(iter(self._reader.headers([f"{revision}^{{commit}}"])))
        return found.oid if found else None

    def local(self, prefix: str) -> Mapping[str, str]:
        """Local refs below ``prefix``; a tag's id is that of its commit."""
        text = self.git.out("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", "--end-of-options", prefix)
        rows = [line.split() for line in text.splitlines()]
        return {row[0]: row[-1] for row in rows}

    def set_ref(self, ref: str, new: str, old: str | None = None) -> bool:
        """Compare-and-swap of a local ref. Raises ``GitError`` when git cannot write it at all."""
        argv = ["update-ref", "--no-deref", "--end-of-options", ref, checked(new), *([] if old is None else [old])]
        done = self.git.run(*argv)
        if done.code != 0 and unlocked(self.git, done.err):
            done = self.git.run(*argv)
        if done.code == 0:
            return True
        if old is not None and self.local(ref).get(ref, ZERO) != old:
            return False
        raise failure("update-ref", done)

    def contains(self, tip: str, commit: str) -> bool:
        """Whether ``commit`` is ``tip`` or an ancestor of it."""
        # mostly it is the parent, which the reading child knows; to ask git for more takes a process
        if commit in (tip, *self.commit(checked(tip)).parents):
            return True
        done = self.git.run("merge-base", "--is-ancestor", checked(commit), checked(tip))
        if done.code != 0 and self.is_shallow():
            if not self.deepen():
                message = "this clone is shallow and the rest of the history cannot be fetched"
                raise GitError(message, "missing", "git fetch --unshallow")
            done = self.git.run("merge-base", "--is-ancestor", commit, tip)
        if done.code not in (0, 1):
            for oid in (tip, commit):  # the one that is not there says so
                self.commit(oid)
            raise failure("merge-base", done)
        return done.code == 0

    def tidy(self) -> bool:
        """Join small packs and loose objects geometrically once there are ``PACKS``; nothing is ever pruned."""
        if self._partial or len([*Path(self.git.common, "objects", "pack").glob("*.pack")]) < PACKS:
            return False
        # another process may be at it: what fails now is done next time
        return self.git.run("-c", "pack.threads=1", "repack", "-d", "-q", "--geometric=2", "--no-write-bitmap-index").code == 0

    # --- facts -------------------------------------------------------------------------------------------

    def setting(self, key: str, own: bool = False) -> str:
        """One value of the repository's configuration ("" when unset); with ``own`` the person's counts where it has none."""
        return value_of((s for s in self.git.settings if own or not s.own), key)

    def identity(self) -> Person | None:
        """The person's name and mail as git knows them, ``None`` when unset."""
        environ = self.git.environ
        name = environ.get("GIT_AUTHOR_NAME") or self.setting("author.name", True) or self.setting("user.name", True)
        mail = environ.get("GIT_AUTHOR_EMAIL") or self.setting("author.email", True) or self.setting("user.email", True)
        return Person(name, mail) if name and (mail := mail or environ.get("EMAIL", "")) else None

    def tracks(self, path: Path) -> bool:
        """Whether ``path`` of the work tree is in the index."""
        if self.work_tree is None:
            return False
        where = {"GIT_WORK_TREE": self.base}
        return bool(self.git.out("-C", self.base, "ls-files", "--", f":(literal){path}", extra=where))

    def is_shallow(self) -> bool:
        """Whether history was cut when this was cloned."""
        return demand.is_shallow(self.git)

    def deepen(self) -> bool:
        """Complete the history of a shallow clone; ``False`` when it is not shallow, or the rest cannot be had."""
        if not self.is_shallow() or not demand.deepen(self.git, self.base):
            return False
        self._reader.close()  # it knows the history as it was
        return True


def checked(oid: str) -> str:
    """An object id, and nothing that git could take for a name. Raises ``GitError``."""
    if not is_oid(oid):
        raise GitError(f"'{oid}' is not the full id of an object", "missing")
    return oid


def missing(kind: str, oid: str) -> GitError:
    """An object that is not in the clone."""
    return GitError(f"{kind} {oid[:12]} is not in this clone", "missing", "fetch it, or deepen a shallow clone")


def import_script(parents: Sequence[str], edits: Edits, kinds: Mapping[str, str], message: str, author: Person) -> bytes:
    """The fast-import stream of one commit, which prints its id. ``kinds``: what the existing objects named in ``edits`` are."""
    who = written(author).encode(errors="replace")
    text = message.encode(errors="replace")
    # the format wants a ref name; several processes write at once, so it is ours alone, and the reset to nothing leaves none
    scratch = b"refs/provisioning/scratch-" + os.urandom(8).hex().encode()
    parts = [b"commit %b\nmark :1\nauthor %b\ncommitter %b\ndata %d\n%b\n" % (scratch, who, who, len(text), text)]
    parts += [f"{word} {oid}\n".encode() for word, oid in zip(("from", *["merge"] * len(parents)), parents, strict=False)]
    for folders, content in in_order(edits):
        name = quoted("/".join(folders))
        if isinstance(content, bytes):
            parts += [b"M 100644 inline %b\ndata %d\n" % (name, len(content)), content, b"\n"]
        elif content is not None:
            mode = b"040000" if kinds[content] == "tree" else b"100644"
            parts.append(b"M %b %b %b\n" % (mode, content.encode(), name))
        else:
            parts.append(b"D %b\n" % name if folders else b"deleteall\n")
    parts.append(b"reset %b\nfrom %b\n\nget-mark :1\ndone\n" % (scratch, ZERO.encode()))
    return b"".join(parts)


def quoted(path: str) -> bytes:
    """A path as fast-import reads it."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode(errors="surrogateescape")
