"""The model of ``workspace.yaml``."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
from pydantic import ValidationError

from gitops.schema.workspace import LedgerConfig, WorkspaceConfig
from gitops.schema.workspace_file import LedgerFile, WorkspaceFile, value

LEAST = {"format": 1, "id": "0123456789abcdef", "name": "acme"}


def test_the_least_has_the_defaults_of_the_value() -> None:
    assert value(WorkspaceFile.model_validate(LEAST)) == WorkspaceConfig("0123456789abcdef", "acme")


def test_both_know_the_same_timing() -> None:
    assert LedgerFile().model_dump() == {f.name: getattr(LedgerConfig(), f.name) for f in fields(LedgerConfig)}


@pytest.mark.parametrize(
    "change",
    [
        {"id": "short"},
        {"id": "has spaces in it"},
        {"format": 0},
        {"format": 2},
        {"format": True},
        {"name": ".x"},
        {"name": ""},
        {"ledger": {"lease_seconds": 1}},
        {"ledger": {"window": 0}},
        {"ledger": {"lease": 60}},
        {"identities": [{"emails": []}]},
    ],
)
def test_what_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WorkspaceFile.model_validate({**LEAST, **change})
