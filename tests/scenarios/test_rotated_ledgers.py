"""A ledger is sealed and goes on in another branch, for every clone; the sealed one can be taken away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

LEDGER = "refs/heads/provisioning/ledger/shop"


@pytest.fixture
def remote(office: Any) -> Path:
    return Path(office.git("remote", "get-url", "origin"))


def branches(desk: Any, remote: Path) -> list[str]:
    listed = desk.git("--git-dir", str(remote), "for-each-ref", "--format=%(refname)", "refs/heads/provisioning/ledger")
    return listed.split()


def test_every_clone_goes_on_in_the_next_chain(office: Any, remote: Path, tmp_path: Path) -> None:
    office("apply", "--yes")
    run = office("run", "list", "--out", "json").json["runs"][0]["id"]
    other = office.another(tmp_path / "other")
    other("plan")
    office.git("--git-dir", str(remote), "config", "receive.denyNonFastForwards", "true")
    before = office("ledger", "list", "--out", "json").json["ledgers"][0]
    done = office("ledger", "rotate", "--yes", "--reason", "grown")
    assert "goes on at provisioning/ledger/shop@2" in done.last
    assert branches(office, remote) == [LEDGER, f"{LEDGER}@2"]
    after = office("ledger", "list", "--out", "json").json["ledgers"][0]
    assert (after["generation"], after["resources"]) == (2, before["resources"])
    assert after["size"] < before["size"] / 2
    assert office("plan", "--detailed-exitcode").code == 0
    fresh = office.another(tmp_path / "fresh")
    for each in (other, fresh):
        assert each("plan", "--detailed-exitcode").code == 0
        assert len(each("state", "list", "--out", "json").json["resources"]) == 4
    for argv, code in ((("run", "list"), 0), (("audit", "log"), 0), (("audit", "export"), 0), (("run", "show", run), 5)):
        assert "shop: what came before its rotation is in a sealed branch" in fresh(*argv, code=code).err
    fresh("lock", "run", "--", "true")
    fresh("apply", "--destroy", "--yes")
    assert len(other("state", "list", "--out", "json").json["resources"]) == 0
    verified = fresh("audit", "verify", "--out", "json").json["ledgers"][0]
    assert verified["findings"] == []
    assert verified["transitions"] == int(fresh("ledger", "list", "--out", "json").json["ledgers"][0]["transitions"])
    shown = other("ledger", "show", "--out", "json").json["chains"]
    assert [(c["generation"], c["state"]) for c in shown] == [(1, "sealed"), (2, "live")]
    assert office("lock", "list", "--out", "json").json["locks"][0]["state"] == "FREE"
    assert [row["infra"] for row in office("infra", "list", "--out", "json").json["infras"]] == ["shop"]


def test_what_must_go_is_gone_with_the_sealed_branch(office: Any, remote: Path, tmp_path: Path) -> None:
    office("apply", "--yes", "--reason", "hunter2 was here")
    office("ledger", "rotate", "--yes", "--reason", "a password in a reason")
    sealed = office.git("--git-dir", str(remote), "rev-parse", LEDGER)
    office.git("push", "--quiet", "origin", f":{LEDGER}")
    office.git("--git-dir", str(remote), "gc", "--quiet", "--prune=now")
    fresh = office.another(tmp_path / "fresh")
    fresh("apply", "--yes", "--refresh")
    verified = fresh("audit", "verify")
    assert "verified" in verified.out
    assert f"the chain that {sealed[:12]} sealed is not in this clone" in verified.out
    assert "hunter2" not in fresh.git("log", "--all", "--format=%B")
    assert "not in this clone" not in office("audit", "verify").out
    assert office("plan", "--detailed-exitcode").code == 0


def test_a_clone_that_slept_through_seal_and_purge_is_shown_by_another(office: Any, tmp_path: Path) -> None:
    office("apply", "--yes")
    other = office.another(tmp_path / "other")
    other("plan")
    office("apply", "--destroy", "--yes")
    office("ledger", "rotate", "--yes", "--reason", "purge")
    office.git("push", "--quiet", "origin", f":{LEDGER}")
    assert "state repair -i shop" in other("plan", code=1).last
    told = other("state", "repair", "--from", str(office.repo))
    assert "nothing is wrong" in told.out
    assert other("plan", code=0)


def test_what_is_under_way_is_not_cut_off(office: Any) -> None:
    assert "no ledger" in office("ledger", "rotate", "--yes", "--reason", "grown", code=5).last
    office("apply", "--yes")
    office("lock", "acquire", "--reason", "looking")
    assert "locked or waited for" in office("ledger", "rotate", "--yes", "--reason", "grown", code=7).last
    assert "needs a yes" in office("ledger", "rotate", "--reason", "grown", code=2).last
