"""Where jobs run."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from executors.threads import Inline, Threads


def test_jobs_run_beside_each_other_up_to_the_limit() -> None:
    pool, together, done = Threads(3), threading.Barrier(3), SimpleQueue[str]()

    def job() -> None:
        together.wait(timeout=10)
        done.put(threading.current_thread().name)

    for _ in range(6):
        pool.submit(job)
    names = {done.get(timeout=10) for _ in range(6)}
    pool.close()
    assert len(names) == 3
    assert all(name.startswith("step-") for name in names)


def test_threads_are_started_as_they_are_needed_and_used_again() -> None:
    pool, names = Threads(10, "few"), SimpleQueue[str]()
    for _ in range(20):
        idle = threading.Event()
        pool.submit(lambda idle=idle: (names.put(threading.current_thread().name), idle.set()))  # type: ignore[misc]
        assert idle.wait(timeout=10)
    pool.close()
    seen = {names.get(timeout=10) for _ in range(20)}
    assert len(seen) < 10, "one after the other they never need ten threads"


def test_threads_go_when_it_is_closed_and_never_keep_a_process_alive() -> None:
    pool, seen = Threads(1, "gone"), SimpleQueue[threading.Thread]()
    pool.submit(lambda: seen.put(threading.current_thread()))
    thread = seen.get(timeout=10)
    assert thread.daemon
    pool.close()
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_inline_a_job_is_over_when_it_was_submitted() -> None:
    done: list[int] = []
    pool = Inline()
    for number in range(3):
        pool.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    pool.close()
    assert done == [0, 1, 2]
