"""The init of a process server: one small process per server that starts, watches and ends its services.

It is run by file path (``python -I -S init.py FOLDER``), so it must stay free of imports beyond the standard library.
It is told what to do by files and tells what is by files; a byte in the FIFO ``run/wake`` only means "look":

    power                     "on" or "off"
    services/<name>.json      wanted: {argv, env, cwd, generation, mark}            written by the machine
    states/<name>.json        what is: {state, generation, pid, start, mark, code, error}    written here
    root/                     where services run; their output is root/var/log/<name>.log

Rules. A service stays in the foreground. One that dies stays dead until it is asked for again (a new generation) or the
server boots: drift is to be seen and repaired by a plan, not hidden. A child writes down its own pid and start time
before it becomes the service, so whatever moment this process is killed at, its successor finds each one and takes it
over: nothing runs twice. Everything ends with the server: power off, or the folder being gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import sys
import time

TYPE_CHECKING = False  # the same constant as in typing, without importing it
if TYPE_CHECKING:
    from typing import Any

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
TICK = 5.0
"""Seconds between looks at the size of the logs, and whether the folder is still there."""
ADOPTED_TICK = 0.5
"""Seconds between looks at services started by a predecessor: their end sends no signal to us."""
LOG_BYTES = 1 << 20
"""A log that grew beyond this is cut; its last part is kept beside it as ``<name>.log.1``."""
WAKE = "run/wake"
LOCK = "run/init"


# --- who a process is: a pid alone may by now be somebody else's ------------------------------------------


def start_time(pid: int) -> str:
    """When ``pid`` was started, in the system's own words; "" when there is no such process or it is a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return "" if os.path.isdir("/proc/self") else _start_time_of_ps(pid)
    return "" if fields[0] in b"ZX" else f"{_boot()}:{fields[19].decode()}"


def _boot() -> str:
    """Ticks since boot mean nothing after the next boot."""
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def _start_time_of_ps(pid: int) -> str:
    import subprocess

    argv = ["/bin/ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, env={"LC_ALL": "C"}, check=False)
    state, _, started = done.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


def alive(pid: int, start: str) -> bool:
    """Whether the process that was ``pid`` at ``start`` still runs."""
    return pid > 0 and start != "" and start_time(pid) == start


def marked(mark: str) -> list[int]:
    """Processes whose environment holds the line ``mark``, this one not among them (Linux; elsewhere none are found)."""
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if not name.isdigit() or int(name) == os.getpid():
            continue
        # one that cannot be read ended meanwhile, or is somebody else's
        with contextlib.suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
            if mark.encode() in file.read().split(b"\0"):
                found.append(int(name))
    return found


def kill_marked(mark: str) -> None:
    """End what still carries ``mark``."""
    for pid in marked(mark) if mark else ():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def kill_group(pid: int, number: int) -> None:
    """Signal what is left of the process group ``pid``."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


# --- files ------------------------------------------------------------------------------------------------


def read_json(path: str) -> dict[str, Any]:
    """The object in a file; empty when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
    except FileNotFoundError:
        return {}
    return value if isinstance(value, dict) else {}


def write_file(path: str, content: bytes, mode: int = 0o600) -> None:
    """Replace a file in one go: a reader sees the old content or the new."""
    temporary = f"{path}.{os.getpid()}-{os.urandom(4).hex()}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
        os.replace(temporary, path)
    except BaseException:
        unlink(temporary)
        raise


def write_json(path: str, value: dict[str, Any]) -> None:
    """Replace a file with an object."""
    write_file(path, json.dumps(value, sort_keys=True).encode() + b"\n")


def unlink(path: str) -> None:
    """Remove a file that may be gone already."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def names(folder: str) -> list[str]:
    """The stems of the JSON files in a folder."""
    return sorted(n.removesuffix(".json") for n in os.listdir(folder) if n.endswith(".json"))


# --- services ---------------------------------------------------------------------------------------------


class Service:
    """One service: what it is now, and the process that is it (pid 0: none)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pid = 0
        self.start = ""
        self.generation = ""
        self.mark = ""
        """The environment line that all of its processes carry: says whose they are when the leader is gone."""
        self.adopted = False
        self.stopping = False
        self.deadline = 0.0

    @property
    def path(self) -> str:
        return f"states/{self.name}.json"

    @property
    def log(self) -> str:
        return f"root/var/log/{self.name}.log"

    def write(self, state: str, code: int | None = None, error: str = "") -> None:
        value = {"state": state, "generation": self.generation, "pid": self.pid, "start": self.start}
        with contextlib.suppress(FileNotFoundError):  # the whole folder is gone
            write_json(self.path, {**value, "mark": self.mark, "code": code, "error": error})

    def take_over(self) -> None:
        """Adopt what a predecessor started if it still runs, else end what it left behind."""
        known = read_json(self.path)
        pid, start = int(known.get("pid") or 0), str(known.get("start") or "")
        self.mark = str(known.get("mark") or "")
        if alive(pid, start):
            self.pid, self.start, self.generation, self.adopted = pid, start, str(known["generation"]), True
            self.write("running")
        else:
            kill_marked(self.mark)

    def spawn(self, wanted: dict[str, Any]) -> None:
        """Fork, note down who the child is, become the service."""
        self.generation, self.mark, self.adopted, self.stopping = wanted["generation"], wanted["mark"], False, False
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self._become(wanted)
            except BaseException as error:
                os.write(writing, str(error).encode()[:4000] or b"it could not be run")
            finally:
                os._exit(127)
        os.close(writing)
        why = os.read(reading, 4096).decode(errors="replace")  # nothing: exec closed it
        os.close(reading)
        if why:
            os.waitpid(self.pid, 0)
            self.pid = 0
            self.write("failed", 127, why)
            return
        self.start = start_time(self.pid)
        self.write("running")

    def _become(self, wanted: dict[str, Any]) -> None:
        os.setsid()
        self.pid = os.getpid()
        self.start = start_time(self.pid)
        self.write("starting")
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(os.path.join("root", wanted["cwd"]))
        os.execvpe(wanted["argv"][0], wanted["argv"], wanted["env"])  # noqa: S606

    def stop(self) -> None:
        """Ask it to end; called again after the grace, insist."""
        if not self.stopping or time.monotonic() >= self.deadline:
            kill_group(self.pid, signal.SIGKILL if self.stopping else signal.SIGTERM)
            self.stopping, self.deadline = True, time.monotonic() + GRACE

    def look(self) -> None:
        """Notice that it ended: with it ends what is left of its group, before its pid may belong to anybody else."""
        if self.pid == 0 or alive(self.pid, self.start):
            return
        code: int | None = None
        if not self.adopted:
            kill_group(self.pid, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        else:
            kill_marked(self.mark)
        asked, self.pid, self.start, self.stopping = self.stopping, 0, "", False
        self.write("stopped" if asked else "failed", code)

    def cut_log(self) -> None:
        """Keep the log small. It is copied and emptied in place, so the service may keep it open (it appends)."""
        try:
            descriptor = os.open(self.log, os.O_RDWR)
        except FileNotFoundError:
            return
        with os.fdopen(descriptor, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size > LOG_BYTES:
                file.seek(size - LOG_BYTES)
                write_file(f"{self.log}.1", file.read(LOG_BYTES))
                file.truncate(0)

    def forget(self) -> None:
        for path in (self.path, self.log, f"{self.log}.1"):
            unlink(path)


class Init:
    """All services of one server; the working directory is the server's folder."""

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}
        self.ending = False
        for name in names("states"):
            self.services[name] = Service(name)
            self.services[name].take_over()

    def reconcile(self) -> None:
        """One step from what is towards what is wanted. Called again whenever something may have changed."""
        wanted = self._wanted()
        for name in wanted.keys() - self.services.keys():
            self.services[name] = Service(name)
        for name, service in list(self.services.items()):
            service.look()
            spec = wanted.get(name)
            if service.pid:
                if spec is None or spec["generation"] != service.generation:
                    service.stop()
            elif spec is not None:
                if spec["generation"] != service.generation:
                    service.spawn(spec)
            elif not self.ending and not os.path.exists(f"services/{name}.json"):
                service.forget()
                del self.services[name]

    def _wanted(self) -> dict[str, dict[str, Any]]:
        """What is to run by name; nothing once the server is off, or its folder is gone."""
        try:
            with open("power", encoding="ascii") as file:
                self.ending = self.ending or file.read().strip() != "on"
            specs = {} if self.ending else {name: read_json(f"services/{name}.json") for name in names("services")}
            return {name: spec for name, spec in specs.items() if spec}
        except FileNotFoundError:
            self.ending = True
            return {}

    @property
    def running(self) -> bool:
        return any(s.pid for s in self.services.values())

    def pause(self) -> float:
        """Seconds until something is due by itself."""
        due = [TICK]
        due += [ADOPTED_TICK for s in self.services.values() if s.adopted and s.pid]
        due += [max(0.0, s.deadline - time.monotonic()) for s in self.services.values() if s.stopping]
        return min(due)


def awake(folder: str = ".") -> bool:
    """Whether the server in ``folder`` has an init that listens; tells it to look."""
    try:
        descriptor = os.open(f"{folder}/{WAKE}", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        with contextlib.suppress(BlockingIOError):  # full of wake-ups already
            os.write(descriptor, b".")
        return True
    except BrokenPipeError:
        return False  # it has just begun to end
    finally:
        os.close(descriptor)


def serve(ready: int) -> None:
    """Until the server is off. ``ready`` is written to once all that is wanted was started."""
    sleeping, waking = os.pipe()
    os.set_blocking(sleeping, False)
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    fifo = os.open(WAKE, os.O_RDWR | os.O_NONBLOCK)
    init = Init()

    def end(*_: object) -> None:
        init.ending = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    looked = time.monotonic()
    listening = [sleeping, fifo]
    while True:
        init.reconcile()
        if ready:
            os.write(ready, b"r")
            os.close(ready)
            ready = 0
        if init.ending and fifo in listening:
            listening.remove(fifo)
            os.close(fifo)  # from now on nobody is told that there is an init
        if init.ending and not init.running:
            return
        for descriptor in select.select(listening, [], [], init.pause())[0]:
            os.read(descriptor, 4096)
        if time.monotonic() - looked >= TICK:
            looked = time.monotonic()
            for service in init.services.values():
                service.cut_log()


def sole(patience: float) -> bool:
    """Take the lock that makes this the only init, waiting for one that is about to end; false when another serves."""
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if awake():
                return False
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps({"pid": os.getpid(), "start": start_time(os.getpid())}).encode(), 0)
    return True


def main(folder: str) -> None:
    """Become the init of the server in ``folder``, detached; return when it is ready, or when there is one already."""
    os.chdir(folder)
    os.umask(0o077)
    waiting, ready = os.pipe()
    if os.fork():
        os.close(ready)
        os._exit(0 if os.read(waiting, 1) else 1)
    os.close(waiting)
    os.setsid()
    if sole(2 * GRACE):
        serve(ready)
    else:
        os.write(ready, b"r")


if __name__ == "__main__":
    main(sys.argv[1])
