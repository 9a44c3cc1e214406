"""The machine of a process server: commands and services run beside everything else, in the server's own folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from executors.ports import Broken, Completed, NeedsHuman, Retry
from executors.providers.local import command, init
from executors.providers.local.server import ProcessServer, until
from planners.canonical import Json, digest

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin"
"""What the operator has on theirs must not change what a service finds. ``bin/python3`` of the root comes first."""
NOTHING: Mapping[str, str] = {}


class ProcessMachine:
    """Fits the ``Machine`` port. ``name`` is the server's address, for messages."""

    simulated = False

    def __init__(self, server: ProcessServer, name: str) -> None:
        self._server = server
        self._name = name

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] = NOTHING, stdin: bytes = b"", cwd: str = "", timeout: float = 20.0
    ) -> Completed:
        """Run ``argv``; raises ``NeedsHuman`` when the server is off, ``Retry`` when time ran out.

        A step's script that goes on though whoever ran it was killed is ended first: no taskserv has two at work on one server.
        """
        self._require_on()
        if name := env.get("TASKSERV_NAME"):
            mark = f"PROVISIONING_TASKSERV={self._server.mark.partition('=')[2]}/{name}"
            init.kill_marked(mark)
            env = {**env, **dict([mark.split("=", 1)])}
        return command.run(argv, self._environ(env), stdin, str(self._path(cwd)), timeout)

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file atomically, making its folders."""
        target = self._path(path)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        init.write_file(str(target), content, mode)

    def get(self, path: str) -> bytes | None:
        """The file's content, ``None`` when there is none."""
        try:
            return self._path(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def remove(self, path: str) -> None:
        """Remove a file or folder; nothing there is fine."""
        target = self._path(path)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)

    def start(self, service: str, argv: Sequence[str], env: Mapping[str, str], cwd: str = "") -> None:
        """Have ``service`` run; raises ``Broken`` when its program cannot be run at all."""
        self._require_on()
        self._path(cwd)
        mark = f"PROVISIONING_SERVICE={self._server.mark.partition('=')[2]}/{service}"
        wanted: dict[str, Json] = {
            "argv": list(argv),
            "env": self._environ({**env, **dict([mark.split("=", 1)])}),
            "cwd": cwd,
            "mark": mark,
        }
        same = digest("service", wanted)
        path = f"{self._server.folder}/services/{service}.json"
        if init.read_json(path).get("digest") == same and self.state(service) == "running":
            return
        generation = os.urandom(8).hex()
        init.write_json(path, {**wanted, "digest": same, "generation": generation})
        self._server.boot()

        def started() -> bool:
            known = self._known(service)
            return known.get("generation") == generation and known.get("state") in ("running", "failed", "stopped")

        if not until(started, 2 * init.GRACE):
            raise Retry(f"service '{service}' on {self._name} is not started: what ran before does not end", unknown=True)
        if error := self._known(service).get("error"):
            raise Broken(f"service '{service}' on {self._name} cannot be run: {error}")

    def stop(self, service: str) -> None:
        """Stop and forget ``service``; not there is fine."""
        init.unlink(f"{self._server.folder}/services/{service}.json")
        if not self._known(service):
            return
        if self._server.wanted() == "on":
            self._server.boot()
            if not until(lambda: not self._known(service), 2 * init.GRACE):
                raise Retry(f"service '{service}' on {self._name} does not end", unknown=True)
        for path in (f"states/{service}.json", f"root/var/log/{service}.log", f"root/var/log/{service}.log.1"):
            init.unlink(f"{self._server.folder}/{path}")

    def state(self, service: str) -> str:
        """``running``, ``failed`` (it ended by itself), ``stopped`` (the server is, or was, off) or ``absent``."""
        if not (self._server.folder / "services" / f"{service}.json").exists():
            return "absent"
        known = self._known(service)
        if init.alive(int(known.get("pid") or 0), str(known.get("start") or "")):
            return "running"
        if not known or known["state"] == "stopped" or self._server.power() == "off":
            return "stopped"
        return "failed"

    def port(self, name: str) -> int:
        """A port for ``name`` to listen on, the same at every call."""
        return self._server.port(name)

    def _known(self, service: str) -> dict[str, Any]:
        return init.read_json(f"{self._server.folder}/states/{service}.json")

    def _require_on(self) -> None:
        if self._server.wanted() != "on":
            raise NeedsHuman(f"{self._name} is off; set its power to 'on' first")

    def _environ(self, env: Mapping[str, str]) -> dict[str, str]:
        root = str(self._server.root)
        base = {"PATH": f"{root}/bin:{PATH}", "HOME": root, "TMPDIR": str(self._server.root / "tmp"), "LANG": "C.UTF-8"}
        return {**base, **env, **dict([self._server.mark.split("=", 1)])}

    def _path(self, path: str) -> Path:
        if path.startswith("/") or ".." in path.split("/"):
            raise Broken(f"'{path}' is not a path below the root of {self._name}")
        return self._server.root / path
