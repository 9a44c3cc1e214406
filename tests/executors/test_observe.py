"""Asking what is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from executors.clocks import FakeClock
from executors.effects import Effects
from executors.fakes import FaultyProvider, FixedExtensions, FixedSecrets, MemoryJournal, SilentProgress
from executors.observe import READERS, Look, observe
from executors.phases import Phase
from executors.ports import Owner, Retry, Tools
from executors.providers import fake
from executors.providers.fake.provider import FakeProvider
from executors.redact import Redactor
from planners.canonical import digest
from planners.model import Dependency, Observed, Presence
from planners.problems import Problem
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


def parts(look: Look) -> tuple[Observed, tuple[Problem, ...]]:
    return look.observed, look.unread


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return Estate(tmp_path)


def test_everything_recorded_is_read(estate: Estate) -> None:
    observed, unread = parts(observe(estate.tools))
    assert not unread
    assert {a: (o.presence, o.healthy) for a, o in observed.items()} == {
        "server/a": (Presence.PRESENT, None),
        "taskserv/a/web": (Presence.PRESENT, True),
        "cluster/c": (Presence.PRESENT, True),
    }
    assert observed["server/a"].attributes["cpu_cores"] == 2


def test_a_sick_member_makes_a_sick_cluster(estate: Estate) -> None:
    estate.effects.machine("taskserv/a/web").stop("web")
    observed, _ = parts(observe(estate.tools))
    assert (observed["taskserv/a/web"].healthy, observed["cluster/c"].healthy) == (False, False)


def test_what_is_on_a_server_that_is_gone_is_gone_with_it(estate: Estate) -> None:
    estate.inner._path(OWNER, str(estate.tools.recorded["server/a"].observed["id"])).unlink()
    observed, unread = parts(observe(estate.tools))
    assert not unread
    assert observed["taskserv/a/web"].presence is Presence.ABSENT
    assert observed["taskserv/a/web"].detail == "it is gone"


def test_what_is_on_a_server_elsewhere_is_elsewhere(estate: Estate) -> None:
    server = estate.tools.recorded["server/a"]
    far = replace(server, observed={**server.observed, "machine": "there"})
    observed, unread = parts(observe(replace(estate.tools, recorded={**estate.tools.recorded, "server/a": far})))
    assert not unread
    assert {observed[a].presence for a in ("server/a", "taskserv/a/web")} == {Presence.ELSEWHERE}


def test_what_cannot_be_read_is_unknown_and_never_absent(estate: Estate) -> None:
    def hook(verb: str, address: str) -> None:
        raise Retry("down")

    estate.provider.before = hook
    observed, unread = parts(observe(estate.tools))
    assert observed == {}
    assert [p.message for p in unread] == ["server/a could not be read: down"], "what follows from it is not told beside it"


def test_an_unknown_provider_is_named(estate: Estate) -> None:
    server = replace(estate.tools.recorded["server/a"], provider="venus")
    _, (problem,) = parts(observe(replace(estate.tools, recorded={"server/a": server})))
    assert problem.message == "server/a could not be read: its provider 'venus' is not known"


# --- many at once ----------------------------------------------------------------------------------------


@pytest.fixture
def many(estate: Estate) -> Estate:
    """Three times as many servers as are read one by one."""
    for number in range(3 * READERS):
        estate.make(Create(f"server/s-{number:02}", "fake", "", declared={"cpu_cores": 2}))
    estate.tools = replace(estate.tools, recorded=estate.effects.records)
    estate.provider.calls.clear()
    return estate


def test_many_are_listed_once_and_what_the_list_lacks_is_asked_for(many: Estate) -> None:
    many.inner._path(OWNER, str(many.tools.recorded["server/s-07"].observed["id"])).unlink()
    look = observe(many.tools)
    assert many.provider.calls[:2] == [("list", ""), ("read", "server/s-07")]
    assert [verb for verb, _ in many.provider.calls].count("read") == 1
    assert look.observed["server/s-07"].presence is Presence.ABSENT
    each = {a: many.inner.read(OWNER, r) for a, r in many.tools.recorded.items() if a.startswith("server/")}
    assert {a: o for a, o in look.observed.items() if a.startswith("server/")} == each
    assert [found.address for found in look.listed["fake"]].count("server/s-08") == 1


def test_a_list_that_fails_leaves_each_to_be_read(many: Estate) -> None:
    def no_lists(verb: str, address: str) -> None:
        if verb == "list" or address == "server/s-03":
            raise Retry("not now")

    many.provider.before = no_lists
    look = observe(many.tools)
    assert [p.message for p in look.unread] == ["server/s-03 could not be read: not now"]
    assert len(look.observed) == len(many.tools.recorded) - 1
    assert not look.listed


def test_what_has_the_same_id_on_another_machine_is_another(many: Estate) -> None:
    here = many.tools.recorded["server/s-01"]
    far = replace(here, observed={**here.observed, "machine": "there"})
    look = observe(replace(many.tools, recorded={**many.tools.recorded, "server/s-01": far}))
    assert look.observed["server/s-01"].presence is Presence.ELSEWHERE


def test_some_are_read_with_what_they_are_read_through_and_nothing_else(many: Estate) -> None:
    heard: list[tuple[int, int]] = []
    look = observe(many.tools, ["cluster/c", "server/nowhere"], lambda done, total: heard.append((done, total)))
    assert set(look.observed) == {"cluster/c", "taskserv/a/web", "server/a"}
    assert ("list", "") not in many.provider.calls
    assert heard == [(1, 3), (2, 3), (3, 3)]
