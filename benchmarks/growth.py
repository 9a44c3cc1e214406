"""How large a ledger gets: the history of an infra of 10,000 resources, 200 runs a day, as the product would have written it.

Every commit is made by the product's own code (``compose``, ``tree``, plan documents); only the storing is done in bulk, by one
``git fast-import``, as a year is 292,000 commits. Each run changes a few resources and takes four commits: the lock, the begin
with its intents, the results, the release with the end of the run.

Afterwards everything is packed anew, with the window and depth of ``git gc`` (10 and 50) and its own search for deltas: plain
``git gc`` would keep those that fast-import made in passing, which no ledger that grew by pushes has.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from random import Random

from executors.ports import Intent
from gitops.git.local import open_repository
from gitops.ledger import tree
from gitops.ledger.check import faults_since
from gitops.ledger.holder import Holder
from gitops.ledger.lock import Lock, State, freed
from gitops.ledger.records import Converged, Entry, RunRecord
from gitops.ledger.transition import Draft, Stamp, compose
from planners.canonical import encode
from planners.document import plan_id, to_document
from planners.model import Environment, RecordedResource, kind_of
from planners.steps import Change, Digests, Plan, Update

BEGIN = 1_767_225_600
"""2026-01-01."""
RUNS_A_DAY = 200
CHECKED = 200
"""How many of the newest commits are verified."""
FEW = (1, 1, 1, 2, 2, 3, 4, 6, 8, 12)
"""How many resources a run changes: one of these, four on average."""
WHO = "Ann Example <ann@example.org>"
PLACES = {"server": 2_000, "volume": 1_000, "dns": 1_000}
SERVICES = ("containerd", "kubernetes", "cilium")
"""On every server."""
OUTPUT = (
    "Reading package lists...\nBuilding dependency tree...\n{} is already the newest version.\n0 upgraded, 0 newly installed.\n"
)
Edits = Mapping[str, bytes | None]


def addresses(share: float) -> list[str]:
    """The resources: 10,000 of them, or that share."""
    counts = {kind: int(count * share) for kind, count in PLACES.items()}
    plain = [f"{kind}/{kind}-{number:04d}" for kind, count in counts.items() for number in range(count)]
    return plain + [f"taskserv/server-{number:04d}/{name}" for number in range(counts["server"]) for name in SERVICES]


def resource(address: str, round_: int, run: str, plan: str) -> RecordedResource:
    """One resource as it stands after its ``round_``-th change."""
    number = int(sha256(address.encode()).hexdigest()[:6], 16)
    declared = {
        "cpu_cores": 2 + round_ % 7, "memory_gb": 8, "image": "debian-12", "zone": f"de-fra{number % 3}",
        "networks": ["private"], "labels": {"team": f"team-{number % 40}", "tier": "web", "round": str(round_)},
    }  # fmt: skip
    observed = {"id": f"{number:08x}-{round_ // 50:04x}", "private_ip": f"10.{number % 250}.{number // 250 % 250}.7"}
    edges = () if kind_of(address) == "dns" else ("network/private",)
    return RecordedResource(
        address, "local", declared, observed, edges, extension=sha256(kind_of(address).encode()).hexdigest(), run=run, plan=plan,
        source_commit=sha256(run.encode()).hexdigest()[:40],
    )  # fmt: skip


def plan_of(chosen: Sequence[str], rounds: Mapping[str, int]) -> Plan:
    """The plan that changes these."""

    def digests(address: str, round_: int) -> Digests:
        return Digests(*(sha256(f"{side} {address} {round_}".encode()).hexdigest() for side in ("declared", "recorded")))

    def step(address: str) -> Update:
        round_ = rounds[address]
        changes = (
            Change("labels.round", str(round_), str(round_ + 1)),
            Change("cpu_cores", 2 + round_ % 7, 2 + (round_ + 1) % 7),
        )
        stood = digests(address, round_)
        relied = ((address, stood), ("network/private", digests("network/private", 0)))
        return Update(
            address, "local", "labels.round changed", declared=resource(address, round_ + 1, "", "").declared, changes=changes,
            reads=relied, writes=((address, stood),),
        )  # fmt: skip

    plan = Plan("estate", Environment("dev"), tuple(step(address) for address in chosen), unchanged=10_000 - len(chosen))
    return replace(plan, id=plan_id(plan))


@dataclass
class Writer:
    """Makes commits one after the other and remembers how the lock stands; ``chance`` makes nonces."""

    chance: Random
    lock: Lock = field(default_factory=Lock)
    wall: int = BEGIN

    def nonce(self) -> str:
        return f"{self.chance.getrandbits(128):032x}"

    def move(self, move: str, after: Lock, edits: Edits | None = None, entries: Sequence[Entry] = ()) -> tuple[Edits, str, int]:
        """(edits, message, time) of the next commit."""
        self.wall += 1
        stamp = Stamp("estate", WHO, "build-7", self.nonce(), self.wall)
        self.lock, made, message = compose(self.lock, Draft(move, after, edits or {}, tuple(entries)), stamp)
        return made, message, self.wall

    def acquire(self, run: str, plan: str) -> tuple[Edits, str, int]:
        me = Holder(self.nonce(), "Ann Example", "ann@example.org", "build-7", "4f0c-77/pid:[1]", 4711, "123456")
        return self.move("acquire", replace(
            self.lock, state=State.HELD, kind="write", holder=me, run=run, plan=plan, reason="apply", since=self.wall,
            lease_seconds=60, grace_seconds=30,
        ))  # fmt: skip


def one_run(writer: Writer, chosen: Sequence[str], rounds: dict[str, int], windows: int = 50) -> Iterator[tuple[Edits, str, int]]:
    """The commits of a run that changes what is ``chosen``."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(writer.wall))
    run, plan = f"{stamp}-{writer.nonce()[:6]}", plan_of(chosen, rounds)
    yield writer.acquire(run, plan.id)
    begun = RunRecord(
        run, "estate", "running", plan.id, source_commit=sha256(run.encode()).hexdigest()[:40], actor=WHO, host="build-7",
        reason="apply", kind="write", started=writer.wall, first=writer.lock.entries + 1,
    )  # fmt: skip
    edits: dict[str, bytes | None] = {
        tree.plan_path(plan.id): encode(to_document(plan)), tree.run_path(run, False): tree.run_bytes(begun)
    }  # fmt: skip
    entries = [Entry(action="run", status="started", run=run, plan=plan.id, reason="apply", message="write")]
    batches = [chosen[start : start + windows] for start in range(0, len(chosen), windows)]
    for batch in [*batches, ()]:
        for address in batch:
            op = sha256(f"{run} {address}".encode()).hexdigest()
            intent = Intent(op, op[:32], address, "update", "update", "local", op, writer.lock.token)
            edits[tree.intent_path(op)] = tree.intent_bytes(intent, run)
        yield writer.move("record", writer.lock, edits, entries)
        edits, entries = {}, []
        for address in batch:
            rounds[address] += 1
            op = sha256(f"{run} {address}".encode()).hexdigest()
            edits[tree.intent_path(op)] = None
            edits[tree.state_path(address)] = encode(tree.resource_document(resource(address, rounds[address], run, plan.id)))
            entries.append(Entry(action="update", address=address, status="done", op=op, output=OUTPUT.format(address)))
    ended = replace(begun, status="succeeded", finished=writer.wall, last=writer.lock.entries + 1)
    empty = Plan("estate", Environment("dev"), (), unchanged=10_000)
    marker = Converged(f"0.1.0:{run}", sha256(run.encode()).hexdigest()[:40], to_document(replace(empty, id=plan_id(empty))))
    edits = {tree.run_path(run, False): None, tree.run_path(run, True): tree.run_bytes(ended)}
    edits[tree.CONVERGED] = tree.converged_bytes(marker)
    said = Entry(action="run", status="succeeded", run=run, plan=plan.id, message="write")
    yield writer.move("release", freed(writer.lock, False), edits, [said])


def history(days: int, share: float) -> Iterator[tuple[Edits, str, int]]:
    """All commits: the first run makes everything, then the days go by."""
    chance = Random(1)  # noqa: S311  # the same history every time
    writer, known = Writer(chance), addresses(share)
    rounds = dict.fromkeys([*known, "network/private"], 0)
    first = tree.genesis("w1", "estate", "git.example.org/estate")
    yield writer.move("create", Lock(), {tree.META: tree.value_bytes(first)}, [Entry(action="create")])
    yield from one_run(writer, known, rounds)
    for number in range(days * RUNS_A_DAY):
        writer.wall = max(writer.wall, BEGIN + 3600 + number * 86_400 // RUNS_A_DAY)
        yield from one_run(writer, chance.sample(known, chance.choice(FEW)), rounds)


def script(edits: Edits, message: str, wall: int) -> bytes:
    """One commit as fast-import reads it."""
    text = message.encode()
    who = f"{WHO} {wall} +0000"
    parts = [f"commit refs/heads/ledger\nauthor {who}\ncommitter {who}\ndata {len(text)}\n".encode(), text, b"\n"]
    for path, content in sorted(edits.items(), key=lambda item: item[1] is not None):
        if content is None:
            parts.append(f"D {path}\n".encode())
        else:
            parts += [f"M 100644 inline {path}\ndata {len(content)}\n".encode(), content, b"\n"]
    return b"".join(parts)


def build(folder: Path, days: int, share: float) -> int:
    """Store the history in a bare repository; returns how many commits it has."""
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    argv = ["git", "-C", str(folder), "fast-import", "--quiet"]
    count, begun = 0, time.monotonic()
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        for commit in history(days, share):
            child.stdin.write(script(*commit))
            count += 1
            if count % 20_000 == 0:
                print(f"{count:,} commits in {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    if child.returncode:
        raise SystemExit("git fast-import failed")
    return count


def size(folder: Path) -> int:
    """Bytes of the repository."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def faults(folder: Path, commits: int) -> list[str]:
    """What the product finds wrong with the newest ``commits``."""
    with open_repository(folder, {"PATH": os.environ["PATH"], "HOME": str(folder)}) as repository:
        return faults_since(repository, repository.local("refs/heads/ledger")["refs/heads/ledger"], "", commits)


def main() -> int:
    """Build, pack and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--share", type=float, default=1.0, help="of 10,000 resources")
    parser.add_argument("--keep", type=Path, help="where to leave the repository")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="provisioning-bench-") as name:
        folder = (options.keep or Path(name)) / "ledger.git"
        begun = time.monotonic()
        count = build(folder, options.days, options.share)
        built = time.monotonic() - begun
        print(f"{count:,} commits of {options.days * RUNS_A_DAY:,} runs in {built:.0f} s", flush=True)
        wrong = faults(folder, CHECKED)
        print(f"the newest {CHECKED} commits: {wrong[0] if wrong else 'each a legal transition'}", flush=True)
        begun = time.monotonic()
        subprocess.run(["git", "-C", str(folder), "repack", "-a", "-d", "-f", "-q", "--window=10", "--depth=50"], check=True)
        runs, megabytes = options.days * RUNS_A_DAY, size(folder) / 1e6
        print(f"packed in {time.monotonic() - begun:.0f} s: {megabytes:.1f} MB, {megabytes * 1000 / runs:.1f} kB a run")
    return 0


if __name__ == "__main__":
    sys.exit(main())
