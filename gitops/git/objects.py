"""Git's object format, pure: bytes to values and back, ids, edits to a tree. Shared by the real clone and its twin in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha1

from gitops.ports import Commit, Entry, GitError, Person

Edits = Mapping[str, bytes | str | None]
"""Path -> content of a file, id of an existing tree or blob, or ``None`` for a removal; "" is the whole tree."""
Parts = tuple[str, ...]
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
NAMELESS = Person("provisioning", "provisioning@localhost")


Row = tuple[bytes, bytes]
"""Mode and id of an entry as they are written in a tree."""
Pair = tuple[Entry | None, Entry | None]
"""An old entry of a tree and the new one at the same path."""
FOLDER = "040000"
_FOLDER = b"40000"


def is_oid(text: str) -> bool:
    """Whether ``text`` is a full object id."""
    return len(text) == 40 and all(c in "0123456789abcdef" for c in text)


def object_id(kind: str, raw: bytes) -> str:
    """Git's name of an object."""
    return sha1(f"{kind} {len(raw)}\0".encode() + raw, usedforsecurity=False).hexdigest()


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


_ENTRY = re.compile(rb"(\d{5,6}) ([^\0]+)\0(.{20})", re.DOTALL)
_ENTRIES = re.compile(rb"(?>\d{5,6} [^\0]+\0.{20})*+\Z", re.DOTALL)
LARGE, FEW = 1 << 16, 4
"""Of a tree of more bytes than this so many names are looked up one by one, before all of it is read."""


class Tree(Mapping[str, Entry]):
    """A tree's entries by name, sorted; each is made when it is asked for, as a folder may have very many."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self.rows = rows

    def __getitem__(self, name: str) -> Entry:
        mode, oid = self.rows[name]
        return Entry(name, mode.decode().zfill(6), oid.hex())

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: object) -> bool:
        return name in self.rows


class LargeTree(Mapping[str, Entry]):
    """The same of very many entries: the first few names are searched in the text, from its beginning and entry by entry."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._asked = 0

    @cached_property
    def _all(self) -> Mapping[str, Entry]:
        return _entries(self._raw)

    def __getitem__(self, name: str) -> Entry:
        self._asked += 1
        if self._asked > FEW:
            return self._all[name]
        wanted = name.encode(errors="surrogateescape")
        if b" %b\0" % wanted not in self._raw:  # much quicker, and mostly the answer; what is there may be a part of an id
            raise KeyError(name)
        pattern = rb"(?>\d{5,6} [^\0]+\0.{20})*?(\d{5,6}) %b\0(.{20})" % re.escape(wanted)
        found = re.match(pattern, self._raw, re.DOTALL)
        if not found:
            raise KeyError(name)
        return Entry(name, found[1].decode().zfill(6), found[2].hex())

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def parse_tree(raw: bytes) -> Mapping[str, Entry]:
    """A tree object's bytes as entries sorted by name. Raises ``GitError`` (damaged)."""
    if not _ENTRIES.match(raw):
        raise GitError("a tree is not as git writes them", "damaged", "check the clone with 'git fsck'")
    return LargeTree(raw) if len(raw) > LARGE else _entries(raw)


def _entries(raw: bytes) -> Tree:
    found = _ENTRY.findall(raw)
    return Tree(dict(sorted((name.decode(errors="surrogateescape"), (mode, oid)) for mode, name, oid in found)))


def rows_of(entries: Mapping[str, Entry]) -> dict[str, Row]:
    """Entries as they are written, by name."""
    if isinstance(entries, Tree):
        return dict(entries.rows)
    return {entry.name: row_of(entry.mode, entry.oid) for entry in entries.values()}


def row_of(mode: str, oid: str) -> Row:
    """One entry as it is written."""
    return mode.lstrip("0").encode(), bytes.fromhex(oid)


def pack_tree(entries: Mapping[str, Entry]) -> bytes:
    """Entries as a tree object's bytes, in Git's order: a folder sorts as if its name ended in a slash."""
    return pack_rows(rows_of(entries))


def pack_rows(rows: Mapping[str, Row]) -> bytes:
    """The same of rows."""
    named = ((name.encode(errors="surrogateescape"), mode, oid) for name, (mode, oid) in rows.items())
    ordered = sorted((name + b"/" if mode == _FOLDER else name, name, mode, oid) for name, mode, oid in named)
    return b"".join(b"%b %b\0%b" % (mode, name, oid) for _, name, mode, oid in ordered)


def pack_commit(tree: str, parents: Sequence[str], author: Person, message: str, signature: str = "") -> bytes:
    """A commit object's bytes; the author is the committer too. ``signature`` is one line."""
    who = written(author)
    lines = [f"tree {tree}", *(f"parent {oid}" for oid in parents), f"author {who}", f"committer {who}"]
    lines += [f"gpgsig {signature}"] if signature else []
    return "\n".join([*lines, "", ""]).encode(errors="replace") + message.encode(errors="replace")


def written(person: Person) -> str:
    """A person as a commit names them; what could end the field early is left out, as git does."""
    name, mail = (re.sub(r"[<>\n\0]", "", text).strip() for text in (person.name, person.email))
    return f"{name or NAMELESS.name} <{mail or NAMELESS.email}> {person.time} +0000"


def in_order(edits: Edits) -> Iterator[tuple[Parts, bytes | str | None]]:
    """As they take effect: removals first, then a path before those below it. Raises ``GitError`` for a path git refuses."""
    split = sorted((parts_of(path), path) for path in edits)
    yield from ((parts, None) for parts, path in split if edits[path] is None)
    yield from ((parts, edits[path]) for parts, path in split if edits[path] is not None)


def parts_of(path: str) -> Parts:
    """The components of a path from the root, none for the root. Raises ``GitError``."""
    parts = tuple(path.split("/")) if path else ()
    if "\0" in path or any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        raise GitError(f"{path!r} cannot be a path in a commit")
    return parts


def differing(read: Callable[[str], Mapping[str, Entry]], old: str, new: str, folder: str = "") -> Iterator[tuple[str, Pair]]:
    """(path, entries on both sides) of all that differs between two trees ("" : an empty one), equal subtrees passed over by
    their ids. ``read`` gives a tree's entries."""
    left, right = (read(oid) if oid else {} for oid in (old, new))
    for name in sorted({name for name, _ in rows_of(left).items() ^ rows_of(right).items()}):
        a, b = left.get(name), right.get(name)
        below = [e.oid if e and e.mode == FOLDER else "" for e in (a, b)]
        if any(below):
            yield from differing(read, below[0], below[1], f"{folder}{name}/")
        here = [None if e and e.mode == FOLDER else e for e in (a, b)]
        if any(here):
            yield f"{folder}{name}", (here[0], here[1])


def compared(pairs: Sequence[tuple[str, str]]) -> bytes:
    """What ``git diff-tree --stdin`` is asked about pairs of trees ("" : an empty one). Raises ``GitError`` for what is no id."""
    oids = [(old or EMPTY_TREE, new or EMPTY_TREE) for old, new in pairs]
    if wrong := next((oid for pair in oids for oid in pair if not is_oid(oid)), ""):
        raise GitError(f"'{wrong}' is not the full id of an object", "missing")
    return "".join(f"{old} {new}\n" for old, new in oids).encode()


def parse_diffs(raw: bytes) -> Iterator[dict[str, Pair]]:
    """What ``git diff-tree --stdin -r -z`` prints, one map for each line that went in."""
    found: dict[str, Pair] | None = None
    at = 0
    while at < len(raw):
        if raw[at : at + 1] != b":":
            if found is not None:
                yield found
            found, at = {}, raw.index(b"\n", at) + 1
            continue
        end = raw.index(b"\0", at)
        stop = raw.index(b"\0", end + 1)
        path = raw[end + 1 : stop].decode(errors="surrogateescape")
        modes_and_ids = raw[at + 1 : end].decode().split()
        name = path.rpartition("/")[2]
        sides = [
            None if mode == "000000" else Entry(name, mode, oid)
            for mode, oid in zip(modes_and_ids[:2], modes_and_ids[2:4], strict=True)
        ]
        if found is not None:
            found[path] = (sides[0], sides[1])
        at = stop + 1
    if found is not None:
        yield found


class Trees:
    """Edits trees of a store given as two functions: ``read`` a tree's entries, ``put`` an object and get its id."""

    def __init__(self, read: Callable[[str], Mapping[str, Entry]], put: Callable[[str, bytes], str]) -> None:
        self._read = read
        self._put = put

    def edited(self, root: str, edits: Edits, mode_of: Callable[[str], str]) -> str:
        """The id of tree ``root`` ("" for none) with ``edits`` made. ``mode_of`` tells what an existing object is grafted as."""
        for parts, content in in_order(edits):
            if isinstance(content, bytes):
                leaf: tuple[str, str] | None = ("100644", self._put("blob", content))
            elif content is None or content == EMPTY_TREE:
                leaf = None
            else:
                leaf = (mode_of(content), content)
            root = self._with(root, parts, leaf)
        return root or self._put("tree", b"")

    def _with(self, tree: str, parts: Parts, leaf: tuple[str, str] | None) -> str:
        """``tree`` with one path set or taken away; "" when nothing is left of it."""
        if not parts:
            return leaf[1] if leaf else ""
        name, *rest = parts
        rows = rows_of(self._read(tree)) if tree else {}
        there = rows.get(name)
        if rest:
            below = there[1].hex() if there and there[0] == _FOLDER else ""
            if not below and leaf is None:
                return tree
            folder = self._with(below, tuple(rest), leaf)
            leaf = ("040000", folder) if folder else None
        if leaf is None:
            rows.pop(name, None)
        else:
            rows[name] = row_of(*leaf)
        return self._put("tree", pack_rows(rows)) if rows else ""
