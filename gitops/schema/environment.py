"""``environments/<name>.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gitops.schema.base import Currency, Free, Name, Strict


class ApprovalsFile(Strict):
    """Who must agree."""

    count: Annotated[int, Field(ge=0)] | None = None
    """How many approvals a plan needs; unset leaves the default of the class."""
    teams: list[str] = []
    """Only members of these teams count."""


class LimitsFile(Strict):
    """The most that one infra may come to. Unset is no limit."""

    servers: Annotated[int, Field(ge=0)] | None = None
    """Servers."""
    cpu_cores: Annotated[int, Field(ge=0)] | None = None
    """CPU cores of all servers."""
    memory_gb: Annotated[int, Field(ge=0)] | None = None
    """Memory of all servers, in GB."""
    storage_gb: Annotated[int, Field(ge=0)] | None = None
    """Disks of servers and volumes, in GB."""


class BudgetFile(Strict):
    """What one infra may cost, by the prices of its providers (a month has 730 hours)."""

    monthly: Annotated[int, Field(ge=0)]
    """Whole units of the currency."""
    currency: Currency
    """Three capital letters, such as EUR."""
    warn_at: Annotated[int, Field(ge=1, le=100)] = 80
    """From how many per cent of it on plans say so."""


class EnvironmentFile(Strict):
    """What an environment allows. ``class`` drives the defaults."""

    class_: Annotated[Literal["dev", "test", "staging", "prod"], Field(alias="class")]
    """Drives the defaults: staging and prod are protected."""
    deletion_budget: Annotated[int, Field(ge=0)] | None = None
    """Deletions that pass without --allow-deletes (unset: one, or 30 % but at most 10)."""
    approvals: ApprovalsFile = ApprovalsFile()
    """Approvals that a plan needs."""
    allowed_providers: list[Name] = []
    """Providers that infras of it may use; empty: all."""
    limits: LimitsFile = LimitsFile()
    """The most that one infra of it may come to."""
    budget: BudgetFile | None = None
    """What one infra of it may cost a month; unset: any amount."""
    required_labels: list[str] = []
    """Labels that everything a provider makes must have."""
    description: str = ""
    """For people."""
    extra: Free = {}
    """Your own data: kept, never interpreted."""
