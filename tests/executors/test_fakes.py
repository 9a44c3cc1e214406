"""The stand-ins keep to the ports, and to the protocol."""

from __future__ import annotations

from pathlib import Path

import pytest

from executors.fakes import FaultyProvider, FixedExtensions, FixedSecrets, MemoryJournal, NoJournal, SilentProgress
from executors.ports import Broken, Intent, Journal, LeaseLost, NotFound, Owner, Progress, Provider, Request, Result, Retry
from executors.providers import fake
from executors.providers.fake.provider import FakeProvider
from planners.model import RecordedResource
from planners.steps import Create

OWNER = Owner("w-1", "shop")


def intent(op: str) -> Intent:
    return Intent(op, op, "server/a", "create", "create", "fake", "", 1)


def done(op: str, address: str = "server/a", **more: object) -> Result:
    record = RecordedResource(address, "fake", {}, {"id": op})
    return Result(op, address, "create", "done", **{"recorded": record, **more})  # type: ignore[arg-type]


def raising(error: Exception) -> object:
    def hook(*_: object) -> None:
        raise error

    return hook


def test_a_journal_keeps_what_is_open_finished_and_recorded() -> None:
    journal: Journal = (memory := MemoryJournal())
    journal.record([], [intent("1"), intent("2")])
    journal.record([done("1")], [intent("3")])
    assert (set(memory.open), memory.finished, set(memory.state)) == ({"2", "3"}, {"1"}, {"server/a"})
    journal.record([done("2", "server/b", renamed_from="server/a"), Result("3", "server/c", "delete", "done", gone=True)], [])
    assert set(memory.state) == {"server/b"}
    journal.record([], [intent("4")])
    journal.record([Result("4", "server/b", "delete", "done", gone=True)], [])
    assert memory.state == {}
    assert [r.op for r in memory.results] == ["1", "2", "3", "4"]


def test_a_journal_holds_to_the_protocol() -> None:
    journal = MemoryJournal()
    with pytest.raises(Broken, match="ends and was not open"):
        journal.record([done("1")], [])
    journal.record([], [intent("1")])
    with pytest.raises(Broken, match="opened twice"):
        journal.record([], [intent("1")])


def test_nothing_of_a_transition_is_durable_before_and_all_of_it_after() -> None:
    journal = MemoryJournal()
    journal.before = raising(Retry("no"))  # type: ignore[assignment]
    with pytest.raises(Retry):
        journal.record([], [intent("1")])
    assert not journal.open
    journal.before = lambda number: None
    journal.after = raising(Retry("lost"))  # type: ignore[assignment]
    with pytest.raises(Retry):
        journal.record([], [intent("1")])
    assert set(journal.open) == {"1"}


def test_whoever_was_taken_over_writes_nothing_more() -> None:
    journal = MemoryJournal({"server/a": RecordedResource("server/a", "fake", {})})
    journal.record([], [intent("1")])
    journal.renew()
    other = journal.taken_over()
    assert (other.token, set(other.open), set(other.state)) == (2, {"1"}, {"server/a"})
    for act in (journal.renew, lambda: journal.may_start(1.0), lambda: journal.record([], [])):
        with pytest.raises(LeaseLost):
            act()
    other.record([done("1")], [])
    assert journal.open, "they do not share what they hold"
    assert other.may_start(1.0) and journal.renewals == 1


def test_without_a_journal_nothing_starts_and_nothing_is_written() -> None:
    journal: Journal = NoJournal()
    assert not journal.may_start(0.0)
    journal.renew()
    with pytest.raises(LeaseLost):
        journal.record([], [])


def test_silence_is_progress_too() -> None:
    progress: Progress = SilentProgress()
    step = Create("server/a", "fake", "")
    progress.started(step)
    progress.finished(step, "done", "")
    progress.note("")


def test_secrets_and_extensions_are_there_or_not_found() -> None:
    assert FixedSecrets({"secret://a/b/c": "x"}).resolve("secret://a/b/c") == "x"
    assert FixedExtensions({("taskservs", "web"): {"f": b""}}).files("taskservs", "web") == {"f": b""}
    for ask in (lambda: FixedSecrets().resolve("secret://a/b/c"), lambda: FixedExtensions().files("taskservs", "web")):
        with pytest.raises(NotFound):
            ask()


def test_trouble_is_on_the_way_there_or_on_the_way_back(tmp_path: Path) -> None:
    inner = FakeProvider(fake.SPEC, tmp_path)
    faulty = FaultyProvider(inner)
    provider: Provider = faulty
    request = Request(OWNER, "server/a", {}, None, "o" * 64, "k" * 32, 1)
    faulty.before = lambda verb, address: raising(Retry("there"))() if verb == "create" else None  # type: ignore[operator]
    with pytest.raises(Retry, match="there"):
        provider.create(request)
    assert not inner.list(OWNER) and not faulty.calls
    faulty.before, faulty.after = lambda verb, address: None, lambda verb, address: raising(Retry("back"))()  # type: ignore[operator]
    with pytest.raises(Retry, match="back"):
        provider.create(request)
    faulty.after = lambda verb, address: None
    (found,) = provider.list(OWNER)
    record = RecordedResource("server/a", "fake", {}, found.observation.outputs)
    assert provider.read(OWNER, record) == found.observation
    provider.machine(OWNER, record).put("a", b"")
    update = Request(OWNER, "server/a", {"cpu_cores": 2}, record, "o" * 64, "k" * 32, 1)
    assert provider.update(update).attributes["cpu_cores"] == 2
    provider.delete(update)
    verbs = [verb for verb, _ in faulty.calls]
    assert verbs == ["create", "list", "read", "machine", "update", "delete"]
    assert faulty.spec == fake.SPEC
