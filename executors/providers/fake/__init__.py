"""A provider that makes nothing and remembers everything: for trying things out, for tests, and as a model to copy.

This module costs nothing to import; what it takes to work is imported when it is connected.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from planners.canonical import Json
from planners.catalog import FREE, KindSpec, ProviderSpec

if TYPE_CHECKING:
    from executors.ports import Provider, Secrets

_ALWAYS = frozenset({"id", "machine"})
SPEC = ProviderSpec(
    "fake",
    "1",
    {
        "server": KindSpec(
            replace_on=frozenset({"image", "zone"}),
            readable=frozenset({"plan", "cpu_cores", "memory_gb", "disk_gb", "power", "labels"}),
            outputs=_ALWAYS | {"address", "private_ip", "public_ip"},
        ),
        "network": KindSpec(frozenset({"cidr", "zone"}), readable=frozenset({"labels"}), outputs=_ALWAYS | {"cidr"}),
        "volume": KindSpec(frozenset({"type", "zone"}), readable=frozenset({"size_gb", "labels"}), outputs=_ALWAYS),
        "load_balancer": KindSpec(
            replace_on=frozenset({"zone"}),
            readable=frozenset({"plan", "algorithm", "labels"}),
            outputs=_ALWAYS | {"address", "public_ip"},
        ),
        "dns": KindSpec(frozenset({"type"}), readable=frozenset({"ttl_seconds", "labels"}), outputs=_ALWAYS | {"name"}),
    },
    needs_zone=False,
    prices=FREE,
    late_seconds=0.0,
    late_source="files are written by the calling process itself",
)


def connect(settings: Mapping[str, Json], secrets: Secrets, world: Path) -> Provider:  # noqa: ARG001  # a fake needs neither
    """The provider at work below ``world``."""
    from executors.providers.fake.provider import FakeProvider

    return FakeProvider(SPEC, world)
