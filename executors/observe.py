"""What is there now: every recorded resource asked at its provider or on its server. Reads only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from executors.ports import PortError, Retry, Tools
from executors.taskservs import scripted
from planners.model import Observation, Observed, Presence, RecordedResource, host_of, kind_of
from planners.problems import NOWHERE, Problem
from planners.requirements import taskserv_of

READERS = 10
"""Reads at once."""


def observe(tools: Tools) -> tuple[Observed, tuple[Problem, ...]]:
    """Observations by address, and one problem for each resource that could not be read: unknown, never absent."""
    found: dict[str, Observation] = {}
    unread: list[Problem] = []
    records = tools.recorded
    # servers before what lives on them, clusters after their members
    for stage in (lambda k: k not in ("taskserv", "cluster"), lambda k: k == "taskserv", lambda k: k == "cluster"):
        addresses = sorted(a for a in records if stage(kind_of(a)))

        def read(address: str) -> Observation | Problem:
            try:
                return _one(tools, records[address], found)
            except (PortError, KeyError) as error:
                what = f"its provider '{records[address].provider}' is not known" if isinstance(error, KeyError) else str(error)
                return Problem(NOWHERE, "unreadable", f"{address} could not be read: {what}", "mend it and try again")

        with ThreadPoolExecutor(READERS) as pool:
            for address, answer in zip(addresses, pool.map(read, addresses), strict=True):
                if isinstance(answer, Problem):
                    unread.append(answer)
                else:
                    found[address] = answer
    return found, tuple(unread)


def _one(tools: Tools, record: RecordedResource, found: Observed) -> Observation:
    kind = kind_of(record.address)
    if kind == "cluster":
        if unread := [a for a in record.depends_on if a in tools.recorded and a not in found]:
            raise Retry(f"{unread[0]} could not be read")
        members = [found[a] for a in record.depends_on if a in found]
        return Observation(
            Presence.PRESENT, healthy=all(m.presence is Presence.PRESENT and m.healthy is not False for m in members)
        )
    if kind != "taskserv":
        return tools.providers[record.provider].read(tools.owner, record)
    host = host_of(record.address) or ""
    server = found.get(host)
    if server is None:
        raise Retry(f"{host} could not be read")
    if server.presence is not Presence.PRESENT:
        return Observation(server.presence, detail=server.detail or f"{host} is gone")
    name = taskserv_of(record.address)
    machine = tools.providers[tools.recorded[host].provider].machine(tools.owner, tools.recorded[host])
    # the marker on the machine says what is to be there: its extension may be gone from the repository by now
    return scripted.observe(machine, {}, name, record)
