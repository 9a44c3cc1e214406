"""Ledgers damaged for real, and what ``state repair`` says and does about each: every clone goes on afterwards."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

LEDGER = "refs/heads/provisioning/ledger/shop"
AUDIT = "refs/heads/provisioning/audit"


@pytest.fixture
def applied(office: Any) -> Any:
    """A workspace whose four resources are recorded, and whose clone saw it."""
    office("apply", "--yes")
    return office


@pytest.fixture
def remote(office: Any) -> Path:
    return Path(office.git("remote", "get-url", "origin"))


def tip(desk: Any, remote: Path) -> str:
    return desk.git("--git-dir", str(remote), "rev-parse", LEDGER)


def pushes(desk: Any, remote: Path, where: Path, files: dict[str, str | None], onto: str = LEDGER) -> str:
    """Somebody with push rights edits the branch of the ledger by hand; what they push."""
    if not where.exists():
        desk.git("clone", "--quiet", "--no-checkout", str(remote), str(where), cwd=desk.home)
    desk.git("fetch", "--quiet", "origin", "+refs/heads/provisioning/*:refs/heads/provisioning/*", cwd=where)
    desk.git("checkout", "--quiet", "--detach", onto, cwd=where)
    for name, text in files.items():
        if text is None:
            desk.git("rm", "-rq", name, cwd=where)
        else:
            (where / name).parent.mkdir(parents=True, exist_ok=True)
            (where / name).write_text(text)
    desk.git("add", "--all", cwd=where)
    desk.git("commit", "--quiet", "--allow-empty", "-m", "clean up", cwd=where)
    desk.git("push", "--quiet", "--force", "origin", f"HEAD:{LEDGER}", cwd=where)
    return desk.git("rev-parse", "HEAD", cwd=where)


def goes_on(desk: Any, tmp_path: Path, recorded: int = 4) -> None:
    """This clone and a fresh one find the same sound ledger, and apply with it."""
    fresh = desk.another(tmp_path / "fresh")
    for each in (desk, fresh):
        assert len(each("state", "list", "--out", "json").json["resources"]) == recorded
        assert "verified" in each("audit", "verify").out
    fresh("apply", "--yes", "--refresh")
    assert desk("plan", "--detailed-exitcode").code == 0
    assert "nothing is wrong" in desk("state", "repair").out


JUNK: dict[str, dict[str, str | None]] = {
    "a file that is not ours": {"README.md": "hello\n"},
    "a resource edited by hand": {"state/server/web-01.json": "{}\n"},
    "a resource that is no JSON": {"state/server/web-01.json": "<<<<<<< HEAD\n"},
    "the lock removed": {"lock.json": None},
    "everything removed": {".": None},
}


@pytest.mark.parametrize("case", JUNK)
def test_junk_on_top_is_named_and_given_up(applied: Any, remote: Path, tmp_path: Path, case: str) -> None:
    good = tip(applied, remote)
    bad = pushes(applied, remote, tmp_path / "vandal", JUNK[case])
    stopped = applied("plan", code=1)
    assert "provisioning" in stopped.last
    looked = applied("state", "repair", "--check")
    assert f"{bad[:12]} is damaged after {good[:12]}" in looked.out
    assert "by Ada Example:" in looked.out
    assert tip(applied, remote) == bad
    assert "--reason" in applied("state", "repair", "--yes", code=2).last
    done = applied("state", "repair", "--yes", "--reason", "a stray push")
    assert "plan -i shop --refresh" in done.last
    assert applied("audit", "log", "--limit", "1", "--out", "json").json["entries"][0]["reason"] == "a stray push"
    assert f"continues {good[:12]} and gives up 1 commit" in applied("audit", "verify").out
    goes_on(applied, tmp_path)


def test_a_clone_that_never_saw_it_can_mend_junk_as_well(applied: Any, remote: Path, tmp_path: Path) -> None:
    pushes(applied, remote, tmp_path / "vandal", {"README.md": "hello\n"})
    applied.another(tmp_path / "new")("state", "repair", "--yes", "--reason", "a stray push")
    goes_on(applied, tmp_path)


def test_a_remote_that_takes_only_fast_forwards_is_enough(applied: Any, remote: Path, tmp_path: Path) -> None:
    pushes(applied, remote, tmp_path / "vandal", {"README.md": "hello\n"})
    for key in ("receive.denyNonFastForwards", "receive.denyDeletes"):
        applied.git("--git-dir", str(remote), "config", key, "true")
    applied("state", "repair", "--yes", "--reason", "a stray push")
    goes_on(applied, tmp_path)


@pytest.mark.parametrize("back", ["~1", "~3", ""])
def test_a_rewound_or_deleted_branch_is_sent_again(applied: Any, remote: Path, tmp_path: Path, back: str) -> None:
    seen = tip(applied, remote)
    git = ("--git-dir", str(remote), "update-ref")
    applied.git(*git, LEDGER, f"{seen}{back}") if back else applied.git(*git, "-d", LEDGER)
    assert "state repair -i shop" in applied("plan", code=1).last
    looked = applied("state", "repair", "-i", "shop", "--check", "--out", "json").json
    assert (looked["good"], looked["choices"]) == (seen, [])
    applied("state", "repair", "-i", "shop", "--yes", "--reason", "somebody tidied branches")
    assert tip(applied, remote) == seen
    goes_on(applied, tmp_path)


def test_a_clone_that_saw_less_is_helped_by_one_that_saw_more(applied: Any, remote: Path, tmp_path: Path) -> None:
    other = applied.another(tmp_path / "other")
    other("plan")
    applied("apply", "--destroy", "--yes")
    seen = tip(applied, remote)
    applied.git("--git-dir", str(remote), "update-ref", "-d", LEDGER)
    assert other("state", "repair", "-i", "shop", "--check", "--out", "json").json["good"] != seen
    other("state", "repair", "-i", "shop", "--from", str(applied.repo), "--yes", "--reason", "deleted")
    assert tip(applied, remote) == seen
    goes_on(applied, tmp_path, recorded=0)


def test_a_branch_replaced_by_something_else_is_tied_back(applied: Any, remote: Path, tmp_path: Path) -> None:
    seen = tip(applied, remote)
    pushes(applied, remote, tmp_path / "vandal", {"index.html": "x"}, onto="origin/main")
    applied.git("--git-dir", str(remote), "config", "receive.denyNonFastForwards", "true")
    looked = applied("state", "repair", "--check", "--out", "json").json
    assert (looked["good"], looked["choices"]) == (seen, [])
    applied("state", "repair", "--yes", "--reason", "pushed main over it")
    goes_on(applied, tmp_path)


def test_of_two_good_lines_a_person_says_which_counts(applied: Any, remote: Path, tmp_path: Path) -> None:
    seen = tip(applied, remote)
    applied.git("--git-dir", str(remote), "update-ref", LEDGER, f"{seen}~1")
    other = applied.another(tmp_path / "other")
    other("lock", "break", "--reason", "its holder is not here", "--yes")
    theirs = tip(applied, remote)
    asked = applied("state", "repair", "--yes", "--reason", "two lines", code=1)
    assert "a person must decide" in asked.out
    assert tip(applied, remote) == theirs
    for side in (seen, theirs):
        assert f"provisioning state repair -i shop --keep {side[:12]}" in asked.out
    assert "not among what could be kept" in applied("state", "repair", "--keep", "0123456789", code=2).last
    applied("state", "repair", "--keep", seen[:12], "--yes", "--reason", "they had done nothing")
    goes_on(applied, tmp_path)
    assert "verified" in other("audit", "verify").out


def test_objects_lost_here_are_fetched_again(applied: Any, remote: Path, tmp_path: Path) -> None:
    other = applied.another(tmp_path / "other")
    other("plan")
    lose(other, other.repo / ".git", other.git("rev-parse", "refs/provisioning/ledger/shop:lock.json"))
    assert "nothing is wrong" in other("state", "repair").out
    assert other("plan", "--detailed-exitcode").code == 0


def test_objects_lost_at_the_remote_are_told(applied: Any, remote: Path, tmp_path: Path) -> None:
    lose(applied, remote, applied.git("rev-parse", "refs/provisioning/ledger/shop:lock.json"))
    told = applied("state", "repair", "--yes", "--reason", "disk", code=1)
    assert "does not hand over what is at its own branch" in told.out
    assert "this clone has" in told.out


def lose(desk: Any, git_dir: Path, oid: str) -> None:
    """One object less: everything unpacked, and its file removed."""
    packs = git_dir / "objects" / "pack"
    aside = git_dir / "aside"
    aside.mkdir()
    for pack in packs.glob("*.pack"):
        shutil.copy(pack, aside)
    for file in packs.iterdir():
        file.unlink()
    for pack in aside.glob("*.pack"):
        with pack.open("rb") as content:
            subprocess.run(["git", "--git-dir", str(git_dir), "unpack-objects", "-q"], stdin=content, env=desk.env(), check=True)
    (git_dir / "objects" / oid[:2] / oid[2:]).unlink()


OVERVIEWS = {
    "status": "infras", "lock list": "locks", "run list": "runs", "ledger list": "ledgers", "infra list": "infras",
    "audit log": "entries", "drift": "drift", "server list": "resources", "state list": "resources", "output": "outputs",
}  # fmt: skip
"""Command -> where in its document the rows are."""


@pytest.fixture
def two(applied: Any, remote: Path, tmp_path: Path) -> Any:
    """One whole infra beside one whose ledger somebody has edited."""
    applied.commit({"infra/depot/main.yaml": "settings: {provider: fake}\nservers: {db-01: {cpu_cores: 1, memory_gb: 1}}\n"})
    applied("apply", "-i", "depot", "--yes")
    pushes(applied, remote, tmp_path / "eve", {"README.md": "hello\n"})
    return applied


def test_a_damaged_ledger_hides_none_of_the_others(two: Any) -> None:
    for command, part in OVERVIEWS.items():
        told = two(*command.split(), "--out", "json", code=1)
        assert [(one["infra"], one["code"]) for one in told.json["left_out"]] == [("shop", "failure")], command
        rows = told.json[part]
        if command == "drift":
            assert rows == []
        elif command == "output":
            assert rows and all("db-01" in key for key in rows)
        else:
            assert {row["infra"] for row in rows} - {""} == {"depot"}, command
        assert "error: shop is left out: TAMPERED: the ledger of 'shop' was changed by something else" in told.err
        assert "'provisioning state repair -i shop' says what happened" in told.err
    assert "depot" in two("status", code=1).out
    assert two("status", "-i", "depot", "--out", "json").json.get("left_out") is None
    assert two("status", "-i", "shop", code=1).last.startswith("error: TAMPERED")


SEARCHES = {
    ("run", "show", "RUN"): "there is no run 'RUN'",
    ("run", "logs", "RUN"): "there is no run 'RUN'",
    ("plan", "show", "PLAN"): "there is no plan file 'PLAN' and no run recorded a plan with that id",
    ("state", "show", "server/db-01"): "'server/db-01' is not recorded",
    ("output", "server/db-01"): "there is no output 'server/db-01'",
    ("output", "server/db-01.address"): "there is no output 'server/db-01.address'",
    ("why", "server/db-01"): "there is no resource 'server/db-01'",
}
"""What finds one thing somewhere -> what it says where nothing can be found."""


def test_what_can_be_found_is_found_beside_a_damaged_ledger_without_a_word_about_that(two: Any) -> None:
    run = two("run", "list", "--out", "json", code=1).json["runs"][0]
    for command in SEARCHES:
        found = two(*({"RUN": run["id"], "PLAN": run["plan"][:8]}.get(word, word) for word in command))
        assert found.out, command
        assert "shop" not in found.err, command


def test_what_is_not_found_may_be_in_the_damaged_ledger(two: Any) -> None:
    absent = {"RUN": "20200101-000000-abcdef", "PLAN": "0" * 12}
    for command, missing in SEARCHES.items():
        words = [absent.get(word, word.replace("db-01", "db-99")) for word in command]
        told, sentence = two(*words, code=1), missing.replace("db-01", "db-99")
        for name, value in absent.items():
            sentence = sentence.replace(f"'{name}'", f"'{value}'")
        assert told.last == f"error: {sentence} in what can be read; it may be one of shop: see above"
        assert "error: shop is left out: TAMPERED" in told.err
    assert two("state", "show", "server/db-99", "-i", "depot", code=5).last.startswith("error: 'server/db-99' is not recorded; ")


def test_one_address_in_two_infras_is_never_guessed(applied: Any) -> None:
    applied.commit({"infra/depot/main.yaml": "settings: {provider: fake}\nservers: {web-01: {cpu_cores: 1, memory_gb: 1}}\n"})
    applied("apply", "-i", "depot", "--yes")
    for command in (("state", "show", "server/web-01"), ("output", "server/web-01"), ("why", "server/web-01")):
        assert applied(*command, code=2).last == "error: 2 infras have it: depot, shop; name one with -i"
        assert applied(*command, "-i", "depot").out


def spoil(desk: Any, remote: Path, where: Path) -> None:
    """Somebody with push rights tidies up the branch of the workspace's chain."""
    desk.git("clone", "--quiet", "--no-checkout", str(remote), str(where))
    desk.git("fetch", "--quiet", "origin", AUDIT, cwd=where)
    desk.git("checkout", "--quiet", "--detach", "FETCH_HEAD", cwd=where)
    (where / "README.md").write_text("hello\n")
    desk.git("add", "--all", cwd=where)
    desk.git("commit", "--quiet", "-m", "clean up", cwd=where)
    desk.git("push", "--quiet", "origin", f"HEAD:{AUDIT}", cwd=where)


def test_a_damaged_chain_of_the_workspace_hides_no_lock(applied: Any, remote: Path, tmp_path: Path) -> None:
    spoil(applied, remote, tmp_path / "eve")
    listed = applied("lock", "list", code=1)
    assert "shop   FREE" in listed.out
    assert "error: what belongs to no infra is left out: TAMPERED: the audit of the workspace" in listed.err
    why = applied("lock", "why").out
    assert "frozen  whether shop is frozen cannot be told, so nothing is applied: TAMPERED" in why
    assert "free: nothing keeps anybody out" not in why
    assert "shop" in applied("status").out
    assert applied("audit", "log", "--out", "json", code=1).json["left_out"][0]["infra"] == ""


def test_the_chain_of_the_workspace_is_mended_from_the_command_line(applied: Any, remote: Path, tmp_path: Path) -> None:
    applied("lock", "freeze", "--all", "--reason", "audit week")
    assert "nothing is wrong" in applied("audit", "repair").out
    spoil(applied, remote, tmp_path / "eve")
    assert "'provisioning audit repair' says what happened" in applied("apply", "--destroy", "--yes", code=1).last
    looked = applied("audit", "repair", "--check")
    assert looked.out.startswith("the audit of the workspace:\n")
    assert "all infras are frozen by Ada Example" in looked.out
    assert "a repair is kept in the audit with its reason" in applied("audit", "repair", "--yes", code=2).last
    document = applied("audit", "repair", "--check", "--out", "json").json
    assert (document["infra"], document["choices"]) == ("", [])
    done = applied("audit", "repair", "--yes", "--reason", "a stray push")
    assert "goes on from" in done.err and "'provisioning lock freezes'" in done.err
    other = applied.another(tmp_path / "other")
    for each in (applied, other):
        assert "all infras are frozen" in each("apply", "--destroy", "--yes", code=7).last
        assert "verified" in each("audit", "verify").out
    assert "repair" in other("audit", "log").out


def test_a_chain_of_the_workspace_that_was_deleted_is_sent_again(applied: Any, remote: Path, tmp_path: Path) -> None:
    other = applied.another(tmp_path / "other")
    applied.git("update-ref", "-d", AUDIT, cwd=remote)
    assert "once more" in applied("audit", "repair", "--yes", "--reason", "deleted").out
    applied("apply", "--yes", "--refresh")
    applied.git("update-ref", "-d", AUDIT, cwd=remote)
    assert "this clone never saw it" in other("audit", "repair", code=5).last
    other("audit", "repair", "--from", str(applied.repo), "--yes", "--reason", "deleted")
    other("apply", "--yes", "--refresh")
