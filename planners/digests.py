"""What a plan is bound to: digests of evaluated values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from planners.canonical import ABSENT, Json, digest
from planners.model import EMPTY, PLAIN, Lifecycle, RecordedResource, Resource


def lifecycle_value(lifecycle: Lifecycle) -> Mapping[str, Json]:
    """Only what differs from the defaults, so that a new field changes no old digest."""
    if lifecycle == PLAIN:
        return EMPTY
    plain = {f.name: getattr(lifecycle, f.name) for f in fields(lifecycle)}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items() if v != getattr(PLAIN, k)}


def declared_digest(resource: Resource | None) -> str:
    """Over the evaluated value: a comment or a neighbour in the same file changes nothing."""
    if resource is None:
        return ABSENT
    edges: list[Json] = [[d.address, d.healthy, d.output or ""] for d in resource.depends_on]
    value: Json = {
        "provider": resource.provider,
        "declared": resource.declared,
        "edges": edges,
        "lifecycle": lifecycle_value(resource.lifecycle),
        "extension": resource.extension,
        "implied_by": resource.implied_by,
    }
    return digest("declared", value)


def recorded_digest(record: RecordedResource | None) -> str:
    """Over what is recorded, without the run that recorded it."""
    if record is None:
        return ABSENT
    value: Json = {
        "provider": record.provider,
        "declared": record.declared,
        "observed": record.observed,
        "depends_on": list(record.depends_on),
        "lifecycle": lifecycle_value(record.lifecycle),
        "extension": record.extension,
        "status": str(record.status),
        "implied_by": record.implied_by,
    }
    return digest("recorded", value)
