"""What moved since the last clean apply of an infra, found by comparing trees: where a plan of a part begins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gitops.declare.layout import APART, DECLARATIONS, stem
from gitops.limits import TOTAL_BYTES
from gitops.ports import Entry, Objects
from planners.dataclass import dataclass
from planners.diff import same

if TYPE_CHECKING:
    from gitops.flow import Ask
    from gitops.ledger.view import Converged, View
    from gitops.wiring import Workspace
    from planners.model import RecordedResource

KINDS: Mapping[str, str] = {
    **dict(zip(APART, ("network", "volume", "server", "load_balancer", "dns"), strict=True)),
    "clusters": "cluster",
}
"""Folder -> the kind of its entries, of those whose addresses follow from their names."""
ITS_OWN = ("config", "profiles", "health", "wait_for_health", "labels", "version", "lifecycle", "extra")
"""Keys of a taskserv that say nothing to servers that do not have it."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What is otherwise than at the last clean apply. ``entries``: their addresses; ``services``: taskservs that are configured
    otherwise; ``records``: those that changed, by address, as they were then; ``size``: bytes of all declarations now."""

    entries: frozenset[str]
    services: frozenset[str]
    records: Mapping[str, RecordedResource | None]
    size: int


class InDoubtError(Exception):
    """The whole has to be planned."""


def moved_since(space: Workspace, ask: Ask, view: View, marker: Converged) -> Moved:
    """What moved, by comparing trees. Raises ``InDoubtError`` when that is more than entries that can be read alone."""
    from gitops.declare.source import own_tree
    from gitops.ledger.tree import parse, resource_of

    repository = space.repository
    own = own_tree(repository, ask.treeish, ask.infra)
    declared, recorded = repository.differences([(marker.own, own), (marker.state, view.state_tree)])
    doubt_if(not own or not all(_apart(path, new) for path, (_, new) in declared.items()))
    sizes = repository.sizes({e.oid for pair in declared.values() for e in pair if e})
    before, now = (sum(sizes[e.oid] for pair in declared.values() if (e := pair[side])) for side in (0, 1))
    doubt_if(marker.size - before + now > TOTAL_BYTES)
    contents = repository.blobs({e.oid for pair in recorded.values() for e in pair if e})
    records: dict[str, RecordedResource | None] = {}
    for old, new in recorded.values():
        if new:
            records.setdefault(resource_of(parse(contents[new.oid])).address, None)
        if old:
            record = resource_of(parse(contents[old.oid]))
            records[record.address] = record
    addresses = (f"{KINDS[folder]}/{stem(path)}" for path in declared if (folder := path.partition("/")[0]) in KINDS)
    services = {path: pair for path, pair in declared.items() if path.startswith("taskservs/")}
    doubt_if(not all(_of_its_own_only(repository, path, pair) for path, pair in services.items()))
    return Moved(frozenset(addresses), frozenset(map(stem, services)), records, marker.size - before + now)


def _apart(path: str, new: Entry | None) -> bool:
    folder, _, name = path.partition("/")
    plain = new is None or new.mode in ("100644", "100755")
    return plain and folder in (*KINDS, "taskservs") and "/" not in name and name.endswith(DECLARATIONS)


def _of_its_own_only(objects: Objects, path: str, pair: tuple[Entry | None, Entry | None]) -> bool:
    """Whether a taskserv's file changed in nothing but what concerns the servers that have it: what it needs and provides
    decides what others get."""
    from gitops.declare import yaml_text
    from gitops.declare.documents import Document

    if path.endswith(".jsonnet") or None in pair:
        return False
    blobs = objects.blobs([entry.oid for entry in pair if entry])
    read = [yaml_text.parse(path, blobs[entry.oid]) for entry in pair if entry]
    others = [
        {key: value for key, value in document.value.items() if key not in ITS_OWN}
        for document in read
        if isinstance(document, Document) and isinstance(document.value, Mapping)
    ]
    return len(others) == len(pair) and same(others[0], others[1])


def doubt_if(true: bool) -> None:
    """Then the whole has to be planned. Raises ``InDoubtError``."""
    if true:
        raise InDoubtError
