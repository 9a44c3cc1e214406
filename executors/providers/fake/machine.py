"""A machine that says yes to everything."""

from __future__ import annotations

import json
import secrets as chance
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from executors.ports import Completed
from planners.canonical import digest


class FakeMachine:
    """Fits the ``Machine`` port: files in a folder, services in a list, and every command succeeds without being run."""

    simulated = True

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
        return 20000 + int(digest("fake-port", [str(self._root), name])[:3], 16)

    def _below(self, path: str) -> Path:
        parts = [part for part in path.split("/") if part not in ("", ".", "..")]
        return self._root.joinpath(*parts)
