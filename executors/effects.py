"""What one phase of a step does outside: the request it makes, whom it asks, and the record it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from executors import records
from executors.health import Timing
from executors.phases import Phase
from executors.ports import (
    Conflict,
    Intent,
    LeaseLost,
    Machine,
    NeedsHuman,
    NotFound,
    PortError,
    Provider,
    Request,
    Tools,
    Unsettled,
)
from executors.redact import Hidden, Redactor
from planners.canonical import Json
from planners.catalog import ProviderSpec
from planners.dataclass import dataclass
from planners.drift import read_back
from planners.model import Observation, Presence, RecordedResource, Status, host_of, kind_of, name_of, taskserv_of
from planners.steps import Create, Delete, Forget, Step, Update

SECRET = "secret://"  # noqa: S105  # the scheme, not a secret
RATE = 1.25
"""How much faster than the provider's our clock may run, as for leases (docs/ledger.md, Clocks)."""
EXTENSIONS = "taskservs"
"""The folder of taskserv extensions."""


@dataclass(frozen=True, slots=True)
class Done:
    """An effect that took place. ``recorded``: the new record, ``None``: it is gone. ``check``: its health is still to pass."""

    recorded: RecordedResource | None
    output: str = ""
    check: bool = False


class Effects:
    """Performs phases. ``records`` is the recorded state as this run has changed it so far; only ``put`` changes it.

    Several threads may perform phases at once: what a phase reads is there, and stays as it is, before it begins.
    """

    def __init__(self, tools: Tools, redactor: Redactor, call_seconds: float = 20.0) -> None:
        self.tools = tools
        self.records: dict[str, RecordedResource] = dict(tools.recorded)
        self._servers: dict[str, Json] = {name_of(a): _plain(r) for a, r in self.records.items() if kind_of(a) == "server"}
        self._redactor = redactor
        self._call_seconds = call_seconds
        self._since = tools.clock.monotonic()
        self._first: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._missed: dict[tuple[str, str], float] = {}
        self._source = records.Source(tools.run, tools.plan, tools.source_commit)

    def put(self, step: Step, new: RecordedResource | None) -> None:
        """What the step's resource is from now on; ``None``: it is gone. Called by one thread only."""
        changed: dict[str, RecordedResource | None] = {new.address if new else step.address: new}
        if moved := getattr(step, "moved_from", ""):
            changed.setdefault(moved, None)
        for address, record in changed.items():
            if record is None:
                self.records.pop(address, None)
            else:
                self.records[address] = record
            if kind_of(address) == "server":
                self._servers.pop(name_of(address), None)
                self._servers |= {name_of(address): _plain(record)} if record else {}

    # --- before ------------------------------------------------------------------------------------------

    def intent(self, phase: Phase) -> Intent:
        """What is written down before the effect. It holds no secret, nor a digest of one."""
        step = phase.step
        try:
            declared = records.filled(step.declared, self.records)
        except NeedsHuman:
            declared = step.declared  # performing it says what is missing
        asked = records.request_digest(phase, declared)
        return Intent(phase.op, phase.key, step.address, step.action, phase.name, step.provider, asked, self.tools.journal.token)

    def endpoint(self, phase: Phase) -> str:
        """Whom the phase calls: failures of one endpoint say nothing of another."""
        return host_of(phase.step.address) or phase.step.provider

    def _request(self, phase: Phase, before: RecordedResource | None, declared: Mapping[str, Json]) -> Request:
        tools, address = self.tools, phase.step.address
        return Request(tools.owner, address, declared, before, phase.op, phase.key, tools.journal.token, self._call_seconds)

    def declared(self, step: Step) -> Mapping[str, Json]:
        """The declared value with references and secrets filled in. Raises ``NeedsHuman``, ``NotFound``."""
        return cast(Mapping[str, Json], self._revealed(records.filled(step.declared, self.records)))

    def _revealed(self, value: Json) -> Json:
        if isinstance(value, str) and value.startswith(SECRET):
            secret = self.tools.secrets.resolve(value)
            self._redactor.learn(secret)
            return Hidden(secret)
        if isinstance(value, Mapping):
            return {k: self._revealed(v) for k, v in value.items()}
        return [self._revealed(v) for v in value] if isinstance(value, (list, tuple)) else value

    def _in_time(self, phase: Phase) -> None:
        """The last thing before a call outside: it has to end inside the lease."""
        if not self.tools.journal.may_start(self._call_seconds):
            raise LeaseLost("the lease would run out during the next call, and could not be renewed")
        self._last[phase.op] = self.tools.clock.monotonic()
        self._first.setdefault(phase.op, self._last[phase.op])

    def begun(self, phase: Phase) -> bool:
        """Whether anything was called outside for this phase."""
        return phase.op in self._last

    # --- what is known of calls that were given up ------------------------------------------------------------

    def outlives(self, phase: Phase) -> bool:
        """Whether it is a call to a provider that may take effect after whoever made it has given up, and then matters."""
        return phase.name in ("create", "update", "move") and kind_of(phase.step.address) not in ("taskserv", "cluster")

    def quiet_at(self, phase: Phase) -> float:
        """The monotonic time from which on it shows what became of its last call, which was sent when that ended at the latest;
        earlier holders sent theirs before we began."""
        return self._last.get(phase.op, self._since) + self.late(phase)

    def late(self, phase: Phase) -> float:
        """Seconds by our own clock after which a call shows, or never took place."""
        if kind_of(phase.step.address) in ("taskserv", "cluster"):
            return 0.0
        before = self.before(phase)
        names = {phase.step.provider, *(r.provider for r in (before, *records.predecessors(before)) if r)}
        return max((spec.late_seconds for spec in map(self.spec, names) if spec), default=0.0) * RATE

    def keyed(self, phase: Phase) -> bool:
        """Whether the same call again is the same resource: a creation under a key that the provider still remembers."""
        spec = self.spec(phase.step.provider)
        if spec is None or phase.name != "create" or spec.idempotency != "key":
            return False
        # what an earlier holder sent is of unknown age
        sent = self._first.get(phase.op, float("-inf"))
        return not spec.key_seconds or self.tools.clock.monotonic() - sent + 2 * self._call_seconds < spec.key_seconds

    def spec(self, provider: str) -> ProviderSpec | None:
        """What is known of a provider, ``None`` when it cannot be reached."""
        try:
            return self.provider(provider).spec
        except PortError:
            return None

    def before(self, phase: Phase) -> RecordedResource | None:
        """The record that a phase starts from."""
        return self.records.get(getattr(phase.step, "moved_from", "") or phase.step.address)

    # --- the effect --------------------------------------------------------------------------------------

    def perform(self, phase: Phase) -> Done:
        """Do it. Raises the errors of the ports."""
        try:
            return self._performed(phase)
        finally:
            if self.begun(phase):
                # a process may be stopped for any time between its last look at the lease and the sending
                self._last[phase.op] = self.tools.clock.monotonic()

    def _performed(self, phase: Phase) -> Done:
        step, kind = phase.step, kind_of(phase.step.address)
        before = self.before(phase)
        if isinstance(step, Delete) and step.gone_with_host:
            return Done(None)
        if isinstance(step, Update) and step.record_only:
            return Done(records.heir(self.record(step, records.outputs_of(before)), before))
        if phase.name == "forget":
            if before and not (isinstance(step, Forget) and step.let_go) and kind not in ("taskserv", "cluster"):
                self._require_gone(phase, before)
            return Done(None)
        if kind == "cluster":
            return Done(None if phase.name == "delete" else self.record(step, {}))
        if kind == "taskserv":
            return self._on_server(phase, before)
        return self._at_provider(phase, before)

    def _at_provider(self, phase: Phase, before: RecordedResource | None) -> Done:
        step = phase.step
        if phase.name == "delete":
            return self._deleted(phase, before)
        provider = self.provider(step.provider)
        if phase.name in ("adopt", "read"):
            self._in_time(phase)
            seen = provider.read(self.tools.owner, before or self.record(step, {}))
            if seen.presence is not Presence.PRESENT:
                raise NeedsHuman(f"the provider does not find it: {seen.detail or seen.presence}")
            off = read_back(step.address, step.declared, seen, ignored=step.lifecycle.not_ours) if phase.name == "adopt" else ()
            status, told = (
                (Status.DEGRADED, "; ".join(f"{path} is not as declared" for path, _, _ in off)) if off else (Status.READY, "")
            )
            return Done(records.heir(self.record(step, seen.outputs, status), before), told)
        request = self._request(phase, before, self.declared(step))
        if isinstance(step, Create) and before is not None:
            self._require_gone(phase, before)
        self._in_time(phase)
        if phase.name == "create":
            return Done(self.made(phase, self._create(provider, request), before))
        seen = provider.update(request)
        for old in records.predecessors(before):
            self._remove(phase, old)
        return Done(self.made(phase, seen, before))

    def _create(self, provider: Provider, request: Request) -> Observation:
        try:
            return provider.create(request)
        except Conflict as error:
            # what this run made is found by its tag, whatever the provider says of its name
            raise NeedsHuman(f"{error}, by nothing that this run made: rename one of them, or remove the other") from error

    def _deleted(self, phase: Phase, before: RecordedResource | None) -> Done:
        """Remove what is recorded with all it replaced, or only what it replaced when that is what this phase is for."""
        if before is None:
            return Done(None)
        for record in self.doomed(phase, before):
            self._remove(phase, record)
        return Done(records.alone(before) if phase.removes_old else None)

    def doomed(self, phase: Phase, before: RecordedResource) -> tuple[RecordedResource, ...]:
        """All that a deletion removes."""
        return (*(() if phase.removes_old else (records.alone(before),)), *records.predecessors(before))

    def _remove(self, phase: Phase, record: RecordedResource) -> None:
        """Have it removed by id, and see that it is gone. Raises ``Unsettled`` while that does not show."""
        provider = self.provider(record.provider)
        request = self._request(phase, record, record.declared)
        self._in_time(phase)
        try:
            provider.delete(request)
            gone = self.seen(record).presence is Presence.ABSENT
        except NotFound:
            gone = self._is_gone(phase, record)
        if not gone:
            raise Unsettled(f"{record.address} is still there after its deletion", after=self.late(phase) / 2)

    def _require_gone(self, phase: Phase, record: RecordedResource) -> None:
        """What a plan was told is gone must be. Raises ``Conflict``, ``Unsettled``."""
        if not self._is_gone(phase, record):
            raise Conflict(f"{record.address} is there after all; plan again")

    def _is_gone(self, phase: Phase, record: RecordedResource) -> bool:
        """Not found may be wrong for a moment: two looks, as far apart as its provider may lag. Raises ``Unsettled``."""
        if any(self.seen(record).presence is not Presence.ABSENT for _ in range(2)):
            return False
        now = self.tools.clock.monotonic()
        wait = self._missed.setdefault((phase.op, str(record.observed.get("id"))), now) + self.late(phase) - now
        if wait > 0:
            raise Unsettled(f"{record.address} is not found; looking again, as that may be wrong for a moment", after=wait)
        return True

    def seen(self, record: RecordedResource) -> Observation:
        """What its provider says of a record. Raises the errors of the ports."""
        return self.provider(record.provider).read(self.tools.owner, record)

    def _on_server(self, phase: Phase, before: RecordedResource | None) -> Done:
        from executors.taskservs import scripted

        step, name = phase.step, taskserv_of(phase.step.address)
        if phase.name in ("read", "adopt"):
            return Done(self.record(step, records.outputs_of(before)))
        if phase.name == "delete":
            try:
                machine = self.machine(step.address)
            except NotFound:
                return Done(None, f"{host_of(step.address)} is gone, and this with it")
            request = self._request(phase, before, before.declared if before else {})
            self._in_time(phase)
            return Done(None, scripted.remove(machine, {}, name, request))
        machine, files = self.machine(step.address), self.tools.extensions.files(EXTENSIONS, name)
        request = self._request(phase, before, self.declared(step))
        self._in_time(phase)
        applied = scripted.apply(machine, files, name, request, self.facts(step.address, request.declared))
        return Done(self.record(step, applied.observation.outputs), applied.output, applied.has_check)

    # --- what it takes -----------------------------------------------------------------------------------

    def provider(self, name: str) -> Provider:
        """A provider by name. Raises ``NeedsHuman``."""
        try:
            return self.tools.providers[name]
        except KeyError:
            raise NeedsHuman(f"provider '{name}' is not known to this version") from None

    def machine(self, address: str) -> Machine:
        """The machine a taskserv is on. Raises ``NotFound`` when its server is gone."""
        host = host_of(address) or address
        record = self.records.get(host)
        if record is None:
            raise NotFound(f"{host} is not recorded")
        return self.provider(record.provider).machine(self.tools.owner, record)

    def facts(self, address: str, declared: Mapping[str, Json]) -> dict[str, Json]:
        """What templates and scripts of a taskserv may know."""
        host = name_of(host_of(address) or "")
        own = self._servers.get(host)
        taskserv: dict[str, Json] = {"name": taskserv_of(address)}
        taskserv |= {key: declared.get(key, "") for key in ("version", "role", "profile")}
        return {
            "server": {**(own if isinstance(own, Mapping) else {}), "name": host},
            "infra": self.tools.owner.infra,
            "environment": self.tools.settings.get("environment", ""),
            "taskserv": taskserv,
            "config": declared.get("config", {}),
            "servers": dict(self._servers),
        }

    def timing(self, step: Step) -> Timing | None:
        """How its health check is to be repeated, ``None`` when there is none."""
        from executors.taskservs import scripted

        return scripted.timing(self.tools.extensions.files(EXTENSIONS, taskserv_of(step.address)), step.declared)

    def healthy(self, step: Step) -> tuple[bool, str]:
        """One health check of a taskserv."""
        from executors.taskservs import scripted

        name, declared = taskserv_of(step.address), self.declared(step)
        files = self.tools.extensions.files(EXTENSIONS, name)
        return scripted.health(self.machine(step.address), files, name, declared, self.facts(step.address, declared))

    # --- what it leaves ----------------------------------------------------------------------------------

    def record(self, step: Step, outputs: Mapping[str, Json], status: Status = Status.READY) -> RecordedResource:
        """The record of a step's resource. An output that holds a secret is recorded without it."""
        clean = cast(Mapping[str, Json], self._redactor.value(outputs))
        return records.recorded(step, clean, self.records, self._source, status)

    def made(self, phase: Phase, seen: Observation, before: RecordedResource | None) -> RecordedResource:
        """The record of what a provider made or changed; what it replaces goes along until it is removed."""
        new = self.record(phase.step, seen.outputs)
        if phase.name != "create":
            return new
        return records.heir(new, before) if phase.last else records.replacing(new, before)

    def left(self, phase: Phase, applied: RecordedResource | None, unknown: bool = False) -> RecordedResource | None:
        """The record of what a failure leaves; ``None`` when the record stays as it was.

        ``applied``: its record if the effect took place and only its health is missing. ``unknown``: it may have taken place.
        """
        step, before = phase.step, self.before(phase)
        if applied is not None:
            return replace(applied, status=Status.DEGRADED)
        if not self.begun(phase):
            return None
        if phase.name == "delete":
            # of a replacement the new one is as it should be, and its record names what is still to go
            return replace(before, status=Status.DELETING) if before and not phase.removes_old else None
        if kind_of(step.address) != "taskserv":
            # a provider says no before it does anything, unless it was not heard; a change is then made again
            changed = unknown and phase.name != "create"
            return replace(before, status=Status.DEGRADED) if before and changed else None
        if phase.name == "create":
            return self.record(step, {}, Status.TAINTED)
        return self.record(step, records.outputs_of(before), Status.DEGRADED)


def _plain(record: RecordedResource) -> Json:
    return dict(records.outputs_of(record))
