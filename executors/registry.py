"""Providers by name: a module of ``executors.providers``, or an entry point of the group ``provisioning.providers``.

Each has ``SPEC``, a value that costs nothing to import, and ``connect(settings, secrets, world)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import cast

from executors.ports import NotFound, Provider, Secrets
from planners.canonical import Json
from planners.catalog import ProviderSpec

GROUP = "provisioning.providers"


def names() -> tuple[str, ...]:
    """All built-in providers, found by file name."""
    folder = Path(__file__).with_name("providers")
    return tuple(sorted(m.name for m in iter_modules([str(folder)]) if not m.name.startswith("_")))


def provider_specs() -> Mapping[str, ProviderSpec]:
    """Every provider's spec by name, those of other distributions too."""
    specs = {name: cast(ProviderSpec, module(name).SPEC) for name in names()}
    return {**{name: cast(ProviderSpec, point.SPEC) for name, point in _others().items() if name not in specs}, **specs}


def connect(name: str, settings: Mapping[str, Json], secrets: Secrets, world: Path) -> Provider:
    """A provider at work. ``world``: this machine's folder of the workspace. Raises ``NotFound`` for an unknown name."""
    found = module(name) if name in names() else _others().get(name)
    if found is None:
        raise NotFound(f"there is no provider '{name}'")
    return cast(Provider, found.connect(settings, secrets, world))


def module(name: str) -> ModuleType:
    """A built-in provider's module."""
    return import_module(f"executors.providers.{name}")


def _others() -> Mapping[str, ModuleType]:
    from importlib.metadata import entry_points

    return {point.name: cast(ModuleType, point.load()) for point in entry_points(group=GROUP)}
