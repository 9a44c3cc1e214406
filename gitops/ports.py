"""What the repository side needs of Git: one local object store with refs, and one remote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

from planners.dataclass import dataclass

ZERO = "0" * 40
"""Expected value of a ref that must not exist yet."""
NOTHING: Mapping[str, str] = MappingProxyType({})


class Kept(Protocol):
    """What can be made anew at any time, kept between commands by name; believed only when it is ours, and never a must."""

    def get(self, names: Iterable[str], /) -> dict[str, bytes]:
        """Those of ``names`` that are kept."""

    def put(self, contents: Mapping[str, bytes], /) -> None:
        """Keep them, or not, if that cannot be."""


class KeepsNothing:
    """Everything is made anew."""

    def get(self, _: Iterable[str], /) -> dict[str, bytes]:
        """Nothing is kept."""
        return {}

    def put(self, _: Mapping[str, bytes], /) -> None:
        """Let them go."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a tree. ``mode`` as Git writes it: 100644 100755 040000 120000 160000."""

    name: str
    mode: str
    oid: str


@dataclass(frozen=True, slots=True)
class Person:
    """Author or committer; ``time`` is Unix seconds, shown to people only."""

    name: str
    email: str
    time: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit. ``signed`` says a signature is there, not that it is good."""

    oid: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    message: str
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """Who signed a commit: ``good`` only when the key (``SHA256:…``) is one of those allowed, ``principal`` as listed there."""

    good: bool
    principal: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """Move remote ``ref`` from ``old`` (``ZERO``: must not exist) to ``new``; never a deletion."""

    ref: str
    old: str
    new: str


class Pushed(StrEnum):
    """What a push told us.

    ``ACCEPTED`` all refs moved; ``REJECTED`` this push was never sent, a ref was seen elsewhere (an earlier push of the same
    commit may still have landed); ``UNKNOWN`` everything else, a server's refusal included, as a request sent twice is
    refused the second time: only a read of the ref settles it.
    """

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class GitError(Exception):
    """Git could not do it. ``kind``: unreachable, denied, missing, damaged, no-identity, not-a-repository, too-old, other."""

    def __init__(self, message: str, kind: str = "other", hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.hint = hint


class Objects(Protocol):
    """Commits, trees and blobs of one local store: no work tree, no index. Ids are full 40 hex digits."""

    def commit(self, oid: str) -> Commit:
        """Raises ``GitError(missing)``."""

    def history(self, tip: str, stop: str = "", limit: int = 0) -> Sequence[Commit]:
        """First-parent chain, newest first, down to but without ``stop``; at most ``limit`` commits when given."""

    def entries(self, treeish: str, path: str = "", recursive: bool = False) -> Mapping[str, Entry]:
        """One folder's entries by name, or with ``recursive`` every blob, link and submodule below by path relative to
        ``path``; sorted. Empty when ``path`` is not there. Raises ``GitError(missing)`` when ``treeish`` is not."""

    def differences(self, pairs: Sequence[tuple[str, str]]) -> Iterator[Mapping[str, tuple[Entry | None, Entry | None]]]:
        """For each pair of trees ("" : an empty one) all files, links and submodules that differ: path -> (old, new), ``None``
        where there is none. Trees are not kept: this is for long histories. Raises ``GitError``."""

    def sizes(self, oids: Iterable[str]) -> Mapping[str, int]:
        """Blob sizes in bytes, without reading them."""

    def blobs(self, oids: Iterable[str]) -> Mapping[str, bytes]:
        """Contents by blob id. Raises ``GitError(missing)``."""

    def write(
        self,
        parent: str,
        edits: Mapping[str, bytes | str | None],
        message: str,
        author: Person,
        sign: bool = False,
        others: Sequence[str] = (),
    ) -> str:
        """A new commit on ``parent`` ("" for a root): ``bytes`` is a file's content, ``str`` an existing tree or blob id
        to graft there, ``None`` a removal; removals go first, then a path before those below it; "" is the whole tree.
        ``others``: further parents. No ref moves. Returns the commit id, durable on disk. Raises ``GitError`` (missing,
        no-identity)."""

    def verify(self, oid: str, allowed: Sequence[str]) -> Signature:
        """Whether a commit is signed by a key among ``allowed``, lines of an ssh allowed-signers file."""


class Refs(Protocol):
    """Names and reachability in the same local store."""

    def resolve(self, revision: str) -> str | None:
        """Commit id of a revision a person wrote (branch, tag, short id, HEAD~1), fed as data; ``None`` when there is none."""

    def local(self, prefix: str) -> Mapping[str, str]:
        """Local refs below ``prefix``: full name -> id (a tag's id is that of the commit it points to)."""

    def set_ref(self, ref: str, new: str, old: str | None = None) -> bool:
        """Move a local ref by compare-and-swap (``old`` ``None``: unconditionally). ``False`` when it was not at ``old``."""

    def contains(self, tip: str, commit: str) -> bool:
        """Whether ``commit`` is ``tip`` or an ancestor of it."""


class Repository(Objects, Refs, Protocol):
    """A local clone. Safe to use from several threads."""

    def tidy(self) -> bool:
        """Pack what many small writes left behind, pruning nothing; ``False`` when there was nothing to do, which is cheap."""


class Remote(Protocol):
    """The remote everyone shares, over file, ssh or https."""

    url: str
    refused: GitError | None
    """Why the last push was not plainly accepted, as far as the remote said: for a person, it decides nothing."""

    def refs(self, patterns: Sequence[str]) -> Mapping[str, str]:
        """``ls-remote`` of full names and globs (``*`` crosses slashes): full ref name -> id, of a tag that of the commit it
        points to. Raises ``GitError(unreachable | denied)``."""

    def fetch(self, refs: Mapping[str, str]) -> Mapping[str, str]:
        """Bring remote refs (key) into local refs (value), objects included. Missing remote refs are left out of the answer."""

    def refetch(self, refs: Mapping[str, str]) -> Mapping[str, str]:
        """As ``fetch``, with every object anew, whatever this clone believes to have."""

    def push(self, updates: Sequence[RefUpdate], unmoved: Mapping[str, str] = NOTHING) -> Pushed:
        """All or nothing, each ref compared with its ``old``. ``unmoved``: other refs, that have to be where they are given when
        the push asks where everything is (``REJECTED`` otherwise); nothing keeps them there while it goes on. Raises
        ``GitError(denied)`` when writing is not allowed, and for an update that ``check_updates`` refuses."""


def check_updates(
    updates: Sequence[RefUpdate], contains: Callable[[str, str], bool], unmoved: Mapping[str, str] = NOTHING
) -> None:
    """Refuse a push that would delete, rewind or leave a ref where it is: a compare-and-swap fences only what moves forward.

    ``contains(tip, commit)`` as in ``Refs``. Raises ``GitError``.
    """
    if len({update.ref for update in updates}) != len(updates) or not updates:
        raise GitError("a push needs updates, and each ref once")
    if any(oid in ("", ZERO) for oid in unmoved.values()):
        raise GitError("a ref that is to be unmoved has to be there")
    for update in updates:
        if update.new in (ZERO, update.old):
            raise GitError(f"a push must move {update.ref} forward")
        if update.old != ZERO and not contains(update.new, update.old):
            raise GitError(f"{update.ref} at {update.new[:12]} would drop history: it does not contain {update.old[:12]}")
