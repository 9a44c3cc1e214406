"""Provider ``local``: servers and what belongs to them on the machine that provisioning runs on.

Its driver is ``process``: a server is a folder with a root, and a small init process that keeps its services. It is as
large as the machine, and reached at 127.0.0.1. Networks, load balancers and DNS names are records and nothing more, so
that a declaration made for a cloud can be tried here; a volume is a folder that appears where a server mounts it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from executors.ports import NeedsHuman, Provider
from planners.canonical import Json
from planners.catalog import FREE, KindSpec, ProviderSpec

if TYPE_CHECKING:
    from executors.ports import Secrets

_ALWAYS = frozenset({"id", "path", "machine"})
SPEC = ProviderSpec(
    name="local",
    version="1",
    needs_zone=False,
    prices=FREE,
    kinds={
        "server": KindSpec(
            replace_on=frozenset({"image"}),
            readable=frozenset({"power"}),
            outputs=_ALWAYS | {"address", "private_ip", "public_ip"},
        ),
        "network": KindSpec(replace_on=frozenset({"cidr"}), outputs=_ALWAYS | {"cidr"}),
        "volume": KindSpec(replace_on=frozenset({"type"}), outputs=_ALWAYS),
        "load_balancer": KindSpec(outputs=_ALWAYS | {"address", "public_ip"}),
        "dns": KindSpec(replace_on=frozenset({"type"}), outputs=_ALWAYS | {"name"}),
    },
    late_seconds=0.0,
    late_source="folders and files are written by the calling process itself",
)


def connect(settings: Mapping[str, Json], secrets: Secrets, world: Path) -> Provider:  # noqa: ARG001  # no secret is needed here
    """The provider over ``world``, the workspace's folder on this machine. Raises ``NeedsHuman`` for another driver."""
    from executors.providers.local.folders import machine_identity
    from executors.providers.local.provider import LocalProvider

    driver = settings.get("driver") or "process"
    if driver != "process":
        raise NeedsHuman(
            f"provider 'local' has no driver '{driver}' in this version; leave settings.driver out, or set it to process"
        )
    world = world.resolve()
    return LocalProvider(SPEC, world, machine_identity(world))
