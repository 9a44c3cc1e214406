"""What the twin in memory has beside the ports: places to make faults. The rest is in the conformance suite."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gitops.git.memory import MemoryServer
from gitops.ports import ZERO, GitError, Person, Pushed, RefUpdate

ANN = Person("Ann", "ann@example.org", 1)
REF = "refs/heads/provisioning/ledger/shop"


def test_a_request_that_is_lost_does_nothing() -> None:
    server = MemoryServer()
    repository, remote = server.clone()
    server.before = lambda updates: Pushed.UNKNOWN
    assert remote.push([RefUpdate(REF, ZERO, repository.write("", {"a": b"1"}, "m", ANN))]) is Pushed.UNKNOWN
    assert server.refs == {}


def test_an_answer_that_is_lost_comes_after_the_deed() -> None:
    server = MemoryServer()
    repository, remote = server.clone()
    told: list[Pushed] = []

    def lose(updates: Sequence[RefUpdate], outcome: Pushed) -> Pushed:
        told.append(outcome)
        return Pushed.UNKNOWN

    server.after = lose
    tip = repository.write("", {"a": b"1"}, "m", ANN)
    assert remote.push([RefUpdate(REF, ZERO, tip)]) is Pushed.UNKNOWN
    assert (told, server.refs) == ([Pushed.ACCEPTED], {REF: tip})


def test_a_late_request_lands_only_while_its_parent_is_the_tip() -> None:
    server = MemoryServer()
    (ann, to_ann), (bob, to_bob) = server.clone(), server.clone()
    base = ann.write("", {"a": b"0"}, "m", ANN)
    to_ann.push([RefUpdate(REF, ZERO, base)])
    to_bob.fetch({REF: REF})
    late = [RefUpdate(REF, base, ann.write(base, {"a": b"late"}, "m", ANN))]
    assert to_bob.push([RefUpdate(REF, base, newer := bob.write(base, {"a": b"1"}, "m", ANN))]) is Pushed.ACCEPTED
    assert server.apply(ann, late) is Pushed.UNKNOWN
    assert server.refs == {REF: newer}


def test_clones_have_objects_of_their_own_until_they_are_fetched() -> None:
    server = MemoryServer()
    (ann, to_ann), (bob, to_bob) = server.clone(), server.clone()
    tip = ann.write(ann.write("", {"d/a": b"1"}, "m", ANN), {"d/b": b"2"}, "m", ANN)
    to_ann.push([RefUpdate(REF, ZERO, tip)])
    with pytest.raises(GitError):
        bob.commit(tip)
    to_bob.fetch({REF: REF})
    assert bob.objects == ann.objects


def test_a_signature_is_good_for_its_principal_only() -> None:
    repository, _ = MemoryServer().clone(signer="ann@example.org")
    tip = repository.write("", {"a": b"1"}, "m", ANN, sign=True)
    assert repository.commit(tip).signed
    assert repository.verify(tip, ["# all", "bob@example.org ssh-ed25519 AAA", "ann@example.org ssh-ed25519 AAA"]).good
    assert not repository.verify(tip, ["bob@example.org ssh-ed25519 ann@example.org"]).good
    unsigned, _ = MemoryServer().clone()
    with pytest.raises(GitError) as error:
        unsigned.write("", {"a": b"1"}, "m", ANN, sign=True)
    assert error.value.kind == "no-identity"


def test_a_merge_has_two_parents_to_go_back_to() -> None:
    repository, _ = MemoryServer().clone()
    one, two = (repository.write("", {"a": text}, "m", ANN) for text in (b"1", b"2"))
    raw = f"tree {repository.commit(one).tree}\nparent {one}\nparent {two}\nauthor a <b> 1 +0000\ncommitter a <b> 1 +0000\n\nm"
    repository.objects[merge := "c" * 40] = ("commit", raw.encode())
    assert (repository.resolve(merge + "^2"), repository.resolve(merge + "^"), repository.resolve(merge + "^0")) == (
        two,
        one,
        merge,
    )
    assert repository.contains(merge, two)
    assert [found.oid for found in repository.history(merge)] == [merge, one]
