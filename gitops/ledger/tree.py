"""The tree of a ledger commit: paths, and the canonical JSON of everything in it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from executors.ports import Intent
from planners.canonical import Json, digest, encode
from planners.digests import lifecycle_value
from planners.model import Lifecycle, Pin, RecordedResource, Status, kind_of, name_of

LOCK, META, PIN, CONVERGED = "lock.json", "meta.json", "pin.json", "converged.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Meta:
    """Of the first commit, never changed but by moving the remote: whose ledger this is."""

    workspace: str
    infra: str
    remote: str
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Converged:
    """What a clean apply ended in: with these inputs and this state tree the plan is ``plan``, which has no step."""

    inputs: str
    state: str
    plan: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One execution of one plan. ``document``: the whole plan; ``treeish``: what was loaded, of ``source_commit``.

    ``status``: running, succeeded, failed, cancelled or settled (interrupted, then closed by a later run). Times in Unix seconds.
    """

    id: str
    infra: str
    status: str
    plan: str
    document: Mapping[str, Any]
    source_commit: str
    treeish: str
    actor: str
    host: str
    reason: str = ""
    kind: str = "write"
    pin: Pin | bool | None = None
    started: float = 0.0
    finished: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One audit entry. ``previous``: digest of the entry before it, so that none can be changed, removed or moved."""

    seq: int
    time: float
    actor: str
    host: str
    action: str
    address: str = ""
    status: str = ""
    op: str = ""
    run: str = ""
    plan: str = ""
    token: int = 0
    message: str = ""
    output: str = ""
    reason: str = ""
    previous: str = ""

    def document(self) -> dict[str, Json]:
        """As JSON; what is empty is left out."""
        return {k: v for k, v in asdict(self).items() if v not in ("", 0) or k == "seq"}

    @property
    def digest(self) -> str:
        """What the next entry cites."""
        return digest("audit", self.document())

    @property
    def path(self) -> str:
        """``audit/2026-11/00000042-3f9a1c2b.json``."""
        return f"audit/{datetime.fromtimestamp(self.time, UTC):%Y-%m}/{self.seq:08d}-{self.digest[:8]}.json"


def state_path(address: str) -> str:
    """``taskserv/web-01/postgres`` -> ``state/taskserv/web-01/postgres.json``."""
    return f"state/{kind_of(address)}/{name_of(address)}.json"


def intent_path(op: str) -> str:
    """One file per open intent."""
    return f"intents/{op}.json"


def run_path(run_id: str) -> str:
    """One file per run."""
    return f"runs/{run_id}.json"


def resource_document(resource: RecordedResource) -> dict[str, Json]:
    """One recorded resource: what was declared and what was observed, apart."""
    return {
        "format": FORMAT,
        "address": resource.address,
        "provider": resource.provider,
        "declared": resource.declared,
        "observed": resource.observed,
        "depends_on": list(resource.depends_on),
        "lifecycle": lifecycle_value(resource.lifecycle),
        "extension": resource.extension,
        "status": str(resource.status),
        "implied_by": resource.implied_by,
        "run": resource.run,
        "plan": resource.plan,
        "source_commit": resource.source_commit,
    }


def read_resource(content: bytes) -> RecordedResource:
    """The reverse. Raises as ``load`` does."""
    rest = dict(load(content))
    lifecycle: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in rest.pop("lifecycle").items()}
    return RecordedResource(
        **{**rest, "depends_on": tuple(rest["depends_on"]), "lifecycle": Lifecycle(**lifecycle), "status": Status(rest["status"])}
    )


def run_document(run: RunRecord) -> dict[str, Json]:
    """One run."""
    document = {k: getattr(run, k) for k in RunRecord.__dataclass_fields__ if k != "pin"}
    pin = asdict(run.pin) if isinstance(run.pin, Pin) else run.pin
    return {"format": FORMAT, **document, "pin": pin}


def read_run(content: bytes) -> RunRecord:
    """The reverse. Raises as ``load`` does."""
    rest = dict(load(content))
    pin = rest.pop("pin")
    return RunRecord(**rest, pin=Pin(**pin) if isinstance(pin, dict) else pin)


def read_intent(content: bytes) -> Intent:
    """An open intent. Raises as ``load`` does."""
    return Intent(**load(content))


def read_entry(content: bytes) -> Entry:
    """An audit entry. Raises as ``load`` does."""
    return Entry(**json.loads(content))


def file_of(value: Intent | Meta | Pin | Converged) -> bytes:
    """The canonical file of a plain value."""
    return encode({"format": FORMAT, **asdict(value)})


def load(content: bytes) -> dict[str, Any]:
    """A file's document without its format. Raises ``ValueError``, ``TypeError`` or ``KeyError`` when it is none of ours,
    ``OverflowError`` when its format is newer."""
    document = json.loads(content)
    if document.pop("format") > FORMAT:
        raise OverflowError("newer format")
    return document  # type: ignore[no-any-return]
