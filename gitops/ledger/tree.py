"""What lies where in a ledger's tree, and how each file is written and read. Pure.

    lock.json  meta.json  pin.json  converged.json
    intents/<op>.json                    what is about to be done, or has been with an outcome not yet recorded
    state/<kind>/<name>.json             one resource; a name's slashes are folders: state/taskserv/web-01/nginx.json
    state/~<kind>/<xx>/<name>.json       those beyond the first 1,000; xx begins the digest of the name's first part
    runs/<run>.json                      a run that goes on or was interrupted
    runs/<yyyy-mm>/<dd>/<run>.json       a run that is over
    plans/<xx>/<plan>.json               the plans that runs carry out, each once; xx begins its id
    audit/<yyyy-mm>/<seq>-<id>.json      one entry; from the 1,000th on in a folder per thousand

All of it is canonical JSON: the same value always has the same blob id.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gitops.ledger import lock as locks
from gitops.ledger.lock import FORMAT, Lock
from gitops.ledger.records import Converged, Entry, Meta, RunRecord
from gitops.ledger.shape import Malformed, of_document, to_document
from planners.canonical import Json, digest, encode
from planners.digests import lifecycle_value
from planners.model import Lifecycle, Pin, RecordedResource, Status, kind_of, name_of
from planners.problems import Problem, Where

if TYPE_CHECKING:
    from executors.ports import Intent

LOCK = locks.PATH
META = "meta.json"
PIN = "pin.json"
CONVERGED = "converged.json"
FOLDERS = frozenset(("intents", "state", "runs", "plans", "audit"))
PER_FOLDER = 1000

DAY = re.compile(r"(\d{4})(\d\d)(\d\d)-")
"""How the id of a run begins."""
ODD = re.compile(r"[^A-Za-z0-9._-]|^\.|\.(?=json$)")


def escape(segment: str, last: bool = True) -> str:
    """One part of a name as a file name, reversibly: odd characters as ``%`` and their UTF-8 in hex.

    Nothing escaped begins with a dot (``.git`` and ``..`` are refused by git) or holds ``~``, which is kept for a later
    hash level; a folder never ends in ``.json``, so that none collides with a file.
    """

    def hexed(match: re.Match[str]) -> str:
        text = match.group()
        if text == "." and match.start() > 0 and last:
            return text
        return "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))

    return ODD.sub(hexed, segment) or "%"


def state_path(address: str) -> str:
    """``taskserv/web-01/nginx`` -> ``state/taskserv/web-01/nginx.json``."""
    *folders, name = name_of(address).split("/")
    return "/".join(("state", escape(kind_of(address), False), *(escape(f, False) for f in folders), f"{escape(name)}.json"))


def spread_path(address: str) -> str:
    """Its place beyond the first thousand, ``state/~taskserv/d2/web-01/nginx.json``; ``gitops.ledger.spread`` says which."""
    _, kind, first, *rest = state_path(address).split("/")
    shard = digest("state-shard", name_of(address).partition("/")[0])[:2]
    return "/".join(("state", f"~{kind}", shard, first, *rest))


def state_places(address: str, written: int = FORMAT) -> tuple[str, ...]:
    """Where one resource may lie in a ledger that was ``written`` in that format."""
    return (state_path(address), spread_path(address)) if written > 2 else (state_path(address),)


def intent_path(op: str) -> str:
    """Of one operation."""
    return f"intents/{escape(op)}.json"


def run_path(run: str, over: bool, written: int = FORMAT) -> str:
    """Of one run. Those that are over lie by day: no folder grows without end, and what is open is found without them."""
    day = DAY.match(run) if over and written > 1 else None
    return f"runs/{day[1]}-{day[2]}/{day[3]}/{escape(run)}.json" if day else f"runs/{escape(run)}.json"


def run_places(run: str) -> tuple[str, str]:
    """Where one run may lie, whatever became of it and whichever format wrote it."""
    return run_path(run, True), run_path(run, False)


def plan_path(plan: str, written: int = FORMAT) -> str:
    """Of one plan's document."""
    name = escape(plan)
    return f"plans/{name[:2]}/{name}.json" if written > 1 else f"plans/{name}.json"


def audit_path(entry: Entry) -> str:
    """By the month it was written in, as the writer's clock had it; order is by ``seq`` alone."""
    month = time.strftime("%Y-%m", time.gmtime(entry.time))
    block = f"{entry.seq // PER_FOLDER}/" if entry.seq >= PER_FOLDER else ""
    return f"audit/{month}/{block}{entry.seq:08d}-{entry.id}.json"


def audit_seq(path: str) -> int:
    """The entry's number from its path, 0 when the name is not ours."""
    digits = path.rpartition("/")[2].partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def part(path: str) -> str:
    """Which part of the ledger a path belongs to: its first folder, or a file's name without ``.json``."""
    return path.partition("/")[0].removesuffix(".json")


# --- writing ---------------------------------------------------------------------------------------------


def resource_document(resource: RecordedResource) -> dict[str, Json]:
    """One recorded resource: ``declared`` and ``observed`` apart; of ``lifecycle`` only what is not the default."""
    return {
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


def intent_bytes(intent: Intent, run: str) -> bytes:
    """An open intent and the run it belongs to."""
    return encode({**to_document(intent), "run": run})


def run_bytes(run: RunRecord) -> bytes:
    """A run without its plan's document, which has a file of its own."""
    pin: Json = to_document(run.pin) if isinstance(run.pin, Pin) else run.pin
    plain = {f: getattr(run, f) for f in RunRecord.__slots__ if f not in ("document", "pin")}
    return encode({**plain, "pin": pin, "started": int(run.started), "finished": int(run.finished)})


def converged_bytes(marker: Converged) -> bytes:
    """The marker."""
    return encode({f: getattr(marker, f) for f in Converged.__slots__})


def value_bytes(value: Lock | Meta | Pin | Entry) -> bytes:
    """Anything made of plain fields."""
    return encode(to_document(value))


# --- reading: each raises ``Malformed`` ------------------------------------------------------------------


def parse(raw: bytes) -> Any:
    """JSON text as values. Raises ``Malformed``."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Malformed("is not JSON") from error


def resource_of(document: Any) -> RecordedResource:
    """The reverse of ``resource_document``."""
    return of_document(
        RecordedResource, document, declared=map_of, observed=map_of, depends_on=_strings, lifecycle=_lifecycle, status=Status,
        implied_by=_text_or_none,
    )  # fmt: skip


def intent_of(document: Any) -> tuple[Intent, str]:
    """An open intent and its run."""
    from executors.ports import Intent

    rest = dict(map_of(document))
    return of_document(Intent, {k: v for k, v in rest.items() if k != "run"}), _text(rest.get("run"))


def run_of(document: Any) -> RunRecord:
    """A run, its plan's document left empty."""
    return of_document(RunRecord, document, pin=_pin_or_flag, started=_number, finished=_number)


def meta_of(document: Any) -> Meta:
    """What the ledger is bound to."""
    return of_document(Meta, document)


def pin_of(document: Any) -> Pin:
    """The pin."""
    return of_document(Pin, document)


def converged_of(document: Any) -> Converged:
    """The marker."""
    return of_document(Converged, document, plan=map_of)


@lru_cache(maxsize=256)
def lock_of(raw: bytes) -> Lock | Problem:
    """``lock.json``, or why it is none."""
    try:
        return locks.decode(parse(raw))
    except Malformed as error:
        return Problem(Where(LOCK), "damaged-ledger", f"{LOCK} {error}", "'provisioning audit verify' says since when")


def genesis(workspace: str, infra: str, remote: str, home: str = "") -> Meta:
    """What a new ledger is bound to."""
    return Meta(FORMAT, workspace, infra, remote, home=home)


def map_of(value: Any) -> Mapping[str, Json]:
    """Any object."""
    if not isinstance(value, dict):
        raise Malformed("is not an object")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Malformed("is not text")
    return value


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


def _number(value: Any) -> float:
    if type(value) is not int:
        raise Malformed("is not a whole number")
    return value


def _strings(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Malformed("is not a list")
    return tuple(_text(item) for item in value)


def _lifecycle(value: Any) -> Lifecycle:
    return of_document(
        Lifecycle, value, ignore_changes=_strings, ignore_drift=_strings, replace_triggered_by=_strings,
        moved_from=_text_or_none, import_id=_text_or_none,
    )  # fmt: skip


def _pin_or_flag(value: Any) -> Pin | bool | None:
    return value if value is None or type(value) is bool else pin_of(value)
