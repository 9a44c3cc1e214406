"""Create, read, update and delete on this machine."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executors.ports import LeaseLost, NeedsHuman, NotFound, Owner, Retry
from executors.providers import local
from executors.providers.local import init
from executors.providers.local.folders import Folders
from executors.providers.local.provider import LocalProvider
from executors.providers.local.server import until
from planners.model import EMPTY, Presence, RecordedResource, kind_of

WEB = "server/web-01"
EVERY_KIND = (WEB, "network/inner", "volume/data", "load_balancer/front", "dns/web.example")


def everything_below(path: Path) -> list[Path]:
    return sorted(path.rglob("*"))


# --- create ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", EVERY_KIND)
def test_each_kind_is_made_read_listed_and_removed(estate: Any, address: str) -> None:
    made = estate.create(address, {"cidr": "10.0.0.0/24"} if "network" in address else {})
    seen = estate.read(address)
    assert seen.presence is Presence.PRESENT
    assert seen.outputs == made.observed
    assert set(seen.outputs) == set(local.SPEC.kinds[kind_of(address)].outputs), "the SPEC tells every output"
    (found,) = estate.provider.list(estate.owner)
    assert (found.address, found.key, found.observation) == (address, estate.request(address).key, seen)
    estate.delete(address)
    assert everything_below(estate.world) == []


def test_a_server_is_on_reachable_here_and_names_its_machine(estate: Any) -> None:
    observed = estate.create(WEB).observed
    assert {observed[k] for k in ("address", "private_ip", "public_ip")} == {"127.0.0.1"}
    assert observed["path"] == str(estate.root())
    assert estate.read(WEB).attributes == {"power": "on"}
    assert str(observed["machine"]).rpartition("#")[0] == os.uname().nodename


def test_twice_under_one_key_is_one(estate: Any) -> None:
    first = estate.create(WEB)
    pid = estate.init_pid()
    second = estate.create(WEB)
    assert first.observed == second.observed
    assert estate.init_pid() == pid
    assert len(estate.provider.list(estate.owner)) == 1


def half_made(estate: Any) -> None:
    """As if the call that makes the server had been killed between the rename and the end."""
    estate.create("volume/data")
    estate.create(WEB)
    estate.update(WEB, {"power": "off"})
    Folders(estate.world).by_key(estate.request(WEB)).retag(complete=False)
    del estate.records[WEB]


def test_a_half_made_one_is_not_there_yet_and_finished_under_its_key(estate: Any) -> None:
    half_made(estate)
    assert [f.address for f in estate.provider.list(estate.owner)] == ["volume/data"]
    estate.create(WEB, {"volumes": ["data"]})
    assert estate.read(WEB).attributes == {"power": "on"}
    assert (estate.root() / "mnt/data").is_symlink()
    assert [f.address for f in estate.provider.list(estate.owner)] == ["volume/data", WEB]


def test_a_half_made_one_nobody_finished_makes_room(estate: Any) -> None:
    half_made(estate)
    old = Folders(estate.world).by_key(estate.request(WEB))
    estate.token = 0
    with pytest.raises(LeaseLost):
        estate.create(WEB, key="another")
    estate.token = 2
    assert estate.create(WEB, key="another").observed["id"] != old.tag.id
    assert estate.read(WEB).attributes == {"power": "on"}
    assert len(list(estate.folder().parent.iterdir())) == 1


def test_one_made_off_is_off(estate: Any) -> None:
    estate.create(WEB, {"power": "off"})
    assert estate.read(WEB).attributes == {"power": "off"}


def test_under_another_key_it_needs_a_person(estate: Any) -> None:
    estate.create(WEB)
    del estate.records[WEB]
    with pytest.raises(NeedsHuman, match="is there and not recorded"):
        estate.create(WEB, key="another")
    assert len(estate.provider.list(estate.owner)) == 1


def test_a_replacement_may_be_made_before_the_old_one_goes(estate: Any) -> None:
    old = estate.create(WEB)
    new = estate.create(WEB, key="replacement")
    assert new.observed["id"] != old.observed["id"]
    assert len(estate.provider.list(estate.owner)) == 2
    estate.records[WEB] = old
    estate.delete(WEB)
    estate.records[WEB] = new
    assert estate.read(WEB).presence is Presence.PRESENT
    assert estate.read(WEB).attributes == {"power": "on"}


def test_one_that_cannot_be_completed_leaves_nothing(estate: Any) -> None:
    with pytest.raises(NotFound, match="volume/data is not there"):
        estate.create(WEB, {"volumes": ["data"]})
    assert estate.provider.list(estate.owner) == []
    assert not estate.folder().exists()


def test_the_systems_refusals_are_for_a_person(estate: Any) -> None:
    estate.world.parent.mkdir(exist_ok=True)
    estate.world.write_text("a file in the way")
    with pytest.raises(NeedsHuman, match=r"Not a directory|File exists"):
        estate.create(WEB)
    estate.world.unlink()


# --- read ------------------------------------------------------------------------------------------------


def test_gone_is_absent_and_reading_makes_nothing(estate: Any) -> None:
    estate.create(WEB)
    estate.kill(estate.init_pid())
    before = everything_below(estate.world)
    assert estate.read(WEB).attributes == {"power": "off"}
    assert everything_below(estate.world) == before
    record = estate.records[WEB]
    estate.delete(WEB)
    estate.records[WEB] = record
    assert estate.read(WEB).presence is Presence.ABSENT
    assert everything_below(estate.world) == []


def test_what_lives_on_another_machine_is_elsewhere_never_missing(estate: Any) -> None:
    estate.create(WEB)
    there = LocalProvider(local.SPEC, estate.world, "desk.example#0123456789abcdef")
    record = estate.records[WEB]
    seen = there.read(estate.owner, record)
    assert (seen.presence, seen.detail) == (Presence.ELSEWHERE, f"lives on {os.uname().nodename}")
    with pytest.raises(NeedsHuman, match=f"server/web-01 lives on {os.uname().nodename}"):
        there.machine(estate.owner, record)
    with pytest.raises(NeedsHuman, match="run this there, or forget it with 'state forget'"):
        there.delete(estate.request(WEB))
    with pytest.raises(NeedsHuman, match="lives on"):
        there.update(estate.request(WEB))
    assert estate.read(WEB).presence is Presence.PRESENT


def test_a_renamed_machine_is_the_same(estate: Any) -> None:
    estate.create(WEB)
    id = estate.provider._machine.rpartition("#")[2]
    renamed = LocalProvider(local.SPEC, estate.world, f"new-name#{id}")
    assert renamed.read(estate.owner, estate.records[WEB]).presence is Presence.PRESENT


def test_another_state_folder_is_elsewhere_too(estate: Any, tmp_path: Path) -> None:
    estate.create(WEB)
    other = LocalProvider(local.SPEC, tmp_path / "other", estate.provider._machine)
    seen = other.read(estate.owner, estate.records[WEB])
    assert seen.presence is Presence.ELSEWHERE
    assert f"in another state folder, at {estate.root()}" in seen.detail


def test_any_clone_finds_it(estate: Any) -> None:
    estate.create(WEB)
    clone = LocalProvider(local.SPEC, estate.world, estate.provider._machine)
    assert clone.read(estate.owner, estate.records[WEB]) == estate.read(WEB)


def test_an_unreadable_world_is_not_an_empty_one(estate: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    estate.create("network/inner")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(Retry, match="network/inner cannot be read"):
        estate.read("network/inner")
    with pytest.raises(Retry, match="cannot be read"):
        estate.provider.list(estate.owner)


def test_what_is_only_known_by_its_id_is_found(estate: Any) -> None:
    made = estate.create(WEB)
    adopted = RecordedResource(WEB, "local", EMPTY, {"id": made.observed["id"]})
    assert estate.provider.read(estate.owner, adopted).outputs == made.observed


# --- update ----------------------------------------------------------------------------------------------


def test_power_follows_the_declaration(estate: Any) -> None:
    estate.create(WEB)
    for power in ("off", "on", "off"):
        assert estate.update(WEB, {"power": power}).attributes == {"power": power}


def test_a_reboot_is_declared_and_done_once(estate: Any) -> None:
    estate.create(WEB)
    pid = estate.serve()
    estate.update(WEB, {"provider_config": {"reboot": 1}})
    assert init.start_time(pid) == ""
    assert until(lambda: len(estate.living()) == 1, 10), "enabled services come back"
    again = estate.pid("web")
    estate.update(WEB, {"provider_config": {"reboot": 1}})
    estate.update(WEB, {})
    assert estate.pid("web") == again


def test_volumes_come_and_go_and_outlive_their_server(estate: Any) -> None:
    estate.create("volume/data")
    estate.create("volume/logs")
    estate.create(WEB, {"volumes": ["data", {"name": "logs", "mount": "/var/store"}]})
    machine = estate.machine()
    machine.put("mnt/data/file", b"kept")
    machine.put("var/store/file", b"kept too")
    estate.update(WEB, {"volumes": [{"name": "data", "mount": "elsewhere"}]})
    assert [machine.get(p) for p in ("elsewhere/file", "mnt/data/file", "var/store/file")] == [b"kept", None, None]
    estate.delete(WEB)
    assert (estate.folder("volume/logs") / "data/file").read_bytes() == b"kept too"


def test_what_is_gone_cannot_be_changed(estate: Any) -> None:
    estate.create(WEB)
    record = estate.records[WEB]
    estate.delete(WEB)
    estate.records[WEB] = record
    with pytest.raises(NotFound, match="server/web-01 is gone"):
        estate.update(WEB, {})
    with pytest.raises(NotFound, match="server/web-01 is gone"):
        estate.provider.machine(estate.owner, record)


def test_a_moved_server_bears_its_new_address(estate: Any) -> None:
    made = estate.create(WEB)
    estate.records["server/shop-01"] = replace(made, address="server/shop-01")
    estate.update("server/shop-01", {})
    assert [f.address for f in estate.provider.list(estate.owner)] == ["server/shop-01"]
    assert estate.read("server/shop-01").outputs["id"] == made.observed["id"]


def test_an_older_holder_changes_nothing_any_more(estate: Any) -> None:
    estate.token = 5
    estate.create(WEB)
    estate.token = 4
    for act in (lambda: estate.update(WEB, {"power": "off"}), lambda: estate.delete(WEB), lambda: estate.create(WEB)):
        with pytest.raises(LeaseLost, match="changed under token 5; 4 is an older holder's"):
            act()
    assert estate.read(WEB).attributes == {"power": "on"}
    estate.token = 6
    estate.update(WEB, {"power": "off"})
    estate.token = 5
    with pytest.raises(LeaseLost, match="token 6"):
        estate.update(WEB, {"power": "on"})


# --- delete ----------------------------------------------------------------------------------------------


def test_deleting_ends_everything_and_leaves_nothing(estate: Any) -> None:
    machine = estate.machine()
    pids = [estate.serve(f"s{n}") for n in range(3)]
    own = estate.init_pid()
    machine.port("web.port")
    estate.delete(WEB)
    assert [init.start_time(pid) for pid in (*pids, own)] == [""] * 4
    assert everything_below(estate.world) == []


def test_deleting_without_an_init_ends_its_services_too(estate: Any) -> None:
    pid = estate.serve()
    estate.kill(estate.init_pid())
    estate.delete(WEB)
    assert init.start_time(pid) == ""
    assert everything_below(estate.world) == []


def test_deleting_again_is_fine(estate: Any) -> None:
    estate.create(WEB)
    record = estate.records[WEB]
    estate.delete(WEB)
    estate.records[WEB] = record
    estate.delete(WEB)
    estate.delete("server/never-there")
    assert everything_below(estate.world) == []


def test_what_others_own_stays(estate: Any) -> None:
    made = estate.create(WEB)
    request = replace(estate.request(WEB), owner=Owner("workspace-2", "shop"))
    estate.provider.delete(request)
    assert estate.read(WEB).outputs == made.observed
