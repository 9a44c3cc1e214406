"""What became of an effect whose outcome nobody recorded: asked, never guessed, never repeated blindly.

A call may take effect after whoever made it has given up or died. So nothing but a creation under a key is repeated, and
nothing is called undone, before its provider has been quiet for as long as its spec says (``late_seconds``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from threading import Lock

from executors.effects import Effects
from executors.events import Settled
from executors.phases import Phase
from executors.ports import Found, NotFound
from planners.model import Presence, Status, kind_of, taskserv_of
from planners.steps import Delete, Update


class Settler:
    """Asks providers and machines about open intents. Each provider is asked once, and once more after it has been quiet."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects
        self._intents = {intent.op: intent for intent in effects.tools.open_intents}
        self._listed: dict[tuple[str, bool], Sequence[Found]] = {}
        self._lock = Lock()

    def settle(self, phase: Phase, quiet: bool = True) -> Settled | None:
        """The verdict on one phase; ``None`` while it is too early for one, which it is not once the provider was ``quiet``.

        Raises the errors of the ports when it cannot be told: the intent stays open then.
        """
        step, kind = phase.step, kind_of(phase.step.address)
        nothing_outside = phase.name in ("forget", "read", "adopt") or kind == "cluster"
        recorded_only = isinstance(step, Update) and step.record_only
        if nothing_outside or recorded_only or (isinstance(step, Delete) and step.gone_with_host):
            return Settled(phase.op, "nothing")
        if kind == "taskserv":
            return self._on_server(phase)
        if phase.name == "create":
            return self._created(phase, quiet)
        if not quiet:
            return None
        if phase.name == "delete":
            return self._deleted(phase)
        return self._partial(phase) if phase.orphan else Settled(phase.op, "redo")

    def made(self, phase: Phase) -> Settled | None:
        """What there is of a creation that this very run has given up; ``None`` when there is nothing."""
        return self._adopted(phase, self._effects.provider(phase.step.provider).list(self._effects.tools.owner))

    def _created(self, phase: Phase, quiet: bool) -> Settled | None:
        """Found under its key: adopted, however often the maker was killed.

        Not found, it may still come, even from a holder that wakes up: where calls outlive their callers the same call again
        is how a key or a unique name is asked, and whatever comes after it is the same resource or refused.
        """
        as_asked = self._as_asked(phase)
        keyed = as_asked and self._effects.keyed(phase)
        if not quiet and not keyed:
            return None
        if found := self._adopted(phase, self._list(phase.step.provider, quiet), as_asked):
            return found
        spec = self._effects.spec(phase.step.provider)
        if spec and spec.late_seconds and not phase.orphan and (keyed or spec.idempotency == "name"):
            return Settled(phase.op, "redo")
        return Settled(phase.op, "nothing") if quiet else None

    def _as_asked(self, phase: Phase) -> bool:
        """Whether the request would still be the one that the intent was written for, to the byte."""
        intent = self._intents.get(phase.op)
        return phase.orphan or intent is None or intent.request == self._effects.intent(phase).request

    def _adopted(self, phase: Phase, listed: Sequence[Found], as_asked: bool = True) -> Settled | None:
        before = self._effects.before(phase)
        known = str(before.observed.get("id")) if before else ""
        same = sorted((f for f in listed if f.key == phase.key), key=lambda f: (_id(f) != known, _id(f)))
        if not same:
            return None
        kept, *others = same
        told = ""
        if others:
            told = f"it was made {len(same)} times: {_id(kept)} is kept, {', '.join(map(_id, others))} not recorded"
            self._effects.tools.progress.note(f"{phase.step.address}: {told}; 'provisioning drift' shows it")
        if phase.orphan:
            left = self._effects.record(phase.step, kept.observation.outputs, Status.TAINTED)
            return Settled(phase.op, "partial", left, message=told)
        made = self._effects.made(phase, kept.observation, before)
        made = made if as_asked else replace(made, status=Status.DEGRADED)
        return Settled(phase.op, "applied", made, message=told)

    def _list(self, provider: str, quiet: bool) -> Sequence[Found]:
        with self._lock:
            if (provider, quiet) not in self._listed:
                self._listed[provider, quiet] = self._effects.provider(provider).list(self._effects.tools.owner)
            return self._listed[provider, quiet]

    def _deleted(self, phase: Phase) -> Settled:
        """Gone, at two looks, is done. What is still there may be removed again, or left to the next plan."""
        before = self._effects.before(phase)
        if before is None:
            return Settled(phase.op, "applied")
        if phase.removes_old:
            return Settled(phase.op, "redo")
        looks = [self._effects.seen(r).presence for r in self._effects.doomed(phase, before) for _ in range(2)]
        gone = [look is Presence.ABSENT for look in looks]
        return Settled(phase.op, "applied" if all(gone) else "redo" if any(gone) else "nothing")

    def _partial(self, phase: Phase) -> Settled:
        """Changed or not, to what nobody knows: the next plan makes it what it is to be."""
        before = self._effects.before(phase)
        return Settled(phase.op, "partial", replace(before, status=Status.DEGRADED) if before else None)

    def _on_server(self, phase: Phase) -> Settled:
        """The marker on the machine names the operation that changed the taskserv last, and whether it came to its end."""
        from executors.taskservs import markers

        name, deleting = taskserv_of(phase.step.address), phase.name == "delete"
        before = self._effects.before(phase)
        try:
            marker = markers.read(self._effects.machine(phase.step.address), name)
        except NotFound:
            return Settled(phase.op, "applied" if deleting else "nothing")
        if marker is None and deleting:
            return Settled(phase.op, "applied")
        if marker is None or marker.op != phase.op:
            return Settled(phase.op, "nothing")
        if phase.orphan and deleting:
            return Settled(phase.op, "partial", replace(before, status=Status.DELETING) if before else None)
        if phase.orphan:
            return Settled(phase.op, "partial", self._effects.record(phase.step, {}, Status.TAINTED))
        if not marker.complete:
            return Settled(phase.op, "redo")
        return Settled(phase.op, "applied", self._effects.record(phase.step, marker.outputs), marker.check is not None)


def _id(found: Found) -> str:
    return str(found.observation.outputs.get("id"))
