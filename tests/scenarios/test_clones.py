"""Clones of every shape: detached, shallow, bare; and a remote that goes away."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest


def test_a_detached_head_is_normal(office: Any) -> None:
    office.git("checkout", "--quiet", "--detach", "HEAD")
    office("apply", "--yes")
    assert office("plan", "--detailed-exitcode").code == 0


def test_a_shallow_clone_plans_and_applies(office: Any, tmp_path: Path) -> None:
    office.commit({"README.md": "second\n"})
    url = f"file://{office.git('remote', 'get-url', 'origin')}"
    office.git("clone", "--quiet", "--depth", "1", url, str(tmp_path / "shallow"), cwd=tmp_path)
    shallow = type(office)(office.home, tmp_path / "shallow", office.environ)
    shallow("apply", "--yes")
    assert shallow("plan", "--detailed-exitcode").code == 0


def test_a_bare_clone_verifies_the_audit_offline(office: Any, tmp_path: Path) -> None:
    office("apply", "--yes")
    remote = Path(office.git("remote", "get-url", "origin"))
    office.git("clone", "--quiet", "--mirror", str(remote), str(tmp_path / "mirror.git"), cwd=tmp_path)
    remote.rename(tmp_path / "elsewhere")
    assert "verified" in office("audit", "verify", "--offline", "-w", str(tmp_path / "mirror.git"), cwd=tmp_path).out


def test_everything_is_found_from_a_folder_of_the_infra_and_by_path(office: Any, tmp_path: Path) -> None:
    office.commit({"infra/other/main.yaml": "settings: {provider: fake}\nservers: {a-01: {}}\n"})
    assert office("plan", "--out", "json", cwd=office.repo / "infra" / "other").json["infra"] == "other"
    assert {p["infra"] for p in office("plan", "--out", "json", "-w", str(office.repo), cwd=tmp_path).json["plans"]} == {
        "shop",
        "other",
    }
    assert "add -i, one of: other, shop; or --all" in office("apply", "--yes", code=2).last
    office("apply", "--yes", "--all")
    assert office("plan", "--detailed-exitcode").code == 0


def test_a_snapshot_is_deployed_when_its_sources_are_gone(office: Any, tmp_path: Path) -> None:
    office("workspace", "freeze", "--version", "v1")
    office.git("rm", "-rq", "infra/shop")
    office.git("commit", "-qm", "the sources are gone")
    office.git("push", "-q", "origin", "HEAD")
    other = office.another(tmp_path / "other")
    other("deploy", "--frozen", "v1", "--yes", "-i", "shop")
    assert len(other("state", "list", "--out", "json").json["resources"]) == 4
    assert other("plan", "-i", "shop", "--detailed-exitcode").code == 0


GATE = {
    "extensions/taskservs/gate/manifest.yaml": "name: gate\nversion: 1.0.0\nscripts: {install: install}\n",
    "extensions/taskservs/gate/scripts/install": """#!/bin/sh
touch "$PWD/reached"
tries=0
while [ ! -e "$PWD/go" ] && [ $tries -lt 300 ]; do sleep 0.05; tries=$((tries + 1)); done
""",
    "infra/shop/main.yaml": "settings: {provider: local}\nservers: {a-01: {taskservs: [gate]}}\n",
}


@pytest.mark.slow
def test_a_remote_that_goes_away_in_the_middle_loses_nothing(office: Any, tmp_path: Path, wait_for: Any) -> None:
    text = (office.repo / "workspace.yaml").read_text().replace("lease_seconds: 60", "lease_seconds: 12")
    office.commit({**GATE, "workspace.yaml": text.replace("grace_seconds: 30", "grace_seconds: 0")})
    remote = Path(office.git("remote", "get-url", "origin"))
    process = office.start("apply", "--yes")
    root = wait_for(office.home / "state", "reached", process).parent
    remote.rename(tmp_path / "away.git")
    (root / "go").touch()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "go on with 'provisioning run resume" in err
    (tmp_path / "away.git").rename(remote)
    run = office("run", "list", "--out", "json").json["runs"][0]
    assert run["status"] == "running"
    office("run", "resume", run["id"], "--yes", "--lock-timeout", "2m")
    assert office("plan", "--detailed-exitcode").code == 0
    assert "verified" in office("audit", "verify").out
    office("apply", "--destroy", "--yes")


@pytest.mark.slow
def test_a_polite_stop_finishes_what_runs_and_can_be_resumed(office: Any, wait_for: Any) -> None:
    servers = "servers: {a-01: {taskservs: [gate]}, b-01: {depends_on: [taskserv/a-01/gate]}}"
    office.commit({**GATE, "infra/shop/main.yaml": f"settings: {{provider: local}}\n{servers}\n"})
    process = office.start("apply", "--yes")
    root = wait_for(office.home / "state", "reached", process).parent
    process.send_signal(signal.SIGTERM)
    (root / "go").touch()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    run = office("run", "list", "--out", "json").json["runs"][0]
    assert run["status"] == "cancelled"
    office("run", "resume", run["id"], "--yes")
    assert office("plan", "--detailed-exitcode").code == 0
    office("apply", "--destroy", "--yes")
