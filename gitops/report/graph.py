"""A plan as a graph: what waits for what, as text for graphviz's ``dot`` or for Mermaid."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gitops.report.layout import SIGNS
from gitops.visible import clean
from planners.dataclass import dataclass
from planners.model import kind_of
from planners.steps import Plan, Step

SHOWN = 150
"""Of more steps than this, those of one action and kind are one node: nobody reads more, and drawing takes minutes."""
COLORS: Mapping[str, str] = {
    "create": "#2da44e",
    "update": "#bf8700",
    "replace": "#8250df",
    "delete": "#cf222e",
    "move": "#1b7c83",
    "adopt": "#1b7c83",
    "forget": "#cf222e",
    "read": "#1b7c83",
}


@dataclass(frozen=True, slots=True)
class Graph:
    """``nodes``: label and action; ``edges``: (first, then) by the places of nodes, sorted."""

    nodes: tuple[tuple[str, str], ...]
    edges: tuple[tuple[int, int], ...]


def graph(plan: Plan) -> Graph:
    """The steps of a plan, or what they come to where there are very many, in their order."""
    crowded = len(plan.steps) > SHOWN
    found: dict[object, int] = {}
    members: list[list[Step]] = []
    place: dict[str, int] = {}
    for step in plan.steps:
        key = (step.action, kind_of(step.address)) if crowded else step.address
        number = place[step.address] = found.setdefault(key, len(members))
        if number == len(members):
            members.append([])
        members[number].append(step)
    edges = {(place[d.address], place[s.address]) for s in plan.steps for d in s.depends_on if d.address in place}
    nodes = tuple((_label(steps), steps[0].action) for steps in members)
    return Graph(nodes, tuple(sorted((a, b) for a, b in edges if a != b)))


def _label(steps: list[Step]) -> str:
    first = steps[0]
    what = first.address if len(steps) == 1 else f"{kind_of(first.address)} ({len(steps)})"
    return f"{SIGNS[first.action]} {clean(what)}"


def render_dot(plan: Plan) -> str:
    """Text for ``dot -Tsvg``."""
    drawn = graph(plan)
    lines = [f"digraph {_quoted(plan.infra)} {{", '  rankdir=LR; node [shape=box, style=rounded, fontname="sans-serif"];']
    for number, (label, action) in enumerate(drawn.nodes):
        lines.append(f'  n{number} [label={_quoted(label)}, color="{COLORS[action]}"];')
    lines += [f"  n{first} -> n{then};" for first, then in drawn.edges]
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    escaped = clean(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def render_mermaid(plan: Plan) -> str:
    """A flowchart that forges draw inside a fence named ``mermaid``."""
    drawn = graph(plan)
    lines = ["flowchart LR"]
    lines += [f'  n{number}["{_entities(label)}"]:::{action}' for number, (label, action) in enumerate(drawn.nodes)]
    lines += [f"  n{first} --> n{then}" for first, then in drawn.edges]
    used = dict.fromkeys(action for _, action in drawn.nodes)
    lines += [f"  classDef {action} stroke:{COLORS[action]}" for action in used]
    return "\n".join(lines)


def _entities(text: str) -> str:
    """Anything that could mean something to Mermaid or HTML, as a number."""
    return re.sub(r"[^\w ./+~±()-]", lambda m: f"#{ord(m[0])};", text)
