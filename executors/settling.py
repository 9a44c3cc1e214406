"""What became of an effect whose outcome nobody recorded: asked, never guessed, never repeated blindly."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from executors.effects import Effects
from executors.events import Settled
from executors.phases import Phase
from executors.ports import Found, NotFound
from planners.model import Observation, Presence, RecordedResource, Status, kind_of
from planners.requirements import taskserv_of
from planners.steps import Delete, Update


class Settler:
    """Asks providers and machines about open intents. Each provider is asked once for all that carries our tag."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._listed: dict[str, Sequence[Found]] = {}
        self._lock = Lock()

    def settle(self, phase: Phase) -> Settled:
        """The verdict on one phase. Raises the errors of the ports when it cannot be told: the intent stays open then."""
        step, kind = phase.step, kind_of(phase.step.address)
        nothing_outside = phase.name in ("forget", "read", "adopt") or kind == "cluster"
        recorded_only = isinstance(step, Update) and step.record_only
        if nothing_outside or recorded_only or (isinstance(step, Delete) and step.gone_with_host):
            return Settled(phase.op, "nothing")
        if kind == "taskserv":
            return self._on_server(phase)
        if phase.name == "create":
            return self._created(phase)
        if phase.name == "delete":
            return self._deleted(phase)
        # a change in place leads to the same from wherever it stopped; of an orphan nobody knows what it was to be
        return Settled(phase.op, "partial" if phase.orphan else "redo")

    def _created(self, phase: Phase) -> Settled:
        """Found under its key: adopted, however often the maker was killed. Not found: nothing had been done."""
        before = self._effects.records.get(phase.step.address)
        same = [f for f in self._list(phase.step.provider) if f.key == phase.key]
        if not same:
            return Settled(phase.op, "nothing")
        if len(same) > 1:
            ids = ", ".join(str(f.observation.outputs.get("id")) for f in same)
            doubled = f"{phase.step.address} was made {len(same)} times under one key, and the first is kept: {ids}"
            self._effects.tools.progress.note(doubled)
        if phase.orphan:
            return Settled(phase.op, "partial", self._effects.record(phase.step, same[0].observation.outputs, Status.TAINTED))
        return Settled(phase.op, "applied", self._effects.made(phase, same[0].observation, before))

    def _list(self, provider: str) -> Sequence[Found]:
        with self._lock:
            if provider not in self._listed:
                self._listed[provider] = self._effects.provider(provider).list(self._effects.tools.owner)
            return self._listed[provider]

    def _deleted(self, phase: Phase) -> Settled:
        """Gone is done. What is still there may be removed again, or left to the next plan: deleting by id is safe."""
        before = self._effects.records.get(phase.step.address)
        if phase.removes_old and before is not None:
            return Settled(phase.op, "redo")
        if before is None or self._seen(before).presence is Presence.ABSENT:
            return Settled(phase.op, "applied")
        return Settled(phase.op, "nothing")

    def _seen(self, record: RecordedResource) -> Observation:
        return self._effects.provider(record.provider).read(self._effects.tools.owner, record)

    def _on_server(self, phase: Phase) -> Settled:
        """The marker on the machine names the operation that changed the taskserv last, and whether it came to its end."""
        from executors.taskservs import markers

        name, deleting = taskserv_of(phase.step.address), phase.name == "delete"
        try:
            marker = markers.read(self._effects.machine(phase.step.address), name)
        except NotFound:
            return Settled(phase.op, "applied" if deleting else "nothing")
        if deleting:
            return Settled(phase.op, "nothing" if marker else "applied")
        if marker is None or marker.op != phase.op:
            return Settled(phase.op, "nothing")
        if phase.orphan:
            return Settled(phase.op, "partial", self._effects.record(phase.step, {}, Status.TAINTED))
        if not marker.complete:
            return Settled(phase.op, "redo")
        return Settled(phase.op, "applied", self._effects.record(phase.step, marker.outputs), marker.check is not None)
