"""What judgements are made of: one person's signed word on one plan, and the verdict."""

from __future__ import annotations

from enum import StrEnum

from planners.dataclass import dataclass


class Decision(StrEnum):
    """What an approver said."""

    APPROVE = "approve"
    REJECT = "reject"


VALID_SECONDS = 24 * 3600
"""How long an approval counts (DESIGN section 9)."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One word on one plan whose signature was found good.

    ``principal``: the identity the signing key belongs to; ``teams``: those it may speak for (one, when it named one);
    ``mails``: its addresses, to tell whether it made the change itself. Times in Unix seconds, as the signer's clock had them.
    ``commit``: the record itself.
    """

    plan: str
    infra: str
    decision: Decision
    principal: str
    teams: tuple[str, ...] = ()
    mails: tuple[str, ...] = ()
    reason: str = ""
    time: int = 0
    valid_until: int = 0
    commit: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a plan may run. ``needed``: approvals asked for; ``have``: whose count; ``missing``: how many are lacking.

    ``rejected``: whose rejection stands. ``why``: the judgement in one phrase, with what did not count and for what reason.
    """

    allowed: bool
    needed: int
    have: tuple[str, ...]
    missing: int
    rejected: tuple[str, ...]
    why: str
