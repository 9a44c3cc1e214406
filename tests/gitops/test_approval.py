"""Signed words on a plan: what is written, what is read back, and all that must not count."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executors.clocks import FakeClock
from gitops.approval import FILE, authors, digest_line, read, record
from gitops.git.memory import MemoryRemote, MemoryRepository, MemoryServer
from gitops.git.objects import object_id
from gitops.git.remote import GitRemote
from gitops.ports import ZERO, GitError, Person, Pushed, RefUpdate
from gitops.schema.workspace import Identity, WorkspaceConfig
from gitops.stops import Exit, Stop
from planners.canonical import encode
from planners.model import Environment, EnvironmentClass
from planners.steps import Create, Plan
from rules.approvals import judge
from rules.model import VALID_SECONDS, Decision

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}"
ANN = Identity("Ann Example", ("ann@example.org",), ("ops", "web"), (KEY.format("ann"),))
BOB = Identity("bob", ("bob@example.org",), ("web",), (KEY.format("bob"),))
CONFIG = WorkspaceConfig("w0rkspace", "test", identities=(ANN, BOB))
PLAN = Plan("shop", Environment("prod", EnvironmentClass.PROD), (Create("server/web-01", "fake", "new"),), id="a" * 64)
REF = "refs/heads/provisioning/approvals/shop"

Desk = tuple[MemoryRepository, MemoryRemote]


class Office:
    """A remote and people at their clones; the twin in memory signs as ``identity-N``."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.clock = FakeClock(1_800_000_000)
        self.ann, self.bob, self.eve = (self.server.clone(s) for s in ("identity-0", "identity-1", "identity-7"))

    def say(self, desk: Desk, mail: str = "ann@example.org", decision: str = "approve", plan: Plan = PLAN, **more: Any) -> Any:
        return record(*desk, CONFIG, plan, decision, Person("", mail), self.clock, **more)

    def forge(self, desk: Desk, files: Mapping[str, bytes], sign: bool = True) -> str:
        """A commit that somebody with push rights puts on top of the chain by hand."""
        repository, remote = desk
        tip = remote.fetch({REF: "refs/x"}).get("refs/x", "")
        new = repository.write(tip, files, "forged", Person("Eve", "eve@example.org"), sign)
        assert remote.push([RefUpdate(REF, tip or ZERO, new)]) is Pushed.ACCEPTED
        return new

    def standing(self, desk: Desk | None = None) -> Any:
        return read(*(desk or self.bob), CONFIG, "shop")


@pytest.fixture
def office() -> Office:
    return Office()


def test_a_word_is_read_back_by_another_clone(office: Office) -> None:
    said = office.say(office.ann, reason=" looks\n good ", team="ops", source_commit="c" * 40)
    standing = office.standing()
    assert standing.approvals == (said,)
    assert standing.foreign == ()
    assert (said.principal, said.teams, said.reason, said.decision) == ("Ann Example", ("ops",), "looks good", Decision.APPROVE)
    assert said.valid_until - said.time == VALID_SECONDS
    assert judge(PLAN, standing.approvals, (), office.clock.wall()).allowed


def test_the_commit_says_it_to_people_too(office: Office) -> None:
    said = office.say(office.ann, reason="looks good", source_commit="c" * 40)
    repository = office.ann[0]
    commit = repository.commit(said.commit)
    assert commit.message == (
        f"approve plan aaaaaaaaaaaa of shop\n\nlooks good\n\nProvisioning-Plan: {'a' * 64}\nProvisioning-Infra: shop\n"
        f"Provisioning-Source-Commit: {'c' * 40}\nProvisioning-Actor: Ann Example\n{digest_line(record_of(repository, said))}\n"
    )
    assert commit.signed
    assert record_of(repository, said)["count"] == 1


def record_of(repository: MemoryRepository, said: Any) -> dict[str, Any]:
    (entry,) = repository.entries(said.commit).values()
    found: dict[str, Any] = json.loads(repository.blobs([entry.oid])[entry.oid])
    return found


def test_words_stand_in_the_order_they_were_said(office: Office) -> None:
    office.say(office.ann)
    office.say(office.bob, "bob@example.org", "reject", reason="no")
    office.say(office.bob, "bob@example.org")
    found = [(a.principal, str(a.decision)) for a in office.standing().approvals]
    assert found == [("Ann Example", "approve"), ("bob", "reject"), ("bob", "approve")]


def test_only_the_words_on_one_plan_are_asked_for(office: Office) -> None:
    office.say(office.ann)
    office.say(office.ann, plan=replace(PLAN, id="b" * 64))
    assert [a.plan for a in read(*office.bob, CONFIG, "shop", plan="b" * 64).approvals] == ["b" * 64]


def test_the_key_decides_who_speaks_not_the_mail(office: Office) -> None:
    assert office.say(office.bob, "ann@example.org").principal == "bob"
    assert office.standing().foreign == ()


def test_without_a_key_nothing_is_written(office: Office) -> None:
    nobody = office.server.clone()
    with pytest.raises(Stop) as stopped:
        office.say(nobody)
    assert (stopped.value.code, stopped.value.message) == (
        Exit.INVALID,
        "approvals are signed, and git cannot sign: no usable signing key",
    )
    assert stopped.value.hint == (
        "make a key: ssh-keygen -t ed25519, then: git config --global gpg.format ssh && "
        "git config --global user.signingkey ~/.ssh/id_ed25519.pub"
    )
    assert office.server.refs == {}


def test_a_key_of_nobody_is_refused(office: Office) -> None:
    with pytest.raises(Stop) as stopped:
        office.say(office.eve)
    assert (stopped.value.code, stopped.value.message) == (
        Exit.DENIED,
        "your signing key belongs to no identity in workspace.yaml on 'main'",
    )
    assert office.server.refs == {}


def test_a_team_of_others_is_refused(office: Office) -> None:
    with pytest.raises(Stop) as stopped:
        office.say(office.bob, team="ops")
    assert (stopped.value.code, stopped.value.message) == (Exit.DENIED, "'bob' is not in team 'ops'")
    assert office.server.refs == {}


@pytest.mark.parametrize("made_by", ["ANN@example.org", "ann example"])
def test_ones_own_change_is_not_approved_but_may_be_rejected(office: Office, made_by: str) -> None:
    with pytest.raises(Stop) as stopped:
        office.say(office.ann, made_by=[made_by])
    assert (stopped.value.code, stopped.value.message) == (
        Exit.DENIED,
        "'Ann Example' made this change and cannot approve it",
    )
    assert office.say(office.ann, decision="reject", made_by=[made_by]).decision is Decision.REJECT


def document(**more: Any) -> dict[str, Any]:
    whole = {"format": 1, "workspace": CONFIG.id, "infra": "shop", "plan": PLAN.id, "decision": "approve", "principal": "bob"}
    return {**whole, "team": "", "reason": "", "time": 1_800_000_000, "valid_until": 1_800_080_000, **more}


@pytest.mark.parametrize(
    ("who", "files", "sign", "told"),
    [
        ("eve", {FILE: document()}, True, "approve by 'bob' is signed by no key of an identity in workspace.yaml"),
        ("bob", {FILE: document()}, False, "approve by 'bob' is not signed"),
        ("bob", {FILE: document(principal="Ann Example")}, True, "approve says 'Ann Example' and is signed by 'bob'"),
        ("bob", {FILE: document(infra="forum")}, True, "approve by 'bob' is for another infra or workspace"),
        ("bob", {FILE: document(workspace="other")}, True, "approve by 'bob' is for another infra or workspace"),
        ("bob", {FILE: document(format=3)}, True, "not a record that this version reads"),
        ("bob", {FILE: document(format=2)}, True, "approve by 'bob' is not the record that its commit was signed for"),
        ("bob", {FILE: document(time="now")}, True, "not a record that this version reads"),
        ("bob", {FILE: document(decision="maybe")}, True, "not a record that this version reads"),
        ("bob", {FILE: "approve"}, True, "not a record that this version reads"),
        ("bob", {FILE: document(), "main.py": "x"}, True, "not a record that this version reads"),
    ],
)
def test_what_is_pushed_by_hand_does_not_count_and_is_named(
    office: Office, who: str, files: Mapping[str, Any], sign: bool, told: str
) -> None:
    office.say(office.ann)
    forged = office.forge(getattr(office, who), {path: encode(value) for path, value in files.items()}, sign)
    standing = office.standing()
    assert [a.principal for a in standing.approvals] == ["Ann Example"]
    assert standing.foreign == (f"{forged[:12]}: {told}",)


def test_a_well_signed_record_by_hand_counts(office: Office) -> None:
    """The forgeries above fail for what they forge, not for how they are made."""
    office.forge(office.bob, {FILE: encode(document())})
    assert [a.principal for a in office.standing().approvals] == ["bob"]


def test_a_team_that_was_only_claimed_weighs_nothing(office: Office) -> None:
    office.forge(office.bob, {FILE: encode(document(team="ops"))})
    assert office.standing().approvals[0].teams == ()


def test_who_left_workspace_yaml_no_longer_counts(office: Office) -> None:
    office.say(office.bob, "bob@example.org")
    standing = read(*office.ann, replace(CONFIG, identities=(ANN,)), "shop")
    assert standing.approvals == ()
    assert standing.foreign[0].endswith("approve by 'bob' is signed by no key of an identity in workspace.yaml")


def test_a_key_that_is_none_is_named_and_cannot_smuggle_a_line(office: Office) -> None:
    smuggled = replace(BOB, name="carl", keys=(f"{KEY.format('x')}\nidentity-7 {KEY.format('eve')}",))
    office.forge(office.eve, {FILE: encode(document(principal="carl"))})
    standing = read(*office.ann, replace(CONFIG, identities=(ANN, smuggled)), "shop")
    assert standing.approvals == ()
    assert standing.foreign[0] == "workspace.yaml: a key of 'carl' is not a public ssh key, such as 'ssh-ed25519 AAAA...'"


def test_a_rewritten_chain_stops_reading_and_writing(office: Office) -> None:
    office.say(office.ann)
    office.standing()
    office.server.refs[REF] = office.bob[0].write("", {FILE: encode(document())}, "another", Person("", ""), True)
    office.server.objects |= office.bob[0].objects
    for act in (office.standing, lambda: office.say(office.bob, "bob@example.org")):
        with pytest.raises(Stop) as stopped:
            act()
        assert stopped.value.code is Exit.FAILURE
        assert stopped.value.message.startswith("TAMPERED: the approvals of 'shop' were rewritten at the remote: this clone saw ")


def test_a_chain_that_is_gone_is_a_rewritten_one(office: Office) -> None:
    office.say(office.ann)
    office.standing()
    del office.server.refs[REF]
    with pytest.raises(Stop, match="it is gone from the remote"):
        office.standing()


@pytest.mark.parametrize("seen", [False, True])
def test_a_merge_cannot_lead_past_a_rejection(office: Office, seen: bool) -> None:
    office.say(office.ann, decision="reject")
    if seen:
        office.standing()
    eve, _ = office.eve
    tip = office.eve[1].fetch({REF: "refs/x"})["refs/x"]
    tree = eve.commit(eve.write("", {FILE: encode(document())}, "", Person("", ""))).tree
    aside = eve.write("", {FILE: encode(document())}, "aside", Person("", ""))
    person = "Eve <e@x> 1 +0000"
    raw = f"tree {tree}\nparent {aside}\nparent {tip}\nauthor {person}\ncommitter {person}\n\nmerge\n".encode()
    merge = object_id("commit", raw)
    eve.objects[merge] = ("commit", raw)
    assert office.eve[1].push([RefUpdate(REF, tip, merge)]) is Pushed.ACCEPTED
    for act in (office.standing, lambda: office.say(office.bob, "bob@example.org")):
        with pytest.raises(Stop) as stopped:
            act()
        assert stopped.value.message == f"the approvals of 'shop' hold a merge, {merge[:12]}, and nothing is ever merged there"


def test_two_at_once_are_both_heard(office: Office) -> None:
    def rival(updates: Any) -> None:
        office.server.before = None
        office.say(office.bob, "bob@example.org")

    office.server.before = rival
    office.say(office.ann)
    assert [a.principal for a in office.standing().approvals] == ["bob", "Ann Example"]


def test_a_lost_answer_is_no_second_word(office: Office) -> None:
    office.server.after = lambda updates, outcome: Pushed.UNKNOWN
    office.say(office.ann)
    assert len(office.standing().approvals) == 1


def test_offline_shows_what_was_seen_last(office: Office) -> None:
    office.say(office.ann)
    office.standing(office.bob)
    office.say(office.ann, decision="reject")
    office.server.reachable = False
    assert [str(a.decision) for a in read(*office.bob, CONFIG, "shop", offline=True).approvals] == ["approve"]
    with pytest.raises(GitError, match="cannot be reached"):
        office.standing()


# --- who made a change -----------------------------------------------------------------------------------


class History:
    """Commits in memory; ``commit(parents, author, files)``."""

    def __init__(self) -> None:
        self.repository, _ = MemoryServer().clone("identity-1")

    def commit(self, parent: str, mail: str, path: str, message: str = "", sign: bool = False) -> str:
        files = {path: f"{mail} {message}".encode()}
        return self.repository.write(parent, files, message, Person(mail, mail), sign)

    def authors(self, base: str, tip: str) -> tuple[str, ...]:
        return authors(self.repository, CONFIG, "shop", base, tip)


@pytest.fixture
def history() -> History:
    return History()


def test_authors_are_those_since_what_was_applied_last(history: History) -> None:
    first = history.commit("", "old@x", "infra/shop/main.yaml")
    second = history.commit(first, "New@x", "infra/shop/main.yaml")
    assert history.authors(first, second) == ("new@x",)
    assert history.authors("", second) == ("new@x", "old@x")
    assert history.authors(second, second) == ()


def test_only_changes_to_what_the_infra_is_made_of_count(history: History) -> None:
    base = history.commit("", "ann@x", "infra/shop/main.yaml")
    other = history.commit(base, "bob@x", "infra/forum/main.yaml")
    docs = history.commit(other, "cy@x", "README.md")
    shared = history.commit(docs, "di@x", "templates/defaults.yaml")
    assert history.authors(base, shared) == ("di@x",)


def test_a_signature_and_co_authors_make_authors(history: History) -> None:
    base = history.commit("", "ann@x", "infra/shop/main.yaml")
    text = "two of us\n\nCo-Authored-By: Cy <Cy@x>\n"
    tip = history.commit(base, "dee@x", "infra/shop/main.yaml", text, sign=True)
    assert history.authors(base, tip) == ("bob", "cy@x", "dee@x")


def test_going_back_has_no_author(history: History) -> None:
    first = history.commit("", "ann@x", "infra/shop/main.yaml")
    second = history.commit(first, "bob@x", "infra/shop/main.yaml")
    assert history.authors(second, first) == ()


def test_history_that_was_cut_off_is_not_taken_for_an_answer(history: History) -> None:
    first = history.commit("", "ann@x", "infra/shop/main.yaml")
    second = history.commit(first, "bob@x", "infra/shop/main.yaml")
    third = history.commit(second, "cy@x", "infra/shop/main.yaml")
    assert history.authors(second, third) == ("cy@x",)
    del history.repository.objects[first]
    assert history.authors(second, third) == ("cy@x",)
    with pytest.raises(Stop) as stopped:
        history.authors("", third)
    assert (stopped.value.code, stopped.value.hint) == (Exit.FAILURE, "git fetch --unshallow")


# --- real git, real keys ---------------------------------------------------------------------------------


@pytest.fixture
def shared(file_remote: Callable[[str], Any]) -> Path:
    path: Path = file_remote("state").path
    return path


@pytest.mark.real
def test_real_signatures_by_listed_keys_count_and_others_do_not(meet: Callable[..., Any], shared: Path, tmp_path: Path) -> None:
    ann, eve, joe = meet("Ann", key=True), meet("Eve", key=True), meet("Joe")
    config = replace(CONFIG, identities=(replace(BOB, keys=(KEY.format("bob"),)), replace(ANN, keys=(ann.key,))))
    clock = FakeClock(1_800_000_000)

    def desk(person: Any) -> tuple[Any, GitRemote]:
        folder = tmp_path / f"clone-{person.name}"
        folder.mkdir()
        person.git(folder, "init", "--quiet")
        repository = person.open(folder)
        return repository, GitRemote(repository.git, str(shared))

    said = record(*desk(ann), config, PLAN, "approve", Person("Ann", "somewhere@else"), clock, reason="fine")
    assert said.principal == "Ann Example"
    refused = []
    for person in (eve, joe):
        with pytest.raises(Stop) as stopped:
            record(*desk(person), config, PLAN, "approve", Person(person.name, person.mail), clock)
        refused.append(stopped.value.code)
    assert refused == [Exit.DENIED, Exit.INVALID]
    clone = tmp_path / "clone-Eve"
    eve.git(clone, "fetch", "--quiet", str(shared), REF)
    tree = eve.git(clone, "rev-parse", "FETCH_HEAD^{tree}")
    forged = eve.git(clone, "commit-tree", "-S", "-m", "me too", "-p", "FETCH_HEAD", tree)
    eve.git(clone, "push", "--quiet", str(shared), f"{forged}:{REF}")
    standing = read(*desk(meet("Zoe")), config, "shop")
    assert standing.approvals == (said,)
    told = "approve by 'Ann Example' is signed by no key of an identity in workspace.yaml"
    assert standing.foreign == (f"{forged[:12]}: {told}",)


@pytest.mark.real
def test_a_merged_branch_brings_its_authors_and_the_merge_none(meet: Callable[..., Any], tmp_path: Path) -> None:
    ann, bob, mia = meet("Ann"), meet("Bob"), meet("Mia")
    folder = tmp_path / "work"
    folder.mkdir()
    ann.git(folder, "init", "--quiet")
    fork = ann.write(folder, {"workspace.yaml": "format: 1\n", "infra/shop/main.yaml": "settings: {}\n"})
    base = ann.write(folder, {"infra/forum/main.yaml": "settings: {}\n"})
    bob.git(folder, "checkout", "--quiet", "-b", "feature", fork)
    bob.write(folder, {"infra/shop/main.yaml": "settings: {provider: fake}\n"})
    mia.git(folder, "checkout", "--quiet", "main")
    mia.git(folder, "merge", "--quiet", "--no-ff", "-m", "merge", "feature")
    tip = mia.git(folder, "rev-parse", "HEAD")
    assert authors(ann.open(folder), CONFIG, "shop", base, tip) == ("bob@example.org",)
