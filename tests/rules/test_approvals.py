"""Who may approve what: every line of the rule by an example, and what must hold for any set of words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planners.model import Approvals, Environment, EnvironmentClass
from planners.steps import Create, Delete, Plan, Replace, Step
from rules.approvals import SKEW_SECONDS, judge, needed, stricter
from rules.model import VALID_SECONDS, Approval, Decision

NOW = 1_800_000_000
STEP = Create("server/web-01", "local", "new")


def environment(class_: str, count: int | None = None, *teams: str) -> Environment:
    return Environment(class_, EnvironmentClass(class_), approvals=Approvals(count, teams))


def plan(class_: str = "prod", count: int | None = None, *teams: str, steps: tuple[Step, ...] = (STEP,)) -> Plan:
    return Plan("shop", environment(class_, count, *teams), steps, id="a" * 64)


def said(principal: str, decision: Decision = Decision.APPROVE, age: int = 60, **more: object) -> Approval:
    word = Approval("a" * 64, "shop", decision, principal, time=NOW - age, valid_until=NOW - age + VALID_SECONDS)
    return replace(word, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("class_", "count", "teams", "expected"),
    [
        ("dev", None, (), 0),
        ("test", None, (), 0),
        ("staging", None, (), 1),
        ("prod", None, (), 1),
        ("prod", 0, (), 0),
        ("prod", 3, (), 3),
        ("dev", 2, (), 2),
        ("dev", None, ("ops",), 1),
        ("prod", 0, ("ops",), 0),
    ],
)
def test_class_defaults_and_what_the_file_says(class_: str, count: int | None, teams: tuple[str, ...], expected: int) -> None:
    assert needed(plan(class_, count, *teams)) == expected


@pytest.mark.parametrize("step", [Delete("server/web-01", "local", "gone"), Replace("server/web-01", "local", "image")])
@pytest.mark.parametrize(("class_", "expected"), [("prod", 1), ("staging", 1), ("dev", 0), ("test", 0)])
def test_deletes_and_replaces_need_the_same_count(step: Delete | Replace, class_: str, expected: int) -> None:
    assert needed(plan(class_, steps=(step,))) == expected


def test_an_empty_plan_needs_nobody() -> None:
    assert needed(plan("prod", 2, steps=())) == 0


def test_without_approvals_the_plan_waits() -> None:
    verdict = judge(plan(), (), (), NOW)
    assert (verdict.allowed, verdict.needed, verdict.have, verdict.missing) == (False, 1, (), 1)
    assert verdict.why == "0 of 1 approval"


def test_one_approval_is_enough_for_prod() -> None:
    verdict = judge(plan(), [said("ann")], ["bob@example.org"], NOW)
    assert verdict.allowed
    assert verdict.why == "1 of 1 approval (ann)"


def test_no_one_counts_twice() -> None:
    verdict = judge(plan("prod", 2), [said("ann"), said("ann", age=30)], (), NOW)
    assert not verdict.allowed
    assert verdict.why == "1 of 2 approvals (ann)"


@pytest.mark.parametrize("author", ["ann", "Ann", "ANN@example.org"])
def test_who_made_the_change_does_not_approve_it(author: str) -> None:
    verdict = judge(plan(), [said("ann", mails=("ann@example.org",))], [author], NOW)
    assert not verdict.allowed
    assert verdict.why == "0 of 1 approval; not counted: ann made the change"


def test_an_approval_ends_after_a_day_to_the_second() -> None:
    assert judge(plan(), [said("ann", age=VALID_SECONDS - 1)], (), NOW).allowed
    verdict = judge(plan(), [said("ann", age=VALID_SECONDS)], (), NOW)
    assert verdict.why == "0 of 1 approval; not counted: ann approved too long ago"


def test_a_signer_cannot_extend_the_day() -> None:
    word = said("ann", age=VALID_SECONDS, valid_until=NOW + VALID_SECONDS)
    assert not judge(plan(), [word], (), NOW).allowed


def test_an_approval_from_the_future_does_not_count() -> None:
    assert judge(plan(), [said("ann", age=-SKEW_SECONDS)], (), NOW).allowed
    verdict = judge(plan(), [said("ann", age=-SKEW_SECONDS - 1)], (), NOW)
    assert verdict.why == "0 of 1 approval; not counted: ann approved in the future"


def test_only_the_named_teams_count() -> None:
    words = [said("ann", teams=("web",)), said("bob", teams=("ops", "web"))]
    verdict = judge(plan("prod", 2, "ops", "security"), words, (), NOW)
    assert verdict.have == ("bob",)
    assert verdict.why == "1 of 2 approvals from ops or security (bob); not counted: ann speaks for none of these teams"


def test_an_approval_of_another_plan_or_infra_is_nothing() -> None:
    others = [said("ann", plan="b" * 64), said("bob", infra="forum")]
    assert judge(plan(), others, (), NOW).why == "0 of 1 approval"


def test_a_rejection_stands_until_its_own_author_approves() -> None:
    words = [said("ann"), said("bob", Decision.REJECT, reason="not on a Friday")]
    verdict = judge(plan(), words, (), NOW)
    assert not verdict.allowed
    assert verdict.rejected == ("bob",)
    assert verdict.why == "rejected by bob: not on a Friday"
    assert judge(plan(), [*words, said("ann", age=1)], (), NOW).rejected == ("bob",)
    assert judge(plan(), [*words, said("bob", age=1)], (), NOW).allowed


def test_a_rejection_does_not_expire() -> None:
    assert not judge(plan(), [said("bob", Decision.REJECT, age=9 * VALID_SECONDS), said("ann")], (), NOW).allowed


def test_a_rejection_stops_a_plan_that_needs_nobody() -> None:
    assert judge(plan("dev"), (), (), NOW).why == "no approval is needed"
    assert not judge(plan("dev"), [said("bob", Decision.REJECT)], (), NOW).allowed


def test_a_later_rejection_takes_an_approval_back() -> None:
    assert not judge(plan(), [said("ann"), said("ann", Decision.REJECT, age=1)], (), NOW).allowed


def test_the_protected_branch_says_what_is_needed() -> None:
    escaping = plan("dev")
    verdict = judge(escaping, (), (), NOW, stricter(escaping.environment, environment("prod")))
    assert (verdict.allowed, verdict.needed) == (False, 1)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (environment("dev"), environment("prod"), environment("prod")),
        (environment("prod", 0), environment("dev", 1), environment("dev", 1)),
        (environment("prod"), environment("prod", 2), environment("prod", 2)),
        (environment("dev"), environment("test"), environment("test")),
    ],
)
def test_the_stricter_of_two_environments(one: Environment, other: Environment, expected: Environment) -> None:
    assert stricter(one, other) == stricter(other, one) == expected


WORDS = st.lists(
    st.builds(
        said,
        st.sampled_from(["ann", "bob", "cy", "di"]),
        st.sampled_from(list(Decision)),
        st.integers(-600, 2 * VALID_SECONDS),
        teams=st.lists(st.sampled_from(["ops", "web"]), max_size=2).map(tuple),
    ),
    max_size=8,
)


@given(WORDS, st.sets(st.sampled_from(["ann", "bob", "cy", "di"])), st.integers(0, 3))
def test_what_counts_is_always_enough_different_people_who_did_not_make_the_change(
    words: list[Approval], authors: set[str], count: int
) -> None:
    verdict = judge(plan("prod", count, "ops"), words, authors, NOW)
    assert not set(verdict.have) & authors
    assert set(verdict.have) <= {w.principal for w in words if "ops" in w.teams}
    assert verdict.allowed == (len(verdict.have) >= count and not verdict.rejected)
    assert verdict.missing == max(0, count - len(verdict.have))


@given(WORDS, st.sets(st.sampled_from(["ann", "bob"])))
def test_more_authors_never_make_a_plan_run(words: list[Approval], authors: set[str]) -> None:
    if not judge(plan("prod", 1), words, authors, NOW).allowed:
        assert not judge(plan("prod", 1), words, authors | {"cy"}, NOW).allowed
