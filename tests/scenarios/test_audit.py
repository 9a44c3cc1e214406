"""What an auditor does: look entries up, carry them away, keep an anchor, and notice what somebody did to the record."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

LEDGER = "refs/heads/provisioning/ledger/shop"


@pytest.fixture
def applied(office: Any) -> Any:
    office("apply", "--yes")
    return office


@pytest.fixture
def remote(office: Any) -> Any:
    """Git in the remote, as somebody who has access to its files."""
    path = office.git("remote", "get-url", "origin")

    def git(*argv: str) -> str:
        return str(office.git("-C", path, "-c", "core.logAllRefUpdates=false", *argv))

    return git


def entries(desk: Any, *argv: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = desk("audit", "log", "-i", "shop", "--out", "json", *argv).json["entries"]
    return found


def test_entries_are_looked_up_by_what_one_knows(applied: Any) -> None:
    everything = entries(applied)
    run = next(e["run"] for e in everything if e["run"])
    assert {e["address"] for e in entries(applied, "--address", "server/*-01")} == {"server/web-01", "server/db-01"}
    assert {e["address"] for e in entries(applied, "--address", "network")} == {"network/private"}
    assert {e["status"] for e in entries(applied, "--action", "run", "--run", run[:8])} == {"started", "succeeded"}
    assert entries(applied, "--since", "1h", "--until", "2999-01-01T00:00Z") == everything
    assert entries(applied, "--until", "1h") == []
    assert entries(applied, "--actor", "GRACE") == []
    assert "write it as 2026-11-24" in applied("audit", "log", "--since", "yesterday", code=2).last


def test_entries_are_carried_away_in_two_forms(applied: Any) -> None:
    lines = [json.loads(line) for line in applied("audit", "export", "--format", "jsonl", "-i", "shop").out.splitlines()]
    rows = list(csv.DictReader(io.StringIO(applied("audit", "export", "--format", "csv", "-i", "shop").out, newline="")))
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1)) == [int(row["seq"]) for row in rows]
    assert [row["previous"] for row in rows] == [line["previous"] for line in lines]
    failed = applied("audit", "export", "--format", "csv", "-i", "shop", "--status", "failed").out
    heads = "infra,seq,id,time,actor,action,address,status,run,plan,token,op,message,output,reason,host,previous"
    assert failed.splitlines() == [heads]


def test_an_anchor_proves_what_came_before_and_names_what_was_cut_off(applied: Any, remote: Any, tmp_path: Path) -> None:
    old, kept = remote("rev-parse", LEDGER), str(tmp_path / "anchor.json")
    applied.commit({"infra/shop/main.yaml": "settings: {provider: fake}\nservers: {web-01: {cpu_cores: 1, memory_gb: 2}}\n"})
    applied("apply", "--yes", "--allow-deletes", "3")
    applied("audit", "anchor", "--save", kept)
    proved = applied("audit", "verify", "--since-anchor", kept, "--out", "json").json["ledgers"][0]
    assert (proved["transitions"], proved["findings"]) == (0, [])
    assert any("as anchored on" in text for text in proved["guaranteed"])
    remote("update-ref", LEDGER, old)
    fresh = applied.another(tmp_path / "fresh")
    assert "verified" in fresh("audit", "verify", "-i", "shop").out
    told = fresh("audit", "verify", "--since-anchor", kept, code=1).out
    assert f"{old[:12]} truncated: the " in told
    assert f"{old[:12]} truncated: the " in applied("audit", "verify", "-i", "shop", code=1).out
    remote("update-ref", "-d", LEDGER)
    assert "truncated: the ledger is gone, and the anchor has " in fresh("audit", "verify", "--since-anchor", kept, code=1).out


def test_a_bare_clone_proves_the_same_without_a_remote(applied: Any, tmp_path: Path) -> None:
    kept = str(tmp_path / "anchor.json")
    applied("audit", "anchor", "--save", kept)
    applied.git("clone", "--quiet", "--mirror", applied.git("remote", "get-url", "origin"), str(tmp_path / "mirror.git"))
    mirror = tmp_path / "mirror.git"
    applied.git("remote", "remove", "origin", cwd=mirror)
    assert " transitions, verified" in applied("audit", "verify", cwd=mirror).out
    assert "shop: 0 transitions, verified" in applied("audit", "verify", "--since-anchor", kept, cwd=mirror).out
    assert applied("audit", "anchor", cwd=mirror).json["ledgers"] == json.loads(Path(kept).read_text())["ledgers"]


@pytest.mark.parametrize(("change", "told"), [
    (lambda text: text.replace('"entries":', '"entries":1'), "was changed since it was made"),
    (lambda text: "{}", "is no anchor"),
    (lambda text: "", "is not JSON"),
])  # fmt: skip
def test_an_anchor_that_is_none_is_refused(applied: Any, tmp_path: Path, change: Any, told: str) -> None:
    kept = tmp_path / "anchor.json"
    kept.write_text(change(applied("audit", "anchor").out))
    assert told in applied("audit", "verify", "--since-anchor", str(kept), code=3).last
    assert applied("audit", "verify", "--since-anchor", "nowhere.json", code=5).code == 5


def test_an_unsigned_ledger_is_vouched_for_once_keys_are_listed(applied: Any, key_of: Any, tmp_path: Path) -> None:
    """From a ledger that began before anybody listed a key to one where everything is signed."""
    production = "settings: {provider: fake, environment: prod}\nservers: {web-01: {cpu_cores: 2, memory_gb: 4}}\n"
    applied.commit({"environments/prod.yaml": "class: prod\napprovals: {count: 0}\n", "infra/live/main.yaml": production})
    applied("apply", "-i", "live", "--yes")
    assert "workspace.yaml on 'main' lists no key" in applied("audit", "verify", "-i", "live").out
    text = (applied.repo / "workspace.yaml").read_text().replace("identities: []\n", "")
    listed = f'\nidentities:\n  - {{name: ada, emails: [ada@example.org], keys: ["{key_of(applied)}"]}}\n'
    applied.commit({"workspace.yaml": text.rstrip("\n") + listed})
    fresh = applied.another(tmp_path / "fresh")
    refused = fresh("plan", "-i", "live", code=1).last
    assert "is not signed, and an environment of class prod asks for a signature" in refused
    told = fresh("audit", "verify", "-i", "live", code=1).out
    assert "forged: nobody listed has signed this ledger so far" in told
    assert "audit sign --reason TEXT" in told
    fresh("audit", "sign", "-i", "live", "--reason", "made by ourselves before we had keys")
    assert "by signature" in fresh("audit", "verify", "-i", "live").out
    applied("plan", "-i", "live")
    assert "nothing to vouch for" in applied("audit", "sign", "-i", "live", "--reason", "again", code=2).last
    assert "nothing asks for signatures" in applied("audit", "sign", "-i", "shop", "--reason", "dev", code=2).last
    applied.git("config", "--global", "--unset", "user.signingkey")
    applied.commit({"infra/live/main.yaml": production.replace("cpu_cores: 2", "cpu_cores: 3")})
    assert "ssh-keygen -t ed25519" in applied("apply", "-i", "live", "--yes", code=3).last


def without_third(commits: list[str]) -> list[str]:
    return [*commits[:2], *commits[3:]]


def swapped(commits: list[str]) -> list[str]:
    return [*commits[:2], commits[3], commits[2], *commits[4:]]


def replayed(commits: list[str]) -> list[str]:
    return [*commits, commits[2]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_third, "removed: before it transition 3 is missing"),
        (swapped, "reordered: transition 4 stands before transition 3"),
        (replayed, "inserted: it repeats transition 3, "),
    ],
)
def test_what_was_done_by_force_is_named_wherever_one_looks(
    applied: Any, remote: Any, tmp_path: Path, change: Callable[[list[str]], list[str]], told: str
) -> None:
    """Real objects, each commit on the one before: Git finds nothing wrong with them."""
    kept, parent = str(tmp_path / "anchor.json"), ""
    applied("audit", "anchor", "--save", kept)
    for commit in change(remote("rev-list", "--reverse", LEDGER).splitlines()):
        lines = [line for line in remote("cat-file", "commit", commit).split("\n") if not line.startswith("parent ")]
        (tmp_path / "object").write_text("\n".join([lines[0], *([f"parent {parent}"] if parent else []), *lines[1:]]) + "\n")
        parent = remote("hash-object", "-t", "commit", "-w", str(tmp_path / "object"))
    remote("update-ref", LEDGER, parent)
    fresh = applied.another(tmp_path / "fresh")
    assert "was changed by something else than provisioning" in fresh("plan", "-i", "shop", code=1).last
    assert told in fresh("audit", "verify", "-i", "shop", code=1).out
    for argv in (("audit", "verify", "--since-anchor", kept), ("audit", "verify", "-i", "shop")):
        out = applied(*argv, code=1).out
        assert any(f" {kind}: " in out for kind in (told.partition(":")[0], "rewritten"))
