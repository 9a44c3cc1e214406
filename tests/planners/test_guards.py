"""What stands against a plan, and what its readers must know."""

from __future__ import annotations

from dataclasses import replace

import pytest
from estates import AWAY, CATALOG, applied, catalog, infra, life, planned, refusals, resource, server, service, step

from planners.guards import budget, named
from planners.model import Approvals, Desired, Environment, EnvironmentClass, Recorded
from planners.steps import Notice, Plan

PROTECTED = server("db", image="1", lifecycle=life(prevent_destroy=True))


def many(count: int) -> Desired:
    return infra(*(server(f"s-{i:02}") for i in range(count)))


def told(made: Plan, code: str) -> list[Notice]:
    return [n for n in made.notices if n.code == code]


@pytest.mark.parametrize(("recorded", "allowed"), [(0, 1), (1, 1), (3, 1), (6, 1), (7, 2), (10, 3), (33, 9), (34, 10), (500, 10)])
def test_the_default_budget_is_one_or_thirty_per_cent_but_at_most_ten(recorded: int, allowed: int) -> None:
    assert budget(Environment("dev"), recorded) == allowed


@pytest.mark.parametrize("number", [0, 7])
def test_an_environment_may_set_its_own(number: int) -> None:
    assert budget(Environment("prod", deletion_budget=number), 100) == number


@pytest.mark.parametrize(("deleted", "blocked"), [(3, False), (4, True)])
def test_more_deletes_than_the_budget_must_be_asked_for(deleted: int, blocked: bool) -> None:
    made = planned(many(10 - deleted), applied(many(10)))
    expected = (
        [
            Notice(
                "deletion-budget",
                "this plan deletes 4 resources and dev allows 3 at once: server/s-06, server/s-07, server/s-08 and 1 more",
                "--allow-deletes 4",
            )
        ]
        if blocked
        else []
    )
    assert told(made, "deletion-budget") == expected


def test_children_of_a_deleted_server_do_not_count_on_either_side() -> None:
    estate = [r for i in range(3) for r in (server(f"s-{i}"), service(f"s-{i}", "redis"), service(f"s-{i}", "nginx"))]
    made = planned(infra(*estate[6:]), applied(infra(*estate)))
    assert len(made.steps) == 6
    (notice,) = told(made, "deletion-budget")
    assert notice.message == "this plan deletes 2 resources and dev allows 1 at once: server/s-0, server/s-1"


def test_what_was_only_there_for_others_and_what_is_replaced_does_not_count() -> None:
    before = applied(infra(server("a"), server("b", image="1"), server("c", image="1"), service("a", "cilium")))
    made = planned(infra(server("a"), server("b", image="2"), server("c", image="2")), before)
    assert sorted(s.action for s in made.steps) == ["delete"] * 4 + ["replace"] * 2
    assert not told(made, "deletion-budget")


def test_what_was_only_there_for_others_does_not_raise_the_budget_either() -> None:
    estate = [server(f"s-{i}") for i in range(5)] + [service("s-0", "cilium")]
    made = planned(infra(*estate[:3], *estate[5:]), applied(infra(*estate)))
    (notice,) = told(made, "deletion-budget")
    assert notice.message == "this plan deletes 2 resources and dev allows 1 at once: server/s-3, server/s-4"


def test_removing_everything_is_for_destroy_alone() -> None:
    recorded = applied(many(2))
    made = planned(infra(), recorded)
    assert [(n.code, n.blocks) for n in made.notices] == [("destroys-everything", "--destroy")]
    assert planned(infra(), recorded, destroy=True).notices == ()


def test_renaming_everything_is_counted_not_called_destruction() -> None:
    made = planned(infra(server("x"), server("y")), applied(many(2)))
    assert [(n.code, n.blocks) for n in made.notices] == [("deletion-budget", "--allow-deletes 2")]


@pytest.mark.parametrize(
    ("estate", "destroy", "message"),
    [
        ((), False, "server/db would be deleted (no longer declared) and has prevent_destroy"),
        ((PROTECTED,), True, "server/db would be deleted (destroy) and has prevent_destroy"),
        (
            (replace(PROTECTED, declared={"image": "2"}),),
            False,
            "server/db would be replaced (image cannot change in place) and has prevent_destroy",
        ),
    ],
)
def test_what_is_protected_is_neither_deleted_nor_replaced(estate: tuple[object, ...], destroy: bool, message: str) -> None:
    (problem,) = refusals(infra(*estate), applied(infra(PROTECTED)), destroy=destroy)  # type: ignore[arg-type]
    assert (problem.code, problem.message) == ("prevent-destroy", message)
    assert problem.hint == "take prevent_destroy away in a change of its own first"


def test_what_is_declared_now_decides_on_protection() -> None:
    plain = replace(PROTECTED, lifecycle=life())
    assert planned(infra(plain), applied(infra(PROTECTED)), destroy=True).steps
    assert refusals(infra(PROTECTED), applied(infra(plain)), destroy=True)


def test_protected_things_outside_the_targets_are_nobodys_business() -> None:
    assert planned(infra(server("a")), applied(infra(PROTECTED)), None, "server/a").steps


@pytest.mark.parametrize(
    ("address", "provider", "why"),
    [("server/a", "gone-cloud", "is not known"), ("network/lan", "bare", "makes no network")],
)
def test_what_nobody_here_can_remove_stops_the_plan(address: str, provider: str, why: str) -> None:
    bare = replace(CATALOG.providers["fake"], name="bare", kinds={"server": CATALOG.providers["fake"].kinds["server"]})
    records = applied(infra(server("a"), resource("network/lan"))).resources
    records = {a: replace(r, provider=provider if a == address else "fake") for a, r in records.items()}
    known = catalog(providers=(CATALOG.providers["fake"], bare))
    (problem,) = refusals(infra(server("b")), Recorded("shop", records), known=known)
    assert problem.code == "unknown-provider"
    assert problem.message == f"{address} cannot be removed: it was made by provider '{provider}', which {why}"
    assert "state forget" in problem.hint


def test_a_replacement_needs_the_old_provider_too() -> None:
    record = replace(applied(infra(server("a"))).resources["server/a"], provider="gone-cloud")
    (problem,) = refusals(infra(server("a")), Recorded("shop", {"server/a": record}))
    assert problem.code == "unknown-provider"


@pytest.mark.parametrize("desired", [infra(), infra(server("a", cpu_cores=8))])
def test_what_lives_elsewhere_is_named_where_the_plan_acts_on_it(desired: Desired) -> None:
    made = planned(desired, applied(infra(server("a"), server("b"))), {"server/a": AWAY, "server/b": AWAY}, "server/a")
    (first, second) = told(made, "elsewhere")
    assert first.message == f"server/a lives on build-7: '{step(made, 'server/a').action}' can only be done there"
    assert second.message == "server/b lives on build-7: what became of it is unknown here"
    assert made.drift == ()


def test_approvals_that_a_protected_environment_waives_are_shown() -> None:
    waived = Environment("live", EnvironmentClass.PROD, approvals=Approvals(0))
    assert planned(infra(environment=waived)).notices == (Notice("approvals-waived", "environment 'live' asks for no approvals"),)
    assert planned(infra(environment=Environment("dev", approvals=Approvals(0)))).notices == ()


def test_long_lists_are_counted() -> None:
    assert named(["a"]) == "a"
    assert named(list("abcde")) == "a, b, c and 2 more"
