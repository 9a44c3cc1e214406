"""Virtual time and what stands in for threads: the simulation rests on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from queue import Empty

import pytest
from scheduler import Dead, Fiber, GreenLock, GreenPool, GreenQueue, HungError, Scheduler


@dataclass
class Owner:
    name: str = "owner"
    fibers: list[Fiber] = field(default_factory=list)
    dead: bool = False
    frozen_until: float = 0.0


def test_time_jumps_to_what_comes_next() -> None:
    scheduler, seen = Scheduler(), list[tuple[str, float]]()

    def walk(name: str, pause: float) -> None:
        for _ in range(2):
            scheduler.wait(pause)
            seen.append((name, scheduler.now))

    for name, pause in (("slow", 5.0), ("fast", 2.0)):
        scheduler.spawn(Owner(), lambda name=name, pause=pause: walk(name, pause))  # type: ignore[misc]
    scheduler.run(lambda: len(seen) == 4)
    assert seen == [("fast", 2.0), ("fast", 4.0), ("slow", 5.0), ("slow", 10.0)]


def test_a_frozen_process_goes_on_later_and_a_dead_one_never() -> None:
    scheduler, seen = Scheduler(), list[tuple[str, float]]()
    frozen, dead = Owner("frozen", frozen_until=30.0), Owner("dead")

    def work(owner: Owner) -> None:
        try:
            scheduler.wait(1.0)
            seen.append((owner.name, scheduler.now))
        except Dead:
            seen.append((f"{owner.name} ends", scheduler.now))
            raise

    for owner in (frozen, dead):
        scheduler.spawn(owner, lambda owner=owner: work(owner))  # type: ignore[misc]

    def kill() -> None:
        dead.dead = True
        scheduler.reap(dead)

    scheduler.at(0.5, kill)
    scheduler.run(lambda: len(seen) == 2)
    assert seen == [("dead ends", 0.5), ("frozen", 31.0)]


def test_however_short_a_wait_it_moves_time() -> None:
    scheduler, ended = Scheduler(), list[float]()
    scheduler.now = begun = 1e9

    def work() -> None:
        scheduler.wait(1e-12)
        ended.append(scheduler.now)

    scheduler.spawn(Owner(), work)
    scheduler.run(lambda: bool(ended))
    assert begun < ended[0] < begun + 1e-5


def test_what_never_ends_is_hung() -> None:
    with pytest.raises(HungError, match="nothing is left"):
        Scheduler().run(lambda: False)


def test_a_lock_is_held_by_one_fiber_as_often_as_it_likes_and_passed_on() -> None:
    scheduler, lock, seen = Scheduler(), GreenLock(), list[str]()

    def work(name: str) -> None:
        with lock, lock:
            seen.append(f"{name} in")
            scheduler.wait(1.0)
            seen.append(f"{name} out")

    for name in "abc":
        scheduler.spawn(Owner(), lambda name=name: work(name))  # type: ignore[misc]
    scheduler.run(lambda: len(seen) == 6)
    assert seen == ["a in", "a out", "b in", "b out", "c in", "c out"]


def test_a_queue_is_waited_for_until_the_time_is_over() -> None:
    scheduler, queue, seen = Scheduler(), GreenQueue(), list[tuple[object, float]]()

    def take() -> None:
        for seconds in (1.0, 10.0):
            try:
                seen.append((queue.get(timeout=seconds), scheduler.now))
            except Empty:
                seen.append(("nothing", scheduler.now))

    scheduler.spawn(Owner(), take)
    scheduler.at(3.0, lambda: queue.put("word"))
    scheduler.run(lambda: len(seen) == 2)
    assert seen == [("nothing", 1.0), ("word", 3.0)]


def test_a_pool_runs_so_many_jobs_at_once() -> None:
    scheduler, seen, running = Scheduler(), list[int](), list[int]()

    def job() -> None:
        running.append(1)
        seen.append(len(running))
        scheduler.wait(1.0)
        running.pop()

    def work() -> None:
        pool = GreenPool(2)
        for _ in range(5):
            pool.submit(job)
        pool.close()

    scheduler.spawn(Owner(), work)
    scheduler.run(lambda: len(seen) == 5 and not running)
    assert max(seen) == 2
