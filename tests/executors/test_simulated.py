"""The simulated cloud: a provider of each kind, and what may go wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from executors.clocks import FakeClock
from executors.conformance import CHECKS, Bench
from executors.ports import Broken, Completed, Conflict, Owner, Request, Retry
from executors.simulated import Fate, SimulatedCloud, simulated_spec
from planners.canonical import Json
from planners.model import Presence, RecordedResource

OWNER = Owner("w-1", "shop")
KINDS = ("key", "name", "tag")


class DiedError(BaseException):
    """The process is gone."""


def request(address: str = "server/a", key: str = "k1", recorded: RecordedResource | None = None, **declared: Any) -> Request:
    return Request(OWNER, address, declared, recorded, key.ljust(64, "0"), key.ljust(32, "0"), 1)


def record(cloud: SimulatedCloud, outputs: Mapping[str, Json], address: str = "server/a") -> RecordedResource:
    return RecordedResource(address, cloud.spec.name, {}, outputs)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_provider_as_good_as_any(kind: str) -> None:
    cloud = SimulatedCloud(kind, FakeClock())
    bench = Bench(cloud.connect())
    for each in cloud.spec.kinds:
        for check in CHECKS:
            check(bench, each)
    bench.clear()
    assert not [t for t in cloud.living() if t.owner == bench.owner]


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_answer_is_given_up_after_the_time_limit(kind: str) -> None:
    cloud = SimulatedCloud(kind, FakeClock())
    cloud.fate = lambda verb, address: Fate(answers=None)
    with pytest.raises(Retry) as error:
        cloud.connect().create(request())
    assert error.value.unknown
    assert cloud.clock.monotonic() == request().timeout
    assert [t.address for t in cloud.living()] == ["server/a"]


def test_a_late_creation_lands_after_its_caller_has_gone() -> None:
    cloud = SimulatedCloud("tag", FakeClock())
    cloud.fate = lambda verb, address: Fate(lands=25.0)
    with pytest.raises(Retry):
        cloud.connect().create(request())
    assert (cloud.living(), cloud.under_way()) == ([], 1)
    cloud.clock.sleep(5.0)
    assert [(t.address, t.made) for t in cloud.living()] == [("server/a", 25.0)]
    assert [(c.sent, c.landed, c.outcome) for c in cloud.calls] == [(0.0, 25.0, "made")]


def test_what_was_sent_lands_though_its_sender_dies() -> None:
    cloud = SimulatedCloud("key", FakeClock())

    def dies(at: str) -> Any:
        def boundary(name: str) -> None:
            if name.endswith(at):
                raise DiedError

        return cloud.connect(boundary=boundary)

    for moment, there in (("before it is sent", 0), ("on its way", 1), ("over", 2)):
        with pytest.raises(DiedError):
            dies(moment).create(request(f"server/{there}", key=moment[:2]))
        assert len(cloud.living()) == there


def test_a_request_that_is_lost_never_lands() -> None:
    cloud = SimulatedCloud("key", FakeClock())
    cloud.fate = lambda verb, address: Fate(lands=None)
    with pytest.raises(Retry):
        cloud.connect().create(request())
    assert cloud.under_way() == 0 and not cloud.living()


def test_too_much_is_turned_away_for_a_while() -> None:
    cloud = SimulatedCloud("key", FakeClock())
    cloud.fate = lambda verb, address: Fate(throttled=7.0)
    for call in (lambda: cloud.connect().create(request()), lambda: cloud.connect().list(OWNER)):
        with pytest.raises(Retry) as error:
            call()
        assert (error.value.after, error.value.unknown) == (7.0, False)
    assert not cloud.calls


def test_a_list_may_be_old() -> None:
    cloud = SimulatedCloud("tag", FakeClock())
    provider = cloud.connect()
    made = record(cloud, provider.create(request()).outputs)
    cloud.fate = lambda verb, address: Fate(stale=3.0)
    cloud.clock.sleep(2.0)
    assert not provider.list(OWNER) and provider.read(OWNER, made).presence is Presence.ABSENT
    cloud.clock.sleep(1.0)
    assert provider.list(OWNER) and provider.read(OWNER, made).presence is Presence.PRESENT


def test_each_kind_tells_repeated_creations_apart_in_its_way() -> None:
    made = {}
    for kind in KINDS:
        cloud = SimulatedCloud(kind, FakeClock())
        provider = cloud.connect()
        provider.create(request())
        try:
            provider.create(request())
            made[kind] = len(cloud.living())
        except Conflict:
            made[kind] = -1
        assert len(cloud.doubled()) == (1 if kind == "tag" else 0)
    assert made == {"key": 1, "name": -1, "tag": 2}


def test_a_key_is_bound_to_its_parameters_until_it_is_forgotten() -> None:
    cloud = SimulatedCloud("key", FakeClock(), key_seconds=3600.0)
    provider = cloud.connect()
    provider.create(request(image="1"))
    with pytest.raises(Broken):
        provider.create(request(image="2"))
    cloud.clock.sleep(3600.0)
    provider.create(request(image="1"))
    assert len(cloud.living()) == 2


def test_a_successor_has_a_name_of_its_own() -> None:
    cloud = SimulatedCloud("name", FakeClock())
    provider = cloud.connect()
    old = record(cloud, provider.create(request()).outputs)
    provider.create(request(key="k2", recorded=old))
    assert sorted(t.name for t in cloud.living()) == ["server/a", "server/a-k2000000"]


def test_the_bound_of_the_spec_is_what_fates_keep_to() -> None:
    assert SimulatedCloud("tag", FakeClock(), late=8.0, lag=4.0).spec == simulated_spec("tag", 12.0)


def test_commands_on_a_server_answer_as_they_are_told() -> None:
    cloud = SimulatedCloud("key", FakeClock())
    seen: list[str] = []
    provider = cloud.connect(boundary=seen.append)
    made = record(cloud, provider.create(request()).outputs)
    cloud.commands = lambda argv, stdin: Completed(len(argv), stdin, b"")
    assert provider.machine(OWNER, made).run(["a", "b"], stdin=b"in") == Completed(2, b"in", b"")
    assert seen[-2:] == ["run b on server-1: before", "run b on server-1: after"]
