"""What the suite for all providers does not say of this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from executors.ports import NeedsHuman, NotFound, Owner, Request, Retry
from executors.providers import fake
from executors.providers.fake.provider import FakeProvider
from executors.redact import Hidden
from planners.model import Presence, RecordedResource

OWNER = Owner("w-1", "shop")


def request(address: str = "server/a", key: str = "k", recorded: RecordedResource | None = None, **declared: object) -> Request:
    return Request(OWNER, address, declared, recorded, key * 64, key * 32, 7)  # type: ignore[arg-type]


@pytest.fixture
def provider(tmp_path: Path) -> FakeProvider:
    return FakeProvider(fake.SPEC, tmp_path, machine="here")


def made(provider: FakeProvider, **declared: object) -> RecordedResource:
    return RecordedResource("server/a", "fake", {}, provider.create(request(**declared)).outputs)


def test_its_world_is_one_file_per_resource_and_secrets_are_not_in_it(provider: FakeProvider, tmp_path: Path) -> None:
    provider.create(request(labels={"a": "b", "password": Hidden("c4nary"), "list": [Hidden("c4nary")]}))
    (file,) = (p for p in tmp_path.rglob("*") if p.is_file())
    assert file.parent == tmp_path / "shop" / "fake"
    assert "c4nary" not in file.read_text()
    document = json.loads(file.read_text())
    assert (document["owner"], document["address"], document["token"]) == (["w-1", "shop"], "server/a", 7)


def test_another_process_finds_what_this_one_made(provider: FakeProvider, tmp_path: Path) -> None:
    record = made(provider, cpu_cores=2)
    other = FakeProvider(fake.SPEC, tmp_path, machine="here")
    assert other.read(OWNER, record).attributes == {"power": "on", "cpu_cores": 2}
    provider.machine(OWNER, record).put("etc/x", b"1")
    assert other.machine(OWNER, record).get("etc/x") == b"1"


def test_addresses_are_plausible_and_follow_the_id(provider: FakeProvider) -> None:
    one, two = provider.create(request(key="1")), provider.create(request("server/b", key="2"))
    assert str(one.outputs["private_ip"]).startswith("10.") and str(one.outputs["public_ip"]).startswith(("198.18.", "198.19."))
    assert one.outputs["private_ip"] != two.outputs["private_ip"]
    assert provider.create(request("network/n", key="3", cidr="10.1.0.0/16")).outputs["cidr"] == "10.1.0.0/16"
    assert provider.create(request("dns/www.example", key="4")).outputs["name"] == "www.example"


def test_a_file_that_cannot_be_read_is_not_an_absent_resource(provider: FakeProvider, tmp_path: Path) -> None:
    record = made(provider)
    (file,) = (p for p in tmp_path.rglob("*.json"))
    file.write_text("{")
    for ask in (lambda: provider.read(OWNER, record), lambda: provider.list(OWNER), lambda: provider.create(request())):
        with pytest.raises(Retry, match="cannot be read"):
            ask()


def test_what_lives_elsewhere_is_said_to(provider: FakeProvider, tmp_path: Path) -> None:
    record = made(FakeProvider(fake.SPEC, tmp_path, machine="there"))
    assert provider.read(OWNER, record).presence is Presence.ELSEWHERE
    with pytest.raises(NeedsHuman, match="server/a lives on there"):
        provider.machine(OWNER, record)


def test_a_path_is_no_id(provider: FakeProvider, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    record = RecordedResource("server/a", "fake", {}, {"id": "../../secret"})
    assert provider.read(OWNER, record).presence is Presence.ABSENT
    with pytest.raises(NotFound):
        provider.update(request(recorded=record))


def test_an_update_without_a_record_has_nothing_to_change(provider: FakeProvider) -> None:
    with pytest.raises(NotFound, match="server/a is not recorded"):
        provider.update(request())


def test_deleting_a_server_takes_its_files_along(provider: FakeProvider, tmp_path: Path) -> None:
    record = made(provider)
    provider.machine(OWNER, record).put("etc/x", b"1")
    provider.delete(request(recorded=record))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []
