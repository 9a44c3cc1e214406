"""Fifty contenders for one lock, round after round, over each transport: how often exactly one had it, and how long that took.

A round ends when everybody was told; whoever has the lock keeps it until then. Every other round is about a ledger that does
not exist yet. The test of this runs ten rounds (``tests/faults/test_races.py``); ``--rounds 200`` is the long run. Here a round
that does not end with exactly one winner, or a ledger with a fault, fails.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "servers"))

from loopback import machine, remotes
from parties import Parties
from races import Race

from gitops.stops import Exit

TRANSPORTS = ("file", "https", "shared_ssh")
"""``ssh`` with a connection for each command can be asked for: on two cores it takes three times as long."""


def main() -> int:
    """Race and print a table; 1 when the lock was not had by exactly one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--contenders", type=int, default=50)
    parser.add_argument("--transports", nargs="+", default=TRANSPORTS, choices=(*TRANSPORTS, "ssh"))
    options = parser.parse_args()
    wrong = []
    print(machine())
    print("\n| transport | rounds | contenders | winners per round | others told 'locked' | seconds a round |")
    print("|---" * 6 + "|", flush=True)
    with tempfile.TemporaryDirectory(prefix="provisioning-bench-") as name, remotes(Path(name), *options.transports) as made:
        for transport, make in made.items():
            winners, losers = Counter[int](), Counter[Exit]()
            with Parties(make(f"race-{transport}"), Path(name) / f"{transport}-clones") as parties:
                race, begun = Race(parties, options.contenders), time.monotonic()
                for number in range(options.rounds):
                    found = race.round()
                    winners[len(found.winners)] += 1
                    losers += found.losers
                    wrong += [f"{transport}, round {number}: {told}" for told in found.trouble]
                    if (number + 1) % 20 == 0:
                        print(f"{transport}: {number + 1} rounds", file=sys.stderr, flush=True)
                    if found.held_by != found.winners:
                        wrong.append(f"{transport}, round {number}: {found.winners} and {found.held_by}")
                seconds = (time.monotonic() - begun) / options.rounds
                wrong += [f"{transport}: {fault}" for fault in race.faults()]
            told = f"{losers[Exit.LOCKED]} of {options.rounds * (options.contenders - 1)}"
            each = ", ".join(f"{rounds} x {count}" for count, rounds in winners.items())
            print(f"| {transport} | {options.rounds} | {options.contenders} | {each} | {told} | {seconds:.1f} |", flush=True)
            wrong += [] if winners == {1: options.rounds} else [f"{transport}: {each}"]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
