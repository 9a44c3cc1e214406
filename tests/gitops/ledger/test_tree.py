"""Paths and files of a ledger's tree."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.ports import Intent
from gitops.ledger import tree
from gitops.ledger.records import Converged, Entry, Meta, RunRecord
from gitops.ledger.shape import Malformed
from planners.canonical import encode
from planners.model import Lifecycle, Pin, RecordedResource, Status
from planners.problems import Problem

names = st.lists(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), max_size=6), min_size=1, max_size=3)
addresses = st.tuples(st.sampled_from(["server", "taskserv", "dns"]), names).map(lambda a: f"{a[0]}/{'/'.join(a[1])}")
awkward = st.sampled_from([".", "..", ".git", "a.json", "a", ".json", "", "A", "%", "a%2e", "~1"])
odd = st.lists(awkward, min_size=1, max_size=3).map(lambda parts: "server/" + "/".join(parts))


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("server/web-01", "state/server/web-01.json"),
        ("taskserv/web-01/nginx", "state/taskserv/web-01/nginx.json"),
        ("dns/web.example", "state/dns/web.example.json"),
        ("dns/*.example", "state/dns/%2a.example.json"),
        ("server/.git", "state/server/%2egit.json"),
        ("taskserv/a.json/b", "state/taskserv/a%2ejson/b.json"),
        ("server/ä", "state/server/%c3%a4.json"),
    ],
)
def test_the_place_of_a_resource(address: str, path: str) -> None:
    assert tree.state_path(address) == path


@given(st.one_of(addresses, odd), st.one_of(addresses, odd))
def test_two_addresses_never_share_a_place_and_no_file_is_a_folder_of_another(one: str, other: str) -> None:
    a, b = tree.state_path(one), tree.state_path(other)
    assert (a == b) == (one == other)
    assert not b.startswith(a + "/")


@given(st.one_of(addresses, odd))
def test_every_part_of_a_path_is_one_that_git_takes(address: str) -> None:
    parts = tree.state_path(address).split("/")
    assert all(part and not part.startswith(".") and part.isascii() and "~" not in part for part in parts)


def test_the_first_thousand_entries_lie_in_the_month_and_later_ones_in_a_folder_per_thousand() -> None:
    def at(seq: int) -> str:
        return tree.audit_path(Entry(seq=seq, id="beef", time=1_700_000_000))

    assert at(1) == "audit/2023-11/00000001-beef.json"
    assert at(999) == "audit/2023-11/00000999-beef.json"
    assert at(1000) == "audit/2023-11/1/00001000-beef.json"
    assert at(123_456) == "audit/2023-11/123/00123456-beef.json"
    assert tree.audit_seq(at(123_456)) == 123_456
    assert tree.audit_seq("audit/2023-11/junk.json") == 0


def test_a_run_that_is_over_lies_by_the_day_in_its_id() -> None:
    run = "20261124-140509-3f9a1c"
    assert tree.run_path(run, False) == f"runs/{run}.json"
    assert tree.run_path(run, True) == f"runs/2026-11/24/{run}.json"
    assert tree.run_path("r1", True) == "runs/r1.json"
    assert tree.plan_path("3f9a") == "plans/3f/3f9a.json"


def test_the_first_format_kept_all_runs_and_plans_side_by_side() -> None:
    run = "20261124-140509-3f9a1c"
    assert tree.run_path(run, True, 1) == f"runs/{run}.json"
    assert tree.plan_path("3f9a", 1) == "plans/3f9a.json"


@pytest.mark.parametrize(
    ("path", "part"), [("lock.json", "lock"), ("state/server/a.json", "state"), ("audit/2026-01/1-a.json", "audit"), ("x", "x")]
)
def test_the_part_a_path_belongs_to(path: str, part: str) -> None:
    assert tree.part(path) == part


# --- files -----------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda v: st.lists(v, max_size=2) | st.dictionaries(st.text(max_size=3), v, max_size=2),
    max_leaves=5,
)
maps = st.dictionaries(st.text(max_size=5), json_values, max_size=3)
lifecycles = st.builds(
    Lifecycle, st.booleans(), st.booleans(), st.lists(st.text(max_size=3), max_size=2).map(tuple), st.none() | addresses
)
resources = st.builds(
    RecordedResource, addresses, st.just("fake"), maps, maps, st.lists(addresses, max_size=2).map(tuple),
    lifecycles, st.text(max_size=3), st.sampled_from(Status), st.none() | addresses, st.text(max_size=3), st.text(max_size=3),
)  # fmt: skip


@given(resources)
def test_a_resource_survives_its_file(resource: RecordedResource) -> None:
    assert tree.resource_of(tree.parse(encode(tree.resource_document(resource)))) == resource


@pytest.mark.parametrize("pin", [None, False, Pin("commit:c1", "c1", "rollback")])
def test_a_run_survives_its_file_without_its_plan(pin: Pin | bool | None) -> None:
    run = RunRecord("r1", "dev", "running", "p1", {"steps": []}, "c1", "t1", "Ann", "host", "apply", "write", pin, 5.5, 0.0, 3, 0)
    read = tree.run_of(tree.parse(tree.run_bytes(run)))
    assert read == RunRecord("r1", "dev", "running", "p1", {}, "c1", "t1", "Ann", "host", "apply", "write", pin, 5, 0, 3, 0)


def test_an_intent_keeps_the_run_it_belongs_to() -> None:
    intent = Intent("op1", "key", "server/a", "create", "create", "fake", "digest", 4)
    assert tree.intent_of(tree.parse(tree.intent_bytes(intent, "r1"))) == (intent, "r1")


def test_beyond_the_first_thousand_there_is_a_hash_level() -> None:
    assert tree.state_places("server/web-01") == ("state/server/web-01.json", "state/~server/6c/web-01.json")
    one, other = (tree.spread_path(f"taskserv/web-01/{name}") for name in ("nginx", "etcd"))
    assert one.split("/")[:4] == other.split("/")[:4] == ["state", "~taskserv", one.split("/")[2], "web-01"]
    assert tree.state_places("server/web-01", 2) == ("state/server/web-01.json",)


def test_small_files_survive() -> None:
    pin, marker, meta = Pin("commit:c1", "c1"), Converged("i", "s", {"steps": []}), tree.genesis("w1", "dev", "r")
    assert tree.pin_of(tree.parse(tree.value_bytes(pin))) == pin
    assert tree.converged_of(tree.parse(tree.converged_bytes(marker))) == marker
    assert tree.meta_of(tree.parse(tree.value_bytes(meta))) == meta == Meta(3, "w1", "dev", "r")


GOOD: dict[str, Any] = json.loads(encode(tree.resource_document(RecordedResource("server/a", "fake", {}))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"declared": []}, "field 'declared' is not an object"),
        ({"depends_on": "server/b"}, "field 'depends_on' is not a list"),
        ({"status": "fine"}, "field 'status' is broken"),
        ({"lifecycle": {"never": True}}, "field 'lifecycle' has the unknown field 'never'"),
        ({"implied_by": 1}, "field 'implied_by' is not text"),
        ({"owner": "me"}, "has the unknown field 'owner'"),
    ],
)
def test_a_resource_edited_by_hand_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(Malformed) as caught:
        tree.resource_of({**GOOD, **change})
    assert str(caught.value) == message


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b"[" * 200_000])
def test_what_is_not_json_is_refused_and_is_no_lock(raw: bytes) -> None:
    with pytest.raises(Malformed, match="is not JSON"):
        tree.parse(raw)
    problem = tree.lock_of(raw)
    assert isinstance(problem, Problem)
    assert problem.message == "lock.json is not JSON"


@pytest.mark.parametrize("started", [1.5, "1", True])
def test_times_are_whole_numbers(started: Any) -> None:
    run = json.loads(tree.run_bytes(RunRecord("r1", "dev", "running", "p1")))
    with pytest.raises(Malformed, match="field 'started' is not a whole number"):
        tree.run_of({**run, "started": started})
