"""Who uses what, as it is recorded: the edges of the resources turned round.

It is worked out folder by folder and kept by the id of the folder's tree, so that only what changed is read again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from planners.canonical import encode
from planners.model import RecordedResource, kind_of, taskserv_of
from planners.references import cause_of

if TYPE_CHECKING:
    from gitops.cache import Cache
    from gitops.ledger.view import View

VERSION = "2"
"""Of what is kept for a folder."""


class Users:
    """Of one tip of a ledger. ``cache`` may hold what was worked out before."""

    def __init__(self, view: View, cache: Cache) -> None:
        self._view = view
        self._cache = cache
        self._folders: tuple[bytes, ...] | None = None

    def of(self, addresses: Iterable[str]) -> frozenset[str]:
        """The addresses whose record says that it depends on one of ``addresses``. Raises ``Stop``."""
        found: set[str] = set()
        for address in addresses:
            name = json.dumps(address, ensure_ascii=False).encode()
            for folder in self._all():
                if name in folder:  # most folders know nothing of it, and are not parsed
                    found.update(json.loads(folder).get(address, ()))
        return frozenset(found)

    def bearing(self, taskserv: str) -> frozenset[str]:
        """The addresses of the taskservs of that name, on whatever server. Raises ``Stop``."""
        return self.of([of_name(taskserv)])

    def replaced_with(self, addresses: Iterable[str]) -> frozenset[str]:
        """The addresses whose record says that a change of one of ``addresses`` replaces them. Raises ``Stop``."""
        return self.of(of_cause(address) for address in addresses)

    def _all(self) -> tuple[bytes, ...]:
        if self._folders is None:
            self._folders = tuple(self._read())
        return self._folders

    def _read(self) -> Iterator[bytes]:
        folders = self._view.state_folders()
        kept = self._cache.get(named(oid) for oid in folders.values())
        made: dict[str, bytes] = {}
        for path, oid in folders.items():
            if (content := kept.get(named(oid))) is None:
                content = made[named(oid)] = encode(turned_round(self._view.records_below(path)))
            yield content
        self._cache.put(made)


def named(oid: str) -> str:
    """The name in the cache of what was worked out for the folder with this tree."""
    return f"users/{VERSION}/{oid}"


def of_name(taskserv: str) -> str:
    """What stands for all taskservs of one name."""
    return f"taskserv/*/{taskserv}"


def of_cause(address: str) -> str:
    """What stands for a resource whose change replaces others."""
    return f"{address}#"


def turned_round(records: Iterable[RecordedResource]) -> Mapping[str, list[str]]:
    """Used address -> users, sorted."""
    found: dict[str, set[str]] = {}
    for record in records:
        used = {*record.depends_on}
        if kind_of(record.address) == "taskserv":
            used.add(of_name(taskserv_of(record.address)))
        used |= {of_cause(cause_of(text)[0]) for text in record.lifecycle.replace_triggered_by}
        for address in used:
            found.setdefault(address, set()).add(record.address)
    return {address: sorted(users) for address, users in found.items()}
