"""May this plan run? Approvals against what the environment asks for. Pure: the hour is an argument."""

from __future__ import annotations

from collections.abc import Iterable

from planners.model import Environment, EnvironmentClass
from planners.steps import Plan
from rules.model import VALID_SECONDS, Approval, Decision, Verdict

PROTECTED = (EnvironmentClass.STAGING, EnvironmentClass.PROD)
"""Classes whose plans need an approval when their environment's file does not say how many."""
SKEW_SECONDS = 300
"""How far a signer's clock may run ahead of ours."""


def needed(plan: Plan, environment: Environment | None = None) -> int:
    """How many approvals ``plan`` needs: what the environment's file says, else one in staging and prod and none elsewhere.

    Deletions and replacements need the same number as any other step. Naming teams without a number asks for one. A plan
    without steps needs none. ``environment``: as the protected branch has it (default: the one the plan was made with).
    """
    asked = environment or plan.environment
    if not plan.steps:
        return 0
    if asked.approvals.count is not None:
        return asked.approvals.count
    return 1 if asked.class_ in PROTECTED or asked.approvals.teams else 0


def stricter(one: Environment, other: Environment) -> Environment:
    """The more protective of two: an infra must not escape its environment through the very change that is judged."""
    return max(one, other, key=_rank)


def _rank(environment: Environment) -> tuple[int, int]:
    default = 1 if environment.class_ in PROTECTED or environment.approvals.teams else 0
    count = environment.approvals.count
    return (default if count is None else count, tuple(EnvironmentClass).index(environment.class_))


def judge(
    plan: Plan, approvals: Iterable[Approval], authors: Iterable[str], now: float, environment: Environment | None = None
) -> Verdict:
    """The verdict on exactly this plan. ``approvals`` oldest first; of each principal the last word counts.

    ``authors``: principals and mail addresses of those who made the change. A rejection stands, whatever is needed, until
    its principal approves; an approval counts for 24 hours.
    """
    asked = environment or plan.environment
    want = needed(plan, environment)
    last = {a.principal: a for a in approvals if a.plan == plan.id and a.infra == plan.infra}
    made_it = {a.casefold() for a in authors}
    rejected = tuple(sorted(p for p, a in last.items() if a.decision is Decision.REJECT))
    faults = {p: _fault(a, asked.approvals.teams, made_it, now) for p, a in last.items() if a.decision is Decision.APPROVE}
    have = tuple(sorted(p for p, fault in faults.items() if not fault))
    missing = max(0, want - len(have))
    refused = [f"{p} {fault}" for p, fault in sorted(faults.items()) if fault]
    why = _why(want, have, [(p, last[p].reason) for p in rejected], refused, asked.approvals.teams)
    return Verdict(not rejected and not missing, want, have, missing, rejected, why)


def _fault(approval: Approval, teams: tuple[str, ...], authors: set[str], now: float) -> str:
    """Why an approval does not count; "" when it does."""
    if authors & {approval.principal.casefold(), *(m.casefold() for m in approval.mails)}:
        return "made the change"
    if approval.time > now + SKEW_SECONDS:
        return "approved in the future"
    if now >= min(approval.valid_until, approval.time + VALID_SECONDS):
        return "approved too long ago"
    if teams and not set(teams) & set(approval.teams):
        return "speaks for none of these teams"
    return ""


def _why(want: int, have: tuple[str, ...], rejected: list[tuple[str, str]], refused: list[str], teams: tuple[str, ...]) -> str:
    if rejected:
        return "; ".join(f"rejected by {principal}" + (f": {reason}" if reason else "") for principal, reason in rejected)
    if not want:
        return "no approval is needed"
    source = f" from {' or '.join(teams)}" if teams else ""
    said = f" ({', '.join(have)})" if have else ""
    ignored = f"; not counted: {', '.join(refused)}" if refused else ""
    return f"{len(have)} of {want} approval{'s' * (want != 1)}{source}{said}{ignored}"
