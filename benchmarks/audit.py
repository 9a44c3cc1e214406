"""How fast ``audit verify`` walks a ledger: every transition from the first on, recomputed, on this machine.

The ledger is that of ``growth.py``: real transitions of an infra with many resources. Processor time is told beside the time that
passed, as the second says little on a machine with other work; it is that of the walk, git's own reading goes on beside it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from growth import RUNS_A_DAY, build

from gitops.git.local import open_repository
from gitops.ledger.anchor import mark_of
from gitops.ledger.audit import Known, verify

BUDGET = 60
"""Seconds for 100,000 audit entries."""


def main() -> int:
    """Build, verify from the first transition and from an anchor in the middle, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--share", type=float, default=0.1, help="of 10,000 resources")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="provisioning-bench-") as name:
        build(Path(name, "ledger.git"), options.days, options.share)
        with open_repository(Path(name, "ledger.git"), {"PATH": os.environ["PATH"], "HOME": name}) as repository:
            tip = repository.local("refs/heads/ledger")["refs/heads/ledger"]
            middle = repository.history(tip)[options.days * RUNS_A_DAY * 2].oid
            total = mark_of(repository, tip).entries
        for what, anchored in (("from the first", False), ("from an anchor in the middle", True)):
            with open_repository(Path(name, "ledger.git"), {"PATH": os.environ["PATH"], "HOME": name}) as repository:
                known = Known(anchor=mark_of(repository, middle)) if anchored else Known()
                entries = total - (known.anchor.entries if known.anchor else 0)
                cpu, wall = time.process_time(), time.perf_counter()
                found = verify(repository, tip, "estate", "w1", known)
                cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            verdict = found.findings[0] if found.findings else "verified"
            each = (
                f"100,000 entries: {wall / entries * 100_000:.0f} s (budget {BUDGET}), {cpu / entries * 100_000:.0f} s processor"
            )
            print(f"{what}: {found.transitions:,} transitions, {entries:,} entries, {verdict}; {wall:.1f} s; {each}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
