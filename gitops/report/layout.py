"""What a shown plan consists of, before it is text or Markdown: groups of entries, each with its lines.

Every value goes through ``clean``, so nothing a declaration holds can move a cursor, recolour a terminal or turn text round.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from gitops.visible import clean
from planners.canonical import Json
from planners.dataclass import dataclass
from planners.document import HIDDEN, summary
from planners.model import host_of, kind_of, name_of
from planners.steps import Change, Delete, Forget, Notice, Plan, Replace, Step, Update

SIGNS: Mapping[str, str] = {
    "create": "+",
    "update": "~",
    "replace": "±",
    "delete": "-",
    "move": ">",
    "adopt": "<",
    "forget": "x",
    "read": "?",
}
TITLES: Mapping[str, str] = {
    "network": "Networks",
    "volume": "Volumes",
    "server": "Servers",
    "taskserv": "Services on",
    "cluster": "Clusters",
    "load_balancer": "Load balancers",
    "dns": "DNS",
}
"""Kinds in the order in which they are shown."""
LONGEST = 160
"""Characters of one value; the plan document has all of it."""
UNKNOWN = "known after apply"


@dataclass(frozen=True, slots=True)
class Entry:
    """One step. ``lines``: (sign, text) of each changed value."""

    sign: str
    address: str
    note: str
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Steps that are shown together."""

    title: str
    entries: tuple[Entry, ...]


def headline(plan: Plan) -> str:
    """``Plan shop (dev): 3 to create, 1 to update, 0 to replace, 0 to delete, 12 unchanged``."""
    counts = summary(plan)
    unchanged = counts.pop("unchanged")
    todo = ", ".join(f"{n} to {action}" for action, n in counts.items()) if plan.steps else "nothing to do"
    what = "Plan to destroy" if plan.destroy else "Plan"
    return clean(f"{what} {plan.infra} ({plan.environment.name}): {todo}, {unchanged} unchanged")


def groups(plan: Plan) -> tuple[Group, ...]:
    """By kind, services by server, removals last; inside a group in the order of the plan."""
    found: dict[tuple[int, int, str], list[Step]] = {}
    for step in plan.steps:
        found.setdefault(_place(step), []).append(step)
    return tuple(Group(clean(place[2]), tuple(entry(s) for s in found[place])) for place in sorted(found))


def _place(step: Step) -> tuple[int, int, str]:
    if isinstance(step, (Delete, Forget)):
        return (1, 0, "Removals")
    kind, host = kind_of(step.address), host_of(step.address)
    rank = list(TITLES).index(kind) if kind in TITLES else len(TITLES)
    title = TITLES.get(kind, kind.capitalize())
    return (0, rank, f"{title} {name_of(host)}" if host else title)


def entry(step: Step) -> Entry:
    """One step as it is shown."""
    note = "; ".join((step.reason, *_marks(step)))
    return Entry(SIGNS[step.action], clean(step.address), clean(note), tuple(line(c) for c in step.changes))


def _marks(step: Step) -> Iterator[str]:
    if isinstance(step, Update) and step.record_only:
        yield "only the record changes"
    if isinstance(step, Delete) and step.gone_with_host:
        yield "goes with its server"
    if isinstance(step, Replace) and step.create_first:
        yield "the new one is made first"


def line(change: Change) -> tuple[str, str]:
    """One changed value: its sign and ``path: before -> after``."""
    after = f"{shown(change.after)} ({UNKNOWN})" if change.unknown else shown(change.after)
    if change.sensitive:
        sign, value = "~", HIDDEN
    elif change.unknown:
        sign, value = "?", after
    elif change.before is None:
        sign, value = "+", after
    elif change.after is None:
        sign, value = "-", shown(change.before)
    elif change.before == change.after:
        sign, value = "~", f"{after} (what it refers to changed)"
    else:
        sign, value = "~", f"{shown(change.before)} -> {after}"
    forced = "  # forces replacement" if change.forces_replace else ""
    return sign, f"{clean(change.path)}: {value}{forced}"


def shown(value: Json) -> str:
    """A value as JSON on one line, cut where it is long."""
    text = clean(json.dumps(value, ensure_ascii=False, sort_keys=True, default=dict))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def told(notice: Notice) -> str:
    """A notice with what it asks for."""
    return clean(f"{notice.message}; needs {notice.blocks}" if notice.blocks else notice.message)
