"""Plans as JSON: the whole document that is saved and recorded, and the view that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from planners.canonical import Json, digest
from planners.digests import lifecycle_value
from planners.model import Approvals, Budget, Dependency, Environment, EnvironmentClass, Lifecycle, Limits, Totals
from planners.problems import NOWHERE, Problem, Problems
from planners.steps import PLAN_FORMAT, STEP_TYPES, Change, Digests, Notice, Plan, Step

HIDDEN = "(sensitive)"


def step_document(step: Step) -> dict[str, Json]:
    """All of one step; references and ``secret://`` references as written, never a secret value."""
    document: dict[str, Json] = {
        "action": step.action,
        "address": step.address,
        "provider": step.provider,
        "reason": step.reason,
        "depends_on": [edge(d) for d in step.depends_on],
        "declared": step.declared,
        "edges": [edge(d) for d in step.edges],
        "lifecycle": lifecycle_value(step.lifecycle),
        "extension": step.extension,
        "implied_by": step.implied_by,
        "changes": [_plain(c) for c in step.changes],
        "reads": {a: [d.declared, d.recorded] for a, d in step.reads},
        "writes": {a: [d.declared, d.recorded] for a, d in step.writes},
    }
    return document | own_fields(step)


def own_fields(step: Step) -> dict[str, Json]:
    """What this action has beyond what all steps have."""
    common = {f.name for f in fields(STEP_TYPES["create"])}
    return {f.name: getattr(step, f.name) for f in fields(step) if f.name not in common}


def totals_document(totals: Totals) -> dict[str, Json]:
    """Totals as they are kept."""
    return {**_plain(totals), "hourly": dict(totals.hourly)}


def _plain(value: Change | Notice | Limits | Budget | Totals) -> dict[str, Json]:
    """Its fields as they are: ``asdict`` would copy every value, which is slow."""
    return {f.name: getattr(value, f.name) for f in fields(value)}


def edge(dependency: Dependency) -> Json:
    """``[address, healthy, output or ""]``."""
    return [dependency.address, dependency.healthy, dependency.output or ""]


def plan_id(plan: Plan) -> str:
    """SHA-256 over the canonical content: steps with their sets, and the catalog relied on; no commit, time or host."""
    content: Json = {
        "format": PLAN_FORMAT,
        "infra": plan.infra,
        "environment": [plan.environment.name, str(plan.environment.class_)],
        "destroy": plan.destroy,
        "catalog": dict(plan.catalog),
        "steps": [step_document(s) for s in plan.steps],
    }
    return digest("plan", content)


def to_document(plan: Plan) -> dict[str, Json]:
    """The whole plan: what ``plan --save`` writes and the ledger keeps. ``digest`` covers all the rest, notices too."""
    document: dict[str, Json] = {
        "format": PLAN_FORMAT,
        "id": plan.id,
        "infra": plan.infra,
        "environment": environment_document(plan.environment),
        "destroy": plan.destroy,
        "targets": list(plan.targets),
        "unchanged": plan.unchanged,
        "catalog": dict(plan.catalog),
        "drift": list(plan.drift),
        "notices": [_plain(n) for n in plan.notices],
        "totals": {"before": totals_document(plan.before), "after": totals_document(plan.after)},
        "steps": [step_document(s) for s in plan.steps],
    }
    return {**document, "digest": digest("plan-document", document)}


def environment_document(environment: Environment) -> dict[str, Json]:
    """All that an environment says."""
    return {
        "name": environment.name,
        "class": str(environment.class_),
        "deletion_budget": environment.deletion_budget,
        "approvals": {"count": environment.approvals.count, "teams": list(environment.approvals.teams)},
        "allowed_providers": list(environment.allowed_providers),
        "limits": {**_plain(environment.limits), "labels": list(environment.limits.labels)},
        "budget": _plain(environment.budget) if environment.budget else None,
    }


def read_environment(document: Mapping[str, Any]) -> Environment:
    """The reverse; of a plan of 0.1.0, which has no limits and no budget. Raises on a broken shape."""
    limits: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in document.get("limits", {}).items()}
    budget = document.get("budget")
    return Environment(
        document["name"],
        EnvironmentClass(document["class"]),
        document["deletion_budget"],
        Approvals(document["approvals"]["count"], tuple(document["approvals"]["teams"])),
        tuple(document["allowed_providers"]),
        Limits(**limits),
        Budget(**budget) if budget else None,
    )


def from_document(document: Mapping[str, Any]) -> Plan | Problems:
    """Read a plan back; a newer format, a broken shape or altered content are problems."""
    found = document.get("format") if isinstance(document, Mapping) else None
    if isinstance(found, int) and found > PLAN_FORMAT:
        message = f"the plan has format {found} and this version reads up to {PLAN_FORMAT}"
        return _unusable("newer-format", message, "use the newer provisioning, or plan again")
    try:
        plan = read_plan(document)
        whole = digest("plan-document", {k: v for k, v in document.items() if k != "digest"})
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return _unusable("broken-plan", "this is not a plan document", "plan again")
    if whole != document.get("digest") or plan_id(plan) != plan.id:
        message = f"the content of plan {plan.id[:12]} was altered after it was made"
        return _unusable("altered-plan", message, "plan again")
    return plan


def _unusable(code: str, message: str, advice: str) -> Problems:
    return Problems((Problem(NOWHERE, code, message, advice),))


def read_plan(document: Mapping[str, Any]) -> Plan:
    """The plan of a document of a known format; raises on a broken shape."""
    totals = document.get("totals", {})  # not in plans of 0.1.0
    return Plan(
        infra=document["infra"],
        environment=read_environment(document["environment"]),
        steps=tuple(read_step(s) for s in document["steps"]),
        notices=tuple(Notice(**n) for n in document["notices"]),
        unchanged=document["unchanged"],
        destroy=document["destroy"],
        targets=tuple(document["targets"]),
        catalog=dict(document["catalog"]),
        id=document["id"],
        drift=tuple(document["drift"]),
        **{name: Totals(**value) for name, value in totals.items()},
    )


def read_step(document: Mapping[str, Any]) -> Step:
    """One step; raises on a broken shape."""
    rest = dict(document)
    kind = STEP_TYPES[rest.pop("action")]
    rest["depends_on"] = tuple(read_edge(e) for e in rest["depends_on"])
    rest["edges"] = tuple(read_edge(e) for e in rest["edges"])
    lifecycle: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in rest["lifecycle"].items()}
    rest["lifecycle"] = Lifecycle(**lifecycle)
    rest["changes"] = tuple(Change(**c) for c in rest["changes"])
    for name in ("reads", "writes"):
        rest[name] = tuple((a, Digests(*d)) for a, d in sorted(rest[name].items()))
    return kind(**rest)


def read_edge(value: Any) -> Dependency:
    """The reverse of ``edge``."""
    return Dependency(str(value[0]), bool(value[1]), str(value[2]) or None)


def view(plan: Plan) -> dict[str, Json]:
    """What ``plan --out json`` shows: no times, no hosts, nothing sensitive."""
    return {
        "format": PLAN_FORMAT,
        "id": plan.id,
        "infra": plan.infra,
        "environment": {"name": plan.environment.name, "class": str(plan.environment.class_)},
        "destroy": plan.destroy,
        "targets": list(plan.targets),
        "summary": summary(plan),
        "steps": [step_view(s) for s in plan.steps],
        "drift": list(plan.drift),
        "notices": [_plain(n) for n in plan.notices],
        "totals": {"before": totals_view(plan.before), "after": totals_view(plan.after)},
    }


def totals_view(totals: Totals) -> dict[str, Json]:
    """Totals with what they cost a month."""
    from planners.cost import monthly

    shown = {name: value for name, value in totals_document(totals).items() if name != "hourly"}
    return {**shown, "monthly": {currency: monthly(price) for currency, price in totals.hourly.items()}}


def summary(plan: Plan) -> dict[str, Json]:
    """How many steps of each action, and how many resources stay as they are."""
    counts = {action: sum(s.action == action for s in plan.steps) for action in STEP_TYPES}
    always = ("create", "update", "replace", "delete")
    return {**{action: n for action, n in counts.items() if n or action in always}, "unchanged": plan.unchanged}


def step_view(step: Step) -> dict[str, Json]:
    """One step as shown; what only some actions know (``record_only``, ``moved_from``, ...) only where it is so."""
    document: dict[str, Json] = {
        "address": step.address,
        "action": step.action,
        "provider": step.provider,
        "reason": step.reason,
        "depends_on": [d.address for d in step.depends_on],
        "implied_by": step.implied_by,
        "changes": [change_view(c) for c in step.changes],
    }
    return document | {name: value for name, value in own_fields(step).items() if value}


def change_view(change: Change) -> dict[str, Json]:
    """One changed leaf, sensitive values hidden."""
    hidden = {"before": HIDDEN, "after": HIDDEN} if change.sensitive else {"before": change.before, "after": change.after}
    marks: dict[str, Json] = {"unknown": change.unknown, "sensitive": change.sensitive, "forces_replace": change.forces_replace}
    return {"path": change.path, **hidden, **marks}
