"""Taking back what a failed run did: the inverse of a step, and which steps have one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from executors.phases import Identity, Phase, operation, phases_of
from planners.model import Dependency, RecordedResource
from planners.steps import STEP_TYPES, Adopt, Create, Delete, Forget, Move, Read, Replace, Step, Update

PREFIX = "undo-"
REASON = "taken back: the run failed"


def inverse(step: Step, before: RecordedResource | None) -> Step | None:
    """What restores ``before`` (the record at the start of the run); ``None`` when there is nothing to take back.

    What was made anew since its server was is not taken back: it vanishes again with the server that takes its place,
    and the next plan sees that.
    """
    if isinstance(step, (Create, Adopt)):
        if before is not None:
            return None
        if isinstance(step, Adopt):
            return Forget(step.address, step.provider, REASON, extension=step.extension, let_go=True)
        return Delete(step.address, step.provider, REASON, extension=step.extension)
    if before is None or isinstance(step, Read) or (isinstance(step, Replace) and step.gone_with_host):
        return None
    common: dict[str, Any] = {
        "address": before.address,
        "provider": before.provider,
        "reason": REASON,
        "declared": before.declared,
        "edges": tuple(Dependency(a, healthy=False) for a in before.depends_on),
        "lifecycle": before.lifecycle,
        "extension": before.extension,
        "implied_by": before.implied_by,
    }
    if isinstance(step, Replace):
        return Replace(**common)
    if isinstance(step, Move):
        return Move(**common, moved_from=step.address)
    if isinstance(step, Update):
        return Update(**common, record_only=step.record_only)
    if isinstance(step, Forget):
        return Adopt(**common, external_id=str(before.observed.get("id", "")))
    return Create(**common)


def undoing(phases: Iterable[tuple[Phase, str]], before: Mapping[str, RecordedResource], identity: Identity) -> list[Phase]:
    """The phases that take back what was begun, last first. ``phases`` are those of the plan with their status letters."""
    found: list[Phase] = []
    for phase, letter in reversed(list(phases)):
        # a deletion that failed half way is left as it is: it is owned until it is gone
        begun = letter in "DU" or (letter == "X" and isinstance(phase.step, (Create, Update)))
        if phase.last and begun:
            step = inverse(phase.step, before.get(getattr(phase.step, "moved_from", "") or phase.step.address))
            found += phases_of(identity, step, phase.number, PREFIX) if step else []
    return found


def was_taken_back(phases: Iterable[Phase], identity: Identity, ops: Iterable[str]) -> bool:
    """Whether one of ``ops`` takes back a step of this plan: the run was already on its way back when it was interrupted."""
    wanted = frozenset(ops)
    return bool(wanted) and any(
        operation(identity, getattr(p.step, "moved_from", "") or p.step.address, p.number, PREFIX + name) in wanted
        for p in phases
        for name in STEP_TYPES
    )
