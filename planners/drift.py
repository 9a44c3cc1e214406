"""Drift: what a provider says now against what the record says."""

from __future__ import annotations

from dataclasses import dataclass

from planners.diff import leaves, same
from planners.model import Observation, Observed, Presence, Recorded, RecordedResource, kind_of
from planners.references import found


@dataclass(frozen=True, slots=True)
class Drifted:
    """One resource that is not as it was left. ``detail`` says in what."""

    address: str
    presence: Presence
    detail: str


def differences(recorded: Recorded, observed: Observed) -> tuple[Drifted, ...]:
    """Every recorded resource whose observation differs, by address. One that was not observed is unknown, not drifted."""
    pairs = ((a, recorded.resources[a], observed[a]) for a in sorted(recorded.resources) if a in observed)
    told = ((a, seen, _detail(record, seen)) for a, record, seen in pairs)
    return tuple(Drifted(a, seen.presence, detail) for a, seen, detail in told if detail)


def _detail(record: RecordedResource, seen: Observation) -> str:
    if seen.presence is Presence.ABSENT:
        return seen.detail or "it is gone"
    if seen.presence is Presence.ELSEWHERE:
        return ""
    wanted = {"power": "on", **record.declared} if kind_of(record.address) == "server" else record.declared
    there = leaves(seen.attributes)
    asked = leaves({k: v for k, v in wanted.items() if k in seen.attributes})
    parts = [f"{p} is {there.get(p)}, not {v}" for p, v in sorted(asked.items()) if not same(there.get(p), v) and not found(v)]
    parts += [
        f"output {key} is {value}, not {record.observed[key]}"
        for key, value in sorted(seen.outputs.items())
        if key in record.observed and not same(value, record.observed[key])
    ]
    if seen.healthy is False:
        parts.append(f"not healthy{': ' * bool(seen.detail)}{seen.detail}")
    return "; ".join(parts)
