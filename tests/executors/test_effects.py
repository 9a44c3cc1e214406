"""One phase at a time: the request that is made, and the record that is left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executors.clocks import FakeClock
from executors.effects import RATE, Effects
from executors.fakes import FixedExtensions, FixedSecrets, MemoryJournal, SilentProgress
from executors.phases import Phase
from executors.ports import Conflict, LeaseLost, NeedsHuman, NotFound, Owner, Request, Tools, Unsettled
from executors.providers import fake
from executors.providers.fake.provider import FakeProvider
from executors.redact import MASK, Hidden, Redactor
from planners.canonical import digest
from planners.model import Observation, Presence, RecordedResource, Status
from planners.references import REPLACES, RESOLVED
from planners.steps import Adopt, Create, Delete, Forget, Move, Read, Replace, Step, Update

OWNER = Owner("w-1", "shop")
SECRET = "secret://shop/db/password"
WEB = {"manifest.yaml": b'name: web\nversion: 1.0.0\noutputs: {url: "http://{{ server.address }}"}\n'}


class Spy(FakeProvider):
    """Keeps the requests."""

    def __init__(self, world: Path) -> None:
        super().__init__(fake.SPEC, world)
        self.requests: list[Request] = []

    def create(self, request: Request) -> Observation:
        self.requests.append(request)
        return super().create(request)

    def update(self, request: Request) -> Observation:
        self.requests.append(request)
        return super().update(request)

    def delete(self, request: Request) -> None:
        self.requests.append(request)
        super().delete(request)


class Desk:
    """Effects over a world."""

    def __init__(self, folder: Path, recorded: Mapping[str, RecordedResource] | None = None) -> None:
        self.spy = Spy(folder)
        self.journal = MemoryJournal()
        self.redactor = Redactor()
        tools = Tools(
            OWNER,
            {"fake": self.spy},
            FixedExtensions({("taskservs", "web"): WEB}),
            FixedSecrets({SECRET: "c4nary-text"}),
            FakeClock(),
            self.journal,
            SilentProgress(),
            recorded=recorded or {},
            run="r1",
            plan="plan",
            source_commit="c0ffee",
            settings={"environment": "dev"},
        )
        self.effects = Effects(tools, self.redactor, call_seconds=5.0)
        self.performed = 0

    def perform(self, step: Step, name: str = "", **more: Any) -> RecordedResource | None:
        """Do one phase and keep what it leaves."""
        self.performed += 1
        phase = Phase(digest("test", self.performed), name or step.action, step, **more)
        done = self.effects.perform(phase)
        self.effects.put(step, done.recorded)
        return done.recorded


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def phase(step: Step, name: str = "", **more: Any) -> Phase:
    return Phase("0" * 64, name or step.action, step, **more)


def test_a_request_has_everything_filled_in_and_shows_no_secret(desk: Desk) -> None:
    desk.perform(Create("server/db", "fake", ""))
    desk.perform(Create("server/a", "fake", "", declared={"labels": {"db": "${server/db.private_ip}", "password": SECRET}}))
    request = desk.spy.requests[-1]
    db = desk.effects.records["server/db"].observed["private_ip"]
    assert request.declared == {"labels": {"db": db, "password": "c4nary-text"}}
    assert (request.owner, request.token, request.timeout, request.recorded) == (OWNER, 1, 5.0, None)
    assert request.key == request.op[:32]
    assert "c4nary" not in repr(request) and isinstance(request.declared["labels"]["password"], Hidden)  # type: ignore[index, call-overload]


def test_an_intent_holds_neither_secret_nor_what_depends_on_it(desk: Desk) -> None:
    step = Create("server/a", "fake", "", declared={"labels": {"password": SECRET, "missing": "${server/none.id}"}})
    intent = desk.effects.intent(phase(step))
    assert (intent.address, intent.action, intent.phase, intent.token, len(intent.request)) == (
        "server/a",
        "create",
        "create",
        1,
        64,
    )
    assert desk.redactor.text("c4nary-text") == "c4nary-text", "it was not even resolved"


def test_the_lease_is_asked_for_last(desk: Desk) -> None:
    desk.journal.lost = "gone"
    with pytest.raises(NotFound, match="no secret"):
        desk.perform(Create("server/a", "fake", "", declared={"x": "secret://shop/db/nothing"}))
    with pytest.raises(LeaseLost):
        desk.perform(Create("server/a", "fake", ""))
    assert not desk.spy.requests


def test_a_lease_that_is_too_short_is_a_lost_one(desk: Desk) -> None:
    desk.journal.may_start = lambda seconds: False  # type: ignore[method-assign]
    with pytest.raises(LeaseLost, match="would run out"):
        desk.perform(Create("server/a", "fake", ""))
    assert not desk.effects.begun(phase(Create("server/a", "fake", "")))


def test_an_unknown_provider_is_for_a_person(desk: Desk) -> None:
    with pytest.raises(NeedsHuman, match="provider 'venus' is not known"):
        desk.perform(Create("server/a", "venus", ""))


def test_outputs_are_recorded_without_secrets(desk: Desk) -> None:
    desk.redactor.learn("c4nary-text")
    record = desk.effects.record(Create("server/a", "fake", ""), {"dsn": "db://c4nary-text@a"})
    assert record.observed == {"dsn": f"db://{MASK}@a"}
    assert (record.run, record.plan, record.source_commit) == ("r1", "plan", "c0ffee")


def test_nothing_is_called_where_there_is_nothing_to_do_outside(desk: Desk) -> None:
    made = desk.perform(Create("server/a", "fake", "", declared={"cpu_cores": 1}))
    assert made
    desk.spy.requests.clear()
    behind = desk.perform(Update("server/a", "fake", "", declared={"cpu_cores": 2}, record_only=True))
    assert behind and behind.observed == made.observed and behind.declared == {"cpu_cores": 2}
    assert desk.perform(Create("cluster/c", "fake", "")) is not None
    assert desk.perform(Delete("cluster/c", "fake", "")) is None
    assert desk.perform(Delete("server/a", "fake", "", gone_with_host=True)) is None
    assert not desk.spy.requests and not desk.journal.asked[1:]


def test_reading_and_adopting_ask_the_provider_and_change_nothing(desk: Desk) -> None:
    made = desk.perform(Create("server/a", "fake", "", declared={"cpu_cores": 1}))
    assert made
    assert desk.perform(Read("server/a", "fake", "", declared=made.declared)) == made
    desk.effects.put(Delete("server/a", "fake", ""), None)
    adopted = desk.perform(Adopt("server/a", "fake", "", external_id=str(made.observed["id"]), declared={"cpu_cores": 8}))
    assert adopted and adopted.observed == made.observed
    assert adopted.status is Status.DEGRADED, "the next plan makes it what it is to be"
    desk.effects.put(Delete("server/a", "fake", ""), None)
    as_declared = desk.perform(Adopt("server/a", "fake", "", external_id=str(made.observed["id"]), declared={"cpu_cores": 1}))
    assert as_declared and as_declared.status is Status.READY
    with pytest.raises(NeedsHuman, match="the provider does not find it: it is gone"):
        desk.perform(Adopt("server/b", "fake", "", external_id="nothing"))


def test_what_is_moved_is_known_by_its_new_address_alone(desk: Desk) -> None:
    made = desk.perform(Create("server/a", "fake", ""))
    moved = desk.perform(Move("server/b", "fake", "", moved_from="server/a"))
    assert made and moved and moved.observed["id"] == made.observed["id"]
    assert set(desk.effects.records) == {"server/b"}
    assert set(desk.effects.facts("taskserv/b/web", {})["servers"]) == {"b"}  # type: ignore[arg-type]


def test_a_successor_carries_its_predecessor_until_that_is_removed(desk: Desk) -> None:
    old = desk.perform(Create("server/a", "fake", ""))
    step = Replace("server/a", "fake", "", create_first=True)
    new = desk.perform(step, "create", last=False)
    assert old and new and desk.spy.requests[-1].recorded == old
    assert new.observed["replaces"] == {"provider": "fake", "observed": old.observed}
    last = desk.perform(step, "delete", first=False)
    assert last and last.observed["id"] == new.observed["id"] and "replaces" not in last.observed
    assert [f.observation.outputs["id"] for f in desk.spy.list(OWNER)] == [new.observed["id"]]


def test_deleting_removes_what_is_recorded_with_all_it_replaced(desk: Desk) -> None:
    for _ in range(3):
        desk.perform(Replace("server/a", "fake", "", create_first=True), "create", last=False)
    assert len(desk.spy.list(OWNER)) == 3
    assert desk.perform(Delete("server/a", "fake", "")) is None
    assert not desk.spy.list(OWNER)
    assert desk.perform(Delete("server/a", "fake", "")) is None, "nothing recorded, nothing to remove"


class Flapping(FakeProvider):
    """Says for a while that nothing is there, or that everything still is."""

    saying = ""

    def delete(self, request: Request) -> None:
        if self.saying == "gone":
            raise NotFound("gone")
        super().delete(request)

    def read(self, owner: Owner, recorded: RecordedResource) -> Observation:
        said = {"gone": Observation(Presence.ABSENT), "there": Observation(Presence.PRESENT)}
        return said.get(self.saying) or super().read(owner, recorded)


def flapping(tmp_path: Path, late: float) -> tuple[Desk, Flapping, FakeClock]:
    provider, clock = Flapping(replace(fake.SPEC, late_seconds=late), tmp_path / "world"), FakeClock()
    desk = Desk(tmp_path, {"server/a": SERVER})
    desk.effects.tools = replace(desk.effects.tools, providers={"fake": provider}, clock=clock)
    return desk, provider, clock


GONE: tuple[Step, ...] = (Delete("server/a", "fake", ""), Forget("server/a", "fake", ""), Create("server/a", "fake", ""))


@pytest.mark.parametrize("step", GONE)
def test_what_is_not_found_is_gone_when_it_is_not_found_again_later(tmp_path: Path, step: Step) -> None:
    desk, provider, clock = flapping(tmp_path, late=30.0)
    provider.saying = "gone"
    with pytest.raises(Unsettled) as error:
        desk.effects.perform(phase(step))
    assert (error.value.after, "server/a is not found" in str(error.value)) == (30.0 * RATE, True)
    assert not list(provider.list(OWNER)), "nothing was made beside what may be there"
    clock.advance(30.0 * RATE)
    assert (desk.effects.perform(phase(step)).recorded is None) == (step.action != "create")


@pytest.mark.parametrize("step", GONE[1:])
def test_what_a_plan_called_gone_and_is_there_stops_that_step(tmp_path: Path, step: Step) -> None:
    desk, provider, _ = flapping(tmp_path, late=0.0)
    provider.saying = "there"
    with pytest.raises(Conflict, match="is there after all"):
        desk.effects.perform(phase(step))
    assert not desk.effects.begun(phase(step))


def test_what_is_to_be_let_go_may_be_there(tmp_path: Path) -> None:
    desk, provider, _ = flapping(tmp_path, late=0.0)
    provider.saying = "there"
    assert desk.effects.perform(phase(Forget("server/a", "fake", "", let_go=True))).recorded is None


def test_a_deletion_that_does_not_show_is_not_done(tmp_path: Path) -> None:
    desk, provider, _ = flapping(tmp_path, late=30.0)
    provider.saying = "there"
    with pytest.raises(Unsettled, match="still there") as error:
        desk.effects.perform(phase(Delete("server/a", "fake", "")))
    assert error.value.after == 15.0 * RATE
    left = desk.effects.left(phase(Delete("server/a", "fake", "")), None)
    assert left and left.status is Status.DELETING


def test_a_change_takes_away_what_the_resource_replaced(desk: Desk) -> None:
    old = desk.perform(Create("server/a", "fake", ""))
    successor = replace(phase(Replace("server/a", "fake", "", create_first=True), "create", last=False), op="2" * 64)
    new = desk.effects.perform(successor).recorded
    assert old and new and len(list(desk.spy.list(OWNER))) == 2
    desk.effects.put(Create("server/a", "fake", ""), new)
    kept = desk.perform(Read("server/a", "fake", ""))
    assert kept and REPLACES in kept.observed, "looking at it forgets nothing"
    done = desk.perform(Update("server/a", "fake", ""))
    assert done and REPLACES not in done.observed
    assert [f.observation.outputs["id"] for f in desk.spy.list(OWNER)] == [new.observed["id"]]


def test_a_taskserv_knows_its_server_and_all_others(desk: Desk) -> None:
    desk.perform(Create("server/a", "fake", ""))
    desk.perform(Create("server/b", "fake", ""))
    facts = desk.effects.facts("taskserv/a/web", {"version": "1.2.3", "profile": "big", "config": {"x": 1}})
    a, b = (dict(desk.effects.records[f"server/{name}"].observed) for name in "ab")
    assert facts == {
        "server": {"name": "a", **a},
        "infra": "shop",
        "environment": "dev",
        "taskserv": {"name": "web", "version": "1.2.3", "role": "", "profile": "big"},
        "config": {"x": 1},
        "servers": {"a": a, "b": b},
    }
    desk.effects.put(Delete("server/b", "fake", ""), None)
    assert set(desk.effects.facts("taskserv/a/web", {})["servers"]) == {"a"}  # type: ignore[arg-type]


def test_a_taskserv_needs_its_server(desk: Desk) -> None:
    with pytest.raises(NotFound, match="server/a is not recorded"):
        desk.perform(Create("taskserv/a/web", "fake", "", declared={"config": {}}))
    assert desk.perform(Delete("taskserv/a/web", "fake", "")) is None, "gone with its server"


def test_a_taskserv_is_recorded_with_the_server_it_stands_on(desk: Desk) -> None:
    server = desk.perform(Create("server/a", "fake", ""))
    record = desk.perform(Create("taskserv/a/web", "fake", "", declared={"version": "1.0.0", "config": {}}))
    assert server and record
    assert record.observed["url"] == f"http://{server.observed['address']}"
    assert set(record.observed[RESOLVED]) == {"${server/a.id}"}  # type: ignore[arg-type]


def test_each_endpoint_is_its_own(desk: Desk) -> None:
    assert desk.effects.endpoint(phase(Create("server/a", "fake", ""))) == "fake"
    assert desk.effects.endpoint(phase(Create("taskserv/a/web", "fake", ""))) == "server/a"


SERVER = RecordedResource("server/a", "fake", {"cpu_cores": 1}, {"id": "i-1"})
WEBSERV = RecordedResource("taskserv/a/web", "fake", {"config": {}}, {"url": "u", RESOLVED: {}})


@pytest.mark.parametrize(
    ("step", "name", "begun", "status"),
    [
        (Create("server/n", "fake", ""), "create", True, None),
        (Update("server/a", "fake", ""), "update", True, None),
        (Delete("server/a", "fake", ""), "delete", True, Status.DELETING),
        (Delete("server/a", "fake", ""), "delete", False, None),
        (Delete("server/n", "fake", ""), "delete", True, None),
        (Create("taskserv/a/n", "fake", ""), "create", True, Status.TAINTED),
        (Create("taskserv/a/n", "fake", ""), "create", False, None),
        (Update("taskserv/a/web", "fake", ""), "update", True, Status.DEGRADED),
        (Update("taskserv/a/web", "fake", ""), "update", False, None),
        (Delete("taskserv/a/web", "fake", ""), "delete", True, Status.DELETING),
    ],
)
def test_what_a_failure_leaves(tmp_path: Path, step: Step, name: str, begun: bool, status: Status | None) -> None:
    effects = Desk(tmp_path, {"server/a": SERVER, "taskserv/a/web": WEBSERV}).effects
    failed = phase(step, name)
    if begun:
        effects._last[failed.op] = 0.0
    left = effects.left(failed, None)
    assert (left.status if left else None) == status
    if status is Status.DEGRADED:
        assert left and left.observed["url"] == "u", "what others refer to stays"


@pytest.mark.parametrize("step", [Update("server/a", "fake", ""), Move("server/b", "fake", "", moved_from="server/a")])
def test_a_change_that_may_have_taken_place_is_to_be_made_again(tmp_path: Path, step: Step) -> None:
    effects = Desk(tmp_path, {"server/a": SERVER}).effects
    effects._last[phase(step).op] = 0.0
    assert effects.left(phase(step), None, unknown=True) == replace(SERVER, status=Status.DEGRADED)


def test_a_key_is_trusted_while_its_provider_remembers_it(tmp_path: Path) -> None:
    create, clock = phase(Create("server/a", "fake", "")), FakeClock()
    effects = Desk(tmp_path).effects
    assert effects.keyed(create) and not effects.keyed(phase(Update("server/a", "fake", "")))
    forgetful = FakeProvider(replace(fake.SPEC, key_seconds=3600.0), tmp_path)
    effects.tools = replace(effects.tools, providers={"fake": forgetful}, clock=clock)
    assert not effects.keyed(create), "nobody knows when an earlier holder sent it"
    effects.perform(create)
    assert effects.keyed(create)
    clock.advance(3600.0)
    assert not effects.keyed(create)
    assert not effects.keyed(phase(Create("server/a", "gone", ""))), "a provider that cannot be reached remembers nothing"


def test_what_is_applied_and_not_healthy_is_degraded(desk: Desk) -> None:
    left = desk.effects.left(phase(Create("taskserv/a/web", "fake", "")), WEBSERV)
    assert left == replace(WEBSERV, status=Status.DEGRADED)
