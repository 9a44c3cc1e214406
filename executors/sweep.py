"""What carries our tag and nobody recorded: made twice, or by a call that came when nobody expected it any more. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from executors import records
from executors.ports import PortError, Tools
from planners.canonical import Json
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


def doubling(tools: Tools, declared: Iterable[str] = ()) -> tuple[str, ...]:
    """The providers in use that may make two where one was meant: all but those where a key excludes that for ever."""
    names = {*declared, *(r.provider for r in tools.recorded.values()), *(i.provider for i in tools.open_intents)}
    return tuple(name for name in sorted(names) if _doubles(tools, name))


def _doubles(tools: Tools, provider: str) -> bool:
    try:
        spec = tools.providers[provider].spec
    except (KeyError, PortError):
        return False  # what cannot be reached at all has been told of, or is not in use yet
    return spec.idempotency != "key" or spec.key_seconds > 0


def sweep(tools: Tools, providers: Iterable[str]) -> tuple[Stray, ...]:
    """All strays at these providers. What an open intent names is not judged yet. Raises the errors of the ports."""
    return tuple(sorted(stray for name in providers for stray in _at(tools, name)))


def _at(tools: Tools, provider: str) -> Iterable[Stray]:
    known = {_id(each) for r in tools.recorded.values() for each in (r, *records.predecessors(r)) if each.provider == provider}
    pending = {intent.key for intent in tools.open_intents}
    for found in tools.providers[provider].list(tools.owner):
        identity, beside = str(found.observation.outputs.get("id")), tools.recorded.get(found.address)
        if identity not in known and found.key not in pending:
            yield Stray(found.address, identity, provider, _id(beside) if beside else "", found.observation.outputs)


def _id(record: RecordedResource) -> str:
    return str(record.observed.get("id"))
