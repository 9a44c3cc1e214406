"""Tagged folders: each resource of provider ``local`` is one, below ``<world>/<infra>/<kind>s/``.

The tag in it (``tag.json``) says who owns it and under which key it was made; it is there from the first moment on,
because a folder is made under a temporary name and then renamed. Names are only where to look first: a resource is found
by the id in its tag. While a replacement is made before the old one goes, both are there, the new as ``<name>+<key>``.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, field, replace
from pathlib import Path

from executors.ports import Broken, NeedsHuman, Owner, Request
from executors.providers.local import init
from executors.providers.local.server import remove_tree
from planners.canonical import Json, digest
from planners.dataclass import dataclass
from planners.model import RecordedResource, kind_of, name_of

FORMAT = 1
KINDS = ("network", "volume", "server", "load_balancer", "dns")
_TEMPORARY = ".tmp-"


@dataclass(frozen=True, slots=True)
class Tag:
    """The ownership tag. ``token``: the highest fencing token that changed it; ``made``: Unix time in seconds."""

    workspace: str
    infra: str
    address: str
    id: str
    key: str
    token: int
    made: float
    declared: Mapping[str, Json] = field(default_factory=dict)
    """What it was asked to be, as far as this provider acts on it."""
    complete: bool = False
    """Whether the call that made it came to its end. One that did not is known to nobody but its key."""
    format: int = FORMAT

    @property
    def owner(self) -> Owner:
        return Owner(self.workspace, self.infra)


@dataclass(frozen=True, slots=True)
class Folder:
    """A tagged folder that is there."""

    path: Path
    tag: Tag

    def retag(self, **changes: object) -> Folder:
        """Change the tag, in one go."""
        tag = replace(self.tag, **changes)  # type: ignore[arg-type]
        _write_tag(self.path, tag)
        return Folder(self.path, tag)


class Folders:
    """All tagged folders of a workspace on this machine."""

    def __init__(self, world: Path) -> None:
        self.world = world

    def by_key(self, request: Request) -> Folder | None:
        """What was made under the request's key."""
        for name in _names(request.address, request.key):
            found = self._read(self.parent(request.owner, request.address) / name)
            if found and found.tag.key == request.key and found.tag.owner == request.owner:
                return found
        return None

    def by_id(self, owner: Owner, recorded: RecordedResource) -> Folder | None:
        """What the record means: its id, our tag. It is looked for under its name, then (it may have moved) everywhere."""
        id, parent = recorded.observed.get("id"), self.parent(owner, recorded.address)
        for paths in ([parent / name_of(recorded.address)], self._below(parent)):
            for path in paths:
                found = self._read(path)
                if found and found.tag.id == id and found.tag.owner == owner:
                    return found
        return None

    def unfinished(self, request: Request) -> Folder | None:
        """What another request began at the same address and never finished, ours to clear away."""
        found = self._read(self.parent(request.owner, request.address) / name_of(request.address))
        ours = found is not None and found.tag.owner == request.owner and found.tag.key != request.key
        return found if ours and found and not found.tag.complete else None

    def newest(self, owner: Owner, address: str) -> Folder | None:
        """The one that now bears an address."""
        named = (f for f in map(self._read, self._below(self.parent(owner, address))) if f and f.tag.address == address)
        return max(named, key=lambda f: f.tag.made, default=None)

    def all(self, owner: Owner) -> Iterator[Folder]:
        """Everything that carries the owner's tag, by path."""
        for kind in KINDS:
            for path in self._below(self.parent(owner, f"{kind}/all")):
                found = self._read(path)
                if found and found.tag.owner == owner:
                    yield found

    def make(self, request: Request, declared: Mapping[str, Json], fill: Callable[[Path], None]) -> Folder:
        """A new folder, complete and tagged in one step. Raises ``NeedsHuman`` when its name is taken by a stranger."""
        tag = Tag(
            request.owner.workspace, request.owner.infra, request.address, os.urandom(10).hex(), request.key, request.token,
            time.time(), declared,
        )  # fmt: skip
        temporary = self._temporary(self.parent(request.owner, request.address))
        try:
            fill(temporary)
            _write_tag(temporary, tag)
            return self._place(temporary, request, tag)
        finally:
            if temporary.exists():
                remove_tree(temporary)

    def _place(self, temporary: Path, request: Request, tag: Tag) -> Folder:
        parent, names = temporary.parent, _names(request.address, request.key)
        there = self._read(parent / names[0])
        # looked for after what is there was read: whoever was quicker, another thread or holder, is found then
        if found := self.by_key(request):
            return found
        if there and not _is_predecessor(there, request):
            raise NeedsHuman(_taken(there, request.owner))
        target = parent / names[1 if there else 0]
        try:
            temporary.rename(target)
        except OSError:
            if found := self.by_key(request):
                return found
            raise
        return Folder(target, tag)

    def remove(self, folder: Folder) -> None:
        """Take it away, and what it leaves empty. A half removed one is never seen: it is renamed first."""
        doomed = folder.path.parent / _own_name()
        folder.path.rename(doomed)
        remove_tree(doomed)
        self.tidy(folder.path.parent)

    def tidy(self, parent: Path) -> None:
        """Remove what killed runs left half made or half removed, and the parents that are empty then."""
        for path in self._entries(parent):
            if path.name.startswith(_TEMPORARY) and _is_left(path.name):
                with suppress(FileNotFoundError):  # somebody else tidies too
                    remove_tree(path)
        with suppress(OSError):  # not empty
            parent.rmdir()
            parent.parent.rmdir()

    def parent(self, owner: Owner, address: str) -> Path:
        """The folder of all of a kind."""
        kind, name = kind_of(address), name_of(address)
        for part in (owner.infra, kind, name):
            if not part or part.startswith(".") or "/" in part:
                raise Broken(f"'{address}' of infra '{owner.infra}' cannot be a folder")
        return self.world / owner.infra / (kind if kind.endswith("s") else f"{kind}s")

    def _temporary(self, parent: Path) -> Path:
        failure = OSError()
        for _ in range(100):
            try:
                self.tidy(parent)
                parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                temporary = parent / _own_name()
                temporary.mkdir(mode=0o700)
                return temporary
            except (FileNotFoundError, FileExistsError) as error:
                failure = error  # whoever removed the last one just now took the parent with it
        raise failure

    def _entries(self, parent: Path) -> list[Path]:
        try:
            return sorted(parent.iterdir())
        except FileNotFoundError:
            return []

    def _below(self, parent: Path) -> list[Path]:
        return [p for p in self._entries(parent) if p.is_dir() and not p.name.startswith(".")]

    def _read(self, path: Path) -> Folder | None:
        try:
            content = (path / "tag.json").read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            if path.exists():
                raise Broken(f"{path} has no tag: it was not made by provisioning; move it away") from None
            return None
        try:
            value = json.loads(content)
            if value["format"] > FORMAT:
                raise NeedsHuman(f"{path} was made by a newer provisioning")
            return Folder(path, Tag(**value))
        except (ValueError, TypeError, KeyError) as error:
            raise Broken(f"the tag of {path} cannot be read: {error}") from error


def _own_name() -> str:
    """A temporary name that says whose it is."""
    pid = os.getpid()
    return f"{_TEMPORARY}{pid}~{init.start_time(pid)}~{os.urandom(4).hex()}"


def _is_left(name: str) -> bool:
    """Whether the process that gave a temporary name no longer lives."""
    pid, start, _ = name.removeprefix(_TEMPORARY).split("~")
    return not init.alive(int(pid), start)


def _names(address: str, key: str) -> tuple[str, str]:
    """Where a resource may be: under its name, or beside its predecessor."""
    name = name_of(address)
    return name, f"{name}+{key[:8]}"


def _is_predecessor(there: Folder, request: Request) -> bool:
    """Whether what is there is the resource that this request replaces."""
    recorded = request.recorded
    return bool(recorded) and there.tag.owner == request.owner and there.tag.id == recorded.observed.get("id")  # type: ignore[union-attr]


def _taken(there: Folder, owner: Owner) -> str:
    tag = there.tag
    if tag.owner != owner:
        return f"{there.path} belongs to infra '{tag.infra}' of workspace {tag.workspace}, not to us"
    return f"{there.path} is there and not recorded: take it over with 'state import {tag.address}' and id {tag.id}, or remove it"


def _write_tag(path: Path, tag: Tag) -> None:
    init.write_json(f"{path}/tag.json", asdict(tag))


def machine_identity(world: Path) -> str:
    """``<host name>#<id>`` of this machine. The id alone identifies: a host may be renamed.

    It is derived from ``/etc/machine-id``, which itself is not to be shown (machine-id(5)); where there is none it is
    made up once and kept beside the worlds.
    """
    for path in (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id")):
        if path.exists() and (text := path.read_text("ascii").strip()):
            break
    else:
        kept = world / ".machine"
        if not kept.exists():
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            init.write_file(str(kept), os.urandom(16).hex().encode())
        text = kept.read_text("ascii")
    return f"{socket.gethostname()}#{digest('machine', text)[:16]}"
