"""What a large apply writes to the remote: how many pushes, and how many bytes a thousand applied changes leave there.

The real program, in a process of its own, applies steps that cost nothing (provider ``fake``) to a folder as remote. Pushes are
counted at git. The budget is one for each window of 50, one for each stage of values that are known only after apply, and five.
Lease and flush are set so long that no push is made because of the time that passes: on a busy machine there would be some.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from math import ceil
from pathlib import Path

from ledger import Desk
from loopback import machine, remotes

WINDOW = 50
TIMING = "ledger: {lease_seconds: 3600, flush_seconds: 60}\n"
WRAPPER = """\
#!/bin/sh
{git} "$@"
code=$?
case " $* " in *" push "*provisioning/ledger/*) echo "$code" >> {log} ;; esac
exit $code
"""


def servers(count: int, depth: int, cores: int) -> str:
    """That many servers; the last ``depth`` of them each refer to what is known of the one before when that is made."""
    names = [f"web-{number:04d}" for number in range(count)]
    lines = [f"  {name}: {{cpu_cores: {cores}, memory_gb: 4, labels: {{team: web}}}}" for name in names]
    for number in range(count - depth, count):
        lines[number] = f'  {names[number]}: {{labels: {{next_to: "${{server/{names[number - 1]}.id}}"}}}}'
    return "settings: {provider: fake}\nservers:\n" + "\n".join(lines) + "\n"


class Office:
    """A workspace whose pushes to ledgers are counted."""

    def __init__(self, folder: Path, desk: Desk, remote: Path) -> None:
        self.desk, self.remote, self.log = desk, remote, folder / "pushed"
        bin_ = folder / "bin"
        bin_.mkdir()
        (bin_ / "git").write_text(WRAPPER.format(git=shutil.which("git"), log=self.log))
        (bin_ / "git").chmod(0o755)
        code = {key: os.environ[key] for key in ("PYTHONPATH",) if key in os.environ}
        self.env = desk.env | code | {"PATH": f"{bin_}:{desk.env['PATH']}"}

    def run(self, *argv: str) -> None:
        """A command of the program or of git, which must succeed."""
        program = () if argv[0] == "git" else (sys.executable, "-m", "gitops")
        subprocess.run([*program, *argv], cwd=self.desk.repo, env=self.env, check=True, capture_output=True)

    def declare(self, infra: str, text: str) -> None:
        """Commit and push what is to be."""
        path = self.desk.repo / "infra" / infra / "main.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for argv in (("add", "."), ("commit", "-q", "-m", "declare"), ("push", "-q", "origin", "HEAD")):
            self.run("git", *argv)

    def apply(self, infra: str) -> tuple[list[str], float]:
        """(git's exit codes of all pushes to ledgers, seconds)."""
        self.log.write_text("")
        begun = time.monotonic()
        self.run("apply", "-i", infra, "--yes", "--allow-deletes", "0")
        return self.log.read_text().split(), time.monotonic() - begun

    def size(self) -> int:
        """Bytes of the remote."""
        return sum(path.stat().st_size for path in self.remote.rglob("*") if path.is_file())


def main() -> int:
    """Apply and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    steps = parser.parse_args().steps
    works = [("create", "flat", 0, 2), ("update each", "flat", 0, 4), ("create, 3 stages known after apply", "deep", 3, 2)]
    print(machine())
    print("\n| apply of | steps | pushes | in vain | budget | seconds | bytes per 1,000 changes, as pushed | after git gc |")
    print("|---" * 8 + "|", flush=True)
    with tempfile.TemporaryDirectory(prefix="provisioning-bench-") as name, remotes(Path(name), "file") as made:
        site = made["file"]("bench")
        office = Office(Path(name), Desk(Path(name) / "desk", site), site.path)
        settings = (office.desk.repo / "workspace.yaml").read_text()
        (office.desk.repo / "workspace.yaml").write_text(settings[: settings.index("ledger:")] + TIMING)
        office.run("doctor", "--remote")
        for what, infra, depth, cores in works:
            office.declare(infra, servers(steps, depth, cores))
            before = office.size()
            codes, seconds = office.apply(infra)
            pushed = office.size() - before
            office.run("git", "-C", str(site.path), "gc", "--quiet", "--prune=now")
            packed, budget = office.size() - before, ceil(steps / WINDOW) + depth + 5
            kept = "kept" if len(codes) <= budget else "EXCEEDED"
            vain = sum(code != "0" for code in codes)
            per = [f"{value * 1000 / steps / 1e6:.2f} MB" for value in (pushed, packed)]
            print(
                f"| {what} | {steps} | {len(codes)} | {vain} | {budget} {kept} | {seconds:.1f} | {' | '.join(per)} |", flush=True
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
