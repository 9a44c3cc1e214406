"""What a shown plan consists of, before it is text or Markdown: groups of entries, each with its lines.

Every value goes through ``clean``, so nothing a declaration holds can move a cursor, recolour a terminal or turn text round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gitops.report.values import Line, lines
from gitops.visible import clean
from planners.cost import monthly
from planners.dataclass import dataclass
from planners.document import summary
from planners.model import host_of, kind_of, name_of, taskserv_of
from planners.steps import Delete, Forget, Notice, Plan, Replace, Step, Update

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
ALIKE, FIRST = 20, 3
"""Of more entries than this that read alike in a group, so many are shown and the others are counted."""
HOSTS = 20
"""On more servers than this services are grouped by what they are, not by where."""
RISKY = 10
"""So many of what loses something are named first, the others are counted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One step, or ``count`` steps that read alike. ``lines``: (sign, text) of each changed value, or part of one."""

    sign: str
    address: str
    note: str
    lines: tuple[Line, ...]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """Steps that are shown together."""

    title: str
    entries: tuple[Entry, ...]

    @property
    def count(self) -> int:
        """How many steps there are."""
        return sum(entry.count for entry in self.entries)


def headline(plan: Plan) -> str:
    """``Plan shop (dev): 3 to create, 1 to update, 0 to replace, 0 to delete, 12 unchanged``."""
    counts = summary(plan)
    unchanged = counts.pop("unchanged")
    todo = ", ".join(f"{n} to {action}" for action, n in counts.items()) if plan.steps else "nothing to do"
    what = "Plan to destroy" if plan.destroy else "Plan"
    return clean(f"{what} {plan.infra} ({plan.environment.name}): {todo}, {unchanged} unchanged")


def costs(plan: Plan) -> str:
    """``18.25 EUR a month, +3.65; 2 without a known price``; "" where nothing costs anything."""
    told = []
    for currency in sorted({*plan.before.hourly, *plan.after.hourly}):
        before, after = plan.before.hourly.get(currency, 0), plan.after.hourly.get(currency, 0)
        change = f", {'+' if after > before else '-'}{monthly(abs(after - before))}" if after != before else ""
        told.append(f"{monthly(after)} {currency} a month{change}")
    if plan.after.unpriced:
        told.append(f"{plan.after.unpriced} without a known price")
    return "; ".join(told)


def groups(plan: Plan) -> tuple[Group, ...]:
    """By kind, services by server (or by name, on very many servers), removals last; inside a group in the order of the plan."""
    hosts = {host_of(step.address) for step in plan.steps if not isinstance(step, (Delete, Forget))}
    found: dict[tuple[int, int, str], list[Step]] = {}
    for step in plan.steps:
        found.setdefault(_place(step, len(hosts) > HOSTS), []).append(step)
    return tuple(Group(clean(place[2]), tuple(_entries(found[place]))) for place in sorted(found))


def _place(step: Step, crowded: bool) -> tuple[int, int, str]:
    if isinstance(step, (Delete, Forget)):
        return (1, 0, "Removals")
    kind, host = kind_of(step.address), host_of(step.address)
    rank = list(TITLES).index(kind) if kind in TITLES else len(TITLES)
    title = TITLES.get(kind, kind.capitalize())
    if host and crowded:
        return (0, rank, f"Services {taskserv_of(step.address)}")
    return (0, rank, f"{title} {name_of(host)}" if host else title)


def _entries(steps: Sequence[Step]) -> Iterator[Entry]:
    """Each step; of many that do the same to the same keys the first few, and how many more there are."""
    alike: dict[object, list[Step]] = {}
    for step in steps:
        alike.setdefault(_shape(step), []).append(step)
    for step in steps:
        same = alike[_shape(step)]
        if len(same) <= ALIKE or step in same[:FIRST]:
            yield entry(step)
        elif step is same[FIRST]:
            rest = [clean(s.address) for s in same[FIRST:]]
            more = f"{len(rest)} more like the {FIRST} above"
            yield Entry(SIGNS[step.action], more, f"{rest[0]} … {rest[-1]}", (), len(rest))


def _shape(step: Step) -> object:
    kinds = ((c.path, c.before is None, c.after is None, c.forces_replace) for c in step.changes)
    return step.action, kind_of(step.address), tuple(_marks(step)), tuple(kinds)


def entry(step: Step) -> Entry:
    """One step as it is shown."""
    note = "; ".join((step.reason, *_marks(step)))
    return Entry(SIGNS[step.action], clean(step.address), clean(note), tuple(x for c in step.changes for x in lines(c)))


def _marks(step: Step) -> Iterator[str]:
    if isinstance(step, Update) and step.record_only:
        yield "only the record changes"
    if isinstance(step, Delete) and step.gone_with_host:
        yield "goes with its server"
    if isinstance(step, Replace) and not step.gone_with_host:
        yield "the new one is made first" if step.create_first else "the old one goes first"


def look_first(plan: Plan) -> tuple[str, ...]:
    """What a plan of more than a few steps takes away or makes anew, as what was in it may be lost; the rest is only counted."""
    losing = [s for s in plan.steps if isinstance(s, (Delete, Replace)) and not s.gone_with_host]
    if len(plan.steps) <= RISKY:
        return ()
    named = [clean(f"{SIGNS[s.action]} {s.address}  {s.reason}") for s in losing[:RISKY]]
    more = len(losing) - RISKY
    return (*named, f"and {more} more") if more > 0 else tuple(named)


def told(notice: Notice) -> str:
    """A notice with what it asks for."""
    return clean(f"{notice.message}; needs {notice.blocks}" if notice.blocks else notice.message)
