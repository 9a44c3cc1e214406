"""A detour and its return, killed at each push; who is waited for. What people see is in ``tests/scenarios/test_mirrors.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from executors.clocks import FakeClock
from gitops.detours import back, free, leave, quiet
from gitops.git.remote import GitRemote
from gitops.ledger.audit import verify
from gitops.ledger.holder import Holder
from gitops.ledger.lock import Claim, Lock, State
from gitops.ports import NOTHING, Pushed, RefUpdate
from gitops.stops import Exit, Stop
from gitops.wiring import Workspace, open_workspace

LEDGER = "refs/heads/provisioning/ledger/shop"
ANN = Holder("1" * 32, "Ann", "ann@example.org", "host-1", "boot", 7, "ticks")


class Killed(BaseException):
    """The process is gone."""


class Estate:
    """Ann's clone, its origin, and a mirror that is empty so far."""

    def __init__(self, person: Any, folder: Path, origin: Path, mirror: Path) -> None:
        self.person, self.folder, self.origin, self.mirror = person, folder, origin, mirror
        self.opened: list[Workspace] = []

    def at(self, remote: Path | str = "") -> Workspace:
        """Opened anew, as by another command."""
        environ = {**self.person.environ, "XDG_CACHE_HOME": str(self.person.home / "cache")}
        self.opened.append(open_workspace(self.folder, environ, str(remote)))
        return self.opened[-1]

    def tip(self, place: Path) -> str:
        return str(self.person.git(place, "rev-parse", LEDGER))

    def sound(self, place: Path, remote: str) -> bool:
        """Whether the line at ``place`` is legal and bound to ``remote``."""
        space = self.at("" if place == self.origin else place)
        view = space.ledger("shop").view()
        assert view.meta is not None
        return view.meta.remote == remote and verify(space.repository, view.tip, "shop", space.config.id).findings == ()


@pytest.fixture
def estate(meet: Callable[..., Any], file_remote: Callable[[str], Any], tmp_path: Path) -> Iterator[Estate]:
    ann, origin, mirror = meet("Ann"), file_remote("state").path, file_remote("mirror").path
    folder = tmp_path / "work"
    folder.mkdir()
    ann.git(folder, "init", "--quiet")
    ann.git(folder, "remote", "add", "origin", str(origin))
    ann.write(folder, {"workspace.yaml": "format: 1\nid: 0123456789abcdef\nname: test\n"})
    for place in ("origin", str(mirror)):
        ann.git(folder, "push", "--quiet", place, "HEAD:main")
    made = Estate(ann, folder, origin, mirror)
    ledger = made.at().ledger("shop")
    ledger.hold("look", 60)
    ledger.release_hold()
    yield made
    for space in made.opened:
        space.close()


@pytest.fixture
def killed_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, bool], Callable[[], None]]:
    """The process that sends the n-th push from now dies, its request served or not; what comes back revives it."""
    served = GitRemote.push

    def arm(number: int, lands: bool) -> Callable[[], None]:
        count = 0

        def push(self: GitRemote, updates: Sequence[RefUpdate], unmoved: Mapping[str, str] = NOTHING) -> Pushed:
            nonlocal count
            count += 1
            if count == number:
                if lands:
                    served(self, updates, unmoved)
                raise Killed
            return served(self, updates, unmoved)

        monkeypatch.setattr(GitRemote, "push", push)
        return lambda: monkeypatch.setattr(GitRemote, "push", served)

    return arm


@pytest.mark.parametrize(("away", "push"), [(True, 1), (False, 1), (False, 2)])
@pytest.mark.parametrize("lands", [False, True])
def test_a_detour_that_is_killed_is_finished_when_it_is_said_again(
    estate: Estate, killed_at: Any, away: bool, push: int, lands: bool
) -> None:
    gone = estate.origin.with_name("gone.git")
    if away:
        estate.origin.rename(gone)
    revive = killed_at(push, lands)
    with pytest.raises(Killed):
        leave(estate.at(estate.mirror), "shop", "the forge is down")
    revive()
    assert "goes on at" in leave(estate.at(estate.mirror), "shop", "the forge is down")
    assert estate.sound(estate.mirror, str(estate.mirror))
    if not away:
        assert estate.tip(estate.origin) == estate.tip(estate.mirror)


@pytest.mark.parametrize("push", [1, 2])
@pytest.mark.parametrize("lands", [False, True])
def test_a_return_that_is_killed_is_finished_when_it_is_said_again(
    estate: Estate, killed_at: Any, push: int, lands: bool
) -> None:
    gone = estate.origin.with_name("gone.git")
    estate.origin.rename(gone)
    leave(estate.at(estate.mirror), "shop", "the forge is down")
    gone.rename(estate.origin)
    revive = killed_at(push, lands)
    with pytest.raises(Killed):
        back(estate.at(estate.mirror), "shop", "the forge is up")
    revive()
    assert "again" in back(estate.at(estate.mirror), "shop", "the forge is up")
    assert estate.tip(estate.origin) == estate.tip(estate.mirror)
    assert estate.sound(estate.origin, str(estate.origin))


def test_a_ledger_that_was_rotated_at_the_mirror_comes_home_with_its_seal(estate: Estate) -> None:
    seen = estate.tip(estate.origin)
    leave(estate.at(estate.mirror), "shop", "the forge is down")
    estate.at(estate.mirror).ledger("shop").rotate("grown")
    back(estate.at(estate.mirror), "shop", "the forge is up")
    assert estate.sound(estate.origin, str(estate.origin))
    assert set(estate.at().remote.refs(["refs/heads/provisioning/ledger/*"])) == {LEDGER, f"{LEDGER}@2"}
    # whoever saw nothing since follows by the seal
    for ref in ("ledger", "sealed/ledger"):
        estate.person.git(estate.folder, "update-ref", "-d", f"refs/provisioning/{ref}/shop")
    estate.person.git(estate.folder, "update-ref", "refs/provisioning/ledger/shop", seen)
    meta = estate.at().ledger("shop").view().meta
    assert meta is not None
    assert (meta.generation, meta.remote, meta.home) == (2, str(estate.origin), "")


# --- who is at work --------------------------------------------------------------------------------------

HELD = Lock(state=State.HELD, kind="write", holder=ANN, lease_seconds=60, grace_seconds=30, reason="apply")


@pytest.mark.parametrize(
    ("lock", "dead", "waited"),
    [
        (Lock(), False, 0.0),
        (HELD, False, 105.0),
        (HELD, True, 0.0),
        (replace(HELD, state=State.HOLD, expires=9), False, 0.0),
        (replace(HELD, state=State.SHARED, holder=None, readers=(Claim(ANN, "read", 1),)), False, 105.0),
    ],
)
def test_a_holder_that_may_still_act_is_waited_for(lock: Lock, dead: bool, waited: float) -> None:
    clock, told = FakeClock(), list[str]()
    home: Any = SimpleNamespace(clock=clock, say=told.append, actor=SimpleNamespace(is_dead=lambda holder: dead))
    start = clock.monotonic()
    view: Any = SimpleNamespace(lock=lock)
    quiet(home, view)
    assert (clock.monotonic() - start, bool(told)) == (waited, waited > 0)


def test_whoever_is_at_work_is_not_cut_off() -> None:
    view: Any = SimpleNamespace(lock=HELD, infra="shop")
    with pytest.raises(Stop, match="locked by Ann") as caught:
        free(view)
    assert caught.value.code is Exit.LOCKED
