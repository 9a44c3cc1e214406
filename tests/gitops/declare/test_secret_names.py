"""Names and versions of secrets, without a key to any."""

from __future__ import annotations

from gitops.declare.documents import unmarked
from gitops.declare.secret_names import versions
from planners.problems import NOWHERE

FILE = {"db": {"password": "ENC[a]", "user": "ENC[b]"}, "plain": "ENC[c]", "sops": {"age": {"x": "y"}}}


def test_two_levels_are_names_and_the_rest_is_none() -> None:
    assert sorted(versions(unmarked(FILE, NOWHERE))) == ["db/password", "db/user"]


def test_a_version_follows_its_own_ciphertext_alone() -> None:
    before = versions(unmarked(FILE, NOWHERE))
    after = versions(unmarked({**FILE, "db": {"password": "ENC[new]", "user": "ENC[b]"}}, NOWHERE))
    assert before["db/password"] != after["db/password"]
    assert before["db/user"] == after["db/user"]
    assert "ENC" not in repr(before)


def test_a_file_that_is_no_map_holds_none() -> None:
    assert versions(unmarked(["x"], NOWHERE)) == {}
