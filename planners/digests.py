"""What a plan is bound to: digests of evaluated values, and the plan's own id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from planners.canonical import ABSENT, Json, digest
from planners.model import Lifecycle, RecordedResource, Resource
from planners.steps import PLAN_FORMAT, Plan


def lifecycle_value(lifecycle: Lifecycle) -> Mapping[str, Json]:
    """Only what differs from the defaults, so that a new field changes no old digest."""
    plain = asdict(lifecycle)
    defaults = asdict(Lifecycle())
    return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items() if v != defaults[k]}


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
    }
    return digest("recorded", value)


def plan_id(plan: Plan) -> str:
    """SHA-256 over the canonical content: steps with their read and write sets and the catalog relied on; no commit, time or host."""
    from planners.document import step_document

    content: Json = {
        "format": PLAN_FORMAT,
        "infra": plan.infra,
        "environment": [plan.environment.name, str(plan.environment.class_)],
        "destroy": plan.destroy,
        "catalog": dict(plan.catalog),
        "steps": [step_document(s) for s in plan.steps],
    }
    return digest("plan", content)
