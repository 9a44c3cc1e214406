"""How long the everyday commands take, against an interpreter that does nothing.

Each is a process of its own; the runs are interleaved so that a busy machine disturbs all alike; the figure is the median.
The budgets are ratios, taken in one run on one machine. Nothing fails here: the table says what it found.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("provisioning")
BUDGETS = {"provisioning --version": 5.0, "provisioning plan (no change)": 15.0}
"""Times ``python -c pass``."""


def run(argv: Sequence[str | Path], cwd: Path, env: Mapping[str, str]) -> float:
    """Seconds one process took. What it said is shown when it fails."""
    begun = time.perf_counter()
    done = subprocess.run(argv, cwd=cwd, env=env, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{argv} ended with {done.returncode}:\n{done.stderr}")
    return seconds


def environment(folder: Path) -> dict[str, str]:
    """A home of its own."""
    home = folder / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n[init]\n\tdefaultBranch = main\n")
    own = {"HOME": str(home), "XDG_STATE_HOME": str(home / "state"), "XDG_CACHE_HOME": str(home / "cache")}
    return {"PATH": os.environ["PATH"], **own}


def measure(commands: Mapping[str, Sequence[str | Path]], cwd: Path, env: Mapping[str, str], runs: int) -> dict[str, float]:
    """Median seconds of each command."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(1 + runs):
        for name, argv in commands.items():
            times[name].append(run(argv, cwd, env))
    return {name: statistics.median(values[1:]) for name, values in times.items()}  # the first warms the file cache


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    commands: dict[str, Sequence[str | Path]] = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "provisioning --version": [PROGRAM, "--version"],
        "provisioning help": [PROGRAM, "help"],
        "provisioning plan (no change)": [PROGRAM, "plan", "-i", "shop"],
        "git ls-remote (the floor of a plan)": ["git", "ls-remote", "--quiet", "origin"],
    }
    with tempfile.TemporaryDirectory(prefix="provisioning-bench-") as name:
        folder = Path(name)
        env = environment(folder)
        remote, repo = folder / "remote.git", folder / "estate"
        run(["git", "init", "-q", "--bare", "--initial-branch=main", remote], folder, env)
        run([PROGRAM, "init", repo, "--remote", remote], folder, env)
        try:
            run([PROGRAM, "apply", "-i", "shop", "--yes"], repo, env)
            medians = measure(commands, repo, env, runs)
        finally:
            run([PROGRAM, "apply", "-i", "shop", "--destroy", "--yes"], repo, env)
    base = medians["python -c pass"]
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    print(f"start-up: median of {runs} interleaved runs; {machine}")
    for command, seconds in medians.items():
        ratio, budget = seconds / base, BUDGETS.get(command)
        verdict = "" if budget is None else f"  budget {budget:.0f}x: {'kept' if ratio <= budget else 'EXCEEDED'}"
        print(f"  {command:36} {seconds * 1000:8.1f} ms {ratio:6.1f}x{verdict}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
