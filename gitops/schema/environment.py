"""``environments/<name>.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gitops.schema.base import Free, Name, Strict


class ApprovalsFile(Strict):
    """Who must agree."""

    count: Annotated[int, Field(ge=0)] | None = None
    """How many approvals a plan needs; unset leaves the default of the class."""
    teams: list[str] = []
    """Only members of these teams count."""


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
    description: str = ""
    """For people."""
    extra: Free = {}
    """Your own data: kept, never interpreted."""
