"""Whether a plan still stands: everything it relied on must read the same as when it was made."""

from __future__ import annotations

from planners.catalog import Catalog
from planners.dataclass import dataclass
from planners.expand import expand
from planners.model import Desired, Recorded
from planners.plan import digests_of, relied_on
from planners.steps import Plan


@dataclass(frozen=True, slots=True, order=True)
class Moved:
    """One thing the plan relied on that is different now. ``side``: declared, recorded or catalog."""

    address: str
    side: str

    def __str__(self) -> str:
        return f"{self.address} ({self.side})"


def moved(plan: Plan, desired: Desired, recorded: Recorded, catalog: Catalog) -> tuple[Moved, ...]:
    """All that moved since the plan was made, sorted; empty: the plan is still what would be planned for these addresses.

    What the plan neither read nor writes may change as it likes.
    """
    now = digests_of(expand(desired, catalog).resources, recorded.resources)
    found: set[Moved] = set()
    for address, then in {pair for step in plan.steps for pair in (*step.reads, *step.writes)}:
        if now(address).declared != then.declared:
            found.add(Moved(address, "declared"))
        if now(address).recorded != then.recorded:
            found.add(Moved(address, "recorded"))
    environment, planned = desired.environment, plan.environment
    if (environment.name, environment.class_) != (planned.name, planned.class_):
        found.add(Moved(f"environment/{planned.name}", "declared"))
    versions = relied_on(plan.steps, recorded.resources, catalog)
    found |= {
        Moved(name, "catalog") for name in versions.keys() | plan.catalog.keys() if versions.get(name) != plan.catalog.get(name)
    }
    return tuple(sorted(found))
