"""What is there now: every recorded resource asked at its provider or on its server. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field

from executors.ports import Found, PortError, Retry, Tools
from executors.taskservs import scripted
from planners.canonical import Json
from planners.dataclass import dataclass
from planners.model import Observation, Observed, Presence, RecordedResource, host_of, kind_of, taskserv_of
from planners.problems import NOWHERE, Problem

READERS = 10
"""Reads at once, and the most of one provider that are read one by one: beyond, its list is asked for first."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at everything found. ``listed``: what the providers that were asked for a list said."""

    observed: Observed
    unread: tuple[Problem, ...] = ()
    """One for each resource that could not be read: unknown, never absent. What is unknown for want of those has none."""
    listed: Mapping[str, Sequence[Found]] = field(default_factory=dict)


def observe(
    tools: Tools, addresses: Collection[str] | None = None, told: Callable[[int, int], None] = lambda _, __: None
) -> Look:
    """Observations of these recorded resources (``None``: of all), and of the servers and members they are read through.

    ``told`` hears how many of how many have been read.
    """
    records = tools.recorded
    wanted = set(records) if addresses is None else _with_hosts(addresses, records)
    found: dict[str, Observation] = {}
    unread: list[Problem] = []
    done = 0
    listed = dict(_lists(tools, wanted))
    known = {_identity(f.address, f.observation.outputs): f.observation for there in listed.values() for f in there}

    def read(address: str) -> Observation | Problem | None:
        record = records[address]
        if (there := known.get(_identity(address, record.observed))) is not None:
            return there  # whatever is not listed is asked for: only its own answer can say that it is gone
        try:
            return _one(tools, record, found, wanted)
        except (PortError, KeyError) as error:
            what = f"its provider '{record.provider}' is not known" if isinstance(error, KeyError) else str(error)
            return Problem(NOWHERE, "unreadable", f"{address} could not be read: {what}", "mend it and try again")

    # servers before what lives on them, clusters after their members
    for stage in (lambda k: k not in ("taskserv", "cluster"), lambda k: k == "taskserv", lambda k: k == "cluster"):
        here = sorted(a for a in wanted if stage(kind_of(a)))
        with ThreadPoolExecutor(READERS) as pool:
            for address, answer in zip(here, pool.map(read, here), strict=True):
                if isinstance(answer, Problem):
                    unread.append(answer)
                elif answer is not None:
                    found[address] = answer
                done += 1
                told(done, len(wanted))
    return Look(found, tuple(unread), listed)


def _with_hosts(addresses: Collection[str], records: Mapping[str, RecordedResource]) -> set[str]:
    """These as far as they are recorded, with what has to be read before them."""
    wanted: set[str] = set()
    todo = [a for a in addresses if a in records]
    while todo:
        address = todo.pop()
        if address not in wanted:
            wanted.add(address)
            before = records[address].depends_on if kind_of(address) == "cluster" else (host_of(address) or "",)
            todo += [a for a in before if a in records]
    return wanted


def _identity(address: str, outputs: Mapping[str, Json]) -> tuple[str, Json, Json]:
    """Ids of what lives on a machine are that machine's own."""
    return address, outputs.get("id"), outputs.get("machine")


def _lists(tools: Tools, wanted: Collection[str]) -> Iterator[tuple[str, Sequence[Found]]]:
    """What each provider with many of these lists; one that cannot is asked for them one by one."""
    counts: dict[str, int] = {}
    for address in wanted:
        if kind_of(address) not in ("taskserv", "cluster"):
            provider = tools.recorded[address].provider
            counts[provider] = counts.get(provider, 0) + 1
    for provider in sorted(p for p, count in counts.items() if count > READERS):
        try:
            yield provider, tools.providers[provider].list(tools.owner)
        except (PortError, KeyError):
            continue


def _one(tools: Tools, record: RecordedResource, found: Observed, wanted: Collection[str]) -> Observation | None:
    """``None``: it is unknown because something it is read through is."""
    kind = kind_of(record.address)
    if kind == "cluster":
        members = [a for a in record.depends_on if a in wanted]
        if any(a not in found for a in members):
            return None
        return Observation(
            Presence.PRESENT,
            healthy=all(found[a].presence is Presence.PRESENT and found[a].healthy is not False for a in members),
        )
    if kind != "taskserv":
        return tools.providers[record.provider].read(tools.owner, record)
    host = host_of(record.address) or ""
    if host not in tools.recorded:
        raise Retry(f"{host} is not recorded")
    server = found.get(host)
    if server is None:
        return None
    if server.presence is not Presence.PRESENT:
        return Observation(server.presence, detail=server.detail or f"{host} is gone")
    name = taskserv_of(record.address)
    machine = tools.providers[tools.recorded[host].provider].machine(tools.owner, tools.recorded[host])
    # the marker on the machine says what is to be there: its extension may be gone from the repository by now
    return scripted.observe(machine, {}, name, record)
