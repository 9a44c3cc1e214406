"""Asking what is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from executors.clocks import FakeClock
from executors.effects import Effects
from executors.fakes import FaultyProvider, FixedExtensions, FixedSecrets, MemoryJournal, SilentProgress
from executors.observe import observe
from executors.phases import Phase
from executors.ports import Owner, Retry, Tools
from executors.providers import fake
from executors.providers.fake.provider import FakeProvider
from executors.redact import Redactor
from planners.canonical import digest
from planners.model import Dependency, Presence
from planners.steps import Create, Step

OWNER = Owner("w-1", "shop")
WEB = {"manifest.yaml": b"name: web\nversion: 1.0.0\nservice: {command: [serve]}\n"}


class Estate:
    """A server, a service on it and a cluster of that service, all recorded."""

    def __init__(self, world: Path) -> None:
        self.inner = FakeProvider(fake.SPEC, world, machine="here")
        self.provider = FaultyProvider(self.inner)
        extensions = FixedExtensions({("taskservs", "web"): WEB})
        journal, progress = MemoryJournal(), SilentProgress()
        self.tools = Tools(OWNER, {"fake": self.provider}, extensions, FixedSecrets(), FakeClock(), journal, progress)
        self.effects = Effects(self.tools, Redactor())
        self.make(Create("server/a", "fake", "", declared={"cpu_cores": 2}))
        self.make(Create("taskserv/a/web", "fake", "", declared={"version": "1.0.0", "config": {}}))
        self.make(Create("cluster/c", "fake", "", edges=(Dependency("taskserv/a/web"),)))
        self.tools = replace(self.tools, recorded=self.effects.records, extensions=FixedExtensions())
        self.provider.calls.clear()

    def make(self, step: Step) -> None:
        self.effects.put(step, self.effects.perform(Phase(digest("test", step.address), "create", step)).recorded)


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path)


def test_everything_recorded_is_read(estate: Estate) -> None:
    observed, unread = observe(estate.tools)
    assert not unread
    assert {a: (o.presence, o.healthy) for a, o in observed.items()} == {
        "server/a": (Presence.PRESENT, None),
        "taskserv/a/web": (Presence.PRESENT, True),
        "cluster/c": (Presence.PRESENT, True),
    }
    assert observed["server/a"].attributes["cpu_cores"] == 2


def test_a_sick_member_makes_a_sick_cluster(estate: Estate) -> None:
    estate.effects.machine("taskserv/a/web").stop("web")
    observed, _ = observe(estate.tools)
    assert (observed["taskserv/a/web"].healthy, observed["cluster/c"].healthy) == (False, False)


def test_what_is_on_a_server_that_is_gone_is_gone_with_it(estate: Estate) -> None:
    estate.inner._path(OWNER, str(estate.tools.recorded["server/a"].observed["id"])).unlink()
    observed, unread = observe(estate.tools)
    assert not unread
    assert observed["taskserv/a/web"].presence is Presence.ABSENT
    assert observed["taskserv/a/web"].detail == "it is gone"


def test_what_is_on_a_server_elsewhere_is_elsewhere(estate: Estate) -> None:
    server = estate.tools.recorded["server/a"]
    far = replace(server, observed={**server.observed, "machine": "there"})
    observed, unread = observe(replace(estate.tools, recorded={**estate.tools.recorded, "server/a": far}))
    assert not unread
    assert {observed[a].presence for a in ("server/a", "taskserv/a/web")} == {Presence.ELSEWHERE}


def test_what_cannot_be_read_is_unknown_and_never_absent(estate: Estate) -> None:
    def hook(verb: str, address: str) -> None:
        raise Retry("down")

    estate.provider.before = hook
    observed, unread = observe(estate.tools)
    assert observed == {}
    assert [p.message for p in unread] == [
        "server/a could not be read: down",
        "taskserv/a/web could not be read: server/a could not be read",
        "cluster/c could not be read: taskserv/a/web could not be read",
    ]


def test_an_unknown_provider_is_named(estate: Estate) -> None:
    server = replace(estate.tools.recorded["server/a"], provider="venus")
    _, (problem,) = observe(replace(estate.tools, recorded={"server/a": server}))
    assert problem.message == "server/a could not be read: its provider 'venus' is not known"
