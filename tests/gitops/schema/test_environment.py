"""``environments/<name>.yaml``."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gitops.schema.environment import EnvironmentFile


def test_a_class_is_all_it_must_say() -> None:
    file = EnvironmentFile.model_validate({"class": "dev"})
    assert (file.class_, file.deletion_budget, file.approvals.count) == ("dev", None, None)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"class": "production"},
        {"class": "dev", "deletion_budget": -1},
        {"class": "dev", "approvals": {"count": -1}},
        {"class_": "dev"},
    ],
)
def test_what_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EnvironmentFile.model_validate(value)


def test_no_approval_at_all_is_allowed_when_it_is_said() -> None:
    assert EnvironmentFile.model_validate({"class": "prod", "approvals": {"count": 0}}).approvals.count == 0
