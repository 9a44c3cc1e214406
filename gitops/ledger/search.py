"""Which audit entries somebody wants to see, and entries as rows of a table that other programs read. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import fields
from fnmatch import fnmatchcase
from itertools import islice

from gitops.ledger.records import Entry
from planners.dataclass import dataclass

COLUMNS = ("infra", *(field.name for field in fields(Entry)))
"""Of every export, in this order; new ones are only ever added at the end."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet program might compute; the last four are the same in full width."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an entry must be; "" and 0 ask for nothing. ``address``: one resource and what is below it, or a pattern with ``*``,
    ``?`` and ``[…]``; ``actor``: any part of a name or mail address; ``run`` and ``plan``: how their ids begin; ``since`` (that
    moment counts) and ``until`` (it does not): Unix seconds by the writer's clock."""

    address: str = ""
    run: str = ""
    actor: str = ""
    action: str = ""
    status: str = ""
    plan: str = ""
    since: float = 0
    until: float = 0

    def fits(self, entry: Entry) -> bool:
        """Whether ``entry`` is wanted."""
        return (
            (not self.address or _covers(self.address, entry.address))
            and self.actor.casefold() in entry.actor.casefold()
            and entry.run.startswith(self.run)
            and entry.plan.startswith(self.plan)
            and self.action in ("", entry.action)
            and self.status in ("", entry.status)
            and entry.time >= self.since
            and (not self.until or entry.time < self.until)
        )


def _covers(asked: str, address: str) -> bool:
    if any(c in asked for c in "*?["):
        return fnmatchcase(address, asked)
    return address == asked or address.startswith(asked.rstrip("/") + "/")


def log(entries: Iterable[Entry], wanted: Wanted = Wanted(), limit: int = 0) -> Iterator[Entry]:
    """Those of ``entries`` that are wanted, at most ``limit`` (0: all), read no further than that."""
    fitting = filter(wanted.fits, entries)
    return islice(fitting, limit) if limit else fitting


def row(infra: str, entry: Entry) -> list[str]:
    """One entry as cells of a CSV file, in the order of ``COLUMNS``."""
    values = {"infra": infra, **entry.document()}
    values["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.time))
    return [str(values[name]) for name in COLUMNS]


def csv_line(cells: Iterable[str]) -> str:
    """A line by RFC 4180. A cell that a spreadsheet program might compute begins with an apostrophe instead."""
    return ",".join(map(_cell, cells)) + "\r\n"


def _cell(text: str) -> str:
    safe = f"'{text}" if text.startswith(FORMULA) else text
    return '"' + safe.replace('"', '""') + '"' if any(c in safe for c in ',"\r\n') else safe
