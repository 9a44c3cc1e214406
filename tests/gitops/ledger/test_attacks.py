"""Everything that somebody with push rights can do to a ledger is detected and named, or needs an anchor or signatures to be.

The ledgers are real ones, made by runs. Whoever tampers is good at it: whatever they change, all ids above it are made anew,
so that Git finds nothing wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.git.memory import MemoryRepository
from gitops.git.objects import object_id, pack_commit, pack_tree, parse_commit, parse_tree
from gitops.ledger.anchor import mark_of
from gitops.ledger.audit import ENDS, Known, verify
from gitops.ledger.ledger import Ledger
from gitops.ledger.signing import Signing
from gitops.ledger.view import View
from gitops.ports import Commit, Entry, GitError
from gitops.schema.workspace import Identity, LedgerConfig
from gitops.signers import Signers
from planners.canonical import encode

from .conftest import World

if TYPE_CHECKING:
    from .conftest import Site

ANN = Identity("ann", keys=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIann",))
PROD = Signers((ANN,), True, "an environment of class prod asks for a signature")


PERSON = rb"[^<>\n]+ <[^<>\n]*> (0|[1-9]\d*) [+-]\d{4}\n"
HEAD = re.compile(
    rb"tree [0-9a-f]{40}\n(parent [0-9a-f]{40}\n)*author %b" rb"committer %b(gpgsig [^\n]*\n)?\n" % (PERSON, PERSON)
)


class Tampered:
    """A chain about to be written anew, oldest first."""

    def __init__(self, repository: MemoryRepository, tip: str) -> None:
        self.repository, self.tip = repository, tip
        self.commits = list(repository.history(tip))[::-1]

    def relinked(self, commits: list[Commit]) -> str:
        """These commits, each on the one before; returns the tip."""
        parent = ""
        for commit in commits:
            raw = pack_commit(commit.tree, [parent] if parent else [], commit.author, commit.message)
            parent = self.repository._put("commit", raw)
        return parent

    def each(self, change: Callable[[dict[str, Entry]], Mapping[str, Any]], since: int) -> str:
        """With ``change`` made to the files of every commit from number ``since`` on: path -> new content."""
        commits = []
        for n, commit in enumerate(self.commits):
            if n >= since:
                edits = change(dict(self.repository.entries(commit.tree, "", recursive=True)))
                made = self.repository.write(commit.oid, edits, "", commit.author)
                commit = replace(commit, tree=self.repository.commit(made).tree)
            commits.append(commit)
        return self.relinked(commits)

    def found(self, tip: str, known: Known | None = None) -> list[str]:
        """What verify finds, as (place in the old or new chain, what)."""
        assert tip != self.tip
        return [text.partition(" ")[2] for text in verify(self.repository, tip, "dev", "w1", known or Known()).findings]


@pytest.fixture
def chain(applied: World, site: Site, intent: Any, done: Any, run: Any) -> Tampered:
    """Two runs of one infra."""
    with site.acquire("r2") as held:
        held.begin_run(run("r2", "p2"))
        held.record([], [intent(held, "op4", "server/web-04")])
        held.record([done("op4", "server/web-04")], [])
        held.finish_run("r2", "succeeded", None)
    return Tampered(site.repository, applied.tip)


def test_an_honest_copy_is_the_same_chain(chain: Tampered) -> None:
    assert chain.relinked(chain.commits) == chain.tip
    assert verify(chain.repository, chain.tip, "dev", "w1").findings == ()


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("place", [1, 2, 3, 4, 5])
def test_removal(chain: Tampered, place: int, count: int) -> None:
    tip = chain.relinked([*chain.commits[:place], *chain.commits[place + count :]])
    gone = f"transition {place + 1} is" if count == 1 else f"transitions {place + 1} to {place + 2} are"
    assert chain.found(tip)[0] == f"removed: before it {gone} missing"


def test_removal_of_the_beginning(chain: Tampered) -> None:
    found = chain.found(chain.relinked(chain.commits[2:]))
    assert "removed: before it transitions 1 to 2 are missing" in found


@pytest.mark.parametrize("place", [1, 2, 3, 4, 5])
def test_reordering(chain: Tampered, place: int) -> None:
    one, other = chain.commits[place : place + 2]
    tip = chain.relinked([*chain.commits[:place], other, one, *chain.commits[place + 2 :]])
    found = chain.found(tip)
    assert found[0] == f"reordered: transition {place + 2} stands before transition {place + 1}"
    assert {text.partition(":")[0] for text in found} == {"reordered"}


def test_moving_the_newest_far_back(chain: Tampered) -> None:
    tip = chain.relinked([*chain.commits[:2], chain.commits[-1], *chain.commits[2:-1]])
    assert chain.found(tip)[0].startswith("reordered: ")


def test_an_edited_entry(chain: Tampered) -> None:
    def change(files: dict[str, Entry]) -> Mapping[str, Any]:
        path = next(p for p in files if p.startswith("audit/") and "/00000003-" in p)
        entry = json.loads(chain.repository.blobs([files[path].oid])[files[path].oid])
        return {path: encode({**entry, "actor": "mallory <m@example.org>"})}

    found = chain.found(chain.each(change, since=3))
    assert any("its id is not that of its content" in text for text in found)
    assert {text.partition(":")[0] for text in found} == {"edited"}


def test_an_edited_entry_with_an_id_to_match(chain: Tampered) -> None:
    def change(files: dict[str, Entry]) -> Mapping[str, Any]:
        from gitops.ledger.records import entry_of
        from gitops.ledger.tree import audit_path, value_bytes

        path = next(p for p in files if p.startswith("audit/") and "/00000003-" in p)
        entry = replace(entry_of(json.loads(chain.repository.blobs([files[path].oid])[files[path].oid])), actor="mallory")
        matching = replace(entry, id=entry.digest[:16])
        return {path: None, audit_path(matching): value_bytes(matching)}

    found = chain.found(chain.each(change, since=3))
    assert any("does not know the last audit entry" in text or "does not follow" in text for text in found)
    assert found[0].startswith("edited: ")


def test_an_edited_state(chain: Tampered) -> None:
    def change(files: dict[str, Entry]) -> Mapping[str, Any]:
        oid = files["state/server/web-01.json"].oid
        state = json.loads(chain.repository.blobs([oid])[oid])
        return {"state/server/web-01.json": encode({**state, "provider": "evil"})}

    last = len(chain.commits) - 1
    assert chain.found(chain.each(change, since=last))[0] == "edited: state/server/web-01.json: changed by a release"


def test_a_removed_entry(chain: Tampered) -> None:
    def change(files: dict[str, Entry]) -> Mapping[str, Any]:
        return {next(p for p in files if p.startswith("audit/") and "/00000002-" in p): None}

    found = chain.found(chain.each(change, since=len(chain.commits) - 1))
    assert found[0].startswith("removed: audit/")


def test_swapped_files(chain: Tampered) -> None:
    def change(files: dict[str, Entry]) -> Mapping[str, Any]:
        one, other = "state/server/web-01.json", "state/server/web-02.json"
        return {one: files[other].oid, other: files[one].oid}

    found = chain.found(chain.each(change, since=3))
    assert "edited: state/server/web-01.json: holds what belongs to state/server/web-02.json" in found


@pytest.mark.parametrize("place", [2, 4])
def test_a_transition_that_is_repeated(chain: Tampered, place: int) -> None:
    tip = chain.relinked([*chain.commits, chain.commits[place]])
    assert chain.found(tip)[0].startswith(f"inserted: it repeats transition {place + 1}, ")


def test_a_second_one_in_place_of_none(chain: Tampered) -> None:
    """Somebody writes a move of their own between two others, with a nonce of its own."""
    commit = chain.commits[3]
    lock = json.loads(raw(chain.repository, commit, "lock.json"))
    made = chain.repository.write(commit.oid, {"lock.json": encode({**lock, "nonce": "f" * 32})}, "", commit.author)
    forged = replace(commit, tree=chain.repository.commit(made).tree)
    found = chain.found(chain.relinked([*chain.commits[:4], forged, *chain.commits[4:]]))
    assert found[0].startswith("inserted: it is a second transition 4, ")


def test_junk_on_top(chain: Tampered) -> None:
    junk = chain.repository.write(chain.tip, {"lock.json": b"junk"}, "junk", chain.commits[0].author)
    assert chain.found(junk)[0] == "inserted: it is no transition"


@pytest.mark.parametrize("name", ["Run", "Plan", "Token", "Actor"])
def test_a_wrong_trailer(chain: Tampered, name: str) -> None:
    lines = [f"Provisioning-{name}: 99" if f"-{name}: " in line else line for line in chain.commits[3].message.splitlines()]
    commits = [*chain.commits[:3], replace(chain.commits[3], message="\n".join(lines) + "\n"), *chain.commits[4:]]
    assert f"edited: its trailer Provisioning-{name} does not agree" in chain.found(chain.relinked(commits))


def test_a_chain_of_another_infra_spliced_in(chain: Tampered, world: World, site: Site) -> None:
    other = Ledger(
        site.repository, site.remote, "forum", "w1", LedgerConfig(), world.clock, site.ledger._actor, "memory://shared",
        draw=lambda: 0.5, nonce=world.nonce,
    )  # fmt: skip
    for number in range(6):
        with other.acquire("write", f"r{number}", "p", "apply", 0, lambda _: None):
            pass
    spliced = list(site.repository.history(other.view().tip))[::-1]
    found = chain.found(chain.relinked([*chain.commits, *spliced[len(chain.commits) :]]))
    assert found[0] == "foreign: it was made for infra 'forum'"
    whole = verify(site.repository, other.view().tip, "dev", "w1").findings
    assert any("meta.json: begun for infra 'forum'" in text and "foreign: " in text for text in whole)


def test_who_makes_everything_anew_is_found_by_an_anchor_or_a_clone_that_saw_more(chain: Tampered) -> None:
    """No look at the chain alone can tell: each transition is as legal as it was."""

    def change(files: dict[str, Entry]) -> Mapping[str, Any]:
        lock = json.loads(chain.repository.blobs([files["lock.json"].oid])[files["lock.json"].oid])
        return {"lock.json": encode({**lock, "nonce": lock["nonce"][::-1]})}

    tip, mark = chain.each(change, since=2), mark_of(chain.repository, chain.tip)
    blind = verify(chain.repository, tip, "dev", "w1")
    assert (blind.findings, ENDS in blind.not_guaranteed) == ((), True)
    assert chain.found(tip, Known(anchor=mark))[0].startswith("rewritten: everything after ")
    assert chain.found(tip, Known(seen=chain.tip))[0].startswith("rewritten: everything after ")


def raw(repository: MemoryRepository, commit: Commit, path: str) -> bytes:
    oid = repository.entries(commit.tree)[path].oid
    return repository.blobs([oid])[oid]


# --- any bit of anything ---------------------------------------------------------------------------------


class Signed:
    """One signed ledger of a real run, made once for all examples; its objects by id."""

    def __init__(self) -> None:
        world = World()
        clone = world.server.clone("identity-0")
        site = world.site(clone=clone, signing=Signing(clone[0], "dev", lambda _: PROD))
        from executors.ports import Intent, Result
        from gitops.ledger.records import RunRecord
        from planners.model import RecordedResource

        for run in ("r1", "r2"):
            with site.acquire(run, plan=f"p-{run}") as held:
                held.begin_run(RunRecord(run, "dev", "running", f"p-{run}", {"id": f"p-{run}", "steps": []}, "c" * 40))
                op, address = f"op-{run}", f"server/{run}"
                held.record([], [Intent(op, op, address, "create", "create", "fake", "digest", held.token)])
                record = RecordedResource(address, "fake", {"cpu_cores": 2}, {"id": "i"}, run=run, plan=f"p-{run}")
                held.record([Result(op, address, "create", "done", record)], [])
                held.finish_run(run, "succeeded", None)
        self.tip, self.repository = world.tip, clone[0]
        self.ids = sorted(self._reachable(self.tip, set()))

    def _reachable(self, oid: str, seen: set[str]) -> set[str]:
        if oid not in seen:
            seen.add(oid)
            for below in children(*self.repository.objects[oid]):
                self._reachable(below, seen)
        return seen

    def with_flipped(self, target: str, bit: int) -> tuple[MemoryRepository, str] | None:
        """The chain with one bit of one object changed and every id above it made anew; ``None`` when Git itself would refuse
        to take the object."""
        changed = MemoryRepository()
        new: dict[str, str] = {}

        def made(oid: str) -> str:
            if oid not in new:
                kind, content = self.repository.objects[oid]
                for below in children(kind, content):
                    content = renamed(kind, content, below, made(below))
                new[oid] = changed._put(kind, flipped(content, bit) if oid == target else content)
            return new[oid]

        tip = made(self.tip)
        return (changed, tip) if all(well_formed(*item) for item in changed.objects.values()) else None


def children(kind: str, content: bytes) -> list[str]:
    if kind == "commit":
        commit = parse_commit("", content)
        return [commit.tree, *commit.parents]
    return [entry.oid for entry in parse_tree(content).values()] if kind == "tree" else []


def renamed(kind: str, content: bytes, old: str, new: str) -> bytes:
    if kind == "commit":
        return content.replace(old.encode(), new.encode(), 1)
    return content.replace(bytes.fromhex(old), bytes.fromhex(new))


def flipped(content: bytes, bit: int) -> bytes:
    place, which = divmod(bit % (len(content) * 8), 8)
    return content[:place] + bytes([content[place] ^ (1 << which)]) + content[place + 1 :]


def well_formed(kind: str, content: bytes) -> bool:
    """As ``fsckObjects`` sees it, which every clone of ours has set."""
    if kind == "blob":
        return True
    if kind == "tree":
        try:
            entries = parse_tree(content)
        except GitError:
            return False
        modes = {entry.mode for entry in entries.values()} <= {"100644", "100755", "040000", "120000", "160000"}
        named = all(name and "/" not in name and name not in (".", "..", ".git") for name in entries)
        return modes and named and pack_tree(entries) == content
    return HEAD.match(content) is not None and b"\0" not in content


LEDGER = Signed()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(LEDGER.ids), st.integers(0, 1 << 20))
def test_one_bit_of_anything_is_found_by_signatures_and_by_an_anchor(target: str, bit: int) -> None:
    """Without either it is found, or it changed nothing that the audit tells."""
    forged = LEDGER.with_flipped(target, bit)
    if forged is None:
        return
    repository, tip = forged
    assert tip != LEDGER.tip
    assert object_id(*repository.objects[tip]) == tip
    assert verify(repository, tip, "dev", "w1", Known(PROD)).findings
    anchored = verify(repository, tip, "dev", "w1", Known(anchor=mark_of(LEDGER.repository, LEDGER.tip))).findings
    assert " truncated: " in anchored[0] or " rewritten: " in anchored[0] or " unreadable: " in anchored[0]
    alone = verify(repository, tip, "dev", "w1")
    if not alone.findings:
        before, after = (list(View(r, "dev", t).entries()) for r, t in ((LEDGER.repository, LEDGER.tip), (repository, tip)))
        assert before == after
        assert ENDS in alone.not_guaranteed
