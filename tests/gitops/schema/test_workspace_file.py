"""The model of ``workspace.yaml``."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from pydantic import ValidationError

from gitops.schema.workspace import LedgerConfig, WorkspaceConfig, of_document
from gitops.schema.workspace_file import LedgerFile, WorkspaceFile, value
from planners.catalog import KindPrice

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
        {"prices": {"fake": {"server": {"each": 1}}}},
        {"prices": {"fake": {"currency": "Euro"}}},
        {"prices": {"fake": {"currency": "EUR", "server": {"each": -1}}}},
        {"prices": {"fake": {"currency": "EUR", "server": {"each": 0.0000000001}}}},
        {"prices": {"fake": {"currency": "EUR", "server": {"each": 10**6}}}},
        {"prices": {"fake": {"currency": "EUR", "server": {"per": {"cpus": 1}}}}},
        {"prices": {"fake": {"currency": "EUR", "server": {"each": "1"}}}},
    ],
)
def test_what_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WorkspaceFile.model_validate({**LEAST, **change})


def test_prices_are_counted_in_billionths_and_survive_the_cache() -> None:
    server = {"plans": {"small": 0.006}, "each": 1, "per": {"cpu_cores": 0.000000001}}
    config = value(WorkspaceFile.model_validate({**LEAST, "prices": {"fake": {"currency": "EUR", "server": server}}}))
    prices = config.prices["fake"]
    assert (prices.currency, prices.free, prices.kinds["dns"]) == ("EUR", False, KindPrice({}, None, {}))
    assert prices.kinds["server"] == KindPrice({"small": 6_000_000}, 10**9, {"cpu_cores": 1})
    assert of_document(json.loads(json.dumps(config.document()))) == config
