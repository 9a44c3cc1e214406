"""What carries our tag and nobody recorded: made twice, or by a call that came when nobody expected it any more. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from types import MappingProxyType

from executors import records
from executors.ports import Found, PortError, Tools
from planners.canonical import Json
from planners.catalog import ProviderSpec
from planners.dataclass import dataclass
from planners.model import RecordedResource


@dataclass(frozen=True, slots=True, order=True)
class Stray:
    """One such resource. ``address`` is what its tag says; ``beside``: the id of what is recorded under that, "" for nothing."""

    address: str
    id: str
    provider: str
    beside: str = ""
    outputs: Mapping[str, Json] = field(default_factory=dict, compare=False)

    @property
    def name(self) -> str:
        """The address it can be taken in under, whatever is recorded beside it."""
        return f"{self.address}~{self.id}"

    def __str__(self) -> str:
        what = (
            f"made twice: {self.beside} is recorded, {self.id} is not"
            if self.beside
            else "it carries our tag and is not recorded"
        )
        return f"{what}; to have a plan remove it: provisioning state import '{self.name}' {self.id} --reason TEXT"


def in_use(tools: Tools, declared: Iterable[str] = ()) -> tuple[str, ...]:
    """The providers of what is declared, recorded or begun, as far as they are at hand."""
    names = {*declared, *(r.provider for r in tools.recorded.values()), *(i.provider for i in tools.open_intents)}
    return tuple(name for name in sorted(names) if _spec(tools, name))


def doubling(tools: Tools, declared: Iterable[str] = ()) -> tuple[str, ...]:
    """Those of them that may make two where one was meant: all but those where a key excludes that for ever."""
    specs = ((name, _spec(tools, name)) for name in in_use(tools, declared))
    return tuple(name for name, spec in specs if spec and (spec.idempotency != "key" or spec.key_seconds > 0))


def _spec(tools: Tools, provider: str) -> ProviderSpec | None:
    try:
        return tools.providers[provider].spec
    except (KeyError, PortError):
        return None  # what cannot be reached at all has been told of, or is not in use yet


def sweep(
    tools: Tools, providers: Iterable[str], listed: Mapping[str, Sequence[Found]] = MappingProxyType({})
) -> tuple[Stray, ...]:
    """All strays at these providers. What an open intent names is not judged yet. ``listed``: what some of them were just heard
    to list. Raises the errors of the ports."""
    lists = {name: listed[name] if name in listed else tools.providers[name].list(tools.owner) for name in providers}
    return tuple(sorted(stray for there in lists.items() for stray in _among(tools, *there)))


def _among(tools: Tools, provider: str, listed: Sequence[Found]) -> Iterable[Stray]:
    known = {_id(each) for r in tools.recorded.values() for each in (r, *records.predecessors(r)) if each.provider == provider}
    pending = {intent.key for intent in tools.open_intents}
    for found in listed:
        identity, beside = str(found.observation.outputs.get("id")), tools.recorded.get(found.address)
        if identity not in known and found.key not in pending:
            yield Stray(found.address, identity, provider, _id(beside) if beside else "", found.observation.outputs)


def _id(record: RecordedResource) -> str:
    return str(record.observed.get("id"))
