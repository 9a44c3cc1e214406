"""The order of steps: what each waits for, and the one sequence that equal plans share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from planners import graph
from planners.decide import World
from planners.model import Dependency, host_of, kind_of
from planners.problems import NOWHERE, Problem
from planners.requirements import clashes, preferred, taskserv_of
from planners.steps import Delete, Replace

PRIORITY: Mapping[str, int] = {
    kind: rank for rank, kind in enumerate(("network", "volume", "server", "taskserv", "cluster", "load_balancer", "dns"))
}
"""Of steps that wait for nothing, these kinds come first."""

Edges: TypeAlias = Mapping[str, tuple[Dependency, ...]]
"""Step address -> the steps that come first, sorted by address."""


def step_order(world: World) -> tuple[Edges, tuple[str, ...]] | Problem:
    """The edges between steps and their order, or the cycle that makes it impossible."""
    needs: dict[str, dict[str, Dependency]] = {address: {} for address in sorted(world.steps)}
    for address, before in (*_declared(world), *_removals(world), *_room(world)):
        needs[address].setdefault(before.address, before)
    plain = {address: set(before) for address, before in needs.items()}
    key = _Key(world)
    if len(graph.order(plain, key)) < len(plain):
        path = " -> ".join(graph.cycle(plain))
        advice = "apply in two commits, or drop create_before_destroy"
        return Problem(NOWHERE, "dependency-cycle", f"these steps wait for each other: {path}", advice)
    for first, then in _preferences(world, plain):
        plain[then].add(first)
        needs[then].setdefault(first, Dependency(first))
    order = graph.order(plain, key)
    return {a: tuple(before[name] for name in sorted(before)) for a, before in needs.items()}, order


class _Key:
    """Sort key: kinds in their priority; removals of equal standing after everything else, users before what they use."""

    def __init__(self, world: World) -> None:
        self._world = world

    def __call__(self, address: str) -> tuple[int, int, str]:
        rank = PRIORITY.get(kind_of(address), len(PRIORITY))
        return (1, -rank, address) if isinstance(self._world.steps[address], Delete) else (0, rank, address)


def _declared(world: World) -> Iterator[tuple[str, Dependency]]:
    """What is declared to be needed; of several edges to one address the strictest counts."""
    for address in world.steps:
        resource = world.expanded.resources.get(address)
        if resource is None:
            continue
        strict: dict[str, bool] = {}
        for edge in resource.depends_on:
            if edge.address in world.steps and edge.address in world.expanded.resources:
                strict[edge.address] = strict.get(edge.address, False) or edge.healthy
        for needed, healthy in strict.items():
            yield address, Dependency(needed, healthy)


def _removals(world: World) -> Iterator[tuple[str, Dependency]]:
    """The recorded graph in reverse: what was needed goes, or is made anew, after its users have gone or changed."""
    for address, record in world.recorded.items():
        user = _step_of(world, address)
        if user is None:
            continue
        used = {*record.depends_on, *([host] if (host := host_of(address)) else [])}
        for needed in used:
            step = world.steps.get(needed)
            leaving = isinstance(step, Delete) and needed != user
            remade = isinstance(step, Replace) and isinstance(world.steps[user], Delete) and host_of(address) != needed
            if leaving or remade:
                yield needed, Dependency(user, healthy=False)


def _step_of(world: World, address: str) -> str | None:
    """The address whose step deals with a recorded resource: its own, or the new one it moves to."""
    if address in world.steps:
        return address
    return next((new for new, old in world.moves.items() if old == address and new in world.steps), None)


def _room(world: World) -> Iterator[tuple[str, Dependency]]:
    """On one server, a taskserv that leaves makes room for one it conflicts with."""
    leaving: dict[str, list[str]] = {}
    for address, step in world.steps.items():
        if isinstance(step, Delete) and (host := host_of(address)):
            leaving.setdefault(host, []).append(address)
    for address, step in world.steps.items():
        if not isinstance(step, Delete):
            for other in leaving.get(host_of(address) or "", ()):
                if clashes(taskserv_of(address), taskserv_of(other), world.catalog):
                    yield address, Dependency(other, healthy=False)


def _preferences(world: World, plain: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Orders that are wished for, without those that contradict what is needed or each other."""
    taskservs = [(a, r.declared.get("role")) for a, r in world.expanded.resources.items() if kind_of(a) == "taskserv"]
    wished = sorted({(f, t) for f, t in preferred(taskservs, world.catalog) if f in plain and t in plain and f not in plain[t]})
    while wished:
        trial = {address: set(before) for address, before in plain.items()}
        for first, then in wished:
            trial[then].add(first)
        ring = graph.cycle(trial) if len(graph.order(trial, str)) < len(trial) else ()
        if not ring:
            return wished
        # (a, b): a needs b; at least one of the ring is a wish, as the needs alone have an order
        around = {(b, a) for a, b in zip(ring, ring[1:], strict=False)}
        wished = [pair for pair in wished if pair not in around]
    return []
