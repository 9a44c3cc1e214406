"""What a plan is bound to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from estates import applied, infra, server

from planners.digests import declared_digest, lifecycle_value, recorded_digest
from planners.model import Dependency, Lifecycle, Resource, Status
from planners.problems import Where

WEB = server("web-01")
RECORD = applied(infra(WEB)).resources["server/web-01"]


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "other"},
        {"declared": {"cpu_cores": 3}},
        {"depends_on": (Dependency("network/lan"),)},
        {"lifecycle": Lifecycle(prevent_destroy=True)},
        {"extension": "x"},
        {"implied_by": "taskserv/web-01/app"},
    ],
)
def test_all_that_was_evaluated_counts(change: dict[str, Any]) -> None:
    assert declared_digest(replace(WEB, **change)) != declared_digest(WEB)


def test_where_it_stands_does_not_count() -> None:
    assert declared_digest(replace(WEB, where=Where("elsewhere.yaml", 9, 1))) == declared_digest(WEB)


@pytest.mark.parametrize(
    "change",
    [{"observed": {}}, {"depends_on": ("network/lan",)}, {"status": Status.TAINTED}, {"declared": {}}, {"implied_by": "x"}],
)
def test_all_that_is_recorded_counts(change: dict[str, Any]) -> None:
    assert recorded_digest(replace(RECORD, **change)) != recorded_digest(RECORD)


def test_the_run_that_recorded_it_does_not_count() -> None:
    assert recorded_digest(replace(RECORD, run="another", plan="another", source_commit="another")) == recorded_digest(RECORD)


def test_what_is_not_there_has_a_digest_too() -> None:
    assert declared_digest(None) == recorded_digest(None) == "absent"
    assert declared_digest(Resource("server/x", "")) != "absent"


def test_a_lifecycle_is_what_differs_from_the_defaults() -> None:
    assert lifecycle_value(Lifecycle()) == {}
    assert lifecycle_value(Lifecycle(ignore_changes=("a",), moved_from="server/x")) == {
        "ignore_changes": ["a"],
        "moved_from": "server/x",
    }
