"""From what is declared to the whole graph: required taskservs added, every edge made, every impossible thing refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from planners import graph
from planners.catalog import Catalog
from planners.dataclass import dataclass
from planners.model import Dependency, Desired, Resource, host_of, kind_of, taskserv_of
from planners.problems import Problem
from planners.references import attached, found
from planners.requirements import complete, is_need
from planners.suggest import hint

PROVIDER_KINDS = frozenset({"network", "volume", "server", "load_balancer", "dns"})
"""Kinds that a provider makes by itself; taskservs and clusters go onto servers."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """What is declared with what follows from it: ``depends_on`` of each resource holds all of its edges, sorted.

    ``order``: every address after what it needs (incomplete when there is a cycle, which is among ``problems``).
    """

    resources: Mapping[str, Resource]
    order: tuple[str, ...]
    problems: tuple[Problem, ...]


def expand(desired: Desired, catalog: Catalog) -> Expanded:
    """The complete graph of an infra, with every mistake in it."""
    declared = {a: desired.resources[a] for a in sorted(desired.resources)}
    completed = complete(declared, catalog)
    problems = [*_unusable(declared.values(), desired, catalog), *completed.problems]
    resources: dict[str, Resource] = {}
    for address in sorted(completed.resources):
        resource = completed.resources[address]
        edges = _edges(resource, completed.edges.get(address, ()), declared)
        near = [e for e in edges if e.address in completed.resources or e.address not in desired.rest.addresses]
        problems.extend(_dangling(resource, near, completed.resources, catalog))
        resources[address] = resource if edges == resource.depends_on else replace(resource, depends_on=edges)
    needs = {a: {d.address for d in r.depends_on} for a, r in resources.items()}
    order = graph.order(needs, lambda address: address)
    if len(order) < len(needs):
        problems.append(_cycle(needs, resources))
    return Expanded(resources, order, tuple(sorted(problems)))


def _edges(resource: Resource, required: Iterable[Dependency], declared: Mapping[str, Resource]) -> tuple[Dependency, ...]:
    """Declared edges, requirements, and those that lie in the thing itself: its server, what it is attached to, references."""
    edges = {d for d in resource.depends_on if not is_need(resource, d, declared)}
    edges.update(required)
    if host := host_of(resource.address):
        edges.add(Dependency(host))
    edges.update(Dependency(address) for _, address in attached(resource.address, resource.declared))
    edges.update(Dependency(r.address, output=r.output) for r in found(resource.declared))
    return tuple(sorted(edges, key=lambda d: (d.address, d.output or "", d.healthy)))


def _dangling(
    resource: Resource, edges: Iterable[Dependency], resources: Mapping[str, Resource], catalog: Catalog
) -> Iterator[Problem]:
    """Edges that lead nowhere. A missing requirement was told before; it makes no edge."""
    told: set[str] = set()
    for edge in edges:
        target = resources.get(edge.address)
        if edge.output is None:
            continue
        if target is None:
            told.add(edge.address)
            message = (
                f"'${{{edge.address}.{edge.output}}}' in {resource.address} refers to nothing: {edge.address} is not declared"
            )
            yield Problem(resource.where, "reference-to-nothing", message, _nearest(edge.address, resource, resources))
        elif problem := _bad_output(resource, target, edge.output, catalog):
            yield problem
    for edge in edges:
        if edge.output is None and edge.address not in resources and edge.address not in told:
            told.add(edge.address)
            message = f"{resource.address} needs {edge.address}, which is not declared"
            yield Problem(resource.where, "unknown-dependency", message, _nearest(edge.address, resource, resources))


def _nearest(address: str, user: Resource, resources: Mapping[str, Resource]) -> str:
    known = (a for a in resources if kind_of(a) == kind_of(address) and a != user.address)
    return hint(address, known, "declare it, or remove what needs it")


def _bad_output(resource: Resource, target: Resource, output: str, catalog: Catalog) -> Problem | None:
    """A provider that lists its outputs does not have this one."""
    provider = catalog.providers.get(target.provider)
    spec = provider.kinds.get(kind_of(target.address)) if provider else None
    if spec is None or not spec.outputs or output in spec.outputs:
        return None
    message = f"'${{{target.address}.{output}}}' in {resource.address} refers to an output that {target.address} does not have"
    return Problem(
        resource.where, "unknown-output", message, hint(output, spec.outputs, f"it has {', '.join(sorted(spec.outputs))}")
    )


def _unusable(resources: Iterable[Resource], desired: Desired, catalog: Catalog) -> Iterator[Problem]:
    """Resources nobody can make here: unknown or disallowed providers, unknown extensions."""
    allowed = desired.environment.allowed_providers
    for resource in resources:
        kind = kind_of(resource.address)
        if kind == "taskserv":
            name = taskserv_of(resource.address)
            if name not in catalog.taskservs:
                message = f"{resource.address} has no extension: there is no taskserv '{name}'"
                yield Problem(
                    resource.where,
                    "unknown-taskserv",
                    message,
                    hint(name, catalog.taskservs, f"add extensions/taskservs/{name}/"),
                )
        elif kind in PROVIDER_KINDS:
            if problem := unusable_provider(resource, catalog):
                yield problem
            elif allowed and resource.provider not in allowed:
                environment = f"environment '{desired.environment.name}'"
                message = f"{resource.address} uses provider '{resource.provider}', which {environment} does not allow"
                yield Problem(resource.where, "provider-not-allowed", message, f"allowed are {', '.join(sorted(allowed))}")


def unusable_provider(resource: Resource, catalog: Catalog) -> Problem | None:
    """Why the resource's provider cannot make it, if it cannot."""
    kind, provider = kind_of(resource.address), catalog.providers.get(resource.provider)
    if provider is None:
        message = f"{resource.address} uses provider '{resource.provider}', which is not known"
        known = ", ".join(sorted(catalog.providers)) or "none"
        return Problem(
            resource.where, "unknown-provider", message, hint(resource.provider, catalog.providers, f"known are {known}")
        )
    if kind not in provider.kinds:
        message = f"provider '{resource.provider}' has no {kind}: {resource.address} cannot be made there"
        return Problem(resource.where, "unsupported-kind", message, f"it makes {', '.join(sorted(provider.kinds))}")
    return None


def _cycle(needs: Mapping[str, set[str]], resources: Mapping[str, Resource]) -> Problem:
    path = graph.cycle(needs)
    message = f"these wait for each other: {' -> '.join(path)}"
    return Problem(resources[path[0]].where, "dependency-cycle", message, "remove one of these dependencies")
