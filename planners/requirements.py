"""Rules between taskservs: what each requires, what is added for it, what cannot share a server, what goes first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from heapq import heappop, heappush
from itertools import pairwise

from planners.canonical import Json
from planners.catalog import Catalog, Requirement, TaskservSpec
from planners.dataclass import dataclass
from planners.model import Dependency, Resource, host_of, kind_of, name_of, taskserv_of
from planners.problems import Problem
from planners.suggest import hint


def provided(name: str, catalog: Catalog) -> tuple[str, ...]:
    """The names a taskserv answers to: its own and what it provides."""
    spec = catalog.taskservs.get(name)
    return (name, *spec.provides) if spec else (name,)


@dataclass(slots=True)
class _Servers:
    """What is there, by server and by name; grows while requirements are added."""

    catalog: Catalog
    resources: dict[str, Resource]
    here: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """(server, name or capability) -> addresses."""
    anywhere: dict[str, set[str]] = field(default_factory=dict)

    def add(self, resource: Resource) -> None:
        address = resource.address
        self.resources[address] = resource
        for name in provided(taskserv_of(address), self.catalog):
            self.here.setdefault((host_of(address) or "", name), set()).add(address)
            self.anywhere.setdefault(name, set()).add(address)

    def meeting(self, address: str, need: Requirement) -> tuple[str, ...]:
        """Who meets ``need`` of ``address``: those of that very name, else those that provide it."""
        near = self.here.get((host_of(address) or "", need.name), set()) - {address}
        if not near and need.anywhere:
            near = self.anywhere.get(need.name, set()) - {address}
        named = [a for a in near if taskserv_of(a) == need.name]
        return tuple(sorted(named or near))


@dataclass(frozen=True, slots=True)
class Completed:
    """All resources with the added ones, and the edges that requirements make, by address."""

    resources: dict[str, Resource]
    edges: Mapping[str, tuple[Dependency, ...]]
    problems: tuple[Problem, ...]


def complete(resources: Mapping[str, Resource], catalog: Catalog) -> Completed:
    """Add every required taskserv that is missing on its server, and theirs in turn, and refuse conflicts.

    Needs by name are met before capabilities, and those before needs that any server may meet, so that the answer
    does not hang on the order in which things are declared.
    """
    world = _Servers(catalog, dict(resources))
    waiting: list[tuple[int, str, Requirement]] = []
    for address in sorted(resources):
        if kind_of(address) == "taskserv":
            world.add(resources[address])
            for need in needs_of(resources[address], resources, catalog):
                heappush(waiting, (_rank(need, catalog), address, need))
    problems: list[Problem] = []
    while waiting:
        _, address, need = heappop(waiting)
        if world.meeting(address, need):
            continue
        added = _choose(world.resources[address], need, catalog)
        if isinstance(added, Problem):
            problems.append(added)
            continue
        world.add(added)
        for further in needs_of(added, resources, catalog):
            heappush(waiting, (_rank(further, catalog), added.address, further))
    edges = {a: tuple(_edges(world, r, resources)) for a, r in world.resources.items() if kind_of(a) == "taskserv"}
    return Completed(world.resources, edges, (*problems, *_conflicts(world)))


def needs_of(resource: Resource, declared: Mapping[str, Resource], catalog: Catalog) -> Iterator[Requirement]:
    """What a taskserv needs in its role: by its manifest, and by edges to undeclared taskservs of its own server."""
    spec = catalog.taskservs.get(taskserv_of(resource.address))
    for need in spec.requires if spec else ():
        if not need.roles or resource.declared.get("role") in need.roles:
            yield need
    for edge in resource.depends_on:
        if is_need(resource, edge, declared):
            yield Requirement(taskserv_of(edge.address), edge.healthy)


def is_need(resource: Resource, edge: Dependency, declared: Mapping[str, Resource]) -> bool:
    """Whether an edge names a taskserv of the same server that is not declared: a requirement, not a mistake."""
    host = host_of(edge.address)
    return host is not None and host == host_of(resource.address) and edge.output is None and edge.address not in declared


def _rank(need: Requirement, catalog: Catalog) -> int:
    return (0 if need.name in catalog.taskservs else 1) + (2 if need.anywhere else 0)


def _choose(resource: Resource, need: Requirement, catalog: Catalog) -> Resource | Problem:
    """The taskserv to add for a need that nothing on the server meets, or why none can be."""
    host, address = host_of(resource.address) or "", resource.address
    candidates = (need.name,) if need.name in catalog.taskservs else _providers(need.name, catalog)
    if not candidates:
        known = {n for name in catalog.taskservs for n in provided(name, catalog)}
        message = f"{address} requires '{need.name}', which no extension is or provides"
        return Problem(
            resource.where,
            "unknown-dependency",
            message,
            hint(need.name, known, "add such an extension, or remove the requirement"),
        )
    if len(candidates) > 1:
        message = f"{address} requires '{need.name}' and several provide it: {', '.join(candidates)}"
        return Problem(resource.where, "ambiguous-requirement", message, f"list one of them under the taskservs of {host}")
    return implied(catalog.taskservs[candidates[0]], resource)


def _providers(capability: str, catalog: Catalog) -> tuple[str, ...]:
    return tuple(sorted(name for name, spec in catalog.taskservs.items() if capability in spec.provides))


def implied(spec: TaskservSpec, requirer: Resource) -> Resource:
    """A taskserv nobody declared, as its extension's defaults make it."""
    host = name_of(host_of(requirer.address) or "")
    config: dict[str, Json] = dict(spec.defaults)
    return Resource(
        address=f"taskserv/{host}/{spec.name}",
        provider=requirer.provider,
        declared={"version": spec.version, "config": config},
        extension=spec.digest,
        where=requirer.where,
        implied_by=requirer.address,
    )


def _edges(world: _Servers, resource: Resource, declared: Mapping[str, Resource]) -> Iterator[Dependency]:
    for need in needs_of(resource, declared, world.catalog):
        for address in world.meeting(resource.address, need):
            waits = world.resources[address].declared.get("wait_for_health") is not False
            yield Dependency(address, need.healthy and waits)


def _conflicts(world: _Servers) -> Iterator[Problem]:
    """Each clashing pair once, told at the one that declares it (the first by name if both do)."""
    seen: set[frozenset[str]] = set()
    for address in sorted(a for a in world.resources if kind_of(a) == "taskserv"):
        spec = world.catalog.taskservs.get(taskserv_of(address))
        host = host_of(address) or ""
        for name in spec.conflicts if spec else ():
            for other in sorted(world.here.get((host, name), set()) - {address}):
                if frozenset((address, other)) not in seen:
                    seen.add(frozenset((address, other)))
                    yield _conflict(world.resources[address], world.resources[other], host)


def _conflict(resource: Resource, other: Resource, host: str) -> Problem:
    mine, theirs = taskserv_of(resource.address), taskserv_of(other.address)
    added = "".join(
        f"; {taskserv_of(r.address)} is there because {r.implied_by} requires it" for r in (resource, other) if r.implied_by
    )
    message = f"'{mine}' and '{theirs}' cannot both be on {host}: extension '{mine}' declares the conflict{added}"
    return Problem(resource.where, "conflict", message, "remove one of them, or put it on another server")


def clashes(one: str, other: str, catalog: Catalog) -> bool:
    """Whether two taskservs, by name, cannot share a server."""
    pairs = ((one, other), (other, one))
    return any(set(catalog.taskservs[a].conflicts) & set(provided(b, catalog)) for a, b in pairs if a in catalog.taskservs)


def preferred(taskservs: Iterable[tuple[str, Json]], catalog: Catalog) -> Iterator[tuple[str, str]]:
    """(first, then) pairs that order without requiring: optional neighbours on a server, and roles across servers.

    ``taskservs``: (address, role). O(n) beside the pairs themselves.
    """
    roles: dict[str, dict[int, list[str]]] = {}
    here: dict[tuple[str, str], list[str]] = {}
    members = sorted(taskservs, key=lambda pair: pair[0])
    for address, role in members:
        name = taskserv_of(address)
        for answer in provided(name, catalog):
            here.setdefault((host_of(address) or "", answer), []).append(address)
        spec = catalog.taskservs.get(name)
        if spec and role in spec.roles:
            roles.setdefault(name, {}).setdefault(spec.roles.index(str(role)), []).append(address)
    for address, _ in members:
        spec = catalog.taskservs.get(taskserv_of(address))
        for name in spec.optional if spec else ():
            yield from ((first, address) for first in here.get((host_of(address) or "", name), ()) if first != address)
    for by_rank in roles.values():
        ranks = sorted(by_rank)
        for earlier, later in pairwise(ranks):
            yield from ((first, then) for first in by_rank[earlier] for then in by_rank[later])
