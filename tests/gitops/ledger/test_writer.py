"""Commits as the writer makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitops.ledger.audit import verify
from gitops.ledger.signing import Signing
from gitops.ports import GitError, Person
from gitops.signers import Signers

if TYPE_CHECKING:
    from .conftest import Site, World


def test_the_author_is_the_person_and_the_time_that_of_the_wall(site: Site, world: World) -> None:
    world.clock.advance(7)
    with site.acquire():
        pass
    assert {c.author for c in site.repository.history(world.tip)} == {Person("ann", "ann@example.org", 1_700_000_007)}


def test_commits_are_signed_when_asked(world: World) -> None:
    clone = world.server.clone("ann")
    site = world.site(clone=clone, signing=Signing(clone[0], "dev", lambda _: Signers(), wished=True))
    with site.acquire():
        pass
    assert all(c.signed for c in site.repository.history(world.tip))
    assert not [g for g in verify(site.repository, world.tip, "dev", "w1").not_guaranteed if "not signed" in g]


def test_who_cannot_sign_writes_nothing(world: World) -> None:
    clone = world.server.clone()
    site = world.site(clone=clone, signing=Signing(clone[0], "dev", lambda _: Signers(), wished=True))
    with pytest.raises(Exception, match="cannot sign") as caught, site.acquire():
        pass
    assert isinstance(caught.value.__cause__, GitError)
    assert world.server.refs == {}


def test_two_equal_moves_are_two_commits(world: World) -> None:
    one, other = world.site("ann"), world.site("ann")
    tips = set()
    for site in (one, other):
        with site.acquire():
            tips.add(world.tip)
    assert len(tips) == 2
