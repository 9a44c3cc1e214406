"""Every bad input around the declarations gets exactly the line and exit code the table says, and loses nothing."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

CASES = runpy.run_path(str(Path(__file__).with_name("bad_inputs.py")))["CASES"]
PLACES = {"<path>": r"[^']*?", "<id>": "[0-9a-f]{12}", "<word>": r"\S+", "<time>": "[0-9-]+ [0-9:]+ UTC"}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_a_bad_input_is_answered_with_its_line(case: Any, office: Any) -> None:
    office("apply", "--yes")
    case.prepare(office)
    ran = office(*case.argv, code=case.code)
    if case.line:
        pattern = re.escape(case.line)
        for place, shape in PLACES.items():
            pattern = pattern.replace(re.escape(place), shape)
        assert re.fullmatch(pattern, ran.last), f"it says: {ran.last}"


def test_as_json_the_answer_is_one_document_with_the_same_exit_code(office: Any) -> None:
    ran = office("plan", "--ref", "v0", "--out", "json", code=5)
    assert [p["message"] for p in ran.json["problems"]] == ["there is no commit 'v0' in this clone"]
