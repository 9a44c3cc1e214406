"""A world of process servers that are really there, and really gone after each test."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from executors.ports import Owner, Request
from executors.providers import local
from executors.providers.local import init
from executors.providers.local.folders import machine_identity
from executors.providers.local.machine import ProcessMachine
from executors.providers.local.provider import LocalProvider
from executors.providers.local.server import ProcessServer, until
from planners.model import Observation, RecordedResource

OWNER = Owner("workspace-1", "shop")
SLEEPER = ("sh", "-c", "echo $$ >> starts; echo up; exec sleep 600")
"""A service that notes each of its starts."""


class Estate:
    """The provider over one world, with the records that a ledger would keep."""

    owner = OWNER
    sleeper = SLEEPER

    def __init__(self, world: Path) -> None:
        self.world = world
        self.provider = LocalProvider(local.SPEC, world, machine_identity(world))
        self.records: dict[str, RecordedResource] = {}
        self.token = 1

    def request(self, address: str, declared: Mapping[str, Any] | None = None, key: str = "", owner: Owner = OWNER) -> Request:
        key = (key or address.replace("/", "-")).ljust(32, "0")[:32]
        return Request(owner, address, declared or {}, self.records.get(address), key * 2, key, self.token)

    def record(self, address: str, declared: Mapping[str, Any] | None, seen: Observation) -> RecordedResource:
        self.records[address] = RecordedResource(address, "local", declared or {}, seen.outputs)
        return self.records[address]

    def create(self, address: str, declared: Mapping[str, Any] | None = None, key: str = "") -> RecordedResource:
        return self.record(address, declared, self.provider.create(self.request(address, declared, key)))

    def update(self, address: str, declared: Mapping[str, Any]) -> Observation:
        seen = self.provider.update(self.request(address, declared))
        self.record(address, declared, seen)
        return seen

    def delete(self, address: str) -> None:
        self.provider.delete(self.request(address))
        self.records.pop(address, None)

    def read(self, address: str) -> Observation:
        return self.provider.read(OWNER, self.records[address])

    def machine(self, address: str = "server/web-01") -> ProcessMachine:
        if address not in self.records:
            self.create(address)
        machine = self.provider.machine(OWNER, self.records[address])
        assert isinstance(machine, ProcessMachine)
        return machine

    def serve(self, service: str = "web", address: str = "server/web-01", *more: str) -> int:
        """Start the sleeper and wait until it has noted its start; its process."""
        self.machine(address).start(service, [*SLEEPER, *more], {})
        pid = self.pid(service, address)
        assert until(lambda: pid in self.starts(address), 10)
        return pid

    def folder(self, address: str = "server/web-01") -> Path:
        kind, _, name = address.partition("/")
        return self.world / OWNER.infra / f"{kind}s" / name

    def root(self, address: str = "server/web-01") -> Path:
        return self.folder(address) / "root"

    def state(self, service: str, address: str = "server/web-01") -> dict[str, Any]:
        """What init noted of a service."""
        return init.read_json(f"{self.folder(address)}/states/{service}.json")

    def pid(self, service: str, address: str = "server/web-01") -> int:
        return int(self.state(service, address).get("pid") or 0)

    def init_pid(self, address: str = "server/web-01") -> int:
        return int(init.read_json(f"{self.folder(address)}/{init.LOCK}")["pid"])

    def kill(self, pid: int) -> None:
        """SIGKILL, and until it is gone."""
        assert pid > 1
        start = init.start_time(pid)
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: not init.alive(pid, start), 10)

    def died(self, service: str) -> bool:
        """Whether init noticed that the service ended by itself, in good time."""
        return until(lambda: self.state(service).get("state") == "failed", 10)

    def starts(self, address: str = "server/web-01") -> list[int]:
        """The processes that ever were the sleeper on a server."""
        path = self.root(address) / "starts"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def living(self, address: str = "server/web-01") -> list[int]:
        return [pid for pid in self.starts(address) if init.start_time(pid)]

    def close(self) -> None:
        for tag in self.world.glob("*/servers/*/tag.json"):
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                ProcessServer(self.world, tag.parent, json.loads(tag.read_text())["id"]).switch_off()


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """One world; its servers are switched off whatever became of the test."""
    made = Estate((tmp_path / "world").resolve())
    yield made
    made.close()
