"""However much is recorded, in whatever order: no folder holds many more than a thousand names, and nothing lies twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.ledger import spread, tree
from gitops.ledger.audit import verify
from gitops.ledger.spread import Spread
from gitops.ledger.view import View
from gitops.ports import Person
from gitops.stops import Stop

if TYPE_CHECKING:
    from .conftest import Site, World


class Folder:
    """Files by path, changed as a commit does."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def beside(self, folder: str) -> set[str]:
        return {path.split("/")[2] for path in self.files if path.startswith(f"{folder}/")}

    def make(self, edits: dict[str, bytes | None]) -> None:
        for path in (p for p, content in edits.items() if content is None):
            self.files.pop(path, None)
        self.files |= {path: content for path, content in edits.items() if content is not None}


def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread, "CROWDED", 3)


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch)


ACTS = st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.booleans()), max_size=60)


@given(ACTS)
def test_each_is_in_one_place_and_no_folder_is_crowded(acts: list[tuple[int, bool, bool]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        few(patch)
        folder, wanted = Folder(), dict[str, bytes]()
        layout = Spread(folder.beside)
        for number, put, anew in acts:
            address = f"taskserv/host-{number // 2}/t{number % 2}"
            content = b"%d" % len(wanted) if put else None
            folder.make(layout.edits(address, content))
            wanted.pop(address, None)
            if content is not None:
                wanted[address] = content
            # the next holder starts from what it finds
            layout = Spread(folder.beside) if anew else layout
        found: dict[str, bytes] = {}
        for path, content in folder.files.items():
            address = next(a for a in (f"taskserv/host-{n // 2}/t{n % 2}" for n in range(10)) if path in tree.state_places(a))
            assert address not in found
            found[address] = content
        assert found == wanted
        assert len(folder.beside("state/taskserv")) <= 3


def test_a_ledger_grows_past_the_limit_and_stays_without_fault(
    site: Site, done: Any, intent: Any, run: Any, crowded: None
) -> None:
    names = [f"server/s{number}" for number in range(8)]
    with site.acquire() as held:
        held.begin_run(run())
        for number, name in enumerate(names):
            held.record([], [intent(held, f"op{number}", name)])
            held.record([done(f"op{number}", name)], [])
    view = site.ledger.view()
    assert sorted(view.beside("state/server")) == ["s0.json", "s1.json", "s2.json"]
    assert len(view.recorded().resources) == 8
    with site.acquire("r2") as held:
        held.amend("forget", names[0], None, "x")
        held.amend("forget", names[7], None, "x")
        moved = replace(view.recorded().resources[names[1]], address="server/moved")
        held.amend("move", names[1], moved, "x", renamed_to="server/moved")
    view = site.ledger.view()
    assert sorted(view.recorded().resources) == sorted([*names[2:7], "server/moved"])
    assert verify(site.repository, view.tip, "dev", "w1").findings == ()


def test_recorded_twice_is_damaged(world: World, site: Site, done: Any, intent: Any, run: Any) -> None:
    with site.acquire() as held:
        held.record([], [intent(held)])
        held.record([done()], [])
    view = site.ledger.view()
    oid = site.repository.entries(view.tip, "state/server")["web-01.json"].oid
    twice = site.repository.write(view.tip, {tree.spread_path("server/web-01"): oid}, "twice", Person("eve", "eve@example.org"))
    with pytest.raises(Stop, match="server/web-01 is recorded twice, at state/server/"):
        View(site.repository, "dev", twice).recorded()
