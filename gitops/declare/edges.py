"""What people write of what hangs on what: dependencies, attachments, causes of replacement; each with its path."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from gitops.declare.documents import Path
from planners.catalog import ProviderSpec
from planners.model import kind_of, name_of
from planners.references import cause_of
from planners.suggest import hint

if TYPE_CHECKING:
    from gitops.schema.infra import Common, Infra

PROVIDED: Mapping[str, str] = {
    "networks": "network",
    "volumes": "volume",
    "servers": "server",
    "load_balancers": "load_balancer",
    "dns": "dns",
}
"""Collections whose entries a provider makes, and their kinds."""
NOT_DECLARED = ("provider", "depends_on", "lifecycle", "enabled", "taskservs")
"""What an entry says that is no part of ``declared``."""


def written_edges(infra: Infra) -> Iterator[tuple[Path, str, str]]:
    """(path, address, what it needs) of every edge that a person wrote."""
    for plural, kind in (*PROVIDED.items(), ("clusters", "cluster")):
        for name, entry in getattr(infra, plural).items():
            address = f"{kind}/{name}"
            for index, needs in enumerate(entry.depends_on):
                yield (plural, name, "depends_on", index), address, needs
            if kind == "server":
                for key, other in (("networks", "network"), ("volumes", "volume")):
                    for index, attached in enumerate(getattr(entry, key)):
                        yield (plural, name, key, index), address, f"{other}/{attached.name}"
            if kind == "load_balancer":
                for index, server in enumerate(entry.servers):
                    yield (plural, name, "servers", index), address, f"server/{server}"


def written_causes(infra: Infra, addresses: Collection[str]) -> Iterator[tuple[Path, str, str]]:
    """The same of what is to replace something; of a taskserv wherever it is."""
    for plural, kind in (*PROVIDED.items(), ("clusters", "cluster"), ("taskservs", "taskserv")):
        for name, entry in getattr(infra, plural).items():
            for index, text in enumerate(entry.lifecycle.replace_triggered_by):
                path = (plural, name, "lifecycle", "replace_triggered_by", index)
                for address in _addresses_of(kind, name, addresses):
                    yield path, address, cause_of(text)[0]


def _addresses_of(kind: str, name: str, addresses: Collection[str]) -> Iterator[str]:
    if kind != "taskserv":
        yield f"{kind}/{name}"
    else:
        yield from sorted(a for a in addresses if a.startswith("taskserv/") and a.endswith(f"/{name}"))


def unknown_keys(infra: Infra, providers: Mapping[str, ProviderSpec]) -> Iterator[tuple[Path, str, str]]:
    """(path, what, advice) of each ``replace_triggered_by: [ADDRESS#key]`` whose key is neither declared of such a thing nor one
    of its outputs: it would never change. Only of what a provider makes, where the provider lists its outputs."""
    for plural in (*PROVIDED, "clusters", "taskservs"):
        for name, entry in getattr(infra, plural).items():
            for index, text in enumerate(entry.lifecycle.replace_triggered_by):
                address, key = cause_of(text)
                known = _keys(address, infra, providers) if key else frozenset()
                if known and key.partition(".")[0] not in known:
                    advice = hint(key, known, f"such as {', '.join(sorted(known)[:3])}")
                    path = (plural, name, "lifecycle", "replace_triggered_by", index)
                    yield path, f"{address} has no key and no output '{key}'", advice


def _keys(address: str, infra: Infra, providers: Mapping[str, ProviderSpec]) -> frozenset[str]:
    """What may be said of the resource, or known of it; nothing where that is not known."""
    plural = {kind: plural for plural, kind in PROVIDED.items()}.get(kind_of(address), "")
    entry: Common | None = getattr(infra, plural).get(name_of(address)) if plural else None
    spec = providers.get(entry.provider or infra.settings.provider) if entry else None
    kind = spec.kinds.get(kind_of(address)) if spec else None
    if entry is None or kind is None or not kind.outputs:
        return frozenset()
    return frozenset(type(entry).model_fields.keys() - set(NOT_DECLARED)) | kind.outputs
