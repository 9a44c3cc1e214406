"""An estate on disk with a real remote, the program run by ``driver.py``, and the proof that nothing was lost or doubled."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
from git_servers import bare

import gitops

DRIVER = Path(__file__).parent / "driver.py"
CODE = str(Path(gitops.__file__).parents[1])
"""The very program that these tests import, the wheel's or the checkout's."""
LIMIT = 100.0
"""Seconds any run may take."""
LEDGER = "refs/heads/provisioning/ledger/shop"

BEFORE = """\
settings: {provider: fake}
networks: {private: {cidr: 10.0.0.0/24}}
servers:
  web-01: {cpu_cores: 2, networks: [private]}
  web-02: {image: debian-12, networks: [private]}
  db-01: {networks: [private]}
"""
AFTER = """\
settings: {provider: fake}
networks: {private: {cidr: 10.0.0.0/24}}
servers:
  web-01: {cpu_cores: 4, networks: [private]}
  web-02: {image: debian-13, networks: [private]}
  api-01: {networks: [private], taskservs: [tool]}
"""
"""From ``BEFORE`` to here: create, update, replace, delete, and a taskserv on what was created."""
APPLY = ("apply", "--yes", "--allow-deletes", "2", "--lock-timeout", "2m")
HASTY = "{lease_seconds: 9, grace_seconds: 0, flush_seconds: 1}"
"""Timing with which a remote is given up after 3 s and a silent holder after 11 s."""
TOOL = {
    "extensions/taskservs/tool/manifest.yaml": "name: tool\nversion: 1.0.0\nscripts: {install: install}\n",
    "extensions/taskservs/tool/scripts/install": "#!/bin/sh\n",
}
BEGUN = ("network/private", "server/db-01", "server/web-01", "server/web-02")
DECLARED = ("network/private", "server/api-01", "server/web-01", "server/web-02", "taskserv/api-01/tool")
EFFECTS = sorted(
    (*BEGUN, "server/api-01", "server/db-01", "server/web-01", "server/web-02", "server/web-02", "taskserv/api-01/tool")
)
"""Addresses of all operations of both applies; a replacement is two."""


@dataclass(frozen=True)
class Ran:
    """How a command ended: exit code, minus the signal that killed it, or ``None`` when it never came to its end."""

    code: int | None
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as a document."""
        return json.loads(self.out)


@dataclass
class Running:
    """A fork of the driver."""

    driver: Driver
    pid: int
    folder: Path
    commands: Sequence[Sequence[str]]
    trace: Path
    code: int = 0

    def wait(self, seconds: float = LIMIT) -> list[Ran]:
        """Every command's end. The last one's code is that of the process."""
        code = self.driver.ask({"wait": self.pid, "seconds": seconds})
        assert code is not None, f"{self.commands} did not end: {self.read('0.err')}"
        self.code = code
        ran = [Ran(self._code(n), self.read(f"{n}.out"), self.read(f"{n}.err")) for n in range(len(self.commands))]
        assert not [r.err for r in ran if "Traceback" in r.err or "a bug in provisioning" in r.err]
        return ran

    def _code(self, number: int) -> int | None:
        return int(text) if (text := self.read(f"{number}.code")) else None

    def until(self, there: Callable[[], bool], seconds: float = LIMIT) -> bool:
        """Whether something is ``there`` before the process ends."""
        for _ in range(int(seconds * 20)):
            if there():
                return True
            if self.driver.ask({"wait": self.pid, "seconds": 0.05}) is not None:
                return there()
        raise AssertionError(f"neither happened: {self.read('0.err')}")

    def kill(self, number: int = signal.SIGKILL, children: bool = False) -> None:
        """Signal the process; with ``children`` what it has started (each in a process group of its own) goes first."""
        for child in started_by(self.pid) if children else ():
            with suppress(ProcessLookupError):
                os.killpg(child, number)
        os.kill(self.pid, number)

    def read(self, name: str) -> str:
        """What is in one of its files by now."""
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    @property
    def passed(self) -> list[tuple[str, str]]:
        """The boundaries passed, each with what it was about."""
        return [(name, about) for _, name, about in (line.split(" ", 2) for line in self.trace.read_text().splitlines())]


def started_by(pid: int) -> list[int]:
    """The children of a process, of all its threads."""
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


class Driver:
    """The fork server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = count(1)
        code = {"PYTHONPATH": CODE, "PATH": os.environ["PATH"]}
        self._process = subprocess.Popen(
            [sys.executable, str(DRIVER), "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=code, text=True
        )

    def ask(self, request: Mapping[str, Any]) -> Any:
        """One request, one answer."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def start(self, cwd: Path, env: Mapping[str, str], commands: Sequence[Sequence[str]], **how: Any) -> Running:
        """Run ``commands`` one after the other in one process. ``how``: ``faults`` of the first one, ``elsewhere``."""
        folder = self.folder / str(next(self._count))
        folder.mkdir()
        trace = folder / "trace"
        request = {"cwd": str(cwd), "env": dict(env), "commands": commands, "out": str(folder), "trace": str(trace)}
        pid = self.ask({"start": {"faults": "", "elsewhere": False, **request, **how}})
        return Running(self, pid, folder, commands, trace)

    def settle(self) -> None:
        """What killed runs left running ends first."""
        assert self.ask({"left": LIMIT}), "something that a killed run started did not end"

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=LIMIT)


@dataclass
class Estate:
    """One remote at ``site``, a home, and the clones ``one`` and ``two`` of a workspace with the infra ``shop``.

    ``keep`` remembers everything as it is on disk, ``restore`` brings it back.
    """

    APPLY: ClassVar = APPLY

    driver: Driver
    base: Path
    url: str
    site: Path
    environ: Mapping[str, str]
    numbers: Iterator[int] = field(default_factory=lambda: count(3))

    @property
    def one(self) -> Path:
        return self.base / "one"

    @property
    def two(self) -> Path:
        return self.base / "two"

    @property
    def near(self) -> Path:
        """A clone of the folder that the remote is: to look at it without the detour over the network."""
        return self.base / "near"

    @property
    def home(self) -> Path:
        return self.base / "home"

    @property
    def state(self) -> Path:
        """Where the world of the provider is."""
        return self.base / "state"

    @property
    def env(self) -> dict[str, str]:
        own = {"HOME": str(self.home), "XDG_STATE_HOME": str(self.state), "XDG_CACHE_HOME": str(self.home / "cache")}
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **own, **self.environ}

    # --- making it ---------------------------------------------------------------------------------------

    def make(self, ledger: str = "") -> None:
        """Workspace, ``BEFORE`` applied, ``AFTER`` declared and pushed. ``ledger``: its timing in ``workspace.yaml``."""
        self.home.mkdir(parents=True)
        (self.home / ".gitconfig").write_text(
            "[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n\ttemplateDir =\n"
        )
        self.run("init", str(self.one), "--empty", "--remote", self.url, cwd=self.home)
        if ledger:
            text = (self.one / "workspace.yaml").read_text()
            (self.one / "workspace.yaml").write_text(text[: text.index("ledger:")] + f"ledger: {ledger}\n")
        self.declare(BEFORE)
        self.run("apply", "--yes")
        self.declare(AFTER)
        self.git("clone", "--quiet", self.url, str(self.two), cwd=self.home)
        self.git("clone", "--quiet", str(self.site), str(self.near), cwd=self.home)

    def declare(self, text: str) -> None:
        """Commit and push a declaration of the infra."""
        for path, content in {**TOOL, "infra/shop/main.yaml": text}.items():
            (self.one / path).parent.mkdir(parents=True, exist_ok=True)
            (self.one / path).write_text(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "declare")
        self.git("push", "--quiet", "origin", "HEAD")

    def keep(self) -> None:
        """Remember."""
        for path in (self.base, self.site):
            shutil.copytree(path, f"{path}.kept", symlinks=True)

    def restore(self) -> None:
        """As remembered; what runs still is waited for."""
        self.driver.settle()
        for path in (self.base, self.site):
            shutil.rmtree(path)
            shutil.copytree(f"{path}.kept", path, symlinks=True)

    # --- acting ------------------------------------------------------------------------------------------

    def git(self, *argv: str, cwd: Path | None = None, code: int = 0, stdin: str = "") -> str:
        """Git as the person runs it."""
        how: dict[str, Any] = {"env": self.env, "input": stdin, "capture_output": True, "text": True, "timeout": LIMIT}
        done = subprocess.run(["git", *argv], cwd=cwd or self.one, check=False, **how)
        assert done.returncode == code, f"git {argv}: {done.stderr}"
        return done.stdout.strip()

    def remotely(self, *argv: str, **how: Any) -> str:
        """Git at the remote itself."""
        return self.git("--git-dir", str(self.site), *argv, cwd=self.home, **how)

    def start(self, *commands: Sequence[str], cwd: Path | None = None, **how: Any) -> Running:
        """Commands in one process, in clone ``one`` unless told otherwise."""
        return self.driver.start(cwd or self.one, {**self.env, **how.pop("env", {})}, commands, **how)

    def run(self, *argv: str, cwd: Path | None = None, code: int | None = 0, **how: Any) -> Ran:
        """One command to its end, which is ``code``."""
        ran = self.start(argv, cwd=cwd, **how).wait()[0]
        assert code is None or ran.code == code, f"{argv} ended with {ran.code}:\n{ran.out}\n{ran.err}"
        return ran

    def by_hand(self, *argv: str, **env: str) -> Ran:
        """The driver as a person runs it, in a process of its own with pipes."""
        env = {**self.env, "PYTHONPATH": CODE, **env}
        how: dict[str, Any] = {"cwd": self.one, "env": env, "capture_output": True, "text": True, "timeout": LIMIT}
        done = subprocess.run([sys.executable, str(DRIVER), *argv], check=False, **how)
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    def held(self, where: str, *argv: str, faults: str = "", **how: Any) -> Gate:
        """A run that stands at the boundary ``where`` until it is let go. ``faults``: what else happens."""
        path = self.base / f"hold-{next(self.numbers)}"
        return Gate(self.start(argv or APPLY, faults=f"hold={path}@{where},{faults}", **how), path).there()

    def hook(self, name: str, script: str) -> None:
        """A hook at the remote, run by a shell there; pushes are told apart by ``$n``, from 1."""
        file = self.site / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"#!/bin/sh\necho >> {name}.count; n=$(wc -l < {name}.count)\n{script}\n")
        file.chmod(0o755)

    def push_held(self, number: int, *argv: str, **how: Any) -> Gate:
        """A run whose push ``number`` stands at the server, before anything moves there."""
        path = self.base / f"hold-{next(self.numbers)}"
        wait = f"while [ ! -e {path}.go ] && [ -d {self.base} ]; do sleep 0.02; done"
        self.hook("pre-receive", f"if [ $n = {number} ]; then touch {path}.reached; {wait}; fi")
        return Gate(self.start(argv or APPLY, **how), path)

    # --- proving it --------------------------------------------------------------------------------------

    @property
    def tip(self) -> str:
        """The tip of the ledger at the remote."""
        return self.remotely("rev-parse", LEDGER)

    def documents(self, folder: str = "") -> list[Any]:
        """What lies in the ledger at the remote below ``folder``, by path."""
        ids = [row.split()[2] for row in self.remotely("ls-tree", "-r", LEDGER, *([folder] if folder else [])).splitlines()]
        # a document is one line
        lines = self.remotely("cat-file", "--batch", stdin="".join(f"{oid}\n" for oid in ids)).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def lock(self) -> Any:
        """``lock.json`` at the remote."""
        return self.documents("lock.json")[0]

    def running(self) -> list[str]:
        """Runs that the ledger calls unfinished."""
        return [run["id"] for run in self.documents("runs/") if run["status"] == "running"]

    def world(self) -> dict[str, str]:
        """What the provider has: id -> address."""
        there = [json.loads(path.read_bytes()) for path in self.state.glob("provisioning/*/shop/fake/*.json")]
        return {resource["id"]: resource["address"] for resource in there}

    def way_on(self, how: str = "resume") -> Sequence[str]:
        """What goes on with a run that was interrupted: ``resume`` it, or ``apply``."""
        runs = self.running()
        assert len(runs) <= 1
        return ("run", "resume", *runs, "--yes", "--lock-timeout", "2m") if runs and how == "resume" else APPLY

    def go_on(self, how: str = "resume", cwd: Path | None = None, once: bool = True) -> Running:
        """Go on from the other clone, whatever became of the first, and prove it.

        A push of the dead may still be on its way (``test_pushes`` is about that); here it lands, or fails, first.
        """
        self.driver.settle()
        return self.proved(self.start(self.way_on(how), cwd=cwd or self.two), once)

    def proved(self, running: Running, once: bool = True) -> Running:
        """Nothing lost, nothing doubled: the world is what is recorded is what is declared, and the ledger is sound.

        ``once``: every operation succeeded exactly once; not so where a step has failed, and is made up for by others.
        """
        ended = running.wait()[0]
        assert ended.code == 0, f"{ended.code}\n{ended.out}\n{ended.err}"
        plan, audit = self.start(("plan", "--detailed-exitcode"), ("audit", "verify"), cwd=self.near).wait()
        assert plan.code == 0, plan.out
        assert audit.code == 0 and "verified" in audit.out, audit.out
        recorded = self.documents("state/")
        assert {r["observed"]["id"]: r["address"] for r in recorded if "id" in r["observed"]} == self.world()
        assert sorted(r["address"] for r in recorded) == sorted(DECLARED), "something is there twice, or not at all"
        done = [e["address"] for e in self.documents("audit/") if e["status"] == "done" and e["op"]]
        assert not once or sorted(done) == EFFECTS, "an operation was done twice, or not at all"
        lock = self.lock()
        assert (lock["state"], lock["recover"]) == ("FREE", False), lock
        assert not self.documents("intents/")
        assert not self.running()
        return running


@dataclass
class Gate:
    """Something stands at a boundary, and says so in ``<path>.reached``, until ``<path>.go`` is there."""

    running: Running
    path: Path

    def there(self) -> Gate:
        """Once it has come there."""
        assert self.reached(), f"it did not come to its boundary: {self.running.read('0.err')}"
        return self

    def reached(self) -> bool:
        """Whether it comes there before the run ends."""
        return self.running.until(Path(f"{self.path}.reached").exists)

    def go(self) -> Gate:
        """Let it go on."""
        Path(f"{self.path}.go").touch()
        return self

    def end(self, code: int | None = 0) -> Ran:
        """Let it go on to its end."""
        ran = self.go().running.wait()[0]
        assert code is None or ran.code == code, f"ended with {ran.code}:\n{ran.out}\n{ran.err}"
        return ran


Make = Callable[..., Estate]


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """One fork server for this process."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("faults are injected on Linux: a dead process is known by /proc")
    made = Driver(tmp_path_factory.mktemp("runs"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def ssh_shared(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, str]]]:
    """Address and environment of the ssh server over one connection that all share, as a new one takes half a second."""
    sshd = request.getfixturevalue("sshd")
    environ, socket = sshd.client("writer"), sshd.folder / "shared"
    words = f"{environ['GIT_SSH_COMMAND']} -o ControlPath={socket}"
    target = ["-p", str(sshd.port), f"{sshd.user}@127.0.0.1"]
    subprocess.run([*words.split(), "-f", "-N", "-M", *target], check=True, stderr=subprocess.DEVNULL)
    yield f"ssh://{sshd.user}@127.0.0.1:{sshd.port}", {"GIT_SSH_COMMAND": words}
    subprocess.run([*words.split(), "-O", "exit", *target], check=False, capture_output=True)


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is one: a killed process loses nothing that it wrote, so no disk has to be waited for."""
    if not os.access("/dev/shm", os.W_OK):  # noqa: S108  # nothing there has a name that anybody could guess
        yield tmp_path_factory.mktemp("estates")
        return
    with TemporaryDirectory(dir="/dev/shm", prefix="faults-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def estate_at(driver: Driver, request: pytest.FixtureRequest, memory: Path) -> Make:
    """Makes an estate whose remote is reached over ``file``, ``ssh`` or ``https``."""
    names = (memory / f"{number}" for number in count(1))

    def make(transport: str, ledger: str = "", base: Path | None = None) -> Estate:
        folder = base or next(names)
        site, url, environ = folder / "shop.git", str(folder / "shop.git"), dict[str, str]()
        if transport == "ssh":
            address, environ = request.getfixturevalue("ssh_shared")
            url = f"{address}{site}"
        elif transport == "https":
            server = request.getfixturevalue("https_server")
            (server.root / f"faults-{folder.name}").symlink_to(folder)
            url, environ = f"{server.url}/faults-{folder.name}/shop.git", server.client("writer")
        made = Estate(driver, folder / "estate", url, bare(site), environ)
        made.make(ledger)
        return made

    return make


@pytest.fixture(scope="session")
def timing() -> str:
    """That of a hasty estate."""
    return HASTY


TRANSPORTS = ("file", pytest.param("ssh", marks=pytest.mark.real), pytest.param("https", marks=pytest.mark.real))


@pytest.fixture(scope="session", params=TRANSPORTS)
def kept(request: pytest.FixtureRequest, estate_at: Make) -> Estate:
    """One estate for each transport and test process, remembered as it was made."""
    made = estate_at(request.param)
    made.keep()
    return made


@pytest.fixture
def estate(kept: Estate) -> Estate:
    """An estate as new, over each transport in turn."""
    kept.restore()
    return kept


@pytest.fixture(scope="session", params=TRANSPORTS)
def kept_hasty(request: pytest.FixtureRequest, estate_at: Make) -> Estate:
    """The same with a short lease."""
    made = estate_at(request.param, HASTY)
    made.keep()
    return made


@pytest.fixture
def hasty(kept_hasty: Estate) -> Estate:
    """An estate as new whose lease is short, over each transport in turn."""
    kept_hasty.restore()
    return kept_hasty


@pytest.fixture(scope="session")
def kept_here(estate_at: Make) -> Estate:
    """One estate whose remote is a folder."""
    made = estate_at("file")
    made.keep()
    return made


@pytest.fixture
def here(kept_here: Estate) -> Estate:
    """An estate as new whose remote is a folder: for faults in which the transport plays no part."""
    kept_here.restore()
    return kept_here
