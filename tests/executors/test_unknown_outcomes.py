"""Runs on clouds of each kind that answer late or not at all, killed at every effect: nothing is lost or doubled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

import pytest

from executors.clocks import FakeClock
from executors.effects import RATE
from executors.fakes import FixedExtensions, FixedSecrets, MemoryJournal, SilentProgress
from executors.ports import NeedsHuman, Outcome, Owner, Request, RunOptions, Tools
from executors.runner import run
from executors.simulated import LAG, LATE, Fate, SimulatedCloud
from executors.taskservs import markers
from executors.threads import Inline
from planners.model import Dependency, Environment, Status
from planners.references import REPLACES
from planners.steps import Create, Delete, Move, Plan, Replace, Step, Update

OWNER = Owner("w-1", "shop")
KINDS = ("key", "name", "tag")
WEB = b"""
name: web
version: 1.0.0
scripts: {install: in.sh, uninstall: out.sh}
service: {command: [serve]}
outputs: {url: here}
"""
FILES = {("taskservs", "web"): {"manifest.yaml": WEB, "scripts/in.sh": b"#!/bin/sh\n", "scripts/out.sh": b"#!/bin/sh\n"}}


class KilledError(BaseException):
    """The process is gone: nobody may catch this."""


class Notes(SilentProgress):
    """What people are told by the way."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def note(self, message: str) -> None:
        self.told.append(message)


class Shop:
    """One infra on a cloud, its ledger, and whoever applies plans to it one after the other."""

    def __init__(self, kind: str, key_seconds: float = 0.0) -> None:
        self.clock = FakeClock()
        self.cloud = SimulatedCloud(kind, self.clock, key_seconds=key_seconds)
        self.journal = MemoryJournal()
        self.cancel = threading.Event()
        self.notes = Notes()
        self.moments, self.kill_at = 0, -1
        self.at: Callable[[str], None] = lambda name: None

    def moment(self, name: object = "", *_: object) -> None:
        self.moments += 1
        self.at(str(name))
        if self.moments == self.kill_at:
            raise KilledError

    def apply(self, *steps: Step, name: str = "r1", **options: bool | int | str) -> Outcome:
        """Run a plan of these steps, or go on with it: what an earlier run of this name left is taken up."""
        self.journal.before = self.journal.after = self.moment
        tools = Tools(
            OWNER, {"simulated": self.cloud.connect(boundary=self.moment)}, FixedExtensions(FILES), FixedSecrets(), self.clock,
            self.journal, self.notes, recorded=dict(self.journal.state), run=name, plan="plan",
            open_intents=tuple(self.journal.open.values()), finished=frozenset(self.journal.finished),
        )  # fmt: skip
        plan = Plan("shop", Environment("dev"), steps, id="plan")
        return run(plan, tools, RunOptions(parallel=2, window=4, **options), self.cancel, Inline())  # type: ignore[arg-type]

    def prepared(self) -> Shop:
        """With something there to change."""
        assert self.apply(*BEFORE, name="r0").status == "succeeded"
        self.moments = 0
        return self

    def killed(self, at: int, *steps: Step, **options: bool | int | str) -> Shop:
        """The process dies at that moment; another takes the lock."""
        self.kill_at = at
        with pytest.raises(KilledError):
            self.apply(*steps, **options)
        self.next_holder()
        return self

    def next_holder(self) -> None:
        self.kill_at = -1
        self.journal = self.journal.taken_over()

    def quiet(self) -> None:
        """Whatever is still under way lands."""
        self.clock.advance(LATE + LAG)
        assert not self.cloud.under_way()

    def wrong(self) -> list[str]:
        """What ledger and cloud do not agree on, once everything has landed."""
        self.quiet()
        living = {t.id: t for t in self.cloud.living()}
        recorded = {str(r.observed["id"]): r for r in self.journal.state.values() if not r.address.startswith("taskserv/")}
        found = [f"{living[i].address} ({i}) is not recorded" for i in living.keys() - recorded.keys()]
        found += [f"{recorded[i].address} ({i}) is not there" for i in recorded.keys() - living.keys()]
        found += [f"{things[0].address} was made {len(things)} times" for things in self.cloud.doubled().values()]
        found += [f"{i.address} is open" for i in self.journal.open.values()]
        ready = (i for i in living.keys() & recorded.keys() if recorded[i].status is Status.READY)
        found += [f"{recorded[i].address} is another" for i in ready if living[i].declared != recorded[i].declared]
        return found + [f"{a} is half installed" for a in self.half_installed()]

    def half_installed(self) -> list[str]:
        """Services that are recorded as ready and are not all there."""
        services = [a for a, r in self.journal.state.items() if a.startswith("taskserv/") and r.status is Status.READY]
        found = []
        for address in services:
            host, name = address.split("/")[1:]
            record = self.journal.state[f"server/{host}"]
            marker = markers.read(self.cloud.connect().machine(OWNER, record), name)
            found += [address] if marker is None or not marker.complete else []
        return found


def server(name: str, *needs: str, **declared: str | int) -> Create:
    edges = tuple(Dependency(n, healthy=False) for n in needs)
    return Create(f"server/{name}", "simulated", "new", depends_on=edges, declared=declared, edges=edges)


def web(host: str) -> Create:
    needs = (Dependency(f"server/{host}"),)
    return Create(f"taskserv/{host}/web", "simulated", "new", depends_on=needs, declared={"version": "1.0.0"}, edges=needs)


BEFORE = (*(server(name, image="1") for name in ("old", "swap", "green", "gone", "name")), web("gone"))
PLAN: tuple[Step, ...] = (
    server("new"),
    web("new"),
    Update("server/old", "simulated", "", declared={"cpu_cores": 2}),
    Replace("server/swap", "simulated", "image", declared={"image": "2"}),
    Replace("server/green", "simulated", "image", declared={"image": "2"}, create_first=True),
    Delete("taskserv/gone/web", "simulated", ""),
    Delete("server/gone", "simulated", "", depends_on=(Dependency("taskserv/gone/web", healthy=False),)),
    Move("server/moved", "simulated", "", moved_from="server/name", declared={}),
    server("last", "server/swap"),
)
"""Something of everything."""


def end_state(shop: Shop) -> dict[str, object]:
    return {a: (r.declared, r.status, REPLACES in r.observed) for a, r in sorted(shop.journal.state.items())}


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, object]:
    shop = Shop("key").prepared()
    assert shop.apply(*PLAN).status == "succeeded" and not shop.wrong()
    return end_state(shop)


def troubled(seed: int) -> Callable[[str, str], Fate]:
    """A cloud on a bad day: one call in three is late, lost, unheard, turned away or answered from the past."""
    chance = Random(seed)  # noqa: S311  # repeatable

    def fate(verb: str, address: str) -> Fate:
        asks = verb in ("list", "read")
        day = chance.choice(
            ("well", "well", "well", "well", "unheard", "throttled", "old" if asks else "late", "slow" if asks else "lost")
        )
        return {
            "well": Fate(),
            "slow": Fate(answers=5.0),
            "unheard": Fate(answers=None),
            "throttled": Fate(throttled=chance.random() * 20),
            "late": Fate(lands=chance.random() * LATE),
            "lost": Fate(lands=None),
            "old": Fate(stale=chance.random() * LAG),
        }[day]

    return fate


def taken_to_its_end(shop: Shop, *steps: Step, **options: bool) -> None:
    """Resume until it is done, on better days in the end."""
    for attempt in range(8):
        if attempt == 4:
            shop.cloud.fate = lambda verb, address: Fate()
        if shop.apply(*steps, **options).status == "succeeded":
            return
    raise AssertionError("it comes to no end")


def moments(kind: str) -> int:
    shop = Shop(kind).prepared()
    shop.apply(*PLAN)
    return shop.moments


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_moment_a_resumed_run_leaves_what_an_undisturbed_one_does(
    kind: str, undisturbed: dict[str, object]
) -> None:
    total = moments(kind)
    assert total > 60, "the plan has become too small to tell anything"
    for at in range(1, total + 1):
        shop = Shop(kind).prepared().killed(at, *PLAN)
        assert shop.apply(*PLAN).status == "succeeded", f"killed at {at}"
        assert (shop.wrong(), end_state(shop)) == ([], undisturbed), f"killed at {at}"


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_every_moment_settling_alone_leaves_ledger_and_cloud_in_agreement(kind: str) -> None:
    for at in range(1, moments(kind) + 1):
        shop = Shop(kind).prepared().killed(at, *PLAN)
        assert shop.apply(*PLAN, settle_only=True).status == "succeeded", f"killed at {at}"
        assert shop.wrong() == [], f"killed at {at}"


@pytest.mark.parametrize("kind", KINDS)
def test_killed_on_bad_days_it_still_comes_to_its_end(kind: str, undisturbed: dict[str, object]) -> None:
    for seed in range(60):
        chance = Random(seed)  # noqa: S311
        shop = Shop(kind).prepared()
        shop.cloud.fate = troubled(seed)
        for _ in range(chance.randint(1, 3)):
            shop.kill_at = shop.moments + chance.randint(1, 120)
            try:
                shop.apply(*PLAN, settle_only=chance.random() < 0.3)
            except KilledError:
                shop.clock.advance(chance.random() * 30)
            shop.next_holder()
        taken_to_its_end(shop, *PLAN)
        assert (shop.wrong(), end_state(shop)) == ([], undisturbed), f"seed {seed}"


@pytest.mark.parametrize("kind", KINDS)
def test_killed_while_it_takes_back_it_ends_in_agreement(kind: str) -> None:
    plan = (*PLAN[:4], server("refused", *(s.address for s in PLAN[:4])))

    def failing(at: int) -> Shop:
        shop = Shop(kind).prepared()
        shop.kill_at = at
        shop.cloud.fate = lambda verb, address: refuse() if address == "server/refused" else Fate()
        return shop

    def refuse() -> Fate:
        raise NeedsHuman("quota")

    whole = failing(-1)
    assert whole.apply(*plan, compensate=True).status == "failed"
    assert whole.wrong() == []
    assert end_state(whole) == end_state(Shop(kind).prepared()), "everything is as it was"
    for at in range(1, whole.moments + 1):
        shop = failing(-1).killed(at, *plan, compensate=True)
        shop.apply(*plan, compensate=True)
        assert shop.wrong() == [], f"killed at {at}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lands", [5.0, 25.0, LATE, None])
def test_an_answer_that_never_comes(kind: str, lands: float | None) -> None:
    """Whether it landed in time, later or never: made once, by the very same run."""
    shop = Shop(kind)
    fates = [Fate(lands=lands, answers=None)]
    shop.cloud.fate = lambda verb, address: fates.pop() if verb == "create" and fates else Fate()
    assert shop.apply(server("a")).status == "succeeded"
    assert shop.wrong() == [] and len(shop.cloud.living()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_stopped_before_a_call_leaves_counts_from_when_it_may_have_left(kind: str) -> None:
    """Found by the simulation: the process was stopped for minutes between looking at the lease and sending."""
    shop = Shop(kind)
    fates = [Fate(lands=LATE)]
    shop.cloud.fate = lambda verb, address: fates.pop() if verb == "create" and fates else Fate()
    stops = ["create server/a: before it is sent"]
    shop.at = lambda name: shop.clock.advance(300.0) if stops and name == stops[0] and stops.pop() else None
    assert shop.apply(server("a")).status == "succeeded"
    assert shop.wrong() == [] and len(shop.cloud.living()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_that_comes_late_does_not_come_after_the_next_one(kind: str) -> None:
    shop = Shop(kind)
    shop.apply(server("a", cpu_cores=1))
    fates = [Fate(lands=LATE)]
    shop.cloud.fate = lambda verb, address: fates.pop() if verb == "update" and fates else Fate()
    shop.apply(Update("server/a", "simulated", "", declared={"cpu_cores": 2}), name="r2")
    shop.apply(Update("server/a", "simulated", "", declared={"cpu_cores": 3}), name="r3")
    assert shop.wrong() == []


def under_way(kind: str, verb: str, *steps: Step, **more: float) -> Shop:
    """Killed while a call was on its way, which lands as late as can be."""
    shop = Shop(kind, **more)
    shop.apply(server("b", cpu_cores=1), name="r0")
    shop.cloud.fate = lambda called, address: Fate(lands=LATE) if called == verb else Fate()
    shop.moments = 0
    shop.killed(4, *steps)
    shop.cloud.fate = lambda called, address: Fate()
    assert shop.cloud.under_way() == 1
    return shop


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_under_way_when_its_holder_died_does_not_come_after_the_next_one(kind: str) -> None:
    change = Update("server/b", "simulated", "", declared={"cpu_cores": 2})
    shop = under_way(kind, "update", change)
    shop.apply(change, settle_only=True)
    shop.apply(Update("server/b", "simulated", "", declared={"cpu_cores": 3}), name="r3")
    assert shop.wrong() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_after_a_holder_died_is_no_proof_that_nothing_was_made(kind: str) -> None:
    shop = under_way(kind, "create", server("a"))

    def refuses(verb: str, address: str) -> Fate:
        if verb == "create":
            raise NeedsHuman("quota")
        return Fate()

    shop.cloud.fate = refuses
    assert shop.apply(server("a")).status == "succeeded", "the first one came late, and is found"
    assert shop.wrong() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_creation_under_way_is_made_once_whatever_is_planned_next(kind: str) -> None:
    shop = under_way(kind, "create", server("a"))
    shop.apply(server("a"), settle_only=True)
    assert "server/a" in shop.journal.state and shop.wrong() == []


def test_a_provider_that_tells_by_tags_alone_is_left_quiet_first() -> None:
    shop = Shop("tag")
    fates = [Fate(lands=None)]
    shop.cloud.fate = lambda verb, address: fates.pop() if verb == "create" and fates else Fate()
    assert shop.apply(server("a")).status == "succeeded"
    lost, made = shop.clock.monotonic(), shop.cloud.living()[0].made
    assert made >= shop.cloud.spec.late_seconds
    assert shop.journal.renewals >= made - RunOptions().call_seconds, "the lease is kept meanwhile"
    assert lost < made + 10.0, "and no longer than that"


def test_whoever_waits_is_told_once_for_what_and_how_long() -> None:
    shop = Shop("tag").killed(2, server("a"), server("b"))
    assert len(shop.journal.open) == 2
    assert shop.apply(server("a"), server("b")).status == "succeeded"
    seconds = round(shop.cloud.spec.late_seconds * RATE)
    told = f"simulated is asked in {seconds} s what became of what was under way: by then nothing can come late"
    assert shop.notes.told == [told]


def test_asked_to_stop_while_it_waits_it_leaves_the_intent_to_whoever_comes_next() -> None:
    shop = Shop("tag")

    def fate(verb: str, address: str) -> Fate:
        shop.cancel.set()
        return Fate(lands=None)

    shop.cloud.fate = lambda verb, address: fate(verb, address) if verb == "create" else Fate()
    outcome = shop.apply(server("a"))
    assert (outcome.unknown, len(shop.journal.open)) == (("server/a",), 1)
    assert shop.clock.monotonic() == RunOptions().call_seconds
    shop.next_holder()
    again = shop.apply(server("a"))
    assert again.unknown == ("server/a",), "asked to stop before it could be told"
    shop.cancel = threading.Event()
    shop.cloud.fate = lambda verb, address: Fate()
    assert shop.apply(server("a")).status == "succeeded" and shop.wrong() == []


def test_a_lost_lease_ends_the_wait() -> None:
    shop = Shop("tag")

    def fate(verb: str, address: str) -> Fate:
        shop.journal.lost = "taken over"
        return Fate(lands=LATE)

    shop.cloud.fate = lambda verb, address: fate(verb, address) if verb == "create" else Fate()
    assert shop.apply(server("a")).status == "lost"
    assert shop.clock.monotonic() == RunOptions().call_seconds
    shop.next_holder()
    shop.cloud.fate = lambda verb, address: Fate()
    assert shop.apply(server("a")).status == "succeeded" and shop.wrong() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_after_an_unheard_answer_is_no_proof_that_nothing_was_made(kind: str) -> None:
    shop = Shop(kind)
    days: list[Callable[[], Fate]] = [lambda: Fate(lands=LATE, answers=None)]

    def fate(verb: str, address: str) -> Fate:
        if verb != "create":
            return Fate()
        if days:
            return days.pop()()
        raise NeedsHuman("quota")

    shop.cloud.fate = fate
    assert shop.apply(server("a")).status == "succeeded", "the first one came late, and is found"
    assert shop.wrong() == []


def test_a_name_that_somebody_else_has_is_a_persons_business() -> None:
    shop = Shop("name")
    foreign = Request(Owner("w-2", "other"), "server/a", {}, None, "x" * 64, "x" * 32, 1)
    shop.cloud.connect().create(foreign)
    outcome = shop.apply(server("a"))
    assert (outcome.status, outcome.unknown) == ("failed", ())
    assert outcome.failed == (
        ("server/a", "the name of server/a is taken, by nothing that this run made: rename one of them, or remove the other"),
    )
    assert [t.owner for t in shop.cloud.living()] == [foreign.owner]


def test_a_key_that_was_forgotten_tells_no_more_than_a_tag() -> None:
    shop = under_way("key", "create", server("a"), key_seconds=5.0)
    assert shop.apply(server("a")).status == "succeeded" and shop.wrong() == []


def test_a_deletion_that_comes_to_nothing_stays_owned_until_it_is_done() -> None:
    shop = Shop("key")
    shop.apply(server("a"))
    shop.cloud.fate = lambda verb, address: Fate(lands=None) if verb == "delete" else Fate()
    assert shop.apply(Delete("server/a", "simulated", ""), name="r2").status == "failed"
    assert shop.journal.state["server/a"].status is Status.DELETING and not shop.wrong()
    shop.cloud.fate = lambda verb, address: Fate(lands=LATE) if verb == "delete" else Fate()
    shop.apply(Delete("server/a", "simulated", ""), name="r3")
    shop.cloud.fate = lambda verb, address: Fate()
    shop.apply(Delete("server/a", "simulated", ""), name="r4")
    assert not shop.journal.state and shop.wrong() == []
