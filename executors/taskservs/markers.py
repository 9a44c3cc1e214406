"""What is installed, noted on the machine itself: enough to observe, check and remove it without its extension."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field
from typing import Any

from executors.ports import Broken, Machine, NeedsHuman
from planners.canonical import Json
from planners.dataclass import dataclass

FORMAT = 1
FOLDER = ".provisioning/taskservs"


@dataclass(frozen=True, slots=True)
class Marker:
    """One taskserv on one machine. ``op`` is the operation that changed it last, ``token`` its fencing token.

    ``installed`` and ``configured``: digests of what these phases were done with, "" while they are not done.
    """

    op: str
    token: int
    version: str
    complete: bool = False
    installed: str = ""
    configured: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    """Path on the machine -> digest of content and mode."""
    service: str = ""
    restarted: str = ""
    """The operation that last gave the service a fresh start though nothing was changed."""
    uninstall: str = ""
    """The script's name, "" when there is none."""
    check: Mapping[str, Any] | None = None
    """The health check with everything filled in."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Json] = field(default_factory=dict)
    """What the uninstall script is told: no sensitive config."""
    format: int = FORMAT


def folder(name: str) -> str:
    """Where a taskserv's marker and scripts are, relative to the server's root."""
    return f"{FOLDER}/{name}"


def read(machine: Machine, name: str) -> Marker | None:
    """The marker, ``None`` when it is not installed. Raises ``Broken`` or ``NeedsHuman``: unreadable is not absent."""
    content = machine.get(f"{folder(name)}/marker.json")
    if content is None:
        return None
    try:
        value = json.loads(content)
        if value["format"] > FORMAT:
            raise NeedsHuman(f"taskserv '{name}' was installed by a newer provisioning")
        return Marker(**value)
    except (ValueError, TypeError, KeyError) as error:
        raise Broken(f"the marker of taskserv '{name}' cannot be read: {error}") from error


def write(machine: Machine, name: str, marker: Marker) -> None:
    """Note it, in one go. Only its owner may read it: a check's command may hold a password."""
    machine.put(f"{folder(name)}/marker.json", json.dumps(asdict(marker), sort_keys=True).encode() + b"\n", 0o600)
