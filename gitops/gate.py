"""The gate before a plan runs: published, within its budgets, approved where its environment asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops import sources
from gitops.stops import Exit, Stop
from gitops.wiring import Workspace, git_stops
from planners.steps import Notice

if TYPE_CHECKING:
    from gitops.pipeline import Consent, Planned
    from planners.model import Environment
    from rules.model import Approval, Verdict


def gate(space: Workspace, planned: Planned, consent: Consent) -> None:
    """Everything that must hold before a plan may run. Raises ``Stop`` naming what is missing."""
    plan, ask = planned.plan, planned.ask
    space.person()
    require_own_remote(space)
    if not ask.commit:
        raise Stop(Exit.USAGE, "a preview of uncommitted edits cannot be applied", "commit and push them, then apply")
    if not ask.frozen:
        sources.require_published(space, ask.commit, plan.environment)
    for notice in plan.notices:
        if notice.code == "destroys-everything" and not (consent.destroy or plan.destroy):
            raise Stop(Exit.USAGE, notice.message, f"add {notice.blocks} if that is what you want")
        if notice.code == "deletion-budget" and int(notice.blocks.split()[-1]) > consent.allow_deletes:
            raise Stop(Exit.USAGE, notice.message, f"add {notice.blocks} if that is what you want")
    verdict = judge(space, planned, at_gate=True)
    if not verdict.allowed:
        hint = f"have somebody else run: provisioning approve {plan.id[:12]} -i {plan.infra}"
        raise Stop(Exit.NEEDS_APPROVAL, f"plan {plan.id[:12]} of {plan.infra} is not approved: {verdict.why}", hint)


def require_own_remote(space: Workspace) -> None:
    """A fork has the same declarations and must not drive the same estate. Raises ``Stop`` (denied)."""
    from gitops.git.remote import normalised

    wanted, own = space.config.remote, space.remote
    if wanted and normalised(space.absolute(wanted)) != normalised(own.url):
        message = f"workspace.yaml says this workspace lives at {wanted}, and this clone's origin is {own.shown}"
        raise Stop(Exit.DENIED, message, "apply from there; if the workspace has moved, change 'remote' in workspace.yaml")


def judge(space: Workspace, planned: Planned, at_gate: bool = False) -> Verdict:
    """What the environment asks for and what is there. A plan that needs no approval costs nothing.

    ``at_gate``: the environment is that of the protected branch too, the stricter of both, as no change may free itself.
    """
    from rules.approvals import judge as weigh
    from rules.approvals import needed, stricter

    plan, now = planned.plan, space.clock.wall()
    environment = plan.environment
    if at_gate and not planned.ask.frozen:
        environment = stricter(environment, _protected_environment(space, planned))
    if not needed(plan, environment):
        return weigh(plan, (), (), now, environment)
    from gitops.approval import read

    config = space.config_at(sources.protected_head(space))
    with git_stops():
        standing = read(space.repository, space.remote, config, plan.infra, plan=plan.id, offline=planned.ask.offline)
    return weigh(plan, standing.approvals, makers(space, planned), now, environment)


def _protected_environment(space: Workspace, planned: Planned) -> Environment:
    """The infra's environment as the protected branch has it; the plan's own where that does not declare the infra."""
    head, infra = sources.protected_head(space), planned.plan.infra
    if head == planned.ask.commit or infra not in sources.infra_names(space, head):
        return planned.plan.environment
    return space.load(infra, head).desired.environment


def makers(space: Workspace, planned: Planned) -> tuple[str, ...]:
    """Those who made what this plan applies, since the last clean run: they do not approve it themselves."""
    from gitops.approval import authors

    if planned.ask.frozen or not planned.ask.commit:
        return ()
    base = next((r.source_commit for r in planned.view.runs() if r.status == "succeeded" and r.source_commit), "")
    config = space.config_at(sources.protected_head(space))
    with git_stops():
        return authors(space.repository, config, planned.plan.infra, base, planned.ask.commit)


def record_decision(space: Workspace, planned: Planned, decision: str, team: str, reason: str) -> Approval:
    """Sign and publish an approval or rejection of exactly this plan. Raises ``Stop``."""
    from gitops.approval import record

    config = space.config_at(sources.protected_head(space))
    with git_stops():
        return record(
            space.repository,
            space.remote,
            config,
            planned.plan,
            decision,
            space.person(),
            space.clock,
            team=team,
            reason=reason,
            source_commit=planned.ask.commit,
            made_by=makers(space, planned),
        )


def approval_notice(space: Workspace, planned: Planned) -> tuple[Notice, ...]:
    """How far a plan is from being approved, for those who read it."""
    if not planned.ask.commit:
        return ()
    verdict = judge(space, planned)
    if not verdict.needed:
        return ()
    state = "is approved" if verdict.allowed else "needs approval"
    return (
        Notice(
            "approval", f"{planned.plan.environment.name}: this plan {state}: {verdict.why}", "" if verdict.allowed else "approve"
        ),
    )
