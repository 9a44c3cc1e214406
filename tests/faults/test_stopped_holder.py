"""A holder stopped with SIGSTOP that wakes after its lease was taken over publishes nothing and starts no further step."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

TRANSPORTS = ("file", pytest.param("ssh", marks=pytest.mark.real), pytest.param("https", marks=pytest.mark.real))
APPLY = ("apply", "--yes", "--allow-deletes", "2", "--parallel", "1")
TAKE = ("lock", "run", "--reason", "it is silent", "--lock-timeout", "2m", "--", "true")
EFFECTS = ("create.before", "update.before", "delete.before")


@pytest.fixture(scope="module", params=TRANSPORTS)
def short_leased(request: pytest.FixtureRequest, estate_at: Callable[..., Any]) -> Any:
    """An estate whose leases are taken over after 7.5 s of silence."""
    made = estate_at(request.param, ledger="{lease_seconds: 6, grace_seconds: 0}")
    made.keep()
    return made


@pytest.fixture
def estate(short_leased: Any) -> Iterator[Any]:
    """It, as new."""
    short_leased.restore()
    return short_leased


def stopped(pid: int) -> bool:
    """Whether the process comes to stand still, within a bound."""
    for _ in range(600):
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return True
        Event().wait(0.05)
    return False


def effects(running: Any) -> list[str]:
    """The calls that change something, in order."""
    return [about for name, about in running.passed if name.startswith(EFFECTS)]


def publishing(estate: Any) -> str:
    """The first push of results, told from a whole run."""
    whole = estate.start(APPLY)
    assert whole.wait()[0].code == 0
    names = [name for name, _ in whole.passed]
    estate.restore()
    return next(name for name in names[names.index("create.after#1") :] if name.startswith("push.before"))


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("where", ["after an effect", "about to publish"])
def test_a_stopped_holder_that_wakes_after_a_take_over_can_do_nothing(estate: Any, where: str) -> None:
    holder = estate.held("create.after#1" if where == "after an effect" else publishing(estate), *APPLY)
    token, ahead = estate.lock()["token"], len(estate.documents("intents"))
    assert ahead >= 2, "steps are waiting whose intents are recorded: only the lease keeps them from being started"
    os.kill(holder.running.pid, signal.SIGSTOP)
    assert stopped(holder.running.pid)
    done = effects(holder.running)

    # it lives, on this very machine, so it is watched for the whole silence like any other
    estate.run(*TAKE, cwd=estate.two)
    assert (estate.lock()["state"], estate.lock()["token"], estate.lock()["recover"]) == ("FREE", token + 1, True)
    tip, world = estate.tip, estate.world()

    holder.go()
    os.kill(holder.running.pid, signal.SIGCONT)
    woken = holder.end(code=1)
    assert "was taken over" in woken.err
    assert estate.tip == tip, "it published something"
    assert effects(holder.running) == done, "it started another step"
    assert estate.world() == world
    assert len(estate.documents("intents")) == ahead

    estate.go_on("resume")
