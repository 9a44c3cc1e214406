"""References between resources: ``${server/web-01.private_ip}`` in a value, and the ids that attachments imply.

What a reference stood for is recorded as a digest under ``observed["resolved"]``: reference text -> digest. So the
planner sees that a value moved without ever holding it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from planners.canonical import Json, digest
from planners.dataclass import dataclass
from planners.model import RecordedResource, host_of, kind_of

PATTERN = re.compile(r"\$\{([a-z][a-z_]*/[^{}\s]+)\.([A-Za-z0-9_-]+)\}")
RESOLVED = "resolved"
"""Key of ``observed`` that holds the digests."""
REPLACES = "replaces"
"""Key of ``observed``: provider and observation of a predecessor that is still there while its successor is made first."""
ATTACHED: Mapping[str, str] = {"networks": "network", "volumes": "volume"}
"""Keys of a server that name resources it is attached to."""


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """One use of another resource's output; ``text`` is how it is written."""

    text: str
    address: str
    output: str


def of_id(address: str) -> Reference:
    """The reference that an attachment implies: the id of what is attached."""
    return Reference(f"${{{address}.id}}", address, "id")


def found(value: Json) -> tuple[Reference, ...]:
    """All references in ``value``, sorted, each once."""
    return tuple(
        sorted({Reference(m.group(0), m.group(1), m.group(2)) for text in _texts(value) for m in PATTERN.finditer(text)})
    )


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        if "${" in value:
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _texts(part)


def attached(address: str, declared: Mapping[str, Json]) -> tuple[tuple[str, str], ...]:
    """(key, address) of the networks and volumes a server names, in order."""
    if kind_of(address) != "server":
        return ()
    pairs = []
    for key, kind in ATTACHED.items():
        names = declared.get(key)
        for entry in names if isinstance(names, (list, tuple, Mapping)) else ():
            name = entry.get("name") if isinstance(entry, Mapping) else entry
            pairs.append((key, f"{kind}/{name}"))
    return tuple(pairs)


def relied_on(address: str, declared: Mapping[str, Json]) -> tuple[Reference, ...]:
    """Everything of other resources that ``declared`` stands on: references, attachments and, for a taskserv, its server."""
    implied = {of_id(a) for _, a in attached(address, declared)}
    if host := host_of(address):
        implied.add(of_id(host))
    return tuple(sorted({*found(declared), *implied}))


def current(reference: Reference, resources: Mapping[str, RecordedResource]) -> str | None:
    """The digest of what ``reference`` stands for in the record; ``None`` when the record does not say."""
    referent = resources.get(reference.address)
    value = referent.observed.get(reference.output) if referent else None
    return None if value is None else digest(RESOLVED, value)


def resolved(
    address: str, declared: Mapping[str, Json], resources: Mapping[str, RecordedResource], causes: Iterable[str] = ()
) -> dict[str, str]:
    """What to record under ``observed["resolved"]`` for a resource just made or changed. ``causes``: see ``cause``."""
    pairs = [(r.text, current(r, resources)) for r in relied_on(address, declared)]
    pairs += [(text, cause(text, resources)) for text in causes]
    return {text: value for text, value in pairs if value is not None}


def cause_of(text: str) -> tuple[str, str]:
    """(address, key) of ``address#key``, or of an address alone."""
    address, _, key = text.partition("#")
    return address, key


def cause(text: str, resources: Mapping[str, RecordedResource]) -> str | None:
    """The digest of what replaces others when it changes: a declared key or an output, or all that was declared and which
    resource it is; ``None`` when there is no record."""
    address, key = cause_of(text)
    record = resources.get(address)
    if record is None:
        return None
    if not key:
        return digest(RESOLVED, {"declared": record.declared, "extension": record.extension, "id": record.observed.get("id")})
    value = at(record.declared, key)
    return digest(RESOLVED, record.observed.get(key) if value is None else value)


def at(value: Mapping[str, Json], path: str) -> Json:
    """What a dotted path leads to, ``None`` where there is nothing."""
    found: Json = value
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def remembered(recorded: RecordedResource) -> Mapping[str, Json]:
    """The digests recorded the last time."""
    value = recorded.observed.get(RESOLVED)
    return value if isinstance(value, Mapping) else {}
