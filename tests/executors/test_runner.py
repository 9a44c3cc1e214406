"""Whole runs against the fake provider: what happens, what is recorded, and what is left when anything goes wrong."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from executors.clocks import FakeClock
from executors.fakes import FaultyProvider, FixedExtensions, FixedSecrets, MemoryJournal
from executors.ports import Completed, LeaseLost, NeedsHuman, Outcome, Owner, Retry, RunOptions, Tools
from executors.providers import fake
from executors.providers.fake.machine import FakeMachine
from executors.providers.fake.provider import FakeProvider
from executors.retry import ATTEMPTS, OPEN_SECONDS
from executors.runner import run
from executors.threads import Inline, Pool, Threads
from planners.canonical import digest
from planners.model import Dependency, Environment, Observation, Presence, RecordedResource, Status
from planners.references import REPLACES, RESOLVED
from planners.steps import Adopt, Create, Delete, Forget, Move, Plan, Read, Replace, Step, Update

OWNER = Owner("w-1", "shop")
CANARY = "c4nary:/kept secret\n2nd line of it"
WEB = {
    "manifest.yaml": b"""
name: web
version: 1.0.0
scripts: {install: install.sh, uninstall: uninstall.sh}
templates: [{source: page.html, target: page.html}]
service: {command: [serve, "{{ config.port }}"]}
health: {type: command, command: [probe], interval_seconds: 10, retries: 3}
outputs: {url: "http://{{ server.address }}:{{ config.port }}", dsn: "db://me:{{ config.password }}@{{ server.address }}"}
""",
    "scripts/install.sh": b"#!/bin/sh\n",
    "scripts/uninstall.sh": b"#!/bin/sh\n",
    "templates/page.html": b"{{ config.title }} on {{ server.name }} of {{ infra }}, {{ servers|length }}",
}
PLAIN = {"manifest.yaml": b"name: plain\nversion: 1.0.0\n"}


class Notes:
    """What people would have been told."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[tuple[str, str, str]] = []
        self.notes: list[str] = []

    def started(self, step: Step) -> None:
        self.begun.append(step.address)

    def finished(self, step: Step, status: str, message: str) -> None:
        self.ended.append((step.address, status, message))

    def note(self, message: str) -> None:
        self.notes.append(message)


class Commands:
    """Answers for the commands that run on fake machines: by the first word, in turn; otherwise 0 and silence."""

    def __init__(self, **answers: Sequence[Completed | Exception]) -> None:
        self.answers = {name: list(given) for name, given in answers.items()}
        self.told: list[tuple[str, ...]] = []
        self.stdin: list[bytes] = []
        self.hook: Callable[[], None] = lambda: None
        """Called before and after whatever changes a machine."""

    def __call__(self, argv: Sequence[str], stdin: bytes) -> Completed:
        self.told.append(tuple(argv))
        self.stdin.append(stdin)
        name = Path(argv[-1]).stem if "/" in argv[-1] else argv[0]
        given = self.answers.get(name)
        answer = given.pop(0) if given else Completed(0, b"", b"")
        if isinstance(answer, Exception):
            raise answer
        return answer


class Answering(FakeMachine):
    def __init__(self, folder: Path, commands: Commands) -> None:
        super().__init__(folder)
        self._told = commands

    def run(self, argv: Sequence[str], **more: Any) -> Completed:
        self._told.hook()
        done = self._told(argv, more.get("stdin", b""))
        self._told.hook()
        return done

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        self._told.hook()
        super().put(path, content, mode)
        self._told.hook()

    def remove(self, path: str) -> None:
        self._told.hook()
        super().remove(path)

    def start(self, service: str, argv: Sequence[str], env: Mapping[str, str], cwd: str = "") -> None:
        self._told.hook()
        super().start(service, argv, env, cwd)

    def stop(self, service: str) -> None:
        self._told.hook()
        super().stop(service)


class Estate(FakeProvider):
    def __init__(self, world: Path, commands: Commands) -> None:
        super().__init__(fake.SPEC, world, machine="here")
        self._answers = commands

    def machine(self, owner: Owner, recorded: RecordedResource) -> FakeMachine:
        self._require(owner, recorded, recorded.address)
        return Answering(self._path(owner, str(recorded.observed["id"])).with_suffix(""), self._answers)


class Stage:
    """One infra: a world, a ledger and whoever applies plans to it, time after time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.commands = Commands()
        self.world = Estate(folder / "world", self.commands)
        self.provider = FaultyProvider(self.world)
        self.clock = FakeClock()
        self.journal = MemoryJournal()
        self.secrets: Mapping[str, str] = {"secret://shop/db/password": CANARY}
        self.notes = Notes()
        self.cancel = threading.Event()
        self.pool: Pool = Inline()
        self.runs = 0

    def tools(self, name: str, **more: Any) -> Tools:
        files = {("taskservs", "web"): WEB, ("taskservs", "plain"): PLAIN}
        return Tools(
            OWNER,
            {"fake": self.provider},
            FixedExtensions(files),
            FixedSecrets(self.secrets),
            self.clock,
            self.journal,
            self.notes,
            recorded=dict(self.journal.state),
            run=name,
            plan="plan",
            source_commit="c0ffee",
            settings={"environment": "dev"},
            log_dir=str(self.folder / "logs"),
            **more,
        )

    def apply(self, *steps: Step, resume: str = "", **options: Any) -> Outcome:
        """Run a plan of these steps; ``resume`` names the run to be taken up again."""
        self.runs += 1
        more = {"finished": frozenset(self.journal.finished), "open_intents": tuple(self.journal.open.values())} if resume else {}
        tools = self.tools(resume or f"r{self.runs}", **more)
        return run(Plan("shop", Environment("dev"), steps, id="plan"), tools, RunOptions(**options), self.cancel, self.pool)

    def present(self) -> dict[str, list[str]]:
        """Address -> ids of what is really there."""
        found: dict[str, list[str]] = {}
        for item in self.world.list(OWNER):
            found.setdefault(item.address, []).append(str(item.observation.outputs["id"]))
        return found

    def agrees(self) -> bool:
        """Whether ledger and world tell the same, each thing once."""
        recorded = {
            a: [str(r.observed["id"])] for a, r in self.journal.state.items() if not a.startswith(("taskserv/", "cluster/"))
        }
        return self.present() == recorded and not self.journal.open

    def machine(self, address: str) -> FakeMachine:
        return self.world.machine(OWNER, self.journal.state[address])

    def log(self, address: str, name: str = "r1") -> str:
        return (self.folder / "logs" / name / f"{address}.log").read_text()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def after(*addresses: str, healthy: bool = True) -> tuple[Dependency, ...]:
    return tuple(Dependency(a, healthy) for a in addresses)


def server(name: str, *needs: str, **declared: Any) -> Create:
    edges = after(*needs)
    return Create(f"server/{name}", "fake", "new", depends_on=edges, declared=declared, edges=edges)


def taskserv(host: str, name: str = "web", *needs: str, **config: Any) -> Create:
    edges = after(f"server/{host}", *needs)
    declared = {"version": "1.0.0", "config": {"port": 80, "title": "hello", "password": "none", **config}}
    return Create(f"taskserv/{host}/{name}", "fake", "new", depends_on=edges, declared=declared, edges=edges, extension="e-1")


def once(*verbs_and_errors: tuple[str, Exception]) -> Callable[[str, str], None]:
    """A hook that raises each error once, at the first call of its verb."""
    left = list(verbs_and_errors)

    def hook(verb: str, address: str) -> None:
        for number, (wanted, error) in enumerate(left):
            if wanted == verb:
                del left[number]
                raise error

    return hook


def always(verb: str, error: Exception, *addresses: str) -> Callable[[str, str], None]:
    def hook(called: str, address: str) -> None:
        if called == verb and (not addresses or address in addresses):
            raise error

    return hook


# --- the good case ---------------------------------------------------------------------------------------


def test_everything_is_made_recorded_and_told(stage: Stage) -> None:
    network = Create("network/n", "fake", "new", declared={"cidr": "10.1.0.0/16"})
    cluster = Create("cluster/c", "fake", "new", depends_on=after("taskserv/a/web"), edges=after("taskserv/a/web"))
    outcome = stage.apply(network, server("a", "network/n", networks=["n"], image="debian"), taskserv("a"), cluster)
    assert outcome == Outcome("succeeded", ("network/n", "server/a", "taskserv/a/web", "cluster/c"))
    assert stage.agrees()
    record = stage.journal.state["server/a"]
    assert (record.declared, record.depends_on, record.status) == (
        {"networks": ["n"], "image": "debian"},
        ("network/n",),
        "ready",
    )
    assert (record.run, record.plan, record.source_commit) == ("r1", "plan", "c0ffee")
    assert record.observed[RESOLVED] == {"${network/n.id}": digest(RESOLVED, stage.journal.state["network/n"].observed["id"])}
    assert stage.notes.begun == ["network/n", "server/a", "taskserv/a/web", "cluster/c"]
    assert [(a, s) for a, s, _ in stage.notes.ended] == [(a, "done") for a in outcome.done]
    assert stage.journal.state["taskserv/a/web"].observed["url"] == f"http://{record.observed['address']}:80"
    assert stage.machine("server/a").get("page.html") == b"hello on a of shop, 1"
    assert stage.machine("server/a").state("web") == "running"


def test_a_check_over_the_network_passes_where_nothing_really_runs(stage: Stage) -> None:
    for check in ({"type": "http", "url": "http://{{ server.address }}:{{ config.port }}/"}, {"type": "tcp", "port": "9"}):
        step = taskserv("a")
        stage.apply(server("a"), replace(step, declared={**step.declared, "health": check}))
        assert stage.journal.state["taskserv/a/web"].status is Status.READY
        stage.apply(Delete("taskserv/a/web", "fake", ""), Delete("server/a", "fake", "", depends_on=after("taskserv/a/web")))


def test_the_same_in_threads(stage: Stage) -> None:
    stage.pool = Threads(5)
    steps = [step for i in range(12) for step in (server(f"s{i}"), taskserv(f"s{i}"))]
    outcome = stage.apply(*steps, parallel=4, window=6)
    assert (outcome.status, len(outcome.done)) == ("succeeded", 24)
    assert stage.agrees()


def test_an_effect_starts_behind_its_intent_and_inside_the_lease(stage: Stage) -> None:
    seen: list[tuple[str, bool]] = []
    stage.provider.before = lambda verb, address: seen.append(
        (address, address in {i.address for i in stage.journal.open.values()})
    )
    stage.apply(server("a"), server("b", "server/a"), call_seconds=7.0)
    assert seen == [("server/a", True), ("server/b", True)]
    assert stage.journal.asked == [7.0, 7.0]
    (intent,) = stage.journal.transitions[0][1]
    assert (intent.action, intent.phase, intent.provider, intent.token, intent.key) == (
        "create",
        "create",
        "fake",
        1,
        intent.op[:32],
    )


def test_the_lease_is_kept_while_waiting(stage: Stage) -> None:
    stage.provider.before = once(("create", Retry("busy", after=100.0)))
    stage.apply(server("a"))
    assert stage.clock.monotonic() >= 100.0
    assert stage.journal.renewals >= 100.0 / 0.5


def test_every_kind_of_step(stage: Stage) -> None:
    stage.apply(server("a", cpu_cores=1), server("b"), server("c"), server("old", cpu_cores=1), taskserv("a"))
    ids = {address: record.observed["id"] for address, record in stage.journal.state.items() if "id" in record.observed}
    outcome = stage.apply(
        Update("server/a", "fake", "", declared={"cpu_cores": 2}),
        Delete("server/b", "fake", ""),
        Forget("server/c", "fake", "", let_go=True),
        Move("server/new", "fake", "", moved_from="server/old", declared={"cpu_cores": 4}),
        Update("taskserv/a/web", "fake", "", record_only=True, edges=after("server/new"), declared={"version": "1.0.0"}),
        Read("server/a", "fake", "", declared={"cpu_cores": 2}, depends_on=after("server/a")),
    )
    assert outcome.status == "succeeded"
    assert set(stage.journal.state) == {"server/a", "server/new", "taskserv/a/web"}
    assert stage.journal.state["server/a"].observed["id"] == ids["server/a"]
    moved = stage.journal.state["server/new"]
    assert (moved.observed["id"], moved.declared) == (ids["server/old"], {"cpu_cores": 4})
    assert stage.present() == {"server/a": [ids["server/a"]], "server/c": [ids["server/c"]], "server/new": [ids["server/old"]]}
    behind = stage.journal.state["taskserv/a/web"]
    assert (behind.depends_on, "url" in behind.observed) == (("server/new",), True)
    again = stage.apply(Adopt("server/c", "fake", "", external_id=str(ids["server/c"]), declared={"cpu_cores": 8}))
    assert again.status == "succeeded"
    assert stage.journal.state["server/c"].observed["id"] == ids["server/c"]


def test_references_are_filled_in_from_fresh_outputs(stage: Stage) -> None:
    config = {"title": "at ${server/db.private_ip}", "port": "${taskserv/db/web.url}"}
    stage.apply(server("db"), taskserv("db"), server("a"), taskserv("a", "web", "server/db", "taskserv/db/web", **config))
    db = stage.journal.state["server/db"].observed["private_ip"]
    assert stage.machine("server/a").get("page.html") == f"at {db} on a of shop, 2".encode()
    record = stage.journal.state["taskserv/a/web"]
    assert record.declared["config"]["title"] == "at ${server/db.private_ip}", "declared is recorded as it is written"  # type: ignore[index, call-overload]
    assert record.observed[RESOLVED]["${server/db.private_ip}"] == digest(RESOLVED, db)  # type: ignore[index, call-overload]


def test_a_reference_to_an_output_that_is_not_there_fails_that_step_and_leaves_nothing(stage: Stage) -> None:
    outcome = stage.apply(server("a"), taskserv("a", title="${server/a.nonsense}"))
    assert outcome.failed == (("taskserv/a/web", "'${server/a.nonsense}' stands for nothing: server/a has no output 'nonsense'"),)
    assert "taskserv/a/web" not in stage.journal.state


def test_a_thousand_steps_take_few_transitions(stage: Stage) -> None:
    outcome = stage.apply(*(server(f"s{i}") for i in range(1000)))
    assert len(outcome.done) == 1000
    assert len(stage.journal.transitions) <= 1000 // 50 + 5


# --- failures --------------------------------------------------------------------------------------------


def test_a_refusal_stops_the_run_with_one_sentence(stage: Stage) -> None:
    stage.provider.before = always("create", NeedsHuman("quota\nis used \x1b[31mup"), "server/b")
    outcome = stage.apply(server("a"), server("b"), server("c", "server/b"), server("d", "server/a"), parallel=1, window=1)
    assert outcome == Outcome("failed", ("server/a",), (("server/b", "quota is used up"),), ("server/c", "server/d"))
    assert ("server/c", "skipped", "") in stage.notes.ended
    assert stage.agrees()
    assert [r.status for r in stage.journal.results] == ["done", "failed"]


def test_on_request_the_others_go_on(stage: Stage) -> None:
    stage.provider.before = always("create", NeedsHuman("no"), "server/b")
    outcome = stage.apply(server("a"), server("b"), server("c", "server/b"), server("d", "server/a"), on_failure="continue")
    assert (outcome.done, outcome.skipped) == (("server/a", "server/d"), ("server/c",))


def test_transient_errors_are_tried_again_after_a_while(stage: Stage) -> None:
    stage.provider.before = once(("create", Retry("busy")), ("create", Retry("still busy", after=9.0)))
    assert stage.apply(server("a")).status == "succeeded"
    assert stage.provider.calls == [("create", "server/a")]
    assert stage.clock.monotonic() >= 9.0
    assert [n for n in stage.notes.notes if "trying again" in n] == [
        "server/a: busy; trying again",
        "server/a: still busy; trying again",
    ]


def test_they_are_not_tried_for_ever(stage: Stage) -> None:
    stage.provider.before = always("create", Retry("busy"))
    calls: list[str] = []
    stage.provider.before = lambda verb, address: (calls.append(verb), always("create", Retry("busy"))(verb, address))[0]
    assert stage.apply(server("a")).failed == (("server/a", "busy"),)
    assert calls == ["create"] * ATTEMPTS
    assert not stage.journal.open and not stage.present()


def test_an_endpoint_that_keeps_failing_is_left_alone_for_a_while(stage: Stage) -> None:
    at: list[float] = []

    def hook(verb: str, address: str) -> None:
        at.append(stage.clock.monotonic())
        raise Retry("down")

    stage.provider.before = hook
    stage.apply(*(server(f"s{i}") for i in range(3)), parallel=1, window=3, on_failure="continue")
    assert len(at) == 3 * ATTEMPTS
    assert at[5] - at[4] >= OPEN_SECONDS, "after five failures in a row"


def test_a_creation_without_a_key_is_not_repeated(stage: Stage) -> None:
    stage.provider.spec = replace(stage.provider.spec, idempotency="tag")
    stage.provider.after = once(("create", Retry("cut off", unknown=True)))
    assert stage.apply(server("a")).status == "succeeded"
    assert stage.provider.calls == [("create", "server/a"), ("list", "")]
    assert stage.journal.results[-1].message == "its answer was lost, and it was found by its tag"
    assert stage.agrees()


def test_a_lost_answer_with_a_key_is_asked_for_again(stage: Stage) -> None:
    stage.provider.after = once(("create", Retry("cut off", unknown=True)), ("create", Retry("cut off", unknown=True)))
    assert stage.apply(server("a")).status == "succeeded"
    assert stage.provider.calls == [("create", "server/a")] * 3
    assert stage.agrees()


def out_of_reach(stage: Stage) -> None:
    """Creations take place unheard, and then the provider is down."""
    stage.provider.after = always("create", Retry("cut off", unknown=True))
    stage.provider.before = always("list", Retry("down"))


def test_an_outcome_that_stays_unknown_is_settled_by_the_next_holder(stage: Stage) -> None:
    out_of_reach(stage)
    outcome = stage.apply(server("a"))
    assert (outcome.status, outcome.unknown) == ("failed", ("server/a",))
    assert outcome.failed == (("server/a", "what became of it cannot be told: down"),)
    assert len(stage.journal.open) == 1 and not stage.journal.state
    stage.provider.after = stage.provider.before = lambda verb, address: None
    stage.journal = stage.journal.taken_over()
    assert stage.apply(server("a"), resume="r1", settle_only=True).done == ("server/a",)
    assert stage.agrees()
    assert [verb for verb, _ in stage.provider.calls].count("create") == ATTEMPTS, "adopted, not made again"


def test_a_provider_that_cannot_be_asked_leaves_the_intent_open(stage: Stage) -> None:
    out_of_reach(stage)
    stage.apply(server("a"))
    outcome = stage.apply(server("a"), resume="r1")
    assert outcome.failed == (("server/a", "what became of it cannot be told: down"),)
    assert outcome.unknown == ("server/a",) and len(stage.journal.open) == 1


def test_a_bug_of_an_adapter_fails_its_step_and_is_logged(stage: Stage) -> None:
    stage.provider.before = always("create", KeyError("zone"))
    outcome = stage.apply(server("a"))
    assert outcome.failed == (("server/a", "the adapter failed: KeyError: 'zone'"),)
    assert stage.provider.calls == [("list", "")], "nobody knows how far it came, so that is asked"
    assert not outcome.unknown and not stage.journal.open
    assert "Traceback" in stage.log("server/a")


def test_failed_deletions_stay_owned(stage: Stage) -> None:
    stage.apply(server("a"))
    stage.provider.before = always("delete", NeedsHuman("protected"))
    assert stage.apply(Delete("server/a", "fake", "")).status == "failed"
    assert stage.journal.state["server/a"].status is Status.DELETING
    stage.provider.before = lambda verb, address: None
    assert stage.apply(Delete("server/a", "fake", "")).status == "succeeded"
    assert stage.agrees() and not stage.journal.state


def test_a_failed_change_of_a_server_leaves_its_record(stage: Stage) -> None:
    stage.apply(server("a", cpu_cores=1))
    before = dict(stage.journal.state)
    stage.provider.before = always("update", NeedsHuman("no room"))
    stage.apply(Update("server/a", "fake", "", declared={"cpu_cores": 64}))
    assert stage.journal.state == before


def test_what_is_gone_already_need_not_be_removed(stage: Stage) -> None:
    stage.apply(server("a"), taskserv("a"))
    for item in stage.world.list(OWNER):
        stage.world._path(OWNER, str(item.observation.outputs["id"])).unlink()
    outcome = stage.apply(
        Delete("taskserv/a/web", "fake", ""), Delete("server/a", "fake", "", depends_on=after("taskserv/a/web", healthy=False))
    )
    assert outcome.done == ("taskserv/a/web", "server/a")
    assert not stage.journal.state


# --- services --------------------------------------------------------------------------------------------


def test_a_script_that_fails_leaves_a_tainted_record_and_its_output(stage: Stage) -> None:
    stage.commands.answers["install"] = [Completed(3, b"unpacking\n", b"\x1b[31mno space left\n")]
    outcome = stage.apply(server("a"), taskserv("a"))
    assert outcome.failed == (("taskserv/a/web", "taskserv 'web': scripts/install.sh ended with exit code 3: no space left"),)
    assert stage.journal.state["taskserv/a/web"].status is Status.TAINTED
    result = stage.journal.results[-1]
    assert (result.status, result.output) == ("failed", "--- install\nunpacking\nno space left\n")
    assert "unpacking\nno space left" in stage.log("taskserv/a/web")
    assert (stage.folder / "logs/r1/taskserv/a/web.log").stat().st_mode & 0o777 == 0o600
    assert stage.apply(Replace("taskserv/a/web", "fake", "", declared=taskserv("a").declared)).status == "succeeded"


def test_a_change_that_fails_half_way_is_recorded_as_degraded(stage: Stage) -> None:
    stage.apply(server("a"), taskserv("a"))
    url = stage.journal.state["taskserv/a/web"].observed["url"]
    stage.commands.answers["install"] = [Retry("cut off", unknown=True)] * ATTEMPTS
    changed = {"version": "2.0.0", "config": {"port": 81, "title": "", "password": ""}}
    outcome = stage.apply(Update("taskserv/a/web", "fake", "", declared=changed))
    assert outcome.failed == (("taskserv/a/web", "cut off"),) and not outcome.unknown
    record = stage.journal.state["taskserv/a/web"]
    assert (record.status, record.declared, record.observed["url"]) == (Status.DEGRADED, changed, url)


def test_health_is_waited_for_and_pauses_grow(stage: Stage) -> None:
    sick = Completed(1, b"", b"starting")
    stage.commands.answers["probe"] = [sick] * 6
    assert stage.apply(server("a"), taskserv("a"), taskserv("a", "plain", "taskserv/a/web")).status == "succeeded"
    assert stage.clock.monotonic() == pytest.approx(0.2 + 0.4 + 0.8 + 1.6 + 3.2 + 6.4)


def test_what_is_not_healthy_in_time_fails_and_what_waits_for_it_is_skipped(stage: Stage) -> None:
    stage.commands.answers["probe"] = [Completed(1, b"", b"no database")] * 50
    outcome = stage.apply(server("a"), taskserv("a"), taskserv("a", "plain", "taskserv/a/web"))
    assert outcome.failed == (("taskserv/a/web", "not healthy: probe ended with exit code 1: no database"),)
    assert outcome.skipped == ("taskserv/a/plain",)
    record = stage.journal.state["taskserv/a/web"]
    assert (record.status, "url" in record.observed) == (Status.DEGRADED, True)
    assert stage.clock.monotonic() == pytest.approx(20.0), "three checks at most ten seconds apart"


def test_applied_is_enough_where_health_is_not_asked_for(stage: Stage) -> None:
    stage.commands.answers["probe"] = [Completed(1, b"", b"")] * 50
    soon = replace(taskserv("a", "plain"), depends_on=(*after("server/a"), *after("taskserv/a/web", healthy=False)))
    outcome = stage.apply(server("a"), taskserv("a"), soon)
    assert outcome.done == ("server/a", "taskserv/a/plain")


def test_what_vanishes_with_its_server_is_not_removed_by_itself(stage: Stage) -> None:
    stage.apply(server("a", image="1"), taskserv("a"))
    first = stage.journal.state["server/a"].observed["id"]
    stage.commands.told.clear()
    outcome = stage.apply(
        Replace("server/a", "fake", "image", declared={"image": "2"}),
        Replace("taskserv/a/web", "fake", "", depends_on=after("server/a"), declared=taskserv("a").declared, gone_with_host=True),
    )
    assert outcome.status == "succeeded" and stage.agrees()
    assert stage.journal.state["server/a"].observed["id"] != first
    assert [Path(argv[-1]).name for argv in stage.commands.told] == ["install.sh", "probe"]
    stage.apply(
        Delete("taskserv/a/web", "fake", "", gone_with_host=True),
        Delete("server/a", "fake", "", depends_on=after("taskserv/a/web", healthy=False)),
    )
    assert not stage.journal.state and not stage.present()
    assert not [argv for argv in stage.commands.told if "uninstall" in argv[-1]]


# --- replacing -------------------------------------------------------------------------------------------


def test_a_replacement_removes_and_makes_or_the_other_way_round(stage: Stage) -> None:
    stage.apply(server("a", image="1"), server("b", image="1"))
    stage.provider.calls.clear()
    stage.apply(
        Replace("server/a", "fake", "image", declared={"image": "2"}),
        Replace("server/b", "fake", "image", declared={"image": "2"}, create_first=True, depends_on=after("server/a")),
    )
    assert [verb for verb, _ in stage.provider.calls] == ["delete", "read", "create", "create", "delete", "read"]
    assert stage.agrees()
    assert set(stage.journal.state["server/b"].observed) == {"id", "machine", "address", "private_ip", "public_ip"}


def test_a_predecessor_that_cannot_be_removed_stays_owned_and_goes_the_next_time(stage: Stage) -> None:
    stage.apply(server("a", image="1"))
    step = Replace("server/a", "fake", "image", declared={"image": "2"}, create_first=True)
    stage.provider.before = always("delete", NeedsHuman("protected"))
    assert stage.apply(step).failed == (("server/a", "protected"),)
    successor = stage.journal.state["server/a"]
    assert (successor.status, REPLACES in successor.observed) == (Status.READY, True)
    assert len(stage.present()["server/a"]) == 2
    assert stage.apply(Update("server/a", "fake", "what it replaced is still there")).status == "failed"
    assert REPLACES in stage.journal.state["server/a"].observed
    stage.provider.before = lambda verb, address: None
    assert stage.apply(Update("server/a", "fake", "what it replaced is still there")).status == "succeeded"
    assert stage.agrees() and REPLACES not in stage.journal.state["server/a"].observed


def test_removing_what_has_a_predecessor_removes_both(stage: Stage) -> None:
    stage.apply(server("a", image="1"))
    stage.provider.before = always("delete", NeedsHuman("protected"))
    stage.apply(Replace("server/a", "fake", "image", declared={"image": "2"}, create_first=True))
    stage.provider.before = lambda verb, address: None
    assert stage.apply(Delete("server/a", "fake", "")).status == "succeeded"
    assert not stage.present() and not stage.journal.state


# --- stopping and taking back ----------------------------------------------------------------------------


def test_cancelling_lets_what_runs_finish_and_starts_nothing_new(stage: Stage) -> None:
    stage.provider.after = lambda verb, address: stage.cancel.set()
    outcome = stage.apply(server("a"), server("b", "server/a"), server("c"), parallel=1)
    assert outcome == Outcome("cancelled", ("server/a",), (), ("server/b", "server/c"))
    assert stage.agrees()


def test_cancelling_ends_a_wait_with_one_last_try(stage: Stage) -> None:
    def hook(verb: str, address: str) -> None:
        stage.cancel.set()
        raise Retry("busy", after=200.0)

    stage.provider.before = hook
    outcome = stage.apply(server("a"), server("b", "server/a"))
    assert outcome.failed == (("server/a", "busy"),) and outcome.skipped == ("server/b",)
    assert stage.clock.monotonic() == 0.0


def test_a_service_that_is_still_starting_when_asked_to_stop_is_no_failure(stage: Stage) -> None:
    stage.commands.answers["probe"] = [Completed(1, b"", b"starting")] * 4
    stage.commands.hook = lambda: stage.cancel.set() if ("probe",) in stage.commands.told else None
    outcome = stage.apply(server("a"), taskserv("a"))
    assert (outcome.failed, outcome.done) == ((), ("server/a", "taskserv/a/web"))
    assert stage.clock.monotonic() == pytest.approx(0.2 + 0.4 + 0.8 + 1.6), "it is asked no more often for that"


def test_a_failed_run_can_be_taken_back(stage: Stage) -> None:
    stage.apply(server("old", cpu_cores=1), server("gone", cpu_cores=3))
    stage.provider.before = always("create", NeedsHuman("no"), "server/z")
    outcome = stage.apply(
        server("a"), taskserv("a"),
        Update("server/old", "fake", "", declared={"cpu_cores": 2}),
        Delete("server/gone", "fake", ""),
        server("z", "taskserv/a/web", "server/old", "server/gone"),
        compensate=True,
    )  # fmt: skip
    assert outcome == Outcome("failed", (), (("server/z", "no"),))
    assert {a: r.declared for a, r in stage.journal.state.items()} == {
        "server/old": {"cpu_cores": 1},
        "server/gone": {"cpu_cores": 3},
    }
    assert stage.agrees()
    assert [n for n in stage.notes.notes if n.endswith("done")] == [
        "create server/gone: taken back: the run failed, done",
        "update server/old: taken back: the run failed, done",
        "delete taskserv/a/web: taken back: the run failed, done",
        "delete server/a: taken back: the run failed, done",
    ]


# --- the lease -------------------------------------------------------------------------------------------


def test_without_the_lease_no_call_begins_and_nothing_is_written(stage: Stage) -> None:
    journal = stage.journal
    journal.after = lambda number: setattr(journal, "lost", "taken over by somebody")
    outcome = stage.apply(server("a"), server("b"))
    assert (outcome.status, outcome.done) == ("lost", ())
    assert outcome.failed[0] == ("shop", "taken over by somebody")
    assert stage.provider.calls == [] and len(journal.transitions) == 1


def test_a_lease_lost_during_a_call_leaves_its_intent_to_the_next_holder(stage: Stage) -> None:
    journal = stage.journal
    stage.provider.after = lambda verb, address: setattr(journal, "lost", "taken over")
    outcome = stage.apply(server("a"), server("b", "server/a"))
    assert (outcome.status, outcome.unknown, outcome.skipped) == ("lost", ("server/a",), ("server/b",))
    stage.provider.after = lambda verb, address: None
    stage.journal = journal.taken_over()
    assert stage.apply(server("a"), server("b", "server/a"), resume="r1").status == "succeeded"
    assert stage.agrees()
    assert [call for call in stage.provider.calls if call[0] == "create"] == [("create", "server/a"), ("create", "server/b")]


def test_a_ledger_that_cannot_be_written_for_a_moment_is_tried_again(stage: Stage) -> None:
    troubles = [Retry("remote hangs up"), Retry("remote hangs up")]

    def hook(number: int) -> None:
        if troubles:
            raise troubles.pop()

    stage.journal.before = hook
    assert stage.apply(server("a")).status == "succeeded"
    assert stage.agrees()


@pytest.mark.parametrize("error", [Retry("remote is gone"), LeaseLost("too late"), OSError("disk full")])
def test_a_ledger_that_cannot_be_written_ends_the_run(stage: Stage, error: Exception) -> None:
    stage.journal.before = lambda number: (_ for _ in ()).throw(error)
    outcome = stage.apply(server("a"))
    assert outcome.status == "lost" and str(error) in outcome.failed[0][1]
    assert stage.provider.calls == []


# --- secrets ---------------------------------------------------------------------------------------------


def everything_readable(stage: Stage) -> str:
    """All that a run leaves for people and for the ledger."""
    results = [asdict(result) for result in stage.journal.results]
    intents = [asdict(intent) for _, batch in stage.journal.transitions for intent in batch]
    logs = [path.read_text() for path in (stage.folder / "logs").rglob("*.log")]
    notes = [stage.notes.begun, stage.notes.ended, stage.notes.notes]
    fakes = [path.read_text() for path in (stage.folder / "world").rglob("*.json") if ".provisioning" not in path.parts]
    return json.dumps([results, intents, logs, notes, fakes], default=str, ensure_ascii=False)


def test_secrets_reach_the_service_and_nothing_else(stage: Stage) -> None:
    said = f"password is {CANARY}, or {base64.b64encode(CANARY.encode()).decode()}\n".encode()
    stage.commands.answers["install"] = [Retry(f"cut off at {CANARY}"), Completed(1, said, CANARY.encode())]
    reference = "secret://shop/db/password"
    labels = {"note": reference}
    outcome = stage.apply(server("a", labels=labels), taskserv("a", password=reference), server("b", labels=labels))
    assert outcome.status == "failed"
    stage.commands.answers["install"] = [Completed(0, said, b"")]
    repaired = Replace("taskserv/a/web", "fake", "", declared=taskserv("a", password=reference).declared)
    assert stage.apply(repaired).status == "succeeded"
    assert any(CANARY.encode() in json.dumps(json.loads(s)["config"], ensure_ascii=False).encode().replace(b"\\n", b"\n")
               for s in stage.commands.stdin if s)  # fmt: skip
    left = everything_readable(stage)
    for piece in (*CANARY.splitlines(), base64.b64encode(CANARY.encode()).decode().rstrip("=")):
        assert piece not in left
    assert stage.journal.state["taskserv/a/web"].declared["config"]["password"] == reference  # type: ignore[index, call-overload]
    assert "(hidden)" in str(stage.journal.state["taskserv/a/web"].observed["dsn"])


def test_an_output_that_hides_a_secret_cannot_be_referred_to(stage: Stage) -> None:
    outcome = stage.apply(
        server("a"), taskserv("a", password="secret://shop/db/password"),
        taskserv("a", "plain", "taskserv/a/web", title="${taskserv/a/web.dsn}"),
    )  # fmt: skip
    assert [a for a, _ in outcome.failed] == ["taskserv/a/plain"]
    assert "would hold a secret" in outcome.failed[0][1]


def test_a_secret_that_is_not_there_fails_before_anything_is_done(stage: Stage) -> None:
    outcome = stage.apply(server("a", labels={"x": "secret://shop/db/nothing"}))
    assert outcome.failed == (("server/a", "there is no secret secret://shop/db/nothing"),)
    assert stage.provider.calls == [] and not outcome.unknown


def test_the_digest_of_a_request_tells_requests_apart_and_no_secrets(stage: Stage) -> None:
    def digests(**labels: str) -> str:
        fresh = Stage(stage.folder / str(len(list(stage.folder.iterdir()))))
        fresh.secrets = {"secret://shop/db/password": labels.pop("secret", "")}
        fresh.apply(server("a", labels=labels))
        return fresh.journal.transitions[0][1][0].request

    one = digests(x="secret://shop/db/password", secret="first-secret")
    assert one == digests(x="secret://shop/db/password", secret="another-secret")
    assert one != digests(x="plain")


# --- killed ----------------------------------------------------------------------------------------------


class KilledError(BaseException):
    """The process is gone: nobody may catch this."""


NARROW = {"window": 4, "parallel": 2}
"""Many transitions, each with few steps: more places to be killed at."""


def varied(stage: Stage) -> tuple[Step, ...]:
    """A plan with something of everything, over what ``stage.apply(*before())`` made."""
    web = replace(taskserv("a"), depends_on=after("server/a"))
    return (
        Create("network/n", "fake", "new", declared={"cidr": "10.1.0.0/16"}),
        Replace("server/swap", "fake", "image", declared={"image": "2"}),
        server("a", "network/n", "server/swap", networks=["n"], labels={"peer": "${server/swap.private_ip}"}),
        web,
        Update("server/old", "fake", "", declared={"cpu_cores": 2}),
        Replace("server/green", "fake", "image", declared={"image": "2"}, create_first=True),
        Delete("taskserv/gone/web", "fake", ""),
        Delete("server/gone", "fake", "", depends_on=after("taskserv/gone/web", healthy=False)),
        Move("server/moved", "fake", "", moved_from="server/name", declared={}),
        taskserv("a", "plain", "taskserv/a/web"),
    )


def before() -> tuple[Step, ...]:
    names = ("old", "swap", "green", "gone", "name")
    return (*(server(name, image="1") for name in names), taskserv("gone"))


class Killer:
    """Counts effects, in the ledger and outside, and kills before or after the one it is told."""

    def __init__(self, stage: Stage, at: int) -> None:
        self.count, self.at = 0, at
        stage.journal.before = stage.journal.after = lambda number: self.step()
        stage.provider.before = stage.provider.after = lambda verb, address: self.step()
        stage.commands.hook = self.step

    def step(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise KilledError


def boundaries(folder: Path) -> int:
    stage = Stage(folder)
    stage.apply(*before())
    killer = Killer(stage, -1)
    assert stage.apply(*varied(stage), **NARROW).status == "succeeded"
    return killer.count


def end_state(stage: Stage) -> dict[str, Any]:
    """What an undisturbed run leaves, but for ids and when."""
    return {
        a: (r.declared, r.depends_on, r.status, sorted(set(r.observed) - {RESOLVED}))
        for a, r in sorted(stage.journal.state.items())
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    stage = Stage(tmp_path_factory.mktemp("undisturbed"))
    stage.apply(*before())
    assert stage.apply(*varied(stage)).status == "succeeded"
    assert stage.agrees()
    return end_state(stage)


def killed(folder: Path, at: int) -> Stage:
    stage = Stage(folder)
    stage.apply(*before())
    stage.provider.calls.clear()
    Killer(stage, at)
    with pytest.raises(KilledError):
        stage.apply(*varied(stage), **NARROW)
    stage.journal = stage.journal.taken_over()
    stage.provider.before = stage.provider.after = lambda verb, address: None
    stage.commands.hook = lambda: None
    return stage


def test_killed_at_any_effect_a_resumed_run_leaves_what_an_undisturbed_one_does(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    total = boundaries(tmp_path / "count")
    assert total > 60, "the plan has become too small to tell anything"
    for at in range(1, total + 1):
        stage = killed(tmp_path / str(at), at)
        made = [call for call in stage.provider.calls if call[0] == "create"]
        outcome = stage.apply(*varied(stage), resume="r2", **NARROW)
        assert outcome.status == "succeeded", (at, outcome)
        assert stage.agrees(), f"killed at effect {at}"
        assert end_state(stage) == undisturbed, f"killed at effect {at}"
        assert all(len(ids) == 1 for ids in stage.present().values()), f"killed at effect {at}: {made}"


def test_killed_at_any_effect_settling_alone_leaves_ledger_and_world_in_agreement(tmp_path: Path) -> None:
    total = boundaries(tmp_path / "count")
    for at in range(1, total + 1):
        stage = killed(tmp_path / str(at), at)
        outcome = stage.apply(*varied(stage), resume="r2", settle_only=True)
        assert outcome.status == "succeeded", (at, outcome)
        assert stage.agrees(), f"killed at effect {at}"
        statuses = {r.status for r in stage.journal.state.values()}
        assert statuses == {Status.READY}, f"killed at effect {at}"


def test_killed_twice_it_still_comes_to_its_end(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    total = boundaries(tmp_path / "count")
    for at in range(2, total, 7):
        for again in range(1, 20, 3):
            stage = killed(tmp_path / f"{at}-{again}", at)
            Killer(stage, again)
            try:
                stage.apply(*varied(stage), resume="r2", **NARROW)
            except KilledError:
                stage.journal = stage.journal.taken_over()
                Killer(stage, -1)
                assert stage.apply(*varied(stage), resume="r2", **NARROW).status == "succeeded"
            assert stage.agrees() and end_state(stage) == undisturbed, (at, again)


def test_a_kill_in_a_thread_ends_the_run_too(stage: Stage) -> None:
    stage.pool = Threads(3)
    stage.provider.before = always("create", KilledError())  # type: ignore[arg-type]
    with pytest.raises(KilledError):
        stage.apply(server("a"))


def test_what_two_processes_made_under_one_key_is_told(stage: Stage) -> None:
    out_of_reach(stage)
    stage.apply(server("a"))
    (found,) = stage.world.list(OWNER)
    twice = [found, replace(found, observation=Observation(Presence.PRESENT, outputs={"id": "a-twin"}))]
    stage.provider.after = stage.provider.before = lambda verb, address: None
    stage.world.list = lambda owner: twice  # type: ignore[method-assign, assignment]
    stage.apply(server("a"), resume="r1")
    told = f"it was made 2 times: a-twin is kept, {found.observation.outputs['id']} not recorded"
    assert f"server/a: {told}; 'provisioning drift' shows it" in stage.notes.notes
    assert stage.journal.results[-1].message == told, "the audit says so too"
    assert stage.journal.state["server/a"].observed["id"] == "a-twin"
