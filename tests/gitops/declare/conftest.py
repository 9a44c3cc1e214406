"""A state repository as a dictionary of files, behind the object port."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha1
from types import MappingProxyType
from typing import Any

import pytest

from gitops.declare.load import check
from gitops.ports import Commit, Entry, Person
from planners.catalog import KindSpec, ProviderSpec

ALL_KINDS = MappingProxyType({k: KindSpec() for k in ("server", "network", "volume", "load_balancer", "dns")})
PROVIDERS = {
    "fake": ProviderSpec("fake", "1", ALL_KINDS, needs_zone=False),
    "local": ProviderSpec("local", "1", ALL_KINDS, needs_zone=False),
    "cloud": ProviderSpec("cloud", "1", ALL_KINDS, plans={"small": {"cpu_cores": 1}, "large": {"cpu_cores": 8}}),
}


class FileObjects:
    """The part of the object port that reads, over ``path -> text, bytes or Special``; every treeish is the same tree."""

    def __init__(self, files: Mapping[str, Any]) -> None:
        self._files: dict[str, tuple[str, bytes, int]] = {}
        self.read: list[str] = []
        for path, given in files.items():
            if hasattr(given, "mode"):
                size = len(given.content) if given.size is None else given.size
                self._files[path] = (given.mode, given.content, size)
            else:
                data = given.encode() if isinstance(given, str) else given
                self._files[path] = ("100644", data, len(data))
        self._oids = {p: self._oid(mode, data, size) for p, (mode, data, size) in self._files.items()}
        self._sizes = {self._oids[p]: f[2] for p, f in self._files.items()}
        self._blobs = {self._oids[p]: f[1] for p, f in self._files.items()}

    @staticmethod
    def _oid(mode: str, data: bytes, size: int) -> str:
        return sha1(f"{mode} {size}\0".encode() + data, usedforsecurity=False).hexdigest()

    def _entry(self, path: str) -> Entry:
        return Entry(path.rpartition("/")[2], self._files[path][0], self._oids[path])

    def entries(self, treeish: str, path: str = "", recursive: bool = False) -> Mapping[str, Entry]:
        prefix = f"{path}/" if path else ""
        below = {p[len(prefix) :]: p for p in sorted(self._files) if p.startswith(prefix)}
        if recursive:
            return {rest: self._entry(full) for rest, full in below.items()}
        found: dict[str, Entry] = {}
        folders: dict[str, list[str]] = {}
        for rest, full in below.items():
            name, _, deeper = rest.partition("/")
            if deeper:
                folders.setdefault(name, []).append(f"{deeper} {self._oids[full]}\n")
            else:
                found[name] = self._entry(full)
        for name, inside in folders.items():
            found[name] = Entry(name, "040000", sha1("".join(inside).encode(), usedforsecurity=False).hexdigest())
        return dict(sorted(found.items()))

    def sizes(self, oids: Iterable[str]) -> Mapping[str, int]:
        return {oid: self._sizes[oid] for oid in oids}

    def blobs(self, oids: Iterable[str]) -> Mapping[str, bytes]:
        wanted = list(oids)
        self.read += wanted
        return {oid: self._blobs[oid] for oid in wanted}

    def commit(self, oid: str) -> Commit:
        return Commit(oid, oid, (), Person("", ""), "")

    def history(self, tip: str, stop: str = "", limit: int = 0) -> list[Commit]:
        return [self.commit(tip)]

    def write(self, *args: object, **kwargs: object) -> str:
        raise AssertionError("loading writes nothing")


WORKSPACE = "format: 1\nid: 0123456789abcdef\nname: test\n"


def repository(files: Mapping[str, Any]) -> FileObjects:
    """A repository with a workspace and whatever else is given; ``None`` takes a file away."""
    whole = {"workspace.yaml": WORKSPACE, **files}
    return FileObjects({path: content for path, content in whole.items() if content is not None})


@pytest.fixture
def state() -> Callable[[Mapping[str, Any]], FileObjects]:
    """Makes a state repository of files."""
    return repository


@pytest.fixture
def load_files() -> Callable[..., Any]:
    """Loads and checks infra ``shop`` of a repository of files."""

    def run(files: Mapping[str, Any], infra: str = "shop", providers: Mapping[str, ProviderSpec] = PROVIDERS) -> Any:
        return check(repository(files), "HEAD", infra, providers)

    return run


@pytest.fixture
def providers() -> Mapping[str, ProviderSpec]:
    """Two that need no zone and a cloud that does."""
    return PROVIDERS
