"""What was changed behind the record's back: told by kind, ignored where that is declared, mended by the proposed plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

World = Callable[..., None]
DECLARED = """\
settings: {provider: fake, ignore_drift: {"server/web-*": [cpu_cores]}}
networks: {private: {cidr: 10.0.0.0/24}}
servers:
  web-01: {cpu_cores: 2, memory_gb: 4, networks: [private]}
  web-02: {cpu_cores: 2, memory_gb: 4, networks: [private]}
  db-01: {cpu_cores: 4, memory_gb: 8, networks: [private]}
"""


@pytest.fixture
def shop(office: Any) -> Any:
    office.commit({"infra/shop/main.yaml": DECLARED}, "leave cores alone")
    office("apply", "--yes")
    return office


@pytest.fixture
def tamper(shop: Any) -> World:
    """Changes one resource of the fake cloud, or makes another one beside it: ``as_another`` is its address."""

    def change(address: str, as_another: str = "", gone: bool = False, **declared: object) -> None:
        (path,) = (p for p in shop.home.rglob("fake/*.json") if json.loads(p.read_text())["address"] == address)
        found = json.loads(path.read_text())
        found["declared"].update(declared)
        if as_another:
            path = path.with_name(f"{as_another.replace('/', '-')}.json")
            found |= {"address": as_another, "id": path.stem, "key": "0" * 32}
        path.write_text(json.dumps(found))
        if gone:
            path.unlink()

    return change


def kinds(shop: Any, code: int = 6) -> dict[str, str]:
    rows = shop("drift", "--out", "json", "--detailed-exitcode", code=code).json["drift"]
    return {row["address"]: row["drift"] for row in rows}


def test_each_kind_of_drift_is_told_and_the_proposed_plan_mends_it(shop: Any, tamper: World) -> None:
    assert kinds(shop, code=0) == {}
    tamper("server/db-01", memory_gb=2)
    tamper("server/web-02", gone=True)
    tamper("server/web-01", as_another="server/stranger")
    assert kinds(shop) == {"server/db-01": "changed", "server/web-02": "missing", "server/stranger~server-stranger": "unmanaged"}
    told = shop("drift")
    assert "server/db-01                     shop   changed    memory_gb differs" in told.out
    assert "~ server/db-01  drift: memory_gb" in told.out and "memory_gb: 2 -> 8" in told.out
    assert "Plan shop (dev): 1 to create, 1 to update" in told.out
    assert told.last == "this is what would mend it: provisioning apply --refresh"
    (proposed,) = shop("drift", "--out", "json").json["plans"]
    assert proposed["id"] == shop("plan", "--refresh", "--out", "json").json["id"]
    shop("apply", "--refresh", "--yes")
    assert kinds(shop) == {"server/stranger~server-stranger": "unmanaged"}


def test_ignored_drift_is_neither_told_nor_mended(shop: Any, tamper: World) -> None:
    tamper("server/web-01", cpu_cores=16)
    assert kinds(shop, code=0) == {}
    assert shop("plan", "--refresh", "--detailed-exitcode").code == 0
    shop.commit({"infra/shop/main.yaml": DECLARED.replace("[cpu_cores]", "[power]")}, "ours again")
    shop("apply", "--yes")
    assert kinds(shop) == {"server/web-01": "changed"}


def test_a_double_of_what_is_declared_is_added(shop: Any, tamper: World) -> None:
    tamper("server/web-01", as_another="server/db-01")
    assert kinds(shop) == {"server/db-01~server-db-01": "added"}


def test_the_report_for_an_issue_is_markdown(shop: Any, tamper: World) -> None:
    assert shop("drift", "--out", "markdown").out == "### `no drift`\n\nEverything recorded is as it was left.\n\n"
    tamper("server/db-01", memory_gb=2)
    text = shop("drift", "--out", "markdown").out
    assert text.startswith("### `drift: 1 changed`\n\n| resource | drift | in what |\n| --- | --- | --- |\n")
    assert "| `server/db-01` | changed | `memory_gb differs` |" in text
    assert "### `Plan shop (dev): 0 to create, 1 to update" in text


def test_drift_of_what_cannot_be_planned_is_told_all_the_same(shop: Any, tamper: World) -> None:
    tamper("server/db-01", memory_gb=2)
    shop.commit({"infra/shop/main.yaml": DECLARED.replace("web-02: {", "web-02: {lifecycle: {prevent_destroy: true}, ")}, "keep")
    shop("apply", "--yes")
    shop.commit(
        {"infra/shop/main.yaml": DECLARED.replace("  web-02: {cpu_cores: 2, memory_gb: 4, networks: [private]}\n", "")}, "go"
    )
    told = shop("drift", "--detailed-exitcode", code=6)
    assert "server/db-01" in told.out
    assert "error: shop cannot be planned as it is declared, so nothing is proposed for it" in told.err


def test_a_plan_for_a_target_reads_that_and_what_it_needs_only(shop: Any, tamper: World) -> None:
    tamper("server/db-01", memory_gb=2)
    for path in shop.home.rglob("fake/*.json"):
        if json.loads(path.read_text())["address"] == "server/web-01":
            path.write_text("this is no document")
    assert "server/web-01 could not be read" in shop("plan", "--refresh", code=1).err
    (step,) = shop("plan", "--refresh", "--target", "server/db-01", "--out", "json").json["steps"]
    assert step["address"] == "server/db-01"


def test_the_drift_of_many_is_told_while_it_is_read(office: Any) -> None:
    servers = "".join(f"  s-{n:04}: {{cpu_cores: 1, memory_gb: 1}}\n" for n in range(1000))
    office.commit({"infra/shop/main.yaml": f"settings: {{provider: fake}}\nservers:\n{servers}"}, "many")
    office("apply", "--yes", "--parallel", "50")
    told = office("drift")
    assert "no drift" in told.out
    assert [line for line in told.err.splitlines() if line.startswith("read ")] == [
        f"read {n}00 of 1000 resources" for n in range(1, 11)
    ]


def test_everything_is_left_as_it_was(shop: Any, tamper: World, tmp_path: Path) -> None:
    tamper("server/db-01", memory_gb=2)
    before = {path: path.read_bytes() for path in shop.home.rglob("fake/*.json")}
    tip = shop.git("ls-remote", "origin")
    shop("drift")
    assert {path: path.read_bytes() for path in shop.home.rglob("fake/*.json")} == before
    assert shop.git("ls-remote", "origin") == tip
