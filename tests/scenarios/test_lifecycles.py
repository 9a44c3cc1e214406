"""What a declaration says of how things come and go, through the real program: taken in, let go, made anew with another."""

from __future__ import annotations

from typing import Any

import pytest

HEAD = "settings: {provider: fake}\n"


@pytest.fixture
def shop(office: Any) -> Any:
    office.commit({"infra/shop/main.yaml": HEAD, "infra/shop/servers/db-01.yaml": "cpu_cores: 2\n"})
    office("apply", "--yes")
    return office


def steps(desk: Any, *argv: str) -> list[tuple[str, str, str]]:
    plan = desk("plan", "--out", "json", *argv).json
    assert plan["id"] == desk("plan", "--out", "json", "--full", *argv).json["id"]
    return [(s["action"], s["address"], s["reason"]) for s in plan["steps"]]


def ids(desk: Any) -> dict[str, str]:
    found = desk("output", "--out", "json").json["outputs"].items()
    return {key.removesuffix(".id"): value for key, value in found if key.endswith(".id")}


def test_what_was_let_go_can_be_taken_in_again_under_another_name(shop: Any) -> None:
    (identity,) = ids(shop).values()
    shop.commit({"infra/shop/servers/db-01.yaml": None, "infra/shop/main.yaml": HEAD + "forget: [server/db-01]\n"})
    assert steps(shop) == [("forget", "server/db-01", "declared to be forgotten: it is left as it is")]
    shop("apply", "--yes")
    assert ids(shop) == {}

    taken = f"cpu_cores: 4\nlifecycle: {{import_id: {identity}}}\n"
    shop.commit({"infra/shop/servers/main-db.yaml": taken, "infra/shop/main.yaml": HEAD})
    assert steps(shop) == [("adopt", "server/main-db", f"{identity} is taken in")]
    shop("apply", "--yes")
    assert ids(shop) == {"server/main-db": identity}
    assert "cpu_cores is not as declared" in shop("run", "logs", shop("run", "list", "--out", "json").json["runs"][0]["id"]).out
    ((action, address, _),) = steps(shop)
    assert (action, address) == ("update", "server/main-db"), "what differs is changed by a plan of its own"
    shop("apply", "--yes")
    assert ids(shop) == {"server/main-db": identity}
    assert shop("plan", "--refresh", "--detailed-exitcode").code == 0


def test_importing_what_is_not_there_or_is_another_resource_is_refused(shop: Any) -> None:
    (identity,) = ids(shop).values()
    shop.commit({"infra/shop/servers/twin.yaml": f"cpu_cores: 2\nlifecycle: {{import_id: {identity}}}\n"})
    told = shop("plan", code=3).err
    assert f"infra/shop/servers/twin.yaml:1:1: error: server/twin imports '{identity}', which is server/db-01" in told
    shop.commit({"infra/shop/servers/twin.yaml": "cpu_cores: 2\nlifecycle: {import_id: server-nowhere}\n"})
    assert "the provider does not find it: it is gone" in shop("apply", "--yes", code=1).err


def test_mistakes_are_told_in_their_places(shop: Any) -> None:
    main = (
        "settings: {provider: fake}\nforget: [server/db-01, db-01]\ntaskservs: {nginx: {lifecycle: {import_id: x}}}\n"
        "servers: {web: {lifecycle: {replace_triggered_by: [server/nowhere, 'server/db-01#']}}}\n"
    )
    shop.write("infra/shop/main.yaml", main)
    told = shop("validate", code=3).err
    assert "infra/shop/main.yaml:2:24: error: forget[1]: 'db-01' is not an address" in told
    assert "error: servers.web.lifecycle.replace_triggered_by[1]: 'server/db-01#' is neither an address nor" in told
    shop.write("infra/shop/main.yaml", main.replace(", db-01]", "]").replace(", 'server/db-01#'", ""))
    told = shop("validate", code=3).err
    assert "main.yaml:2:10: error: server/db-01 is to be forgotten and is declared" in told
    assert "server/web needs server/nowhere, which is not declared" in told
    assert "taskserv 'nginx' has no id of its own to be imported by" in told


def test_what_another_replaces_goes_with_it_also_when_the_run_was_cut_short(shop: Any) -> None:
    cause = "lifecycle: {replace_triggered_by: ['server/db-01#image', server/db-02]}\n"
    shop.commit({"infra/shop/servers/web-01.yaml": f"cpu_cores: 1\n{cause}", "infra/shop/servers/db-02.yaml": "cpu_cores: 1\n"})
    shop("apply", "--yes")
    before = ids(shop)
    shop.commit({"infra/shop/servers/db-01.yaml": "cpu_cores: 4\n"})
    assert [a for _, a, _ in steps(shop)] == ["server/db-01"], "another key of it"
    shop.commit({"infra/shop/servers/db-02.yaml": "cpu_cores: 2\n"})
    assert steps(shop)[1:] == [
        ("update", "server/db-02", "declaration changed"),
        ("replace", "server/web-01", "server/db-02 changed"),
    ]
    shop("apply", "--yes", "--target", "server/db-02")
    assert steps(shop)[1:] == [("replace", "server/web-01", "server/db-02 changed")], "what was not carried out is still to be"
    shop("apply", "--yes")
    assert {a for a, identity in ids(shop).items() if identity != before[a]} == {"server/web-01"}
    assert steps(shop) == []


def test_targets_are_made_anew_when_that_is_asked_for(shop: Any) -> None:
    before = ids(shop)
    assert steps(shop, "--replace", "--target", "server/db-01") == [("replace", "server/db-01", "asked for")]
    shop("apply", "--replace", "--target", "server/db-01", "--yes")
    after = ids(shop)
    assert after.keys() == before.keys() and after != before
    assert "name each with --target ADDRESS" in shop("plan", "--replace", code=2).last
