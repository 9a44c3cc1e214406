"""Looking at a ledger, and everything together over real remotes."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from executors.clocks import SystemClock
from gitops.git.local import GitRepository, open_repository
from gitops.git.remote import GitRemote
from gitops.ledger.audit import verify
from gitops.ledger.chain import LOCAL
from gitops.ledger.holder import actor
from gitops.ledger.ledger import Ledger
from gitops.ports import Person, Pushed
from gitops.schema.workspace import LedgerConfig
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from .conftest import Site, World

REF = "refs/heads/provisioning/ledger/dev"
LOST = Pushed.UNKNOWN


# --- looking -----------------------------------------------------------------------------------------------


def test_a_look_without_news_is_one_question_to_the_remote(applied: World, site: Site) -> None:
    site.ledger.view()
    before = applied.looks
    first = site.ledger.view()
    assert applied.looks == before + 1
    assert site.ledger.view() is first


def test_a_tip_somebody_has_just_read_costs_no_question(applied: World, site: Site) -> None:
    before = applied.looks
    assert site.ledger.view(known=applied.server.refs).tip == applied.tip
    assert applied.looks == before


def test_offline_shows_what_this_clone_saw_last(applied: World, site: Site) -> None:
    applied.server.reachable = False
    assert site.ledger.view(offline=True).recorded().resources
    with pytest.raises(Stop, match="cannot be reached") as caught:
        site.ledger.view()
    assert caught.value.code is Exit.FAILURE


def test_offline_what_was_never_seen_is_unknown_and_not_empty(world: World, site: Site) -> None:
    with pytest.raises(Stop, match="this clone has not seen the ledger of 'dev' yet") as caught:
        site.ledger.view(offline=True)
    assert caught.value.code is Exit.FAILURE


def test_looking_writes_nothing(world: World, site: Site) -> None:
    site.ledger.view()
    assert world.server.refs == {}
    assert world.pushes == []


@pytest.mark.parametrize("how", ["gone", "rewound"])
def test_a_rewritten_ledger_stops_everything(applied: World, site: Site, how: str) -> None:
    tip = applied.tip
    if how == "gone":
        del applied.server.refs[REF]
    else:
        applied.server.refs[REF] = site.repository.history(tip)[1].oid
    for act in (site.ledger.view, lambda: site.acquire().__enter__(), lambda: site.ledger.break_lock("x")):
        with pytest.raises(Stop, match="the ledger of 'dev' was rewritten") as caught:
            act()
        assert caught.value.code is Exit.FAILURE
    assert site.repository.refs[f"{LOCAL}/dev"] == tip


@pytest.mark.parametrize("fresh", [False, True])
def test_a_state_file_edited_by_hand_stops_whoever_looks_and_is_not_remembered(applied: World, site: Site, fresh: bool) -> None:
    person = site.ledger._actor.person
    tip = site.repository.write(applied.tip, {"state/server/web-01.json": b"{}\n"}, "fix", replace(person, name="bob"))
    applied.server.objects |= site.repository.objects
    applied.server.refs[REF] = tip
    looker = applied.site("bob") if fresh else site
    for _ in range(2):
        with pytest.raises(Stop) as caught:
            looker.ledger.view()
    assert caught.value.code is Exit.FAILURE
    assert f"the ledger of 'dev' was changed by something else than provisioning: {tip[:12]}" in caught.value.message
    assert "state repair -i dev" in caught.value.hint


def test_a_ledger_of_a_newer_version_is_refused_as_such(applied: World, site: Site) -> None:
    raw = site.repository.blobs([site.repository.entries(applied.tip)["lock.json"].oid]).popitem()[1]
    newer = raw.replace(b'"format":3', b'"format":4')
    tip = site.repository.write(applied.tip, {"lock.json": newer}, "newer", site.ledger._actor.person)
    applied.server.objects |= site.repository.objects
    applied.server.refs[REF] = tip
    for act in (site.ledger.view, lambda: site.acquire().__enter__()):
        with pytest.raises(Stop) as caught:
            act()
        assert (caught.value.code, caught.value.hint) == (Exit.INVALID, "use the newer provisioning")


# --- over real remotes -------------------------------------------------------------------------------------


def real_site(folder: Path, remote: Any, name: str) -> tuple[GitRepository, Ledger]:
    """A process in a clone of its own, with this machine's clock."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", **remote.environ}
    subprocess.run(["git", "init", "--quiet", str(folder / name)], check=True, env=environ)
    repository = open_repository(folder / name, environ)
    me = actor(Person(name, f"{name}@example.org"), {})
    shared = GitRemote(repository.git, remote.url)
    return repository, Ledger(repository, shared, "dev", "w1", LedgerConfig(), SystemClock(), me, "shared")


@pytest.mark.slow
def test_contenders_in_clones_of_their_own_each_get_one_turn(git_remote: Any, tmp_path: Path, intent: Any, done: Any) -> None:
    """Four of them, in threads: each takes the lock, records one resource, and lets go."""
    remote = git_remote("estate")
    sites = [real_site(tmp_path, remote, f"p{n}") for n in range(4)]
    inside: list[str] = []
    together: list[int] = []

    def work(number: int) -> int:
        with sites[number][1].acquire("write", f"r{number}", "p1", "apply", 100, inside.append) as held:
            together.append(1)
            assert len(together) == 1
            op, address = f"op{number}", f"server/web-0{number}"
            held.record([], [intent(held, op, address)])
            held.record([done(op, address)], [])
            together.pop()
            return held.token

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(work, range(4))) == [1, 2, 3, 4]
    repository, ledger = sites[0]
    view = ledger.view()
    assert len(view.recorded().resources) == 4
    assert verify(repository, view.tip, "dev", "w1").findings == ()
    for clone, _ in sites:
        clone.close()
    with open_repository(remote.path, {"PATH": os.environ["PATH"]}) as bare:
        assert verify(bare, view.tip, "dev", "w1").findings == ()
