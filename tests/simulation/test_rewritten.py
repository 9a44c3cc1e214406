"""Somebody with the right to do so rewinds or removes the ledger in the middle of everything: those who have seen more write
nothing until it is put back, and then everything goes on."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from history import History, Worker, begin, hire, recover, script_of
from invariants import look
from office import INFRA, LEDGER, green

SEEN = f"refs/provisioning/ledger/{INFRA}"
SEEDS = 400 if os.environ.get("CI", "").lower() in ("1", "true") else 40


def rewritten(seed: int, away: list[tuple[float, float]]) -> History:
    """Two at work in one clone, a rewind at some moment, and the ledger put back minutes later; ``away`` is told from when to
    when it was not itself."""
    script = script_of(seed, ("key", "name")[seed % 2])
    script = replace(script, faults=replace(script.faults, stale_read=0.0, partition=0.0, late_push=0.0, kill=0.0))
    history = begin(seed, script)
    office, scheduler, chance = history.office, history.office.world.scheduler, history.office.world.chance
    refs = office.server.refs

    def rewind() -> None:
        tip, older = refs.get(LEDGER, ""), [p.oid for p in office.published[:-1]]
        if not tip or first.clone.refs.get(SEEN) != tip:
            scheduler.at(1.0, rewind)  # what nobody here has seen, nobody can miss
            return
        office.world.hit("rewritten")
        del refs[LEDGER]
        if older and chance.random() < 0.7:
            refs[LEDGER] = chance.choice(older)
        minutes = 60 + chance.random() * 200
        away.append((scheduler.now, scheduler.now + minutes))
        scheduler.at(minutes, lambda: put_back(tip))

    def put_back(tip: str) -> None:
        now = refs.get(LEDGER, "")
        if now and first.clone.contains(now, tip):
            away.clear()  # a push of the very tip was still being tried for when it was removed
            away.append((0.0, 0.0))
            return
        refs[LEDGER] = tip

    with green():
        office.declare(script.changes[0][1])
        first = hire(history, "w1")
        workers = [first, Worker(history, "w2", first.machine, first.clone, first.habits)]
        for worker in workers:
            worker.start(chance.random() * 10)
        for at, declared in script.changes[1:]:
            scheduler.at(at, lambda declared=declared: office.declare(declared))  # type: ignore[misc]
        scheduler.at(chance.random() * 60, rewind)
        latest = script.changes[-1][0]
        scheduler.run(lambda: bool(away) and scheduler.now >= max(away[0][1], latest) and all(w.done for w in workers))
        recover(history, [])
    return history


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_rewritten_ledger_stops_everybody_and_nothing_is_lost_when_it_is_put_back() -> None:
    bad, stopped = [], 0
    for seed in range(SEEDS):
        away: list[tuple[float, float]] = []
        history, wrong = look(lambda seed=seed, away=away: rewritten(seed, away))  # type: ignore[misc]
        if history is not None:
            (since, until) = away[0]
            if any(p.begun < since < p.at < until for p in history.office.published):
                continue  # it was on its way already
            wrong += [f"{p.sender} wrote meanwhile, at {p.at:.1f}" for p in history.office.published if since < p.at < until]
            stopped += any("rewritten at the remote" in end or end == "lost" for end in history.ends)
        bad += [f"seed {seed}: {'; '.join(wrong)}"] if wrong else []
    assert bad == []
    assert stopped > SEEDS / 10, "some of them noticed in the middle of their work"
