"""What carries our tag and nobody recorded is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from executors.clocks import FakeClock
from executors.fakes import FixedExtensions, FixedSecrets, MemoryJournal, SilentProgress
from executors.ports import Intent, Owner, Request, Tools
from executors.simulated import SimulatedCloud
from executors.sweep import Stray, doubling, sweep
from planners.model import RecordedResource
from planners.references import REPLACES

OWNER = Owner("w-1", "shop")


def made(cloud: SimulatedCloud, address: str, key: str) -> RecordedResource:
    seen = cloud.connect().create(Request(OWNER, address, {}, None, key, key, 1))
    return RecordedResource(address, "simulated", {}, seen.outputs)


def tools_of(cloud: SimulatedCloud, *recorded: RecordedResource) -> Tools:
    return Tools(
        OWNER, {"simulated": cloud.connect()}, FixedExtensions({}), FixedSecrets(), cloud.clock, MemoryJournal(),
        SilentProgress(), recorded={r.address: r for r in recorded},
    )  # fmt: skip


def test_a_second_one_and_one_that_nobody_knows_are_found() -> None:
    cloud = SimulatedCloud("tag", FakeClock())
    kept, _, _ = made(cloud, "server/a", "k1"), made(cloud, "server/a", "k1"), made(cloud, "server/b", "k2")
    tools = tools_of(cloud, kept)
    strays = sweep(tools, doubling(tools))
    assert strays == (Stray("server/a", "server-2", "simulated", "server-1"), Stray("server/b", "server-3", "simulated"))
    assert [s.name for s in strays] == ["server/a~server-2", "server/b~server-3"]
    assert "made twice: server-1 is recorded, server-2 is not" in str(strays[0])
    assert "state import 'server/b~server-3' server-3" in str(strays[1])


def test_what_is_recorded_under_any_name_or_on_its_way_is_none() -> None:
    cloud = SimulatedCloud("tag", FakeClock())
    a, old, b = made(cloud, "server/a", "k1"), made(cloud, "server/a", "k2"), made(cloud, "server/b", "k3")
    kept = {"provider": "simulated", "observed": dict(old.observed)}
    records = (replace(a, observed={**a.observed, REPLACES: kept}), replace(b, address="server/moved"))
    made(cloud, "server/c", "k4")
    intent = Intent("k4", "k4", "server/c", "create", "create", "simulated", "", 1)
    assert sweep(replace(tools_of(cloud, *records), open_intents=(intent,)), ["simulated"]) == ()


@pytest.mark.parametrize(("kind", "key_seconds", "asked"), [("key", 0.0, 0), ("key", 60.0, 1), ("name", 0.0, 1), ("tag", 0.0, 1)])
def test_where_a_key_excludes_a_second_one_nobody_is_asked(kind: str, key_seconds: float, asked: int) -> None:
    cloud = SimulatedCloud(kind, FakeClock(), key_seconds=key_seconds)
    assert len(doubling(tools_of(cloud), ["simulated", "gone"])) == asked
