"""The files of extensions at one commit or frozen tree."""

from __future__ import annotations

from collections.abc import Mapping

from executors.ports import NotFound
from gitops.ports import Objects


class TreeExtensions:
    """Reads ``extensions/<kind>/<name>/`` below ``treeish``."""

    def __init__(self, objects: Objects, treeish: str) -> None:
        self._objects = objects
        self._treeish = treeish

    def files(self, kind: str, name: str) -> Mapping[str, bytes]:
        """Path -> content below the extension's folder. Raises ``NotFound``."""
        entries = self._objects.entries(self._treeish, f"extensions/{kind}/{name}", recursive=True)
        if not entries:
            raise NotFound(f"the extension {kind}/{name} is not in the applied commit")
        contents = self._objects.blobs(e.oid for e in entries.values())
        return {path: contents[e.oid] for path, e in entries.items()}
