"""Differences, leaf by leaf."""

from __future__ import annotations

from typing import Any

import pytest

from planners.diff import below, change, differing, is_secret, join, keep_ignored, leaves, same
from planners.steps import Change


def test_leaves_are_dotted_and_nothing_has_none() -> None:
    value = {"a": 1, "b": {"c": [1, {"d": 2}], "e": {}}, "f": None, "g.h": {"i": 2}}
    assert leaves(value) == {"a": 1, "b.c": [1, {"d": 2}], '["g.h"].i': 2}
    assert join('["g.h"]', "x[0]") == '["g.h"]["x[0]"]'


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, 1, True),
        (1, True, False),
        (1, 1.0, False),
        ([1], (1,), True),
        ({"a": 1}, {"a": 1}, True),
        ("1", 1, False),
        (None, None, True),
    ],
)
def test_equal_means_equal_bytes(left: Any, right: Any, equal: bool) -> None:
    assert same(left, right) is equal


def test_paths_that_differ_are_sorted() -> None:
    assert differing({"a": 1, "b": 2, "z": 0}, {"a": 1, "b": 3, "c": 4}) == ("b", "c", "z")


@pytest.mark.parametrize(
    ("path", "prefixes", "under"),
    [
        ("a.b", {"a"}, True),
        ("a", {"a"}, True),
        ("ab", {"a"}, False),
        ('a["b.c"]', {"a"}, True),
        ("a", set(), False),
        ("a", {"a.b"}, False),
    ],
)
def test_below_goes_by_whole_keys(path: str, prefixes: set[str], under: bool) -> None:
    assert below(path, prefixes) is under


def test_ignored_leaves_stay_as_they_were_recorded() -> None:
    declared = {"size": 9, "tags": {"owner": "me", "team": "x"}, "new": 1}
    recorded = {"size": 2, "tags": {"owner": "you"}, "old": 1}
    assert keep_ignored(declared, recorded, ("size", "tags.owner")) == {
        "size": 2,
        "tags": {"owner": "you", "team": "x"},
        "new": 1,
    }
    assert keep_ignored(declared, recorded, ("old",)) == {**declared, "old": 1}
    assert keep_ignored(declared, recorded, ()) is declared


def test_an_ignored_leaf_that_was_never_recorded_is_not_asked_for() -> None:
    assert keep_ignored({"a": {"b": 1}, "c": 2}, {"c": 2}, ("a.b",)) == {"a": {}, "c": 2}


def test_secrets_are_seen_in_lists_too() -> None:
    assert is_secret("secret://shop/db/password")
    assert is_secret(["x", {"y": "secret://shop/db/password"}])
    assert not is_secret("a secret")


def test_a_change_is_hidden_where_its_key_is_sensitive_or_a_secret_took_its_place() -> None:
    assert change("pw", "a", "b", {"pw"}, ()) == Change("pw", "a", "b", sensitive=True)
    assert change("pw", "plain", "secret://s/d/n", (), ()).sensitive
    assert not change("pw", None, "secret://s/d/n", (), ()).sensitive
    assert change("image", "a", "b", (), {"image"}).forces_replace
