"""What is recorded of a step: the declared value exactly as planned, and beside it what was observed. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from planners.canonical import Json
from planners.model import Observation, RecordedResource, Status
from planners.references import RESOLVED, found, resolved
from planners.steps import Adopt, Step


def recorded(
    step: Step,
    seen: Observation,
    records: Mapping[str, RecordedResource],
    run: tuple[str, str, str],
    status: Status = Status.READY,
) -> RecordedResource:
    """The new record of a step's resource. ``run``: run id, plan id, source commit."""
    observed: dict[str, Json] = dict(seen.outputs)
    if isinstance(step, Adopt):
        observed.setdefault("id", step.external_id)
    if digests := resolved(step.address, step.declared, records):
        observed[RESOLVED] = digests
    run_id, plan, commit = run
    return RecordedResource(
        address=step.address,
        provider=step.provider,
        declared=step.declared,
        observed=observed,
        depends_on=tuple(sorted({d.address for d in step.edges})),
        lifecycle=step.lifecycle,
        extension=step.extension,
        status=status,
        implied_by=step.implied_by,
        run=run_id,
        plan=plan,
        source_commit=commit,
    )


def filled(value: Json, outputs: Mapping[tuple[str, str], Json]) -> Json:
    """``value`` with every reference replaced by what it stands for. A text that is nothing but one reference becomes the value
    itself, whatever its type. ``outputs``: (address, output) -> value, all that ``value`` needs."""
    if isinstance(value, str):
        for reference in found(value):
            stands_for = outputs[reference.address, reference.output]
            if value == reference.text:
                return stands_for
            value = value.replace(reference.text, str(stands_for))
        return value
    if isinstance(value, Mapping):
        return {k: filled(v, outputs) for k, v in value.items()}
    return [filled(v, outputs) for v in value] if isinstance(value, (list, tuple)) else value
