"""The model of ``workspace.yaml``."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from gitops.schema.base import Currency, Free, Name, Strict, problem
from gitops.schema.workspace import FORMAT, Identity, LedgerConfig, WorkspaceConfig
from planners.catalog import KindPrice, Prices
from planners.cost import NANO


def _id(value: str) -> str:
    if len(value) < 8 or not all(c.isalnum() or c in "-_" for c in value):
        raise problem(
            "value",
            f"'{value}' cannot be a workspace id",
            "a random text of at least 8 letters and digits, as 'provisioning init' makes it",
        )
    return value


class LedgerFile(Strict):
    """Timing of lock and journal."""

    lease_seconds: Annotated[int, Field(ge=5, le=3600)] = 60
    """How long a lock lives without renewal."""
    grace_seconds: Annotated[int, Field(ge=0, le=3600)] = 30
    """Added before another may take a dead holder's lock over."""
    window: Annotated[int, Field(ge=1, le=1000)] = 50
    """Open intents at most; hosted forges want 200."""
    flush_seconds: Annotated[int, Field(ge=1, le=60)] = 5
    """Results wait at most this long for their commit; hosted forges want 15."""


class IdentityFile(Strict):
    """A person or a service."""

    name: str
    """How approvals and audit entries name them."""
    emails: list[str] = []
    """Addresses that their commits carry."""
    teams: list[str] = []
    """Teams whose approvals theirs count among."""
    keys: list[str] = []
    """Public ssh keys whose signatures count as this identity's."""


def _price(value: float) -> float:
    if not 0 <= value < 10**6 or _nano(value) != Decimal(repr(value)) * NANO:
        raise problem("value", f"{value:g} is no price per hour", "from 0 to below a million, with at most nine decimals")
    return value


def _nano(price: float) -> int:
    """Billionths."""
    return int(Decimal(repr(price)) * NANO)


Price = Annotated[float, AfterValidator(_price)]


class KindPriceFile(Strict):
    """What one resource of a kind costs per hour: by its plan, or each and by size."""

    plans: dict[str, Price] = {}
    """Plan -> price."""
    each: Price | None = None
    """For one, whatever its size."""
    per: dict[Literal["cpu_cores", "memory_gb", "disk_gb", "size_gb"], Price] = {}
    """For every unit of these keys."""


class PricesFile(Strict):
    """Prices per hour of one provider, in place of its own list."""

    currency: Currency
    """Three capital letters, such as EUR."""
    server: KindPriceFile = KindPriceFile()
    volume: KindPriceFile = KindPriceFile()
    network: KindPriceFile = KindPriceFile()
    load_balancer: KindPriceFile = KindPriceFile()
    dns: KindPriceFile = KindPriceFile()


class WorkspaceFile(Strict):
    """The state repository itself."""

    format: Annotated[int, Field(ge=1, le=FORMAT)]
    """Version of the layout of this repository."""
    id: Annotated[str, AfterValidator(_id)]
    """Random, made by init; never change it."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    """For people."""
    remote: str = ""
    """Where the ledgers are; apply refuses any other."""
    protected_branch: str = "main"
    """The branch that staging and prod are applied from."""
    requires_provisioning: str = ""
    """Versions of this program that may work here, such as >=0.1."""
    identities: list[IdentityFile] = []
    """People and services, as approvals know them."""
    ledger: LedgerFile = LedgerFile()
    """Timing of lock and journal."""
    prices: dict[Name, PricesFile] = {}
    """What providers ask for: provider -> prices per hour."""
    description: str = ""
    """For people."""
    extra: Free = {}
    """Your own data: kept, never interpreted."""


def prices(file: PricesFile) -> Prices:
    """A price list as planners count with it."""
    kinds = {}
    for kind in ("server", "volume", "network", "load_balancer", "dns"):
        own: KindPriceFile = getattr(file, kind)
        plans, per = ({k: _nano(v) for k, v in found.items()} for found in (own.plans, own.per))
        kinds[kind] = KindPrice(plans, None if own.each is None else _nano(own.each), per)
    return Prices(file.currency, kinds)


def value(file: WorkspaceFile) -> WorkspaceConfig:
    """The plain value of a valid file."""
    plain: dict[str, Any] = file.model_dump(
        include={"format", "id", "name", "remote", "protected_branch", "requires_provisioning"}
    )
    identities = tuple(Identity(i.name, tuple(i.emails), tuple(i.teams), tuple(i.keys)) for i in file.identities)
    lists = {name: prices(own) for name, own in file.prices.items()}
    return WorkspaceConfig(**plain, identities=identities, ledger=LedgerConfig(**file.ledger.model_dump()), prices=lists)
