"""Every provider there is, tried by the same suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from executors import registry
from executors.conformance import CHECKS, Bench
from executors.fakes import FixedSecrets

HERE = ("fake", "local")
"""Providers that need nothing but this machine; one that talks to a service brings its own fixture."""
TRIED = [(name, kind) for name in HERE for kind in sorted(registry.module(name).SPEC.kinds)]


def test_no_provider_is_left_out() -> None:
    assert set(registry.names()) == set(HERE)


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(registry.connect(request.param, {}, FixedSecrets(), tmp_path / "world"))
    yield made
    made.clear()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("bench", "kind"), TRIED, indirect=["bench"])
def test_a_provider_does_what_the_port_says(bench: Bench, kind: str, check: Callable[[Bench, str], None]) -> None:
    check(bench, kind)
