"""What planning and applying cost by the size of the estate, beside Terraform or OpenTofu where one is installed.

Every figure is a whole process, the interpreter's start included. The estate has one file for each resource: half of them
volumes, half servers that each refer to one. Terraform has as many ``terraform_data`` blocks, every second with a reference, a
saved state, and ``-refresh=false``. The floor is what git alone takes to say what a commit changed, and to give the contents.

    benchmarks/scale.py                              100 to 10,000 resources; Terraform up to 1,000
    benchmarks/scale.py --sizes 100000 --terraform   one size, without Terraform
    benchmarks/scale.py --plot growth.svg            draws all that was measured, both axes logarithmic (needs gnuplot)

A temporary folder is used, wherever ``TMPDIR`` says; in memory there is less noise.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = Path(sys.executable).with_name("provisioning")
BARE = "python -c pass"
NO_CHANGE, ONE_CHANGE, MANY = "plan, no change", "plan, one change", "plan, 1 % changed"
COLD, WHOLE, APPLY = "first plan", "plan of everything", "apply"
FLOOR = "git diff-tree + cat-file"
BUDGETS: Mapping[str, str] = {
    NO_CHANGE: "12x pass; 100x Terraform",
    ONE_CHANGE: "20x pass; 50x Terraform",
    MANY: "15 s at 100,000",
    COLD: "40 s at 100,000; 8x Terraform",
    APPLY: "3 ms a step; 10x Terraform",
}
"""Read with the table; nothing fails here."""


@dataclass(slots=True)
class Figures:
    """Seconds, and KiB at most, by work and size."""

    seconds: dict[tuple[str, int], float] = field(default_factory=dict)
    memory: dict[tuple[str, int], int] = field(default_factory=dict)

    def of(self, work: str, size: int) -> float | None:
        return self.seconds.get((work, size))


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder with a home of its own. ``runs``: how often what is quick is measured; the median counts."""

    folder: Path
    env: Mapping[str, str]
    runs: int
    figures: Figures

    def run(self, argv: Sequence[str | Path], cwd: Path, codes: Sequence[int] = (0,), given: bytes = b"") -> tuple[float, int]:
        """Seconds and KiB of one process. What it said is shown when it fails."""
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as asked:
            asked.write(given)
            asked.seek(0)
            begun = time.perf_counter()
            child = subprocess.Popen(argv, cwd=cwd, env=self.env, stdin=asked, stdout=said, stderr=said)
            _, status, used = os.wait4(child.pid, 0)
            seconds = time.perf_counter() - begun
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode not in codes:
                said.seek(0)
                raise SystemExit(f"{argv} ended with {child.returncode}:\n{said.read()[-2000:].decode(errors='replace')}")
        return seconds, used.ru_maxrss

    def note(
        self, work: str, size: int, argv: Sequence[str | Path], cwd: Path, before: Callable[[], object] | None = None
    ) -> None:
        """Measure and keep: once what takes more than ten seconds, else the median."""
        found = []
        for _ in range(self.runs):
            if before:
                before()
            found.append(self.run(argv, cwd))
            if found[0][0] > 10:
                break
        self.figures.seconds[work, size] = statistics.median(seconds for seconds, _ in found)
        self.figures.memory[work, size] = max(memory for _, memory in found)
        print(f"  {size:7,} {work:32} {self.figures.seconds[work, size] * 1000:10.0f} ms", file=sys.stderr, flush=True)


def estate(bench: Bench, size: int) -> None:
    """Measure this program."""
    folder = bench.folder / f"estate-{size}"
    remote, repo, infra = folder / "remote.git", folder / "estate", folder / "estate" / "infra" / "big"
    folder.mkdir()
    git = ["git", "-C", str(repo)]
    bench.run(["git", "init", "-q", "--bare", "--initial-branch=main", remote], folder)
    bench.run([PROGRAM, "init", repo, "--empty", "--remote", remote], folder)
    for kind in ("servers", "volumes"):
        (infra / kind).mkdir(parents=True)
    (infra / "main.yaml").write_text("settings: {provider: fake, environment: dev}\n")
    for number in range(size // 2):
        (infra / f"volumes/v-{number:06}.yaml").write_text(f"size_gb: {10 + number % 7}\nlabels: {{team: t{number % 40}}}\n")
        (infra / f"servers/s-{number:06}.yaml").write_text(server(number, 2))

    def commit() -> None:
        for words in (["add", "-A"], ["commit", "-qm", "x"], ["push", "-q", "origin", "HEAD:main"]):
            bench.run([*git, *words], folder)

    def forget() -> None:
        shutil.rmtree(Path(bench.env["XDG_CACHE_HOME"]), ignore_errors=True)

    commit()
    plan: list[str | Path] = [PROGRAM, "plan", "-i", "big"]
    bench.note(COLD, size, plan, repo, forget)
    seconds, memory = bench.run([PROGRAM, "apply", "-i", "big", "--yes"], repo)
    bench.figures.seconds[APPLY, size], bench.figures.memory[APPLY, size] = seconds, memory
    bench.note(BARE, size, [sys.executable, "-c", "pass"], repo)
    bench.run(plan, repo)
    bench.note(NO_CHANGE, size, plan, repo)
    (infra / "servers/s-000003.yaml").write_text(server(3, 4))
    commit()
    bench.run(plan, repo)
    bench.note(ONE_CHANGE, size, plan, repo)
    bench.note(WHOLE, size, [*plan, "--full"], repo, forget)
    listing = "git diff-tree -r HEAD^ HEAD | cut -d' ' -f3,4 | tr ' ' '\\n' | git cat-file --batch"
    bench.note(FLOOR, size, ["sh", "-c", listing], repo)
    for number in range(0, size // 2, 50):
        (infra / f"servers/s-{number:06}.yaml").write_text(server(number, 8))
    commit()
    bench.run(plan, repo)
    bench.note(MANY, size, plan, repo)
    shutil.rmtree(folder)


def server(number: int, cores: int) -> str:
    """The declaration of one server."""
    wide = f"labels: {{team: t{number % 40}, tier: web}}\n"
    return f"cpu_cores: {cores}\nmemory_gb: 8\nimage: debian-12\nvolumes: [v-{number:06}]\n{wide}"


def terraform(bench: Bench, program: str, size: int) -> None:
    """Measure the other one, named as ``terraform: …``."""
    folder = bench.folder / f"terraform-{size}"
    folder.mkdir()

    def declare(first: int) -> None:
        blocks = (
            f'resource "terraform_data" "v{n}" {{\n  input = {first if n == 3 else n}\n}}\n'
            f'resource "terraform_data" "s{n}" {{\n  input = terraform_data.v{n}.id\n}}\n'
            for n in range(size // 2)
        )
        (folder / "main.tf").write_text("".join(blocks))

    declare(3)
    bench.run([program, "init", "-input=false", "-no-color"], folder)
    plan = [program, "plan", "-refresh=false", "-input=false", "-no-color"]
    bench.note(f"terraform: {COLD}", size, plan, folder)
    seconds, memory = bench.run([program, "apply", "-auto-approve", "-parallelism=10", "-input=false", "-no-color"], folder)
    bench.figures.seconds[f"terraform: {APPLY}", size] = seconds
    bench.figures.memory[f"terraform: {APPLY}", size] = memory
    bench.note(f"terraform: {NO_CHANGE}", size, plan, folder)
    declare(-1)
    bench.note(f"terraform: {ONE_CHANGE}", size, plan, folder)
    shutil.rmtree(folder)


def table(figures: Figures, sizes: Sequence[int]) -> str:
    """Everything that was measured, in Markdown."""
    lines = ["| work | resources | time | python -c pass | most memory | Terraform | factor | budget |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for work in (NO_CHANGE, ONE_CHANGE, MANY, COLD, WHOLE, APPLY, FLOOR, BARE):
        for size in sizes:
            seconds, other = figures.of(work, size), figures.of(f"terraform: {work}", size)
            if seconds is None:
                continue
            cells = [work, f"{size:,}", told(seconds)]
            cells += [f"{seconds / (figures.of(BARE, size) or seconds):.1f}x", f"{figures.memory[work, size] >> 10} MiB"]
            cells += [told(other) if other else "-", f"{other / seconds:.1f}x" if other else "-", BUDGETS.get(work, "")]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def told(seconds: float) -> str:
    """Seconds as people read them."""
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def draw(figures: Figures, path: str) -> None:
    """All of it by size, both axes logarithmic."""
    works = sorted({work for work, _ in figures.seconds})
    points = {work: sorted((size, s) for (w, size), s in figures.seconds.items() if w == work) for work in works}
    data = "".join("".join(f"{size} {seconds}\n" for size, seconds in points[work]) + "e\n" for work in works)
    curves = ", ".join(f"'-' with linespoints title {json.dumps(work)}" for work in works)
    head = f"set terminal svg size 900,700 background 'white'\nset output {json.dumps(path)}\nset logscale xy\nset grid\n"
    axes = "set key outside below\nset xlabel 'resources'\nset ylabel 'seconds'\n"
    subprocess.run(["gnuplot"], input=f"{head}{axes}plot {curves}\n{data}", text=True, check=True)


def version(program: str) -> str:
    """Its name and version."""
    return subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 1_000, 10_000])
    parser.add_argument("--terraform", type=int, nargs="*", default=[100, 1_000], help="sizes for terraform or tofu")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--plot", default="", metavar="FILE.svg")
    asked = parser.parse_args()
    program = shutil.which("tofu") or shutil.which("terraform") or ""
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="provisioning-bench-") as name:
        home = Path(name) / "home"
        home.mkdir()
        (home / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n[init]\n\tdefaultBranch = main\n")
        # TF_CLI_CONFIG_FILE is not among them: a mirror of providers that it may name has nothing to do here
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "CHECKPOINT_DISABLE": "1"}
        env |= {"XDG_STATE_HOME": str(home / "state"), "XDG_CACHE_HOME": str(home / "cache")}
        bench = Bench(Path(name), env, asked.runs, figures)
        for size in asked.sizes:
            estate(bench, size)
        for size in asked.terraform if program else ():
            terraform(bench, program, size)
    other = (
        subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout.split("\n")[0]
        if program
        else "none"
    )
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.release()}, {os.cpu_count()} CPUs"
    print(f"{machine}, load {os.getloadavg()[0]:.1f}; beside it: {other}. Medians of {asked.runs}.\n")
    print(table(figures, sorted({*asked.sizes, *asked.terraform})))
    if asked.plot:
        draw(figures, asked.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
