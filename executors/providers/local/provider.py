"""Create, read, update and delete for provider ``local``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from executors.ports import Broken, Found, LeaseLost, Machine, NeedsHuman, NotFound, Owner, Request, Retry
from executors.providers.local.folders import Folder, Folders
from executors.providers.local.machine import ProcessMachine
from executors.providers.local.server import ADDRESS, ProcessServer
from planners.canonical import Json
from planners.catalog import ProviderSpec
from planners.model import Observation, Presence, RecordedResource, kind_of, name_of


class LocalProvider:
    """Fits the ``Provider`` port. ``machine``: the identity of the machine we are on, ``host#id``."""

    def __init__(self, spec: ProviderSpec, world: Path, machine: str) -> None:
        self.spec = spec
        self._folders = Folders(world)
        self._world = world
        self._machine = machine

    def create(self, request: Request) -> Observation:
        """Make it under its key, or finish what was made under it before."""
        with _os_errors():
            if stale := self._folders.unfinished(request):
                _fence(stale, request)
                self._remove(stale)
            fill = _FILL.get(kind_of(request.address), _nothing)
            folder = self._folders.by_key(request) or self._folders.make(request, _acted_on(request.declared), fill)
            try:
                return self._adjusted(folder, request)
            except (NeedsHuman, NotFound, Broken, OSError):
                self._remove(folder)
                raise

    def read(self, owner: Owner, recorded: RecordedResource) -> Observation:
        """What is there now; it starts and changes nothing."""
        try:
            if elsewhere := self._elsewhere(recorded):
                return Observation(Presence.ELSEWHERE, detail=elsewhere)
            folder = self._folders.by_id(owner, recorded)
        except OSError as error:
            raise Retry(f"{recorded.address} cannot be read: {error}") from error
        return self._observed(folder) if folder else Observation(Presence.ABSENT, detail="its folder is gone")

    def update(self, request: Request) -> Observation:
        """Bring power, volumes and tag to what is declared; ``provider_config.reboot`` changed means reboot."""
        with _os_errors():
            return self._adjusted(self._require(request.owner, request.recorded), request)

    def delete(self, request: Request) -> None:
        """Stop everything on it, then remove it."""
        with _os_errors():
            if request.recorded is None:
                return
            if elsewhere := self._elsewhere(request.recorded):
                raise NeedsHuman(f"{request.address} {elsewhere}; run this there, or forget it with 'state forget'")
            folder = self._folders.by_id(request.owner, request.recorded)
            if folder:
                _fence(folder, request)
                self._remove(folder)
            else:
                self._folders.tidy(self._folders.parent(request.owner, request.address))

    def list(self, owner: Owner) -> Sequence[Found]:
        """All that carries our tag on this machine. What is not complete is not there yet: its key asked again finishes it."""
        try:
            whole = (f for f in self._folders.all(owner) if f.tag.complete)
            return [Found(f.tag.address, f.tag.key, self._observed(f)) for f in whole]
        except OSError as error:
            raise Retry(f"{self._world} cannot be read: {error}") from error

    def machine(self, owner: Owner, recorded: RecordedResource) -> Machine:
        """The machine of a recorded server."""
        return ProcessMachine(self._server(self._require(owner, recorded)), recorded.address)

    # --- inside ------------------------------------------------------------------------------------------

    def _require(self, owner: Owner, recorded: RecordedResource | None) -> Folder:
        if recorded is None:
            raise NotFound("there is no record of it")
        if elsewhere := self._elsewhere(recorded):
            raise NeedsHuman(f"{recorded.address} {elsewhere}")
        folder = self._folders.by_id(owner, recorded)
        if folder is None:
            raise NotFound(f"{recorded.address} is gone: its folder is not there")
        return folder

    def _elsewhere(self, recorded: RecordedResource) -> str:
        """Where it lives if not here: another machine, or another state folder (another user's, say)."""
        host, _, identity = str(recorded.observed.get("machine", "")).rpartition("#")
        if identity and identity != self._machine.rpartition("#")[2]:
            return f"lives on {host}"
        path = str(recorded.observed.get("path", ""))
        if path and not Path(path).is_relative_to(self._world):
            return f"lives on {host} in another state folder, at {path}"
        return ""

    def _adjusted(self, folder: Folder, request: Request) -> Observation:
        _fence(folder, request)
        before = folder.tag.declared
        declared = _acted_on(request.declared)
        if kind_of(request.address) == "server":
            self._adjust_server(folder, before, declared)
        token = max(request.token, folder.tag.token)
        return self._observed(folder.retag(address=request.address, declared=declared, token=token, complete=True))

    def _adjust_server(self, folder: Folder, before: Mapping[str, Json], declared: Mapping[str, Json]) -> None:
        server = self._server(folder)
        for path in _mounts(before).values():
            if path not in _mounts(declared).values():
                server.unmount(path)
        for name, path in _mounts(declared).items():
            volume = self._folders.newest(folder.tag.owner, f"volume/{name}")
            if volume is None:
                raise NotFound(f"volume/{name} is not there")
            server.mount(path, volume.path / "data")
        if declared["power"] == "off":
            server.switch_off()
        elif server.power() == "on" and declared["reboot"] not in (None, before.get("reboot")):
            server.reboot()
        else:
            server.switch_on()

    def _server(self, folder: Folder) -> ProcessServer:
        return ProcessServer(self._world, folder.path, folder.tag.id)

    def _observed(self, folder: Folder) -> Observation:
        tag, kind = folder.tag, kind_of(folder.tag.address)
        path = folder.path / {"server": "root", "volume": "data"}.get(kind, "")
        outputs: dict[str, Json] = {"id": tag.id, "path": str(path), "machine": self._machine}
        attributes: dict[str, Json] = {}
        if kind == "server":
            outputs |= {"address": ADDRESS, "private_ip": ADDRESS, "public_ip": ADDRESS}
            attributes["power"] = self._server(folder).power()
        elif kind == "load_balancer":
            outputs |= {"address": ADDRESS, "public_ip": ADDRESS}
        elif kind == "network":
            outputs["cidr"] = tag.declared.get("cidr", "")
        elif kind == "dns":
            outputs["name"] = name_of(tag.address)
        return Observation(Presence.PRESENT, attributes, outputs)

    def _remove(self, folder: Folder) -> None:
        if kind_of(folder.tag.address) == "server":
            server = self._server(folder)
            server.switch_off()
            server.release_ports()
        self._folders.remove(folder)


def _nothing(_: Path) -> None:
    return


def _volume(folder: Path) -> None:
    (folder / "data").mkdir(mode=0o700)


_FILL: Mapping[str, Callable[[Path], None]] = {"server": ProcessServer.lay_out, "volume": _volume}


def _acted_on(declared: Mapping[str, Json]) -> dict[str, Json]:
    """What of a declaration means something here. Labels, sizes and zones are the record's alone."""
    config = declared.get("provider_config")
    reboot = config.get("reboot") if isinstance(config, Mapping) else None
    kept: dict[str, Json] = {"power": declared.get("power", "on"), "reboot": reboot}
    kept |= {key: declared[key] for key in ("volumes", "cidr") if declared.get(key)}
    return kept


def _mounts(declared: Mapping[str, Json]) -> dict[str, str]:
    """Volume name -> where it appears below the root, ``mnt/<name>`` unless said otherwise."""
    found: dict[str, str] = {}
    volumes = declared.get("volumes")
    for entry in volumes if isinstance(volumes, (list, tuple)) else ():
        name = str(entry.get("name") if isinstance(entry, Mapping) else entry)
        mount = entry.get("mount") if isinstance(entry, Mapping) else None
        found[name] = str(mount or f"mnt/{name}").strip("/")
    return found


def _fence(folder: Folder, request: Request) -> None:
    """Whoever held the lock before us may still be calling: an older token changes nothing any more."""
    if request.token < folder.tag.token:
        raise LeaseLost(f"{request.address} was changed under token {folder.tag.token}; {request.token} is an older holder's")


@contextmanager
def _os_errors() -> Iterator[None]:
    """The system's refusals (no space, no permission) are for a person to mend."""
    try:
        yield
    except OSError as error:
        raise NeedsHuman(f"{error.strerror or error}: {error.filename or 'unknown file'}") from error
