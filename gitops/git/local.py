"""The local clone through the git program: objects and refs without a work tree or index."""

from __future__ import annotations

import secrets
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import RLock

from gitops.git.command import Git, failure
from gitops.ports import ZERO, Commit, Entry, GitError, Person, Signature

NAMELESS = Person("provisioning", "provisioning@localhost")


def open_repository(path: Path, environ: Mapping[str, str]) -> GitRepository:
    """The repository around ``path``: a work tree, a linked one, a bare one, a detached head. Raises ``GitError``."""
    start = path.resolve()
    if not start.exists():
        raise GitError(f"'{path}' does not exist", "not-a-repository", "name a state repository with -w PATH")
    clean = {k: v for k, v in environ.items() if not k.startswith("GIT_")} | {"LC_ALL": "C"}
    argv = ["git", "-C", str(start), "rev-parse", "--path-format=absolute", "--git-common-dir", "--git-dir", "--is-bare-repository", "--show-toplevel"]
    try:
        done = subprocess.run(argv, env=clean, capture_output=True, text=True, timeout=10, check=False)
    except FileNotFoundError as error:
        raise GitError("the git program is not installed", "other", "install git 2.39 or newer") from error
    lines = done.stdout.splitlines()
    if len(lines) < 3:
        if "dubious ownership" in done.stderr:
            raise GitError(f"'{start}' belongs to another user", "denied", f"git config --global --add safe.directory {start}")
        raise GitError(f"'{start}' is not inside a Git repository", "not-a-repository", "'provisioning init DIR' makes a state repository")
    top = Path(lines[3]) if lines[2] == "false" and len(lines) > 3 else None
    return GitRepository(lines[0], lines[1], top, environ)


class GitRepository:
    """Implements ``gitops.ports.Repository``. ``work_tree`` is ``None`` for a bare one. Safe to use from several threads."""

    def __init__(self, common_dir: str, git_dir: str, work_tree: Path | None, environ: Mapping[str, str]) -> None:
        self.git = Git(common_dir, environ)
        self.git_dir = git_dir
        self.work_tree = work_tree
        self.environ = environ
        self._reader: subprocess.Popen[bytes] | None = None
        self._lock = RLock()
        self._commits: dict[str, Commit] = {}
        self._trees: dict[tuple[str, str, bool], Mapping[str, Entry]] = {}

    def close(self) -> None:
        """End the reading child, if there is one."""
        with self._lock:
            if self._reader is not None:
                reader, self._reader = self._reader, None
                for pipe in (reader.stdin, reader.stdout):
                    if pipe is not None:
                        pipe.close()
                reader.wait()

    def __enter__(self) -> GitRepository:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # --- objects -----------------------------------------------------------------------------------------

    def _ask(self, request: str, want: bool) -> tuple[str, str, bytes] | None:
        """One object by id or revision through ``cat-file --batch-command``: (id, type, content); ``None`` when missing."""
        with self._lock:
            if self._reader is None or self._reader.poll() is not None:
                self._reader = self.git.child("cat-file", "--batch-command")
            reader = self._reader
            if reader.stdin is None or reader.stdout is None:
                raise GitError("git cat-file has no pipes")
            verb = "contents" if want else "info"
            reader.stdin.write(f"{verb} {request}\n".encode())
            reader.stdin.flush()
            head = reader.stdout.readline().decode().split()
            if not head:
                raise GitError("git cat-file ended unexpectedly", "damaged", "check the clone with 'git fsck'")
            if head[-1] in ("missing", "ambiguous"):
                return None
            oid, kind, size = head[0], head[1], int(head[2])
            if not want:
                return oid, kind, str(size).encode()
            content = reader.stdout.read(size)
            reader.stdout.read(1)
            return oid, kind, content

    def commit(self, oid: str) -> Commit:
        """Raises ``GitError(missing)``."""
        if oid not in self._commits:
            found = self._ask(oid, True)
            if found is None or found[1] != "commit":
                raise GitError(f"commit {oid[:12]} is not in this clone", "missing", "fetch it, or deepen a shallow clone")
            self._commits[oid] = parse_commit(oid, found[2])
        return self._commits[oid]

    def history(self, tip: str, stop: str = "", limit: int = 0) -> Sequence[Commit]:
        """First-parent chain, newest first."""
        found: list[Commit] = []
        oid = tip
        while oid and oid != stop and not (limit and len(found) >= limit):
            found.append(self.commit(oid))
            oid = found[-1].parents[0] if found[-1].parents else ""
        return found

    def entries(self, treeish: str, path: str = "", recursive: bool = False) -> Mapping[str, Entry]:
        """One folder, or everything below it."""
        key = (treeish, path, recursive)
        if key in self._trees:
            return self._trees[key]
        spec = f"{treeish}:{path}" if path else f"{treeish}^{{tree}}"
        found = self._ask(spec, not recursive)
        if found is None:
            if path and self._ask(f"{treeish}^{{tree}}", False) is not None:
                return {}
            raise GitError(f"{treeish[:12]} is not in this clone", "missing", "fetch it, or deepen a shallow clone")
        if found[1] != "tree":
            return {}
        result = self._listing(found[0]) if recursive else parse_tree(found[2])
        if len(treeish) == 40:
            self._trees[key] = result
        return result

    def _listing(self, tree: str) -> Mapping[str, Entry]:
        text = self.git.run("ls-tree", "-r", "-z", "--full-tree", tree)
        if text.code != 0:
            raise failure("ls-tree", text)
        found: dict[str, Entry] = {}
        for line in text.out.split(b"\0"):
            if line:
                head, _, name = line.partition(b"\t")
                mode, _, oid = head.decode().split()
                path = name.decode(errors="surrogateescape")
                found[path] = Entry(path.rpartition("/")[2], mode, oid)
        return dict(sorted(found.items()))

    def sizes(self, oids: Iterable[str]) -> Mapping[str, int]:
        """Blob sizes, without their contents."""
        found = {}
        for oid in oids:
            answer = self._ask(oid, False)
            if answer is None:
                raise GitError(f"object {oid[:12]} is not in this clone", "missing", "fetch it, or deepen a shallow clone")
            found[oid] = int(answer[2])
        return found

    def blobs(self, oids: Iterable[str]) -> Mapping[str, bytes]:
        """Contents by id."""
        found = {}
        for oid in oids:
            answer = self._ask(oid, True)
            if answer is None or answer[1] != "blob":
                raise GitError(f"object {oid[:12]} is not in this clone", "missing", "fetch it, or deepen a shallow clone")
            found[oid] = answer[2]
        return found

    def write(
        self, parent: str, edits: Mapping[str, bytes | str | None], message: str, author: Person, sign: bool = False
    ) -> str:
        """One ``git fast-import`` per commit: blobs, trees and the commit in one process and one pack, synced to disk."""
        script = import_script(self, parent, edits, message, author)
        with tempfile.TemporaryDirectory(prefix="provisioning-") as folder:
            marks = Path(folder, "marks")
            done = self.git.run("fast-import", "--quiet", "--force", f"--export-marks={marks}", stdin=script)
            if done.code != 0:
                raise failure("fast-import", done)
            oid = dict(line.split() for line in marks.read_text().splitlines())[":1"]
        return self._signed(oid, parent, message, author) if sign else oid

    def _signed(self, oid: str, parent: str, message: str, author: Person) -> str:
        parents = ["-p", parent] if parent else []
        tree = self.commit(oid).tree
        who = {"GIT_AUTHOR_NAME": author.name, "GIT_AUTHOR_EMAIL": author.email, "GIT_AUTHOR_DATE": f"{author.time} +0000"}
        who |= {k.replace("AUTHOR", "COMMITTER"): v for k, v in who.items()}
        done = self.git.run("commit-tree", "-S", tree, *parents, stdin=message.encode(), own=True, extra=who)
        if done.code != 0:
            hint = "git config gpg.format ssh && git config user.signingkey ~/.ssh/id_ed25519.pub"
            raise GitError("git cannot sign: no usable signing key", "no-identity", f"make one: ssh-keygen -t ed25519, then {hint}")
        return done.out.decode().strip()

    def verify(self, oid: str, allowed: Sequence[str]) -> Signature:
        """Whether ``oid`` is signed by one of ``allowed`` (lines of an ssh allowed-signers file)."""
        with tempfile.NamedTemporaryFile("w", prefix="provisioning-", suffix=".signers") as signers:
            signers.write("".join(line + "\n" for line in allowed))
            signers.flush()
            option = f"gpg.ssh.allowedSignersFile={signers.name}"
            done = self.git.run("-c", option, "verify-commit", "--raw", oid)
        words = done.err.split()
        principal = words[words.index("for") + 1] if done.code == 0 and "for" in words else ""
        return Signature(done.code == 0 and bool(principal), principal, words[-1] if done.code == 0 and words else "")

    # --- refs --------------------------------------------------------------------------------------------

    def resolve(self, revision: str) -> str | None:
        """Commit id of a revision; the revision goes in as data, so that it can never be an option."""
        if not revision or revision.startswith("-") or any(c in revision for c in "\n\0"):
            return None
        where = {"GIT_DIR": self.git_dir} if revision.startswith(("HEAD", "@")) and self.git_dir != self.git.git_dir else None
        done = self.git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", extra=where)
        return done.out.decode().strip() if done.code == 0 else None

    def local(self, prefix: str) -> Mapping[str, str]:
        """Local refs below ``prefix``; a tag's id is that of its commit."""
        text = self.git.out("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", prefix)
        rows = [line.split() for line in text.splitlines()]
        return {row[0]: row[-1] for row in rows}

    def set_ref(self, ref: str, new: str, old: str | None = None) -> bool:
        """Compare-and-swap of a local ref."""
        done = self.git.run("update-ref", "--no-deref", ref, new, *([] if old is None else [old]))
        return done.code == 0

    def contains(self, tip: str, commit: str) -> bool:
        """Whether ``commit`` is ``tip`` or an ancestor of it."""
        if tip == commit:
            return True
        done = self.git.run("merge-base", "--is-ancestor", commit, tip)
        if done.code not in (0, 1):
            raise failure("merge-base", done)
        return done.code == 0

    # --- facts -------------------------------------------------------------------------------------------

    def setting(self, key: str, own: bool = False) -> str:
        """One value of the repository's (or the person's) configuration, "" when unset."""
        if own and (value := self.setting(key)):
            return value
        if own:
            env = self.git.own
            pairs = {env[f"GIT_CONFIG_KEY_{n}"].lower(): env[f"GIT_CONFIG_VALUE_{n}"] for n in range(int(env["GIT_CONFIG_COUNT"]))}
            return pairs.get(key.lower(), "")
        done = self.git.run("config", "--get", key)
        return done.out.decode().strip() if done.code == 0 else ""

    def identity(self) -> Person | None:
        """The person's name and mail as git knows them, ``None`` when unset."""
        environ = self.environ
        name = environ.get("GIT_AUTHOR_NAME") or self.setting("user.name", own=True)
        mail = environ.get("GIT_AUTHOR_EMAIL") or environ.get("EMAIL") or self.setting("user.email", own=True)
        return Person(name, mail) if name and mail else None

    def is_shallow(self) -> bool:
        """Whether history was cut when this was cloned."""
        return Path(self.git.git_dir, "shallow").exists()


def parse_commit(oid: str, raw: bytes) -> Commit:
    """A commit object's bytes as a value."""
    head, _, body = raw.partition(b"\n\n")
    tree, parents, author, signed = "", [], NAMELESS, False
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"tree":
            tree = value.decode()
        elif key == b"parent":
            parents.append(value.decode())
        elif key == b"author":
            author = parse_person(value.decode(errors="replace"))
        elif key in (b"gpgsig", b"gpgsig-sha256"):
            signed = True
    return Commit(oid, tree, tuple(parents), author, body.decode(errors="replace"), signed)


def parse_person(text: str) -> Person:
    """``Name <mail> 1700000000 +0000``."""
    name, _, rest = text.partition(" <")
    mail, _, when = rest.partition("> ")
    seconds = when.split()[0] if when.split() else "0"
    return Person(name, mail, int(seconds) if seconds.lstrip("-").isdigit() else 0)


def parse_tree(raw: bytes) -> Mapping[str, Entry]:
    """A tree object's bytes as entries sorted by name."""
    found: dict[str, Entry] = {}
    at = 0
    while at < len(raw):
        space = raw.index(b" ", at)
        end = raw.index(b"\0", space)
        name = raw[space + 1 : end].decode(errors="surrogateescape")
        mode = raw[at:space].decode().zfill(6)
        found[name] = Entry(name, mode, raw[end + 1 : end + 21].hex())
        at = end + 21
    return dict(sorted(found.items()))


def import_script(repository: GitRepository, parent: str, edits: Mapping[str, bytes | str | None], message: str, author: Person) -> bytes:
    """The fast-import stream of one commit; removals first, so that a file may become a folder and the reverse."""
    who = f"{author.name or NAMELESS.name} <{author.email or NAMELESS.email}> {author.time} +0000"
    text = message.encode()
    # the format wants a ref name; ours is unique, as several processes write at once, and the reset to nothing leaves none behind
    scratch = f"refs/provisioning/scratch-{secrets.token_hex(8)}"
    parts = [f"commit {scratch}\nmark :1\nauthor {who}\ncommitter {who}\ndata {len(text)}\n".encode(), text, b"\n"]
    parts.append(f"from {parent}\n".encode() if parent else b"")
    parts += [f"D {quoted(path)}\n".encode(errors="surrogateescape") for path, content in edits.items() if content is None]
    for path, content in edits.items():
        name = quoted(path).encode(errors="surrogateescape")
        if isinstance(content, bytes):
            parts += [b"M 100644 inline ", name, b"\n", f"data {len(content)}\n".encode(), content, b"\n"]
        elif isinstance(content, str):
            found = repository._ask(content, False)
            if found is None:
                raise GitError(f"object {content[:12]} is not in this clone", "missing")
            mode = "040000" if found[1] == "tree" else "100644"
            parts += [f"M {mode} {found[0]} ".encode(), name, b"\n"]
    parts.append(f"reset {scratch}\nfrom {ZERO}\n\n".encode())
    return b"".join(parts)


def quoted(path: str) -> str:
    """A path as fast-import reads it."""
    if path.startswith('"') or any(c in path for c in '\n"\\'):
        escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    return path


__all__ = ["ZERO", "GitRepository", "open_repository"]
