"""Plans as JSON: the whole document that is saved and recorded, and the view that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from planners.canonical import Json
from planners.digests import lifecycle_value, plan_id
from planners.model import Approvals, Dependency, Environment, EnvironmentClass, Lifecycle
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
        "changes": [asdict(c) for c in step.changes],
        "reads": {a: [d.declared, d.recorded] for a, d in step.reads},
        "writes": {a: [d.declared, d.recorded] for a, d in step.writes},
    }
    own = {f.name for f in fields(step)} - {f.name for f in fields(STEP_TYPES["create"])}
    return document | {name: getattr(step, name) for name in sorted(own)}


def edge(dependency: Dependency) -> Json:
    """``[address, healthy, output or ""]``."""
    return [dependency.address, dependency.healthy, dependency.output or ""]


def to_document(plan: Plan) -> dict[str, Json]:
    """The whole plan: what ``plan --save`` writes and the ledger keeps."""
    environment = plan.environment
    return {
        "format": PLAN_FORMAT,
        "id": plan.id,
        "infra": plan.infra,
        "environment": {
            "name": environment.name,
            "class": str(environment.class_),
            "deletion_budget": environment.deletion_budget,
            "approvals": {"count": environment.approvals.count, "teams": list(environment.approvals.teams)},
            "allowed_providers": list(environment.allowed_providers),
        },
        "destroy": plan.destroy,
        "targets": list(plan.targets),
        "unchanged": plan.unchanged,
        "catalog": dict(plan.catalog),
        "drift": list(plan.drift),
        "notices": [asdict(n) for n in plan.notices],
        "steps": [step_document(s) for s in plan.steps],
    }


def from_document(document: Mapping[str, Any]) -> Plan | Problems:
    """Read a plan back; a newer format, a broken shape or content that does not match its id are problems."""
    found = document.get("format") if isinstance(document, Mapping) else None
    if isinstance(found, int) and found > PLAN_FORMAT:
        message = f"the plan has format {found} and this version reads up to {PLAN_FORMAT}"
        return Problems((Problem(NOWHERE, "newer-format", message, "use the newer provisioning, or plan again"),))
    try:
        plan = read_plan(document)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return Problems((Problem(NOWHERE, "broken-plan", "this is not a plan document", "plan again"),))
    if plan_id(plan) != plan.id:
        return Problems(
            (
                Problem(
                    NOWHERE,
                    "altered-plan",
                    f"the plan's content does not match its id {plan.id[:12]}",
                    "it was altered; plan again",
                ),
            )
        )
    return plan


def read_plan(document: Mapping[str, Any]) -> Plan:
    """The plan of a document of a known format; raises on a broken shape."""
    env = document["environment"]
    approvals = Approvals(env["approvals"]["count"], tuple(env["approvals"]["teams"]))
    return Plan(
        infra=document["infra"],
        environment=Environment(
            env["name"], EnvironmentClass(env["class"]), env["deletion_budget"], approvals, tuple(env["allowed_providers"])
        ),
        steps=tuple(read_step(s) for s in document["steps"]),
        notices=tuple(Notice(**n) for n in document["notices"]),
        unchanged=document["unchanged"],
        destroy=document["destroy"],
        targets=tuple(document["targets"]),
        catalog=dict(document["catalog"]),
        id=document["id"],
        drift=tuple(document["drift"]),
    )


def read_step(document: Mapping[str, Any]) -> Step:
    """One step; raises on a broken shape."""
    rest = dict(document)
    kind = STEP_TYPES[rest.pop("action")]
    rest["depends_on"] = tuple(read_edge(e) for e in rest["depends_on"])
    rest["edges"] = tuple(read_edge(e) for e in rest["edges"])
    rest["lifecycle"] = Lifecycle(**{k: tuple(v) if isinstance(v, list) else v for k, v in rest["lifecycle"].items()})
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
        "summary": summary(plan),
        "steps": [step_view(s) for s in plan.steps],
        "notices": [asdict(n) for n in plan.notices],
    }


def summary(plan: Plan) -> dict[str, Json]:
    """How many steps of each action, and how many resources stay as they are."""
    counts: dict[str, Json] = {action: sum(s.action == action for s in plan.steps) for action in STEP_TYPES}
    return {k: v for k, v in counts.items() if v or k in ("create", "update", "replace", "delete")} | {
        "unchanged": plan.unchanged
    }


def step_view(step: Step) -> dict[str, Json]:
    """One step as shown."""
    document: dict[str, Json] = {
        "address": step.address,
        "action": step.action,
        "provider": step.provider,
        "reason": step.reason,
        "depends_on": [d.address for d in step.depends_on],
        "implied_by": step.implied_by,
        "changes": [change_view(c) for c in step.changes],
    }
    return document


def change_view(change: Change) -> dict[str, Json]:
    """One changed leaf, sensitive values hidden."""
    hidden = {"before": HIDDEN, "after": HIDDEN} if change.sensitive else {"before": change.before, "after": change.after}
    marks: dict[str, Json] = {"unknown": change.unknown, "sensitive": change.sensitive, "forces_replace": change.forces_replace}
    return {"path": change.path, **hidden, **marks}
