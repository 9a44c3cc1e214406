"""Exit codes are a contract."""

from __future__ import annotations

from gitops.stops import MEANING, Exit, Stop


def test_every_code_is_itself_and_explained() -> None:
    assert [int(code) for code in Exit] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130]
    assert set(MEANING) == set(Exit)


def test_a_stop_carries_what_a_person_needs() -> None:
    stop = Stop(Exit.STALE, "it moved", "plan again")
    assert (str(stop), stop.code, stop.hint, stop.problems) == ("it moved", 9, "plan again", ())
