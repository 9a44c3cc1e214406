"""What a step consists of: one effect each, with an operation id that survives retries, holders and machines. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from planners.canonical import digest
from planners.steps import Replace, Step


@dataclass(frozen=True, slots=True)
class Phase:
    """One effect. ``name``: create update delete adopt move forget read.

    ``first`` is false for the second half of a replacement.
    """

    op: str
    name: str
    step: Step
    first: bool = True
    last: bool = True
    orphan: bool = False
    """Known from an open intent alone, not from the plan: it can be settled, never begun."""

    @property
    def key(self) -> str:
        """The idempotency key."""
        return self.op[:32]


def operation(identity: tuple[str, str, str], address: str, index: int, phase: str) -> str:
    """Operation id. ``identity``: infra, plan id and run id (the generation: only a resumed run has the same ids again)."""
    infra, plan, run = identity
    return digest("op", [infra, address, plan, index, phase, run])


def phase_names(step: Step) -> tuple[str, ...]:
    """The phases of a step, in order."""
    if not isinstance(step, Replace):
        return (step.action,)
    if step.gone_with_host:
        return ("create",)
    return ("create", "delete") if step.create_first else ("delete", "create")
