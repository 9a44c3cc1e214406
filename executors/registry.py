"""Providers by name: a module of ``executors.providers``, or an entry point of the group ``provisioning.providers``.

Each has ``SPEC``, a value that costs nothing to import, and ``connect(settings, secrets, world)``. Entry points are looked
for only when a name is asked for that is not built in, since that reads the metadata of every distribution there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol, cast

from executors.ports import Broken, NotFound, Provider, Secrets
from planners.canonical import Json
from planners.catalog import ProviderSpec

GROUP = "provisioning.providers"


class ProviderModule(Protocol):
    """What a provider is as a module, here or in another distribution."""

    SPEC: ProviderSpec

    def connect(self, settings: Mapping[str, Json], secrets: Secrets, world: Path) -> Provider:
        """The provider at work."""


@cache
def names() -> tuple[str, ...]:
    """The built-in providers, found by file name."""
    folder = Path(__file__).with_name("providers")
    return tuple(sorted(m.name for m in iter_modules([str(folder)]) if not m.name.startswith("_")))


def provider_specs() -> Mapping[str, ProviderSpec]:
    """Specs by provider name. It lists the built-in ones; one of another distribution is found when it is asked for."""
    return _Specs()


def connect(name: str, settings: Mapping[str, Json], secrets: Secrets, world: Path) -> Provider:
    """A provider at work. ``world``: this machine's folder of the workspace. Raises ``NotFound`` for an unknown name."""
    return module(name).connect(settings, secrets, world)


def module(name: str) -> ProviderModule:
    """A provider's module. Raises ``NotFound``, ``Broken`` for one of another distribution that does not fit."""
    if name in names():
        return cast(ProviderModule, import_module(f"executors.providers.{name}"))
    found = _elsewhere(name)
    if found is None:
        raise NotFound(f"there is no provider '{name}'")
    return found


@cache
def _elsewhere(name: str) -> ProviderModule | None:
    from importlib.metadata import entry_points

    points = tuple(entry_points(group=GROUP, name=name))
    if not points:
        return None
    if len(points) > 1:
        raise Broken(f"provider '{name}' is offered by {' and '.join(sorted(p.value for p in points))}; uninstall all but one")
    try:
        found = cast(ProviderModule, points[0].load())
        fits = isinstance(found.SPEC, ProviderSpec) and found.SPEC.name == name and callable(found.connect)
    except Exception as error:
        raise Broken(f"provider '{name}' ({points[0].value}) cannot be loaded: {type(error).__name__}: {error}") from error
    if not fits:
        raise Broken(f"provider '{name}' ({points[0].value}) has no SPEC of that name, or no connect")
    return found


class _Specs(Mapping[str, ProviderSpec]):
    def __getitem__(self, name: str) -> ProviderSpec:
        try:
            return module(name).SPEC
        except NotFound:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(names())

    def __len__(self) -> int:
        return len(names())


class Connected(Mapping[str, Provider]):
    """Providers by name, each connected when it is first asked for. ``settings``: of the infra, with each one's own below
    ``provider_config``; ``world``: this machine's folder of the workspace."""

    def __init__(self, settings: Mapping[str, Json], secrets: Secrets, world: Path) -> None:
        self._settings = settings
        self._secrets = secrets
        self._world = world
        self._connected: dict[str, Provider] = {}

    def __getitem__(self, name: str) -> Provider:
        if name not in self._connected:
            if name not in provider_specs():
                raise KeyError(name)
            configured = self._settings.get("provider_config")
            own = configured.get(name) if isinstance(configured, Mapping) else None
            driver = {"driver": self._settings["driver"]} if "driver" in self._settings else {}
            settings = {**(own if isinstance(own, Mapping) else {}), **driver}
            self._connected[name] = connect(name, settings, self._secrets, self._world)
        return self._connected[name]

    def __iter__(self) -> Iterator[str]:
        return iter(provider_specs())

    def __len__(self) -> int:
        return len(provider_specs())
