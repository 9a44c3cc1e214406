"""Freezes and what a remote guarantees, from the command line: everybody's clone sees them, and nothing starts against them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

MAIN = "infra/shop/main.yaml"
BIGGER = "settings: {provider: fake}\nservers: {web-01: {cpu_cores: 8, memory_gb: 4}}\n"


@pytest.fixture
def other(office: Any, tmp_path: Path) -> Any:
    """Another clone, of somebody else."""
    made = office.another(tmp_path / "other")
    made.git("config", "user.name", "Bob Example")
    made.git("config", "user.email", "bob@example.org")
    return made


def rows(desk: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk("lock", "freezes", "--out", "json").json["freezes"]
    return found


def test_a_frozen_infra_is_planned_and_not_changed(office: Any, other: Any) -> None:
    office("apply", "--yes")
    said = office("lock", "freeze", "--reason", "audit week", "--for", "2d")
    assert said.out.splitlines()[1] == "end it: provisioning lock thaw -i shop"
    office.commit({MAIN: BIGGER})
    other.git("pull", "--quiet")
    refused = [("apply", "--allow-deletes", "9"), ("apply", "--destroy"), ("deploy", "--allow-deletes", "9")]
    refused += [("rollback", "--to-commit", "HEAD~1"), ("state", "forget", "server/web-01", "--reason", "x")]
    for argv in refused:
        last = other(*argv, "--yes", code=7).last
        assert "infra 'shop' is frozen by Ada Example until " in last
        assert "audit week; wait for it, or ask them to 'provisioning lock thaw -i shop' (anybody can, with --reason" in last
    for argv in (("plan",), ("drift",), ("status",), ("apply", "--check")):
        ran = other(*argv)
        assert "frozen by Ada Example" in ran.out + ran.err
    assert other("plan", "--out", "json").json["notices"][0]["code"] == "frozen"
    assert other("status", "--out", "json").json["infras"][0]["frozen"].startswith("infra 'shop' is frozen by Ada")
    assert other("lock", "list", "--out", "json").json["locks"][0]["frozen"]["reason"] == "audit week"
    assert "audit week" in other("lock", "list").out
    office("lock", "thaw")
    other("apply", "--yes", "--allow-deletes", "9")
    assert other("lock", "list", "--out", "json").json["locks"][0]["frozen"] is None


def test_a_freeze_of_all_is_ended_by_another_with_a_reason(office: Any, other: Any) -> None:
    until = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:00:00Z")
    office("lock", "freeze", "--all", "--reason", "quarter's end", "--until", until)
    assert [(f["infra"], f["by"], f["expires"]) for f in rows(other)] == [(None, "Ada Example <ada@example.org>", until)]
    assert "all infras are frozen by Ada Example" in other("apply", "--yes", code=7).last
    assert "frozen by Ada Example" in other("lock", "thaw", "--all", code=4).last
    assert "not frozen by itself" in other("lock", "thaw", "-i", "shop", code=5).last
    assert other("lock", "thaw", "--all", "--reason", "an outage").out == "all infras are thawed\n"
    other("apply", "--yes")
    assert rows(office) == []
    log = other.git("log", "--format=%s", "refs/provisioning/audit").splitlines()
    assert [line.split()[1].strip(",") for line in log] == ["probe", "thaw", "freeze", "create"]


def test_a_check_writes_nothing(office: Any) -> None:
    assert office("lock", "freeze", "--all", "--reason", "x", "--check").last == "would freeze all infras: x"
    assert office("lock", "thaw", "--check").last == "would thaw shop"
    assert rows(office) == []


def test_a_freeze_that_is_over_stands_in_nobodys_way(office: Any) -> None:
    office("lock", "freeze", "--reason", "a moment", "--for", "5s")
    while rows(office):
        pass
    office("apply", "--yes")


def test_the_workspaces_own_chain_is_verified_too(office: Any, other: Any, tmp_path: Path) -> None:
    office("lock", "freeze", "--reason", "audit week")
    office("apply", "--yes", code=7)
    proved = office("audit", "verify", "--out", "json").json
    assert (proved["ledgers"], proved["workspace"]["transitions"], proved["workspace"]["findings"]) == ([], 2, [])
    log = office("audit", "log", "--out", "json").json["entries"]
    assert [(e["infra"], e["action"], e["reason"]) for e in log] == [("", "freeze", "audit week"), ("", "create", "")]
    assert "what belongs to no infra: 2 transitions, verified" in office("audit", "verify", "--offline").out
    assert "what belongs" not in office("audit", "verify", "-i", "shop", code=None).out
    office.git("clone", "--quiet", "--mirror", office.git("remote", "get-url", "origin"), str(tmp_path / "mirror.git"))
    assert "2 transitions, verified" in office("audit", "verify", cwd=tmp_path / "mirror.git").out
    other.git("fetch", "--quiet", "origin", "refs/heads/provisioning/audit:forged")
    other.git("checkout", "--quiet", "forged")
    other.git("rm", "--quiet", "freezes/shop.json")
    other.git("commit", "--quiet", "--message", "thawed by hand")
    other.git("push", "--quiet", "origin", "HEAD:refs/heads/provisioning/audit")
    found = office("audit", "verify", code=1).out
    assert "freezes/shop.json: removed by a freeze" in found
    assert "was changed by something else than provisioning" in office("apply", "--yes", code=1).last
    assert "cannot be told, so nothing is applied" in office("plan").out


GATE = {
    "extensions/taskservs/gate/manifest.yaml": "name: gate\nversion: 1.0.0\nscripts: {install: install}\n",
    "extensions/taskservs/gate/scripts/install": """#!/bin/sh
touch "$PWD/reached"
tries=0
while [ ! -e "$PWD/go" ] && [ $tries -lt 300 ]; do sleep 0.05; tries=$((tries + 1)); done
""",
    MAIN: "settings: {provider: local}\nservers: {a-01: {taskservs: [gate]}}\n",
}


@pytest.mark.slow
def test_what_runs_goes_on_to_its_end(office: Any, other: Any, wait_for: Any) -> None:
    office.commit(GATE)
    process = office.start("apply", "--yes")
    root = wait_for(office.home / "state", "reached", process).parent
    other("lock", "freeze", "-i", "shop", "--reason", "too late for this one")
    (root / "go").touch()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "2 done, 0 failed" in err) == (0, True), err


@pytest.mark.slow
def test_a_dead_run_of_a_frozen_infra_is_closed_and_not_gone_on_with(office: Any, other: Any, wait_for: Any) -> None:
    office.commit(GATE)
    process = office.start("apply", "--yes")
    root = wait_for(office.home / "state", "reached", process).parent
    process.kill()
    process.communicate(timeout=60)
    (root / "go").touch()
    other("lock", "freeze", "-i", "shop", "--reason", "what happened here?")
    other.git("pull", "--quiet")
    run = other("run", "list", "--out", "json").json["runs"][0]["id"]
    told = f"run {run} of shop was interrupted: 'provisioning run resume {run}' goes on with it"
    assert told in other("plan").out
    assert told in other("drift", code=None).err
    for argv in (("run", "resume", run), ("apply",), ("state", "forget", "server/a-01", "--reason", "x")):
        assert "is frozen by Bob Example" in other(*argv, "--yes", code=7).last
    other("run", "cancel", run, "--yes")
    assert other("run", "list", "--out", "json").json["runs"][0]["status"] == "settled"


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("transport", ["file", "ssh", "https"])
def test_a_remote_is_tried_out_before_its_first_use(
    transport: str, desk: Any, tmp_path: Path, request: pytest.FixtureRequest, workspace_at: Any
) -> None:
    site = request.getfixturevalue(f"{transport}_remote")("estate")
    desk.environ.update(site.environ)
    office = workspace_at(desk, tmp_path / "estate", site.url)
    # a server that cannot move several branches together, nor promise that it does
    office.git("config", "receive.advertiseAtomic", "false", cwd=site.path)
    last = office("apply", "--yes", code=1).last
    assert "is not fit for a ledger, two could write at once; not so: " in last
    assert "provisioning doctor --remote" in last
    assert "provisioning/" not in office.git("for-each-ref", cwd=site.path)
    office.git("config", "receive.advertiseAtomic", "true", cwd=site.path)
    assert "trying out what the remote guarantees" in office("apply", "--yes").err
    other = office.another(tmp_path / "other")
    assert "the remote was tried out 0 days ago" in other("doctor").out
    log = office.git("log", "--format=%s", "provisioning/audit", cwd=site.path).splitlines()
    office.commit({MAIN: BIGGER})
    other.git("pull", "--quiet")
    assert "trying out" not in other("apply", "--yes", "--allow-deletes", "9").err
    assert office.git("log", "--format=%s", "provisioning/audit", cwd=site.path).splitlines() == log
    assert len(log) == 2


BAD = {
    "no reason": (("freeze",), 2, "--reason"),
    "two ends": (("freeze", "--reason", "x", "--for", "1h", "--until", "2999-01-01T00:00:00Z"), 2, "exclude each other"),
    "too long": (("freeze", "--reason", "x", "--for", "31d"), 2, "choose an end within 30d"),
    "in the past": (
        ("freeze", "--reason", "x", "--until", "2020-01-01T00:00:00Z"),
        2,
        "is over already; choose an end within 30d",
    ),
    "no moment": (("freeze", "--reason", "x", "--until", "tomorrow"), 2, "is neither a time nor a duration"),
    "one and all": (("freeze", "--reason", "x", "--all", "-i", "shop"), 2, "exclude each other"),
    "no such infra": (("freeze", "--reason", "x", "-i", "shup"), 5, "there is no infra 'shup'"),
    "nothing frozen": (("thaw",), 5, "is not frozen by itself"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_told(office: Any, name: str) -> None:
    argv, code, message = BAD[name]
    ran = office("lock", *argv, code=code)
    assert message in ran.last
    assert "provisioning" not in office.git("ls-remote", "origin")
