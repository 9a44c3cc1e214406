"""What an environment allows and what it costs, through the real program: told by every plan, refused where it grows too far."""

from __future__ import annotations

from typing import Any

import pytest

PRICES = """\
prices:
  fake:
    currency: EUR
    server: {per: {cpu_cores: 0.004, memory_gb: 0.001}}
    volume: {per: {size_gb: 0.00006}}
"""
MAIN = "settings: {provider: fake, environment: small}\n"
SMALL = "class: dev\nlimits: {servers: 2}\nbudget: {monthly: 20, currency: EUR}\nrequired_labels: [team]\n"
SERVER = "cpu_cores: 2\nmemory_gb: 4\nlabels: {team: web}\n"


@pytest.fixture
def shop(office: Any) -> Any:
    workspace = (office.repo / "workspace.yaml").read_text()
    files = {"workspace.yaml": workspace + PRICES, "environments/small.yaml": SMALL, "infra/shop/main.yaml": MAIN}
    office.commit({**files, "infra/shop/servers/a.yaml": SERVER})
    return office


def test_what_it_costs_is_told_before_and_after(shop: Any) -> None:
    assert "Costs 8.76 EUR a month, +8.76\n" in shop("plan").out
    assert "Costs 8.76 EUR a month, +8.76\n" in shop("plan", "--out", "markdown").out
    shop("apply", "--yes")
    assert "Costs 8.76 EUR a month\nPlan shop (small): nothing to do, 1 unchanged\n" in shop("plan").out
    shop.commit({"infra/shop/servers/b.yaml": SERVER})
    part, whole = (shop("plan", "--out", "json", *more).json for more in ((), ("--full",)))
    assert part["totals"] == whole["totals"]
    assert (part["totals"]["before"]["monthly"], part["totals"]["after"]["monthly"]) == ({"EUR": "8.76"}, {"EUR": "17.52"})
    told = [n["message"] for n in part["notices"] if n["code"] == "budget"]
    assert told == ["after this plan 87 % of the budget of small is used: 17.52 of 20 EUR a month"]
    shop("apply", "--yes")
    assert "Costs 8.76 EUR a month, -8.76\n" in shop("plan", "--target", "server/a", "--destroy").out


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (
            {"infra/shop/servers/b.yaml": SERVER, "infra/shop/servers/c.yaml": SERVER},
            "environment 'small' allows 2 servers and this plan makes 3, now 1; declare less, or raise limits.servers in",
        ),
        (
            {"infra/shop/volumes/v.yaml": "size_gb: 1000\nlabels: {team: web}\n"},
            "environment 'small' allows 20 EUR a month and this plan makes 52.56, now 8.76",
        ),
        (
            {"infra/shop/dns/example.org.yaml": "labels: {team: web}\nvalues: [192.0.2.1]\n"},
            "1 of these resources has no known price",
        ),
        (
            {"infra/shop/servers/b.yaml": SERVER.replace("team", "owner")},
            "servers/b.yaml:1:1: error: server/b has no label 'team', which environment 'small' asks for",
        ),
    ],
)
def test_what_grows_beyond_it_is_refused_and_nothing_is_done(shop: Any, files: dict[str, str], told: str) -> None:
    shop("apply", "--yes")
    shop.commit(files)
    for command in (("plan",), ("apply", "--yes")):
        assert told in shop(*command, code=3).err
    assert {key.partition(".")[0] for key in shop("output", "--out", "json").json["outputs"]} == {"server/a"}


def test_two_plans_that_are_each_within_it_are_not_both_applied(shop: Any, tmp_path: Any) -> None:
    shop("apply", "--yes")
    shop.commit({"infra/shop/servers/b.yaml": SERVER, "infra/shop/servers/c.yaml": SERVER})
    shop("plan", "--target", "server/b", "--save", "b.json")
    shop("plan", "--target", "server/c", "--save", "c.json")
    shop("apply", "--yes", "b.json")
    told = shop("apply", "--yes", "c.json", code=3).err
    assert "environment 'small' allows 2 servers and this plan makes 3, now 2" in told
    shop.commit({"environments/small.yaml": SMALL.replace("servers: 2", "servers: 3").replace("20", "50")})
    shop("apply", "--yes", "c.json")


def test_where_too_much_is_there_already_less_of_it_is_welcome(shop: Any) -> None:
    shop.commit({"infra/shop/servers/b.yaml": SERVER})
    shop("apply", "--yes")
    shop.commit({"environments/small.yaml": SMALL.replace("servers: 2", "servers: 0").replace("20", "1")})
    told = shop("plan").out
    assert "small allows 0 servers and after this plan there are 2" in told
    assert "17.52 of 1 EUR a month" in told
    shop.commit({"infra/shop/servers/b.yaml": None})
    assert "1 done" in shop("apply", "--yes").err


def test_mistakes_in_prices_and_limits_have_their_places(shop: Any) -> None:
    shop.write("environments/small.yaml", "class: dev\nlimits: {server: 2}\nbudget: {monthly: 20.5, currency: euro}\n")
    shop.write("workspace.yaml", (shop.repo / "workspace.yaml").read_text().replace("0.004", "-1"))
    told = shop("validate", code=3).err
    assert "environments/small.yaml:2:10: error: unknown key 'server' in limits; did you mean 'servers'?" in told
    assert "environments/small.yaml:3:19: error" in told
    assert "'euro' is no currency" in told
    assert "-1 is no price per hour" in told
