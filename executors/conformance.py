"""What every provider must do, as checks that run against any of them: ours, and those of other distributions.

    bench = Bench(provider)
    for kind in provider.spec.kinds:
        for check in CHECKS:
            check(bench, kind)
    bench.clear()

A check makes what it needs under addresses of its own and raises ``NonConformance`` with one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import field, replace

from executors.ports import Conflict, Found, NeedsHuman, NotFound, Owner, PortError, Provider, Request
from planners.canonical import Json, digest
from planners.catalog import KindSpec
from planners.dataclass import dataclass
from planners.model import Observation, Presence, RecordedResource

OURS, STRANGER = Owner("conformance", "bench"), Owner("somebody-else", "bench")


class NonConformance(AssertionError):  # noqa: N818  # a verdict, not an error
    """The provider does not do what the port says."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a resource may be asked to be, and what it can be changed to in place."""

    first: Mapping[str, Json]
    changed: Mapping[str, Json]


SAMPLES: Mapping[str, Sample] = {
    "server": Sample({"power": "on"}, {"power": "off"}),
    "network": Sample({"cidr": "10.9.0.0/24"}, {"cidr": "10.9.0.0/24", "labels": {"tier": "db"}}),
    "volume": Sample({"size_gb": 1}, {"size_gb": 2}),
    "load_balancer": Sample({"algorithm": "round_robin"}, {"algorithm": "source"}),
    "dns": Sample({"type": "A", "values": ["192.0.2.1"]}, {"type": "A", "values": ["192.0.2.2"], "ttl_seconds": 60}),
}


@dataclass(slots=True)
class Bench:
    """A provider under test. ``samples`` may be replaced where a provider needs more to make something."""

    provider: Provider
    samples: Mapping[str, Sample] = field(default_factory=lambda: SAMPLES)
    owner: Owner = OURS
    token: int = 1

    def request(
        self, address: str, declared: Mapping[str, Json], recorded: RecordedResource | None = None, key: str = "first"
    ) -> Request:
        """A request as a run makes it: operation and key follow from address and ``key``."""
        op = digest("conformance", [address, key])
        return Request(self.owner, address, declared, recorded, op, op[:32], self.token)

    def made(self, address: str, key: str = "first", replaces: RecordedResource | None = None) -> RecordedResource:
        """Make the sample of its kind and record it."""
        sample = self.samples[address.partition("/")[0]]
        seen = self.provider.create(self.request(address, sample.first, replaces, key))
        return RecordedResource(address, self.provider.spec.name, sample.first, seen.outputs)

    def found(self, address: str) -> list[Found]:
        """What carries our tag at an address."""
        return [found for found in self.provider.list(self.owner) if found.address == address]

    def presence(self, record: RecordedResource) -> Presence:
        """What the provider says of a record."""
        return self.provider.read(self.owner, record).presence

    def clear(self) -> None:
        """Remove everything that was made."""
        for found in self.provider.list(self.owner):
            record = RecordedResource(found.address, self.provider.spec.name, {}, found.observation.outputs)
            self.provider.delete(self.request(found.address, {}, record, "clear"))


def _must(holds: bool, sentence: str) -> None:
    if not holds:
        raise NonConformance(sentence)


@contextmanager
def _refusing(what: str, *errors: type[PortError]) -> Iterator[None]:
    try:
        yield
    except errors:
        return
    raise NonConformance(f"{what} must raise {' or '.join(e.__name__ for e in errors)}")


# --- the checks ------------------------------------------------------------------------------------------


def made_once_under_one_key(bench: Bench, kind: str) -> None:
    """The same key again, by whoever was killed or did not hear the answer: the same resource, or refused by its name.

    A provider with neither makes another one, and then its list has to show both of them under that key.
    """
    address, told = f"{kind}/once.example", bench.provider.spec.idempotency
    first = bench.made(address)
    try:
        again = bench.made(address)
    except Conflict:
        _must(told == "name", "the same key again is refused, and the spec does not say that names are unique")
        again = first
    same = first.observed.get("id") == again.observed.get("id")
    _must(same or told == "tag", "created twice under one key, it got two ids")
    keys = [found.key for found in bench.found(address)]
    expected = [bench.request(address, {}).key] * (1 if same else 2)
    _must(keys == expected, f"created twice under one key, the list shows it {len(keys)} times")


def unknown_outcomes_have_a_bound(bench: Bench, kind: str) -> None:  # noqa: ARG001  # the same for all kinds
    """How long a creation may go on without its caller is said, with where that is known from."""
    spec = bench.provider.spec
    _must(spec.idempotency in ("key", "name", "tag"), f"idempotency is '{spec.idempotency}', not key, name or tag")
    _must(spec.late_seconds >= 0 and spec.key_seconds >= 0, "late_seconds and key_seconds are seconds")
    _must(bool(spec.late_source), "late_source does not say where late_seconds is known from")


def another_key_makes_another(bench: Bench, kind: str) -> None:
    """Two resources are two."""
    one, two = bench.made(f"{kind}/one.example"), bench.made(f"{kind}/two.example")
    _must(one.observed["id"] != two.observed["id"], "two resources share an id")


def outputs_are_those_of_the_spec(bench: Bench, kind: str) -> None:
    """References are checked against the spec before anything runs."""
    outputs = set(bench.made(f"{kind}/outputs.example").observed)
    promised = set(_spec(bench, kind).outputs)
    _must("id" in outputs, "there is no output 'id' to find it by")
    _must(outputs <= promised, f"outputs {sorted(outputs - promised)} are not in the spec")
    _must(promised <= outputs, f"outputs {sorted(promised - outputs)} are in the spec and not given")


def read_back_as_declared(bench: Bench, kind: str) -> None:
    """What it can read back it reads back in the words of the declaration; planning finds drift by that."""
    record = bench.made(f"{kind}/read.example")
    seen = bench.provider.read(bench.owner, record)
    _must(seen.presence is Presence.PRESENT, f"just made, it reads as {seen.presence}")
    _must(dict(seen.outputs) == dict(record.observed), "reading gives other outputs than creating")
    _agrees(bench, kind, seen, record.declared)


def listed_as_read(bench: Bench, kind: str) -> None:
    """Many are looked at by their list: it says of each what a read says, also after a change."""
    record = bench.made(f"{kind}/listed.example")
    for change in (False, True):
        if change:
            bench.provider.update(bench.request(record.address, bench.samples[kind].changed, record, "change"))
        listed, read = [found.observation for found in bench.found(record.address)], bench.provider.read(bench.owner, record)
        _must(listed == [read], f"the list says {listed} and a read {read}")


def changed_in_place(bench: Bench, kind: str) -> None:
    """An update keeps the id and is seen by the next read; done again it changes nothing."""
    record, changed = bench.made(f"{kind}/update.example"), bench.samples[kind].changed
    request = bench.request(record.address, changed, record, "change")
    for _ in range(2):
        seen = bench.provider.update(request)
        _must(seen.outputs.get("id") == record.observed["id"], "an update changed the id")
    _agrees(bench, kind, bench.provider.read(bench.owner, record), changed)


def moved_under_another_address(bench: Bench, kind: str) -> None:
    """A resource that is renamed keeps its id; its tag follows."""
    record = bench.made(f"{kind}/before.example")
    bench.provider.update(bench.request(f"{kind}/after.example", record.declared, record, "move"))
    ids = [found.observation.outputs.get("id") for found in bench.found(f"{kind}/after.example")]
    _must(ids == [record.observed["id"]], "after a move its tag does not bear the new address")
    _must(not bench.found(record.address), "after a move it is still listed under the old address")


def deleted_and_deleted_again(bench: Bench, kind: str) -> None:
    """Gone is gone: absent, not listed, and removing it once more is fine."""
    record = bench.made(f"{kind}/delete.example")
    for _ in range(2):
        bench.provider.delete(bench.request(record.address, {}, record, "delete"))
        _must(bench.presence(record) is Presence.ABSENT, "after its deletion it does not read as absent")
        _must(not bench.found(record.address), "after its deletion it is still listed")
    with _refusing("updating what is gone", NotFound):
        bench.provider.update(bench.request(record.address, record.declared, record, "change"))


def successor_beside_its_predecessor(bench: Bench, kind: str) -> None:
    """A replacement may be made before the old one goes; deleting by id removes the right one."""
    old = bench.made(f"{kind}/swap.example")
    new = bench.made(old.address, "second", replaces=old)
    _must(new.observed["id"] != old.observed["id"], "a successor has its predecessor's id")
    bench.provider.delete(bench.request(old.address, {}, old, "delete"))
    _must(bench.presence(old) is Presence.ABSENT, "the predecessor was not removed")
    _must(bench.presence(new) is Presence.PRESENT, "the successor went with its predecessor")


def strangers_are_left_alone(bench: Bench, kind: str) -> None:
    """An id alone is not enough: without our tag a resource is not ours to see, change or remove."""
    record = bench.made(f"{kind}/ours.example")
    other = replace(bench, owner=STRANGER)
    _must(not other.found(record.address), "another owner's list shows our resource")
    with suppress(NeedsHuman):  # saying so aloud is as good
        _must(other.presence(record) is not Presence.PRESENT, "another owner reads our resource as its own")
    with _refusing("updating a stranger's resource", NotFound, NeedsHuman):
        bench.provider.update(other.request(record.address, record.declared, record, "change"))
    with suppress(NeedsHuman):
        bench.provider.delete(other.request(record.address, {}, record, "delete"))
    _must(bench.presence(record) is Presence.PRESENT, "another owner removed our resource")


def elsewhere_is_not_missing(bench: Bench, kind: str) -> None:
    """What lives on another machine is out of reach, which is neither absent nor ours to change."""
    if "machine" not in _spec(bench, kind).outputs:
        return
    record = bench.made(f"{kind}/far.example")
    far = replace(record, observed={**record.observed, "machine": "elsewhere#0123456789abcdef"})
    seen = bench.provider.read(bench.owner, far)
    _must(seen.presence is Presence.ELSEWHERE, f"what lives on another machine reads as {seen.presence}")
    _must("elsewhere" in seen.detail, "where it lives is not said")
    with _refusing("updating what lives elsewhere", NeedsHuman):
        bench.provider.update(bench.request(far.address, far.declared, far, "change"))
    with _refusing("deleting what lives elsewhere", NeedsHuman):
        bench.provider.delete(bench.request(far.address, {}, far, "delete"))
    _must(bench.presence(record) is Presence.PRESENT, "it was removed here")


def a_server_is_a_machine(bench: Bench, kind: str) -> None:
    """Commands run, files come back as they were put, services start and stop, ports are kept."""
    if kind != "server":
        return
    record = bench.made("server/machine.example")
    machine = bench.provider.machine(bench.owner, record)
    _must(machine.run(["true"]).code == 0, "'true' does not end with 0")
    _must(machine.get("etc/one") is None, "a file that is not there has content")
    machine.put("etc/one", b"\0text\n", 0o600)
    machine.put("etc/one", b"\0other\n", 0o600)
    _must(machine.get("etc/one") == b"\0other\n", "a file does not come back as it was put")
    for path in ("etc/one", "etc", "etc"):
        machine.remove(path)
    _must(machine.get("etc/one") is None, "a removed file is still there")
    _must(machine.state("sleeper") == "absent", "a service that was never started is not absent")
    for _ in range(2):
        machine.start("sleeper", ["sleep", "600"], {})
        _must(machine.state("sleeper") == "running", "a started service does not run")
    for _ in range(2):
        machine.stop("sleeper")
        _must(machine.state("sleeper") == "absent", "a stopped service is not forgotten")
    _must(machine.port("web") == machine.port("web") != machine.port("db"), "a port is not kept, or given twice")
    bench.provider.delete(bench.request(record.address, {}, record, "delete"))
    with _refusing("the machine of a server that is gone", NotFound):
        bench.provider.machine(bench.owner, record)


def _spec(bench: Bench, kind: str) -> KindSpec:
    return bench.provider.spec.kinds[kind]


def _agrees(bench: Bench, kind: str, seen: Observation, declared: Mapping[str, Json]) -> None:
    readable = _spec(bench, kind).readable
    _must(set(seen.attributes) <= readable, f"attributes {sorted(set(seen.attributes) - readable)} are not readable by the spec")
    for key in readable & declared.keys():
        told = f"'{key}' is read back as {seen.attributes.get(key)!r} and was declared as {declared[key]!r}"
        _must(seen.attributes.get(key) == declared[key], told)


CHECKS: tuple[Callable[[Bench, str], None], ...] = (
    made_once_under_one_key,
    unknown_outcomes_have_a_bound,
    another_key_makes_another,
    outputs_are_those_of_the_spec,
    read_back_as_declared,
    listed_as_read,
    changed_in_place,
    moved_under_another_address,
    deleted_and_deleted_again,
    successor_beside_its_predecessor,
    strangers_are_left_alone,
    elsewhere_is_not_missing,
    a_server_is_a_machine,
)
