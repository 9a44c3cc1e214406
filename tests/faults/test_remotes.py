"""What a remote may do in the middle of an apply: go away, come back, turn read-only, be tidied, be tampered with."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

LEDGER = "refs/heads/provisioning/ledger/shop"
RESULTS = "push.before~create.after"
"""The boundary before the first results are sent: effects have happened that only their intents tell of."""


@pytest.mark.slow
def test_a_remote_that_is_away_for_a_moment_is_waited_for(estate: Any) -> None:
    gate = estate.held(RESULTS)
    sent = pushes(gate)
    away = estate.site.rename(f"{estate.site}.away")
    gate.go()
    assert gate.running.until(lambda: pushes(gate) > sent), "it gave up, or never tried again"
    away.rename(estate.site)
    gate.end()
    estate.go_on()


def pushes(gate: Any) -> int:
    return sum(name.startswith("push.before") for name, _ in gate.running.passed)


@pytest.mark.slow
def test_a_remote_that_stays_away_ends_the_run_which_is_resumed_when_it_is_back(hasty: Any) -> None:
    gate = hasty.held(RESULTS)
    away = hasty.site.rename(f"{hasty.site}.away")
    ended = gate.end(1)
    assert "cannot be reached" in ended.err
    assert "go on with 'provisioning run resume" in ended.err
    away.rename(hasty.site)
    hasty.go_on()


@pytest.mark.slow
@pytest.mark.parametrize("where", ["create.after#1", RESULTS])
def test_a_holder_on_another_machine_is_taken_over_when_its_lease_has_run_out(where: str, hasty: Any) -> None:
    hasty.start(hasty.APPLY, faults=f"kill@{where}", elsewhere=True).wait()
    hasty.driver.settle()
    assert hasty.lock()["state"] == "HELD"
    assert hasty.run(*hasty.APPLY[:-2], cwd=hasty.two, code=7).code == 7, "nobody here can know that it is dead"
    hasty.go_on()


@pytest.mark.real
@pytest.mark.parametrize("transport", ["ssh", "https"])
def test_who_may_only_read_is_told_so_and_nothing_happens(transport: str, estate_at: Any, request: pytest.FixtureRequest) -> None:
    estate = estate_at(transport)
    server = request.getfixturevalue({"ssh": "sshd", "https": "https_server"}[transport])
    tip, world = estate.tip, estate.world()
    refused = estate.run(*estate.APPLY, env=server.client("reader"), code=4)
    assert "does not allow this push" in refused.err
    assert (estate.tip, estate.world()) == (tip, world)


@pytest.mark.slow
def test_rights_withdrawn_in_the_middle_stop_the_run(estate: Any) -> None:
    gate = estate.held(RESULTS)
    estate.hook("pre-receive", "echo 'you may not write here any more' >&2; exit 1")
    assert "does not allow this push" in gate.end(1).err
    (estate.site / "hooks" / "pre-receive").unlink()
    estate.go_on()


@pytest.mark.slow
def test_a_lock_file_left_at_the_server_is_named_to_whoever_stumbles_over_it(hasty: Any) -> None:
    gate = hasty.held(RESULTS)
    lock = hasty.site / f"{LEDGER}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    assert "shop.lock': File exists" in gate.end(1).err
    told = hasty.run(*hasty.APPLY, cwd=hasty.two, code=1).err
    assert re.search(r"once no push is running, remove \S+/ledger/shop.lock there", told), told
    lock.unlink()
    hasty.go_on()


# --- tidied ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("tidy", [("gc", "--quiet", "--prune=now"), ("repack", "-a", "-d", "-f", "-q")])
def test_a_remote_may_be_tidied_at_any_time(tidy: tuple[str, ...], estate: Any) -> None:
    for where in ("push.before#1", "push.after#2", RESULTS):
        estate.restore()
        gate = estate.held(where)
        estate.remotely(*tidy)
        gate.end()
        estate.go_on()


@pytest.mark.slow
def test_a_remote_may_be_tidied_while_it_takes_a_push(estate: Any) -> None:
    # git gc may remove what was received and is in no ref yet: the push fails then, and is sent again
    for number in (1, 3):
        estate.restore()
        gate = estate.push_held(number).there()
        estate.remotely("gc", "--quiet", "--prune=now")
        gate.end()
        estate.go_on()


# --- tampered with ---------------------------------------------------------------------------------------


def junk_file(estate: Any) -> None:
    """Somebody commits a file to the ledger."""
    blob = estate.remotely("hash-object", "-w", "--stdin", stdin="junk\n")
    rows = estate.remotely("ls-tree", estate.tip)
    tree = estate.remotely("mktree", stdin=f"{rows}\n100644 blob {blob}\tjunk.txt\n")
    overwrite(estate, estate.remotely("commit-tree", tree, "-p", estate.tip, "-m", "junk"))


def junk_lock(estate: Any) -> None:
    """Somebody frees the lock by hand."""
    blob = estate.remotely("hash-object", "-w", "--stdin", stdin='{"state": "FREE"}\n')
    rows = [row for row in estate.remotely("ls-tree", estate.tip).splitlines() if not row.endswith("lock.json")]
    tree = estate.remotely("mktree", stdin="\n".join([*rows, f"100644 blob {blob}\tlock.json", ""]))
    overwrite(estate, estate.remotely("commit-tree", tree, "-p", estate.tip, "-m", "unlock"))


def another_chain(estate: Any) -> None:
    """Somebody pushes something else over it."""
    overwrite(estate, estate.remotely("commit-tree", f"{estate.tip}^{{tree}}", "-m", "from elsewhere"))


def rewound(estate: Any) -> None:
    """Somebody force pushes what was there two moves ago."""
    overwrite(estate, f"{estate.tip}~2")


def deleted(estate: Any) -> None:
    """Somebody deletes it."""
    estate.remotely("update-ref", "-d", LEDGER)


def overwrite(estate: Any, commit: str) -> None:
    estate.remotely("update-ref", LEDGER, commit)


@pytest.mark.slow
@pytest.mark.parametrize("tamper", [junk_file, junk_lock, another_chain, rewound, deleted])
@pytest.mark.parametrize("where", ["create.before#1", RESULTS])
def test_a_ledger_that_was_tampered_with_stops_its_holder(where: str, tamper: Callable[[Any], None], estate: Any) -> None:
    gate = estate.held(where)
    good = estate.tip
    tamper(estate)
    bad = estate.remotely("for-each-ref", LEDGER)
    ended = gate.end(1)
    assert "TAMPERED" in ended.err, ended.err
    assert estate.remotely("for-each-ref", LEDGER) == bad, "something was built on it"
    # nothing starts before it is mended, here or anywhere that has seen better
    assert "TAMPERED" in estate.run(*estate.APPLY, code=1).err
    overwrite(estate, good)
    estate.go_on()
