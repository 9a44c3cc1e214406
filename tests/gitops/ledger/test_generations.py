"""What the refs of a rotated ledger are called."""

from __future__ import annotations

import pytest

from gitops.declare.layout import INFRA_NAME
from gitops.ledger.generations import names, newest, nth, of, patterns, split

REFS = {"l/shop": "a", "l/shop@2": "b", "l/shop@10": "c", "l/shop-2": "d", "l/other": "e", "l/shop@x": "f", "l/shop@02": "g"}


@pytest.mark.parametrize("generation", [1, 2, 17])
def test_a_name_is_taken_apart_again(generation: int) -> None:
    assert split(nth("refs/x/shop", generation)) == ("refs/x/shop", generation)


@pytest.mark.parametrize("ref", ["shop@", "shop@0", "shop@1", "shop@02", "shop@-2", "shop@x", "shop@\u0663"])
def test_what_no_generation_is_called_is_none(ref: str) -> None:
    assert split(ref) == ("shop", 0)


def test_the_newest_is_the_highest_number() -> None:
    assert of(REFS, "l/shop") == {1: "a", 2: "b", 10: "c"}
    assert newest(REFS, "l/shop") == (10, "c")
    assert newest({"l/shop": ""}, "l/shop") == newest({}, "l/shop") == (1, "")


def test_infras_are_named_once() -> None:
    assert names(REFS) == ("other", "shop", "shop-2")


def test_a_remote_is_asked_for_all_of_them_and_no_infra_is_called_so() -> None:
    assert patterns("l/shop") == ["l/shop", "l/shop@*"]
    assert not INFRA_NAME.fullmatch("shop@2")
