"""The state of one run: what phases there are, how far each is, and what follows when one moves on. Pure.

Each phase is in one of these states, one letter each in ``Run.status``:

    W waiting -> R ready -> I intent being recorded -> O open (recorded) -> P performing -> D done
    P -> C applied, health check due -> H being checked -> D
    T to be settled (found open) -> M must be performed (begun, so finished even while stopping) -> P
    F failed   X failed half way, something is left   U applied but unhealthy   Q outcome unknown, intent left open
    S skipped
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from types import MappingProxyType

from executors.events import Applied, Record
from executors.phases import Identity, Needs, Phase, laid_out
from executors.ports import Intent, Result, RunOptions
from executors.undo import undoing, was_taken_back
from planners.dataclass import dataclass
from planners.model import RecordedResource
from planners.steps import STEP_TYPES, Plan

LIVE = tuple(bytes([letter]) for letter in b"WRIOPCHTM")
"""The states of a phase that is not over."""
OVER = "FXUQS"
"""The states of a phase that is over without being done."""


@dataclass(frozen=True, slots=True)
class Run:
    """``needs[i]``: (phase, must be healthy) that come before phase ``i``; ``feeds`` is the reverse.

    ``base``: how many phases are the plan's own; orphans and compensating phases follow.
    """

    phases: tuple[Phase, ...]
    needs: tuple[Needs, ...]
    feeds: tuple[tuple[int, ...], ...]
    index: Mapping[str, int]
    options: RunOptions
    status: bytes
    base: int
    identity: Identity = ("", "", "")
    before: Mapping[str, RecordedResource] = field(default_factory=lambda: MappingProxyType({}))
    results: tuple[Result, ...] = ()
    applied: Mapping[str, Applied] = field(default_factory=lambda: MappingProxyType({}))
    failures: tuple[tuple[str, str], ...] = ()
    recording: Record | None = None
    """The transition that is on its way."""
    records: int = 0
    """How many transitions were commanded."""
    begun: bool = False
    waited: float = 0.0
    """Seconds since the oldest result that is not written yet."""
    idle: float = 0.0
    """Seconds for which a place has been free and no open intent was left to take it."""
    urgent: bool = False
    stopping: str = ""
    """Why nothing new starts: failed, cancelled, settled or lost; "" while it goes on."""
    undoing: bool = False
    finished: bool = False

    def phase(self, op: str) -> Phase:
        """The phase of an operation id."""
        return self.phases[self.index[op]]


def start(
    plan: Plan,
    run_id: str,
    options: RunOptions,
    finished: frozenset[str] = frozenset(),
    open_intents: Sequence[Intent] = (),
    recorded: Mapping[str, RecordedResource] | None = None,
) -> Run:
    """The state of a run before its first event. ``finished`` and ``open_intents`` are what an earlier holder left."""
    identity = (plan.infra, plan.id, run_id)
    phases, needs = laid_out(plan, identity)
    base = len(phases)
    known = {p.op for p in phases}
    to_settle = {i.op for i in open_intents}
    going_back = was_taken_back(phases, identity, (finished | to_settle) - known)
    for intent in open_intents:
        if intent.op not in known:
            step = STEP_TYPES[intent.action](intent.address, intent.provider, "left open by an earlier run")
            phases.append(Phase(intent.op, intent.phase, step, orphan=True))
            needs.append(())
    status = bytearray(b"".join(b"D" if p.op in finished else b"T" if p.op in to_settle else b"W" for p in phases))
    for i in range(base):
        _consider(needs, status, i)
    run = Run(
        tuple(phases), tuple(needs), _reverse(needs), {p.op: i for i, p in enumerate(phases)}, options, bytes(status), base,
        identity, recorded or {}, stopping="settled" if options.settle_only else "",
    )  # fmt: skip
    if going_back:
        # what it was like before cannot be told any more: what is open is settled, and a fresh plan does the rest
        told = (plan.infra, "the run was interrupted while it was being taken back; plan again")
        return replace(run, stopping="failed", failures=(told,))
    return run


def _reverse(needs: Sequence[Needs]) -> tuple[tuple[int, ...], ...]:
    feeds: list[list[int]] = [[] for _ in needs]
    for phase, before in enumerate(needs):
        for need, _ in before:
            feeds[need].append(phase)
    return tuple(tuple(f) for f in feeds)


def standing(needs: Needs, status: bytes | bytearray) -> str:
    """What a phase's needs say of it: ``met``, ``never`` (one is over without being done) or ``later``."""
    answer = "met"
    for need, healthy in needs:
        letter = chr(status[need])
        if letter == "D" or (not healthy and letter in "CHU"):
            continue
        if letter in OVER:
            return "never"
        answer = "later"
    return answer


def _consider(needs: Sequence[Needs], status: bytearray, phase: int) -> bool:
    """Make a waiting phase ready or skipped if what it needs allows; whether that changed anything."""
    if status[phase] != ord("W"):
        return False
    said = standing(needs[phase], status)
    if said != "later":
        status[phase] = ord("R" if said == "met" else "S")
    return said != "later"


def moved(run: Run, changes: Mapping[int, str]) -> bytes:
    """The statuses after ``changes``, with everything that follows from them made ready or skipped."""
    status = bytearray(run.status)
    queue: list[int] = []
    for phase, letter in changes.items():
        status[phase] = ord(letter)
        queue.extend(run.feeds[phase])
    while queue:
        phase = queue.pop()
        if _consider(run.needs, status, phase) and status[phase] == ord("S"):
            queue.extend(run.feeds[phase])
    return bytes(status)


def taking_back(run: Run) -> Run:
    """The run with the phases appended that take back what it has done, one after the other."""
    letters = map(chr, run.status[: run.base])
    back = undoing(zip(run.phases[: run.base], letters, strict=True), run.before, run.identity)
    begun = len(run.phases)
    needs = (*run.needs, *(((begun + i - 1, False),) if i else () for i in range(len(back))))
    phases = (*run.phases, *back)
    status = run.status + (b"R" + b"W" * (len(back) - 1) if back else b"")
    index = {p.op: i for i, p in enumerate(phases)}
    return replace(run, phases=phases, needs=needs, feeds=_reverse(needs), index=index, status=status, undoing=True, stopping="")
