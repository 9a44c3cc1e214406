"""Questions about a workspace that change nothing: how things stand, and why a resource is as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gitops import sources
from gitops.stops import Exit, Stop
from gitops.visible import clean
from gitops.wiring import Workspace, head
from planners.dataclass import dataclass
from planners.model import kind_of

if TYPE_CHECKING:
    from gitops.flow import Planned
    from gitops.ledger.lock import Lock
    from gitops.ledger.view import View
    from planners.drift import Drifted
    from planners.model import RecordedResource, Resource
    from planners.problems import Problem
    from planners.steps import Notice, Plan


def status_of(space: Workspace, infra: str, commit: str) -> dict[str, Any]:
    """One infra in a row: environment, resources, pending steps, lock, last run."""
    from gitops.flow import Ask
    from gitops.pipeline import make_plan

    view = space.ledger(infra).view()
    row: dict[str, Any] = {
        "infra": infra,
        "resources": len(view.recorded().resources),
        "lock": explain_lock(view.lock),
        "pin": view.pin.source if view.pin else None,
    }
    if notices := sources.frozen(space, infra):
        row["lock"] += f"; {clean(notices[0].message)}"
    row["frozen"] = clean(notices[0].message) if notices else None
    runs = view.runs()
    row["last_run"] = f"{runs[0].id} {runs[0].status}" if runs else "-"
    if infra not in sources.infra_names(space, commit):
        return {**row, "environment": "-", "pending": "not declared; empty it with 'apply --destroy'"}
    try:
        planned = make_plan(space, Ask(infra, commit, commit))
    except Stop as stop:
        return {**row, "environment": "-", "pending": f"cannot be planned: {stop.message}"}
    pending = f"{len(planned.plan.steps)} steps" if planned.plan.steps else "nothing"
    if view.pin:
        pending += f", pinned to {view.pin.source}"
    return {**row, "environment": planned.plan.environment.name, "pending": pending}


def explain_lock(lock: Lock) -> str:
    """Who holds it and why, or ``free``, or that the chain has ended."""
    if str(lock.state) == "SEALED":
        return clean(f"sealed: {lock.reason}")
    if not lock.holder_text():
        return "free"
    until = f", until {moment(lock.expires)}" if lock.expires else ""
    return clean(f"{lock.kind or lock.state} by {lock.holder_text()}: {lock.reason}{until}")


def moment(unix: float) -> str:
    """``2026-11-24T14:05:09Z``, or ``-`` for no time."""
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if unix else "-"


def resource_rows(space: Workspace, infra: str, kind: str) -> list[dict[str, str]]:
    """Declared and recorded resources of one kind."""
    commit = head(space)
    declared = space.load(infra, commit).desired.resources if infra in sources.infra_names(space, commit) else {}
    recorded = space.ledger(infra).view().recorded().resources
    rows = []
    for address in sorted({a for a in (*declared, *recorded) if kind_of(a) == kind}):
        provider = declared[address].provider if address in declared else recorded[address].provider
        said = "yes" if address in declared else "no"
        kept = str(recorded[address].status) if address in recorded else "no"
        rows.append({"address": address, "infra": infra, "provider": provider, "declared": said, "recorded": kept})
    return rows


def all_infras(space: Workspace) -> tuple[str, ...]:
    """Every infra that is declared, recorded, or both, sorted. Contacts the remote."""
    return tuple(sorted({*sources.infra_names(space, head(space)), *sources.ledger_names(space)}))


def infra_row(space: Workspace, infra: str) -> dict[str, Any]:
    """How much of one infra is declared and recorded."""
    commit = head(space)
    loaded = space.load(infra, commit) if infra in sources.infra_names(space, commit) else None
    return {
        "infra": infra,
        "environment": loaded.desired.environment.name if loaded else "-",
        "declared": len(loaded.desired.resources) if loaded else 0,
        "recorded": len(space.ledger(infra).view().recorded().resources),
    }


def facts(space: Workspace) -> dict[str, Any]:
    """What this workspace is."""
    commit = head(space)
    environments = space.repository.entries(commit, "environments")
    return {
        "id": space.config.id,
        "name": space.config.name,
        "format": space.config.format,
        "remote": space.remote.shown,
        "protected": space.config.protected_branch,
        "environments": sorted(name.rpartition(".")[0] for name in environments),
        "infras": list(sources.infra_names(space, commit)),
        "state": str(space.world),
    }


def outputs(space: Workspace, infra: str) -> dict[str, Any]:
    """``address.output`` -> value of every recorded resource."""
    return {
        f"{address}.{key}": value
        for address, item in sorted(space.ledger(infra).view().recorded().resources.items())
        for key, value in sorted(item.observed.items())
        if key != "resolved"
    }


def why(space: Workspace, infra: str, address: str, known: set[str]) -> list[tuple[str, str]] | None:
    """(fact, value) rows: the line, commit, edges, run, approval and steps behind one resource; ``None`` when this infra does not
    have it. ``known`` is told all addresses it does have."""
    from planners.expand import expand

    declared: Mapping[str, Resource] = {}
    if infra in sources.infra_names(space, head(space)):
        loaded = space.load(infra, head(space))
        declared = expand(loaded.desired, loaded.catalog).resources
    view = space.ledger(infra).view()
    recorded = view.recorded().resources
    known |= {*declared, *recorded}
    if address not in declared and address not in recorded:
        return None
    users = [a for a, r in declared.items() if any(d.address == address for d in r.depends_on)]
    return [
        ("infra", infra),
        *_declared(space, declared.get(address), users),
        *_recorded(space, view, address, recorded.get(address)),
    ]


def _declared(space: Workspace, resource: Resource | None, users: Iterable[str]) -> list[tuple[str, str]]:
    if resource is None:
        return [("declared", "no: the next plan removes it")]
    rows = [
        (
            "declared",
            f"{resource.where}" if not resource.implied_by else f"nowhere: required by {resource.implied_by} ({resource.where})",
        )
    ]
    if changed := sources.last_change(space, head(space), resource.where.path):
        rows.append(("changed by", changed))
    rows += [("needs", f"{d.address}" + (f" (uses its {d.output})" if d.output else "")) for d in resource.depends_on]
    return rows + [("needed by", user) for user in sorted(users)]


def _recorded(space: Workspace, view: View, address: str, record: RecordedResource | None) -> list[tuple[str, str]]:
    if record is None:
        return [("recorded", "no: nothing was made yet")]
    rows = [("recorded", f"{record.status}, from commit {record.source_commit[:12]}")]
    rows += [("observed", f"{key} = {value}") for key, value in sorted(record.observed.items()) if key != "resolved"]
    if run := view.run(record.run):
        rows.append(("run", f"{run.id} by {run.actor} on {run.host} at {moment(run.started)}: {run.status}"))
        rows.append(("event", f"{run.kind}: {run.reason}"))
        rows.append(("plan", run.plan))
        step = next((s for s in json_steps(run.document) if s.get("address") == address), None)
        if step is not None:
            rows.append(("step", f"{step['action']}: {step['reason']}"))
        rows += [("approved by", line) for line in approvals(space, view, run.plan)]
    return rows


def json_steps(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The steps of a plan document."""
    return [s for s in document.get("steps", ()) if isinstance(s, Mapping)]


def approvals(space: Workspace, view: View, plan: str) -> list[str]:
    """Who approved a plan, and when."""
    from gitops.approval import read

    standing = read(space.repository, space.remote, space.config, view.infra, plan=plan, offline=True)
    return [f"{a.principal} at {moment(a.time)}" for a in standing.approvals if a.decision == "approve"]


def plan_by_id(space: Workspace, infra: str, plan_id: str) -> tuple[str, Plan] | None:
    """(source commit, plan) of the newest run of an infra whose plan id begins so. Raises ``Stop``."""
    from gitops.runs import plan_of

    view = space.ledger(infra).view()
    for run in view.runs():
        if run.plan.startswith(plan_id) and (whole := view.run(run.id)):
            return run.source_commit, plan_of(whole)
    return None


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What is not as it was left, and the plan that mends it; ``planned`` is ``None`` where there is none, for ``problems``.
    ``notices``: how things stand otherwise."""

    found: tuple[Drifted, ...]
    notices: tuple[Notice, ...]
    planned: Planned | None
    problems: tuple[Problem, ...] = ()


def drift_of(space: Workspace, infra: str) -> DriftReport:
    """All drift of an infra. Raises ``Stop`` when something could not be read: what drifted is unknown then."""
    from gitops.flow import Ask, Planned
    from gitops.observing import look
    from gitops.pipeline import finished
    from planners.drift import Drift, Drifted, differences
    from planners.plan import plan
    from planners.problems import Problems

    view, commit = space.ledger(infra).view(), head(space)
    ask, notices = sources.follow_pin(space, Ask(infra, commit, commit, refresh=True), view)
    loaded = space.load(infra, ask.treeish)
    seen = look(space, ask, view, loaded)
    if seen.unread:
        raise Stop(Exit.FAILURE, "some resources could not be read, so their drift is unknown", "see above", seen.unread)
    recorded = view.recorded()
    known = {*loaded.desired.resources, *recorded.resources}
    strays = (Drifted(s.name, Drift.ADDED if s.address in known else Drift.UNMANAGED, str(s)) for s in seen.strays)
    found = (*differences(recorded, seen.observed), *strays)
    notices += sources.frozen(space, infra) + sources.interrupted(space, view)
    made = plan(loaded.desired, recorded, seen.observed, loaded.catalog, ask.options)
    if isinstance(made, Problems):
        return DriftReport(found, notices, None, tuple(made))
    return DriftReport(found, notices, finished(space, Planned(ask, made, view, loaded, loaded.warnings), ()))
