"""A plan on a terminal."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from estates import applied, infra, planned, server, service, there

from gitops.report.text import render_text
from planners.steps import Plan

BEFORE = infra(server("web", image="1"), server("db", root_password="a"), server("old"))
AFTER = infra(
    server("web", image="2"), server("db", root_password="b"), service("web", "nginx", upstream="${server/db.private_ip}")
)


def changing() -> Plan:
    made = planned(AFTER, applied(BEFORE), {"server/db": there(power="off")})
    return replace(made, id="f" * 64)


def test_the_whole_of_a_plan() -> None:
    assert (
        render_text(changing(), color=False)
        == f"""\
Servers
  ~ server/db  declaration changed; drift: power
      ~ root_password: (sensitive)
      ~ power: "off" -> "on"
  ± server/web  image cannot change in place; the old one goes first
      ~ image: "1" -> "2"  # forces replacement

Services on web
  + taskserv/web/nginx  not there yet
      + config.upstream: "${{server/db.private_ip}}"
      + version: "1.24"

Removals
  - server/old  no longer declared

Drift
  server/db

+ create  ~ update  ± replace  - delete
Plan shop (dev): 1 to create, 1 to update, 1 to replace, 1 to delete, 0 unchanged
id {"f" * 64}"""
    )


def test_an_empty_plan_says_so() -> None:
    made = replace(planned(BEFORE, applied(BEFORE)), id="0" * 64)
    assert render_text(made, color=False) == f"Plan shop (dev): nothing to do, 3 unchanged\nid {'0' * 64}"


def test_notices_and_targets_stand_before_the_counts() -> None:
    made = planned(infra(), applied(BEFORE), None, "server/old", "server/web")
    lines = render_text(made, color=False).splitlines()
    assert lines[-5].startswith("! this plan deletes 2 resources") and lines[-5].endswith("; needs --allow-deletes 2")
    assert lines[-4] == "Only server/old, server/web and what is needed for it."
    assert lines[-2].startswith("Plan shop (dev): ")


def test_colour_changes_nothing_but_colour() -> None:
    made = changing()
    coloured = render_text(made, color=True)
    assert re.sub(r"\x1b\[\d+m", "", coloured) == render_text(made, color=False)
    assert "\x1b[35m  ± server/web  image cannot change in place; the old one goes first\x1b[0m" in coloured
    assert "\x1b[31m  - server/old  no longer declared\x1b[0m" in coloured


@pytest.mark.parametrize("color", [False, True])
def test_no_escape_of_a_value_reaches_the_terminal(color: bool) -> None:
    evil = "\x1b]0;title\x07\x1b[2J\u202e\r+ server/fake"
    made = planned(infra(server("a", note=evil, **{f"key{evil}": 1})), applied(infra(server("a"))))
    shown = re.sub(r"\x1b\[\d+m", "", render_text(made, color))
    assert all(line.isprintable() for line in shown.splitlines())
    assert "server/fake" in shown
    assert not any(line.lstrip().startswith("+ server/fake") for line in shown.splitlines())
