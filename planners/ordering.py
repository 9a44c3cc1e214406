"""The order of steps: what each waits for, and the one sequence that equal inputs share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import TypeAlias

from planners import graph
from planners.dataclass import dataclass
from planners.decide import World
from planners.model import Dependency, host_of, kind_of, taskserv_of
from planners.problems import NOWHERE, Problem
from planners.requirements import clashes, preferred
from planners.steps import Delete, Forget, Move, Step

PRIORITY: Mapping[str, int] = {
    kind: rank for rank, kind in enumerate(("network", "volume", "server", "taskserv", "cluster", "load_balancer", "dns"))
}
"""Of steps that wait for nothing these kinds come first; removals come last, in the opposite order."""

Edge: TypeAlias = tuple[str, str, bool]
"""(first, then, whether ``then`` waits until ``first`` is healthy)."""


@dataclass(frozen=True, slots=True)
class Arranged:
    """All steps in order. ``needs``: step -> the steps that come first."""

    order: tuple[str, ...]
    needs: Mapping[str, tuple[Dependency, ...]]
    wished: frozenset[tuple[str, str]] = frozenset()
    """(first, then) pairs among ``needs`` that order without requiring."""
    early: tuple[tuple[str, str], ...] = ()
    """(user, removal) pairs where the removal could not wait until the user was changed."""


@dataclass(slots=True)
class _Edges:
    """Three strengths of edges. A cycle is broken at its wishes, then where a removal waits for its users; else it is refused."""

    nodes: tuple[str, ...]
    must: dict[tuple[str, str], bool] = field(default_factory=dict)
    late: dict[tuple[str, str], bool] = field(default_factory=dict)
    wish: dict[tuple[str, str], bool] = field(default_factory=dict)

    def needs(self) -> dict[str, dict[str, bool]]:
        """Then -> first -> healthy; of several edges between two steps the strictest counts."""
        found: dict[str, dict[str, bool]] = {node: {} for node in self.nodes}
        for edges in (self.must, self.late, self.wish):
            for (first, then), healthy in edges.items():
                found[then][first] = found[then].get(first, False) or healthy
        return found

    def give_up(self, edges: dict[tuple[str, str], bool]) -> tuple[tuple[str, str], ...]:
        """Drop those of ``edges`` that lie in a knot; which they were."""
        knot = graph.knot(self.needs()) if edges else ()
        dropped = tuple(sorted(pair for pair in edges if pair[0] in knot and pair[1] in knot))
        for pair in dropped:
            del edges[pair]
        return dropped


def arrange(world: World) -> Arranged | Problem:
    """Kahn's order without barriers, ties by priority then address; or the cycle that makes it impossible."""
    edges = _Edges(tuple(sorted(world.steps)))
    for kept, found in ((edges.must, _must(world)), (edges.late, _late(world)), (edges.wish, _wishes(world))):
        for first, then, healthy in found:
            kept[first, then] = kept.get((first, then), False) or healthy
    edges.give_up(edges.wish)
    early = edges.give_up(edges.late)
    needs = edges.needs()
    order = graph.order(needs, lambda address: _key(world.steps[address]))
    if len(order) < len(needs):
        path = " -> ".join(graph.cycle(needs))
        advice = "the recorded dependencies form a ring: break it with 'provisioning state forget'"
        return Problem(NOWHERE, "dependency-cycle", f"these steps wait for each other: {path}", advice)
    waits = {
        then: tuple(Dependency(first, healthy) for first, healthy in sorted(before.items())) for then, before in needs.items()
    }
    return Arranged(order, waits, frozenset(edges.wish.keys() - edges.must.keys() - edges.late.keys()), early)


def is_removal(step: Step | None) -> bool:
    """Whether a step takes a record away."""
    return isinstance(step, (Delete, Forget))


def _key(step: Step) -> tuple[int, int, str]:
    rank = PRIORITY.get(kind_of(step.address), len(PRIORITY))
    return (1, -rank, step.address) if is_removal(step) else (0, rank, step.address)


def _recorded_edges(world: World) -> Iterator[tuple[str, str]]:
    """(user, used) of every recorded edge between two steps, by the addresses the steps have."""
    now = {old: new for new, old in world.moves.items()}
    for address, record in world.recorded.items():
        user, host = now.get(address, address), host_of(address)
        if user in world.steps:
            for used in {*record.depends_on, host} if host else record.depends_on:
                current = now.get(used or "", used or "")
                if current in world.steps and current != user:
                    yield user, current


def _must(world: World) -> Iterator[Edge]:
    """What is declared to be needed; removals before what they stood on leaves or takes another name; room for what conflicts."""
    steps = world.steps
    for address in steps:
        resource = world.expanded.resources.get(address)
        for edge in resource.depends_on if resource else ():
            if edge.address in steps:
                yield edge.address, address, edge.healthy
    for user, used in _recorded_edges(world):
        if is_removal(steps[user]) and (is_removal(steps[used]) or isinstance(steps[used], Move)):
            yield user, used, False
    yield from _room(world)


def _late(world: World) -> Iterator[Edge]:
    """What goes, goes when those that used it have been changed not to."""
    for user, used in _recorded_edges(world):
        if is_removal(world.steps[used]) and not is_removal(world.steps[user]):
            yield user, used, True


def _room(world: World) -> Iterator[Edge]:
    """On one server, a taskserv that leaves makes room for one it conflicts with."""
    leaving: dict[str, list[str]] = {}
    for address, step in world.steps.items():
        if is_removal(step) and (host := host_of(address)):
            leaving.setdefault(host, []).append(address)
    for address, step in world.steps.items():
        if not is_removal(step) and (host := host_of(address)):
            for other in leaving.get(world.moves.get(host, host), ()):
                if clashes(taskserv_of(address), taskserv_of(other), world.catalog):
                    yield other, address, False


def _wishes(world: World) -> Iterator[Edge]:
    """Removals before other changes of what they stood on; optional neighbours; roles in their order, and removed against it."""
    steps = world.steps
    for user, used in _recorded_edges(world):
        if is_removal(steps[user]) and not is_removal(steps[used]):
            yield user, used, False
    there = {a: world.expanded.resources[a].declared for a in steps if kind_of(a) == "taskserv" and not is_removal(steps[a])}
    for first, then in preferred(((a, value.get("role")) for a, value in there.items()), world.catalog):
        same_service = taskserv_of(first) == taskserv_of(then)
        yield first, then, same_service and there[first].get("wait_for_health") is not False
    gone = [a for a in steps if kind_of(a) == "taskserv" and is_removal(steps[a])]
    for first, then in preferred(((a, world.recorded[a].declared.get("role")) for a in gone), world.catalog):
        yield then, first, False
