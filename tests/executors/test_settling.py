"""What is found of an effect that nobody recorded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executors.clocks import FakeClock
from executors.effects import Effects
from executors.events import Settled
from executors.fakes import FaultyProvider, FixedExtensions, FixedSecrets, MemoryJournal, SilentProgress
from executors.phases import Phase
from executors.ports import Owner, Request, Retry, Tools
from executors.providers import fake
from executors.providers.fake.provider import FakeProvider
from executors.redact import Redactor
from executors.settling import Settler
from executors.taskservs import markers
from planners.catalog import ProviderSpec
from planners.model import RecordedResource, Status
from planners.steps import Adopt, Create, Delete, Forget, Move, Read, Replace, Step, Update

OWNER = Owner("w-1", "shop")
WEB = {"manifest.yaml": b"name: web\nversion: 1.0.0\nservice: {command: [serve]}\noutputs: {url: here}\n"}
CHECKED = {"manifest.yaml": WEB["manifest.yaml"] + b"health: {type: file, path: ready}\n"}


class Desk:
    def __init__(self, folder: Path) -> None:
        self.provider = FaultyProvider(FakeProvider(fake.SPEC, folder))
        self.files = dict(WEB)
        extensions = FixedExtensions({("taskservs", "web"): self.files})
        tools = Tools(
            OWNER, {"fake": self.provider}, extensions, FixedSecrets(), FakeClock(), MemoryJournal(), SilentProgress(), run="r1"
        )
        self.effects = Effects(tools, Redactor())

    def did(self, phase: Phase, recorded: bool = True) -> RecordedResource | None:
        """Perform it; as if the process had died right after unless it is ``recorded``."""
        done = self.effects.perform(phase)
        if recorded:
            self.effects.put(phase.step, done.recorded)
        return done.recorded

    def settle(self, phase: Phase) -> Settled:
        settled = Settler(self.effects).settle(phase)
        assert settled, "it is never too early once the provider was quiet"
        return settled

    def verdict(self, phase: Phase) -> str:
        return self.settle(phase).verdict


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def phase(step: Step, name: str = "", op: str = "1", **more: Any) -> Phase:
    return Phase(op.ljust(64, "0"), name or step.action, step, **more)


SERVER = Create("server/a", "fake", "", declared={"cpu_cores": 1})
WEBSERV = Create("taskserv/a/web", "fake", "", declared={"version": "1.0.0", "config": {}})


def test_a_creation_is_found_under_its_key_or_was_never_done(desk: Desk) -> None:
    assert desk.verdict(phase(SERVER)) == "nothing"
    made = desk.did(phase(SERVER), recorded=False)
    assert desk.settle(phase(SERVER)) == Settled(phase(SERVER).op, "applied", made)
    assert desk.verdict(phase(SERVER, op="2")) == "nothing", "another key is another resource"


LATE = replace(fake.SPEC, late_seconds=13.0)
TOO_EARLY = None


@pytest.mark.parametrize(
    ("spec", "early", "late"),
    [
        (LATE, "redo", "redo"),
        (replace(LATE, idempotency="name"), TOO_EARLY, "redo"),
        (replace(LATE, idempotency="tag"), TOO_EARLY, "nothing"),
        (replace(LATE, key_seconds=3600.0), TOO_EARLY, "nothing"),
    ],
)
def test_what_is_not_found_may_still_come(desk: Desk, spec: ProviderSpec, early: str | None, late: str) -> None:
    desk.provider.spec = spec
    settler = Settler(desk.effects)
    answers = [settler.settle(phase(SERVER), quiet) for quiet in (False, True)]
    assert [a and a.verdict for a in answers] == [early, late]
    orphans = [settler.settle(phase(SERVER, orphan=True), quiet) for quiet in (False, True)]
    assert [a and a.verdict for a in orphans] == [TOO_EARLY, "nothing"], "nobody knows what it was to be"


@pytest.mark.parametrize("step", [Update("server/a", "fake", ""), Delete("server/a", "fake", "")])
def test_a_change_is_not_made_again_while_it_may_still_come(desk: Desk, step: Step) -> None:
    desk.did(phase(SERVER))
    assert Settler(desk.effects).settle(phase(step, op="2"), quiet=False) is TOO_EARLY


def test_a_request_that_would_be_another_now_is_not_sent_under_the_same_key(desk: Desk) -> None:
    desk.provider.spec = LATE
    intent = desk.effects.intent(phase(SERVER))
    for request, early, late in ((intent.request, "redo", "redo"), ("of other parameters", TOO_EARLY, "nothing")):
        desk.effects.tools = replace(desk.effects.tools, open_intents=(replace(intent, request=request),))
        settler = Settler(desk.effects)
        answers = [settler.settle(phase(SERVER), quiet) for quiet in (False, True)]
        assert [a and a.verdict for a in answers] == [early, late]
    desk.did(phase(SERVER), recorded=False)
    adopted = Settler(desk.effects).settle(phase(SERVER))
    assert adopted and adopted.verdict == "applied" and adopted.recorded
    assert adopted.recorded.status is Status.DEGRADED, "the next plan makes it what it is to be"


def test_a_successor_is_found_with_what_it_replaces(desk: Desk) -> None:
    old = desk.did(phase(SERVER))
    step = Replace("server/a", "fake", "", create_first=True)
    create = phase(step, "create", op="2", last=False)
    desk.did(create, recorded=False)
    settled = desk.settle(create)
    assert settled.verdict == "applied" and settled.recorded and old
    assert settled.recorded.observed["replaces"] == {"provider": "fake", "observed": old.observed}
    desk.effects.put(step, settled.recorded)
    assert desk.verdict(phase(step, "delete", op="3", first=False)) == "redo", "its predecessor is to go in any case"


def test_a_deletion_is_done_when_the_thing_is_gone(desk: Desk) -> None:
    delete = phase(Delete("server/a", "fake", ""), op="2")
    assert desk.settle(delete) == Settled(delete.op, "applied"), "not even recorded any more"
    desk.did(phase(SERVER))
    assert desk.verdict(delete) == "nothing"
    desk.did(delete, recorded=False)
    assert desk.settle(delete) == Settled(delete.op, "applied")


def test_a_deletion_of_two_that_removed_one_is_gone_on_with(desk: Desk) -> None:
    old = desk.did(phase(SERVER))
    step = Replace("server/a", "fake", "", create_first=True)
    new = desk.did(phase(step, "create", op="2", last=False))
    assert old and new
    desk.provider.delete(Request(OWNER, "server/a", {}, new, "x", "x", 1))
    assert desk.verdict(phase(Delete("server/a", "fake", ""), op="3")) == "redo"


@pytest.mark.parametrize("step", [Update("server/a", "fake", ""), Move("server/a", "fake", "", moved_from="server/b")])
def test_a_change_in_place_is_done_again(desk: Desk, step: Step) -> None:
    assert desk.verdict(phase(step)) == "redo"
    made = desk.did(phase(Create("server/b" if isinstance(step, Move) else "server/a", "fake", "")))
    assert made
    degraded = replace(made, status=Status.DEGRADED)
    assert desk.settle(phase(step, orphan=True)) == Settled(phase(step).op, "partial", degraded), "nobody knows what it was to be"


@pytest.mark.parametrize(
    "step",
    [
        Forget("server/a", "fake", ""),
        Read("server/a", "fake", ""),
        Adopt("server/a", "fake", ""),
        Create("cluster/c", "fake", ""),
        Update("server/a", "fake", "", record_only=True),
        Delete("taskserv/a/web", "fake", "", gone_with_host=True),
    ],
)
def test_what_does_nothing_outside_was_not_done(desk: Desk, step: Step) -> None:
    assert desk.verdict(phase(step)) == "nothing"
    assert desk.provider.calls == []


def test_a_provider_is_asked_once_for_all_creations(desk: Desk) -> None:
    settler = Settler(desk.effects)
    for number in range(5):
        settler.settle(phase(Create(f"server/{number}", "fake", ""), op=str(number)))
    assert desk.provider.calls == [("list", "")]


def test_a_provider_that_cannot_be_asked_gives_no_verdict(desk: Desk) -> None:
    def hook(verb: str, address: str) -> None:
        raise Retry("down")

    desk.did(phase(SERVER))
    desk.provider.before = hook
    for step in (Create("server/b", "fake", ""), Delete("server/a", "fake", ""), WEBSERV):
        with pytest.raises(Retry):
            desk.settle(phase(step))


def test_the_marker_on_the_machine_tells_of_a_taskserv(desk: Desk) -> None:
    assert desk.verdict(phase(WEBSERV)) == "nothing", "its server is not there"
    desk.did(phase(SERVER))
    assert desk.verdict(phase(WEBSERV)) == "nothing", "nothing is installed"
    made = desk.did(phase(WEBSERV), recorded=False)
    assert desk.settle(phase(WEBSERV)) == Settled(phase(WEBSERV).op, "applied", made)
    assert desk.verdict(phase(Update("taskserv/a/web", "fake", ""), op="2")) == "nothing", "another operation changed it last"
    machine = desk.effects.machine("taskserv/a/web")
    marker = markers.read(machine, "web")
    assert marker
    markers.write(machine, "web", replace(marker, complete=False))
    assert desk.verdict(phase(WEBSERV)) == "redo"


def test_a_taskserv_with_a_check_has_yet_to_pass_it(desk: Desk) -> None:
    desk.files.update(CHECKED)
    desk.did(phase(SERVER))
    desk.did(phase(WEBSERV), recorded=False)
    assert desk.settle(phase(WEBSERV)).check


def test_a_removed_taskserv_has_no_marker(desk: Desk) -> None:
    delete = phase(Delete("taskserv/a/web", "fake", ""), op="2")
    assert desk.verdict(delete) == "applied", "its server is not there"
    desk.did(phase(SERVER))
    desk.did(phase(WEBSERV))
    assert desk.verdict(delete) == "nothing"
    machine = desk.effects.machine("taskserv/a/web")
    marker = markers.read(machine, "web")
    assert marker
    markers.write(machine, "web", replace(marker, op=delete.op, complete=False))
    assert desk.verdict(delete) == "redo", "it was begun"
    half = desk.settle(replace(delete, orphan=True))
    assert half.verdict == "partial" and half.recorded and half.recorded.status is Status.DELETING
    desk.did(delete, recorded=False)
    assert desk.verdict(delete) == "applied"


def test_an_orphan_is_kept_as_half_made(desk: Desk) -> None:
    """Its plan is not known: what is there is owned, and the next plan replaces or removes it."""
    desk.did(phase(SERVER), recorded=False)
    settled = desk.settle(phase(Create("server/a", "fake", ""), orphan=True))
    assert settled.verdict == "partial" and settled.recorded
    assert (settled.recorded.status, settled.recorded.declared) == (Status.TAINTED, {})
    desk.did(phase(SERVER))
    desk.did(phase(WEBSERV, op="2"))
    settled = desk.settle(phase(Create("taskserv/a/web", "fake", ""), op="2", orphan=True))
    assert settled.verdict == "partial" and settled.recorded and settled.recorded.status is Status.TAINTED
