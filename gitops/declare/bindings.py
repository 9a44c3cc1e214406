"""Which taskserv is on which server: what servers list, and what clusters bring to theirs."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping
from typing import TYPE_CHECKING

from gitops.declare.documents import Document, Findings, Path, dotted
from planners.catalog import TaskservSpec
from planners.dataclass import dataclass
from planners.suggest import hint

if TYPE_CHECKING:
    from gitops.declare.extension import Extension
    from gitops.schema.infra import Infra, TaskservUse


@dataclass(frozen=True, slots=True)
class Binding:
    """One taskserv on one server. ``path``: where it is said, in the merged declaration."""

    server: str
    use: TaskservUse
    path: Path
    cluster: str = ""

    @property
    def address(self) -> str:
        """``taskserv/web-01/postgres``."""
        return f"taskserv/{self.server}/{self.use.name}"


@dataclass(frozen=True, slots=True)
class Bindings:
    """All bindings by address, and the addresses each cluster is made of; ``incomplete``: clusters with a server elsewhere."""

    by_address: Mapping[str, Binding]
    clusters: Mapping[str, tuple[str, ...]]
    incomplete: frozenset[str] = frozenset()


def bindings(
    infra: Infra,
    document: Document,
    known: Mapping[str, Extension],
    findings: Findings,
    hidden: Collection[tuple[str, str]] = (),
    elsewhere: Container[str] = (),
) -> Bindings:
    """Every taskserv on every server. Wrong names are told where they are written, each once.

    ``hidden``: (kind, name) of entries that are declared and not valid; ``elsewhere``: addresses that are declared beside this
    part of the infra.
    """
    found: dict[str, Binding] = {}
    members: dict[str, list[str]] = {}
    strangers: set[str] = set()
    disabled = {name for name, t in infra.taskservs.items() if not t.enabled}
    for binding in (*_of_servers(infra), *_of_clusters(infra, document, findings, hidden, elsewhere)):
        name = binding.use.name
        if name in disabled:
            continue
        if name not in known:
            if name not in strangers:
                where = document.at((*binding.path, "name") if _named(document, binding.path) else binding.path)
                advice = hint(name, known, f"add extensions/taskservs/{name}/manifest.yaml")
                findings.add(where, "unknown-taskserv", f"there is no taskserv '{name}'", advice)
            strangers.add(name)
            continue
        _check_role(binding, document, known[name], findings)
        if ("taskservs", name) not in hidden:
            _check_profile(binding, infra, document, findings)
        if binding.cluster:
            members.setdefault(binding.cluster, []).append(binding.address)
            if binding.address in found and not _says_more(binding):
                continue
        if binding.address in found:
            where = document.at(binding.path)
            findings.add(
                where,
                "duplicate-name",
                f"'{name}' is on {binding.server} twice",
                f"it is also at {dotted(found[binding.address].path)}",
            )
            continue
        found[binding.address] = binding
    apart = (c for c, declared in infra.clusters.items() if any(_apart(s, infra, elsewhere) for s in declared.servers))
    return Bindings(found, {name: tuple(dict.fromkeys(m)) for name, m in members.items()}, frozenset(apart))


def _apart(server: str, infra: Infra, elsewhere: Container[str]) -> bool:
    return server not in infra.servers and f"server/{server}" in elsewhere


def _named(document: Document, path: Path) -> bool:
    return isinstance(document.part(path).value, Mapping)


def _says_more(binding: Binding) -> bool:
    return bool(binding.use.profile or binding.use.role or binding.use.config)


def _of_servers(infra: Infra) -> Iterator[Binding]:
    for server, declared in infra.servers.items():
        if declared.enabled:
            for index, use in enumerate(declared.taskservs):
                yield Binding(server, use, ("servers", server, "taskservs", index))


def _of_clusters(
    infra: Infra, document: Document, findings: Findings, hidden: Collection[tuple[str, str]], elsewhere: Container[str]
) -> Iterator[Binding]:
    """Components of clusters on each of their servers; one named like the cluster when none is listed."""
    from gitops.schema.infra import TaskservUse

    there = [name for name, s in infra.servers.items() if s.enabled]
    for cluster, declared in infra.clusters.items():
        if not declared.enabled:
            continue
        uses = list(enumerate(declared.taskservs)) or [(-1, TaskservUse(name=cluster))]
        for index, server in enumerate(declared.servers):
            if ("servers", server) in hidden or _apart(server, infra, elsewhere):
                continue
            if server not in there:
                where = document.at(("clusters", cluster, "servers", index))
                message = f"cluster '{cluster}' spans server '{server}', which is not declared"
                findings.add(where, "unknown-dependency", message, hint(server, there, "declare it, or remove it here"))
                continue
            for place, use in uses:
                path: Path = ("clusters", cluster, "taskservs", place) if place >= 0 else ("clusters", cluster)
                yield Binding(server, use, path, cluster)


def _check_profile(binding: Binding, infra: Infra, document: Document, findings: Findings) -> None:
    use, declared = binding.use, infra.taskservs.get(binding.use.name)
    profiles = declared.profiles if declared else {}
    if use.profile and use.profile not in profiles:
        advice = hint(use.profile, profiles, f"add it below taskservs.{use.name}.profiles")
        where = document.at((*binding.path, "profile"))
        findings.add(where, "unknown-profile", f"taskserv '{use.name}' has no profile '{use.profile}'", advice)


def _check_role(binding: Binding, document: Document, extension: Extension, findings: Findings) -> None:
    use, roles = binding.use, extension.manifest.roles
    if use.role and use.role not in roles:
        advice = hint(use.role, roles, f"its roles are {', '.join(roles)}" if roles else "remove the role")
        where = document.at((*binding.path, "role"))
        findings.add(where, "unknown-role", f"taskserv '{use.name}' has no role '{use.role}'", advice)


def needed(bound: set[str], specs: Mapping[str, TaskservSpec]) -> frozenset[str]:
    """``bound`` with every taskserv they may need in turn, by name or by what it provides."""
    found: set[str] = set()
    waiting = list(bound)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for need in specs[name].requires if name in specs else ():
            waiting.append(need.name)
            waiting.extend(other for other, spec in specs.items() if need.name in spec.provides)
    return frozenset(found)
