"""Taskservs that are a folder: ``manifest.yaml`` with scripts, templates, a service, a health check and outputs.

``apply`` renders everything first, so a mistake in a template changes nothing. Then, each only when it is needed:
``install`` (another version, extension, or value that ``replace_on`` names), the files, ``configure`` (another config or
file), the service (restarted with each new configuration). What was done is noted in a marker beside it, so the same
again does nothing. A script is run by what its first line names, in the server's root; it is told all facts as one JSON
document on its standard input, never in arguments. Scripts must bear being run twice.

A ``port`` (or ``…_port``) that is 0 in the config becomes a free port of the machine, the same ever after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from executors.ports import LeaseLost, Machine, Request
from executors.taskservs import checks, markers
from executors.taskservs.manifest import read as read_manifest
from executors.taskservs.markers import Marker
from executors.taskservs.wanted import check_of, content_digest, wanted, with_ports
from executors.taskservs.work import Work, verdict_of
from planners.canonical import Json
from planners.dataclass import dataclass
from planners.model import Observation, Presence, RecordedResource


@dataclass(frozen=True, slots=True)
class Applied:
    """What ``apply`` did. ``has_check``: it is not healthy until its check says so."""

    observation: Observation
    output: str
    has_check: bool


@dataclass(frozen=True, slots=True)
class HealthTiming:
    """How often to ask, in seconds: failures within ``start_period`` do not count, then ``retries`` do."""

    interval: float
    timeout: float
    retries: int
    start_period: float


def apply(machine: Machine, files: Mapping[str, bytes], name: str, request: Request, facts: Mapping[str, Json]) -> Applied:
    """Install, configure and start it; what is so already is left alone. Raises the errors of the ports."""
    manifest = read_manifest(name, files)
    before = _fenced(markers.read(machine, name), request)
    facts = {**facts, "config": with_ports(machine, name, facts.get("config", {}))}
    work = Work(machine, name, files, facts, request)
    marker = work.do(manifest, wanted(manifest, files, facts, request.declared), before)
    return Applied(_observation(marker), work.output, marker.check is not None)


def remove(machine: Machine, files: Mapping[str, bytes], name: str, request: Request) -> str:  # noqa: ARG001  # see below
    """Uninstall, stop, take away what was placed; data that the service itself made stays. Returns the script's output.

    What was installed tells how: its scripts were kept on the machine, the extension may be gone by now.
    """
    marker = _fenced(markers.read(machine, name), request)
    if marker is None:
        return ""
    # from here on it is half there: whoever finds this goes on removing it, or installs it anew
    marker = replace(marker, op=request.op, token=request.token, complete=False, installed="")
    markers.write(machine, name, marker)
    work = Work(machine, name, {}, marker.facts, request)
    if marker.uninstall:
        content = machine.get(f"{markers.folder(name)}/scripts/{marker.uninstall}") or b""
        work.run_script("uninstall", marker.uninstall, content)
    if marker.service:
        machine.stop(marker.service)
    for path in marker.files:
        machine.remove(path)
    machine.remove(markers.folder(name))
    return work.output


def observe(machine: Machine, files: Mapping[str, bytes], name: str, recorded: RecordedResource) -> Observation:  # noqa: ARG001
    """What is there now, judged by the marker, the placed files, the service and one health check."""
    marker = markers.read(machine, name)
    if marker is None:
        return Observation(Presence.ABSENT, detail="it is not installed")
    seen = _observation(marker)
    if not marker.complete:
        return replace(seen, healthy=False, detail="its installation was not finished")
    if marker.service and machine.state(marker.service) == "stopped":
        return replace(seen, detail="the server is off")
    for path, known in marker.files.items():
        content = machine.get(path)
        if content is None or content_digest(content) != known.partition(" ")[2]:
            return replace(seen, healthy=False, detail=f"{path} is {'gone' if content is None else 'changed by hand'}")
    verdict = verdict_of(machine, marker)
    return replace(seen, healthy=verdict.healthy, detail=verdict.detail) if verdict else seen


def health(
    machine: Machine, files: Mapping[str, bytes], name: str, declared: Mapping[str, Json], facts: Mapping[str, Json]  # noqa: ARG001
) -> tuple[bool, str]:  # fmt: skip
    """One health check of what is installed: whether it is healthy, and why not, with what the service said (to be redacted)."""
    marker = markers.read(machine, name)
    if marker is None:
        return False, "it is not installed"
    verdict = verdict_of(machine, marker)
    if verdict is None or verdict.healthy:
        return True, verdict.detail if verdict else "no health check"
    said = verdict.said or checks.last_line(machine.get(f"var/log/{marker.service}.log") or b"")
    return False, f"{verdict.detail}: {said}" if said else verdict.detail


def timing(files: Mapping[str, bytes], declared: Mapping[str, Json]) -> HealthTiming | None:
    """How the check is to be repeated; ``None`` when there is none."""
    check = check_of(read_manifest("", files), declared)
    return HealthTiming(check.interval, check.timeout, check.retries, check.start_period) if check else None


def _fenced(marker: Marker | None, request: Request) -> Marker | None:
    """Whoever held the lock before us may still be calling: an older token changes nothing any more."""
    if marker and request.token < marker.token:
        raise LeaseLost(f"{request.address} was changed under token {marker.token}; {request.token} is an older holder's")
    return marker


def _observation(marker: Marker) -> Observation:
    return Observation(Presence.PRESENT, {"version": marker.version}, marker.outputs)
