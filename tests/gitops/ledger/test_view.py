"""One tip read on demand, and a damaged one refused in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gitops.git.memory import MemoryRepository
from gitops.ledger.lock import Lock
from gitops.ledger.view import View
from gitops.ports import Person
from gitops.stops import Exit, Stop
from planners.model import Pin, Recorded

if TYPE_CHECKING:
    from .conftest import Site, World

ANN = Person("ann", "ann@example.org")


@pytest.fixture
def view(applied: World, site: Site) -> View:
    return site.ledger.view()


@pytest.fixture
def spoiled(applied: World, site: Site) -> Callable[..., View]:
    """A view of the ledger after an edit by hand."""

    def make(edits: dict[str, bytes | str | None]) -> View:
        return View(site.repository, "dev", site.repository.write(applied.tip, edits, "by hand", ANN))

    return make


def test_no_ledger_is_free_and_empty(site: Site) -> None:
    view = site.ledger.view()
    assert (view.tip, view.lock, view.pin, view.converged, view.meta, view.state_tree) == ("", Lock(), None, None, None, "")
    assert (view.open_intents, view.runs(), view.run("r1"), view.interrupted_runs(), view.step_results("r1")) == (
        (),
        (),
        None,
        (),
        (),
    )
    assert view.recorded() == Recorded("dev", {})


def test_what_a_run_left(view: View) -> None:
    recorded = view.recorded()
    assert list(recorded.resources) == ["server/web-01", "server/web-02", "server/web-03"]
    assert recorded.resources["server/web-02"].observed == {"id": "id-op2"}
    assert (recorded.tip, recorded.infra, recorded.pin) == (view.tip, "dev", None)
    assert len(view.state_tree) == 40


def test_runs_come_without_their_plan_and_one_run_with_it(view: View) -> None:
    (listed,) = view.runs()
    run = view.run("r1")
    assert (listed.id, listed.status, listed.plan, listed.document) == ("r1", "succeeded", "p1", {})
    assert run is not None
    assert (run.document, replace(run, document={})) == ({"id": "p1", "steps": []}, listed)
    assert view.run("r2") is view.run("") is None


def test_steps_are_told_in_the_order_they_ended(view: View) -> None:
    steps = view.step_results("r1")
    assert [(s.address, s.status, s.op, s.output) for s in steps] == [
        (f"server/web-0{n}", "done", f"op{n}", "made") for n in (1, 2, 3)
    ]
    assert view.finished_ops("r1") == {"op1", "op2", "op3"}
    assert view.finished_ops("r2") == frozenset()


@pytest.mark.parametrize(
    "clock", [(1001, 1002, 1003), (1001, 1001, 1001), (1003, 1001, 1002)], ids=["right", "one second", "wrong"]
)
@pytest.mark.parametrize("names", [("r1", "r2", "r3"), ("r3", "r1", "r2")], ids=["rising", "mixed"])
def test_newest_runs_come_first_whatever_clocks_and_names_say(
    site: Site, run: Any, clock: Sequence[int], names: Sequence[str]
) -> None:
    for name, started in zip(names, clock, strict=True):
        with site.acquire(name) as held:
            held.begin_run(run(name, started=float(started)))
            held.finish_run(name, "failed", None)
    assert [r.id for r in site.ledger.view().runs()] == [*reversed(names)]
    for name in names:
        with site.acquire(name) as held:
            held.finish_run(name, "running", None)
    assert [r.id for r in site.ledger.view().interrupted_runs()] == [*names]


def test_the_pin_is_part_of_what_is_recorded(site: Site) -> None:
    with site.acquire() as held:
        held.set_pin(Pin("commit:c1", "c1", "rollback"))
    view = site.ledger.view()
    assert view.pin == view.recorded().pin == Pin("commit:c1", "c1", "rollback")


DATED = "20261124-140509-3f9a1c"


def test_a_run_that_is_over_is_found_by_its_day_and_does_not_lie_with_those_that_go_on(site: Site, run: Any) -> None:
    with site.acquire(DATED) as held:
        held.begin_run(run(DATED))
        assert [*site.repository.entries(held.view().tip, "runs")] == [f"{DATED}.json"]
        held.finish_run(DATED, "failed", None)
    view = site.ledger.view()
    assert [*site.repository.entries(view.tip, "runs", recursive=True)] == [f"2026-11/24/{DATED}.json"]
    found = view.run(DATED)
    assert found is not None
    assert (found.status, found.document, [r.id for r in view.runs()]) == ("failed", {"id": "p1", "steps": []}, [DATED])


def test_a_run_that_is_gone_on_with_comes_back_from_its_day(site: Site, run: Any) -> None:
    with site.acquire(DATED) as held:
        held.begin_run(run(DATED))
        held.finish_run(DATED, "failed", None)
    with site.acquire(DATED) as held:
        assert [*site.repository.entries(held.view().tip, "runs", recursive=True)] == [f"{DATED}.json"]
        held.finish_run(DATED, "succeeded", None)
    assert [(r.id, r.status) for r in site.ledger.view().runs()] == [(DATED, "succeeded")]


def test_what_was_interrupted_is_found_without_the_runs_that_are_over(site: Site, run: Any) -> None:
    for number in (1, 2, 3):
        with site.acquire(f"2026112{number}-1") as held:
            held.begin_run(run(f"2026112{number}-1"))
            if number != 2:
                held.finish_run(f"2026112{number}-1", "succeeded", None)
            held.view()
    reading: Any = Reading(site.repository)
    assert [r.id for r in View(reading, "dev", site.ledger.view().tip).interrupted_runs()] == ["20261122-1"]
    assert "runs" in reading.names
    assert not any(name.startswith("runs/") for name in reading.names)


class Reading:
    """A repository that says which files were read."""

    def __init__(self, inner: MemoryRepository) -> None:
        self.inner = inner
        self.names: list[str] = []
        self.batches = 0

    def entries(self, treeish: str, path: str = "", recursive: bool = False) -> Any:
        self.names.append(path or "/")
        return self.inner.entries(treeish, path, recursive)

    def blobs(self, oids: Any) -> Any:
        self.batches += 1
        return self.inner.blobs(oids)


def test_what_a_plan_without_changes_asks_reads_neither_state_nor_runs_nor_audit(applied: World, site: Site) -> None:
    reading: Any = Reading(site.repository)
    view = View(reading, "dev", applied.tip)
    assert (view.lock.state, view.pin, view.converged, view.open_intents, bool(view.state_tree)) == ("FREE", None, None, (), True)
    assert reading.names == ["/"]
    assert reading.batches == 1


def test_the_whole_state_is_read_at_once_and_only_once(applied: World, site: Site) -> None:
    reading: Any = Reading(site.repository)
    view = View(reading, "dev", applied.tip)
    assert view.recorded() is view.recorded()
    assert (reading.names, reading.batches) == (["/", "state"], 1)


def test_the_newest_entries_are_read_without_the_older_ones(applied: World, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gitops.ledger.view.AT_ONCE", 2)
    reading: Any = Reading(site.repository)
    entries = View(reading, "dev", applied.tip).entries()
    assert [next(iter(entries)).seq, reading.batches] == [6, 2]


# --- damage ----------------------------------------------------------------------------------------------

ASK: dict[str, Callable[[View], Any]] = {
    "lock": lambda v: v.lock, "meta": lambda v: v.meta, "pin": lambda v: v.pin, "converged": lambda v: v.converged,
    "intents": lambda v: v.open_intents, "state": lambda v: v.recorded(), "runs": lambda v: v.runs(),
    "run": lambda v: v.run("r1"), "audit": lambda v: list(v.entries()), "steps": lambda v: v.step_results("r1"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("ask", "edits", "what"),
    [
        ("lock", {"lock.json": None}, "lock.json is missing"),
        ("lock", {"lock.json": b"{"}, "lock.json is not JSON"),
        ("lock", {"lock.json": b"[]"}, "lock.json is not an object"),
        ("meta", {"meta.json": b"{}"}, "meta.json lacks the field 'format'"),
        ("pin", {"pin.json": b"1"}, "pin.json is not an object"),
        ("converged", {"converged.json": b'{"inputs":1}'}, "converged.json field 'inputs' is not of type str"),
        ("intents", {"intents/op1.json": b"{}"}, "intents/op1.json lacks the field 'op'"),
        ("intents", {"intents/op1.json": b"\xff"}, "intents/op1.json is not JSON"),
        ("state", {"state/server/web-01.json": b"{}"}, "state/server/web-01.json lacks the field 'address'"),
        ("runs", {"runs/r1.json": b"{}"}, "runs/r1.json lacks the field 'id'"),
        ("run", {"runs/r1.json": b"{}"}, "runs/r1.json lacks the field 'id'"),
        ("run", {"plans/p1/p1.json": b"[]"}, "plans/p1/p1.json is not an object"),
        (
            "audit",
            {"audit/2023-11/00000001-x.json": b'{"seq":"1"}'},
            "audit/2023-11/00000001-x.json field 'seq' is not of type int",
        ),
    ],
)
def test_a_damaged_file_stops_whoever_asks_for_it(spoiled: Any, ask: str, edits: Any, what: str) -> None:
    view = spoiled(edits)
    with pytest.raises(Stop) as caught:
        ASK[ask](view)
    assert caught.value.code is Exit.FAILURE
    assert caught.value.message == f"the ledger of 'dev' is damaged at {view.tip[:12]}: {what}"
    assert "audit verify -i dev" in caught.value.hint


def test_a_resource_in_the_wrong_place_is_damage(spoiled: Any, applied: World, site: Site) -> None:
    oid = site.repository.entries(applied.tip, "state/server")["web-01.json"].oid
    with pytest.raises(Stop, match=r"state/server/other\.json holds server/web-01"):
        spoiled({"state/server/other.json": oid}).recorded()


@pytest.mark.parametrize("ask", ["lock", "state", "audit"])
def test_a_newer_format_is_refused_as_such(spoiled: Any, ask: str) -> None:
    view = spoiled({"lock.json": b'{"format":4}'})
    with pytest.raises(Stop) as caught:
        _ = view.lock
    assert (caught.value.code, caught.value.hint) == (Exit.INVALID, "use the newer provisioning")
    assert caught.value.message == "the ledger of 'dev': the ledger has format 4 and this version reads up to 3"


@pytest.mark.parametrize("ask", ASK)
def test_objects_that_are_missing_are_never_empty(applied: World, ask: str) -> None:
    empty, _ = applied.server.clone()
    with pytest.raises(Stop, match="cannot be read") as caught:
        ASK[ask](View(empty, "dev", applied.tip))
    assert caught.value.code is Exit.FAILURE


def test_some_records_are_read_without_the_others(applied: World, site: Site) -> None:
    reading: Any = Reading(site.repository)
    view = View(reading, "dev", site.ledger.view().tip)
    assert view.records(["server/web-01", "server/nobody"]).keys() == {"server/web-01"}
    assert view.is_recorded("server/web-01") and not view.is_recorded("server/nobody")
    assert reading.batches == 1 and "state" not in reading.names


def test_a_record_that_is_another_s_is_damage(spoiled: Any, applied: World, site: Site) -> None:
    content = b'{"address":"server/other","declared":{},"depends_on":[],"extension":"","implied_by":null,"lifecycle":{},'
    content += b'"observed":{},"plan":"","provider":"fake","run":"","source_commit":"","status":"ready"}\n'
    view = spoiled({"state/server/web-01.json": content})
    with pytest.raises(Stop, match=r"state/server/web-01\.json holds server/other"):
        view.records(["server/web-01"])
