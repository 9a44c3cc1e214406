"""Extensions written down in a test, applied to a server that is really there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from executors.providers.local.machine import ProcessMachine
from executors.taskservs import scripted
from planners.model import Observation, RecordedResource

NAME = "app"


class Bench:
    """One extension and its config, on ``server/web-01``; change what is to change, apply again."""

    def __init__(self, estate: Any) -> None:
        self.estate = estate
        self.machine: ProcessMachine = estate.machine()
        self.name = NAME
        self.manifest: dict[str, Any] = {}
        self.files: dict[str, str | bytes] = {}
        self.config: dict[str, Any] = {}
        self.version = "1.0.0"
        self.declared: dict[str, Any] = {}
        self.op = "0" * 64
        self.token = 1
        self.timeout = 20.0

    def extension(self) -> dict[str, bytes]:
        """Its files. JSON is YAML."""
        whole = {"manifest.yaml": json.dumps({"name": self.name, "version": "1.0.0", **self.manifest}), **self.files}
        return {path: text.encode() if isinstance(text, str) else text for path, text in whole.items()}

    def facts(self) -> dict[str, Any]:
        server = {"name": "web-01", **self.estate.records["server/web-01"].observed}
        return {
            "server": server,
            "infra": "shop",
            "environment": "dev",
            "taskserv": {"name": self.name, "version": self.version, "role": "", "profile": ""},
            "config": self.config,
            "servers": {"web-01": server},
        }

    def apply(self) -> scripted.Applied:
        declared = {"version": self.version, "config": self.config, **self.declared}
        request = self.estate.request(f"taskserv/web-01/{self.name}", declared)
        request = replace(request, op=self.op, token=self.token, timeout=self.timeout)
        return scripted.apply(self.machine, self.extension(), self.name, request, self.facts())

    def remove(self, files: Mapping[str, bytes] | None = None) -> str:
        request = replace(self.estate.request(f"taskserv/web-01/{self.name}"), op=self.op, token=self.token)
        return scripted.remove(self.machine, files or {}, self.name, request)

    def observe(self) -> Observation:
        record = RecordedResource(f"taskserv/web-01/{self.name}", "local", {"config": self.config})
        return scripted.observe(self.machine, {}, self.name, record)

    def health(self) -> tuple[bool, str]:
        return scripted.health(self.machine, {}, self.name, {}, {})

    def traces(self, *phases: str) -> None:
        """Give it scripts that note that they ran."""
        self.manifest["scripts"] = {phase: phase for phase in phases}
        self.files |= {f"scripts/{phase}": f"#!/bin/sh\necho {phase} >> trace\n" for phase in phases}

    def trace(self) -> list[str]:
        """What ran since the last look."""
        found = (self.machine.get("trace") or b"").decode().split()
        self.machine.remove("trace")
        return found

    def serves(self) -> None:
        """Give it a service that sleeps."""
        self.manifest["service"] = {"command": list(self.estate.sleeper)}

    def there(self) -> set[str]:
        """The files on the server that are this taskserv's doing."""
        root = self.estate.root()
        own = {"bin/python3"}
        return {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()} - own


@pytest.fixture
def bench(estate: Any) -> Bench:
    """A server with nothing on it yet, and an extension that does nothing yet."""
    return Bench(estate)
