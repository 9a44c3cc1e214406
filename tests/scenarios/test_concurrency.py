"""Many at once on one infra: one runs at a time, the others wait or are told who holds the lock."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

WRITERS = 16


@pytest.mark.slow
@pytest.mark.timeout(900)  # ssh takes half a second a connection, and a loaded machine more
@pytest.mark.parametrize("transport", ["file", "ssh", "https"])
def test_sixteen_applies_at_once_end_in_one_state_and_a_valid_chain(
    transport: str, desk: Any, tmp_path: Path, request: pytest.FixtureRequest, workspace_at: Any
) -> None:
    site = request.getfixturevalue(f"{transport}_remote")("estate")
    desk.environ.update(site.environ)
    first = workspace_at(desk, tmp_path / "estate-0", site.url)
    clones = [first.another(tmp_path / f"estate-{n}") for n in range(1, WRITERS)]
    if transport != "file":
        first("doctor", "--remote")  # that each of sixteen tries it out at once is seen on file, where it costs little
    started = [c.start("apply", "--yes", "--lock-timeout", "5m" if n % 2 else "0s") for n, c in enumerate([first, *clones])]
    ended = []
    for process in started:
        _, err = process.communicate(timeout=300)
        assert "Traceback" not in err, err
        ended.append((process.returncode, err))
    codes = [code for code, _ in ended]
    # a waiter finds the work done by another: its plan is stale (9) and names that run; who would not wait is told (7)
    assert codes.count(0) >= 1
    assert set(codes) <= {0, 7, 9}, ended
    runs = first("run", "list", "--out", "json").json["runs"]
    assert [r["status"] for r in runs] == ["succeeded"] * len(runs)
    assert sorted(r["address"] for r in first("state", "list", "--out", "json").json["resources"]) == [
        "network/private",
        "server/db-01",
        "server/web-01",
        "server/web-02",
    ]
    assert first("plan", "--detailed-exitcode").code == 0
    assert "verified" in first("audit", "verify").out


GATE = {
    "extensions/taskservs/gate/manifest.yaml": "name: gate\nversion: 1.0.0\nscripts: {install: install}\n",
    "extensions/taskservs/gate/scripts/install": """#!/bin/sh
echo run >> "$PWD/runs"
touch "$PWD/reached"
tries=0
while [ ! -e "$PWD/go" ] && [ $tries -lt 300 ]; do sleep 0.05; tries=$((tries + 1)); done
""",
    "infra/shop/main.yaml": "settings: {provider: local}\nservers:\n  a-01: {taskservs: [gate]}\n  b-01: {}\n",
}


@pytest.mark.slow
def test_a_killed_apply_is_resumed_from_another_clone_and_nothing_is_made_twice(
    office: Any, tmp_path: Path, wait_for: Any
) -> None:
    office.commit(GATE, "a service that takes its time")
    process = office.start("apply", "--yes")
    root = wait_for(office.home / "state", "reached", process).parent
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    (root / "go").touch()
    other = office.another(tmp_path / "other")
    run = other("run", "list", "--out", "json").json["runs"][0]
    assert run["status"] == "running"
    other("run", "resume", run["id"], "--yes")
    assert other("plan", "--detailed-exitcode").code == 0
    assert sorted(p.name for p in (office.home / "state").glob("**/servers/*")) == ["a-01", "b-01"]
    assert "verified" in other("audit", "verify").out
    done = [
        e["address"]
        for e in other("audit", "log", "--run", run["id"], "--out", "json").json["entries"]
        if e.get("status") == "done"
    ]
    assert sorted(done) == ["server/a-01", "server/b-01", "taskserv/a-01/gate"]
    other("apply", "--destroy", "--yes")
    assert not list((office.home / "state").glob("**/servers/*"))


SECOND = {"infra/zoo/main.yaml": "settings: {provider: fake}\nservers: {ape-01: {}}\n"}


def test_of_several_infras_none_is_begun_while_one_of_them_is_locked(office: Any) -> None:
    office.commit(SECOND)
    office("lock", "acquire", "-i", "zoo", "--reason", "feeding time")
    kept_out = office("apply", "--all", "--yes", code=7)
    assert "infra 'zoo' is held by Ada Example" in kept_out.last
    assert "nothing was started, given back: 'shop'" in kept_out.last
    assert office("state", "list", "--out", "json").json["resources"] == []
    assert [row["state"] for row in office("lock", "list", "--out", "json").json["locks"]] == ["FREE", "HOLD"]
    office("lock", "release", "-i", "zoo")
    plans = office("apply", "--all", "--yes", "--out", "json").json["plans"]
    assert [plan["infra"] for plan in plans] == ["shop", "zoo"]
    assert [row["status"] for row in office("run", "list", "--out", "json").json["runs"]] == ["succeeded", "succeeded"]
    assert office("plan", "--detailed-exitcode").code == 0
    assert "verified" in office("audit", "verify").out


FAILS = {
    "extensions/taskservs/tool/manifest.yaml": "name: tool\nversion: 1.0.0\nscripts: {install: install}\n",
    "extensions/taskservs/tool/scripts/install": "#!/bin/sh\nexit 1\n",
    "infra/art/main.yaml": "settings: {provider: local}\nservers: {a-01: {taskservs: [tool]}}\n",
}


@pytest.mark.slow
def test_after_a_failure_the_other_infras_are_not_begun_unless_told_to(office: Any) -> None:
    office.commit(FAILS)
    failed = office("apply", "--all", "--yes", code=1)
    assert "art: run" in failed.err
    assert failed.last == "not begun: shop"
    assert {r["infra"] for r in office("run", "list", "--out", "json").json["runs"]} == {"art"}
    assert [row["state"] for row in office("lock", "list", "--out", "json").json["locks"]] == ["FREE", "FREE"]
    went_on = office("apply", "--all", "--yes", "--on-failure", "continue", code=1)
    assert "shop: run" in went_on.err
    assert {r["infra"]: r["status"] for r in office("run", "list", "--out", "json").json["runs"]}["shop"] == "succeeded"
    office("apply", "-i", "art", "--destroy", "--yes")


@pytest.mark.slow
def test_of_several_infras_none_is_begun_when_one_plan_no_longer_holds_under_the_locks(office: Any, wait_for: Any) -> None:
    gated = {path: text for path, text in GATE.items() if not path.startswith("infra/")}
    office.commit({**gated, "infra/zoo/main.yaml": "settings: {provider: local}\nservers: {a-01: {taskservs: [gate]}}\n"})
    first = office.start("apply", "-i", "zoo", "--yes")
    root = wait_for(office.home / "state", "reached", first).parent
    waiting = office.start("apply", "--all", "--yes", "--lock-timeout", "2m")
    told = iter(waiting.stderr.readline, "")
    assert any("infra 'zoo' is locked by Ada Example" in line for line in told), "it does not wait"
    assert office("lock", "show", "-i", "shop", "--out", "json").json["state"] == "HELD", "what comes before is ours meanwhile"
    (root / "go").touch()
    first.communicate(timeout=60)
    assert first.returncode == 0
    _, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, "the plan is stale" in err) == (9, True), err
    assert office("state", "list", "-i", "shop", "--out", "json").json["resources"] == []
    assert [row["state"] for row in office("lock", "list", "--out", "json").json["locks"]] == ["FREE", "FREE"]
    office("apply", "-i", "zoo", "--destroy", "--yes")


@pytest.mark.slow
def test_when_asked_to_stop_what_runs_is_finished_and_no_other_infra_is_begun(office: Any, wait_for: Any) -> None:
    gated = {path: text for path, text in GATE.items() if not path.startswith("infra/")}
    office.commit({**gated, "infra/art/main.yaml": "settings: {provider: local}\nservers: {a-01: {taskservs: [gate]}}\n"})
    process = office.start("apply", "--all", "--yes")
    root = wait_for(office.home / "state", "reached", process).parent
    process.send_signal(signal.SIGTERM)
    (root / "go").touch()
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (130, "not begun: shop"), err
    assert {r["infra"] for r in office("run", "list", "--out", "json").json["runs"]} == {"art"}
    assert [row["state"] for row in office("lock", "list", "--out", "json").json["locks"]] == ["FREE", "FREE"]
    office("apply", "-i", "art", "--destroy", "--yes")
