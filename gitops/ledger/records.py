"""What a ledger keeps beside lock and resources: runs, the marker of a clean apply, audit entries, and what it is bound to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from gitops.ledger.shape import of_document, to_document
from planners.canonical import Json, digest
from planners.dataclass import dataclass
from planners.model import Pin

OUTPUT_BYTES = 64 << 10
"""Of a step's output the ledger keeps the end; the whole is kept on the machine that ran it."""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One execution of one plan. ``status``: running, succeeded, failed, cancelled or settled.

    ``document`` is the whole plan, kept once per plan id: filled where a single run is read, empty in lists.
    ``treeish`` is what was applied (a commit, or a frozen snapshot's tree) and ``pin`` what the run does to the pin.
    ``first`` and ``last`` are the audit entries between which those of this run lie. Times are Unix seconds.
    """

    id: str
    infra: str
    status: str
    plan: str
    document: Mapping[str, Json] = field(default_factory=dict)
    source_commit: str = ""
    treeish: str = ""
    actor: str = ""
    host: str = ""
    reason: str = ""
    kind: str = ""
    pin: Pin | bool | None = None
    started: float = 0.0
    finished: float = 0.0
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class Converged:
    """The last clean apply: with these ``inputs`` and this ``state`` tree the plan is empty, and ``plan`` is its document.

    ``own``: the tree of the infra's folder then, which ``inputs`` covers; ``size``: bytes of the declarations; ``implied``: how
    many of the recorded resources nobody declared. "" and 0 in markers of 0.1.0.
    """

    inputs: str
    state: str
    plan: Mapping[str, Json]
    own: str = ""
    size: int = 0
    implied: int = 0


@dataclass(frozen=True, slots=True)
class Meta:
    """What a ledger is bound to, so that a fork or a copy never drives the same estate. ``remote`` is normalised.
    ``generation``: how many chains it has had, this one included. ``home``: the remote it is to return to from a mirror."""

    format: int
    workspace: str
    infra: str
    remote: str
    generation: int = 1
    home: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One audit entry; never changed, each holds the digest of the one before (``previous``).

    ``seq`` counts from 1, ``id`` begins the entry's own digest, ``op`` is the operation a step's result belongs to.
    """

    seq: int = 0
    id: str = ""
    time: int = 0
    actor: str = ""
    action: str = ""
    address: str = ""
    status: str = ""
    run: str = ""
    plan: str = ""
    token: int = 0
    op: str = ""
    message: str = ""
    output: str = ""
    reason: str = ""
    host: str = ""
    previous: str = ""

    def document(self) -> dict[str, Json]:
        """As JSON."""
        return to_document(self)

    @property
    def digest(self) -> str:
        """SHA-256 over everything but ``id``."""
        return digest("audit-entry", {k: v for k, v in self.document().items() if k != "id"})


def entry_of(document: object) -> Entry:
    """The reverse of ``Entry.document``. Raises ``Malformed``."""
    return of_document(Entry, document)


def tail(text: str) -> str:
    """The last ``OUTPUT_BYTES`` of a step's output."""
    raw = text.encode()
    return text if len(raw) <= OUTPUT_BYTES else raw[-OUTPUT_BYTES:].decode(errors="ignore")
