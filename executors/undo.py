"""The step that takes a done step back. Pure; used when a run is asked to compensate after a failure."""

from __future__ import annotations

from planners.model import Dependency, RecordedResource
from planners.steps import Adopt, Create, Delete, Forget, Move, Read, Replace, Step, Update

REASON = "taken back: the run failed"


def inverse(step: Step, before: RecordedResource | None) -> Step | None:
    """What restores ``before`` (the record at the start of the run); ``None`` when there is nothing to take back."""
    if isinstance(step, (Create, Adopt)):
        kind = Forget if isinstance(step, Adopt) else Delete
        return None if before else kind(step.address, step.provider, REASON, extension=step.extension)
    if before is None or isinstance(step, Read):
        return None
    edges = tuple(Dependency(a, healthy=False) for a in before.depends_on)
    common = {
        "address": before.address,
        "provider": before.provider,
        "reason": REASON,
        "declared": before.declared,
        "edges": edges,
        "lifecycle": before.lifecycle,
        "extension": before.extension,
        "implied_by": before.implied_by,
    }
    if isinstance(step, Replace):
        return Replace(**common)  # type: ignore[arg-type]
    if isinstance(step, Move):
        return Move(**common, moved_from=step.address)  # type: ignore[arg-type]
    if isinstance(step, Update):
        return Update(**common, record_only=step.record_only)  # type: ignore[arg-type]
    if isinstance(step, Forget):
        return Adopt(**common, external_id=str(before.observed.get("id", "")))  # type: ignore[arg-type]
    return Create(**common)  # type: ignore[arg-type]
