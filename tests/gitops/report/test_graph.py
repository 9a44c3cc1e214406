"""Plans as graphs."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from shutil import which

import pytest
from estates import applied, infra, planned, resource, server, service

from gitops.report.graph import COLORS, SHOWN, graph, render_dot, render_mermaid
from planners.steps import STEP_TYPES, Plan

MADE = planned(
    infra(resource("network/lan"), server("web", networks=["lan"], image="2"), service("web", "nginx")),
    applied(infra(server("web", networks=["lan"], image="1"), server("old"), resource("network/lan"))),
)
CROWD = planned(infra(resource("network/lan"), *(server(f"s-{i:03}", networks=["lan"]) for i in range(SHOWN))))


def test_nodes_are_steps_and_edges_are_what_waits_for_what() -> None:
    drawn = graph(planned(infra(resource("network/lan"), server("web", networks=["lan"]), service("web", "nginx"))))
    assert drawn.nodes == (("+ network/lan", "create"), ("+ server/web", "create"), ("+ taskserv/web/nginx", "create"))
    assert drawn.edges == ((0, 1), (1, 2))


def test_very_many_steps_are_one_node_of_their_action_and_kind() -> None:
    drawn = graph(CROWD)
    assert drawn.nodes == (("+ network/lan", "create"), (f"+ server ({SHOWN})", "create"))
    assert drawn.edges == ((0, 1),)


def test_every_action_has_a_colour() -> None:
    assert COLORS.keys() == STEP_TYPES.keys()


def test_as_dot_and_as_mermaid() -> None:
    assert render_dot(MADE).splitlines() == [
        'digraph "shop" {',
        '  rankdir=LR; node [shape=box, style=rounded, fontname="sans-serif"];',
        '  n0 [label="± server/web", color="#8250df"];',
        '  n1 [label="+ taskserv/web/nginx", color="#2da44e"];',
        '  n2 [label="- server/old", color="#cf222e"];',
        "  n0 -> n1;",
        "}",
    ]
    assert render_mermaid(MADE).splitlines() == [
        "flowchart LR",
        '  n0["± server/web"]:::replace',
        '  n1["+ taskserv/web/nginx"]:::create',
        '  n2["- server/old"]:::delete',
        "  n0 --> n1",
        "  classDef replace stroke:#8250df",
        "  classDef create stroke:#2da44e",
        "  classDef delete stroke:#cf222e",
    ]
    assert render_mermaid(planned(infra())) == "flowchart LR"


@pytest.mark.parametrize("evil", ['"]; click n0 "javascript:x"', "a\\", "<b>x</b>\x1b\n}", '"\\"'])
def test_nothing_in_a_name_gets_out_of_its_label(evil: str) -> None:
    odd = replace(MADE, infra=evil, steps=(replace(MADE.steps[0], address=f"server/{evil}", depends_on=()),))
    assert len(render_mermaid(odd).splitlines()) == 3
    assert re.fullmatch(r'  n0\["[^"\[\]<>;]*(#\d+;[^"\[\]<>;]*)*"\]:::replace', render_mermaid(odd).splitlines()[1])
    assert len(render_dot(odd).splitlines()) == 4


@pytest.mark.real
@pytest.mark.parametrize("plan", [MADE, CROWD, replace(MADE, infra='a"\\')])
def test_graphviz_draws_it(plan: Plan) -> None:
    if which("dot") is None:
        pytest.skip("graphviz")
    done = subprocess.run(["dot", "-Tsvg"], input=render_dot(plan).encode(), capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    drawn = graph(plan)
    assert done.stdout.count(b'class="node"') == len(drawn.nodes)
    assert done.stdout.count(b'class="edge"') == len(drawn.edges)
