"""What the run machine is told, and what it tells the runner to do. Values only."""

from __future__ import annotations

from typing import TypeAlias

from executors.ports import Outcome, Result
from planners.dataclass import dataclass
from planners.model import RecordedResource

# --- events ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Begin:
    """The first event of a run."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """These intents are durable, and so are the results that went with them. ``number``: of the ``Record`` it answers."""

    ops: tuple[str, ...] = ()
    number: int = 0


@dataclass(frozen=True, slots=True)
class Applied:
    """The effect took place. ``recorded`` is the new record (``None``: gone); ``check``: a health check is still to pass."""

    op: str
    recorded: RecordedResource | None = None
    check: bool = False
    output: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Healthy:
    op: str


@dataclass(frozen=True, slots=True)
class Failed:
    """``kind``: transient (retries are used up), permanent, unknown (it may have happened).

    ``left``: the record of what is half made.
    """

    op: str
    kind: str
    message: str
    left: RecordedResource | None = None
    output: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """What asking found of an open intent. ``verdict``: applied, redo (safe and needed to complete it), nothing, partial."""

    op: str
    verdict: str
    recorded: RecordedResource | None = None
    check: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A person or a signal asks to stop."""


@dataclass(frozen=True, slots=True)
class Lost:
    """The lock is gone, or the ledger cannot be written."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """``seconds`` have passed since the last tick."""

    seconds: float


Event: TypeAlias = Begin | Recorded | Applied | Healthy | Failed | Settled | Cancelled | Lost | Tick


# --- commands --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Settle:
    op: str


@dataclass(frozen=True, slots=True)
class Record:
    """Commit these results together with the intents of these ops. ``number`` counts the commits of this run from 1."""

    results: tuple[Result, ...] = ()
    intents: tuple[str, ...] = ()
    number: int = 0


@dataclass(frozen=True, slots=True)
class Perform:
    op: str


@dataclass(frozen=True, slots=True)
class CheckHealth:
    op: str


@dataclass(frozen=True, slots=True)
class Finish:
    outcome: Outcome


Command: TypeAlias = Settle | Record | Perform | CheckHealth | Finish
