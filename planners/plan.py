"""``plan``: the ordered difference between what is declared and what is recorded. Pure and deterministic."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import cache

from planners import graph
from planners.canonical import ABSENT
from planners.catalog import Catalog
from planners.cost import after, plus, recorded_totals
from planners.dataclass import dataclass
from planners.decide import World, decide, remove
from planners.digests import declared_digest, recorded_digest
from planners.document import plan_id
from planners.drift import Drift, differences
from planners.expand import Expanded, expand
from planners.guards import notices, refused, unknown_targets
from planners.limits import beyond, near
from planners.model import Desired, Observed, Recorded, RecordedResource, Resource, host_of, kind_of, taskserv_of
from planners.moves import moves
from planners.ordering import Arranged, arrange
from planners.problems import Problem, Problems
from planners.steps import PLANNER_VERSION, Digests, Move, Options, Plan, Step


@dataclass(frozen=True, slots=True)
class Decided:
    """Every step there could be, in order. ``declared``: all resources of the declaration, also where everything is to go;
    ``wanted``: the addresses that are asked for with all that they need, as only these get a step."""

    declared: Mapping[str, Resource]
    world: World
    arranged: Arranged
    wanted: Collection[str]


def plan(desired: Desired, recorded: Recorded, observed: Observed | None, catalog: Catalog, options: Options) -> Plan | Problems:
    """The plan from ``recorded`` to ``desired``, or every mistake that stands in its way.

    ``observed`` ``None`` means nothing was read: the record is taken at its word. Equal inputs give equal bytes. Of a part
    of an infra nothing is observed.
    """
    found = decided(desired, recorded, observed or {}, catalog, options)
    return found if isinstance(found, Problems) else plan_of(found, desired, recorded, options)


def decided(desired: Desired, recorded: Recorded, observed: Observed, catalog: Catalog, options: Options) -> Decided | Problems:
    """What could be done with all there is, before anything is said of it."""
    declared = expand(desired, catalog)
    expanded = Expanded({}, (), ()) if options.destroy else declared
    renamed, problems = moves(expanded.resources, recorded.resources)
    if problems := (*expanded.problems, *problems):
        return Problems(tuple(sorted(problems)))
    world = World(expanded, recorded.resources, observed, catalog, renamed, options.targets if options.replace else ())
    _decide_all(world, options.destroy, desired.let_go)
    arranged = arrange(world)
    if isinstance(arranged, Problem):
        return Problems((arranged,))
    everything = {**expanded.resources, **recorded.resources}
    wanted = _wanted(options.targets, arranged, world) if options.targets else everything.keys()
    return Decided(declared.resources, world, arranged, wanted)


def plan_of(decided: Decided, desired: Desired, recorded: Recorded, options: Options) -> Plan | Problems:
    """The plan with all that is wanted of what was decided."""
    world, arranged, wanted = decided.world, decided.arranged, decided.wanted
    known, expanded = {**world.expanded.resources, **recorded.resources}, world.expanded
    steps = tuple(world.steps[a] for a in arranged.order if a in wanted)
    if problems := (*unknown_targets(options.targets, known), *refused(steps, decided.declared, world)):
        return Problems(tuple(sorted(problems)))
    elsewhere = 0 if options.targets else desired.rest.count
    before = plus(desired.rest.totals, recorded_totals(recorded.resources.values(), world.catalog))
    then = after(before, steps, recorded.resources, world.catalog)
    if problems := tuple(beyond(steps, before, then, desired.environment, decided.declared)):
        return Problems(tuple(sorted(problems)))
    made = Plan(
        infra=desired.infra,
        environment=desired.environment,
        steps=_bound(steps, arranged, decided.declared, world),
        notices=(*notices(steps, arranged.early, desired, world, options.destroy), *near(before, then, desired.environment)),
        unchanged=sum(1 for a in expanded.resources if a in wanted and a not in world.steps) + elsewhere,
        destroy=options.destroy,
        targets=tuple(sorted(set(options.targets))),
        catalog=relied_on(steps, recorded.resources, world.catalog),
        drift=tuple(d.address for d in differences(recorded, world.observed) if d.drift is not Drift.ELSEWHERE),
        before=before,
        after=then,
    )
    return replace(made, id=plan_id(made))


def _decide_all(world: World, destroy: bool, let_go: Collection[str]) -> None:
    """A step for every address that needs one; requirements before dependents, as what is made anew changes their values."""
    for address in world.expanded.order:
        if step := decide(world.expanded.resources[address], world):
            world.steps[address] = step
    former = set(world.moves.values())
    leaving = {a for a in world.recorded if a not in world.expanded.resources and a not in former}
    for address in sorted(leaving):
        record = world.recorded[address]
        implied = f"no longer required by {record.implied_by}" if record.implied_by else "no longer declared"
        world.steps[address] = remove(record, "destroy" if destroy else implied, world, leaving, let_go)


def _wanted(targets: Iterable[str], arranged: Arranged, world: World) -> set[str]:
    """The targets with all they need, also by way of what stays as it is. Wishes for an order need nothing."""
    needs: dict[str, set[str]] = {a: {d.address for d in r.depends_on} for a, r in world.expanded.resources.items()}
    for then, before in arranged.needs.items():
        needs.setdefault(then, set()).update(d.address for d in before if (d.address, then) not in arranged.wished)
    now = {old: new for new, old in world.moves.items()}
    return graph.closure([now.get(t, t) for t in targets], needs)


def _bound(steps: tuple[Step, ...], arranged: Arranged, declared: Mapping[str, Resource], world: World) -> tuple[Step, ...]:
    """The steps with what each waits for in this plan, and its sets: all that it relied on, all that it changes."""
    digests, there = digests_of(declared, world.recorded), {s.address for s in steps}
    bound = []
    for step in steps:
        waits = tuple(d for d in arranged.needs[step.address] if d.address in there)
        written = {step.address, step.moved_from} if isinstance(step, Move) else {step.address}
        required = (d.address for d in arranged.needs[step.address] if (d.address, step.address) not in arranged.wished)
        host = host_of(step.address)
        relied = {*written, *required, *(d.address for d in step.edges), *((host,) if host else ())}
        reads = tuple((a, digests(a)) for a in sorted(relied))
        bound.append(replace(step, depends_on=waits, reads=reads, writes=tuple(r for r in reads if r[0] in written)))
    return tuple(bound)


def digests_of(declared: Mapping[str, Resource], recorded: Mapping[str, RecordedResource]) -> Callable[[str], Digests]:
    """What an address looks like from here: the function that plan and stale check share."""

    @cache
    def digests(address: str) -> Digests:
        return Digests(declared_digest(declared.get(address)), recorded_digest(recorded.get(address)))

    return digests


def relied_on(steps: Iterable[Step], recorded: Mapping[str, RecordedResource], catalog: Catalog) -> Mapping[str, str]:
    """Versions and digests of the planner, the evaluators, and every provider and extension that the steps need."""
    found = {"planner": PLANNER_VERSION, **{f"evaluator/{name}": version for name, version in catalog.evaluators.items()}}
    for step in steps:
        record = recorded.get(step.address)
        for name in (step.provider, record.provider if record else step.provider):
            spec = catalog.providers.get(name)
            found[f"provider/{name}"] = spec.version if spec else ABSENT
        if kind_of(step.address) == "taskserv":
            extension = catalog.taskservs.get(taskserv_of(step.address))
            found[f"extension/{taskserv_of(step.address)}"] = extension.digest if extension else ABSENT
    return dict(sorted(found.items()))
