"""Production asks for somebody else's signed word on exactly this plan."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

PROD = """\
settings: {provider: fake, environment: prod}
servers:
  web-01: {cpu_cores: 2, memory_gb: 4}
"""


def key(folder: Path, name: str) -> Path:
    """A new ssh key."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True, timeout=60)
    return path


def person(desk: Any, folder: Path, name: str) -> Any:
    """Another person with a home, a signing key and a clone of their own, on the same machine."""
    other = type(desk)(folder / name, folder / f"{name}-clone", {"XDG_STATE_HOME": str(desk.home / "state")})
    other.home.mkdir()
    path = key(other.home, "id")
    config = f"[user]\n\tname = {name}\n\temail = {name}@example.org\n\tsigningkey = {path}.pub\n[gpg]\n\tformat = ssh\n"
    (other.home / ".gitconfig").write_text(config + "[init]\n\tdefaultBranch = main\n")
    return other


@pytest.fixture
def pair(office: Any, tmp_path: Path) -> tuple[Any, Any]:
    """Ada, who changes things, and Grace, who may approve; both are known to the workspace."""
    grace, ada_key = person(office, tmp_path, "grace"), key(office.home, "id")
    office.git("config", "--global", "gpg.format", "ssh")
    office.git("config", "--global", "user.signingkey", f"{ada_key}.pub")
    text = (office.repo / "workspace.yaml").read_text().replace("identities: []\n", "")
    for name, mail, path in (("ada", "ada@example.org", ada_key), ("grace", "grace@example.org", grace.home / "id")):
        text = text.rstrip("\n") + ("\n" if "identities:" in text else "\nidentities:\n")
        public = " ".join(Path(f"{path}.pub").read_text().split()[:2])
        text += f'  - {{name: {name}, emails: [{mail}], teams: [ops], keys: ["{public}"]}}\n'
    office.commit({"workspace.yaml": text, "infra/shop/main.yaml": PROD}, "production")
    grace.git("clone", "--quiet", office.git("remote", "get-url", "origin"), str(grace.repo), cwd=grace.home)
    return office, grace


def test_nobody_approves_their_own_change_and_one_other_is_enough(pair: tuple[Any, Any]) -> None:
    ada, grace = pair
    plan = ada("plan", "--out", "json").json
    assert any(n["code"] == "approval" for n in plan["notices"])
    refused = ada("apply", "--yes", code=8)
    assert f"provisioning approve {plan['id'][:12]} -i shop" in refused.last
    assert ada("approve", plan["id"][:12], "--yes", code=4).code == 4
    assert "valid until" in grace("approve", plan["id"][:12], "--yes", "--reason", "looks right").last
    ada("apply", "--yes")
    rows = {f["fact"]: f["value"] for f in ada("why", "server/web-01", "--out", "json").json["facts"]}
    assert rows["approved by"].startswith("grace at ")


def test_an_approval_is_bound_to_the_plan_and_a_rejection_stands(pair: tuple[Any, Any]) -> None:
    ada, grace = pair
    first = ada("plan", "--out", "json").json["id"]
    grace("approve", first[:12], "--yes")
    ada.commit({"infra/shop/main.yaml": PROD.replace("cpu_cores: 2", "cpu_cores: 64")}, "more, after the approval")
    assert ada("apply", "--yes", code=8).code == 8
    assert grace("approve", first[:12], "--yes", code=9).code == 9
    second = ada("plan", "--out", "json").json["id"]
    grace("approve", second[:12], "--yes")
    grace("reject", second[:12], "--yes", "--reason", "too expensive")
    refused = ada("apply", "--yes", code=8)
    assert "grace" in refused.last and "too expensive" in refused.last


def test_without_a_signing_key_the_answer_says_how_to_make_one(pair: tuple[Any, Any]) -> None:
    ada, grace = pair
    grace.git("config", "--global", "--unset", "user.signingkey")
    plan = ada("plan", "--out", "json").json["id"]
    assert "ssh-keygen -t ed25519" in grace("approve", plan[:12], "--yes", code=3).last


def test_production_applies_from_the_protected_branch_only_and_no_branch_frees_itself(pair: tuple[Any, Any]) -> None:
    ada, _ = pair
    ada.git("checkout", "--quiet", "-b", "side")
    ada.commit({"infra/shop/main.yaml": PROD.replace("cpu_cores: 2", "cpu_cores: 3")}, "from the side", push=False)
    ada.git("push", "--quiet", "origin", "side")
    assert "is not on 'main', and environment 'prod' applies from there only" in ada("apply", "--yes", code=1).last
    ada.commit({"infra/shop/main.yaml": PROD.replace("environment: prod", "environment: dev")}, "as if it were dev", push=False)
    ada.git("push", "--quiet", "origin", "side")
    assert "is not on 'main', and environment 'prod' applies from there only" in ada("apply", "--yes", code=1).last


def test_a_run_of_one_target_leaves_the_rest_to_be_approved_by_others(pair: tuple[Any, Any]) -> None:
    ada, grace = pair
    ada.commit({"environments/prod.yaml": "class: prod\napprovals: {count: 0}\n"}, "nobody is asked")
    ada("apply", "--yes")
    grace.git("pull", "--quiet")
    grace.commit({"infra/shop/main.yaml": PROD.replace("cpu_cores: 2", "cpu_cores: 3")}, "grace changes web-01")
    ada.git("pull", "--quiet")
    text = (ada.repo / "infra/shop/main.yaml").read_text()
    ada.commit({"infra/shop/main.yaml": text + "  db-01: {cpu_cores: 2, memory_gb: 4}\n"}, "ada adds db-01")
    ada("apply", "--target", "server/db-01", "--yes")
    ada.commit({"environments/prod.yaml": "class: prod\n"}, "somebody is asked")
    plan = ada("plan", "--out", "json").json["id"]
    assert "'grace' made this change and cannot approve it" in grace("approve", plan[:12], "--yes", code=4).last


def test_a_snapshot_from_elsewhere_does_not_get_around_the_protected_branch(pair: tuple[Any, Any]) -> None:
    ada, _ = pair
    ada.commit({"environments/prod.yaml": "class: prod\napprovals: {count: 0}\n"}, "nobody is asked")
    ada("workspace", "freeze", "--version", "good")
    ada("deploy", "--frozen", "good", "--yes")
    ada.git("checkout", "--quiet", "-b", "side")
    changed = PROD.replace("environment: prod", "environment: dev").replace("cpu_cores: 2", "cpu_cores: 64")
    ada.commit({"infra/shop/main.yaml": changed}, "as if it were dev", push=False)
    ada.git("push", "--quiet", "origin", "side")
    ada("workspace", "freeze", "--version", "evil")
    told = "snapshot 'evil' of 'shop' is neither what 'main' had nor signed"
    assert told in ada("deploy", "--frozen", "evil", "--yes", code=1).last


def test_going_back_works_while_the_branch_is_broken(office: Any) -> None:
    office("apply", "--yes")
    good = office.git("rev-parse", "HEAD")
    office.commit({"infra/shop/main.yaml": "servers: [\n"}, "broken")
    assert office("apply", "--yes", code=3).code == 3
    office("rollback", "--to-commit", good, "--yes")
