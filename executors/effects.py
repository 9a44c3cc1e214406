"""What one phase of a step does outside: the request it makes, whom it asks, and what became of it if nobody recorded that."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import cast

from executors import records
from executors.events import Applied, Settled
from executors.phases import Phase
from executors.ports import Intent, Machine, NeedsHuman, Provider, Request, Tools
from executors.redact import Redactor
from planners.canonical import Json, digest
from planners.expand import PROVIDER_KINDS
from planners.model import Observation, Presence, RecordedResource, Status, host_of, kind_of, name_of
from planners.references import found
from planners.requirements import taskserv_of
from planners.steps import Delete, Step, Update

CALL_SECONDS = 20.0
"""One call's limit: a third of the shortest usual lease (DESIGN section 7)."""
SECRET = "secret://"  # noqa: S105  # the scheme, not a secret


@dataclass(frozen=True, slots=True)
class Done:
    """An effect that took place. ``check``: a health check is still to pass."""

    recorded: RecordedResource | None
    output: str = ""
    check: bool = False


class Effects:
    """Performs phases. ``records`` is the recorded state as this run has changed it so far; safe to use from several threads."""

    def __init__(self, tools: Tools, redactor: Redactor) -> None:
        self.tools = tools
        self.redactor = redactor
        self.records: dict[str, RecordedResource] = dict(tools.recorded)
        self._run = (tools.run, tools.plan, tools.source_commit)
        self._lock = Lock()

    # --- before ------------------------------------------------------------------------------------------

    def intent(self, phase: Phase) -> Intent:
        """What is written down before the effect: the request with references and secrets as they are written, as a digest."""
        step = phase.step
        asked = digest("request", {"address": step.address, "phase": phase.name, "declared": step.declared})
        return Intent(phase.op, phase.key, step.address, step.action, phase.name, step.provider, asked, self.tools.journal.token)

    def request(self, phase: Phase) -> Request:
        """The request with references and secrets filled in. Raises ``NeedsHuman`` or ``NotFound`` when one has no value."""
        step = phase.step
        declared = cast(Mapping[str, Json], self._revealed(self._filled(step)))
        before = self.records.get(step.address)
        return Request(
            self.tools.owner, step.address, declared, before, phase.op, phase.key, self.tools.journal.token, CALL_SECONDS
        )

    def _filled(self, step: Step) -> Json:
        outputs: dict[tuple[str, str], Json] = {}
        for reference in found(step.declared):
            referent = self.records.get(reference.address)
            value = referent.observed.get(reference.output) if referent else None
            if value is None:
                raise NeedsHuman(f"'{reference.text}' has no value: {reference.address} has no output '{reference.output}'")
            outputs[reference.address, reference.output] = value
        return records.filled(step.declared, outputs)

    def _revealed(self, value: Json) -> Json:
        if isinstance(value, str) and value.startswith(SECRET):
            secret = self.tools.secrets.resolve(value)
            self.redactor.learn(secret)
            return secret
        if isinstance(value, Mapping):
            return {k: self._revealed(v) for k, v in value.items()}
        return [self._revealed(v) for v in value] if isinstance(value, (list, tuple)) else value

    # --- the effect --------------------------------------------------------------------------------------

    def perform(self, phase: Phase) -> Done:
        """Do it. Raises the six errors of the ports."""
        step, kind = phase.step, kind_of(phase.step.address)
        nothing_outside = phase.name in ("move", "forget") or (isinstance(step, Update) and step.record_only)
        if phase.name == "forget":
            done = Done(None)
        elif nothing_outside and not (phase.name == "move" and step.changes):
            kept = self.records.get(getattr(step, "moved_from", "") or step.address)
            done = Done(self._record(step, Observation(Presence.PRESENT, outputs=_outputs(kept))))
        elif kind in PROVIDER_KINDS:
            done = self._at_provider(phase)
        elif kind == "taskserv":
            done = self._on_server(phase)
        else:
            done = Done(None if phase.name == "delete" else self._record(step, Observation(Presence.PRESENT)))
        self._remember(step, done)
        return done

    def _remember(self, step: Step, done: Done) -> None:
        with self._lock:
            if done.recorded is None:
                self.records.pop(step.address, None)
            else:
                self.records.pop(getattr(step, "moved_from", "") or step.address, None)
                self.records[step.address] = done.recorded

    def _record(self, step: Step, seen: Observation, status: Status = Status.READY) -> RecordedResource:
        return records.recorded(step, seen, self.records, self._run, status)

    def _at_provider(self, phase: Phase) -> Done:
        step, provider = phase.step, self._provider(phase.step.provider)
        request = self.request(phase)
        if phase.name == "delete":
            if request.recorded is not None:
                self._provider(request.recorded.provider).delete(request)
            return Done(None)
        if phase.name == "create":
            seen = provider.create(replace(request, recorded=None))
        elif phase.name in ("adopt", "read"):
            bare = request.recorded or self._record(step, Observation(Presence.PRESENT))
            seen = provider.read(self.tools.owner, bare)
            if seen.presence is not Presence.PRESENT:
                raise NeedsHuman(f"there is nothing to adopt: {seen.detail or 'the provider does not find it'}")
        else:
            moved = self.records.get(getattr(step, "moved_from", "") or step.address)
            seen = provider.update(replace(request, recorded=moved))
        return Done(self._record(step, seen))

    def _on_server(self, phase: Phase) -> Done:
        from executors.taskservs import scripted

        step, name = phase.step, taskserv_of(phase.step.address)
        if phase.name == "delete" and isinstance(step, Delete) and step.gone_with_host:
            return Done(None)
        files = self.tools.extensions.files("taskservs", name)
        request = self.request(phase)
        machine = self._machine(step.address)
        if phase.name == "delete":
            return Done(None, scripted.remove(machine, files, name, request))
        applied = scripted.apply(machine, files, name, request, self.facts(step.address, request.declared))
        return Done(self._record(step, applied.observation), applied.output, applied.has_check)

    def facts(self, address: str, declared: Mapping[str, Json]) -> dict[str, Json]:
        """What templates and scripts of a taskserv may know."""
        host = host_of(address) or ""
        servers: dict[str, Json] = {name_of(a): dict(_outputs(r)) for a, r in self.records.items() if kind_of(a) == "server"}
        own = servers.get(name_of(host), {})
        settings = self.tools.settings
        about = {k: declared.get(k, "") for k in ("version", "role", "profile")}
        return {
            "server": {"name": name_of(host), **cast(Mapping[str, Json], own)},
            "infra": self.tools.owner.infra,
            "environment": settings.get("environment", ""),
            "taskserv": {"name": taskserv_of(address), **about},
            "config": declared.get("config", {}),
            "servers": servers,
        }

    def _provider(self, name: str) -> Provider:
        if name not in self.tools.providers:
            raise NeedsHuman(f"provider '{name}' is not known here")
        return self.tools.providers[name]

    def _machine(self, address: str) -> Machine:
        host = host_of(address) or ""
        record = self.records.get(host)
        if record is None:
            raise NeedsHuman(f"{host} is not recorded, so {address} has nowhere to be")
        return self._provider(record.provider).machine(self.tools.owner, record)

    # --- after -------------------------------------------------------------------------------------------

    def healthy(self, step: Step) -> tuple[bool, str]:
        """One health check."""
        from executors.taskservs import scripted

        name = taskserv_of(step.address)
        files = self.tools.extensions.files("taskservs", name)
        declared = cast(Mapping[str, Json], self._revealed(self._filled(step)))
        return scripted.health(self._machine(step.address), files, name, declared, self.facts(step.address, declared))

    def left(self, phase: Phase, applied: bool) -> RecordedResource | None:
        """The record of what a failure leaves half made; ``None`` when the record stays as it was."""
        step, before = phase.step, self.records.get(phase.step.address)
        if phase.name == "delete":
            return replace(before, status=Status.DELETING) if before else None
        if applied and before is not None:
            return replace(before, status=Status.TAINTED)
        if kind_of(step.address) == "taskserv" and phase.name == "create":
            return self._record(step, Observation(Presence.PRESENT), Status.TAINTED)
        return None

    def settle(self, phase: Phase) -> Settled:
        """What became of an effect whose outcome nobody recorded: asked by key, never repeated blindly."""
        step, before = phase.step, self.records.get(phase.step.address)
        if phase.name == "create" and kind_of(step.address) in PROVIDER_KINDS:
            for item in self._provider(step.provider).list(self.tools.owner):
                if item.key == phase.key and not phase.orphan:
                    done = self._record(step, item.observation)
                    self._remember(step, Done(done))
                    return Settled(phase.op, "applied", done)
                if item.key == phase.key:
                    return Settled(phase.op, "redo")
            return Settled(phase.op, "nothing")
        if not phase.orphan:
            # everything else is idempotent: doing it again completes it
            return Settled(phase.op, "redo")
        return Settled(phase.op, "partial", replace(before, status=Status.TAINTED) if before else None)

    def log(self, address: str, output: str) -> None:
        """The whole output, secrets removed, in this machine's state folder."""
        if not output or not self.tools.log_dir:
            return
        path = Path(self.tools.log_dir, self.tools.run, address.replace("/", "_") + ".log")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
            file.write(self.redactor.text(output))


def _outputs(record: RecordedResource | None) -> Mapping[str, Json]:
    return {k: v for k, v in record.observed.items() if k != "resolved"} if record else {}


__all__ = ["Applied", "Done", "Effects"]
