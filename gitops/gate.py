"""The gate before a plan runs: published, within its budgets, approved where its environment asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops import sources
from gitops.stops import Exit, Stop
from gitops.wiring import Workspace, git_stops
from planners.steps import Notice, Plan

if TYPE_CHECKING:
    from gitops.flow import Consent, Planned
    from planners.model import Environment
    from rules.model import Approval, Verdict


def gate(space: Workspace, planned: Planned, consent: Consent) -> None:
    """Everything that must hold before a plan may run. Raises ``Stop`` naming what is missing."""
    plan, ask = planned.plan, planned.ask
    space.person()
    require_own_remote(space)
    space.common.require_open(plan.infra)
    if not ask.commit:
        raise Stop(Exit.USAGE, "a preview of uncommitted edits cannot be applied", "commit and push them, then apply")
    environment = strictest(space, planned)
    if ask.frozen:
        require_trusted(space, planned, environment)
    else:
        sources.require_published(space, ask.commit, environment)
    for notice in plan.notices:
        if notice.code == "destroys-everything" and not (consent.destroy or plan.destroy):
            raise Stop(Exit.USAGE, notice.message, f"add {notice.blocks} if that is what you want")
        if notice.code == "deletion-budget" and int(notice.blocks.split()[-1]) > consent.allow_deletes:
            raise Stop(Exit.USAGE, notice.message, f"add {notice.blocks} if that is what you want")
    verdict = judge(space, planned, environment)
    if not verdict.allowed:
        hint = f"have somebody else run: provisioning approve {plan.id[:12]} -i {plan.infra}"
        raise Stop(Exit.NEEDS_APPROVAL, f"plan {plan.id[:12]} of {plan.infra} is not approved: {verdict.why}", hint)


def require_own_remote(space: Workspace) -> None:
    """A fork has the same declarations and must not drive the same estate; whether a mirror may, its ledger says. Raises ``Stop``
    (denied)."""
    from gitops.git.remote import normalised

    wanted, own = space.config.remote, (space.home() if space.elsewhere else space).remote
    if wanted and normalised(space.absolute(wanted)) != normalised(own.url):
        message = f"workspace.yaml says this workspace lives at {wanted}, and this clone's origin is {own.shown}"
        raise Stop(Exit.DENIED, message, "apply from there; if the workspace has moved, change 'remote' in workspace.yaml")


def strictest(space: Workspace, planned: Planned) -> Environment:
    """The plan's environment, or the one the infra has on the protected branch when that is stricter: no change frees itself.

    Where the protected branch does not say, be it broken or without the infra, the last clean run's stands for it.
    """
    from rules.approvals import stricter

    own, infra = planned.plan.environment, planned.plan.infra
    try:
        head = sources.protected_head(space)
        if head == planned.ask.treeish:
            return own
        if infra in sources.infra_names(space, head):
            return stricter(own, space.load(infra, head).desired.environment)
    except Stop:
        pass  # a rollback must be possible while the branch is broken
    return stricter(own, _environment_applied(planned) or own)


def _environment_applied(planned: Planned) -> Environment | None:
    from planners.document import from_document

    view = planned.view
    clean = next((r.id for r in view.runs() if r.status == "succeeded"), "")
    run = view.run(clean)
    plan = from_document(run.document) if run else None
    return plan.environment if isinstance(plan, Plan) else None


def require_trusted(space: Workspace, planned: Planned, environment: Environment) -> None:
    """Whoever may push may tag: a snapshot must be whole, and for staging and prod be what the protected branch had, or signed
    by somebody listed there. Raises ``Stop`` (failure)."""
    from gitops.release import snapshot, trusted, verify

    infra, version = planned.plan.infra, planned.ask.frozen
    protected = environment.class_ in sources.PROTECTED_CLASSES
    head = sources.protected_head(space) if protected else ""
    identities = (space.config_at(head) if protected else space.config).identities
    with git_stops():
        found = snapshot(space.repository, space.remote, space.config.id, infra, version)
        wrong = verify(space.repository, found, identities)
        if wrong or found.declarations != planned.ask.treeish:
            message = f"snapshot '{version}' of '{infra}' is not what was frozen: {(*wrong, 'the plan is of another')[0]}"
            raise Stop(Exit.FAILURE, message, f"see 'provisioning snapshot verify {version} -i {infra}'")
        if protected and not trusted(space.repository, found, identities, head):
            message = f"snapshot '{version}' of '{infra}' is neither what '{space.config.protected_branch}' had nor signed"
            hint = "freeze a commit of that branch, or let somebody whose key workspace.yaml lists freeze it"
            raise Stop(Exit.FAILURE, message, hint)


def judge(space: Workspace, planned: Planned, environment: Environment | None = None) -> Verdict:
    """What the environment (the plan's own, unless given) asks for and what is there. Needing nobody costs nothing."""
    from rules.approvals import judge as weigh
    from rules.approvals import needed

    plan, now = planned.plan, space.clock.wall()
    environment = environment or plan.environment
    if not needed(plan, environment):
        return weigh(plan, (), (), now, environment)
    from gitops.approval import read

    config = space.config_at(sources.protected_head(space))
    with git_stops():
        standing = read(space.repository, space.remote, config, plan.infra, plan=plan.id, offline=planned.ask.offline)
    return weigh(plan, standing.approvals, makers(space, planned), now, environment)


def makers(space: Workspace, planned: Planned) -> tuple[str, ...]:
    """Those who made what this plan applies, since the last clean run: they do not approve it themselves."""
    from gitops.approval import authors

    if not planned.ask.commit or space.repository.resolve(planned.ask.commit) is None:
        return ()  # a preview, or a snapshot whose sources are gone
    base = _applied_whole(planned)
    config = space.config_at(sources.protected_head(space))
    with git_stops():
        return authors(space.repository, config, planned.plan.infra, base, planned.ask.commit)


def _applied_whole(planned: Planned) -> str:
    """The commit of the last clean run of everything: one with targets left changes behind that are still to be approved."""
    view = planned.view
    clean = (view.run(r.id) for r in view.runs() if r.status == "succeeded" and r.source_commit)
    return next((run.source_commit for run in clean if run and not run.document.get("targets")), "")


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
