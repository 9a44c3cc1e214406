"""Killed while a push is on its way: it may still land, sooner or later or never, and must change nothing."""

from __future__ import annotations

from typing import Any

import pytest

PUSHES = (1, 2, 3, 4)
"""Of an apply: the lock, the first intents, results with new intents, more of them."""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("lands", ["first", "too late", "never"])
def test_a_push_on_its_way_when_its_sender_is_killed(lands: str, estate: Any) -> None:
    for number in PUSHES:
        estate.restore()
        gate = estate.push_held(number).there()
        gate.running.kill(children=lands == "never")
        gate.running.wait()
        if lands != "too late":
            gate.go()
        else:
            # what is still running is not waited for here
            estate.proved(estate.start(estate.way_on(), cwd=estate.two))
            tip = estate.tip
            gate.go()
            estate.driver.settle()
            assert estate.tip == tip, "the dead wrote after its lock was taken over"
        estate.go_on()


@pytest.mark.slow
@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("hook", ["pre-receive", "post-receive"])
def test_a_server_whose_receive_pack_is_killed(hook: str, number: int, estate: Any) -> None:
    # before: nothing moved; after: everything did, and nobody was told
    estate.hook(hook, f"[ $n != {number} ] || kill -9 $PPID")
    estate.run("apply", "--yes", "--allow-deletes", "2")
    estate.go_on()
