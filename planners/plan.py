"""``plan``: the ordered difference between what is declared and what is recorded. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from planners.catalog import Catalog
from planners.decide import Decision, decide
from planners.digests import declared_digest, plan_id, recorded_digest
from planners.expand import expand, providers_of, spec_of, suggestion
from planners.graph import closure, cycle, order
from planners.model import (
    Dependency,
    Desired,
    Environment,
    Observed,
    Presence,
    Recorded,
    RecordedResource,
    Resource,
    host_of,
    kind_of,
)
from planners.problems import NOWHERE, Problem, Problems
from planners.steps import Delete, Digests, Move, Notice, Options, Plan, Step

Resources: TypeAlias = Mapping[str, Resource]
Records: TypeAlias = Mapping[str, RecordedResource]


@dataclass(frozen=True, slots=True)
class World:
    """All inputs of one planning, expanded."""

    desired: Desired
    resources: Resources
    recorded: Recorded
    observed: Observed
    catalog: Catalog
    options: Options
    decisions: Mapping[str, Decision] = field(default_factory=dict)


def plan(desired: Desired, recorded: Recorded, observed: Observed | None, catalog: Catalog, options: Options) -> Plan | Problems:
    """The plan from ``recorded`` to ``desired``, or every mistake that stands in its way.

    ``observed`` ``None`` means nothing was read: the record is taken at its word. Equal inputs give equal bytes.
    """
    resources, problems = ({}, ()) if options.destroy else expand(desired, catalog)
    if problems:
        return Problems(tuple(sorted(problems)))
    world = World(desired, dict(sorted(resources.items())), recorded, observed or {}, catalog, options)
    world = replace(world, decisions=decisions(world))
    problems = refused(world)
    if problems:
        return Problems(tuple(sorted(problems)))
    edges = step_edges(world)
    ring = cycle(edges)
    if ring:
        hint = "apply in two commits, or drop create_before_destroy"
        return Problems((Problem(NOWHERE, "dependency-cycle", f"these steps wait for each other: {' -> '.join(ring)}", hint),))
    wanted = closure(edges, options.targets) if options.targets else frozenset(edges)
    deletes = frozenset(a for a in edges if world.decisions[a].action == "delete")
    steps = tuple(step(world, address, edges) for address in order(edges, deletes) if address in wanted)
    return finished(world, steps)


def decisions(world: World) -> Mapping[str, Decision]:
    """What is to be done with each address; in dependency order, as a replaced resource makes its users' values unknown."""
    found: dict[str, Decision] = {}
    moved = {r.lifecycle.moved_from: a for a, r in world.resources.items() if moves(world, r)}
    for address in order({a: [d.address for d in r.depends_on] for a, r in world.resources.items()}):
        resource = world.resources[address]
        source = resource.lifecycle.moved_from if moves(world, resource) else None
        record = world.recorded.resources.get(source or address)
        found[address] = decide(resource, record, world.observed.get(source or address), world.catalog, found, world.recorded.resources, source)
    for address in sorted(world.recorded.resources):
        if address not in world.resources and address not in moved:
            found[address] = Decision("delete", removal_reason(world, address))
    return found


def moves(world: World, resource: Resource) -> bool:
    """Whether ``moved_from`` is still to be followed."""
    source = resource.lifecycle.moved_from
    return bool(source) and source in world.recorded.resources and resource.address not in world.recorded.resources


def removal_reason(world: World, address: str) -> str:
    """Why a recorded resource goes."""
    if world.options.destroy:
        return "destroy"
    implied = world.recorded.resources[address].implied_by
    return f"no longer required by {implied}" if implied else "no longer declared"


def refused(world: World) -> tuple[Problem, ...]:
    """Targets that do not exist, protected resources, moves onto something declared."""
    problems = []
    known = {*world.resources, *world.recorded.resources}
    for target in world.options.targets:
        if target not in known:
            problems.append(Problem(NOWHERE, "unknown-target", f"there is no resource '{target}'", suggestion(target, known)))
    for address, decision in world.decisions.items():
        resource, record = world.resources.get(address), world.recorded.resources.get(address)
        protected = resource.lifecycle.prevent_destroy if resource else record is not None and record.lifecycle.prevent_destroy
        if decision.action in ("delete", "replace") and protected:
            where = resource.where if resource else NOWHERE
            message = f"'{address}' would be {'deleted' if decision.action == 'delete' else 'replaced'} ({decision.reason}) and has prevent_destroy"
            problems.append(Problem(where, "protected", message, "take prevent_destroy away in a commit of its own first"))
        source = resource.lifecycle.moved_from if resource else None
        if resource and source and source in world.resources:
            message = f"'{address}' says moved_from '{source}', which is still declared"
            problems.append(Problem(resource.where, "move-onto-declared", message, "rename the declaration, do not copy it"))
    return tuple(problems)


def step_edges(world: World) -> dict[str, list[str]]:
    """Step address -> the step addresses that come first."""
    stepping = {a for a, d in world.decisions.items() if d.action}
    edges: dict[str, list[str]] = {address: [] for address in sorted(stepping)}
    for address in edges:
        resource = world.resources.get(address)
        if resource is not None:
            edges[address] = [d.address for d in resource.depends_on if d.address in stepping and d.address in world.resources]
            edges[address] += freed_first(world, resource, stepping)
    for address, record in world.recorded.resources.items():
        if address not in stepping:
            continue
        # what was needed goes after its user has gone or has been changed not to need it
        for need in record.depends_on:
            if need in stepping and need not in world.resources:
                edges[need].append(address)
    return edges


def freed_first(world: World, resource: Resource, stepping: set[str]) -> list[str]:
    """Deletions on the same server that make room for a conflicting taskserv."""
    spec = spec_of(resource, world.catalog)
    leaving = [a for a in sorted(stepping) if a not in world.resources and kind_of(a) == "taskserv" and host_of(a) == host_of(resource.address)]
    found = [a for name in (spec.conflicts if spec else ()) for a in providers_of(name, leaving, world.catalog)]
    own = {resource.address.rpartition("/")[2], *(spec.provides if spec else ())}
    for address in leaving if spec else ():
        other = world.catalog.taskservs.get(address.rpartition("/")[2])
        if other is not None and own & set(other.conflicts):
            found.append(address)
    return found


def step(world: World, address: str, edges: Mapping[str, list[str]]) -> Step:
    """The frozen step of one decided address."""
    decision = world.decisions[address]
    resource, record = world.resources.get(address), world.recorded.resources.get(address)
    declared_edges = {d.address: d for d in resource.depends_on} if resource else {}
    before = tuple(declared_edges.get(a, Dependency(a, healthy=False)) for a in sorted(set(edges[address])))
    relied = {address, *declared_edges, *(() if resource else edges[address]), *([decision.moved_from] if decision.moved_from else [])}
    reads = tuple((a, digests(world, a)) for a in sorted(relied))
    common = {
        "address": address,
        "provider": resource.provider if resource else record.provider if record else "",
        "reason": decision.reason,
        "depends_on": before,
        "reads": reads,
        "writes": ((address, digests(world, address)),),
        "changes": decision.changes,
    }
    if resource is None:
        gone = world.decisions.get(host_of(address) or "")
        return Delete(**common, gone_with_host=gone is not None and gone.action == "delete", implied_by=record.implied_by if record else None)  # type: ignore[arg-type]
    common |= {"declared": resource.declared, "edges": resource.depends_on, "lifecycle": resource.lifecycle}
    common |= {"extension": resource.extension, "implied_by": resource.implied_by}
    return decision.build(common)


def digests(world: World, address: str) -> Digests:
    """What the plan relies on for one address."""
    return Digests(declared_digest(world.resources.get(address)), recorded_digest(world.recorded.resources.get(address)))


def finished(world: World, steps: tuple[Step, ...]) -> Plan:
    """The plan with its notices, the catalog it relied on, and its id."""
    drift = tuple(a for a, o in sorted(world.observed.items()) if world.decisions.get(a) and world.decisions[a].drift)
    made = Plan(
        infra=world.desired.infra,
        environment=world.desired.environment,
        steps=steps,
        notices=notices(world, steps),
        unchanged=sum(1 for a in world.resources if not world.decisions[a].action),
        destroy=world.options.destroy,
        targets=world.options.targets,
        catalog=relied_on(world, steps),
        drift=drift,
    )
    return replace(made, id=plan_id(made))


def relied_on(world: World, steps: tuple[Step, ...]) -> Mapping[str, str]:
    """Versions and digests of every provider, extension and evaluator the steps rely on."""
    found = {"planner": world.options.evaluator, **{f"evaluator/{k}": v for k, v in world.catalog.evaluators.items()}}
    for item in steps:
        spec = world.catalog.providers.get(item.provider)
        found[f"provider/{item.provider}"] = spec.version if spec else ""
        if item.extension:
            found[f"extension/{item.address.rpartition('/')[2]}"] = item.extension
    return dict(sorted(found.items()))


def budget(environment: Environment, recorded: int) -> int:
    """How many deletions pass without being asked for: one, or up to 30 % but at most 10 (DESIGN section 6)."""
    if environment.deletion_budget is not None:
        return environment.deletion_budget
    return max(1, min(10, recorded * 3 // 10))


def notices(world: World, steps: tuple[Step, ...]) -> tuple[Notice, ...]:
    """What a reader must know, and what apply will ask for."""
    found = []
    for address, seen in sorted(world.observed.items()):
        if seen.presence is Presence.ELSEWHERE:
            found.append(Notice("elsewhere", f"{address} {seen.detail or 'lives on another machine'}: its state is unknown here"))
    counted = [s for s in steps if isinstance(s, Delete) and not s.gone_with_host and not s.implied_by]
    everything = bool(world.recorded.resources) and all(
        world.decisions[a].action == "delete" for a in world.recorded.resources if a in world.decisions
    ) and not any(isinstance(s, Move) for s in steps) and len([s for s in steps if isinstance(s, Delete)]) == len(world.recorded.resources)
    if world.options.destroy:
        return tuple(found)
    if everything:
        found.append(Notice("destroys-everything", f"this plan removes everything {world.desired.infra} has", "--destroy"))
    allowed = budget(world.desired.environment, len(world.recorded.resources))
    if not everything and len(counted) > allowed:
        message = f"this plan removes {len(counted)} resources and the budget of {world.desired.environment.name} is {allowed}"
        found.append(Notice("deletion-budget", message, f"--allow-deletes {len(counted)}"))
    return tuple(found)
