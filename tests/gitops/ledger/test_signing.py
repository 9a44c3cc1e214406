"""Signatures on a ledger: who signs, whose count, and what everybody refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from gitops.ledger.signing import Signing, forged
from gitops.ports import Person
from gitops.schema.workspace import Identity
from gitops.signers import Signers, who_signed
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from .conftest import Site, World

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}"
ANN, BOB = (Identity(name, (f"{name}@example.org",), (), (KEY.format(name),)) for name in ("ann", "bob"))
PROD = Signers((ANN, BOB), True, "an environment of class prod asks for a signature")
DEV = Signers((ANN, BOB), False, "an environment of class dev asks for none")
HIDDEN = Signers((ANN, BOB), None, "it was signed before")


@pytest.fixture
def desk(world: World) -> Callable[..., Site]:
    """A site whose clone signs as ``identity-N`` (-1: cannot), where ``told`` is what the protected branch says, look by look."""

    def make(name: str = "ann", number: int = 0, *told: Signers, wished: bool = False) -> Site:
        clone = world.server.clone(f"identity-{number}" if number >= 0 else "")
        said = list(told or (PROD,))

        def known(fresh: bool) -> Signers:
            return said.pop(0) if len(said) > 1 and not fresh else said[-1]

        return world.site(name, clone=clone, signing=Signing(clone[0], "dev", known, wished))

    return make


def run(site: Site) -> None:
    with site.acquire():
        pass


def signed(world: World, site: Site) -> list[bool]:
    return [c.signed for c in site.repository.history(world.tip)]


def test_where_it_is_required_every_commit_is_signed_from_the_first_on(world: World, desk: Any) -> None:
    site = desk()
    run(site)
    assert signed(world, site) == [True, True, True]


@pytest.mark.parametrize("wished", [True, False])
def test_elsewhere_the_person_s_own_git_decides(world: World, desk: Any, wished: bool) -> None:
    site = desk("ann", 0, DEV, wished=wished)
    run(site)
    assert set(signed(world, site)) == {wished}


def test_nobody_writes_without_a_key_and_nothing_is_left_behind(world: World, desk: Any) -> None:
    with pytest.raises(Stop) as stopped:
        run(desk("joe", -1))
    assert stopped.value.code is Exit.INVALID
    assert world.server.refs == {}


def test_a_key_of_nobody_listed_writes_nothing(world: World, desk: Any) -> None:
    with pytest.raises(Stop) as stopped:
        run(desk("eve", 7))
    assert (stopped.value.code, stopped.value.message) == (
        Exit.DENIED,
        "the ledger of 'dev' is signed by identities in workspace.yaml, and your key is nobody's: "
        "an environment of class prod asks for a signature",
    )
    assert "under identities" in stopped.value.hint
    assert world.server.refs == {}


def test_two_who_are_listed_build_on_each_other(world: World, desk: Any) -> None:
    ann, bob = desk(), desk("bob", 1)
    for site in (ann, bob, ann):
        run(site)
    assert len(signed(world, ann)) == 7


@pytest.mark.parametrize(
    ("number", "wrong"), [(-1, "is not signed"), (7, "is signed by no key of an identity in workspace.yaml")]
)
def test_a_legal_transition_that_nobody_listed_signed_is_refused(world: World, desk: Any, number: int, wrong: str) -> None:
    ann, eve = desk(), desk("eve", number, DEV, wished=number > 0)
    run(ann)
    seen = world.tip
    run(eve)
    for act in (ann.ledger.view, lambda: run(ann), desk("bob", 1).ledger.view):
        with pytest.raises(Stop) as stopped:
            act()
        assert (stopped.value.code, stopped.value.message) == (
            Exit.FAILURE,
            f"the ledger of 'dev' was changed by somebody unknown: {world.tip[:12]} {wrong}, "
            "and an environment of class prod asks for a signature",
        )
    assert ann.repository.local("refs/provisioning/ledger/")["refs/provisioning/ledger/dev"] == seen


def test_who_was_listed_a_moment_ago_is_looked_up_before_anything_is_refused(world: World, desk: Any) -> None:
    run(desk("bob", 1))
    old = Signers((ANN,), True, PROD.why)
    desk("ann", 0, old, PROD).ledger.view()
    with pytest.raises(Stop, match="is signed by no key"):
        desk("ann", 0, old).ledger.view()


def test_when_the_environment_cannot_be_told_what_was_signed_stays_signed(world: World, desk: Any) -> None:
    ann = desk("ann", 0, HIDDEN)
    run(ann)
    assert set(signed(world, ann)) == {False}
    bob = desk("bob", 1, HIDDEN, wished=True)
    run(bob)
    run(ann)
    assert signed(world, ann)[0]
    run(desk("eve", -1, DEV))
    with pytest.raises(Stop, match="is not signed, and it was signed before"):
        ann.ledger.view()


def test_forged_is_what_is_not_signed_after_the_first_that_is(world: World, desk: Any) -> None:
    run(desk("joe", -1, DEV))
    ann = desk("ann", 0, DEV, wished=True)
    run(ann)
    run(desk("joe", -1, DEV))
    run(desk("eve", 7, DEV, wished=True))
    ann.ledger.view()
    commits = ann.repository.history(world.tip)[::-1]
    found = [
        (commits.index(commit), wrong) for commit, wrong in forged(commits, [*who_signed(ann.repository, commits, PROD)], PROD)
    ]
    unsigned, strange = ("it is not signed", "it is signed by no key of an identity in workspace.yaml")
    assert found == [(n, f"{w}, and {PROD.why}") for n, w in ((5, unsigned), (6, unsigned), (7, strange), (8, strange))]
    assert list(forged(commits, [None] * len(commits), DEV)) == []


def test_a_key_that_was_listed_once_counts_for_what_is_written(world: World, desk: Any) -> None:
    bob = desk("bob", 1)
    run(bob)
    commits = bob.repository.history(world.tip)[::-1]
    now = Signers((), True, PROD.why, former=lambda: (ANN, BOB))
    assert list(forged(commits, [*who_signed(bob.repository, commits, now)], now)) == []


def test_a_signature_that_was_moved_to_another_commit_is_none(world: World, desk: Any) -> None:
    ann = desk()
    run(ann)
    raw = ann.repository.objects[world.tip][1]
    moved = ann.repository._put("commit", raw.replace(b"dev: release", b"dev: Release"))
    assert ann.repository.commit(moved).signed
    commits = [*ann.repository.history(world.tip)[:0:-1], ann.repository.commit(moved)]
    assert [commit.oid for commit, _ in forged(commits, [*who_signed(ann.repository, commits, PROD)], PROD)] == [moved]


def test_a_signature_by_hand_on_junk_does_not_make_it_a_transition(world: World, desk: Any) -> None:
    ann = desk()
    run(ann)
    junk = ann.repository.write(world.tip, {"README.md": b"hello"}, "junk", Person("ann", "ann@example.org"), True)
    world.server.objects |= ann.repository.objects
    world.server.refs["refs/heads/provisioning/ledger/dev"] = junk
    with pytest.raises(Stop, match="was changed by something else than provisioning"):
        ann.ledger.view()
