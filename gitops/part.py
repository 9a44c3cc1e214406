"""The part of an infra that a plan has to look at: what moved since the last clean apply, and what hangs together with that.

After a clean apply everything declared is recorded alike, and nothing is to be done. So a later plan concerns what was declared
or recorded otherwise since, found by the ids of trees; what uses that, where its step can change what they see; and, to be
looked at and not changed, what all these refer to. That part is read and planned by the functions that read and plan a whole,
and all else is its ``Rest``. Where something is wrong, or in doubt, there is no part: the whole is planned, and says what is so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING

from gitops.declare.layout import APART, DECLARATIONS
from gitops.moved import InDoubtError, Moved, doubt_if, moved_since
from gitops.ports import Entry, GitError
from planners.dataclass import dataclass
from planners.document import read_plan
from planners.model import Recorded, Rest, host_of, kind_of, name_of
from planners.steps import Adopt, Plan, Step, Update

if TYPE_CHECKING:
    from gitops.declare.load import Loaded
    from gitops.flow import Ask
    from gitops.ledger.view import Converged, View
    from gitops.wiring import Workspace
    from planners.catalog import Catalog
    from planners.model import RecordedResource, Resource, Totals

FOLDERS: Mapping[str, str] = dict(zip(("network", "volume", "server", "load_balancer", "dns"), APART, strict=True))
"""Kind -> the folder of its entries."""
SHARE = 2
"""What has more than one entry in so many resources is no part: the whole costs little more."""
FEW = 100
"""So many entries are always a part."""
FAR = 10_000
"""So many recorded edges are followed to see that a new one closes no ring."""


@dataclass(frozen=True, slots=True)
class Part:
    """The plan of an infra, and the part it was made from. ``looked_at``: the addresses whose records were asked for, whether or
    not there were any; ``size`` and ``implied``: of the whole, as in the marker."""

    plan: Plan
    loaded: Loaded
    looked_at: frozenset[str]
    size: int
    implied: int


def planned_part(space: Workspace, ask: Ask, view: View, also: Iterable[str] = ()) -> Part | None:
    """The plan, if it can be made from a part. ``also``: addresses that are in it in any case. Raises ``Stop`` for a ledger that
    cannot be read."""
    marker = view.converged
    if marker is None or not marker.own or ask.full or ask.refresh or ask.options.destroy or view.open_intents:
        return None
    if marker.inputs != space.inputs(ask.infra, ask.treeish, marker.own):
        return None
    try:
        return _Search(space, ask, view, marker, moved_since(space, ask, view, marker)).found(also)
    except (InDoubtError, GitError):
        return None  # a GitError: what was there then is not in this clone


def entry_of(address: str) -> str:
    """The address of the entry that is read for this one: its server's for a taskserv."""
    return host_of(address) or address


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """The addresses that are recorded and whose entry is not read, found one by one."""

    view: View
    read: Collection[str]

    def __contains__(self, address: object) -> bool:
        return isinstance(address, str) and entry_of(address) not in self.read and self.view.is_recorded(address)


@dataclass(frozen=True, slots=True)
class _Ground:
    """What was read for a part: its declaration, the resources that follow from it, and their records."""

    loaded: Loaded
    resources: Mapping[str, Resource]
    recorded: Mapping[str, RecordedResource]

    def clusters(self) -> Mapping[str, Collection[str]]:
        """Each cluster that is declared, by address, with the addresses of its servers."""
        value = self.loaded.document.value
        declared = value.get("clusters") if isinstance(value, Mapping) else None
        found: dict[str, Collection[str]] = {}
        for name, cluster in declared.items() if isinstance(declared, Mapping) else ():
            if isinstance(cluster, Mapping) and cluster.get("enabled") is not False:
                servers = cluster.get("servers") or ()
                found[f"cluster/{name}"] = [f"server/{s}" for s in servers] if isinstance(servers, list) else ()
        return found


@dataclass(slots=True)
class _Search:
    """Grows the part until nothing is missing. ``core``: addresses of entries that may have steps, or whose services may;
    ``beside``: of those that they refer to."""

    space: Workspace
    ask: Ask
    view: View
    marker: Converged
    moved: Moved
    core: set[str] = field(default_factory=set)
    beside: set[str] = field(default_factory=set)

    def found(self, also: Iterable[str]) -> Part:
        """Raises ``InDoubtError``."""
        self.beside |= {entry_of(address) for address in also}
        self._reach((*self.moved.entries, *self.moved.records, *self.ask.options.targets))
        self._reach(address for name in self.moved.services for address in self._users_of_name(name))
        self._reach(self._users(self._seen_otherwise()))
        self._reach(self._replaced_with(self.moved.records))
        self._expect()
        while True:
            extent = self._extent()
            doubt_if(extent > FEW and extent * SHARE > self._count())
            ground = self._ground()
            self._gather(ground)
            if self._extent() == extent:
                part = self._part(ground)
                if self._extent() == extent:
                    return part

    def _extent(self) -> int:
        return len(self.core) + len(self.beside)

    def _reach(self, addresses: Iterable[str]) -> None:
        """These may have steps."""
        entries = {entry_of(address) for address in addresses}
        self.core |= entries
        self.beside -= entries

    def _seen_otherwise(self) -> list[str]:
        """Whose outputs are recorded otherwise than those who use them may remember."""
        now = self.view.records(self.moved.records)
        then = self.moved.records.items()
        return [a for a, record in then if record and (a not in now or now[a].observed != record.observed)]

    def _expect(self) -> None:
        """What these referred to is most likely what they refer to: read at once, not in a second round."""
        for record in self.view.records(self.core).values():
            self.beside |= {entry_of(address) for address in record.depends_on} - self.core

    def _count(self) -> int:
        """How many resources there were at the last clean apply."""
        count = self.marker.plan.get("unchanged")
        doubt_if(type(count) is not int)
        return count  # type: ignore[return-value]  # just looked

    # --- reading -----------------------------------------------------------------------------------------

    def _ground(self) -> _Ground:
        """What is known to be in the part, read."""
        from gitops.declare import source
        from planners.expand import expand
        from planners.problems import Problems

        entries = frozenset(self.core | self.beside)
        rest = Rest(_Elsewhere(self.view, entries))
        loaded = self.space.declared(self.ask.infra, self.ask.treeish, source.Part(self._files(entries), rest))
        if isinstance(loaded, Problems):
            raise InDoubtError
        expanded = expand(loaded.desired, loaded.catalog)
        doubt_if(bool(expanded.problems))
        recorded = self.view.records({*expanded.resources, *entries, *self.moved.records})
        for server in sorted(e for e in entries if kind_of(e) == "server"):
            recorded |= self.view.services_of(name_of(server))
        return _Ground(loaded, expanded.resources, recorded)

    def _files(self, entries: Collection[str]) -> dict[str, Entry]:
        """The files of those entries that have one."""
        files: dict[str, Entry] = {}
        for address in sorted(entries):
            if kind_of(address) in FOLDERS:
                folder = f"infra/{self.ask.infra}/{FOLDERS[kind_of(address)]}"
                there = self.space.repository.entries(self.ask.treeish, folder)
                names = [name for end in DECLARATIONS if (name := name_of(address) + end) in there]
                doubt_if(len(names) > 1)
                files.update({f"{folder}/{name}": there[name] for name in names})
        return files

    # --- what else belongs to it -------------------------------------------------------------------------

    def _gather(self, ground: _Ground) -> None:
        """What the core refers to, what it was before it was renamed, and clusters that span one of its servers."""
        clusters = ground.clusters()
        for cluster, servers in clusters.items():
            if cluster in self.core or not self.core.isdisjoint(servers):
                self._reach([cluster])
                self.beside |= {*servers} - self.core
        core = {a: r for a, r in ground.resources.items() if self._in_core(a)}
        for address, resource in core.items():
            former = resource.lifecycle.moved_from
            if former and address not in ground.recorded:
                self._reach([former, *self._users([former])])
            for edge in resource.depends_on:
                if edge.address not in ground.resources:
                    self.beside |= {entry_of(edge.address), *clusters.get(edge.address, ())} - self.core
        self._spanning(ground)
        self._unused(ground)
        self._rings(ground, core)

    def _in_core(self, address: str) -> bool:
        return entry_of(address) in self.core

    def _spanning(self, ground: _Ground) -> None:
        """Needs that any server may meet are not met within a part."""
        from planners.model import taskserv_of
        from planners.requirements import provided

        catalog = ground.loaded.catalog
        anywhere = {n: {need.name for need in spec.requires if need.anywhere} for n, spec in catalog.taskservs.items()}
        wanted = {name for names in anywhere.values() for name in names}
        known = (*ground.resources, *ground.recorded, *self.moved.records) if wanted else ()
        here = {taskserv_of(a) for a in known if kind_of(a) == "taskserv"}
        doubt_if(any(anywhere.get(name) or not wanted.isdisjoint(provided(name, catalog)) for name in here))

    def _unused(self, ground: _Ground) -> None:
        """What is declared for a taskserv is wrong once no server has that any more."""
        from planners.model import taskserv_of

        now = {taskserv_of(a) for a in ground.resources if kind_of(a) == "taskserv"}
        known = (*ground.recorded, *self.moved.records)
        for name in ({taskserv_of(a) for a in known if kind_of(a) == "taskserv"} | self.moved.services) - now:
            doubt_if(all(self._in_core(a) for a in self._users_of_name(name)))

    def _rings(self, ground: _Ground, core: Mapping[str, Resource]) -> None:
        """A new edge may close a ring by way of what is not read: follow what is recorded. Raises ``InDoubtError``."""
        pointed = {edge.address for resource in core.values() for edge in resource.depends_on}
        for address, resource in core.items():
            record = ground.recorded.get(address)
            if record is None and address not in pointed:
                continue  # nothing leads here
            fresh = {e.address for e in resource.depends_on} - set(record.depends_on if record else ())
            doubt_if(bool(fresh) and self._leads_to(fresh, address, core))

    def _leads_to(self, starts: Iterable[str], goal: str, core: Mapping[str, Resource]) -> bool:
        seen: set[str] = set()
        level = set(starts)
        while level:
            doubt_if(len(seen) > FAR)
            seen |= level
            after = {e.address for a in level if a in core for e in core[a].depends_on}
            after |= {a for r in self.view.records(level - core.keys()).values() for a in r.depends_on}
            level = after - seen
        return goal in seen

    # --- planning ----------------------------------------------------------------------------------------

    def _part(self, ground: _Ground) -> Part:
        from planners.plan import decided, plan_of
        from planners.problems import Problems

        rest = self._rest(ground)
        desired = replace(ground.loaded.desired, rest=rest)
        recorded = Recorded(self.ask.infra, ground.recorded, self.view.tip, self.view.pin)
        found = decided(desired, recorded, {}, ground.loaded.catalog, self.ask.options)
        if isinstance(found, Problems) or isinstance(made := plan_of(found, desired, recorded, self.ask.options), Problems):
            raise InDoubtError
        steps = found.world.steps.values()
        self._reach(step.address for step in steps)
        seen = [s.address for s in steps if shows(s, ground.loaded.catalog) and self._was_used(s.address, ground)]
        self._reach(self._users(seen))
        self._reach(self._replaced_with(s.address for s in steps if self._was_used(s.address, ground)))
        if self.ask.options.targets:
            needed = (e.address for a in found.wanted if a in found.declared for e in found.declared[a].depends_on)
            self.beside |= {entry_of(address) for address in needed} - self.core
        # whether its id is recorded under another address is seen in the whole only
        doubt_if(any(isinstance(step, Adopt) for step in steps))
        implied = rest.implied + sum(1 for r in ground.recorded.values() if r.implied_by)
        looked_at = frozenset((*ground.resources, *ground.recorded, *self.moved.records))
        return Part(made, replace(ground.loaded, desired=desired), looked_at, self.moved.size, implied)

    def _rest(self, ground: _Ground) -> Rest:
        """All that is not in the part, counted: what there was at the last clean apply, without what then was in it."""
        from planners.cost import minus, recorded_totals

        then = [record for record in {**ground.recorded, **self.moved.records}.values() if record]
        implied = sum(1 for record in then if record.implied_by)
        totals = minus(self._totals(), recorded_totals(then, ground.loaded.catalog))
        return Rest(ground.loaded.desired.rest.addresses, self._count() - len(then), self.marker.implied - implied, totals)

    def _totals(self) -> Totals:
        """What all came to at the last clean apply; markers of 0.1.0 do not say."""
        doubt_if("totals" not in self.marker.plan)
        return read_plan(self.marker.plan).after

    def _was_used(self, address: str, ground: _Ground) -> bool:
        """Whether anything could use it: not what is new, as everything was right at the last clean apply."""
        return address in ground.recorded or self.moved.records.get(address) is not None

    def _users(self, addresses: Collection[str]) -> Collection[str]:
        return self.space.users(self.view).of(addresses) if addresses else ()

    def _replaced_with(self, addresses: Iterable[str]) -> Collection[str]:
        there = [*addresses]
        return self.space.users(self.view).replaced_with(there) if there else ()

    def _users_of_name(self, taskserv: str) -> frozenset[str]:
        return self.space.users(self.view).bearing(taskserv)


def shows(step: Step, catalog: Catalog) -> bool:
    """Whether those who use the resource may see the step: all do, but a change in place of what no output bears the name of."""
    if not isinstance(step, Update):
        return True
    if step.record_only:
        return False
    provider = catalog.providers.get(step.provider)
    spec = provider.kinds.get(kind_of(step.address)) if provider and kind_of(step.address) != "taskserv" else None
    outputs = spec.outputs if spec else frozenset()
    return not outputs or any(change.path.partition(".")[0].partition("[")[0] in outputs for change in step.changes)
