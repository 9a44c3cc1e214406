"""Whose key is on a commit; ``test_approval`` has what people do to escape the answer."""

from __future__ import annotations

from gitops.git.memory import MemoryServer
from gitops.ports import Person
from gitops.schema.workspace import Identity
from gitops.signers import Signers, allowed, signer, unsigned, who_signed

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{}"
ANN = Identity("ann", keys=(KEY.format("ann") + " ann@laptop", f"  {KEY.format('ann2')}\n"))
BOB = Identity("bob", keys=("no key", KEY.format("bob")))


def test_lines_name_places_and_leave_out_comments_and_what_is_no_key() -> None:
    assert allowed((ANN, BOB)) == (
        f"identity-0 {KEY.format('ann')}",
        f"identity-0 {KEY.format('ann2')}",
        f"identity-1 {KEY.format('bob')}",
    )
    assert allowed(()) == ()


def test_each_commit_is_told_its_signer_listed_now_or_once() -> None:
    (one, _), (other, _) = (MemoryServer().clone(f"identity-{n}") for n in (0, 7))
    person = Person("x", "x@example.org")
    commits = [one.commit(one.write("", {"a": b"1"}, "m", person, sign)) for sign in (True, False)]
    stranger = other.commit(other.write("", {"a": b"2"}, "m", person, True))
    one.objects |= other.objects
    asked = [*commits, stranger]
    found = list(who_signed(one, asked, Signers((ANN, BOB))))
    assert found == [ANN, None, None]
    assert list(who_signed(one, asked, Signers((), former=lambda: (BOB, ANN)))) == [BOB, None, None]
    assert list(who_signed(one, commits[1:], Signers((ANN,)))) == [None]
    assert [unsigned(c, f) for c, f in zip(asked, found, strict=True)] == [
        "",
        "is not signed",
        "is signed by no key of an identity in workspace.yaml",
    ]
    assert signer(one, commits[0].oid, ()) is None
