"""What every command works with: formats, streams, questions."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest

from gitops.cli.context import Context, columns, markdown_table, stop_document
from gitops.stops import Exit, Stop
from planners.problems import Problem, Where

ROWS = [("NAME", "SIZE"), ("web|1", "2"), ("a", "10")]


def test_columns_are_as_wide_as_they_must_be() -> None:
    assert columns(ROWS) == "NAME   SIZE\nweb|1  2\na      10"


def test_a_cell_cannot_break_out_of_a_markdown_table() -> None:
    assert markdown_table([("A",), ("x|y\nz",)]) == "| A |\n| --- |\n| x\\|y z |"


@pytest.mark.parametrize(
    ("out", "printed"),
    [("text", "NAME   SIZE"), ("table", "NAME   SIZE"), ("markdown", "| NAME | SIZE |"), ("yaml", "rows: 2"), ("json", "{")],
)
def test_one_result_in_every_format(out: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    Context({"out": out}).emit({"rows": 2, "deep": MappingProxyType({"a": 1})}, "two rows", ROWS)
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == printed
    assert said.err == ""


def test_options_win_over_the_environment() -> None:
    environ = {"PROVISIONING_INFRA": "from-environment", "PROVISIONING_WORKSPACE": "/w"}
    assert Context.from_options({"infra": "given"}, environ).infra == "given"
    assert Context.from_options({}, environ).infra == "from-environment"


def test_without_a_terminal_nothing_is_asked_and_yes_is_named() -> None:
    with pytest.raises(Stop) as caught:
        Context().confirm("Sure?")
    assert (caught.value.code, caught.value.hint) == (Exit.USAGE, "add --yes, or --check to only look")
    Context({"yes": True}).confirm("Sure?")


def test_a_stop_names_every_problem_and_then_itself(capsys: pytest.CaptureFixture[str]) -> None:
    problems = (Problem(Where("a.yaml", 1, 2), "code", "what", "do this"),)
    Context({"out": "json"}).show_stop(Stop(Exit.INVALID, "cannot", "mend", problems))
    said = capsys.readouterr()
    assert json.loads(said.out)["problems"][0]["line"] == 1
    assert said.err == "a.yaml:1:2: error: what; do this\nerror: cannot; mend\n"


def test_a_stop_without_places_has_the_same_shape() -> None:
    assert set(stop_document(Stop(Exit.LOCKED, "locked"))) >= {"code", "message", "hint", "path", "line", "column"}
