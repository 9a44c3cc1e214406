"""Order, cycles and reach, without infrastructure."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from planners.graph import closure, cycle, dependents, knot, order

NODES = "abcdefgh"
graphs = st.dictionaries(st.sampled_from(NODES), st.sets(st.sampled_from(NODES)))


def test_of_all_that_is_ready_the_smallest_key_comes_next() -> None:
    needs = {"app": ["db"], "db": [], "cache": [], "web": ["app", "cache"]}
    assert order(needs, str) == ("cache", "db", "app", "web")
    assert order(needs, lambda n: -len(n)) == ("cache", "db", "app", "web")
    assert order(needs, lambda n: {"db": 0}.get(n, 1)) == ("db", "app", "cache", "web")


def test_there_are_no_barriers() -> None:
    """A deep but urgent chain overtakes shallow things."""
    needs = {"a1": [], "a2": ["a1"], "a3": ["a2"], "z": []}
    assert order(needs, str) == ("a1", "a2", "a3", "z")


def test_what_lies_on_a_cycle_or_behind_one_has_no_order() -> None:
    needs = {"a": ["b"], "b": ["a"], "c": ["a"], "d": []}
    assert order(needs, str) == ("d",)
    assert knot(needs) == {"a", "b"}


def test_the_cycle_is_the_shortest_of_the_smallest_node() -> None:
    needs = {"a": ["x"], "x": ["y"], "y": ["z", "x"], "z": ["x"], "m": ["n"], "n": ["m"]}
    assert cycle(needs) == ("m", "n", "m")
    assert cycle({"a": ["a"]}) == ("a", "a")
    assert cycle({"a": ["b"], "b": []}) == ()


def test_names_that_are_no_nodes_are_ignored() -> None:
    assert order({"a": ["elsewhere"]}, str) == ("a",)
    assert dependents({"a": ["elsewhere"], "b": ["a", "a"]}) == {"a": ["b"]}
    assert closure(["a", "nowhere"], {"a": ["b"], "b": ["elsewhere"], "c": []}) == {"a", "b"}


@given(graphs)
def test_an_order_is_complete_exactly_when_there_is_no_cycle(needs: dict[str, set[str]]) -> None:
    found, ring = order(needs, str), cycle(needs)
    assert (len(found) == len(needs)) == (not ring) == (not knot(needs))
    place = {node: i for i, node in enumerate(found)}
    assert all(place[n] < place[node] for node in found for n in needs[node] if n in needs)
    assert all(b in needs[a] for a, b in pairwise(ring))
    assert set(ring) <= knot(needs)
