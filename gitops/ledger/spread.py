"""Where a recorded resource is written: beside the others of its kind, or, once a thousand lie there, in one of 256 folders.

A folder is a tree object, written anew with every change below it: one of 100,000 names makes each transition write megabytes
(``benchmarks/transitions.py``). Nothing is ever moved: what lies beside the others stays there, and the next go elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from gitops.ledger import tree
from planners.model import kind_of

CROWDED = 1000
"""Names side by side in one folder (GitHub advises against more than 3,000)."""


class Spread:
    """``beside``: the names in a folder at the tip that is written on, none where it is not. It remembers what it has added."""

    def __init__(self, beside: Callable[[str], Collection[str]]) -> None:
        self._beside = beside
        self._names: dict[str, set[str]] = {}
        self._spread: dict[str, bool] = {}

    def edits(self, address: str, content: bytes | None) -> dict[str, bytes | None]:
        """Where ``content`` goes (``None``: the resource is removed), and where it is not."""
        flat, deep = tree.state_places(address)
        kind, name = kind_of(address), flat.split("/")[2]
        if kind not in self._names:
            own, beyond = ("/".join(path.split("/")[:2]) for path in (flat, deep))
            self._names[kind], self._spread[kind] = set(self._beside(own)), bool(self._beside(beyond))
        names = self._names[kind]
        if content is None:
            return {flat: None, deep: None} if self._spread[kind] else {flat: None}
        if name in names or not (self._spread[kind] or len(names) >= CROWDED):
            names.add(name)
            return {flat: content}
        self._spread[kind] = True
        return {deep: content}
