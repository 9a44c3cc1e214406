"""Create, read, update and delete for provider ``fake``.

Its world is one JSON file per resource below ``<world>/<infra>/fake/``, so any clone on this machine finds it. The file is
named by the key it was made under: making it twice is making it once, whoever does it and however often it is killed.
"""

from __future__ import annotations

import json
import secrets as chance
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from executors.ports import Found, Machine, NeedsHuman, NotFound, Owner, Request, Retry
from executors.providers.fake.machine import FakeMachine
from executors.redact import MASK, Hidden
from planners.canonical import Json, digest
from planners.catalog import ProviderSpec
from planners.model import Observation, Presence, RecordedResource, kind_of, name_of


class FakeProvider:
    """Fits the ``Provider`` port. ``machine`` names where its world is: what was made elsewhere is never called missing."""

    def __init__(self, spec: ProviderSpec, world: Path, machine: str = "") -> None:
        self.spec = spec
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
        kind, one, two, three = kind_of(address), *bytes.fromhex(digest("fake-address", there["id"]))[:3]
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
        readable = self.spec.kinds[kind].readable
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
