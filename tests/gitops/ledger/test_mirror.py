"""One chain and two remotes: what is brought where, and that two lines are never made into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from gitops.git.memory import MemoryRemote, MemoryServer
from gitops.ledger.audit import verify
from gitops.ledger.chain import Backoff, Chain
from gitops.ledger.lock import State
from gitops.ledger.mirror import Bound, PartedError, carry, moved, stopped
from gitops.ledger.transition import Draft
from gitops.ledger.view import View
from gitops.ports import GitError, Pushed, RefUpdate
from gitops.stops import Exit, Stop

from .conftest import REF

if TYPE_CHECKING:
    from .conftest import Site, World

THERE = Bound("memory://mirror", "memory://shared")


@pytest.fixture
def mirror(applied: World) -> MemoryServer:
    """A second server, empty so far."""
    return MemoryServer()


@pytest.fixture
def chain(site: Site, mirror: MemoryServer) -> Chain:
    """The ledger's chain in the clone of ``site``, at the mirror."""
    remote = MemoryRemote(site.repository, mirror, "memory://mirror")
    return Chain(site.repository, remote, "dev", Backoff(site.clock, lambda: 0.5))


@pytest.mark.parametrize("back", [None, 3, 1, 0])
def test_a_mirror_that_lags_or_is_empty_is_brought_forward(
    applied: World, site: Site, mirror: MemoryServer, chain: Chain, back: int | None
) -> None:
    if back is not None:
        carry(chain, site.repository.history(applied.tip)[back].oid)
    carry(chain, applied.tip)
    assert mirror.refs == {REF: applied.tip}


def test_what_went_on_from_there_is_left_as_it_is(applied: World, site: Site, mirror: MemoryServer, chain: Chain) -> None:
    carry(chain, applied.tip)
    carry(chain, site.repository.history(applied.tip)[2].oid)
    assert mirror.refs == {REF: applied.tip}


def test_two_lines_are_told_and_neither_is_moved(applied: World, site: Site, mirror: MemoryServer, chain: Chain) -> None:
    base, lock = applied.tip, site.ledger.view().lock
    one, two = (site.ledger.writer.commit(base, lock, Draft("move-remote", lock))[0] for _ in range(2))
    carry(chain, one)
    with pytest.raises(PartedError) as parted:
        carry(chain, two)
    assert parted.value.there == one == mirror.refs[REF]


def test_lost_requests_are_sent_again_and_lost_answers_read(applied: World, mirror: MemoryServer, chain: Chain) -> None:
    sent: list[str] = []

    def lose(updates: Sequence[RefUpdate]) -> Pushed | None:
        sent.append(updates[0].new)
        return Pushed.UNKNOWN if len(sent) == 1 else None

    mirror.before, mirror.after = lose, lambda updates, outcome: Pushed.UNKNOWN
    carry(chain, applied.tip)
    assert sent == [applied.tip] * 2
    mirror.before = lambda updates: Pushed.UNKNOWN
    mirror.refs.clear()
    with pytest.raises(GitError, match="does not take the ledger of 'dev'"):
        carry(chain, applied.tip)


def test_the_move_remembers_the_way_home_and_is_legal(applied: World, site: Site) -> None:
    tip = moved(site.ledger.writer, site.ledger.view(), THERE, "the forge is down")
    view = View(site.repository, "dev", tip)
    assert view.meta is not None
    assert (view.meta.remote, view.meta.home) == (THERE.remote, THERE.home)
    assert verify(site.repository, tip, "dev", "w1").findings == ()
    assert applied.tip != tip


def test_whoever_had_the_lock_loses_it_by_the_move(world: World, site: Site) -> None:
    block = site.acquire()
    held = block.__enter__()
    world.kept.append(block)
    view = View(site.repository, "dev", world.tip)
    tip = moved(site.ledger.writer, view, THERE, "the forge is down")
    lock = View(site.repository, "dev", tip).lock
    assert (lock.state, lock.token) == (State.FREE, held.token + 1)
    assert [e.action for e in View(site.repository, "dev", tip).entries()][:2] == ["move-remote", "break"]
    assert verify(site.repository, tip, "dev", "w1").findings == ()


def test_the_remote_that_was_left_refuses_it_and_says_where_it_is(applied: World, site: Site) -> None:
    view = site.ledger.view()
    site.ledger.writer.chain.send(view.tip, moved(site.ledger.writer, view, THERE, "the forge is down"))
    with pytest.raises(Stop, match="lives at memory://mirror") as caught:
        site.acquire("r2").__enter__()
    assert caught.value.code is Exit.DENIED


def test_a_clone_that_saw_it_go_on_elsewhere_is_told_so_where_it_is_behind(
    applied: World, site: Site, mirror: MemoryServer, chain: Chain
) -> None:
    tip = moved(site.ledger.writer, site.ledger.view(), THERE, "the forge is down")
    carry(chain, tip)
    assert chain.fetch() == tip
    with pytest.raises(Stop, match="go on at memory://mirror, and memory://shared is behind") as caught:
        site.ledger.view()
    assert "ledger return -i dev" in caught.value.hint


def test_no_ledger_begins_at_a_mirror(world: World) -> None:
    with pytest.raises(Stop, match="has no ledger at") as caught:
        world.site("ann", home="memory://home").acquire().__enter__()
    assert caught.value.code is Exit.DENIED
    assert world.server.refs == {}


def test_a_side_that_is_free_is_held_and_one_at_work_is_left_alone(applied: World, site: Site) -> None:
    assert stopped(site.ledger.writer, site.ledger.view(), "two lines")
    lock = site.ledger.view().lock
    assert (lock.state, lock.reason) == (State.HOLD, "two lines")
    assert stopped(site.ledger.writer, site.ledger.view(), "two lines")
    site.ledger.release_hold()
    with site.acquire("r2"):
        before = applied.tip
        assert not stopped(site.ledger.writer, View(site.repository, "dev", before), "two lines")
        assert applied.tip == before
    assert verify(site.repository, applied.tip, "dev", "w1").findings == ()
