"""What one transition of a ledger costs by how much is recorded in it: an intent written down, and the result of a step.

The ledger is a folder away. The recorded resources are put there by one commit that no run made, which is why ten holds and
releases come after it: readers check the newest ten. Then the product's own journal records steps, one transition each. What a
transition writes is counted as pushed; times are medians and only to be compared with each other.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "servers"))

from ledger import Desk
from loopback import machine, remotes

from executors.ports import Intent, Result
from gitops.ledger import tree
from gitops.ledger.lock import State, freed
from gitops.ledger.records import Entry, RunRecord
from gitops.ledger.spread import Spread
from gitops.ledger.transition import Draft
from planners.canonical import encode
from planners.model import RecordedResource

BUDGET = 400
"""Milliseconds at 100,000 resources."""
CHECKED = 10
"""How many of the newest transitions a reader checks that has seen none of them."""


def resource(number: int, cores: int) -> RecordedResource:
    """One server."""
    declared = {
        "cpu_cores": cores,
        "memory_gb": 8,
        "image": "debian-12",
        "labels": {"team": f"team-{number % 40}", "tier": "web"},
    }
    outputs = {"id": f"{number:08x}", "private_ip": f"10.{number % 250}.{number // 250 % 250}.7"}
    return RecordedResource(f"server/web-{number:06d}", "fake", declared, outputs, ("network/private",), run="r0", plan="p0")


def fill(desk: Desk, count: int) -> None:
    """Have ``count`` resources recorded."""
    ledger, repository = desk.space.ledger("shop"), desk.space.repository
    writer, layout = ledger.writer, Spread(lambda _: ())
    new, lock = writer.begin()
    edits: dict[str, bytes | str | None] = {}
    for number in range(count):
        record = resource(number, 2)
        edits |= layout.edits(record.address, encode(tree.resource_document(record)))
    new = repository.write(new, edits, "filled", desk.space.person())
    me = desk.space.actor.holder(writer.nonce())
    for _ in range(CHECKED // 2):
        held = replace(freed(lock, False), state=State.HOLD, kind="hold", holder=me, reason="x", since=1, expires=2**31)
        new, lock = writer.commit(new, lock, Draft("hold", held, entries=(Entry(action="hold", reason="x"),)))
        new, lock = writer.commit(new, lock, Draft("release-hold", freed(lock, False), entries=(Entry(action="release-hold"),)))
    push = ["git", "-C", desk.repo, "push", "--quiet", desk.site.url, f"{new}:{writer.chain.ref}"]
    subprocess.run(push, check=True, env=desk.env)
    ledger.view()


def steps(desk: Desk, count: int) -> Generator[float]:
    """Seconds of each transition that ends one step and begins the next."""
    with desk.space.ledger("shop").acquire("write", "r1", "p1", "bench", 0, lambda _: None) as held:
        held.begin_run(RunRecord("r1", "shop", "running", "p1"))
        before: list[Result] = []
        for number in itertools.count():
            record = resource(number * 7919 % count, 4)
            op = f"{number:064x}"
            intent = Intent(op, op[-32:], record.address, "update", "update", "fake", "0" * 64, held.token)
            begun = time.perf_counter()
            held.record(before, [intent])
            yield time.perf_counter() - begun
            before = [Result(op, record.address, "update", "done", record)]


def written(desk: Desk, since: str) -> int:
    """Bytes of objects that the ledger got since ``since``, deltas and all."""
    argv = ["git", "-C", str(desk.repo), "rev-list", "--objects", "--disk-usage", desk.space.ledger("shop").seen, f"^{since}"]
    return int(subprocess.run(argv, check=True, env=desk.env, capture_output=True, text=True).stdout)


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    parser.add_argument("--steps", type=int, default=20)
    options = parser.parse_args()
    print(machine())
    print("\n| recorded resources | median of a transition | bytes a transition, packed as sent | budget |")
    print("|---" * 4 + "|")
    with tempfile.TemporaryDirectory(prefix="provisioning-bench-") as name, remotes(Path(name), "file") as made:
        for size in options.sizes:
            folder = Path(name) / str(size)
            desk = Desk(folder, made["file"](f"bench-{size}"))
            fill(desk, size)
            since, timed = desk.space.ledger("shop").seen, steps(desk, size)
            seconds = [next(timed) for _ in range(options.steps + 1)][1:]
            each = written(desk, since) / options.steps
            timed.close()  # releases the lock
            desk.space.repository.close()
            middle = statistics.median(seconds) * 1000
            told = ("kept" if middle <= BUDGET else "EXCEEDED") if size == 100_000 else "-"
            print(f"| {size:,} | {middle:.0f} ms | {each:,.0f} | {told} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
