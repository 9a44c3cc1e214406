"""What a workspace keeps beside the ledgers of its infras, and every move of that chain as data. Pure.

    head.json                          the chain's own counters, and the workspace it belongs to
    freezes/<infra>.json, _all.json    until when nothing is changed, and who says so
    probes/<digest>.json               what a remote was found to guarantee
    audit/<yyyy-mm>/<seq>-<id>.json    one entry, as in a ledger

A move changes the head, adds one audit entry, and writes or removes at most one other file, which the entry tells.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from gitops.ledger import tree
from gitops.ledger.lock import NONCE
from gitops.ledger.records import Entry
from gitops.ledger.shape import Malformed, of_document, to_document
from gitops.ledger.transition import Stamp, chained, trailers_text
from planners.canonical import digest, encode
from planners.dataclass import dataclass

FORMAT = 1
HEAD = "head.json"
ALL = "_all"
"""In place of an infra's name, which never begins so."""
DAY = 86400
LONGEST_FREEZE = 30 * DAY
"""Seconds. What is to last longer is a rule of the environment, not a freeze."""
PROBE_VALID = 30 * DAY
"""Seconds a probe is believed (DESIGN section 7)."""


@dataclass(frozen=True, slots=True)
class Head:
    """``head.json``: ``seq`` counts the commits, ``entries`` the audit entries, ``chain`` is the digest of the last one."""

    workspace: str
    format: int = FORMAT
    move: str = ""
    seq: int = 0
    nonce: str = ""
    entries: int = 0
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Freeze:
    """Nothing is changed in ``infra`` ("" : in none) before ``expires``. Times are Unix seconds on the wall clock."""

    infra: str
    name: str
    email: str
    reason: str
    since: int
    expires: int

    @property
    def what(self) -> str:
        """The subject of a sentence."""
        return f"infra '{self.infra}'" if self.infra else "all infras"

    @property
    def text(self) -> str:
        """``infra 'shop' is frozen by Ann until 2026-11-24 14:05:09 UTC: audit week``."""
        until = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.expires))
        return f"{self.what} {'is' if self.infra else 'are'} frozen by {self.name} until {until}: {self.reason}"

    @property
    def thaw(self) -> str:
        """The command that ends it."""
        return "provisioning lock thaw " + (f"-i {self.infra}" if self.infra else "--all")

    @property
    def path(self) -> str:
        """Where it lies."""
        return f"freezes/{tree.escape(self.infra) if self.infra else ALL}.json"


@dataclass(frozen=True, slots=True)
class ProbeRecord:
    """What was found at ``remote`` (its normalised address). ``broken``: promises a ledger relies on and the remote does not
    keep; ``unguarded``: what it lets anybody do to a ledger; ``milliseconds``: median of a push."""

    remote: str
    time: int
    broken: tuple[str, ...] = ()
    unguarded: tuple[str, ...] = ()
    milliseconds: int = 0

    @property
    def path(self) -> str:
        """Where it lies."""
        return f"probes/{digest('probed-remote', self.remote)[:32]}.json"

    def valid(self, wall: float) -> bool:
        """Whether it is still believed; one from the future no longer than one from the past."""
        return abs(wall - self.time) < PROBE_VALID


Kept: TypeAlias = Freeze | ProbeRecord


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Malformed("is not a list of texts")
    return tuple(value)


class NewerFormat(Malformed):
    """Written by a later version than this one."""


def head_of(document: Any) -> Head:
    """Raises ``Malformed``, ``NewerFormat``."""
    found = document.get("format") if isinstance(document, dict) else None
    if type(found) is int and found > FORMAT:
        raise NewerFormat(f"has format {found} and this version reads up to {FORMAT}")
    return of_document(Head, document)


def freeze_of(document: Any) -> Freeze:
    """Raises ``Malformed``."""
    return of_document(Freeze, document)


def probe_of(document: Any) -> ProbeRecord:
    """Raises ``Malformed``."""
    return of_document(ProbeRecord, document, broken=_texts, unguarded=_texts)


# --- the moves -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Move:
    """One row of the table. ``part``: the folder in which it changes one file, "" for none; ``leaves``: whether that file is
    there afterwards."""

    name: str
    when: str
    part: str = ""
    leaves: bool = True


MOVES: Mapping[str, Move] = {
    move.name: move
    for move in (
        Move("create", "the ref does not exist: a push that only creates"),
        Move("freeze", "a person says so, with a reason and an end within 30 days", "freezes"),
        Move("thaw", "a person ends it; somebody else's with a reason", "freezes", leaves=False),
        Move("probe", "the remote was tried out", "probes"),
        Move("repair", "what followed is no move of this program, or there are two lines of them"),
    )
}
"""Everything that is not in it is no move of this program."""

READERS: Mapping[str, Callable[[Any], Kept]] = {"freezes": freeze_of, "probes": probe_of}
"""Folder -> how its files are read."""


@dataclass(frozen=True, slots=True)
class Act:
    """A move about to be made: what it writes, or (``thaw``) takes away. ``reason``: why somebody else's freeze ends, or why the
    chain is repaired; ``continues``: the commit that a repair goes on from, ``message``: what it gives up."""

    move: str
    value: Kept | None = None
    reason: str = ""
    continues: str = ""
    message: str = ""


def told(move: str, value: Kept | None, workspace: str) -> Entry:
    """The audit entry of a move, not yet numbered. The reason of a thaw is its own."""
    if isinstance(value, Freeze):
        if move == "thaw":
            return Entry(action=move, status="done", message=f"{value.what}, frozen by {value.name} <{value.email}>")
        until = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(value.expires))
        return Entry(action=move, status="done", message=f"{value.what} until {until}", reason=value.reason)
    if value is not None:
        found = f"not so: {', '.join(value.broken)}" if value.broken else "fit for a ledger"
        return Entry(action=move, status="failed" if value.broken else "done", message=f"{value.remote}: {found}")
    return Entry(action=move, message="" if move == "repair" else f"workspace {workspace}")


def compose(before: Head, act: Act, stamp: Stamp) -> tuple[Head, dict[str, bytes | None], str]:
    """(head after the move, edits, commit message). ``stamp.infra``: the infra it is about, "" for none."""
    said = told(act.move, act.value, before.workspace)
    said = replace(said, reason=act.reason or said.reason, message=act.message or said.message)
    entry = chained(said, before.entries, before.chain, stamp)
    head = replace(
        before, format=FORMAT, move=act.move, seq=before.seq + 1, nonce=stamp.nonce, entries=entry.seq, chain=entry.digest
    )
    edits: dict[str, bytes | None] = {HEAD: encode(to_document(head)), tree.audit_path(entry): tree.value_bytes(entry)}
    if act.value is not None:
        edits[act.value.path] = encode(to_document(act.value)) if MOVES[act.move].leaves else None
    subject = f"workspace: {act.move}" + (f", {entry.message}" if act.value else "")
    return head, edits, f"{subject}\n\n{trailers_text(infra=stamp.infra, actor=stamp.actor, continues=act.continues)}"


def illegal(before: Head | None, after: Head) -> list[str]:
    """What is wrong with the step from ``before`` (``None``: nothing yet) to ``after``; empty when it is a legal move."""
    if after.move not in MOVES:
        return [f"'{after.move}' is no move"]
    found = []
    if (before is None) != (after.move == "create"):
        found.append(f"the chain begins with 'create' and with nothing else, not with '{after.move}'")
    was = before or Head(after.workspace)
    if after.workspace != was.workspace:
        found.append(f"the workspace changes from {was.workspace} to {after.workspace}")
    if after.seq != was.seq + 1:
        found.append(f"seq goes from {was.seq} to {after.seq}")
    if after.nonce == was.nonce or not NONCE.fullmatch(after.nonce):
        found.append("the nonce is not fresh")
    return found
