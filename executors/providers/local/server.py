"""A process server seen from outside: its folder, its power, its ports. The inside is ``init``.

tag.json     who owns it (see ``folders``)      services/, states/   what is to run, what runs
power        on | off                           ports/<name>         the port given to a name
run/         lock, wake-up FIFO and log of init root/                where commands and services work
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from executors.ports import Broken, Retry
from executors.providers.local import init

ADDRESS = "127.0.0.1"
PORTS = range(20000, 30000)
"""Below the ports that Linux (32768) and macOS (49152) give to outgoing connections, and below Kubernetes' node ports."""
BOOT_SECONDS = 15.0
"""An init that is asked to end needs up to two graces before the next may begin."""


class ProcessServer:
    """One server. ``world`` holds all servers of the workspace, ``folder`` this one, ``id`` is its ownership tag's."""

    def __init__(self, world: Path, folder: Path, id: str) -> None:
        self.world = world
        self.folder = folder
        self.root = folder / "root"
        self.mark = f"PROVISIONING_SERVER={id}"
        """A line in the environment of everything that runs here."""

    @staticmethod
    def lay_out(folder: Path) -> None:
        """Fill a new folder: a server that is off."""
        for name in ("run", "services", "states", "ports", "root", "root/bin", "root/tmp", "root/var", "root/var/log"):
            (folder / name).mkdir(mode=0o700)
        os.mkfifo(folder / init.WAKE, 0o600)
        init.write_file(f"{folder}/power", b"off\n")

    # --- power -------------------------------------------------------------------------------------------

    def wanted(self) -> str:
        """``on`` or ``off``, as it was last asked for."""
        return (self.folder / "power").read_text("ascii").strip()

    def power(self) -> str:
        """``on`` while there is an init to talk to."""
        return "on" if init.awake(str(self.folder)) else "off"

    def switch_on(self) -> None:
        """Boot, and have every service that is wanted running; on already is fine. Raises ``Retry``."""
        python = self.root / "bin/python3"
        interpreter: str = getattr(sys, "_base_executable", sys.executable)  # an environment may be deleted, its base stays
        if not python.is_symlink() or str(python.readlink()) != interpreter:
            python.unlink(missing_ok=True)
            python.symlink_to(interpreter)
        init.write_file(f"{self.folder}/power", b"on\n")
        self.boot()

    def boot(self) -> None:
        """Have an init, which takes over what a dead one left."""
        deadline = time.monotonic() + BOOT_SECONDS
        while not (init.awake(str(self.folder)) and self._init_lives()):
            if time.monotonic() > deadline:
                raise Retry(f"the server in {self.folder} does not come up")
            self._spawn_init()

    def _spawn_init(self) -> None:
        argv = [sys.executable, "-I", "-S", init.__file__, str(self.folder)]
        environ = dict([self.mark.split("=", 1)])
        with (self.folder / "run/init.log").open("ab") as log:
            try:
                done = subprocess.run(
                    argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, timeout=BOOT_SECONDS, check=False
                )
            except subprocess.TimeoutExpired:
                raise Retry(f"the server in {self.folder} does not come up") from None
        if done.returncode != 0:
            raise Broken(f"the init of the server in {self.folder} ends at once; see {self.folder}/run/init.log")

    def _init_lives(self) -> bool:
        known = init.read_json(f"{self.folder}/{init.LOCK}")
        return init.alive(int(known.get("pid", 0)), str(known.get("start", "")))

    def switch_off(self) -> None:
        """End every service and the init, by force where asking does not help; off already is fine."""
        init.write_file(f"{self.folder}/power", b"off\n")
        if not init.awake(str(self.folder)) and not self._init_lives() and self._leaders():
            with contextlib.suppress(Retry, Broken):  # a dead init's services deserve to be asked first, by a new one
                self._spawn_init()
        until(lambda: not self._init_lives(), 2 * init.GRACE)
        self._sweep()

    def reboot(self) -> None:
        """Off, then on."""
        self.switch_off()
        self.switch_on()

    def _leaders(self) -> list[int]:
        """The processes that are recorded as services, or as init, and are alive."""
        files = [f"{self.folder}/states/{name}.json" for name in init.names(f"{self.folder}/states")]
        known = [init.read_json(f) for f in (*files, f"{self.folder}/{init.LOCK}")]
        pairs = [(int(k.get("pid") or 0), str(k.get("start") or "")) for k in known]
        return [pid for pid, start in pairs if init.alive(pid, start)]

    def _sweep(self) -> None:
        """Kill what is left: the last resort, and scripts that left something running."""

        def clean() -> bool:
            leaders = self._leaders()
            for pid in leaders:
                init.kill_group(pid, signal.SIGKILL)
            marked = init.marked(self.mark)
            init.kill_marked(self.mark)
            return not leaders and not marked

        if not until(clean, init.GRACE):
            raise Retry(f"processes of the server in {self.folder} do not end")

    # --- ports -------------------------------------------------------------------------------------------

    def port(self, name: str) -> int:
        """A free port that ``name`` keeps. A claim is a file, so no two servers of a workspace are given the same."""
        given = self.folder / "ports" / name
        if given.exists():
            return int(given.read_text("ascii"))
        claims = self._claims()
        claims.mkdir(mode=0o700, exist_ok=True)
        first: int = int.from_bytes(os.urandom(2), "big") % len(PORTS)
        candidates: tuple[int, ...] = (*PORTS[first:], *PORTS[:first])
        for number in candidates:
            if self._claim(claims / str(number)):
                if _is_free(number):
                    init.write_file(str(given), str(number).encode())
                    return number
                (claims / str(number)).unlink()
        raise Retry(f"all ports from {PORTS[0]} to {PORTS[-1]} are taken")

    def _claims(self) -> Path:
        return self.world / ".ports"

    def _claim(self, claim: Path) -> bool:
        try:
            with claim.open("x", encoding="utf-8") as file:
                file.write(str(self.folder))
        except FileExistsError:
            return False
        return True

    def release_ports(self) -> None:
        """Give all ports back."""
        for given in (self.folder / "ports").iterdir():
            (self._claims() / given.read_text("ascii")).unlink(missing_ok=True)
            given.unlink()
        with contextlib.suppress(OSError):
            self._claims().rmdir()

    # --- volumes -----------------------------------------------------------------------------------------

    def mount(self, path: str, volume: Path) -> None:
        """Have ``path`` below the root lead to ``volume``. Raises ``Broken`` when something else is there."""
        link = self._link(path)
        if link.is_symlink() and link.readlink() == volume:
            return
        self.unmount(path)
        link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if link.exists():
            raise Broken(f"a volume cannot be mounted at '{path}': something is there already")
        link.symlink_to(volume)

    def unmount(self, path: str) -> None:
        """The reverse; nothing mounted there is fine."""
        link = self._link(path)
        if link.is_symlink():
            link.unlink()

    def _link(self, path: str) -> Path:
        if not path or ".." in path.split("/"):
            raise Broken(f"a volume cannot be mounted at '{path}'")
        return self.root / path


def until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether ``condition`` came true in time. Looks often at first, then every 50 ms."""
    deadline, pause = time.monotonic() + seconds, 0.002
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    return True


def _is_free(number: int) -> bool:
    """Whether nobody listens on a port, as far as binding it tells."""
    with socket.socket() as probe:
        try:
            probe.bind((ADDRESS, number))
        except OSError:
            return False
    return True


def remove_tree(folder: Path) -> None:
    """Remove a folder whatever its modes; links in it are removed, not followed."""
    folder.chmod(0o700)
    for path, names, _ in os.walk(folder):
        for name in names:
            below = Path(path, name)
            if not below.is_symlink():
                below.chmod(0o700)
    shutil.rmtree(folder)
