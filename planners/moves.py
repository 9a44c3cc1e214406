"""Renames: what is declared under one address and recorded under another, by ``moved_from`` or because its server moves."""

from __future__ import annotations

from collections.abc import Mapping

from planners.model import RecordedResource, Resource, host_of, kind_of, name_of
from planners.problems import Problem
from planners.requirements import taskserv_of


def moves(
    resources: Mapping[str, Resource], recorded: Mapping[str, RecordedResource]
) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """New address -> recorded address, and what was asked for and cannot be.

    ``moved_from`` is followed once: as soon as the new address is recorded it says nothing any more.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for address in sorted(resources, key=lambda a: (kind_of(a) == "taskserv", a)):
        source = _source(resources[address], found)
        if source is None or source not in recorded or address in recorded:
            continue
        if problem := _impossible(resources[address], source, resources, found):
            problems.append(problem)
        else:
            found[address] = source
    return found, tuple(problems)


def _source(resource: Resource, found: Mapping[str, str]) -> str | None:
    """Where the record would be; what stands on a server goes with it."""
    written, host = resource.lifecycle.moved_from, host_of(resource.address)
    if host is None or host not in found or (written and host_of(written) not in (host, found[host])):
        return written
    return f"taskserv/{name_of(found[host])}/{taskserv_of(written or resource.address)}"


def _impossible(resource: Resource, source: str, resources: Mapping[str, Resource], found: Mapping[str, str]) -> Problem | None:
    """Why the record of ``source`` cannot become the one of ``resource``."""
    address, host = resource.address, host_of(resource.address)
    if source in resources:
        code, why, advice = "move-onto-declared", "is still declared", "rename the declaration, do not copy it"
    elif source in found.values():
        code, why, advice = (
            "move-claimed-twice",
            "is claimed by another declaration too",
            "only one of them can be the former one",
        )
    elif kind_of(source) != kind_of(address):
        code, why, advice = "move-across-kinds", "is of another kind", "declare a new resource instead"
    elif host is not None and host_of(source) != found.get(host, host):
        code, why, advice = (
            "move-across-servers",
            "stands on another server",
            "a service is not moved by renaming; leave moved_from out",
        )
    else:
        return None
    return Problem(resource.where, code, f"{address} says moved_from '{source}', which {why}", advice)
