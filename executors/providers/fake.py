"""A provider that makes nothing and remembers everything: for trying things out, for tests, and as a model to copy.

Its world is one JSON file per resource below ``<world>/<infra>/fake/``, so any clone on this machine finds it. The file is
named by the key it was made under: making it twice is making it once, whoever does it and however often it is killed.
"""

from __future__ import annotations

import json
import secrets as chance
import shutil
import socket
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from executors.ports import Completed, Found, Machine, NeedsHuman, NotFound, Owner, Request, Retry, Secrets
from executors.redact import MASK, Hidden
from planners.canonical import Json
from planners.catalog import KindSpec, ProviderSpec
from planners.model import Observation, Presence, RecordedResource, kind_of, name_of

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
)


def connect(settings: Mapping[str, Json], secrets: Secrets, world: Path) -> FakeProvider:  # noqa: ARG001  # a fake needs neither
    """The provider at work below ``world``."""
    return FakeProvider(world)


class FakeProvider:
    """Fits the ``Provider`` port. ``machine`` names where its world is: what was made elsewhere is never called missing."""

    spec = SPEC

    def __init__(self, world: Path, machine: str = "") -> None:
        self._world = world
        self._machine = machine or socket.gethostname()

    def create(self, request: Request) -> Observation:
        """Make it under its key, or find it made already."""
        identity = f"{kind_of(request.address)}-{request.key}"
        there = self._read(request.owner, identity)
        if there is None:
            there = {"id": identity, "key": request.key, "owner": [request.owner.workspace, request.owner.infra]}
            there |= _asked(request)
            self._write(request.owner, there)
        return self._seen(there)

    def read(self, owner: Owner, recorded: RecordedResource) -> Observation:
        """What the file says."""
        if lives := self._elsewhere(recorded):
            return Observation(Presence.ELSEWHERE, detail=lives)
        there = self._read(owner, str(recorded.observed.get("id", "")))
        return self._seen(there) if there else Observation(Presence.ABSENT, detail="it is gone")

    def update(self, request: Request) -> Observation:
        """Write what it is to be. Raises ``NotFound``, ``NeedsHuman``."""
        there = self._require(request.owner, request.recorded, request.address) | _asked(request)
        self._write(request.owner, there)
        return self._seen(there)

    def delete(self, request: Request) -> None:
        """Remove the file. Raises ``NeedsHuman``."""
        try:
            there = self._require(request.owner, request.recorded, request.address)
        except NotFound:
            return
        path = self._path(request.owner, there["id"])
        path.unlink(missing_ok=True)
        shutil.rmtree(path.with_suffix(""), ignore_errors=True)

    def list(self, owner: Owner) -> Sequence[Found]:
        """Everything with the owner's tag, by id."""
        identities = sorted(path.stem for path in self._folder(owner).glob("[!.]*.json"))
        mine = (there for identity in identities if (there := self._read(owner, identity)))
        return [Found(there["address"], there["key"], self._seen(there)) for there in mine]

    def machine(self, owner: Owner, recorded: RecordedResource) -> Machine:
        """A machine that says yes to everything. Raises ``NotFound``, ``NeedsHuman``."""
        return FakeMachine(self._path(owner, self._require(owner, recorded, recorded.address)["id"]).with_suffix(""))

    # --- files -------------------------------------------------------------------------------------------

    def _folder(self, owner: Owner) -> Path:
        return self._world / owner.infra / "fake"

    def _path(self, owner: Owner, identity: str) -> Path:
        return self._folder(owner) / f"{identity}.json"

    def _read(self, owner: Owner, identity: str) -> dict[str, Any] | None:
        """What carries this id and the owner's tag. Raises ``Retry`` when that cannot be told."""
        if not identity or "/" in identity:
            return None
        try:
            there: dict[str, Any] = json.loads(self._path(owner, identity).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise Retry(f"{self._path(owner, identity)} cannot be read: {error}") from error
        return there if there["owner"] == [owner.workspace, owner.infra] else None

    def _write(self, owner: Owner, there: Mapping[str, Any]) -> None:
        path = self._path(owner, there["id"])
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{chance.token_hex(4)}")
        draft.write_text(json.dumps(there, sort_keys=True))
        draft.replace(path)

    def _elsewhere(self, recorded: RecordedResource) -> str:
        machine = recorded.observed.get("machine", self._machine)
        return "" if machine == self._machine else f"lives on {machine}"

    def _require(self, owner: Owner, recorded: RecordedResource | None, address: str) -> dict[str, Any]:
        if recorded is None:
            raise NotFound(f"{address} is not recorded")
        if lives := self._elsewhere(recorded):
            raise NeedsHuman(f"{address} {lives}")
        there = self._read(owner, str(recorded.observed.get("id", "")))
        if there is None:
            raise NotFound(f"{address} is gone")
        return there

    def _seen(self, there: Mapping[str, Any]) -> Observation:
        address, asked = there["address"], there["declared"]
        kind, one, two, three = kind_of(address), *sha256(there["id"].encode()).digest()[:3]
        private, public = f"10.{one}.{two}.{three}", f"198.{18 + one % 2}.{two}.{three}"  # the latter for tests: RFC 2544
        outputs: dict[str, Json] = {"id": there["id"], "machine": self._machine}
        if kind == "server":
            outputs |= {"address": private, "private_ip": private, "public_ip": public}
        elif kind == "load_balancer":
            outputs |= {"address": public, "public_ip": public}
        elif kind == "network":
            outputs["cidr"] = asked.get("cidr", "10.0.0.0/8")
        elif kind == "dns":
            outputs["name"] = name_of(address)
        attributes = {**({"power": "on"} if kind == "server" else {}), **asked}
        readable = SPEC.kinds[kind].readable
        return Observation(Presence.PRESENT, {k: v for k, v in attributes.items() if k in readable}, outputs)


def _asked(request: Request) -> dict[str, Any]:
    """What is kept of a request: secrets are not."""
    return {"address": request.address, "declared": _shown(request.declared), "token": request.token}


def _shown(value: Json) -> Any:
    if isinstance(value, Hidden):
        return MASK
    if isinstance(value, Mapping):
        return {k: _shown(v) for k, v in value.items()}
    return [_shown(v) for v in value] if isinstance(value, (list, tuple)) else value


class FakeMachine:
    """Fits the ``Machine`` port: files in a folder, services in a list, and every command succeeds without being run."""

    def __init__(self, folder: Path) -> None:
        self._root = folder / "root"
        self._services = folder / "services"
        self._commands = folder / "commands"

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,  # noqa: ARG002  # the port's signature
        stdin: bytes = b"",  # noqa: ARG002
        cwd: str = "",  # noqa: ARG002
        timeout: float = 20.0,  # noqa: ARG002
    ) -> Completed:
        """Note the command, one JSON list a line."""
        self._commands.parent.mkdir(parents=True, exist_ok=True)
        with self._commands.open("a") as file:
            file.write(json.dumps(list(argv)) + "\n")
        return Completed(0, b"", b"")

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write the file."""
        target = self._below(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{chance.token_hex(4)}")
        draft.write_bytes(content)
        draft.chmod(mode)
        draft.replace(target)

    def get(self, path: str) -> bytes | None:
        """Its content."""
        target = self._below(path)
        return target.read_bytes() if target.is_file() else None

    def remove(self, path: str) -> None:
        """Remove a file or folder."""
        target = self._below(path)
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def start(self, service: str, argv: Sequence[str], env: Mapping[str, str], cwd: str = "") -> None:  # noqa: ARG002
        """It runs from now on."""
        self._services.mkdir(parents=True, exist_ok=True)
        (self._services / service).write_text(json.dumps(list(argv)))

    def stop(self, service: str) -> None:
        """It is forgotten."""
        (self._services / service).unlink(missing_ok=True)

    def state(self, service: str) -> str:
        """``running`` if it was started."""
        return "running" if (self._services / service).exists() else "absent"

    def port(self, name: str) -> int:
        """The same number for the same name on the same machine."""
        return 20000 + int(sha256(f"{self._root}/{name}".encode()).hexdigest()[:3], 16)

    def _below(self, path: str) -> Path:
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        return self._root.joinpath(*parts)
