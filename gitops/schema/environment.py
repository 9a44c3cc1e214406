"""``environments/<name>.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gitops.schema.base import Free, Name, Strict


class ApprovalsFile(Strict):
    count: Annotated[int, Field(ge=0)] | None = None
    """How many approvals a plan needs; unset leaves the default of the class."""
    teams: list[str] = []
    """Only members of these teams count."""


class EnvironmentFile(Strict):
    """What an environment allows. ``class`` drives the defaults."""

    class_: Annotated[Literal["dev", "test", "staging", "prod"], Field(alias="class")]
    deletion_budget: Annotated[int, Field(ge=0)] | None = None
    """Deletions that pass without --allow-deletes (unset: one, or 30 % but at most 10)."""
    approvals: ApprovalsFile = ApprovalsFile()
    allowed_providers: list[Name] = []
    """Empty: all."""
    description: str = ""
    extra: Free = {}
