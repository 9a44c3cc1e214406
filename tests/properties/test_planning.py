"""What must hold of every plan, over random estates and changes between them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from estates import CATALOG, NOTHING, applied, apply, infra, planned, server, some_estate
from hypothesis import assume, given
from hypothesis import strategies as st

from planners.canonical import encode
from planners.document import from_document, to_document
from planners.expand import expand
from planners.model import Desired, Observation, Presence, Recorded
from planners.plan import plan
from planners.problems import Problems
from planners.stale import moved
from planners.steps import Delete, Forget, Options, Plan, Step


@st.composite
def drawn(draw: Callable[[Any], Any]) -> Desired:
    """One estate; the simplest is the first of every choice."""
    return some_estate(lambda options: draw(st.sampled_from(options)))


estates = drawn()
places = st.integers(0, 40)
seeds = st.integers(0, 999)


def between(before: Desired, after: Desired, observed: Mapping[str, Observation] | None = None) -> tuple[Recorded, Plan]:
    """The records of one estate and the plan to the other; renames that would lose something are none of the examples."""
    recorded = applied(before)
    made = plan(after, recorded, observed, CATALOG, Options())
    assume(not isinstance(made, Problems))
    assert isinstance(made, Plan)
    return recorded, made


def bare(step: Step) -> Step:
    """A step without what depends on which others are in the plan."""
    return replace(step, depends_on=())


def shuffled(value: Any, chance: random.Random) -> Any:
    """The same value with every mapping in it in another order."""
    if isinstance(value, Mapping):
        keys = list(value)
        chance.shuffle(keys)
        return {key: shuffled(value[key], chance) for key in keys}
    return [shuffled(part, chance) for part in value] if isinstance(value, list) else value


@given(estates)
def test_what_is_as_declared_needs_nothing(estate: Desired) -> None:
    made = planned(estate, applied(estate))
    assert (made.steps, made.notices) == ((), ())
    assert made.unchanged == len(expand(estate, CATALOG).resources)


@given(estates)
def test_what_reads_back_as_declared_needs_nothing(estate: Desired) -> None:
    recorded = applied(estate)
    seen = {
        a: Observation(
            Presence.PRESENT, {"power": "on", **r.declared}, {k: v for k, v in r.observed.items() if k != "resolved"}, True
        )
        for a, r in recorded.resources.items()
    }
    assert planned(estate, recorded, seen).steps == ()


@given(estates, estates)
def test_after_an_apply_there_is_nothing_left_to_do(before: Desired, after: Desired) -> None:
    recorded, made = between(before, after)
    assert planned(after, apply(made, recorded)).steps == ()


@given(estates, estates, places, places)
def test_stopping_anywhere_and_planning_again_comes_to_the_same_end(
    before: Desired, after: Desired, first: int, second: int
) -> None:
    recorded, made = between(before, after)
    for stop in (first, second):
        recorded = apply(made, recorded, steps=stop)
        made = planned(after, recorded)
    recorded = apply(made, recorded)
    assert planned(after, recorded).steps == ()
    assert recorded.resources.keys() == expand(after, CATALOG).resources.keys()


@given(estates, estates, seeds)
def test_the_order_of_what_is_given_changes_no_byte(before: Desired, after: Desired, seed: int) -> None:
    recorded, made = between(before, after)
    chance = random.Random(seed)  # noqa: S311  # an order, not a secret
    resources = {a: replace(r, declared=shuffled(r.declared, chance)) for a, r in shuffled(after.resources, chance).items()}
    records = {
        a: replace(r, declared=shuffled(r.declared, chance), observed=shuffled(r.observed, chance))
        for a, r in shuffled(recorded.resources, chance).items()
    }
    known = replace(CATALOG, providers=shuffled(CATALOG.providers, chance), taskservs=shuffled(CATALOG.taskservs, chance))
    again = plan(replace(after, resources=resources), Recorded("shop", records), None, known, Options())
    assert isinstance(again, Plan)
    assert encode(to_document(again)) == encode(to_document(made))


@given(estates, estates)
def test_everything_comes_after_what_it_needs(before: Desired, after: Desired) -> None:
    _, made = between(before, after)
    place = {s.address: i for i, s in enumerate(made.steps)}
    assert all(place[d.address] < place[s.address] for s in made.steps for d in s.depends_on)
    for address, resource in expand(after, CATALOG).resources.items():
        needed = {d.address for d in resource.depends_on if d.address in place}
        if address in place:
            assert needed <= {d.address for d in next(s for s in made.steps if s.address == address).depends_on}


@given(estates, estates)
def test_removals_run_the_recorded_graph_in_reverse(before: Desired, after: Desired) -> None:
    recorded, made = between(before, after)
    place = {s.address: i for i, s in enumerate(made.steps)}
    gone = {s.address for s in made.steps if isinstance(s, (Delete, Forget))}
    early = any(n.code == "removed-early" for n in made.notices)
    for address, record in recorded.resources.items():
        for used in gone.intersection(record.depends_on):
            if address in gone:
                assert place[address] < place[used]
            elif address in place and not early:
                assert place[address] < place[used], "what stays was changed only after what it used had gone"
            else:
                assert early or address not in expand(after, CATALOG).resources, f"{address} stays and still uses {used}"


@given(estates, estates, places)
def test_a_targeted_plan_is_a_part_of_the_whole_one(before: Desired, after: Desired, pick: int) -> None:
    recorded, made = between(before, after)
    known = sorted({*expand(after, CATALOG).resources, *recorded.resources})
    target = known[pick % len(known)]
    part = planned(after, recorded, None, target)
    there = {s.address for s in part.steps}
    assert [bare(s) for s in part.steps] == [bare(s) for s in made.steps if s.address in there]
    assert all(d.address in there for s in part.steps for d in s.depends_on)
    assert target in there or target not in {s.address for s in made.steps}
    rest = apply(part, recorded)
    if target in rest.resources:
        assert planned(after, rest, None, target).steps == ()
    rest = apply(planned(after, rest), rest)
    assert planned(after, rest).steps == ()


@given(estates, estates)
def test_a_destruction_leaves_nothing_and_ends_with_what_all_stood_on(before: Desired, after: Desired) -> None:
    recorded = applied(before)
    made = planned(after, recorded, destroy=True)
    assert apply(made, recorded) == NOTHING
    assert all(isinstance(s, Delete) for s in made.steps)
    ranks = ("dns", "load_balancer", "taskserv", "server", "network")
    places_of = [max((i for i, s in enumerate(made.steps) if s.address.startswith(kind)), default=-1) for kind in ranks]
    assert all(a <= b for a, b in pairwise(p for p in places_of if p >= 0))


@given(estates, estates)
def test_a_plan_document_comes_back_as_it_was(before: Desired, after: Desired) -> None:
    _, made = between(before, after)
    assert from_document(json.loads(encode(to_document(made)))) == made


@given(estates, estates)
def test_what_a_plan_did_not_rely_on_leaves_it_standing(before: Desired, after: Desired) -> None:
    recorded, made = between(before, after)
    further = replace(after, resources={**after.resources, "server/zzz": server("zzz")})
    grown = Recorded("shop", {**recorded.resources, **applied(infra(server("yyy"))).resources})
    assert moved(made, after, recorded, CATALOG) == ()
    assert moved(made, further, grown, CATALOG) == ()


@given(estates, estates, places)
def test_what_a_plan_relied_on_is_named_when_it_moves(before: Desired, after: Desired, pick: int) -> None:
    recorded, made = between(before, after)
    assume(made.steps)
    step = made.steps[pick % len(made.steps)]
    for address, digests in step.reads:
        if digests.recorded != "absent":
            record = recorded.resources[address]
            other = Recorded("shop", {**recorded.resources, address: replace(record, observed={**record.observed, "x": 1})})
            assert f"{address} (recorded)" in map(str, moved(made, after, other, CATALOG))
        if address in after.resources:
            declared = after.resources[address]
            changed = {**after.resources, address: replace(declared, declared={**declared.declared, "x": 1})}
            assert f"{address} (declared)" in map(str, moved(made, replace(after, resources=changed), recorded, CATALOG))


def patched(estate: Desired, other: Desired, pick: int) -> Desired:
    """The estate with one resource as the other one has it, or without it if the other has none."""
    address = sorted({*estate.resources, *other.resources})[pick % len({*estate.resources, *other.resources})]
    kept = {a: r for a, r in estate.resources.items() if a != address}
    return replace(estate, resources=kept | {a: r for a, r in other.resources.items() if a == address})


@given(estates, estates, places, places)
def test_a_plan_that_still_stands_would_be_planned_again(before: Desired, other: Desired, one: int, two: int) -> None:
    """The sets hold all that mattered: whatever else is declared meanwhile, the same steps come out."""
    after = patched(before, other, one)
    later = patched(after, other, two)
    recorded = applied(before)
    made, again = (plan(d, recorded, None, CATALOG, Options()) for d in (after, later))
    assume(isinstance(made, Plan) and isinstance(again, Plan))
    assert isinstance(made, Plan) and isinstance(again, Plan)
    assume(not moved(made, later, recorded, CATALOG))
    then = {s.address: bare(s) for s in again.steps}
    assert [s for s in made.steps if bare(s) != then.get(s.address)] == []
