"""Layers laid over each other: JSON Merge Patch (RFC 7396), keeping the place each value came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce

from gitops.declare.documents import Document, Mark, dotted, empty, leaves
from planners.canonical import Json
from planners.dataclass import dataclass
from planners.problems import Where

LAYERS: Mapping[str, int] = {"core": 100, "workspace": 200, "infra": 300}


def merge(base: Document, patch: Document) -> Document:
    """``patch`` over ``base``: maps merge key by key, everything else is replaced whole, ``null`` removes."""
    if not isinstance(patch.value, Mapping):
        return patch
    merged: dict[str, Json] = dict(base.value) if isinstance(base.value, Mapping) else {}
    mark = Mark(patch.mark.key, patch.mark.value, dict(base.mark.children) if isinstance(base.value, Mapping) else {})
    for key, value in patch.value.items():
        own = patch.mark.children.get(key) or Mark(patch.mark.value, patch.mark.value)
        if value is None:
            merged.pop(key, None)
            mark.children.pop(key, None)
            continue
        below = base.mark.children.get(key) or Mark(base.mark.value, base.mark.value)
        part = merge(Document(merged.get(key), below), Document(value, own))
        merged[key] = part.value
        mark.children[key] = part.mark
    return Document(merged, mark)


def layered(documents: Iterable[Document]) -> Document:
    """All of ``documents``, later over earlier."""
    return reduce(merge, documents, empty())


def layer_of(path: str) -> str:
    """The layer a file belongs to: its folder says so."""
    top = path.partition("/")[0]
    return {"extensions": "core", "templates": "workspace"}.get(top, "infra")


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Where one key of the merged whole comes from: ``key`` dotted, ``layer`` one of ``LAYERS``."""

    key: str
    layer: str
    where: Where


def origins(document: Document, prefix: str = "") -> tuple[Origin, ...]:
    """The origin of every leaf, in the order of the keys."""
    return tuple(Origin(_joined(prefix, dotted(path)), layer_of(where.path), where) for path, _, where in leaves(document))


def _joined(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix and key else prefix or key
