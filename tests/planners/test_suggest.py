"""Hints by the nearest name."""

from planners.suggest import hint


def test_the_nearest_name_or_what_else_to_do() -> None:
    assert hint("postgers", ["redis", "postgres"], "add it") == "did you mean 'postgres'?"
    assert hint("xyz", ["redis", "postgres"], "add it") == "add it"
