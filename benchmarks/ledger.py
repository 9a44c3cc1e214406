"""Taking and releasing the lock of an infra, beside the two git pushes that it cannot do without, over each transport.

Both are done in turn in one run, so that a busy machine disturbs both alike; what counts is their ratio. The pushes are git as
one types it, of commits that were made before the clock started; the product's time holds all it does: writing two commits to
disk, pushing them, remembering what was seen, packing now and then. Nothing fails here.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "servers"))

from git_servers import RemoteSite
from loopback import machine, remotes

from gitops.wiring import open_workspace

TRANSPORTS = ("file", "https", "ssh", "shared_ssh")
BARE = "refs/heads/bare"
BUDGET = 1.5
"""Times the two pushes, at the median."""


class Desk:
    """A workspace with its remote at ``site``, made and opened as the program does it."""

    def __init__(self, folder: Path, site: RemoteSite) -> None:
        self.repo, self.site, home = folder / "estate", site, folder / "home"
        home.mkdir(parents=True)
        (home / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n")
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", **site.environ}
        argv = [sys.executable, "-m", "gitops", "init", self.repo, "--empty", "--remote", site.url]
        code = {key: os.environ[key] for key in ("PYTHONPATH",) if key in os.environ}
        subprocess.run(argv, check=True, env=self.env | code, cwd=folder, capture_output=True)
        self.space = open_workspace(self.repo, self.env)

    def pushes(self) -> Iterator[float]:
        """Seconds of two compare-and-swap pushes by hand, again and again."""
        tip = ""
        while True:
            new = self.space.repository.write(tip, {"a": os.urandom(8)}, "m", self.space.person())
            last = self.space.repository.write(new, {"b": b"2"}, "m", self.space.person())
            begun = time.perf_counter()
            for old, oid in ((tip, new), (new, last)):
                argv = ["push", "--quiet", "--atomic", f"--force-with-lease={BARE}:{old}", self.site.url, f"{oid}:{BARE}"]
                # in a session of its own as the product runs git: on a busy machine Linux shares time out by session
                git = ["git", "-C", self.repo, *argv]
                subprocess.run(git, env=self.env, check=True, capture_output=True, start_new_session=True)
            yield time.perf_counter() - begun
            tip = last

    def locks(self) -> Iterator[float]:
        """Seconds of taking the lock and releasing it, again and again."""
        ledger = self.space.ledger("shop")
        while True:
            begun = time.perf_counter()
            with ledger.acquire("write", "r1", "p1", "bench", 0, lambda _: None):
                pass
            yield time.perf_counter() - begun


def percentile(values: list[float], part: float) -> float:
    """The value that ``part`` of all do not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def measure(folder: Path, site: RemoteSite, rounds: int) -> tuple[list[float], list[float]]:
    """(seconds of the two pushes, seconds of the product) per round; the first round is not counted."""
    desk = Desk(folder, site)
    turns = [desk.pushes(), desk.locks()]
    pairs = [[next(turn) for turn in turns] for _ in range(rounds + 1)][1:]
    desk.space.repository.close()
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--transports", nargs="+", default=TRANSPORTS, choices=TRANSPORTS)
    options = parser.parse_args()
    print(machine())
    print("\n| transport | two pushes p50 | p99 | acquire and release p50 | p99 | ratio p50 | p99 | budget |")
    print("|---" * 8 + "|")
    with tempfile.TemporaryDirectory(prefix="provisioning-bench-") as name, remotes(Path(name), *options.transports) as made:
        for transport, make in made.items():
            bare, ours = measure(Path(name) / f"{transport}-clones", make(f"bench-{transport}"), options.rounds)
            cells = []
            for values in (bare, ours):
                cells += [f"{statistics.median(values) * 1000:.0f} ms", f"{percentile(values, 0.99) * 1000:.0f} ms"]
            middle = statistics.median(ours) / statistics.median(bare)
            far = percentile(ours, 0.99) / percentile(bare, 0.99)
            kept = "kept" if middle <= BUDGET else "EXCEEDED"
            print(f"| {transport} | {' | '.join(cells)} | {middle:.2f}x | {far:.2f}x | {BUDGET}x {kept} |", flush=True)
    print(f"\n{options.rounds} interleaved rounds each; with so few p99 is the longest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
