"""Drift: what a provider says now against what was declared and recorded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

from planners.canonical import Json
from planners.dataclass import dataclass
from planners.diff import Leaves, below, is_secret, leaves, same
from planners.model import Observation, Observed, Presence, Recorded, RecordedResource, kind_of
from planners.references import found


class Drift(StrEnum):
    """In which way."""

    CHANGED = "changed"
    """It is there and is another."""
    MISSING = "missing"
    """It is recorded and gone."""
    ELSEWHERE = "elsewhere"
    """It lives on another machine, and nothing more is known of it here."""
    ADDED = "added"
    """It carries our tag beside what is declared or recorded: made twice, or by somebody else."""
    UNMANAGED = "unmanaged"
    """It carries our tag, and nothing of the kind is declared or recorded."""


_OF_RECORDS = {Presence.PRESENT: Drift.CHANGED, Presence.ABSENT: Drift.MISSING, Presence.ELSEWHERE: Drift.ELSEWHERE}


@dataclass(frozen=True, slots=True)
class Drifted:
    """One resource that is not as it was left. ``detail`` says in what, without values: some of them are sensitive."""

    address: str
    drift: Drift
    detail: str


def differences(recorded: Recorded, observed: Observed) -> tuple[Drifted, ...]:
    """Every recorded resource that is not as recorded, by address; one that lives elsewhere is among them, as unknown.

    What was not observed is not judged. These are the differences that a plan with these observations repairs.
    """
    pairs = ((recorded.resources[a], observed[a]) for a in sorted(recorded.resources) if a in observed)
    told = ((record, seen, _detail(record, seen)) for record, seen in pairs)
    return tuple(Drifted(record.address, _OF_RECORDS[seen.presence], detail) for record, seen, detail in told if detail)


def _detail(record: RecordedResource, seen: Observation) -> str:
    if seen.presence is Presence.ABSENT:
        return seen.detail or "it is gone"
    if seen.presence is Presence.ELSEWHERE:
        return seen.detail or "it lives on another machine"
    off = (path for path, _, _ in read_back(record.address, record.declared, seen, ignored=record.lifecycle.not_ours))
    parts = ["power is not on" if path == "power" else f"{path} differs" for path in off]
    parts += [f"output {name} differs" for name in outputs_off(record, seen)]
    if seen.healthy is False:
        parts.append(f"not healthy: {seen.detail}" if seen.detail else "not healthy")
    return "; ".join(parts)


def visible(seen: Observation | None, readable: Collection[str] = ()) -> Leaves:
    """The leaves of what is there, as far as it can be read back (``readable`` empty: all that was reported)."""
    if seen is None or seen.presence is not Presence.PRESENT:
        return {}
    return leaves({key: value for key, value in seen.attributes.items() if not readable or key in readable})


def read_back(
    address: str,
    declared: Mapping[str, Json],
    seen: Observation,
    readable: Collection[str] = (),
    ignored: Collection[str] = (),
) -> tuple[tuple[str, Json, Json], ...]:
    """(path, wanted, found) of declared leaves that read back otherwise, sorted.

    What nobody declared belongs to whoever made it; only a server's power is always ours. A key that was not
    reported was not read; one that was reported lacks a leaf only if it is not there.
    """
    if seen.presence is not Presence.PRESENT:
        return ()
    there = visible(seen, readable)
    wanted = {"power": "on", **declared} if kind_of(address) == "server" else declared
    asked = leaves({k: v for k, v in wanted.items() if k in seen.attributes and (not readable or k in readable)})
    differing = ((path, value, there.get(path)) for path, value in sorted(asked.items()) if not same(there.get(path), value))
    return tuple((path, value, now) for path, value, now in differing if comparable(value) and not below(path, ignored))


def comparable(value: Json) -> bool:
    """Whether a declared leaf is the value itself, not a reference to one."""
    return not found(value) and not is_secret(value)


def outputs_off(record: RecordedResource, seen: Observation | None) -> tuple[str, ...]:
    """Recorded outputs that are others now."""
    if seen is None or seen.presence is not Presence.PRESENT:
        return ()
    known = record.observed
    return tuple(sorted(name for name, value in seen.outputs.items() if name in known and not same(value, known[name])))
