"""Whether a plan still stands: everything it relied on must read the same as when it was made."""

from __future__ import annotations

from dataclasses import dataclass

from planners.catalog import Catalog
from planners.digests import declared_digest, recorded_digest
from planners.expand import expand
from planners.model import Desired, Recorded
from planners.plan import relied_on
from planners.steps import Options, Plan


@dataclass(frozen=True, slots=True, order=True)
class Moved:
    """One thing the plan relied on that is different now. ``side``: declared, recorded or catalog."""

    address: str
    side: str

    def __str__(self) -> str:
        return f"{self.address} ({self.side})"


def moved(plan: Plan, desired: Desired, recorded: Recorded, catalog: Catalog) -> tuple[Moved, ...]:
    """All that moved since the plan was made, sorted; empty: the plan is still what would be planned for these addresses."""
    resources = {} if plan.destroy else expand(desired, catalog).resources
    sets = {pair for step in plan.steps for pair in (*step.reads, *step.writes)}
    found = set()
    for address, digests in sets:
        if declared_digest(resources.get(address)) != digests.declared:
            found.add(Moved(address, "declared"))
        if recorded_digest(recorded.resources.get(address)) != digests.recorded:
            found.add(Moved(address, "recorded"))
    now = relied_on(plan.steps, catalog, Options(evaluator=plan.catalog.get("planner", plan.evaluator)))
    found |= {Moved(name, "catalog") for name in {*plan.catalog, *now} if plan.catalog.get(name) != now.get(name)}
    return tuple(sorted(found))
