"""Directed graphs of addresses: cycles, order and reachability. Knows nothing of infrastructure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import Any, TypeAlias

Needs: TypeAlias = Mapping[str, Collection[str]]
"""Node -> the nodes that come before it. Nodes that are named but are no key are ignored."""


def order(needs: Needs, key: Callable[[str], Any]) -> tuple[str, ...]:
    """Kahn's algorithm without barriers: of all nodes whose needs are met the smallest ``key`` comes next.

    Nodes on a cycle, or behind one, are left out: the answer is then shorter than ``needs``. O((V + E) log V).
    """
    waiting = {node: sum(1 for n in set(before) if n in needs) for node, before in needs.items()}
    users = dependents(needs)
    ready = [(key(node), node) for node, count in waiting.items() if not count]
    heapify(ready)
    done: list[str] = []
    while ready:
        node = heappop(ready)[1]
        done.append(node)
        for user in users.get(node, ()):
            waiting[user] -= 1
            if not waiting[user]:
                heappush(ready, (key(user), user))
    return tuple(done)


def dependents(needs: Needs) -> dict[str, list[str]]:
    """The edges turned round: node -> the nodes that need it."""
    users: dict[str, list[str]] = {}
    for node, before in needs.items():
        for need in set(before):
            if need in needs:
                users.setdefault(need, []).append(node)
    return users


def cycle(needs: Needs) -> tuple[str, ...]:
    """One cycle as a path ``(a, b, c, a)`` in which each needs the next, or nothing.

    It is the one of the smallest node that lies on any cycle, by the shortest way: equal graphs give the same path.
    """
    left = knot(needs)
    for node in sorted(left):
        if path := _way_back(node, {n: needs[n] for n in left}):
            return path
    return ()


def knot(needs: Needs) -> set[str]:
    """The nodes on a cycle or between two; empty when there is an order."""
    if not (behind := _unfinished(needs)):
        return set()
    users = dependents(behind)
    return set(_unfinished({node: users.get(node, ()) for node in behind}))


def _unfinished(needs: Needs) -> dict[str, Collection[str]]:
    """The nodes on a cycle or behind one."""
    done = set(order(needs, lambda node: node))
    return {node: before for node, before in needs.items() if node not in done}


def _way_back(start: str, needs: Needs) -> tuple[str, ...]:
    """The shortest path from ``start`` along needs to itself, ties by name."""
    came: dict[str, str] = {}
    front = [start]
    while front:
        following: list[str] = []
        for node in front:
            for need in sorted(n for n in needs[node] if n in needs):
                if need == start:
                    path = [start, node]
                    while path[-1] != start:
                        path.append(came[path[-1]])
                    return tuple(reversed(path))
                if need not in came:
                    came[need] = node
                    following.append(need)
        front = following
    return ()


def closure(start: Iterable[str], needs: Needs) -> set[str]:
    """``start`` and all that it needs, directly or not."""
    seen: set[str] = set()
    stack = [node for node in start if node in needs]
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(n for n in needs[node] if n in needs and n not in seen)
    return seen
