"""The main job, for real, in a temporary folder: every command shown is run, every output is what it printed.

A bare Git repository is the remote. Three servers are folders of this machine with processes of their own; the services of
a small web shop really listen on 127.0.0.1. At the end, and on Ctrl-C, all of it is taken down and that is checked.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from types import FrameType
from urllib.request import ProxyHandler, Request, build_opener

BIN = Path(sys.executable).parent
MAIN = "infra/shop/main.yaml"
DIRECT = build_opener(ProxyHandler({}))


class StoryError(Exception):
    """A command ended otherwise than the story says."""


class Stage:
    """The folder all happens in, and the narration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.remote, self.repo, self.state = folder / "remote.git", folder / "estate", folder / "state"
        self.chapter = 0
        self.bold, self.plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() and "NO_COLOR" not in os.environ else ("", "")
        home = folder / "home"
        home.mkdir()
        (home / ".gitconfig").write_text("[user]\n\tname = Demo\n\temail = demo@example.org\n[init]\n\tdefaultBranch = main\n")
        kept = {k: v for k, v in os.environ.items() if k in ("LANG", "TERM", "NO_COLOR", "COLUMNS", "TMPDIR")}
        own = {"HOME": home, "XDG_STATE_HOME": self.state, "XDG_CACHE_HOME": folder / "cache", "GIT_PAGER": "cat"}
        self.env = {**kept, **{k: str(v) for k, v in own.items()}, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    def tell(self, text: str) -> None:
        """Begin a chapter."""
        self.chapter += 1
        print(f"\n{self.bold}{self.chapter}. {text}{self.plain}", flush=True)

    def do(self, command: str, ends: int = 0, cwd: Path | None = None) -> None:
        """Show a command, run it on this very terminal, and hold it to its exit code."""
        print(f"\n{self.bold}$ {command}{self.plain}", flush=True)
        code = self.wait(shlex.split(command), cwd or self.repo)
        if code != ends:
            raise StoryError(f"'{command}' ended with {code}, not {ends}")
        if ends:
            print(f"(exit code {ends})")

    def wait(self, argv: Sequence[str], cwd: Path, quiet: bool = False) -> int:
        """Run to the end. On Ctrl-C the command got it too: let it finish what it must before we go on."""
        sink = subprocess.DEVNULL if quiet else None
        process = subprocess.Popen(argv, cwd=cwd, env=self.env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
        try:
            return process.wait()
        except KeyboardInterrupt:
            try:
                process.wait(timeout=30)
            finally:
                process.kill()
            raise

    def read(self, *argv: str) -> str:
        """A command's standard output, for the story itself."""
        return subprocess.run(argv, cwd=self.repo, env=self.env, check=True, capture_output=True, text=True).stdout

    def edit(self, old: str, new: str, message: str) -> None:
        """Change the declaration, commit and push it."""
        path = self.repo / MAIN
        text = path.read_text()
        if old not in text:
            raise StoryError(f"{MAIN} does not hold '{old}'")
        path.write_text(text.replace(old, new, 1))
        self.do("git diff --unified=0 --no-color")
        self.do(f"git commit --quiet --all --message {shlex.quote(message)}")
        self.do("git push --quiet origin main")

    def url(self) -> str:
        """Where the shop answers."""
        return self.read("provisioning", "output", "-i", "shop", "taskserv/web-01/proxy.url").strip()

    def visit(self, path: str = "/", **form: str) -> None:
        """Be a customer."""
        body = "&".join(f"{k}={v}" for k, v in form.items()).encode() or None
        url = self.url() + path
        with DIRECT.open(Request(url, data=body), timeout=10) as answer:  # noqa: S310  # an http address of ours
            text = answer.read().decode()
        title = unescape(text.partition("<title>")[2].partition("</title>")[0])
        print(f"\n{'POST' if body else 'GET'} {url}\n{answer.status} {title or text.strip()} ({answer.headers['X-Served-By']})")

    def processes(self) -> dict[int, str]:
        """Live processes of the servers, by pid: inits and services."""
        files = [*self.state.rglob("servers/*/states/*.json"), *self.state.rglob("servers/*/run/init")]
        pids = {int(json.loads(f.read_text() or "{}").get("pid") or 0): str(f) for f in files}
        return {pid: name for pid, name in pids.items() if pid and alive(pid)}


def alive(pid: int) -> bool:
    """Whether a process is there; one that has ended and that nobody has asked about yet is not."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return state.strip()[:1] not in ("", "Z")


def story(stage: Stage) -> None:
    """The main job."""
    stage.tell("A remote and a state repository")
    stage.do(f"git init --quiet --bare --initial-branch=main {stage.remote}", cwd=stage.folder)
    stage.do(f"provisioning init estate --remote {stage.remote}", cwd=stage.folder)
    stage.do("provisioning validate")

    stage.tell("Declared in Git, planned, applied under a lock that is in Git too")
    stage.do("provisioning plan -i shop")
    stage.do("provisioning apply -i shop --yes")
    stage.visit("/")
    stage.visit("/buy", sku="mug")

    stage.tell("What happened is in Git, and nowhere else")
    stage.do(f"git -C {stage.remote} log --oneline -8 provisioning/ledger/shop")
    stage.do(f"git -C {stage.remote} show provisioning/ledger/shop:state/server/web-01.json")
    stage.do("provisioning audit log -i shop")
    stage.do("provisioning audit verify -i shop")

    stage.tell("An edit")
    stage.edit("title: Paper & Ink", "title: Paper, Ink & Wax", "A new name over the door")
    stage.do("provisioning plan -i shop")
    stage.do("provisioning apply -i shop --yes")
    stage.visit("/")
    stage.do("provisioning plan -i shop --detailed-exitcode")

    stage.tell("A frozen snapshot")
    stage.do("provisioning workspace freeze -i shop --version 1.0.0")
    stage.do("provisioning snapshot list")

    stage.tell("Drift: a process dies")
    pid = next(pid for pid, name in stage.processes().items() if "web-02" in name and "storefront" in name)
    stage.do(f"kill -9 {pid}")
    stage.do("provisioning drift -i shop --detailed-exitcode", ends=6)
    stage.do("provisioning apply -i shop --refresh --yes")
    stage.do("provisioning drift -i shop --detailed-exitcode")

    stage.tell("A bad change: it fails its health check, the run stops and says so, and a rollback brings the shop back")
    stage.edit("${taskserv/db-01/database.url}", "http://127.0.0.1:9", "A database that is not there")
    stage.do("provisioning apply -i shop --yes", ends=1)
    stage.do("provisioning rollback -i shop --to-snapshot 1.0.0 --yes")
    stage.visit("/")
    stage.do("provisioning plan -i shop")
    stage.do("git revert --no-edit HEAD")
    stage.do("git push --quiet origin main")
    stage.do("provisioning deploy -i shop --yes")
    stage.do("provisioning plan -i shop --detailed-exitcode")


def take_down(stage: Stage) -> list[str]:
    """Remove everything that was made; returns what was left and had to be ended by force."""
    running = stage.processes()
    if stage.repo.is_dir() and (running or any(stage.state.rglob("servers/*"))):
        stage.tell("Everything removed")
        command = "provisioning apply -i shop --destroy --yes"
        print(f"\n{stage.bold}$ {command}{stage.plain}", flush=True)
        stage.wait(shlex.split(command), stage.repo)
    left = [name for pid, name in running.items() if alive(pid)]
    for pid in running:
        if alive(pid):
            os.kill(pid, signal.SIGKILL)
    left += [str(path) for path in stage.state.rglob("servers/*")]
    shutil.rmtree(stage.folder, ignore_errors=True)
    left += [str(stage.folder)] if stage.folder.exists() else []
    if not left:
        print(f"\nNothing left: {len(running)} processes ended, no server folder, {stage.folder} removed.")
    return left


def main() -> int:
    """Tell the story, then clean up whatever happened."""
    begun = time.monotonic()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    stage = Stage(Path(tempfile.mkdtemp(prefix="provisioning-demo-")).resolve())
    code = 0
    try:
        story(stage)
    except KeyboardInterrupt:
        print("\ninterrupted: taking everything down", file=sys.stderr)
        code = 130
    except Exception as error:
        print(f"\nerror: {error}", file=sys.stderr)
        code = 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        left = take_down(stage)
    if left:
        print("error: left behind and removed by force:", *left, sep="\n  ", file=sys.stderr)
        return 1
    print(f"{time.monotonic() - begun:.0f} seconds.")
    return code


if __name__ == "__main__":
    sys.exit(main())
