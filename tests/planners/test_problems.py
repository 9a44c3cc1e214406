"""How a mistake reads."""

from planners.problems import NOWHERE, Problem, Problems, Severity, Where


def test_a_problem_reads_as_place_severity_message_and_hint() -> None:
    at = Where("infra/shop/main.yaml", 3, 5)
    assert str(Problem(at, "code", "no such thing", "add it")) == "infra/shop/main.yaml:3:5: error: no such thing; add it"
    assert str(Problem(Where("workspace.yaml"), "code", "odd", severity=Severity.WARNING)) == "workspace.yaml: warning: odd"
    assert str(Problem(NOWHERE, "code", "cycle")) == "error: cycle"


def test_problems_are_gone_through_in_order() -> None:
    one, two = Problem(NOWHERE, "a", "one"), Problem(NOWHERE, "b", "two")
    assert list(Problems((one, two))) == [one, two]
