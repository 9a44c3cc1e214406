"""The gate before a plan runs: published, within its budgets, approved where its environment asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops import sources
from gitops.stops import Exit, Stop
from gitops.wiring import Workspace, git_stops
from planners.steps import Notice

if TYPE_CHECKING:
    from gitops.pipeline import Consent, Planned
    from rules.approvals import Verdict
    from rules.model import Approval


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
    verdict = judge(space, planned)
    if not verdict.allowed:
        hint = f"have somebody else run: provisioning approve {plan.id[:12]} -i {plan.infra}"
        raise Stop(Exit.NEEDS_APPROVAL, f"plan {plan.id[:12]} of {plan.infra} is not approved: {verdict.why}", hint)


def require_own_remote(space: Workspace) -> None:
    """A fork has the same declarations and must not drive the same estate. Raises ``Stop`` (denied)."""
    from gitops.git.remote import normalised

    wanted, own = space.config.remote, space.remote
    if wanted and normalised(space.absolute(wanted)) != normalised(own.url):
        message = f"workspace.yaml says this workspace lives at {wanted}, and this clone's origin is {own.shown}"
        raise Stop(Exit.DENIED, message, "apply from the workspace's own remote; if it has moved, change 'remote' in workspace.yaml")


def judge(space: Workspace, planned: Planned) -> Verdict:
    """What the environment asks for and what is there. An empty plan, and one nobody must approve, cost nothing."""
    from rules.approvals import judge as weigh
    from rules.approvals import needed

    now = space.clock.wall()
    if not needed(planned.plan):
        return weigh(planned.plan, (), (), now)
    from gitops.approval import read

    head = sources.protected_head(space)
    with git_stops():
        standing = read(
            space.repository, space.remote, planned.plan.infra, space.config_at(head).identities, offline=planned.ask.offline
        )
    return weigh(planned.plan, standing.approvals, authors(space, planned), now)


def authors(space: Workspace, planned: Planned) -> tuple[str, ...]:
    """Mail addresses of those who made what this plan applies: they do not approve it themselves."""
    if planned.ask.frozen or not planned.ask.commit:
        return ()
    recorded = {r.source_commit for r in planned.view.recorded().resources.values() if r.source_commit}
    with git_stops():
        chain = space.repository.history(planned.ask.commit, limit=1000)
        found = []
        for commit in chain:
            if commit.oid in recorded:
                break
            found.append(commit.author.email)
    return tuple(sorted(set(found)))


def record_decision(space: Workspace, planned: Planned, decision: str, team: str, reason: str) -> Approval:
    """Sign and publish an approval or rejection of exactly this plan. Raises ``Stop``."""
    from gitops.approval import record

    with git_stops():
        return record(
            space.repository,
            space.remote,
            planned.plan,
            decision,
            space.person(),
            team,
            reason,
            space.clock.wall(),
            space.config.identities,
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
