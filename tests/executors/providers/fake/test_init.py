"""The provider as a module."""

from __future__ import annotations

from pathlib import Path

from executors.fakes import FixedSecrets
from executors.ports import Owner
from executors.providers import fake


def test_it_is_connected_with_nothing_but_a_world(tmp_path: Path) -> None:
    provider = fake.connect({}, FixedSecrets(), tmp_path)
    assert provider.spec is fake.SPEC
    assert provider.list(Owner("w-1", "shop")) == []


def test_it_needs_no_zone_and_recognises_keys() -> None:
    assert (fake.SPEC.needs_zone, fake.SPEC.idempotency) == (False, "key")
    assert all("id" in kind.outputs for kind in fake.SPEC.kinds.values())
