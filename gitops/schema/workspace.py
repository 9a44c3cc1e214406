"""``workspace.yaml`` as a value. Light to import: the model that validates the file is in ``workspace_file``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, field
from typing import TYPE_CHECKING, Any

from gitops import __version__
from planners.canonical import Json
from planners.dataclass import dataclass

if TYPE_CHECKING:
    from planners.catalog import Prices

FORMAT = 1
"""The newest format of a state repository that this version reads."""


@dataclass(frozen=True, slots=True)
class LedgerConfig:
    """Timing of lock and journal (DESIGN section 7)."""

    lease_seconds: int = 60
    grace_seconds: int = 30
    window: int = 50
    """Open intents at most."""
    flush_seconds: int = 5


@dataclass(frozen=True, slots=True)
class Identity:
    """A person or service as approvals and commits know them. ``keys``: ssh allowed-signers lines without the principal."""

    name: str
    emails: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkspaceConfig:
    """What ``workspace.yaml`` says, defaults filled in. ``id`` is random and stamped on everything that is made."""

    id: str
    name: str
    format: int = FORMAT
    remote: str = ""
    protected_branch: str = "main"
    requires_provisioning: str = ""
    identities: tuple[Identity, ...] = ()
    ledger: LedgerConfig = field(default_factory=LedgerConfig)
    prices: Mapping[str, Prices] = field(default_factory=dict)
    """Provider -> prices in place of its own list."""

    def document(self) -> Mapping[str, Json]:
        """As JSON, the inverse of ``of_document``."""
        return asdict(self)


def kept_as(what: str, oid: str) -> str:
    """The name under which the value of a file is kept between commands: by the file, and by the version that read it."""
    return f"{what}/{__version__}/{oid}"


def of_document(document: Mapping[str, Any]) -> WorkspaceConfig:
    """A config from what ``document()`` gave, such as out of a cache."""
    identities = (
        Identity(i["name"], tuple(i["emails"]), tuple(i["teams"]), tuple(i["keys"])) for i in document.get("identities", ())
    )
    plain = {k: v for k, v in document.items() if k not in ("identities", "ledger", "prices")}
    ledger, prices = LedgerConfig(**document.get("ledger", {})), _prices(document.get("prices", {}))
    return WorkspaceConfig(**plain, identities=tuple(identities), ledger=ledger, prices=prices)


def _prices(document: Mapping[str, Any]) -> dict[str, Prices]:
    if not document:
        return {}
    from planners.catalog import KindPrice, Prices

    kinds = {name: {kind: KindPrice(**price) for kind, price in own["kinds"].items()} for name, own in document.items()}
    return {name: Prices(own["currency"], kinds[name], own["free"]) for name, own in document.items()}
