"""The twin of a clone and its remote in memory: real object ids, compare-and-swap, atomic pushes; for tests and simulation.

    server = MemoryServer()
    repository, remote = server.clone()

Any number of clones share one server, each with objects and refs of its own. ``server.before`` and ``server.after`` stand
in the window between a client's look at the refs and the server's answer: what a network can do to a push is done there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from threading import RLock

from gitops.git.objects import Edits, Pair, Trees, differing, object_id, pack_commit, parse_commit, parse_tree, parts_of, rows_of
from gitops.ports import NOTHING, ZERO, Commit, Entry, GitError, Person, Pushed, RefUpdate, Signature, check_updates

Store = dict[str, tuple[str, bytes]]
"""Object id -> (kind, content)."""
parsed_tree = lru_cache(maxsize=1 << 16)(parse_tree)
parsed_commit = lru_cache(maxsize=1 << 16)(parse_commit)
"""Objects never change, so all stores of a process share what was made of them."""
SIGNED = re.compile(rb"^gpgsig memory (.*) ([0-9a-f]{40})\n", re.MULTILINE)
STEP = re.compile(r"(.*?)((?:[~^]\d*)*)\Z", re.DOTALL)


class MemoryRepository:
    """Implements ``gitops.ports.Repository``. ``signer`` is the principal its signatures name; "" cannot sign."""

    def __init__(self, signer: str = "") -> None:
        self.objects: Store = {}
        self.refs: dict[str, str] = {}
        self.head = "refs/heads/main"
        self.signer = signer
        self._lock = RLock()

    # --- objects -----------------------------------------------------------------------------------------

    def _object(self, oid: str, kind: str) -> bytes:
        found = self.objects.get(oid)
        if found is None or found[0] != kind:
            raise GitError(f"{kind} {oid[:12]} is not in this clone", "missing")
        return found[1]

    def _put(self, kind: str, raw: bytes) -> str:
        oid = object_id(kind, raw)
        self.objects[oid] = (kind, raw)
        return oid

    def _tree(self, oid: str) -> Mapping[str, Entry]:
        return parsed_tree(self._object(oid, "tree"))

    def commit(self, oid: str) -> Commit:
        """Raises ``GitError(missing)``."""
        return parsed_commit(oid, self._object(oid, "commit"))

    def history(self, tip: str, stop: str = "", limit: int = 0) -> Sequence[Commit]:
        """First-parent chain, newest first."""
        found: list[Commit] = []
        oid = tip
        while oid and oid != stop and not (limit and len(found) >= limit):
            found.append(self.commit(oid))
            oid = next(iter(found[-1].parents), "")
        return found

    def entries(self, treeish: str, path: str = "", recursive: bool = False) -> Mapping[str, Entry]:
        """One folder, or everything below it."""
        tree = self.commit(treeish).tree if self.objects.get(treeish, ("", b""))[0] == "commit" else treeish
        found = self._tree(tree)
        for part in parts_of(path):
            entry = found.get(part)
            if entry is None or entry.mode != "040000":
                return {}
            found = self._tree(entry.oid)
        return dict(sorted(self._below("", found))) if recursive else found

    def _below(self, prefix: str, entries: Mapping[str, Entry]) -> Iterable[tuple[str, Entry]]:
        for name, entry in entries.items():
            if entry.mode == "040000":
                yield from self._below(f"{prefix}{name}/", self._tree(entry.oid))
            else:
                yield f"{prefix}{name}", entry

    def sizes(self, oids: Iterable[str]) -> Mapping[str, int]:
        """Blob sizes."""
        return {oid: len(content) for oid, content in self.blobs(oids).items()}

    def differences(self, pairs: Sequence[tuple[str, str]]) -> Iterator[Mapping[str, Pair]]:
        """For each pair of trees all that differs."""
        return (dict(differing(self._tree, old, new)) for old, new in pairs)

    def blobs(self, oids: Iterable[str]) -> Mapping[str, bytes]:
        """Contents by id."""
        return {oid: self._object(oid, "blob") for oid in oids}

    def write(
        self, parent: str, edits: Edits, message: str, author: Person, sign: bool = False, others: Sequence[str] = ()
    ) -> str:
        """A new commit; no ref moves."""
        if sign and not self.signer:
            raise GitError("git cannot sign: no usable signing key", "no-identity")
        with self._lock:
            parents = [self.commit(p) for p in (parent, *others) if p]
            tree = Trees(self._tree, self._put).edited(parents[0].tree if parents else "", edits, self._mode)
            raw = pack_commit(tree, [p.oid for p in parents], author, message)
            if not sign:
                return self._put("commit", raw)
            # like a real one it covers everything else in the commit
            signature = f"memory {self.signer} {object_id('commit', raw)}"
            return self._put("commit", pack_commit(tree, [p.oid for p in parents], author, message, signature))

    def _mode(self, oid: str) -> str:
        kind = self.objects.get(oid, ("", b""))[0]
        if kind not in ("tree", "blob"):
            raise GitError(f"object {oid[:12]} is not in this clone", "missing")
        return "040000" if kind == "tree" else "100644"

    def verify(self, oid: str, allowed: Sequence[str]) -> Signature:
        """Good when the signer named in the commit is the principal of a line in ``allowed``, and nothing else was changed."""
        raw = self._object(oid, "commit")
        match = SIGNED.search(raw)
        if match is None:
            return Signature(False)
        signer, of = match[1].decode(errors="replace"), match[2].decode()
        good = any(line.split()[:1] == [signer] for line in allowed) and object_id("commit", SIGNED.sub(b"", raw, 1)) == of
        return Signature(good, signer, "memory") if good else Signature(False)

    # --- refs --------------------------------------------------------------------------------------------

    def resolve(self, revision: str) -> str | None:
        """Commit id of a ref, HEAD, a full or short id, each with ``~N`` and ``^N`` after it."""
        match = STEP.match(revision)
        name, steps = match.groups() if match else (revision, "")
        oid = self._named(name)
        for sign, count in re.findall(r"([~^])(\d*)", steps):
            hops, which = (int(count or 1), 1) if sign == "~" else (1, int(count or 1))
            for _ in range(hops if which else 0):
                parents = self.commit(oid).parents if oid else ()
                oid = parents[which - 1] if len(parents) >= which else None
        return oid

    def _named(self, name: str) -> str | None:
        if name in ("HEAD", "@"):
            name = self.head
        for ref in (name, f"refs/{name}", f"refs/tags/{name}", f"refs/heads/{name}", f"refs/remotes/{name}"):
            if ref in self.refs:
                return self.refs[ref]
        if not re.fullmatch(r"[0-9a-f]{4,40}", name):
            return None
        found = [oid for oid, (kind, _) in list(self.objects.items()) if kind == "commit" and oid.startswith(name)]
        return found[0] if len(found) == 1 else None

    def local(self, prefix: str) -> Mapping[str, str]:
        """Refs at or below ``prefix``."""
        base = prefix.rstrip("/")
        return {ref: oid for ref, oid in sorted(self.refs.items()) if ref == base or ref.startswith(f"{base}/")}

    def set_ref(self, ref: str, new: str, old: str | None = None) -> bool:
        """Compare-and-swap of a local ref."""
        with self._lock:
            if old is not None and self.refs.get(ref, ZERO) != old:
                return False
            self.commit(new)
            self.refs[ref] = new
            return True

    def contains(self, tip: str, commit: str) -> bool:
        """Whether ``commit`` is ``tip`` or an ancestor of it."""
        self.commit(commit)
        seen, todo = set(), [tip]
        while todo:
            oid = todo.pop()
            if oid == commit:
                return True
            if oid not in seen:
                seen.add(oid)
                todo += self.commit(oid).parents
        return False

    def tidy(self) -> bool:
        """Nothing to pack here."""
        return False


class MemoryServer:
    """The shared side. Hooks and switches may be set at any time:

    ``reachable``, ``writable``: whether clients get through, and may push.
    ``before(updates)``: called when a client has looked at the refs and has not been served; may move refs (a rival), and
    what it answers, unless ``None``, is the outcome of a push that is not applied. ``after(updates, outcome)``: answers
    what the client is told (a lost acknowledgement). A push that lands late: keep ``updates``, call ``apply`` later.
    """

    def __init__(self) -> None:
        self.objects: Store = {}
        self.refs: dict[str, str] = {}
        self.reachable = True
        self.writable = True
        self.before: Callable[[Sequence[RefUpdate]], Pushed | None] | None = None
        self.after: Callable[[Sequence[RefUpdate], Pushed], Pushed] | None = None
        self.lock = RLock()

    def clone(self, signer: str = "") -> tuple[MemoryRepository, MemoryRemote]:
        """A new, empty clone and its view of this server."""
        repository = MemoryRepository(signer)
        return repository, MemoryRemote(repository, self)

    def apply(self, source: MemoryRepository, updates: Sequence[RefUpdate]) -> Pushed:
        """Move all refs, or none when one is not at its old value."""
        with self.lock:
            if any(self.refs.get(update.ref, ZERO) != update.old for update in updates):
                return Pushed.UNKNOWN
            for update in updates:
                copy(source.objects, self.objects, update.new)
            self.refs |= {update.ref: update.new for update in updates}
            return Pushed.ACCEPTED


class MemoryRemote:
    """Implements ``gitops.ports.Remote``: ``server`` as ``repository`` sees it."""

    refused: GitError | None = None

    def __init__(self, repository: MemoryRepository, server: MemoryServer, url: str = "memory://shared") -> None:
        self.url = url
        self._repository = repository
        self._server = server

    def _reach(self) -> None:
        if not self._server.reachable:
            raise GitError(f"the remote {self.url} cannot be reached", "unreachable")

    def refs(self, patterns: Sequence[str]) -> Mapping[str, str]:
        """Full names or globs -> ids."""
        self._reach()
        with self._server.lock:
            return {ref: oid for ref, oid in sorted(self._server.refs.items()) if any(fnmatchcase(ref, p) for p in patterns)}

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, str]:
        """Remote refs into local ones, with their objects."""
        if not refs:
            return {}
        self._reach()
        with self._server.lock:
            found = {local: self._server.refs[name] for name, local in refs.items() if name in self._server.refs}
            for oid in found.values():
                copy(self._server.objects, self._repository.objects, oid)
        self._repository.refs |= found
        return found

    def refetch(self, refs: Mapping[str, str]) -> Mapping[str, str]:
        """As ``fetch``, into a clone that may have lost objects anywhere."""
        self._reach()
        with self._server.lock:
            for oid in (self._server.refs[name] for name in refs if name in self._server.refs):
                fresh: Store = {}
                copy(self._server.objects, fresh, oid)
                self._repository.objects |= fresh
        return self.fetch(refs)

    def push(self, updates: Sequence[RefUpdate], unmoved: Mapping[str, str] = NOTHING) -> Pushed:
        """All or nothing; a refusal by the server itself is ``UNKNOWN``, as git's words for it decide nothing."""
        check_updates(updates, self._repository.contains, unmoved)
        server = self._server
        if not server.reachable:
            return Pushed.UNKNOWN
        if not server.writable:
            raise GitError(f"the remote {self.url} does not allow this push", "denied")
        if elsewhere(server.refs, updates, unmoved):
            return Pushed.REJECTED
        if server.before is not None and (answer := server.before(updates)) is not None:
            return answer
        outcome = server.apply(self._repository, updates)
        return outcome if server.after is None else server.after(updates, outcome)


def elsewhere(refs: Mapping[str, str], updates: Sequence[RefUpdate], unmoved: Mapping[str, str]) -> bool:
    """Whether one of ``refs`` is not where a push takes it to be."""
    moved = any(refs.get(update.ref, ZERO) != update.old for update in updates)
    return moved or any(refs.get(ref) != oid for ref, oid in unmoved.items())


def copy(source: Store, target: Store, tip: str) -> None:
    """Everything reachable from ``tip``; what is there already is there with all below it."""
    todo = [tip]
    fresh: Store = {}
    while todo:
        oid = todo.pop()
        if oid in target or oid in fresh:
            continue
        if oid not in source:
            raise GitError(f"object {oid[:12]} is missing there", "damaged")
        kind, raw = fresh[oid] = source[oid]
        if kind == "commit":
            commit = parsed_commit(oid, raw)
            todo += [commit.tree, *commit.parents]
        elif kind == "tree":
            below = (oid.hex() for mode, oid in rows_of(parsed_tree(raw)).values() if mode != b"160000")
            todo += [oid for oid in below if oid not in target]
    # one step, so that a reader without the lock never sees a part
    target |= fresh
