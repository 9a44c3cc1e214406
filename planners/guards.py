"""What stands against a plan, and what its readers must know before they let it run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from planners.decide import World
from planners.model import Desired, Environment, EnvironmentClass, Presence, Resource, Rest, kind_of
from planners.problems import NOWHERE, Problem
from planners.steps import Adopt, Delete, Forget, Move, Notice, Replace, Step
from planners.suggest import hint

BUDGET_SHARE, BUDGET_MOST = 30, 10
"""Without a number in the environment a plan may delete one resource, or this many per cent but at most so many."""
NAMED = 3
"""How many addresses a notice names before it counts the rest."""


def unknown_targets(targets: Sequence[str], known: Mapping[str, object]) -> Iterator[Problem]:
    """Targets that are nothing declared or recorded."""
    for target in targets:
        if target not in known:
            advice = hint(target, known, "write it as kind/name, such as server/web-01")
            yield Problem(NOWHERE, "unknown-target", f"there is no resource '{target}'", advice)


def refused(steps: Sequence[Step], declared: Mapping[str, Resource], world: World) -> Iterator[Problem]:
    """Steps that may not be: against ``prevent_destroy``, moves that would not keep the thing, providers nobody here knows."""
    for step in steps:
        yield from _protected(step, declared.get(step.address), world)
        if isinstance(step, Adopt):
            yield from _taken(step, declared[step.address], steps, world)
        if step.address in world.moves:
            yield from _lost_in_move(step, declared.get(step.address), world)
        elif isinstance(step, (Delete, Replace)) and not step.gone_with_host:
            yield from _out_of_reach(step, declared.get(step.address), world)


def _protected(step: Step, resource: Resource | None, world: World) -> Iterator[Problem]:
    """What is declared now decides; what is declared no more is protected as it was recorded."""
    lifecycle = resource.lifecycle if resource else world.recorded[step.address].lifecycle
    if isinstance(step, (Delete, Replace)) and lifecycle.prevent_destroy:
        verb = "deleted" if isinstance(step, Delete) else "replaced"
        message = f"{step.address} would be {verb} ({step.reason}) and has prevent_destroy"
        advice = "take prevent_destroy away in a change of its own first"
        yield Problem(resource.where if resource else NOWHERE, "prevent-destroy", message, advice)


def _taken(step: Adopt, resource: Resource, steps: Sequence[Step], world: World) -> Iterator[Problem]:
    """One thing has one address."""
    recorded = (a for a, r in world.recorded.items() if (r.provider, r.observed.get("id")) == (step.provider, step.external_id))
    adopted = (
        s.address for s in steps if isinstance(s, Adopt) and (s.provider, s.external_id) == (step.provider, step.external_id)
    )
    for other in (*recorded, *adopted):
        if other != step.address:
            message = f"{step.address} imports '{step.external_id}', which is {other}"
            advice = "give the id that is meant, or rename with lifecycle.moved_from"
            yield Problem(resource.where, "import-taken", message, advice)
            return


def _lost_in_move(step: Step, resource: Resource | None, world: World) -> Iterator[Problem]:
    if resource and not isinstance(step, Move):
        message = f"{step.address} cannot be moved from {world.moves[step.address]}: it would be made anew ({step.reason})"
        yield Problem(
            resource.where,
            "move-and-replace",
            message,
            "rename it in one change and alter it in another, or leave moved_from out",
        )


def _out_of_reach(step: Step, resource: Resource | None, world: World) -> Iterator[Problem]:
    """The provider that made a thing must be known to take it away."""
    record, kind = world.recorded[step.address], kind_of(step.address)
    spec = world.catalog.providers.get(record.provider)
    if kind != "cluster" and (spec is None or (kind != "taskserv" and kind not in spec.kinds)):
        why = "is not known" if spec is None else f"makes no {kind}"
        message = f"{step.address} cannot be removed: it was made by provider '{record.provider}', which {why}"
        advice = "use a version that has it, or take it out of the record with 'provisioning state forget'"
        yield Problem(resource.where if resource else NOWHERE, "unknown-provider", message, advice)


def budget(environment: Environment, countable: int) -> int:
    """How many deletions pass without being asked for, of ``countable`` recorded resources."""
    if environment.deletion_budget is not None:
        return environment.deletion_budget
    return max(1, min(BUDGET_MOST, countable * BUDGET_SHARE // 100))


def notices(
    steps: Sequence[Step], early: Sequence[tuple[str, str]], desired: Desired, world: World, destroy: bool
) -> tuple[Notice, ...]:
    """What a reader must know, and what apply will ask for."""
    found = [*_elsewhere(steps, world), *_early(steps, early), *_waived(desired.environment)]
    if not destroy:
        found += _deletions(steps, desired.environment, desired.rest, world)
    return tuple(found)


def _deletions(steps: Sequence[Step], environment: Environment, rest: Rest, world: World) -> Iterator[Notice]:
    removed = {s.address for s in steps if isinstance(s, (Delete, Forget))}
    deletes = [s for s in steps if isinstance(s, Delete)]
    if deletes and not world.expanded.resources and not rest.count and removed >= world.recorded.keys():
        yield Notice("destroys-everything", f"this plan removes everything there is: {named(sorted(removed))}", "--destroy")
        return
    counted = sorted(s.address for s in deletes if not s.gone_with_host and not s.implied_by)
    # What does not count among the deletions does not count among what there is either.
    uncounted = {s.address for s in deletes if s.gone_with_host} | {a for a, r in world.recorded.items() if r.implied_by}
    allowed = budget(environment, len(world.recorded) - len(uncounted) + rest.count - rest.implied)
    if len(counted) > allowed:
        message = f"this plan deletes {len(counted)} resources and {environment.name} allows {allowed} at once: {named(counted)}"
        yield Notice("deletion-budget", message, f"--allow-deletes {len(counted)}")


def _elsewhere(steps: Sequence[Step], world: World) -> Iterator[Notice]:
    """What cannot be reached from here, first of all where the plan wants to act on it."""
    away = {a: o.detail or "lives on another machine" for a, o in world.observed.items() if o.presence is Presence.ELSEWHERE}
    touched = {world.moves.get(s.address, s.address): s for s in steps}
    for address in sorted(away.keys() & touched.keys()):
        step = touched[address]
        yield Notice("elsewhere", f"{step.address} {away[address]}: '{step.action}' can only be done there")
    untouched: dict[str, list[str]] = {}
    for address in sorted(away.keys() - touched.keys()):
        untouched.setdefault(away[address], []).append(address)
    for detail, addresses in sorted(untouched.items()):
        yield Notice("elsewhere", f"{named(addresses)} {detail}: what became of it is unknown here")


def _early(steps: Sequence[Step], early: Sequence[tuple[str, str]]) -> Iterator[Notice]:
    there = {s.address for s in steps}
    for user, gone in early:
        if user in there and gone in there:
            yield Notice(
                "removed-early", f"{gone} is removed before {user}, which still uses it, is changed: its successor needs the room"
            )


def _waived(environment: Environment) -> Iterator[Notice]:
    if environment.approvals.count == 0 and environment.class_ in (EnvironmentClass.STAGING, EnvironmentClass.PROD):
        yield Notice("approvals-waived", f"environment '{environment.name}' asks for no approvals")


def named(addresses: Sequence[str]) -> str:
    """The first few, and how many more."""
    more = len(addresses) - NAMED
    return ", ".join(addresses[:NAMED]) + (f" and {more} more" if more > 0 else "")
