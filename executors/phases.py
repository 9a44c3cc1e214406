"""What a step consists of: one effect each, with an operation id that survives retries, holders and machines. Pure."""

from __future__ import annotations

from typing import TypeAlias

from planners.canonical import digest
from planners.dataclass import dataclass
from planners.model import host_of
from planners.steps import Plan, Replace, Step

Identity: TypeAlias = tuple[str, str, str]
"""Infra, plan id and run id. The run id is the generation: only a resumed run has the same operations again."""
Needs: TypeAlias = tuple[tuple[int, bool], ...]
"""(phase, must be healthy) of what comes before a phase."""


@dataclass(frozen=True, slots=True)
class Phase:
    """One effect. ``name``: create update delete adopt move forget read.

    ``number`` is the place of its step in the plan; ``first`` is false for the second half of a replacement.
    """

    op: str
    name: str
    step: Step
    number: int = 0
    first: bool = True
    last: bool = True
    orphan: bool = False
    """Known from an open intent alone, not from the plan: it can be settled, never begun."""

    @property
    def key(self) -> str:
        """The idempotency key."""
        return self.op[:32]

    @property
    def removes_old(self) -> bool:
        """Whether it takes away what a replacement, already made, stands for."""
        return self.name == "delete" and not self.first


def operation(identity: Identity, address: str, number: int, name: str) -> str:
    """Operation id of a step's phase; ``number`` is the place of the step in the plan."""
    infra, plan, run = identity
    return digest("op", [infra, address, plan, number, name, run])


def phase_names(step: Step) -> tuple[str, ...]:
    """The phases of a step, in order. A taskserv never is on one server twice, so it goes before it comes again."""
    if not isinstance(step, Replace):
        return (step.action,)
    if step.gone_with_host:
        return ("create",)
    return ("create", "delete") if step.create_first and host_of(step.address) is None else ("delete", "create")


def phases_of(identity: Identity, step: Step, number: int, prefix: str = "") -> list[Phase]:
    """A step as phases; ``prefix`` sets the operations of one taken back apart from those of the plan."""
    names = phase_names(step)
    last = len(names) - 1
    return [
        Phase(operation(identity, step.address, number, prefix + name), name, step, number, position == 0, position == last)
        for position, name in enumerate(names)
    ]


def laid_out(plan: Plan, identity: Identity) -> tuple[list[Phase], list[Needs]]:
    """All phases of a plan in its order, and what each needs. A replaced one stays until its successor is healthy."""
    phases: list[Phase] = []
    needs: list[Needs] = []
    last: dict[str, int] = {}
    for number, step in enumerate(plan.steps):
        outer = tuple((last[d.address], d.healthy) for d in step.depends_on if d.address in last)
        for phase in phases_of(identity, step, number):
            needs.append(outer if phase.first else ((len(phases) - 1, phase.removes_old),))
            phases.append(phase)
        last[step.address] = len(phases) - 1
    return phases, needs
