"""What must be true of every history, whatever was killed, lost or late in it. Each check names what it found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from history import History
from network import Clone
from office import ADA, AUDIT, INFRA, LEDGER

from gitops.git.memory import MemoryRemote
from gitops.ledger import tree
from gitops.ledger.admission import CHANGES_NOTHING
from gitops.ledger.audit import verify
from gitops.ledger.lock import Lock, State
from gitops.ledger.view import View
from gitops.ledger.workspace_check import head_at
from planners.canonical import encode


@dataclass(frozen=True)
class Published:
    """One commit of the ledger as the server took it."""

    at: float
    sender: str
    oid: str
    lock: Lock
    before: frozenset[str]
    intents: frozenset[str]


class Chain:
    """The ledger at the end, read by somebody who has nothing but the server."""

    def __init__(self, history: History) -> None:
        self.office = history.office
        self.repository = Clone(ADA)
        remote = MemoryRemote(self.repository, self.office.server)
        self.tip = remote.fetch({LEDGER: LEDGER}).get(LEDGER, "")
        self.view = View(self.repository, INFRA, self.tip)

    @cached_property
    def commits(self) -> list[Published]:
        """Oldest first. A push may bring several; all of them are its sender's."""
        landed = {p.oid: (p.at, p.sender) for p in self.office.published}
        found: list[Published] = []
        at, sender = 0.0, ""
        for commit in self.repository.history(self.tip):
            at, sender = landed.get(commit.oid, (at, sender))
            before = frozenset(commit.parents)
            names = frozenset(n.removesuffix(".json") for n in self.repository.entries(commit.oid, "intents"))
            entry = self.repository.entries(commit.oid)[tree.LOCK]
            lock = tree.lock_of(self.repository.blobs([entry.oid])[entry.oid])
            assert isinstance(lock, Lock), lock
            found.append(Published(at, sender, commit.oid, lock, before, names))
        return found[::-1]


def look(play: Callable[[], History]) -> tuple[History | None, list[str]]:
    """Play a history and judge it. One that ends with an error has no history, and that is what is wrong with it."""
    try:
        history = play()
        return history, judge(history)
    except Exception as error:
        return None, [f"it ended with {type(error).__name__}: {error}"]


def judge(history: History) -> list[str]:
    """Everything that is wrong with a history."""
    chain = Chain(history)
    if not chain.tip:
        return ["no ledger was ever begun"] if any(history.office.cloud.things) else []
    found = [*_one_line(history, chain), *_one_actor(history, chain), *_quiet(history, chain), *_intents(history, chain)]
    found += _frozen(history, chain)
    return [*found, *_doubled(history), *_same(history, chain), *_folded(chain)]


def _one_line(history: History, chain: Chain) -> Iterator[str]:
    """History is one line, every move legal, nothing that was acknowledged is gone, and only the holder wrote as holder."""
    told = verify(chain.repository, chain.tip, INFRA, "")
    yield from (f"audit verify: {finding}" for finding in told.findings)
    there = {p.oid for p in chain.commits}
    yield from (f"{p.oid[:8]} was taken by the server and is gone" for p in history.office.published if p.oid not in there)
    for p in chain.commits:
        if p.lock.move in ("acquire", "take-over", "renew", "record") and p.lock.holder is not None:
            who = history.office.processes.get((p.lock.holder.host, p.lock.holder.pid), "")
            if who and who != p.sender:
                yield f"{p.oid[:8]} {p.lock.move} of {who} was sent by {p.sender}"
    tokens = [p.lock.token for p in chain.commits]
    if tokens != sorted(tokens):
        yield f"tokens go back: {tokens}"


def _one_actor(history: History, chain: Chain) -> Iterator[str]:
    """At most one token acts: nobody sends a call after a later token was published, unless stopped between look and act."""
    given: dict[int, float] = {}
    for p in chain.commits:
        given.setdefault(p.lock.token, p.at)
    senders: dict[int, set[str]] = {}
    for call in history.office.cloud.sent:
        senders.setdefault(call.token, set()).add(call.sender)
        later = [token for token, at in given.items() if token > call.token and at < call.at]
        if later and not call.stopped:
            yield f"{call.verb} {call.address} was sent at {call.at:.1f} under token {call.token}, token {max(later)} was out"
    yield from (f"token {token} was used by {', '.join(sorted(who))}" for token, who in senders.items() if len(who) > 1)


def _quiet(history: History, chain: Chain) -> Iterator[str]:
    """In the end there is no lock, no queue, no open intent, no run under way, and nothing left to do."""
    lock = chain.view.lock
    if lock.state is not State.FREE or lock.queue or lock.readers or lock.recover:
        yield f"the lock is left {lock.state}, queue {len(lock.queue)}, recover {lock.recover}"
    if chain.view.has_intents:
        yield f"intents are left open: {[i.address for i in chain.view.open_intents]}"
    if running := [r.id for r in chain.view.runs() if r.status == "running"]:
        yield f"runs are left open: {running}"
    if history.converged != "nothing to do":
        yield f"it does not converge: {history.converged}"


def _intents(history: History, chain: Chain) -> Iterator[str]:
    """Every call outside stands in the ledger as an intent before it is sent, and as an audit entry after it."""
    opened: dict[str, float] = {}
    for p in chain.commits:
        for op in p.intents:
            opened.setdefault(op, p.at)
    told = {entry.op for entry in chain.view.entries() if entry.op}
    yield from (f"{e.action} {e.address} belongs to no run" for e in chain.view.entries() if e.op and not e.run)
    for call in history.office.cloud.sent:
        if opened.get(call.op, float("inf")) > call.at:
            yield f"{call.verb} {call.address} was sent before its intent was written"
        if call.op not in told:
            yield f"{call.verb} {call.address} has no audit entry"


def _frozen(history: History, chain: Chain) -> Iterator[str]:
    """Nobody who got the lock while the infra was frozen began anything before it was thawed."""
    MemoryRemote(chain.repository, history.office.server).fetch({AUDIT: AUDIT})
    spans: list[tuple[float, float]] = []
    for p in history.office.told:
        move = head_at(chain.repository, p.oid).move
        if move == "freeze" and (not spans or spans[-1][1] < p.at):
            spans.append((p.at, float("inf")))
        elif move == "thaw":
            spans[-1] = (spans[-1][0], p.at)
    until: dict[int, float] = {}
    known = frozenset[str]()
    for p in chain.commits:
        if p.lock.move in ("acquire", "take-over") and p.lock.kind not in CHANGES_NOTHING:
            until[p.lock.token] = max((end for since, end in spans if since < p.at < end), default=0.0)
        if p.lock.move == "record" and p.intents - known and p.at < until.get(p.lock.token, 0.0):
            yield f"{p.oid[:8]} by {p.sender} begins something at {p.at:.1f}, with a lock taken while it was frozen"
        known |= p.intents


def _doubled(history: History) -> Iterator[str]:
    """Nothing is made twice under one idempotency key."""
    if history.script.kind != "tag":
        for things in history.office.cloud.doubled().values():
            yield f"{things[0].address} was made {len(things)} times under one key"


def _same(history: History, chain: Chain) -> Iterator[str]:
    """What exists is what is recorded, thing by thing, and as it was declared."""
    recorded = {str(r.observed.get("id")): r for r in chain.view.recorded().resources.values()}
    living = {t.id: t for t in history.office.cloud.living()}
    for i in sorted(living.keys() - recorded.keys()):
        # without keys and names a double cannot be excluded, only found
        if history.script.kind != "tag" or not any(f"~{i}:" in told for told in history.strays):
            yield f"{living[i].address} ({i}) exists and is not recorded"
    yield from (f"{recorded[i].address} ({i}) is recorded and does not exist" for i in sorted(recorded.keys() - living.keys()))
    for identity in living.keys() & recorded.keys():
        if encode(living[identity].declared) != encode(recorded[identity].declared):
            yield f"{recorded[identity].address} is not as it is recorded"
    yield from (f"{address} is not as declared" for address in history.drifted)


def _folded(chain: Chain) -> Iterator[str]:
    """The record is what the audit entries, read from the first to the last, add up to."""
    there: dict[str, bool] = {}
    for entry in reversed(list(chain.view.entries())):
        if entry.op and entry.status in ("done", "failed") and entry.address:
            gone = entry.action in ("delete", "forget") and entry.status == "done"
            there[entry.address] = not gone if entry.status == "done" else there.get(entry.address, False)
    recorded = set(chain.view.recorded().resources)
    folded = {address for address, present in there.items() if present}
    if folded - recorded or {a for a in recorded - folded if a in there and not there[a]} - _half_made(chain):
        yield f"the audit adds up to {sorted(folded)}, recorded is {sorted(recorded)}"


def _half_made(chain: Chain) -> set[str]:
    """Recorded after a failure: something half made that is kept in view."""
    return {r.address for r in chain.view.recorded().resources.values() if r.status.value != "ready"}
