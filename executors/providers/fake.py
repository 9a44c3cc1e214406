"""A provider that makes nothing and remembers everything: for trying things out, for tests, and as a model to copy.

Its world is one JSON file per resource below ``world/<infra>/fake/``, so any clone on this machine finds it.
"""

from __future__ import annotations

import json
import secrets as chance
import shutil
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from executors.ports import Completed, Found, Machine, NeedsHuman, NotFound, Owner, Request, Secrets
from planners.canonical import Json
from planners.catalog import KindSpec, ProviderSpec
from planners.model import Observation, Presence, RecordedResource, kind_of

_ANYTHING = frozenset({"cpu_cores", "memory_gb", "disk_gb", "plan", "power", "cidr", "size_gb", "values", "ttl_seconds"})
SPEC = ProviderSpec(
    "fake",
    "1",
    {
        "server": KindSpec(
            frozenset({"image", "zone"}), readable=_ANYTHING, outputs=frozenset({"id", "address", "private_ip", "public_ip"})
        ),
        "network": KindSpec(frozenset({"cidr", "zone"}), readable=_ANYTHING, outputs=frozenset({"id"})),
        "volume": KindSpec(frozenset({"type", "zone"}), readable=_ANYTHING, outputs=frozenset({"id"})),
        "load_balancer": KindSpec(frozenset({"zone"}), readable=_ANYTHING, outputs=frozenset({"id", "public_ip"})),
        "dns": KindSpec(frozenset({"type"}), readable=_ANYTHING, outputs=frozenset({"id"})),
    },
    needs_zone=False,
)


def connect(settings: Mapping[str, Json], secrets: Secrets, world: Path) -> FakeProvider:  # noqa: ARG001  # a fake needs neither
    """The provider at work below ``world``."""
    return FakeProvider(world)


class FakeProvider:
    """Fits the ``Provider`` port. A resource's file is named by the key it was made under: the same key finds it again."""

    spec = SPEC

    def __init__(self, world: Path) -> None:
        self._world = world

    def _folder(self, owner: Owner) -> Path:
        return self._world / owner.infra / "fake"

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            return json.loads(path.read_bytes())  # type: ignore[no-any-return]
        except FileNotFoundError:
            return None

    def _find(self, owner: Owner, recorded: RecordedResource | None) -> tuple[Path, dict[str, Any]] | None:
        """By recorded id, and only what carries the owner's tag. Raises ``NeedsHuman`` for somebody else's."""
        identity = str(recorded.observed.get("id", "")) if recorded else ""
        path = self._folder(owner) / f"{identity}.json"
        found = self._read(path) if identity and "/" not in identity else None
        if found is None:
            return None
        if found["owner"] != [owner.workspace, owner.infra]:
            raise NeedsHuman(f"'{identity}' belongs to somebody else")
        return path, found

    def create(self, request: Request) -> Observation:
        """Make it under its key, or find it made already."""
        identity = f"{kind_of(request.address)}-{request.key[:16]}"
        path = self._folder(request.owner) / f"{identity}.json"
        there = self._read(path)
        if there is None:
            owner = [request.owner.workspace, request.owner.infra]
            there = {
                "address": request.address,
                "key": request.key,
                "owner": owner,
                "declared": dict(request.declared),
                "id": identity,
            }
            self._write(path, there)
        return _seen(there)

    def read(self, owner: Owner, recorded: RecordedResource) -> Observation:
        """What the file says."""
        found = self._find(owner, recorded)
        return _seen(found[1]) if found else Observation(Presence.ABSENT, detail="it is gone")

    def update(self, request: Request) -> Observation:
        """Write the new declaration. Raises ``NotFound``."""
        found = self._find(request.owner, request.recorded)
        if found is None:
            raise NotFound(f"{request.address} is gone")
        path, there = found
        there |= {"declared": dict(request.declared), "address": request.address}
        self._write(path, there)
        return _seen(there)

    def delete(self, request: Request) -> None:
        """Remove the file."""
        found = self._find(request.owner, request.recorded)
        if found is not None:
            found[0].unlink(missing_ok=True)
            shutil.rmtree(found[0].with_suffix(""), ignore_errors=True)

    def list(self, owner: Owner) -> Sequence[Found]:
        """Everything with the owner's tag."""
        files = sorted(self._folder(owner).glob("*.json"))
        read = ((path, self._read(path)) for path in files)
        own = [item for _, item in read if item and item["owner"] == [owner.workspace, owner.infra]]
        return [Found(item["address"], item["key"], _seen(item)) for item in own]

    def machine(self, owner: Owner, recorded: RecordedResource) -> Machine:
        """A machine that says yes to everything. Raises ``NotFound``."""
        found = self._find(owner, recorded)
        if found is None:
            raise NotFound(f"{recorded.address} is gone")
        return FakeMachine(found[0].with_suffix(""))

    def _write(self, path: Path, document: Mapping[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{path.name}.{chance.token_hex(4)}")
        draft.write_text(json.dumps(document, sort_keys=True))
        draft.replace(path)


def _seen(item: Mapping[str, Any]) -> Observation:
    kind, declared = kind_of(item["address"]), item["declared"]
    number = int(sha256(item["id"].encode()).hexdigest()[:4], 16)
    outputs: dict[str, Json] = {"id": item["id"]}
    if kind == "server":
        own = f"10.{number >> 8}.{number & 255}.10"
        outputs |= {"private_ip": own, "public_ip": f"198.51.{number >> 8}.{number & 255}", "address": own}
    if kind == "load_balancer":
        outputs["public_ip"] = f"198.51.{number >> 8}.{number & 255}"
    power = {"power": "on"} if kind == "server" else {}
    return Observation(Presence.PRESENT, {k: v for k, v in {**power, **declared}.items() if k in _ANYTHING}, outputs)


class FakeMachine:
    """Files in a folder, services in a list, and every command succeeds without being run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, path: str) -> Path:
        return self._folder / "root" / path.lstrip("/")

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,  # noqa: ARG002  # the port's signature
        stdin: bytes = b"",  # noqa: ARG002
        cwd: str = "",  # noqa: ARG002
        timeout: float = 20.0,  # noqa: ARG002
    ) -> Completed:
        """Note the command."""
        log = self._folder / "commands"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(json.dumps(list(argv)) + "\n")
        return Completed(0, b"", b"")

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write the file."""
        target = self._path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(mode)

    def get(self, path: str) -> bytes | None:
        """Its content."""
        target = self._path(path)
        return target.read_bytes() if target.is_file() else None

    def remove(self, path: str) -> None:
        """Remove a file or folder."""
        target = self._path(path)
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def _service(self, service: str) -> Path:
        return self._folder / "services" / service

    def start(self, service: str, argv: Sequence[str], env: Mapping[str, str], cwd: str = "") -> None:  # noqa: ARG002
        """It runs."""
        self._service(service).parent.mkdir(parents=True, exist_ok=True)
        self._service(service).write_text(json.dumps(list(argv)))

    def stop(self, service: str) -> None:
        """It is forgotten."""
        self._service(service).unlink(missing_ok=True)

    def state(self, service: str) -> str:
        """Running, if it was started."""
        return "running" if self._service(service).exists() else "absent"

    def port(self, name: str) -> int:
        """The same number for the same name."""
        return 20000 + int(sha256(name.encode()).hexdigest()[:3], 16)
