"""A creation that nobody heard the answer of, through the real program: told, settled from another clone, made once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

TWO = "settings: {provider: wobbly}\nservers:\n  web-01: {cpu_cores: 1}\n"
POINTS = "[provisioning.providers]\nwobbly = wobbly\n"


@pytest.fixture
def shop(office: Any, tmp_path: Path) -> Any:
    """A workspace whose servers are made by a provider of another distribution, which tells them by their tags alone."""
    place = tmp_path / "elsewhere"
    (place / "wobbly-1.dist-info").mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("wobbly.py"), place)
    (place / "wobbly-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: wobbly\nVersion: 1\n")
    (place / "wobbly-1.dist-info/entry_points.txt").write_text(POINTS)
    office.environ["PYTHONPATH"] = f"{office.env()['PYTHONPATH']}:{place}"
    office.commit({"infra/shop/main.yaml": TWO}, "on the wobbly cloud")
    return office


def made(shop: Any) -> list[str]:
    (record,) = (shop.home / "state").rglob("made")
    return record.read_text().split()


def test_an_unheard_creation_is_told_settled_from_another_clone_and_made_once(shop: Any, tmp_path: Path) -> None:
    ended = shop("apply", "--yes", code=1, WOBBLY="unheard")
    assert "server/web-01: what became of it cannot be told: the wobbly cloud cannot be asked" in ended.err
    assert "asks again what became of server/web-01, and goes on" in ended.last
    (run,) = shop("run", "list", "--out", "json").json["runs"]
    assert run["status"] == "running"
    assert "open     create server/web-01 (outcome unknown)" in shop("run", "show", run["id"]).out

    # nothing new starts before that is known
    for command in (("apply", "--yes"), ("run", "cancel", run["id"], "--yes")):
        refused = shop(*command, code=1, WOBBLY="down")
        assert f"what became of server/web-01 in run {run['id']} cannot be told" in refused.err
        assert "nothing new starts before that is known" in refused.err

    other = shop.another(tmp_path / "elsewhere-clone")
    resumed = other("run", "resume", run["id"], "--yes")
    assert "1 done, 0 failed" in resumed.err
    assert made(shop) == ["server/web-01"]
    assert "found done when the run was taken up again" in other("run", "show", run["id"]).out
    assert other("plan", "--refresh", "--detailed-exitcode").code == 0
    assert "no drift" in other("drift").out and "verified" in other("audit", "verify").out


def test_apply_settles_what_is_unknown_before_it_plans(shop: Any) -> None:
    shop("apply", "--yes", code=1, WOBBLY="unheard")
    shop.commit({"infra/shop/main.yaml": TWO.replace("cpu_cores: 1", "cpu_cores: 2")}, "larger")
    assert "asking what became of its open steps" in shop("apply", "--yes").err
    assert shop("state", "show", "server/web-01", "--out", "json").json["declared"]["cpu_cores"] == 2
    assert made(shop) == ["server/web-01"]


def test_a_double_is_found_told_and_removed_by_a_plan_alone(shop: Any) -> None:
    shop("apply", "--yes")
    (kept,) = (shop.home / "state").rglob("server-1.json")
    twin = {**json.loads(kept.read_text()), "id": "server-2"}
    kept.with_name("server-2.json").write_text(json.dumps(twin))

    (found,) = shop("drift", "--out", "json", "--detailed-exitcode", code=6).json["drift"]
    assert (found["address"], found["drift"]) == ("server/web-01~server-2", "added")
    assert "made twice: server-1 is recorded, server-2 is not" in found["detail"]
    (notice,) = shop("plan", "--refresh", "--out", "json").json["notices"]
    assert (notice["code"], "provisioning state import 'server/web-01~server-2' server-2" in notice["message"]) == ("stray", True)

    shop.commit({"infra/shop/main.yaml": TWO.replace("cpu_cores: 1", "cpu_cores: 2")}, "larger")
    assert "made twice" in shop("apply", "--yes").err, "whoever applies is told"
    assert "stray" in shop("audit", "log").out
    assert kept.with_name("server-2.json").exists(), "and nothing is removed for that"

    missing = shop("state", "import", "server/web-01~server-9", "server-9", "--reason", "x", "--yes", code=5)
    assert "'provisioning drift' shows what there is" in missing.err
    shop("state", "import", "server/web-01~server-2", "server-2", "--reason", "made twice", "--yes")
    assert "no drift" in shop("drift").out
    assert "stray" in shop("state", "list").out
    (step,) = shop("plan", "--out", "json").json["steps"]
    assert (step["action"], step["address"]) == ("delete", "server/web-01~server-2")
    shop("apply", "--yes")
    assert kept.exists() and not kept.with_name("server-2.json").exists()
    assert shop("plan", "--refresh", "--detailed-exitcode").code == 0
    assert "verified" in shop("audit", "verify").out


def test_a_provider_of_another_distribution_may_be_given_prices(shop: Any) -> None:
    workspace = (shop.repo / "workspace.yaml").read_text()
    shop.commit({"workspace.yaml": f"{workspace}prices: {{wobbly: {{currency: EUR, server: {{each: 1}}}}}}\n"}, "its prices")
    assert "Costs 730.00 EUR a month, +730.00" in shop("plan").out
