"""Every way to change a ledger by hand that we could think of is a fault that names commit and path.

Each case takes the ledger of one real run and puts one more commit on it, or writes one of its commits anew, as somebody with
push rights and no scruples would: with counters, trailers and nonces kept in step unless they are the point.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gitops.git.memory import MemoryRepository
from gitops.ledger import tree
from gitops.ledger.audit import verify
from gitops.ledger.check import faults_since
from gitops.ledger.lock import State
from gitops.ledger.records import Entry
from gitops.ledger.transition import Draft, Stamp, compose
from gitops.ledger.view import View
from gitops.ports import Person
from planners.canonical import encode

if TYPE_CHECKING:
    from .conftest import Site, World

Edits = dict[str, Any]
ANN = Person("ann", "ann@example.org", 1_700_000_000)
STAMP = Stamp("dev", "ann <ann@example.org>", "host-1", "e" * 32, 1_700_000_000)


class Forger:
    """Somebody who writes what they like on top of ``tip``."""

    def __init__(self, repository: MemoryRepository, tip: str) -> None:
        self.repository = repository
        self.tip = tip
        self.view = View(repository, "dev", tip)
        self.message = repository.commit(tip).message

    def raw(self, path: str) -> bytes:
        folder, _, name = path.rpartition("/")
        return self.repository.blobs([self.repository.entries(self.tip, folder)[name].oid]).popitem()[1]

    def put(self, edits: Edits, message: str = "", author: Person = ANN, parent: str | None = None) -> str:
        """Just a commit."""
        return self.repository.write(self.tip if parent is None else parent, edits, message or self.message, author)

    def move(self, move: str, edits: Edits | None = None, entries: tuple[Entry, ...] = (), **lock: Any) -> str:
        """A commit whose lock and trailers are in step."""
        _, whole, message = compose(self.view.lock, Draft(move, replace(self.view.lock, **lock), edits or {}, entries), STAMP)
        return self.put(whole, message)

    def path_of(self, part: str) -> str:
        return next(p for p in self.repository.entries(self.tip, "", recursive=True) if p.startswith(part))


STATE = "state/server/web-01.json"


@pytest.fixture
def forger(applied: World, site: Site) -> Forger:
    """On the tip of a free ledger."""
    return Forger(site.repository, applied.tip)


@pytest.fixture
def inside(world: World, site: Site, intent: Any) -> Forger:
    """On the tip of a held ledger with one open intent."""
    with site.acquire("r2") as held:
        held.record([], [intent(held, "op9", "server/web-09")])
        return Forger(site.repository, world.tip)


def faults(forger: Forger, tip: str) -> list[str]:
    return faults_since(forger.repository, tip, forger.tip, 0)


def edited(raw: bytes, **change: Any) -> bytes:
    return encode({**json.loads(raw), **change})


def test_the_ledger_of_a_run_has_no_fault(forger: Forger) -> None:
    assert faults_since(forger.repository, forger.tip, "", 0) == []


def test_an_honest_move_of_the_forgers_tools_has_no_fault(forger: Forger) -> None:
    tip = forger.move("hold", entries=(Entry(action="hold"),), state=State.HOLD, kind="hold", holder=None)
    assert faults(forger, tip) == ["the lock is HOLD without an owner and an end"]


BY_HAND: dict[str, tuple[Callable[[Forger], Edits], str]] = {
    "a state file edited": (lambda f: {STATE: edited(f.raw(STATE), provider="evil")}, f"{STATE}: changed by a release"),
    "a state file removed": (lambda f: {STATE: None}, f"{STATE}: removed by a release"),
    "a state file added": (lambda f: {"state/server/x.json": f.raw(STATE)}, "state/server/x.json: added by a release"),
    "an audit entry edited": (
        lambda f: {f.path_of("audit/"): edited(f.raw(f.path_of("audit/")), actor="bob")},
        "though such a file only ever grows in number",
    ),
    "an audit entry removed": (lambda f: {f.path_of("audit/"): None}, "though such a file only ever grows in number"),
    "a junk file": (lambda f: {"README.md": b"hello"}, "README.md: added, and nothing of a ledger lies there"),
    "a junk folder": (lambda f: {"extra/a.json": b"{}\n"}, "extra/a.json: added, and nothing of a ledger lies there"),
    "a file where a folder belongs": (lambda f: {"state.json": b"{}\n"}, "state.json: added, and nothing of a ledger lies there"),
    "a folder where a file belongs": (lambda f: {"pin/x.json": b"{}\n"}, "pin/x.json: added, and nothing of a ledger lies there"),
    "a plan edited": (
        lambda f: {"plans/p1/p1.json": b"{}\n"},
        "plans/p1/p1.json: changed, though such a file only ever grows in number",
    ),
    "a run edited": (
        lambda f: {"runs/r1.json": edited(f.raw("runs/r1.json"), actor="bob")},
        "runs/r1.json: changed without an audit entry that says so",
    ),
    "a run removed": (lambda f: {"runs/r1.json": None}, "runs/r1.json: removed, though a run only ever moves to its day"),
    "another workspace": (lambda f: {"meta.json": edited(f.raw("meta.json"), workspace="w2")}, "meta.json: changed by a release"),
    "the lock removed": (lambda f: {"lock.json": None}, "lock.json: missing"),
    "the lock made junk": (lambda f: {"lock.json": b"{"}, "lock.json is not JSON"),
    "the lock of a newer format": (
        lambda f: {"lock.json": edited(f.raw("lock.json"), format=4)},
        "the ledger has format 4 and this version reads up to 3",
    ),
    "the lock in other words": (
        lambda f: {"lock.json": f.raw("lock.json").replace(b",", b", ")},
        "lock.json: not in canonical form",
    ),
    "nothing at all": (lambda f: {}, "seq goes from 5 to 5"),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_an_edit_by_hand_is_named(forger: Forger, case: str) -> None:
    make, fault = BY_HAND[case]
    found = faults(forger, forger.put(make(forger)))
    assert any(fault in line for line in found), found


FORGED: dict[str, tuple[Callable[[Forger], str], str]] = {
    "state without an entry": (
        lambda f: f.move("record", {STATE: b"{}\n"}),
        f"{STATE}: changed without an audit entry that says so",
    ),
    "state by an entry without an intent": (
        lambda f: f.move(
            "record",
            {"state/server/web-09.json": edited(b"{}")},
            (Entry(action="create", address="server/web-09", op="op8", status="done"),),
        ),
        "intents/op8.json: a result without an open intent",
    ),
    "an intent closed without a result": (
        lambda f: f.move("record", {"intents/op9.json": None}, recover=False),
        "intents/op9.json: closed without a result",
    ),
    "an intent under another token": (
        lambda f: f.move("record", {"intents/op9.json": edited(f.raw("intents/op9.json"), token=7)}),
        "intents/op9.json: carries token 7",
    ),
    "an intent that is not what its name says": (
        lambda f: f.move("record", {"intents/op7.json": f.raw("intents/op9.json")}),
        "intents/op7.json: holds what belongs to intents/op9.json",
    ),
    "a run without an entry": (
        lambda f: f.move("record", {"runs/r9.json": edited(b"{}")}),
        "runs/r9.json: changed without an audit entry that says so",
    ),
    "a pin without an entry": (
        lambda f: f.move("record", {"pin.json": encode({"source": "commit:c", "commit": "c", "reason": ""})}),
        "pin.json: changed without an audit entry that says so",
    ),
    "a marker without a run": (
        lambda f: f.move("record", {"converged.json": encode({"inputs": "i", "state": "s", "plan": {}})}),
        "converged.json: changed without an audit entry that says so",
    ),
    "state by a renewal": (lambda f: f.move("renew", {STATE: b"{}\n"}), f"{STATE}: added by a renew"),
    "another holder under the same token": (
        lambda f: f.move("record", holder=replace(f.view.lock.holder, id="9" * 32)),  # type: ignore[type-var]
        "a record does not change 'holder'",
    ),
    "the holder's words by somebody else": (
        lambda f: f.put(
            *compose(f.view.lock, Draft("renew", f.view.lock), replace(STAMP, actor="bob <bob@example.org>"))[1:],
            Person("bob", "bob@example.org", 1),
        ),
        "written by bob <bob@example.org>, while ann <ann@example.org> held the lock",
    ),
    "an entry out of turn": (
        lambda f: f.move(
            "record", {"audit/2023-11/00000009-beef.json": tree.value_bytes(Entry(seq=9, id="beef", time=1_700_000_000))}
        ),
        "audit/2023-11/00000009-beef.json: does not follow the entry before it",
    ),
    "an entry whose id is invented": (
        lambda f: f.move(
            "record", {"audit/2023-11/00000002-beef.json": tree.value_bytes(Entry(seq=2, id="beef", time=1_700_000_000))}
        ),
        "audit/2023-11/00000002-beef.json: its id is not that of its content",
    ),
    "a lock that forgets an entry": (
        lambda f: _forgetful(f),
        "lock.json: does not know the last audit entry",
    ),
    "a recovery called off": (
        lambda f: f.move("take-over", {}, (Entry(action="take-over"),), recover=False, holder=_other(f)),
        "lock.json: recover is False and intents say otherwise",
    ),
    "trailers that tell another story": (
        lambda f: f.put(compose(f.view.lock, Draft("renew", f.view.lock), STAMP)[1], "dev: renew\n\nProvisioning-Run: r7\n"),
        "its trailer Provisioning-Run does not agree",
    ),
    "no trailers": (
        lambda f: f.put(compose(f.view.lock, Draft("renew", f.view.lock), STAMP)[1], "dev: renew"),
        "its trailer Provisioning-Token is missing",
    ),
}


def _other(forger: Forger) -> Any:
    return replace(forger.view.lock.holder, id="9" * 32)  # type: ignore[type-var]


def _forgetful(forger: Forger) -> str:
    lock, edits, message = compose(forger.view.lock, Draft("record", forger.view.lock, {}, (Entry(action="pin"),)), STAMP)
    return forger.put({**edits, tree.LOCK: tree.value_bytes(replace(lock, entries=lock.entries - 1))}, message)


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_transition_is_named(inside: Forger, case: str) -> None:
    make, fault = FORGED[case]
    found = faults(inside, make(inside))
    assert any(fault in line for line in found), found


def test_a_merge_is_no_transition(forger: Forger) -> None:
    other = forger.put({"x": b"1"}, parent="")
    _, edits, message = compose(forger.view.lock, Draft("move-remote", forger.view.lock), STAMP)
    tip = forger.put(edits, message)
    raw = forger.repository.objects[tip][1].replace(
        f"parent {forger.tip}\n".encode(), f"parent {forger.tip}\nparent {other}\n".encode()
    )
    merge = forger.repository._put("commit", raw)
    assert "it has 2 parents" in faults(forger, merge)


@pytest.mark.parametrize("mode", ["100755", "120000"])
def test_only_ordinary_files_lie_in_a_ledger(forger: Forger, mode: str) -> None:
    tip = forger.put({})
    commit = forger.repository.commit(tip)
    tree_raw = forger.repository.objects[commit.tree][1].replace(b"100644 lock.json", f"{mode} lock.json".encode())
    spoiled = forger.repository._put("tree", tree_raw)
    raw = forger.repository.objects[tip][1].replace(commit.tree.encode(), spoiled.encode())
    assert "lock.json: not an ordinary file" in faults(forger, forger.repository._put("commit", raw))


# --- a ledger of the first format ------------------------------------------------------------------------

RUN = "20261124-140509-3f9a1c"


@pytest.fixture
def first_format(site: Site, run: Any, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose ledger an earlier version wrote: one run that ended, all runs and plans side by side."""
    with monkeypatch.context() as earlier:
        earlier.setattr("gitops.ledger.transition.FORMAT", 1)
        earlier.setattr("gitops.ledger.tree.run_path", lambda run, over, written=1: f"runs/{run}.json")
        earlier.setattr("gitops.ledger.tree.plan_path", lambda plan, written=1: f"plans/{plan}.json")
        with site.acquire(RUN) as held:
            held.begin_run(run(RUN))
            held.finish_run(RUN, "failed", None)
    return site


def test_a_ledger_of_the_first_format_is_read_and_has_no_fault(first_format: Site) -> None:
    view = first_format.ledger.view()
    assert [*first_format.repository.entries(view.tip, "runs")] == [f"{RUN}.json"]
    found = view.run(RUN)
    assert found is not None
    assert (view.lock.format, found.status, found.document["id"], view.has_plan("p1")) == (1, "failed", "p1", True)
    assert verify(first_format.repository, view.tip, "dev", "w1").findings == ()


def test_the_next_write_makes_it_the_present_format_and_the_whole_chain_stays_without_fault(first_format: Site) -> None:
    with first_format.acquire(RUN) as held:
        held.finish_run(RUN, "succeeded", None)
    view = first_format.ledger.view()
    assert [*first_format.repository.entries(view.tip, "runs", recursive=True)] == [f"2026-11/24/{RUN}.json"]
    assert (view.lock.format, [r.status for r in view.runs()]) == (3, ["succeeded"])
    assert verify(first_format.repository, view.tip, "dev", "w1").findings == ()


def test_a_run_of_the_present_format_lies_nowhere_else(inside: Forger, run: Any) -> None:
    ended = tree.run_bytes(replace(run(RUN), status="succeeded"))
    said = (Entry(action="run", status="succeeded", run=RUN),)
    assert faults(inside, inside.move("record", {f"runs/2026-11/24/{RUN}.json": ended}, said)) == []
    assert faults(inside, inside.move("record", {f"runs/{RUN}.json": ended}, said)) == [
        f"runs/{RUN}.json: holds what belongs to runs/2026-11/24/{RUN}.json"
    ]


# --- a history written anew ------------------------------------------------------------------------------


def rebuilt(forger: Forger, order: Callable[[list[Any]], list[Any]]) -> str:
    """The chain with its commits' trees in another order, or without some: what a rebase would leave."""
    commits = order(list(reversed(forger.repository.history(forger.tip))))
    tip = ""
    for commit in commits:
        tip = forger.repository.write(tip, {"": commit.tree}, commit.message, commit.author)
    return tip


@pytest.mark.parametrize(
    ("order", "faulty"),
    [
        (lambda c: c[:2] + c[3:], "seq goes from 2 to 4"),
        (lambda c: [c[0], c[2], c[1], *c[3:]], "seq goes from 1 to 3"),
        (lambda c: c[1:], "a ledger begins with 'create' and with nothing else, not with 'acquire'"),
        (lambda c: [*c, c[-1]], "the nonce is not fresh"),
    ],
)
def test_a_chain_with_commits_dropped_or_reordered_is_found_out(forger: Forger, order: Any, faulty: str) -> None:
    found = verify(forger.repository, rebuilt(forger, order), "dev", "w1").findings
    assert any(faulty in line for line in found), found


def test_the_same_chain_rebuilt_whole_is_no_finding(forger: Forger) -> None:
    assert verify(forger.repository, rebuilt(forger, lambda c: c), "dev", "w1").findings == ()
