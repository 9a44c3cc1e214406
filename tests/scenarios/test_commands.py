"""Every other command, as a person uses it."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml


def test_a_hold_keeps_everybody_out_until_its_owner_ends_it(office: Any) -> None:
    office("apply", "--yes")
    office.commit({"infra/shop/main.yaml": (office.repo / "infra/shop/main.yaml").read_text() + "  a-01: {}\n"})
    office("lock", "acquire", "--reason", "moving house", "--for", "10m")
    assert "moving house" in office("lock", "show").out
    assert [row["state"] for row in office("lock", "list", "--out", "json").json["locks"]] == ["HOLD"]
    assert office("apply", "--yes", code=7).code == 7
    office("lock", "release")
    office("apply", "--yes")
    assert office("lock", "release", code=5).code == 5
    assert "choose at most 24h" in office("lock", "acquire", "--reason", "x", "--for", "2d", code=2).last


def test_who_is_kept_out_is_told_why_and_how_to_go_on(office: Any) -> None:
    assert "nothing keeps anybody out" in office("lock", "why").out
    office("lock", "acquire", "--reason", "moving house", "--for", "10m")
    lines = office("lock", "why").out.splitlines()
    assert lines[0].startswith("shop:")
    assert "moving house" in lines[0]
    assert any("provisioning lock release -i shop" in line for line in lines)
    found = office("lock", "why", "--out", "json").json
    assert (found["format"], found["state"], found["holders"][0]["name"]) == (1, "HOLD", "Ada Example")
    office("lock", "release")
    office("lock", "freeze", "--reason", "audit week")
    assert "audit week" in office("lock", "why", "--out", "json").json["freeze"]


def test_commands_that_only_read_share_the_lock_and_none_runs_beside_a_deploy(office: Any, wait_for: Any) -> None:
    """Two readers at once, each until the other is there; what would write waits for neither unless it is told to."""
    meet = 'touch "$1"; n=0; while [ ! -e "$2" ] && [ $n -lt 1200 ]; do sleep 0.05; n=$((n + 1)); done'
    first, second, end = (office.home / name for name in ("first", "second", "end"))
    reading = ("lock", "run", "--type", "read", "--reason", "nightly backup", "--", "sh", "-c", meet, "sh")
    one = office.start(*reading, str(first), str(end))
    wait_for(office.home, "first", one)
    office(*reading, str(second), str(first))
    kept_out = office("apply", "--yes", code=7)
    assert "locked by Ada Example" in kept_out.last
    assert "nightly backup" in kept_out.last
    assert office("lock", "run", "--", "touch", str(office.home / "no"), code=7).code == 7
    assert not (office.home / "no").exists()
    end.touch()
    one.communicate(timeout=60)
    assert one.returncode == 0
    office("apply", "--yes")
    assert "verified" in office("audit", "verify").out


CHECKED = (
    ("lock", "release"),
    ("lock", "break", "--reason", "x"),
    ("lock", "acquire", "--reason", "x"),
    ("lock", "freeze", "--reason", "x"),
    ("lock", "thaw"),
    ("lock", "run", "--", "ls"),
    ("ledger", "rotate", "--reason", "x"),
    ("ledger", "detour", "--reason", "x"),
    ("ledger", "return", "--reason", "x"),
    ("state", "forget", "server/web-01", "--reason", "x"),
    ("state", "move", "server/web-01", "server/web-09", "--reason", "x"),
    ("audit", "sign", "--reason", "x"),
    ("workspace", "freeze", "--version", "v1"),
)


@pytest.mark.slow
def test_with_check_nothing_is_changed_whatever_is_said(office: Any) -> None:
    office("apply", "--yes")
    office("lock", "acquire", "--reason", "by hand")
    refs = office.git("ls-remote", "origin")
    for argv in CHECKED:
        said = office(*argv[:2], "--check", "--yes", *argv[2:])
        assert "would " in said.err or "nothing is changed with --check" in said.err, argv
        assert office.git("ls-remote", "origin") == refs, argv


def test_a_command_under_a_lock_ends_as_it_ends(office: Any) -> None:
    assert office("lock", "run", "--", "sh", "-c", "echo out; echo err >&2; exit 9", code=9).out == "out\n"
    assert "there is no program 'nothing-of-the-kind'" in office("lock", "run", "--", "nothing-of-the-kind", code=5).last
    assert "put '--' before the command" in office("lock", "run", "ls", "-la", code=2).last
    assert "would run ls" in office("lock", "run", "--check", "--", "ls").err
    assert [row["state"] for row in office("lock", "list", "--out", "json").json["locks"]] == ["FREE"]


@pytest.mark.slow
def test_a_command_whose_lock_is_broken_is_ended(office: Any, wait_for: Any) -> None:
    text = (office.repo / "workspace.yaml").read_text()
    office.commit({"workspace.yaml": text.replace("lease_seconds: 60", "lease_seconds: 5")})
    script = 'touch "$HOME/started"; trap "touch \\"$HOME/asked\\"; exit 0" TERM; while :; do sleep 0.1; done'
    process = office.start("lock", "run", "--reason", "long work", "--", "sh", "-c", script)
    wait_for(office.home, "started", process)
    office("lock", "break", "--reason", "in the way", "--yes")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the lock was lost while 'sh' ran, so it was ended" in err
    assert (office.home / "asked").exists()


def test_a_hold_is_broken_with_a_reason_that_stays(office: Any) -> None:
    office("apply", "--yes")
    office("lock", "acquire", "--reason", "gone on holiday")
    office("lock", "break", "--reason", "she is on holiday", "--yes")
    office("apply", "--yes")
    entries = office("audit", "log", "--out", "json").json["entries"]
    assert any(e["action"] == "break" and "she is on holiday" in e["reason"] for e in entries)


def test_what_is_recorded_is_forgotten_imported_and_moved_each_with_a_reason(office: Any) -> None:
    office("apply", "--yes")
    identity = office("state", "show", "server/db-01", "--out", "json").json["observed"]["id"]
    office("state", "forget", "server/db-01", "--reason", "somebody else's now", "--yes")
    assert "server/db-01" not in [r["address"] for r in office("state", "list", "--out", "json").json["resources"]]
    office("state", "import", "server/db-01", identity, "--reason", "ours again", "--yes")
    assert office("plan", "--detailed-exitcode").code == 0
    office("state", "move", "server/db-01", "server/db-02", "--reason", "renamed", "--yes")
    text = (office.repo / "infra/shop/main.yaml").read_text().replace("db-01", "db-02")
    office.commit({"infra/shop/main.yaml": text})
    assert office("plan", "--detailed-exitcode").code == 0
    assert "verified" in office("audit", "verify").out
    assert office("state", "show", "server/x", code=5).code == 5
    assert office("state", "import", "server/web-01", "nothing", "--reason", "x", "--yes", code=2).code == 2


def test_declarations_are_edited_with_their_comments(office: Any) -> None:
    path = office.repo / "infra/shop/main.yaml"
    path.write_text("# ours\n" + path.read_text())
    assert "+  cache-01:" in office("server", "create", "cache-01", "--set", "cpu_cores=1", "--set", "memory_gb=2", "--check").out
    assert "cache-01" not in path.read_text()
    office("server", "create", "cache-01", "--set", "cpu_cores=1", "--set", "memory_gb=2")
    assert path.read_text().startswith("# ours\n")
    assert "there is a server 'cache-01' already" in office("server", "create", "cache-01", code=2).last
    assert office("validate").code == 0
    office("server", "delete", "cache-01")
    assert "cache-01" not in path.read_text()
    assert office("server", "delete", "cache-01", code=5).code == 5
    assert {r["address"] for r in office("server", "list", "--out", "json").json["resources"]} == {
        "server/db-01",
        "server/web-01",
        "server/web-02",
    }


def test_an_infra_is_begun_and_listed(office: Any) -> None:
    office("infra", "create", "edge", "--environment", "staging", "--provider", "fake")
    assert "there is an infra 'edge' already" in office("infra", "create", "edge", code=2).last
    office.commit({})
    assert [i["infra"] for i in office("infra", "list", "--out", "json").json["infras"]] == ["edge", "shop"]
    assert office("validate").out == "2 infras, 4 resources: 0 errors, 0 warnings\n"


def test_validate_contacts_nothing_and_names_everything(office: Any, tmp_path: Path) -> None:
    Path(office.git("remote", "get-url", "origin")).rename(tmp_path / "away")
    office.write("infra/shop/main.yaml", "settings: {provider: fake}\nservers:\n  web-01: {cpu_core: 2, memory_gb: -1}\n")
    ran = office("validate", code=3)
    assert ran.err.splitlines() == [
        "infra/shop/main.yaml:3:12: error: unknown key 'cpu_core' in servers.web-01; did you mean 'cpu_cores'?",
        "infra/shop/main.yaml:3:36: error: servers.web-01.memory_gb: Memory must be positive, got -1; a whole number of GB from 1",  # noqa: E501  # a line of output
    ]
    assert ran.out == "1 infra, 0 resources: 2 errors, 0 warnings\n"


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("run", "list"),
        ("lock", "list"),
        ("lock", "show"),
        ("lock", "why"),
        ("state", "list"),
        ("audit", "log"),
        ("audit", "verify"),
        ("output",),
        ("drift",),
        ("plan",),
        ("infra", "list"),
        ("workspace", "show"),
        ("snapshot", "list"),
        ("layer", "show"),
        ("layer", "explain"),
        ("config", "show"),
        ("validate",),
        ("why", "server/web-01"),
        ("doctor",),
    ],
    ids=" ".join,
)
def test_every_view_prints_one_document_and_nothing_else(office: Any, words: tuple[str, ...]) -> None:
    office("apply", "--yes")
    assert isinstance(office(*words, "--out", "json").json, dict)
    assert isinstance(yaml.safe_load(office(*words, "--out", "yaml").out), dict)
    assert office(*words, "--out", "markdown").out.strip()
    assert office(*words).out.strip()


def test_the_audit_is_exported_whole_in_both_forms(office: Any) -> None:
    office("apply", "--yes")
    lines = [json.loads(line) for line in office("audit", "export").out.splitlines()]
    rows = list(csv.DictReader(io.StringIO(office("audit", "export", "--format", "csv").out)))
    assert len(lines) == len(rows) >= 6
    shop = [line["seq"] for line in lines if line["infra"] == "shop"]
    assert shop == list(range(1, len(shop) + 1))
    assert {line["action"] for line in lines if line["infra"] == ""} == {"create", "probe"}


def test_a_run_is_shown_with_its_steps(office: Any) -> None:
    office("apply", "--yes", "--reason", "first light")
    run = office("run", "list", "--out", "json").json["runs"][0]
    assert (run["status"], run["reason"]) == ("succeeded", "first light")
    shown = office("run", "show", run["id"]).out
    assert "done     create server/web-01" in shown
    assert office("run", "logs", run["id"]).code == 0
    assert office("plan", "show", run["plan"][:12], "--out", "json").json["id"] == run["plan"]
    assert "already ended: succeeded" in office("run", "resume", run["id"], "--yes", code=2).last


def test_the_remote_is_probed(office: Any) -> None:
    checks = office("doctor", "--remote", "--out", "json").json["checks"]
    assert checks and "error" not in {c["level"] for c in checks}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(office: Any, shell: str) -> None:
    assert "_PROVISIONING_COMPLETE" in office("completion", shell).out


def test_bash_completes_commands(office: Any) -> None:
    script = office("completion", "bash").out
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False, timeout=30).returncode == 0


def test_a_schema_for_editors_is_printed(office: Any) -> None:
    assert json.loads(office("config", "schema").out)["properties"]["servers"]
    assert json.loads(office("config", "schema", "workspace").out)["properties"]["id"]


def test_init_refuses_what_is_in_the_way_and_leaves_nothing(desk: Any, tmp_path: Path) -> None:
    (desk.repo / "workspace.yaml").write_text("mine\n")
    assert "files are in the way in 'here': workspace.yaml" in desk("init", "here", cwd=tmp_path, code=2).last
    assert (desk.repo / "workspace.yaml").read_text() == "mine\n"
    assert [p.name for p in desk.repo.iterdir()] == ["workspace.yaml"]


def test_init_refuses_a_remote_with_other_commits(desk: Any, office: Any, tmp_path: Path) -> None:
    remote = office.git("remote", "get-url", "origin")
    assert "has other commits, on 'main'" in office("init", str(tmp_path / "new"), "--remote", remote, cwd=tmp_path, code=2).last
    assert not (tmp_path / "new").exists()


def test_init_without_an_identity_says_how_to_give_one(desk: Any, tmp_path: Path) -> None:
    (desk.home / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    ran = desk("init", str(tmp_path / "new"), cwd=tmp_path, code=3)
    assert ran.last.startswith("error: git does not know who you are; git config --global user.name")
    assert not (tmp_path / "new").exists()


def test_init_in_an_existing_repository_keeps_its_history(desk: Any) -> None:
    desk.git("init", "--quiet", "--initial-branch=trunk", ".")
    (desk.repo / "notes.txt").write_text("ours\n")
    desk.git("add", "--all")
    desk.git("commit", "--quiet", "--message", "before")
    desk("init", ".", "--empty")
    assert desk.git("log", "--format=%s").splitlines() == ["Begin a state repository", "before"]
    assert desk.git("status", "--porcelain") == ""
    assert desk("validate").out.startswith("0 infras, 0 resources: 0 errors")


def test_an_output_of_two_infras_is_not_taken_for_one(office: Any) -> None:
    office.commit(
        {"infra/bank/main.yaml": "settings: {provider: fake}\nservers: {web-01: {cpu_cores: 1}, vault: {cpu_cores: 1}}\n"}
    )
    office("apply", "--all", "--yes")
    assert "is an output of bank and of shop; add -i NAME" in office("output", code=2).err
    assert "server/web-01.id" in office("output", "-i", "bank", "--out", "json").json["outputs"]
    office.commit({"infra/bank/main.yaml": "settings: {provider: fake}\nservers: {vault: {cpu_cores: 1}}\n"})
    office("apply", "-i", "bank", "--yes")
    both = office("output", "--out", "json").json["outputs"]
    assert {"server/web-01.id", "server/vault.id"} <= both.keys()
