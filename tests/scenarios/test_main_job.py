"""The main job from the outside: declare, plan, apply, look, change, roll back, remove."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

FAKE = """\
settings: {provider: fake}
networks: {private: {cidr: 10.0.0.0/24}}
servers:
  web-01: {cpu_cores: 2, memory_gb: 4, networks: [private]}
  web-02: {cpu_cores: 2, memory_gb: 4, networks: [private]}
  db-01: {cpu_cores: 4, memory_gb: 8, networks: [private]}
"""


def test_what_is_declared_is_planned_applied_and_then_there_is_nothing_to_do(office: Any) -> None:
    planned = office("plan", "--out", "json").json
    assert [(s["action"], s["address"]) for s in planned["steps"]] == [
        ("create", "network/private"),
        ("create", "server/db-01"),
        ("create", "server/web-01"),
        ("create", "server/web-02"),
    ]
    applied = office("apply", "--yes")
    assert "4 done, 0 failed, 0 not started" in applied.err
    assert office("plan", "--detailed-exitcode", "--out", "json").json["steps"] == []
    assert [r["address"] for r in office("state", "list", "--out", "json").json["resources"]] == [
        "network/private",
        "server/db-01",
        "server/web-01",
        "server/web-02",
    ]
    assert "verified" in office("audit", "verify").out


def test_the_same_plan_comes_from_any_clone_and_the_same_id_from_any_commit_that_means_the_same(
    office: Any, tmp_path: Path
) -> None:
    first = office("plan", "--out", "json").json
    office.commit({"infra/shop/main.yaml": "# a comment\n" + FAKE, "README.md": "changed\n"})
    again = office("plan", "--out", "json").json
    assert first["id"] == again["id"]


def test_an_edit_changes_only_what_it_says(office: Any) -> None:
    office("apply", "--yes")
    office.commit({"infra/shop/main.yaml": FAKE.replace("cpu_cores: 4", "cpu_cores: 8")})
    steps = office("plan", "--out", "json").json["steps"]
    assert [(s["action"], s["address"]) for s in steps] == [("update", "server/db-01")]
    assert [(c["path"], c["before"], c["after"]) for c in steps[0]["changes"]] == [("cpu_cores", 4, 8)]
    assert office("plan", "--detailed-exitcode", code=6).code == 6
    office("apply", "--yes")
    assert office("plan", "--detailed-exitcode", code=0).code == 0


def test_a_removed_server_is_deleted_within_the_budget_and_more_needs_a_word(office: Any) -> None:
    office("apply", "--yes")
    office.commit({"infra/shop/main.yaml": "\n".join(line for line in FAKE.splitlines() if "web-" not in line)})
    refused = office("apply", "--yes", code=2)
    servers = "server/web-01, server/web-02"
    assert refused.last.startswith(
        f"error: this plan deletes 2 resources and dev allows 1 at once: {servers}; add --allow-deletes 2"
    )
    office("apply", "--yes", "--allow-deletes", "2")
    assert [r["address"] for r in office("state", "list", "--out", "json").json["resources"]] == [
        "network/private",
        "server/db-01",
    ]


def test_destroy_empties_everything_and_nothing_else_may(office: Any) -> None:
    office("apply", "--yes")
    office.commit({"infra/shop/main.yaml": "settings: {provider: fake}\n"})
    refused = office("apply", "--yes", code=2)
    assert refused.last.startswith("error: this plan removes everything there is: network/private, server/db-01, ")
    assert refused.last.endswith("; add --destroy if that is what you want")
    office("apply", "--yes", "--destroy")
    assert office("state", "list", "--out", "json").json["resources"] == []


def test_a_saved_plan_is_what_runs_and_goes_stale_only_when_its_own_matter_moves(office: Any) -> None:
    saved = str(office.home / "plan.json")
    office("plan", "--save", saved)
    office.commit({"infra/shop/main.yaml": FAKE + "# nothing new\n"}, "a comment")
    office("apply", saved, "--yes")
    stale = office("apply", saved, "--yes", code=9)
    assert stale.last.startswith("error: the plan is stale: network/private (recorded), server/db-01 (recorded)")
    assert "of this very plan by" in stale.last


def test_a_stale_plan_names_the_commit_that_moved_it(office: Any) -> None:
    office("apply", "--yes")
    office.commit({"infra/shop/main.yaml": FAKE.replace("cpu_cores: 4", "cpu_cores: 8")})
    office("plan", "--save", str(office.home / "plan.json"))
    commit = office.commit({"infra/shop/main.yaml": FAKE.replace("cpu_cores: 4", "cpu_cores: 16")}, "sixteen")
    stale = office("apply", str(office.home / "plan.json"), "--yes", code=9)
    cause = f"commit {commit[:12]} sixteen (Ada Example)"
    assert stale.last == f"error: the plan is stale: server/db-01 (declared) ({cause}); plan again and review it"


def test_targets_bring_their_prerequisites_and_leave_the_rest(office: Any) -> None:
    steps = office("plan", "--target", "server/web-01", "--out", "json").json["steps"]
    assert [s["address"] for s in steps] == ["network/private", "server/web-01"]
    unknown = office("plan", "--target", "server/web-1", code=5)
    assert "there is no resource 'server/web-1'; did you mean 'server/web-01'?" in unknown.err


def test_uncommitted_edits_are_named_previewed_and_never_applied(office: Any) -> None:
    office("apply", "--yes")
    office.write("infra/shop/main.yaml", FAKE.replace("cpu_cores: 4", "cpu_cores: 8"))
    notices = office("plan", "--out", "json").json["notices"]
    assert [n["code"] for n in notices] in (["uncommitted"], ["worktree-unknown"])
    preview = office("plan", "--worktree", "--out", "json", "--save", str(office.home / "p.json")).json
    assert [s["address"] for s in preview["steps"]] == ["server/db-01"]
    refused = office("apply", str(office.home / "p.json"), "--yes", code=2)
    assert "previews uncommitted edits and can never be applied" in refused.last
    assert office("apply", "--yes").code == 0
    assert office("plan", "--out", "json").json["steps"] == []


def test_rollback_to_a_commit_pins_until_a_plain_deploy(office: Any) -> None:
    office("apply", "--yes")
    good = office.git("rev-parse", "HEAD")
    office.commit({"infra/shop/main.yaml": FAKE.replace("cpu_cores: 4", "cpu_cores: 8")}, "too much")
    office("apply", "--yes")
    office("rollback", "--to-commit", good, "--yes")
    shown = office("plan", "--out", "json").json
    assert shown["steps"] == []
    assert "1 change at HEAD held back" in shown["notices"][0]["message"]
    office("deploy", "--yes")
    assert office("state", "show", "server/db-01", "--out", "json").json["declared"]["cpu_cores"] == 8
    assert office("plan", "--out", "json").json["notices"] == []


def test_a_snapshot_is_frozen_verified_deployed_and_immutable(office: Any) -> None:
    office("apply", "--yes")
    office("workspace", "freeze", "--version", "v1")
    assert office("workspace", "freeze", "--version", "v1", code=2).code == 2
    assert "intact" in office("snapshot", "verify", "v1").out
    office.commit({"infra/shop/main.yaml": FAKE.replace("cpu_cores: 4", "cpu_cores: 8")})
    office("apply", "--yes")
    office("deploy", "--frozen", "v1", "--yes")
    assert office("state", "show", "server/db-01", "--out", "json").json["declared"]["cpu_cores"] == 4
    assert office("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("command", ["validate", "plan", "apply"])
def test_help_works_on_both_sides(office: Any, command: str) -> None:
    assert office("help", command).out == office(command, "help").out == office(command, "--help").out


@pytest.mark.real
def test_a_plan_can_be_drawn(office: Any, tmp_path: Path) -> None:
    assert office("plan", "--graph", "mermaid").out.startswith("flowchart LR\n  n0[")
    assert office("plan", "--graph", "dot").out.startswith('digraph "shop" {')
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(str(shutil.which("git")))
    missing = office("plan", "--graph", "svg", code=1, PATH=str(tmp_path / "bin"))
    assert "install graphviz; '--graph dot' and '--graph mermaid' need no program" in missing.last
    office("plan", "--save", "plan.json")
    if shutil.which("dot") is None:
        pytest.skip("graphviz")
    assert "<svg" in office("plan", "show", "plan.json", "--graph", "svg").out
