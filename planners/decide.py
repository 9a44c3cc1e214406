"""What to do about one resource: declared now, declared then, observed. Edges and sets are added by others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from typing import Any

from planners.canonical import Json
from planners.catalog import Catalog, KindSpec
from planners.dataclass import dataclass
from planners.diff import alike, below, change, differing, keep_ignored, leaves, same
from planners.drift import comparable, outputs_off, read_back, visible
from planners.expand import Expanded
from planners.model import (
    Lifecycle,
    Observation,
    Observed,
    Presence,
    RecordedResource,
    Resource,
    Status,
    host_of,
    kind_of,
    taskserv_of,
)
from planners.references import REPLACES, at, attached, cause, cause_of, current, found, of_id, remembered
from planners.steps import Adopt, Change, Create, Delete, Forget, Move, Replace, Step, Update


@dataclass(frozen=True, slots=True)
class World:
    """All that deciding looks at. ``moves``: new address -> recorded address. ``replaced``: what somebody wants made
    anew. ``steps`` grows, requirements before dependents."""

    expanded: Expanded
    recorded: Mapping[str, RecordedResource]
    observed: Observed
    catalog: Catalog
    moves: Mapping[str, str] = field(default_factory=dict)
    replaced: Collection[str] = ()
    steps: dict[str, Step] = field(default_factory=dict)

    def before(self, address: str) -> RecordedResource | None:
        """The record of a resource, under its old address if it moves."""
        return self.recorded.get(self.moves.get(address, address))

    def seen(self, address: str) -> Observation | None:
        """What the provider says of it, ``None`` when it was not read."""
        return self.observed.get(self.moves.get(address, address))


def spec_of(address: str, provider: str, catalog: Catalog) -> KindSpec:
    """Which changes replace and which values are hidden, whatever implements the resource."""
    if kind_of(address) == "taskserv":
        spec = catalog.taskservs.get(taskserv_of(address))
        if spec is None:
            return KindSpec()
        return KindSpec(frozenset(f"config.{k}" for k in spec.replace_on), frozenset(f"config.{k}" for k in spec.sensitive))
    known = catalog.providers.get(provider)
    return known.kinds.get(kind_of(address), KindSpec()) if known else KindSpec()


def decide(resource: Resource, world: World) -> Step | None:
    """The step for one declared resource, ``None`` when there is nothing to do."""
    before, seen = world.before(resource.address), world.seen(resource.address)
    if before is None and (external := resource.lifecycle.import_id):
        return Adopt(reason=f"{external} is taken in", external_id=external, **_common(resource))
    if before is None:
        return _create(resource, world, f"required by {resource.implied_by}" if resource.implied_by else "not there yet")
    if seen is not None and seen.presence is Presence.ABSENT:
        return _create(resource, world, "drift: it is gone")
    declared = keep_ignored(resource.declared, before.declared, resource.lifecycle.ignore_changes)
    changes = tuple(c for c in _changes(resource, before, declared, world) if not _already_so(c, resource, seen, world))
    drift = _drifted(resource, declared, seen, world) if seen is not None else ()
    changes += tuple(c for c in drift if c.path not in {d.path for d in changes})
    forced = sorted(c.path for c in changes if c.forces_replace)
    common = {**_common(resource), "changes": changes}
    if reason := _replaced(resource, before, forced, world):
        lost = host_is_remade(resource.address, before, world)
        first = resource.lifecycle.create_before_destroy and not lost
        return Replace(reason=reason, create_first=first, gone_with_host=lost, **common)
    reasons = "; ".join(_reasons(resource, before, changes, drift, seen))
    # The whole comparison was made with ignored paths kept as recorded; the same values are what gets applied.
    common["declared"] = declared
    if moved_from := world.moves.get(resource.address):
        told = f"moved from {moved_from}" + (f"; {reasons}" if reasons else "")
        return Move(reason=told, moved_from=moved_from, **common)
    if reasons:
        return Update(reason=reasons, **common)
    if outdated := _outdated_record(resource, before, declared):
        return Update(reason=outdated, record_only=True, **common)
    return None


def _common(resource: Resource) -> dict[str, Any]:
    return {
        "address": resource.address,
        "provider": resource.provider,
        "declared": resource.declared,
        "edges": resource.depends_on,
        "lifecycle": resource.lifecycle,
        "extension": resource.extension,
        "implied_by": resource.implied_by,
    }


def _create(resource: Resource, world: World, reason: str) -> Create:
    spec = spec_of(resource.address, resource.provider, world.catalog)
    made = (
        change(path, None, value, spec.sensitive, (), any(unsettled(r.address, r.output, world) for r in found(value)))
        for path, value in sorted(leaves(resource.declared).items())
    )
    return Create(reason=reason, changes=tuple(made), **_common(resource))


def _changes(resource: Resource, before: RecordedResource, declared: Mapping[str, Json], world: World) -> tuple[Change, ...]:
    """What the declaration asks for that the record does not say, and values behind references that moved."""
    spec = spec_of(resource.address, resource.provider, world.catalog)
    moved = [*_moved_values(resource, before, declared, world)]
    if not moved and same(declared, before.declared):
        return ()
    now, then = leaves(declared), leaves(before.declared)
    changes = {
        path: change(
            path,
            then.get(path),
            now.get(path),
            spec.sensitive,
            spec.replace_on,
            any(unsettled(r.address, r.output, world) for r in found(now.get(path))),
        )
        for path in differing(then, now)
    }
    for path, unknown in moved:
        if path not in changes and not below(path, resource.lifecycle.ignore_changes):
            value = now.get(path)
            changes[path] = change(path, value, value, spec.sensitive, spec.replace_on, unknown)
    return tuple(changes[path] for path in sorted(changes))


def _moved_values(
    resource: Resource, before: RecordedResource, declared: Mapping[str, Json], world: World
) -> Iterator[tuple[str, bool]]:
    """(path, unknown until apply) of leaves written as before whose referent has, or will have, another value."""
    uses = [(key, of_id(address)) for key, address in attached(resource.address, declared)]
    if any(edge.output for edge in resource.depends_on):
        uses += [(path, r) for path, value in leaves(declared).items() for r in found(value)]
    was = remembered(before)
    for path, reference in uses:
        if unsettled(reference.address, reference.output, world):
            yield path, True
        elif reference.text in was and (now := current(reference, world.recorded)) is not None and now != was[reference.text]:
            yield path, False


def unsettled(address: str, output: str, world: World) -> bool:
    """Whether this plan gives ``output`` of ``address`` a value that is known only after apply.

    A taskserv's outputs are made of its config, so any change of it counts; a provider's outputs stay as they are
    unless the changed key bears the output's name.
    """
    step = world.steps.get(address)
    if step is None or isinstance(step, (Create, Replace)):
        return step is not None
    before = world.before(address)
    if kind_of(address) == "taskserv" and (step.changes or (before and before.extension != step.extension)):
        return True
    return any(below(c.path, (output,)) for c in step.changes) or (
        before is not None and output in outputs_off(before, world.seen(address))
    )


def _already_so(change: Change, resource: Resource, seen: Observation | None, world: World) -> bool:
    """Whether what the declaration newly asks for is there already: then only the record is behind."""
    there = visible(seen, spec_of(resource.address, resource.provider, world.catalog).readable)
    return change.path in there and comparable(change.after) and same(there[change.path], change.after)


def _drifted(resource: Resource, declared: Mapping[str, Json], seen: Observation, world: World) -> tuple[Change, ...]:
    """Declared leaves that the provider reads back otherwise."""
    spec = spec_of(resource.address, resource.provider, world.catalog)
    off = read_back(resource.address, declared, seen, spec.readable, resource.lifecycle.not_ours)
    return tuple(change(path, there, wanted, spec.sensitive, spec.replace_on) for path, wanted, there in off)


def host_is_remade(address: str, before: RecordedResource, world: World) -> bool:
    """Whether the server under a recorded taskserv is, or was since, made anew, and the taskserv gone with it."""
    host = host_of(address)
    if host is None:
        return False
    reference = of_id(world.moves.get(host, host))
    now, was = current(reference, world.recorded), remembered(before).get(reference.text)
    return isinstance(world.steps.get(host), (Create, Replace)) or (now is not None and was is not None and now != was)


def _replaced(resource: Resource, before: RecordedResource, forced: Collection[str], world: World) -> str:
    """Why the resource must be made anew, "" when it need not."""
    if host_is_remade(resource.address, before, world):
        return f"{host_of(resource.address)} is made anew"
    if before.status is Status.TAINTED:
        return "tainted: the last run left it half made"
    if before.status is Status.DELETING:
        return "its deletion was not finished"
    if before.provider != resource.provider:
        return f"provider changes from '{before.provider}' to '{resource.provider}'"
    if forced:
        return f"{', '.join(forced)} cannot change in place"
    if resource.address in world.replaced:
        return "asked for"
    return next((f"{text} changed" for text in resource.lifecycle.replace_triggered_by if _caused(text, before, world)), "")


def _caused(text: str, before: RecordedResource, world: World) -> bool:
    """Whether what replaces this one changes now, or did in a run that was stopped before it came to it."""
    (address, key), was = cause_of(text), remembered(before).get(text)
    step, then = world.steps.get(address), world.before(address)
    if step is None or then is None or isinstance(step, (Delete, Forget)):
        return was is not None and (now := cause(text, world.recorded)) is not None and now != was
    if not key:
        anew = isinstance(step, (Create, Replace)) or step.extension != then.extension
        return anew or not alike(then.declared, step.declared)
    values = at(then.declared, key), at(step.declared, key)
    return unsettled(address, key, world) if values == (None, None) else not same(*values)


def _reasons(
    resource: Resource,
    before: RecordedResource,
    changes: Collection[Change],
    drift: Collection[Change],
    seen: Observation | None,
) -> Iterator[str]:
    """Why something is to be done outside, the most telling reason first."""
    if before.status is Status.DEGRADED:
        yield "the last run left it changed half way or not healthy"
    if REPLACES in before.observed:
        yield "what it replaced is still there and is removed"
    behind = [c for c in changes if same(c.before, c.after)]
    if any(c not in drift and c not in behind for c in changes):
        yield "declaration changed"
    for moved in behind:
        yield f"{moved.path} is known after apply" if moved.unknown else f"the value behind {moved.path} changed"
    if before.extension != resource.extension:
        yield "extension changed"
    parts = [c.path for c in drift if c in changes] + [f"output {name}" for name in outputs_off(before, seen)]
    if seen is not None and seen.presence is Presence.PRESENT and seen.healthy is False:
        parts.append("not healthy")
    if parts:
        yield f"drift: {', '.join(parts)}"


def _outdated_record(resource: Resource, before: RecordedResource, declared: Mapping[str, Json]) -> str:
    """What the record says that no longer is so, though nothing is to be done outside."""
    parts = []
    if not alike(before.declared, declared):
        parts.append("already as declared")
    if {d.address for d in resource.depends_on} != set(before.depends_on):
        parts.append("dependencies changed")
    if settled(resource.lifecycle) != settled(before.lifecycle):
        parts.append("lifecycle changed")
    if resource.implied_by != before.implied_by:
        parts.append(f"now required by {resource.implied_by}" if resource.implied_by else "now declared")
    return "; ".join(parts)


def settled(lifecycle: Lifecycle) -> tuple[object, ...]:
    """What of a lifecycle still matters once it is recorded (where it once came from does not)."""
    return (
        lifecycle.prevent_destroy,
        lifecycle.create_before_destroy,
        lifecycle.not_ours,
        lifecycle.replace_triggered_by,
    )


def remove(
    before: RecordedResource, reason: str, world: World, leaving: Collection[str], let_go: Collection[str] = ()
) -> Delete | Forget:
    """The step for what is recorded and no longer wanted. ``leaving``: all addresses that this plan removes; ``let_go``: those
    that it only forgets, with what stands on them.

    What is already gone is only forgotten, as is what stood on a server that is no longer ours.
    """
    common: dict[str, Any] = {
        "address": before.address,
        "provider": before.provider,
        "lifecycle": before.lifecycle,
        "extension": before.extension,
        "implied_by": before.implied_by,
    }
    if before.status is Status.DELETING:
        reason = f"{reason}, and its deletion was not finished"
    elif before.status is Status.STRAY:
        reason = "nobody recorded it when it was made"
    host, seen = host_of(before.address), world.observed.get(before.address)
    if before.address in let_go or host in let_go:
        return Forget(reason="declared to be forgotten: it is left as it is", let_go=True, **common)
    if seen is not None and seen.presence is Presence.ABSENT:
        return Forget(reason=f"{reason}, and it is already gone", **common)
    if host is not None and host not in world.recorded:
        return Forget(reason=f"{reason}, and {host} is not recorded any more", **common)
    gone = host in leaving or host_is_remade(before.address, before, world)
    return Delete(reason=reason, gone_with_host=gone, **common)
