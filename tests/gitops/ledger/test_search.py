"""Which entries are found, and what a spreadsheet makes of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.ledger.records import Entry
from gitops.ledger.search import COLUMNS, Wanted, csv_line, log, row

ENTRIES = (
    Entry(1, time=100, actor="Ann Example <ann@example.org>", action="create", address="server/web-01", status="done", run="r1"),
    Entry(
        2, time=200, actor="Bob <bob@example.org>", action="update", address="taskserv/web-01/nginx", status="failed", run="r2"
    ),
    Entry(3, time=300, actor="Ann Example <ann@example.org>", action="run", status="started", run="r21", plan="abcdef"),
)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [1, 2, 3]),
        ({"address": "server/web-01"}, [1]),
        ({"address": "server"}, [1]),
        ({"address": "server/"}, [1]),
        ({"address": "server/web"}, []),
        ({"address": "taskserv/web-01"}, [2]),
        ({"address": "*/web-0?*"}, [1, 2]),
        ({"address": "[st]e*"}, [1]),
        ({"address": "*"}, [1, 2, 3]),
        ({"actor": "ANN@example"}, [1, 3]),
        ({"run": "r2"}, [2, 3]),
        ({"plan": "abc"}, [3]),
        ({"plan": "bc"}, []),
        ({"action": "update"}, [2]),
        ({"status": "done"}, [1]),
        ({"since": 200}, [2, 3]),
        ({"until": 200}, [1]),
        ({"since": 200, "until": 300, "actor": "bob"}, [2]),
    ],
)
def test_an_entry_must_fit_everything_that_is_asked(asked: dict[str, Any], found: list[int]) -> None:
    assert [entry.seq for entry in log(ENTRIES, Wanted(**asked))] == found


def test_nothing_is_read_beyond_the_limit() -> None:
    def endless() -> Iterator[Entry]:
        yield from ENTRIES
        raise AssertionError("read further")

    assert [entry.seq for entry in log(endless(), Wanted(actor="ann"), limit=2)] == [1, 3]


def test_the_columns_are_those_that_were_promised() -> None:
    promised = "infra seq id time actor action address status run plan token op message output reason host previous"
    assert " ".join(COLUMNS) == promised
    cells = dict(zip(COLUMNS, row("shop", ENTRIES[1]), strict=True))
    assert (cells["infra"], cells["seq"], cells["time"], cells["token"]) == ("shop", "2", "1970-01-01T00:03:20Z", "0")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@cmd", "\tx", "\r=1", "\uff1d1", "\uff0d2"])
def test_nothing_is_computed_by_whoever_opens_it(text: str) -> None:
    assert next(csv.reader(io.StringIO(csv_line([text]), newline=""))) == [f"'{text}"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2))
def test_every_text_comes_back_as_it_was_and_lines_end_as_the_rfc_says(cells: list[str]) -> None:
    line = csv_line(cells)
    assert line.endswith("\r\n")
    (found,) = csv.reader(io.StringIO(line, newline=""), strict=True)
    assert [cell.removeprefix("'") if cell != given else cell for cell, given in zip(found, cells, strict=True)] == cells
