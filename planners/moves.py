"""Renames: what is declared under one address and recorded under another, by ``moved_from`` or because its server moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from planners.dataclass import dataclass
from planners.model import RecordedResource, Resource, host_of, kind_of, name_of, taskserv_of
from planners.problems import Problem


def moves(
    resources: Mapping[str, Resource], recorded: Mapping[str, RecordedResource]
) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """New address -> recorded address, and what was asked for and cannot be.

    ``moved_from`` is followed once: as soon as the new address is recorded it says nothing any more.
    """
    renames = _Renames(resources, recorded)
    problems: list[Problem] = []
    for address in sorted(resources, key=lambda a: (kind_of(a) == "taskserv", a)):
        source = renames.source(resources[address])
        if source is None or source not in recorded or address in recorded:
            continue
        if problem := renames.refusal(resources[address], source):
            problems.append(problem)
        else:
            renames.found[address] = source
    return renames.found, tuple(problems)


@dataclass(frozen=True, slots=True)
class _Renames:
    """What is declared, what is recorded, and the moves found so far: servers before what stands on them."""

    resources: Mapping[str, Resource]
    recorded: Mapping[str, RecordedResource]
    found: dict[str, str] = field(default_factory=dict)

    def former_host(self, host: str | None) -> str | None:
        """The former address of a server that moves now, or did in a run that was stopped before its services followed."""
        if host is None or host in self.found:
            return self.found.get(host or "")
        written = self.resources[host].lifecycle.moved_from if host in self.resources else None
        return None if written in self.recorded or written in self.resources else written

    def source(self, resource: Resource) -> str | None:
        """Where the record of a resource would be; what stands on a server goes with it."""
        written, host = resource.lifecycle.moved_from, host_of(resource.address)
        former = self.former_host(host)
        if former is None or (written and host_of(written) not in (host, former)):
            return written
        return f"taskserv/{name_of(former)}/{taskserv_of(written or resource.address)}"

    def refusal(self, resource: Resource, source: str) -> Problem | None:
        """Why the record of ``source`` cannot become the one of ``resource``."""
        address, host = resource.address, host_of(resource.address)
        if source in self.resources:
            code, why, hint = "move-onto-declared", "is still declared", "rename the declaration, do not copy it"
        elif source in self.found.values():
            code, why, hint = "move-claimed-twice", "is claimed by another declaration too", "only one can be the former one"
        elif kind_of(source) != kind_of(address):
            code, why, hint = "move-across-kinds", "is of another kind", "declare a new resource instead"
        elif host_of(source) not in (host, self.former_host(host)):
            code, why, hint = "move-across-servers", "stands on another server", "renaming moves no service; leave moved_from out"
        else:
            return None
        return Problem(resource.where, code, f"{address} says moved_from '{source}', which {why}", hint)
