"""The remote is away: the ledger goes on at a mirror, and comes home; who went on at home meanwhile is found out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

LEDGER = "refs/heads/provisioning/ledger/shop"
SMALL = "settings: {provider: fake}\nservers: {a-01: {}}\n"
MORE = "settings: {provider: fake}\nservers: {a-01: {}, b-01: {}}\n"


class Places:
    """``origin`` and a ``mirror`` of it."""

    def __init__(self, desk: Any, folder: Path) -> None:
        self.desk = desk
        self.origin = Path(desk.git("remote", "get-url", "origin"))
        self.mirror = folder / "mirror.git"
        self.aside = folder / "aside.git"
        desk.git("clone", "--quiet", "--mirror", str(self.origin), str(self.mirror), cwd=folder)

    def away(self) -> None:
        self.origin.rename(self.aside)

    def here_again(self) -> None:
        self.aside.rename(self.origin)

    def tip(self, place: Path) -> str:
        return str(self.desk.git("--git-dir", str(place), "rev-parse", LEDGER))


@pytest.fixture
def places(office: Any, tmp_path: Path) -> Places:
    """The mirror was made before the last run, as mirrors are."""
    office.commit({"infra/shop/main.yaml": SMALL})
    office("apply", "--yes")
    made = Places(office, tmp_path)
    office.commit({"infra/shop/main.yaml": MORE})
    office("apply", "--yes")
    return made


def detour(desk: Any, places: Places, **more: Any) -> Any:
    return desk("ledger", "detour", "--remote", str(places.mirror), "--reason", "the forge is down", "--yes", **more)


def comes_back(desk: Any, places: Places, **more: Any) -> Any:
    return desk("ledger", "return", "--remote", str(places.mirror), "--reason", "the forge is up", "--yes", **more)


def test_there_and_back(office: Any, places: Places, tmp_path: Path) -> None:
    mirror = str(places.mirror)
    other = office.another(tmp_path / "other")
    other("plan")
    assert f"{mirror} is behind" in office("apply", "--yes", "--remote", mirror, code=4).last
    places.away()
    assert "cannot be reached" in office("apply", "--yes", code=1).last
    assert "nobody may apply there before the return" in detour(office, places).last
    assert "goes on at" in detour(office, places).last
    office.git("push", "--quiet", mirror, "HEAD:main")
    office.commit({"infra/shop/main.yaml": SMALL}, push=False)
    office.git("push", "--quiet", mirror, "HEAD:main")
    office("apply", "--yes", "--remote", mirror)
    assert office("plan", "--detailed-exitcode", PROVISIONING_REMOTE=mirror).code == 0
    assert "verified" in office("audit", "verify", "--remote", mirror).out
    assert len(other("state", "list", "--remote", mirror, "--out", "json").json["resources"]) == 1

    places.here_again()
    office.git("push", "--quiet", "origin", "HEAD:main")
    for desk in (office, other):
        refused = desk("apply", "--yes", code=4).last
        assert f"go on at {mirror}" in refused
        assert "ledger return -i shop" in refused
    assert f"shop is at {places.origin} again" in comes_back(office, places).last
    assert places.tip(places.origin) == places.tip(places.mirror)
    comes_back(office, places)
    assert "lives at" in office("lock", "acquire", "--reason", "x", "--remote", mirror, code=4).last
    office.commit({"infra/shop/main.yaml": MORE})
    office("apply", "--yes")
    other.git("pull", "--quiet")
    assert other("plan", "--detailed-exitcode").code == 0
    assert "verified" in other("audit", "verify").out
    moves = [e["message"] for e in other("audit", "log", "--out", "json").json["entries"] if e["action"] == "move-remote"]
    assert moves == [f"from {mirror} to {places.origin}", f"from {places.origin} to {mirror}"]


def test_a_remote_that_still_answers_is_fenced_for_everybody(office: Any, places: Places, tmp_path: Path) -> None:
    other = office.another(tmp_path / "other")
    other("plan")
    assert "which refuses it now" in detour(office, places).last
    assert places.tip(places.origin) == places.tip(places.mirror)
    assert "lives at" in other("lock", "acquire", "--reason", "x", code=4).last
    comes_back(other, places)
    other("lock", "acquire", "--reason", "x")


def test_a_holder_that_is_not_known_dead_is_waited_for_and_fenced_out(office: Any, places: Places) -> None:
    office("lock", "acquire", "--reason", "looking", "--for", "1h")
    assert "is locked by" in detour(office, places, code=7).last
    places.away()
    detour(office, places)
    office("lock", "acquire", "--reason", "at the mirror", "--remote", str(places.mirror))


@pytest.mark.parametrize("keep", ["home", "mirror"])
def test_who_went_on_at_home_meanwhile_is_found_out_both_are_held_and_a_person_decides(
    office: Any, places: Places, tmp_path: Path, keep: str
) -> None:
    mirror = str(places.mirror)
    other = office.another(tmp_path / "other")
    other("plan")
    places.away()
    detour(office, places)
    office("lock", "acquire", "--reason", "at the mirror", "--remote", mirror)
    office("lock", "release", "--remote", mirror)
    places.here_again()
    other("lock", "acquire", "--reason", "at home")
    other("lock", "release")

    home, away = places.tip(places.origin), places.tip(places.mirror)
    stopped = comes_back(office, places, code=1).last
    assert f"2 moves at {places.origin} up to {home[:12]}" in stopped
    assert f"3 moves at {mirror} up to {away[:12]}" in stopped
    assert "not held" not in stopped
    for number, where in enumerate(((), ("--remote", mirror))):
        fresh = office.another(tmp_path / f"fresh{number}")
        assert "is held by" in fresh("lock", "acquire", "--reason", "x", *where, code=7).last

    assert "goes on in two ways" in office("state", "repair", "--from", mirror, code=1).out
    chosen = places.tip(places.origin if keep == "home" else places.mirror)
    office("state", "repair", "--from", mirror, "--keep", chosen[:12], "--yes", "--reason", "looked at both")
    comes_back(office, places)
    assert places.tip(places.origin) == places.tip(places.mirror)
    for desk in (office, other):
        desk("lock", "acquire", "--reason", "x")
        desk("lock", "release")
    office("lock", "acquire", "--reason", "x", "--remote", mirror, code=4)
    assert "verified" in other("audit", "verify").out


def test_a_place_that_is_no_mirror_is_refused(office: Any, places: Places, tmp_path: Path) -> None:
    assert "--remote URL" in office("ledger", "detour", "--reason", "x", "--yes", code=2).last
    fork, empty = tmp_path / "fork.git", tmp_path / "empty.git"
    office.git("clone", "--quiet", "--bare", str(places.origin), str(fork), cwd=tmp_path)
    office.git("--git-dir", str(fork), "update-ref", LEDGER, "refs/heads/main")
    office.git("init", "--quiet", "--bare", str(empty), cwd=tmp_path)
    places.away()
    refused = office("ledger", "detour", "--remote", str(fork), "--reason", "x", "--yes", code=1).last
    assert "it is no mirror of this one" in refused
    assert "is behind" in office("lock", "acquire", "--reason", "x", "--remote", str(empty), code=4).last
    assert office.git("--git-dir", str(empty), "for-each-ref", "refs/heads/provisioning/ledger") == ""
