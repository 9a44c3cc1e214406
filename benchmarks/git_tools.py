"""Git through the git program, dulwich and GitPython: the same work in one run on one machine, as ratios.

The choice per operation in docs/measurements.md rests on this table. Rounds are interleaved so that a busy machine disturbs
all alike, and the figure is the best round, which it disturbs least. Nothing fails here.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from gitops.git.local import open_repository
from gitops.git.remote import GitRemote
from gitops.ports import Person, RefUpdate

AUTHOR = Person("Bench", "bench@example.org", 1_700_000_000)
WHO = b"Bench <bench@example.org>"
FILES, REFS, READ = 1_000, 200, 1_000
"""Files and refs of the repository worked on, and blobs read at once."""
TOOLS = ("git", "git, plumbing", "dulwich", "GitPython")
LOOSE = ("-c", "gc.auto=0")

Work = Callable[[int], object]
"""One round; the number makes each round's content new."""


class Place:
    """A clone with a work tree of ``FILES`` files in 10 folders, ``REFS`` refs, and a bare remote."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.env, self.clone, self.remote = dict(env), folder / "clone", folder / "remote.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", self.remote], check=True, env=self.env)
        subprocess.run(["git", "-C", self.remote, "config", "gc.auto", "0"], check=True, env=self.env)
        subprocess.run(["git", "init", "-q", "-b", "main", self.clone], check=True, env=self.env)
        for number in range(FILES):
            file = self.clone / f"state/{number % 10}/{number}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f'{{"name":"server-{number}","cpu_cores":{number % 16},"address":"10.0.{number % 250}.7"}}\n' * 5)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "first")
        self.git("gc", "-q")
        self.tip = self.git("rev-parse", "HEAD").decode().strip()
        self.git("update-ref", "--stdin", stdin="".join(f"create refs/x/{n} {self.tip}\n" for n in range(REFS)).encode())
        self.git("remote", "add", "origin", str(self.remote))
        self.git("push", "-q", "origin", "main")
        self.blobs = self.git("ls-tree", "-r", "--format=%(objectname)", "HEAD").decode().split()[:READ]
        self.repository = open_repository(self.clone, self.env)

    def git(self, *argv: str, stdin: bytes = b"", **env: str) -> bytes:
        """Git as one types it."""
        command = ["git", "-C", self.clone, *LOOSE, *argv]
        return subprocess.run(command, input=stdin, env=self.env | env, check=True, stdout=subprocess.PIPE).stdout


def paths(count: int) -> list[str]:
    """Some of the files."""
    return [f"state/{number % 10}/{number}.json" for number in range(count)]


def text(round_: int, number: int = 0) -> bytes:
    """New content."""
    return f'{{"round":{round_},"number":{number},"at":"{time.time_ns()}"}}\n'.encode()


def commits(place: Place, count: int) -> Mapping[str, Work]:
    """A commit that changes ``count`` files, without a work tree where the tool can."""
    import git
    from dulwich.object_store import commit_tree_changes
    from dulwich.objects import Blob, Commit
    from dulwich.repo import Repo

    low, high = Repo(str(place.clone)), git.Repo(place.clone)

    def program(round_: int) -> object:
        edits = {path: text(round_, number) for number, path in enumerate(paths(count))}
        return place.repository.write(place.tip, edits, "m\n", AUTHOR)

    def plumbing(round_: int) -> object:
        index = {"GIT_INDEX_FILE": str(place.clone / ".git/bench-index")}
        place.git("read-tree", place.tip, **index)
        for number, path in enumerate(paths(count)):
            oid = place.git("hash-object", "-w", "--stdin", stdin=text(round_, number)).decode().strip()
            place.git("update-index", "--cacheinfo", f"100644,{oid},{path}", **index)
        tree = place.git("write-tree", **index).decode().strip()
        return place.git("commit-tree", tree, "-p", place.tip, "-m", "m")

    def dulwich(round_: int) -> object:
        store = low.object_store
        changes = []
        for number, path in enumerate(paths(count)):
            blob = Blob.from_string(text(round_, number))
            store.add_object(blob)
            changes.append((path.encode(), 0o100644, blob.id))
        made = Commit()
        made.tree = commit_tree_changes(store, store[place.tip.encode()].tree, changes)
        made.parents, made.author, made.committer, made.message = [place.tip.encode()], WHO, WHO, b"m\n"
        made.author_time = made.commit_time = round_
        made.author_timezone = made.commit_timezone = 0
        store.add_object(made)
        return made.id

    def python(round_: int) -> object:
        for number, path in enumerate(paths(count)):
            (place.clone / path).write_bytes(text(round_, number))
        high.index.add(paths(count))
        return high.index.commit("m", parent_commits=[high.commit(place.tip)], head=False)

    return dict(zip(TOOLS, (program, plumbing, dulwich, python), strict=True))


def reads(place: Place) -> Mapping[str, Work]:
    """Contents of ``READ`` blobs, with everything a fresh object needs before the first."""
    import git
    from dulwich.repo import Repo

    def program(_: int) -> object:
        with open_repository(place.clone, place.env) as repository:
            return repository.blobs(place.blobs)

    def dulwich(_: int) -> object:
        with Repo(str(place.clone)) as repo:
            return [repo.object_store[oid.encode()].as_raw_string() for oid in place.blobs]

    def python(_: int) -> object:
        with git.Repo(place.clone) as repo:
            return [repo.odb.stream(bytes.fromhex(oid)).read() for oid in place.blobs]

    return {"git": program, "dulwich": dulwich, "GitPython": python}


def refs(place: Place) -> Mapping[str, Work]:
    """All local refs with their ids."""
    import git
    from dulwich.repo import Repo

    low, high = Repo(str(place.clone)), git.Repo(place.clone)
    return {
        "git": lambda _: place.repository.local("refs"),
        "dulwich": lambda _: low.refs.as_dict(),
        "GitPython": lambda _: {ref.path: ref.commit.hexsha for ref in git.Reference.iter_items(high, "refs")},
    }


def pushes(place: Place) -> Mapping[str, Work]:
    """Advance one remote ref by compare-and-swap; each tool has a ref of its own, and the new commit is ready before."""
    import git
    from dulwich.client import LocalGitClient
    from dulwich.repo import Repo

    tips = dict.fromkeys(("git", "dulwich", "GitPython"), place.tip)
    for tool in tips:
        place.git("push", "-q", "origin", f"{place.tip}:refs/heads/{tool}")
    low, high, remote = Repo(str(place.clone)), git.Repo(place.clone), GitRemote(place.repository.git, str(place.remote))

    def advance(tool: str, round_: int) -> tuple[str, str]:
        old = tips[tool]
        tips[tool] = place.repository.write(old, {"state/0/0.json": text(round_)}, tool, AUTHOR)
        return old, tips[tool]

    def program(round_: int) -> Iterator[None]:
        old, new = advance("git", round_)
        yield
        remote.push([RefUpdate("refs/heads/git", old, new)])

    def dulwich(round_: int) -> Iterator[None]:
        old, new = advance("dulwich", round_)
        yield
        ref = b"refs/heads/dulwich"

        def wanted(there: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
            return {ref: new.encode()} if there[ref] == old.encode() else {}

        LocalGitClient().send_pack(str(place.remote).encode(), wanted, low.generate_pack_data)

    def python(round_: int) -> Iterator[None]:
        old, new = advance("GitPython", round_)
        yield
        high.git.push("origin", f"{new}:refs/heads/GitPython", force_with_lease=f"refs/heads/GitPython:{old}", atomic=True)

    return {"git": program, "dulwich": dulwich, "GitPython": python}


def starts(place: Place) -> Mapping[str, Work]:
    """A command that reads 20 blobs and ends: a process with everything it must load or start first."""
    twenty = place.blobs[:20]
    scripts = {
        "git": "from gitops.git.local import open_repository; from pathlib import Path; import os\n"
        f"with open_repository(Path({str(place.clone)!r}), os.environ) as r: r.blobs({twenty!r})",
        "dulwich": f"from dulwich.repo import Repo\nwith Repo({str(place.clone)!r}) as r:\n"
        f"  for oid in {twenty!r}: r.object_store[oid.encode()].as_raw_string()",
        "GitPython": f"import git\nwith git.Repo({str(place.clone)!r}) as r:\n"
        f"  for oid in {twenty!r}: r.odb.stream(bytes.fromhex(oid)).read()",
    }
    return {tool: lambda _, script=script: python_process(script, place.env) for tool, script in scripts.items()}


def python_process(script: str, env: Mapping[str, str]) -> None:
    """One interpreter, from start to end."""
    subprocess.run([sys.executable, "-c", script], env=env, check=True)


def measure(works: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """Seconds of each tool's best round. A generator prepares up to its ``yield``; only what follows is timed."""
    times: dict[str, list[float]] = {tool: [] for tool in works}
    for round_ in range(rounds + 1):
        for tool, work in works.items():
            begun = time.perf_counter()
            prepared = work(round_)
            if isinstance(prepared, Iterator):
                next(prepared)
                begun = time.perf_counter()
                next(prepared, None)
            times[tool].append(time.perf_counter() - begun)
    return {tool: min(values[1:]) for tool, values in times.items()}  # the first warms caches


def cell(tool: str, times: Mapping[str, float]) -> str:
    """Milliseconds, and times as long as the git program as we use it."""
    return f"{times[tool] * 1000:.1f} ms ({times[tool] / times['git']:.1f}x)" if tool in times else "-"


def facts() -> str:
    """The machine and the versions."""
    git = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.split()[2]
    model = next((line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return (
        f"{platform.system()} {platform.release()}, {model or platform.machine()}, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, git {git}, "
        f"dulwich {version('dulwich')}, GitPython {version('gitpython')}"
    )


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="provisioning-bench-") as name:
        folder = Path(name)
        (folder / ".gitconfig").write_text("[user]\n\tname = Bench\n\temail = bench@example.org\n")
        # bytecode is kept, as it is for an installed program
        env = {"PATH": os.environ["PATH"], "HOME": name, "GIT_CONFIG_NOSYSTEM": "1", "PYTHONPYCACHEPREFIX": str(folder / "pyc")}
        env |= {key: os.environ[key] for key in ("PYTHONPATH",) if key in os.environ}
        place = Place(folder, env)
        operations: Mapping[str, Mapping[str, Work]] = {
            "process that reads 20 blobs": starts(place),
            f"open, read {READ:,} blobs": reads(place),
            f"list {REFS} refs": refs(place),
            "commit that changes 1 file": commits(place, 1),
            "commit that changes 100 files": commits(place, 100),
            "compare-and-swap push, file remote": pushes(place),
        }
        print(facts())
        print(f"\n| operation | {' | '.join(TOOLS)} |\n|---|{'---|' * len(TOOLS)}")
        for operation, works in operations.items():
            times = measure(works, rounds)
            print(f"| {operation} | {' | '.join(cell(tool, times) for tool in TOOLS)} |", flush=True)
        (bare,) = measure({"git": lambda _: python_process("pass", env)}, rounds).values()
        print(f"\n`python -c pass`: {bare * 1000:.1f} ms; best of {rounds} rounds")
        place.repository.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
