"""What running steps needs from the outside: providers, machines, clock, journal, fence and secrets.

Every port is small and synchronous; the runner owns the threads. Errors are six classes, each of which says
what the caller must do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Protocol

from planners.canonical import Json
from planners.catalog import ProviderSpec
from planners.dataclass import dataclass
from planners.model import EMPTY, Observation, RecordedResource
from planners.steps import Step


class PortError(Exception):
    """What the six errors share. ``output``: what the step had printed until then, for its log."""

    def __init__(self, message: str = "", *, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class Retry(PortError):  # noqa: N818  # the six are named by what the caller must do
    """Transient: the same call may succeed later. ``after`` is seconds to wait at least; ``unknown``: it may have happened."""

    def __init__(self, message: str, after: float = 0.0, unknown: bool = False, *, output: str = "") -> None:
        super().__init__(message, output=output)
        self.after = after
        self.unknown = unknown


class Unsettled(Retry):
    """The endpoint answers, and what was asked of it does not show yet: look again later."""


class NeedsHuman(PortError):  # noqa: N818
    """A person must decide or repair (quota, foreign owner, lives on another machine). Never retried."""


class Conflict(PortError):  # noqa: N818
    """Something else has changed the thing meanwhile: plan again."""


class NotFound(PortError):  # noqa: N818
    """What was addressed is not there."""


class LeaseLost(PortError):  # noqa: N818
    """The lock is no longer ours, or might not be: stop, write nothing more."""


class Broken(PortError):  # noqa: N818
    """The adapter or the data is broken: stop and report."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who owns what we make: stamped on every resource as its ownership tag."""

    workspace: str
    """The random workspace id of ``workspace.yaml``."""
    infra: str


@dataclass(frozen=True, slots=True)
class Request:
    """One effect asked of a provider or taskserv.

    ``op`` is the operation id (stable across retries and holders), ``key`` the idempotency key (first 32 hex of it),
    ``token`` the fencing token of the lock. ``declared`` has references and secrets resolved; ``recorded`` is what
    the ledger knew before. ``timeout`` bounds the call in seconds.
    """

    owner: Owner
    address: str
    declared: Mapping[str, Json] = field(repr=False)
    recorded: RecordedResource | None
    op: str
    key: str
    token: int
    timeout: float = 20.0


@dataclass(frozen=True, slots=True)
class Found:
    """One resource that carries our ownership tag. ``key`` is the idempotency key it was made under."""

    address: str
    key: str
    observation: Observation


@dataclass(frozen=True, slots=True)
class Completed:
    """A finished command on a machine. Output is bytes as written, at most 1 MiB each."""

    code: int
    stdout: bytes
    stderr: bytes


class Machine(Protocol):
    """A way to act on one server: run an argument list, place files, supervise a process.

    Paths are relative to the server's root. The address is an output of the server, not of its machine.
    """

    simulated: bool
    """Nothing really runs there, so nothing there answers over the network."""

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str] = ..., stdin: bytes = b"", cwd: str = "", timeout: float = 20.0
    ) -> Completed:
        """Run ``argv`` there. Raises ``Retry`` when the machine cannot be reached or time ran out."""

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file atomically, making its folders."""

    def get(self, path: str) -> bytes | None:
        """The file's content, ``None`` when there is none."""

    def remove(self, path: str) -> None:
        """Remove a file or folder; nothing there is fine."""

    def start(self, service: str, argv: Sequence[str], env: Mapping[str, str], cwd: str = "") -> None:
        """Have ``service`` supervised with this command; the same command again is a no-op, another one restarts it.

        What it prints goes to ``var/log/<service>.log``.
        """

    def stop(self, service: str) -> None:
        """Stop and forget ``service``; not there is fine."""

    def state(self, service: str) -> str:
        """``running``, ``stopped``, ``failed`` or ``absent``."""

    def port(self, name: str) -> int:
        """A port for ``name`` to listen on: one that nobody else was given, the same at every call."""


class Provider(Protocol):
    """Talks to a cloud or the local machine. Resources are found by recorded id plus ownership tag, never by name."""

    spec: ProviderSpec

    def create(self, request: Request) -> Observation:
        """Make it, tagged with owner and key in the same call. What the same key means again is said by ``spec.idempotency``.

        Raises ``Conflict`` when names are unique and its name is taken.
        """

    def read(self, owner: Owner, recorded: RecordedResource) -> Observation:
        """What is there now; raises ``Retry`` when it cannot tell (never says absent for a failed read)."""

    def update(self, request: Request) -> Observation:
        """Change it in place to ``declared`` (also repairs drift, such as power)."""

    def delete(self, request: Request) -> None:
        """Remove it by recorded id. What is not there is fine, or ``NotFound`` where that answer might be wrong for a moment."""

    def list(self, owner: Owner) -> Sequence[Found]:
        """All that carries this ownership tag, each as ``read`` reads it: many are looked at with this one question."""

    def machine(self, owner: Owner, recorded: RecordedResource) -> Machine:
        """The machine of a recorded server; raises ``NotFound`` or ``NeedsHuman`` (lives elsewhere)."""


class Clock(Protocol):
    """Time as a port. Leases are judged by ``monotonic`` alone; ``wall`` is for people and audit entries."""

    def wall(self) -> float:
        """Unix time in seconds."""

    def monotonic(self) -> float:
        """Seconds on a clock that never steps back and counts suspend where the system has one."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What is about to be done, committed before it is. ``request`` is the digest of the resolved request.

    ``phase`` tells the halves of a replacement apart: ``create``, ``update``, ``delete``, ``adopt``, ...
    """

    op: str
    key: str
    address: str
    action: str
    phase: str
    provider: str
    request: str
    token: int


@dataclass(frozen=True, slots=True)
class Result:
    """How one intent ended.

    ``status``: ``done`` (``recorded`` is the new record, ``None`` for a deletion), ``failed`` (``recorded`` is a tainted
    record if something half made is left) or ``skipped``. ``output`` is redacted step output, its last 64 KiB.
    """

    op: str
    address: str
    action: str
    status: str
    recorded: RecordedResource | None = None
    gone: bool = False
    """True when the record must be removed (deleted, forgotten)."""
    renamed_from: str | None = None
    message: str = ""
    output: str = ""


class Journal(Protocol):
    """The write-ahead journal in the ledger, and the fence: it is only writable by the lock's holder.

    Steps run in several threads and each asks ``may_start``, so an implementation lets its writes follow each other.
    """

    token: int

    def record(self, results: Sequence[Result], intents: Sequence[Intent]) -> None:
        """One durable transition: these results are finished and these intents may start. Raises ``LeaseLost``, ``Retry``."""

    def may_start(self, seconds: float) -> bool:
        """Whether an effect of at most ``seconds`` would end inside the lease; renews it first if that is needed."""

    def renew(self) -> None:
        """Keep the lease. Raises ``LeaseLost``."""


class Secrets(Protocol):
    """Resolves ``secret://<scope>/<domain>/<name>``; called only by an executor, at run time."""

    def resolve(self, reference: str) -> str:
        """The secret's text. Raises ``NotFound``, ``NeedsHuman`` (no key, no sops binary)."""


class Extensions(Protocol):
    """The files of locked extensions, from the commit or the frozen snapshot that is applied."""

    def files(self, kind: str, name: str) -> Mapping[str, bytes]:
        """Path -> content below the extension's folder. Raises ``NotFound``."""


class Progress(Protocol):
    """Told of what happens, for people; never decides anything."""

    def started(self, step: Step) -> None: ...

    def finished(self, step: Step, status: str, message: str) -> None: ...

    def note(self, message: str) -> None: ...


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to run a plan. ``on_failure`` is ``stop`` or ``continue``; ``window`` the number of open intents at most."""

    parallel: int = 10
    window: int = 50
    on_failure: str = "stop"
    compensate: bool = False
    flush_seconds: float = 5.0
    settle_only: bool = False
    """Settle the open intents and start nothing new: a fresh plan follows."""
    call_seconds: float = 20.0
    """Bound of one call outside; at most a third of the lease."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: ``status`` is ``succeeded``, ``failed``, ``cancelled`` or ``lost`` (lease)."""

    status: str
    done: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    """(address, message), the message redacted and fit for a person."""
    skipped: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    """Addresses whose outcome could not be told: their intents stay open, and the run must not be closed."""


@dataclass(frozen=True, slots=True)
class Tools:
    """All that a run works with, handed over by the composition root."""

    owner: Owner
    providers: Mapping[str, Provider]
    extensions: Extensions
    secrets: Secrets
    clock: Clock
    journal: Journal
    progress: Progress
    recorded: Mapping[str, RecordedResource] = field(default_factory=dict)
    """The recorded state at the start of the run."""
    run: str = ""
    plan: str = ""
    source_commit: str = ""
    settings: Mapping[str, Json] = field(default_factory=lambda: EMPTY)
    open_intents: tuple[Intent, ...] = ()
    """Intents found open at the start: unknown outcomes, settled before anything new starts."""
    finished: frozenset[str] = frozenset()
    """Op ids already done, for a resumed run."""
    log_dir: str = ""
    """Where whole step output is kept on this machine."""
