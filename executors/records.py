"""Requests and records as values: what references stand for, and what is written down of a step and of what was seen. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

from executors.phases import Phase
from executors.ports import NeedsHuman
from executors.redact import MASK
from planners.canonical import Json, digest
from planners.dataclass import dataclass
from planners.model import EMPTY, RecordedResource, Status
from planners.references import REPLACES, RESOLVED, found, resolved
from planners.steps import Adopt, Step


@dataclass(frozen=True, slots=True)
class Source:
    """Where records come from: stamped on each."""

    run: str = ""
    plan: str = ""
    commit: str = ""


def recorded(
    step: Step,
    outputs: Mapping[str, Json],
    records: Mapping[str, RecordedResource],
    source: Source,
    status: Status = Status.READY,
) -> RecordedResource:
    """The new record of a step's resource: declared exactly as planned; beside it its outputs and what references stood for."""
    observed: dict[str, Json] = dict(outputs)
    if isinstance(step, Adopt):
        observed.setdefault("id", step.external_id)
    if digests := resolved(step.address, step.declared, records, step.lifecycle.replace_triggered_by):
        observed[RESOLVED] = digests
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
        run=source.run,
        plan=source.plan,
        source_commit=source.commit,
    )


def outputs_of(record: RecordedResource | None) -> Mapping[str, Json]:
    """What others may refer to."""
    return {k: v for k, v in record.observed.items() if k not in (RESOLVED, REPLACES)} if record else EMPTY


def replacing(new: RecordedResource, old: RecordedResource | None) -> RecordedResource:
    """The record of a successor while what it replaces is still there, so that whoever comes next can remove it."""
    if old is None:
        return new
    kept: Json = {"provider": old.provider, "observed": {k: v for k, v in old.observed.items() if k != RESOLVED}}
    return replace(new, observed={**new.observed, REPLACES: kept})


def heir(new: RecordedResource, old: RecordedResource | None) -> RecordedResource:
    """A new record of the same resource, or of one whose old one is gone: what else is still to be removed goes along."""
    kept = old.observed.get(REPLACES) if old else None
    return replace(new, observed={**new.observed, REPLACES: kept}) if kept else new


def alone(record: RecordedResource) -> RecordedResource:
    """The record once its predecessors are gone."""
    return replace(record, observed={k: v for k, v in record.observed.items() if k != REPLACES})


def predecessors(record: RecordedResource | None) -> Iterator[RecordedResource]:
    """What is still there that the record replaces, newest first."""
    kept = record.observed.get(REPLACES) if record else None
    if record and isinstance(kept, Mapping):
        observed = cast(Mapping[str, Json], kept["observed"])
        old = replace(record, provider=str(kept["provider"]), observed=observed)
        yield alone(old)
        yield from predecessors(old)


def filled(value: Json, records: Mapping[str, RecordedResource]) -> Json:
    """``value`` with each reference replaced by what it stands for; a text that is one reference becomes that value, typed.

    Raises ``NeedsHuman`` for a reference without a value.
    """
    if isinstance(value, str):
        for reference in found(value):
            stands_for = _output(reference.address, reference.output, records)
            if value == reference.text:
                return stands_for
            value = value.replace(reference.text, stands_for if isinstance(stands_for, str) else str(stands_for))
        return value
    if isinstance(value, Mapping):
        return {k: filled(v, records) for k, v in value.items()}
    return [filled(v, records) for v in value] if isinstance(value, (list, tuple)) else value


def _output(address: str, output: str, records: Mapping[str, RecordedResource]) -> Json:
    value = outputs_of(records.get(address)).get(output)
    if value is None:
        raise NeedsHuman(f"'${{{address}.{output}}}' stands for nothing: {address} has no output '{output}'")
    if MASK in str(value):
        raise NeedsHuman(f"'${{{address}.{output}}}' would hold a secret, which is not recorded; refer to the secret itself")
    return value


def request_digest(phase: Phase, declared: Json) -> str:
    """What an intent keeps of the request: ``declared`` has its references filled in and its secrets as they are written."""
    return digest("request", {"address": phase.step.address, "phase": phase.name, "declared": declared})
