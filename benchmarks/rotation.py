"""A ledger before and after ``ledger rotate``: bytes at the remote after ``git gc``, and the time of a first fetch.

The runs are the product's own, over a file remote, each changing the same resources; nothing fails here.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "servers"))

from loopback import machine

from executors.clocks import SystemClock
from executors.ports import Intent, Result
from gitops.git.local import open_repository
from gitops.git.remote import GitRemote
from gitops.ledger.holder import Actor
from gitops.ledger.ledger import Ledger
from gitops.ledger.records import RunRecord
from gitops.ports import Person
from gitops.schema.workspace import LedgerConfig
from planners.model import RecordedResource

LEDGER = "refs/heads/provisioning/ledger/shop"


class Site:
    """A clone, and a bare remote beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.remote = folder, folder / "remote.git"
        self.env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
        self.git("init", "--quiet", "--bare", str(self.remote))
        self.git("init", "--quiet", str(folder / "clone"))
        repository = open_repository(folder / "clone", self.env)
        actor = Actor(Person("Bench", "bench@example.org"), "bench", os.getpid())
        remote = GitRemote(repository.git, str(self.remote))
        self.ledger = Ledger(repository, remote, "shop", "w1", LedgerConfig(), SystemClock(), actor, str(self.remote))

    def git(self, *argv: str) -> str:
        return subprocess.run(["git", *argv], env=self.env, check=True, capture_output=True, text=True).stdout

    def run(self, number: int, resources: int) -> None:
        """One run that changes every resource."""
        run, plan = f"20261124-{number:06d}-abcdef", f"{number:064x}"
        addresses = [f"server/web-{n:03d}" for n in range(resources)]
        steps = [{"address": a, "action": "update", "reads": os.urandom(16).hex()} for a in addresses]
        with self.ledger.acquire("write", run, plan, "bench", 0, print) as held:
            held.begin_run(RunRecord(run, "shop", "running", plan, {"id": plan, "steps": steps}, started=time.time()))
            ops = {f"{plan[-32:]}{n:04x}": address for n, address in enumerate(addresses)}
            held.record([], [Intent(op, op[:32], a, "update", "update", "fake", "d", held.token) for op, a in ops.items()])
            now = {a: RecordedResource(a, "fake", {"round": number}, {"id": a}, run=run, plan=plan) for a in addresses}
            held.record([Result(op, a, "update", "done", now[a]) for op, a in ops.items()], [])
            held.finish_run(run, "succeeded", None)

    def measure(self, ref: str) -> tuple[int, float]:
        """(bytes at the remote, seconds of a first fetch)."""
        self.git("-C", str(self.remote), "gc", "--quiet")
        size = int(self.git("-C", str(self.remote), "rev-list", "--objects", "--disk-usage", ref))
        fresh = self.folder / f"fresh-{ref[-1]}.git"
        self.git("init", "--quiet", "--bare", str(fresh))
        begun = time.perf_counter()
        self.git("-C", str(fresh), "fetch", "--quiet", f"file://{self.remote}", f"+{ref}:{ref}")
        return size, time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--resources", type=int, default=20)
    asked = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder))
        for number in range(asked.runs):
            site.run(number, asked.resources)
        before = site.measure(LEDGER)
        begun = time.perf_counter()
        site.ledger.rotate("bench")
        took = time.perf_counter() - begun
        after = site.measure(f"{LEDGER}@2")
    print(f"{asked.runs} runs of {asked.resources} steps, rotated in {took:.2f} s")
    print(f"before: {before[0]:>10,} bytes, first fetch {before[1]:.2f} s")
    print(f"after:  {after[0]:>10,} bytes, first fetch {after[1]:.2f} s")


if __name__ == "__main__":
    main()
