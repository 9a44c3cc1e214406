"""The kill matrix: an apply that creates, changes, replaces and removes is killed at each moment between two effects, and
another machine goes on. Nothing is lost and nothing is doubled."""

from __future__ import annotations

import os

import pytest
from history import History, Script, begin, hire, recover
from invariants import look
from machines import CALM, Process
from office import Declared, Habits, green

CI = os.environ.get("CI", "").lower() in ("1", "true")
SEEDS = int(os.environ.get("KILL_SEEDS", "4" if CI else "1"))
"""The whole matrix is 200."""
PARTS = 8
LIMIT = 400
"""More moments than any of these applies has."""


def server(image: str = "debian", cores: int = 1) -> dict[str, object]:
    return {"cpu_cores": cores, "memory_gb": 2, "image": image, "networks": ["private"]}


NETWORKS: dict[str, dict[str, object]] = {"private": {"cidr": "10.0.0.0/24"}}
BEFORE: Declared = {"networks": NETWORKS, "servers": {"s0": server(), "s1": server(), "s2": server()}}
AFTER: Declared = {"networks": NETWORKS, "servers": {"s0": server(cores=2), "s1": server("ubuntu"), "s3": server()}}


def killed(seed: int, kind: str, moment: int) -> History:
    """The history in which the apply of ``AFTER`` is killed at one moment (``LIMIT``: never)."""
    history = begin(seed, Script(kind, 1, ((0.0, BEFORE),), CALM, window=1 + seed % 4))
    office, scheduler = history.office, history.office.world.scheduler
    with green():
        office.declare(BEFORE)
        first = hire(history, "first", Habits(parallel=4))
        first.start()
        scheduler.run(lambda: first.done)
        office.declare(AFTER)
        victim = hire(history, "victim", Habits(parallel=1 + seed % 3), attempts=1)
        victim.start()
        assert victim.process is not None
        victim.process.strike_at = {moment: Process.kill}
        scheduler.run(lambda: victim.done)
        history.moments = victim.process.boundaries
        recover(history, [])
    return history


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", ["key", "name", "tag"])
def test_killed_at_any_moment_nothing_is_lost_and_nothing_doubled(kind: str, part: int) -> None:
    bad = []
    for seed in range(SEEDS):
        whole, wrong = look(lambda seed=seed: killed(seed, kind, LIMIT))  # type: ignore[misc]
        assert wrong == []
        assert whole is not None and 40 < whole.moments < LIMIT
        for moment in range(part, whole.moments, PARTS):
            _, wrong = look(lambda seed=seed, moment=moment: killed(seed, kind, moment))  # type: ignore[misc]
            bad += [f"seed {seed}, moment {moment}: {'; '.join(wrong)}"] if wrong else []
    assert bad == []
