"""``plan``: the ordered difference between what is declared and what is recorded. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from planners import graph
from planners.catalog import Catalog
from planners.decide import World, decide, remove
from planners.digests import declared_digest, plan_id, recorded_digest
from planners.drift import differences
from planners.expand import PROVIDER_KINDS, Expanded, expand
from planners.model import Desired, Environment, Observed, Presence, Recorded, host_of, kind_of
from planners.ordering import step_order
from planners.problems import NOWHERE, Problem, Problems
from planners.steps import Delete, Digests, Move, Notice, Options, Plan, Replace, Step
from planners.suggest import hint


def plan(desired: Desired, recorded: Recorded, observed: Observed | None, catalog: Catalog, options: Options) -> Plan | Problems:
    """The plan from ``recorded`` to ``desired``, or every mistake that stands in its way.

    ``observed`` ``None`` means nothing was read: the record is taken at its word. Equal inputs give equal bytes.
    """
    expanded = Expanded({}, (), ()) if options.destroy else expand(desired, catalog)
    if expanded.problems:
        return Problems(expanded.problems)
    world = decided(expanded, recorded, observed or {}, catalog, options)
    problems = tuple(sorted({*_refused(world), *_unknown_targets(world, options)}))
    if problems:
        return Problems(problems)
    ordered = step_order(world)
    if isinstance(ordered, Problem):
        return Problems((ordered,))
    edges, order = ordered
    wanted = _wanted(world, edges, options)
    steps = tuple(_bound(world, replace(world.steps[a], depends_on=edges[a])) for a in order if a in wanted)
    return _finished(desired, recorded, world, steps, options)


def decided(expanded: Expanded, recorded: Recorded, observed: Observed, catalog: Catalog, options: Options) -> World:
    """What is to be done with each address, without order. Requirements before dependents: a replaced one makes its users' values unknown."""
    resources, records = expanded.resources, recorded.resources
    moves = {
        address: resource.lifecycle.moved_from
        for address, resource in resources.items()
        if resource.lifecycle.moved_from in records and address not in records and resource.lifecycle.moved_from not in resources
    }
    world = World(expanded, records, observed, catalog, {a: m for a, m in moves.items() if m})
    for address in expanded.order:
        if step := decide(resources[address], world):
            world.steps[address] = step
    left = [a for a in sorted(records) if a not in resources and a not in world.moves.values()]
    for address in left:
        host = host_of(address)
        gone = host in left or isinstance(world.steps.get(host or ""), Replace)
        world.steps[address] = remove(records[address], _removal_reason(world, address, options), gone)
    return world


def _removal_reason(world: World, address: str, options: Options) -> str:
    if options.destroy:
        return "destroy"
    implied = world.recorded[address].implied_by
    return f"no longer required by {implied}" if implied else "no longer declared"


def _refused(world: World) -> Iterator[Problem]:
    """Protected resources, moves onto something declared, and removals that nobody here can carry out."""
    for address, step in world.steps.items():
        resource, record = world.expanded.resources.get(address), world.recorded.get(address)
        where = resource.where if resource else NOWHERE
        protected = resource.lifecycle.prevent_destroy if resource else record is not None and record.lifecycle.prevent_destroy
        if isinstance(step, (Delete, Replace)) and protected:
            verb = "deleted" if isinstance(step, Delete) else "replaced"
            message = f"{address} would be {verb} ({step.reason}) and has prevent_destroy"
            yield Problem(where, "protected", message, "take prevent_destroy away in a commit of its own first")
        if isinstance(step, Delete) and kind_of(address) in PROVIDER_KINDS and step.provider not in world.catalog.providers:
            message = f"{address} is to be deleted and its provider '{step.provider}' is not known here"
            yield Problem(
                NOWHERE, "unknown-provider", message, "use a provisioning that has it, or 'provisioning state forget' it"
            )
    for address, resource in world.expanded.resources.items():
        source = resource.lifecycle.moved_from
        if source and source in world.expanded.resources:
            message = f"{address} says moved_from '{source}', which is still declared"
            yield Problem(resource.where, "move-onto-declared", message, "rename the declaration, do not copy it")


def _unknown_targets(world: World, options: Options) -> Iterator[Problem]:
    known = {*world.expanded.resources, *world.recorded}
    for target in options.targets:
        if target not in known:
            yield Problem(
                NOWHERE, "unknown-target", f"there is no resource '{target}'", hint(target, known, "'kind/name' as plan shows it")
            )


def _wanted(world: World, edges: Mapping[str, tuple[object, ...]], options: Options) -> set[str]:
    """The targets with all they need, through resources that stay as they are too."""
    if not options.targets:
        return set(world.steps)
    needs: dict[str, set[str]] = {a: {d.address for d in r.depends_on} for a, r in world.expanded.resources.items()}
    for address, before in edges.items():
        needs.setdefault(address, set()).update(d.address for d in before)  # type: ignore[attr-defined]
    return graph.closure(options.targets, needs) & set(world.steps)


def _bound(world: World, step: Step) -> Step:
    """The step with its read and write sets: everything of other resources and itself that it relied on."""
    resource = world.expanded.resources.get(step.address)
    relied = {
        step.address,
        *(d.address for d in step.depends_on),
        *(d.address for d in (resource.depends_on if resource else ())),
    }
    written = {step.address}
    if isinstance(step, Move):
        relied.add(step.moved_from)
        written.add(step.moved_from)
    reads = tuple((a, digests(world, a)) for a in sorted(relied))
    return replace(step, reads=reads, writes=tuple(pair for pair in reads if pair[0] in written))


def digests(world: World, address: str) -> Digests:
    """What a plan relies on for one address."""
    return Digests(declared_digest(world.expanded.resources.get(address)), recorded_digest(world.recorded.get(address)))


def _finished(desired: Desired, recorded: Recorded, world: World, steps: tuple[Step, ...], options: Options) -> Plan:
    made = Plan(
        infra=desired.infra,
        environment=desired.environment,
        steps=steps,
        notices=_notices(desired, world, steps, options),
        unchanged=sum(1 for a in world.expanded.resources if a not in world.steps),
        destroy=options.destroy,
        targets=options.targets,
        catalog=relied_on(steps, world.catalog, options),
        drift=tuple(d.address for d in differences(recorded, world.observed)),
    )
    return replace(made, id=plan_id(made))


def relied_on(steps: tuple[Step, ...], catalog: Catalog, options: Options) -> Mapping[str, str]:
    """Versions and digests of every provider, extension and evaluator the steps rely on."""
    found = {"planner": options.evaluator, **{f"evaluator/{k}": v for k, v in catalog.evaluators.items()}}
    for step in steps:
        spec = catalog.providers.get(step.provider)
        found[f"provider/{step.provider}"] = spec.version if spec else ""
        if step.extension:
            found[f"extension/{step.address.rpartition('/')[2]}"] = step.extension
    return dict(sorted(found.items()))


def budget(environment: Environment, recorded: int) -> int:
    """How many deletions pass without being asked for: one, or up to 30 % but at most 10 (DESIGN section 6)."""
    if environment.deletion_budget is not None:
        return environment.deletion_budget
    return max(1, min(10, recorded * 3 // 10))


def _notices(desired: Desired, world: World, steps: tuple[Step, ...], options: Options) -> tuple[Notice, ...]:
    """What a reader must know, and what apply will ask for."""
    found = [
        Notice("elsewhere", f"{address} {seen.detail or 'lives on another machine'}: its state is unknown here")
        for address, seen in sorted(world.observed.items())
        if seen.presence is Presence.ELSEWHERE
    ]
    if options.destroy:
        return tuple(found)
    deletes = [s for s in steps if isinstance(s, Delete)]
    if deletes and len(deletes) == len(world.recorded):
        found.append(Notice("destroys-everything", f"this plan removes everything {desired.infra} has", "--destroy"))
        return tuple(found)
    counted = [s for s in deletes if not s.gone_with_host and not s.implied_by]
    allowed = budget(desired.environment, len(world.recorded))
    if len(counted) > allowed:
        message = f"this plan removes {len(counted)} resources and the budget of {desired.environment.name} is {allowed}"
        found.append(Notice("deletion-budget", message, f"--allow-deletes {len(counted)}"))
    return tuple(found)
