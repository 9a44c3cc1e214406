"""A cloud in memory: late, forgetful, overloaded and crashing on demand, and it remembers everything that ever was in it.

    cloud = SimulatedCloud("tag", FakeClock())                 # or "key", "name": how it tells repeated creations apart
    provider = cloud.connect()                                 # one per process; all of them reach the same world
    cloud.fate = lambda verb, address: Fate(lands=25.0)        # asked once for each call: what becomes of it
    provider.create(request)                                   # raises Retry(unknown) after 20 s; it lands 5 s later
    cloud.living(), cloud.doubled(), cloud.calls               # what is there, what was made twice, what was done

Nothing here draws lots: whatever goes wrong is said by ``fate``, and a process dies where its ``boundary`` raises. What was
sent lands however its sender ends. Time is two clocks: the cloud's own decides when things land, a connection's is slept on
while waiting; under a scheduler give each process its own. A call lands at most ``late`` seconds after it was sent, and an
answer is at most ``lag`` seconds old, as long as ``fate`` keeps to that: ``spec.late_seconds`` is the sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from threading import RLock
from typing import TypeVar

from executors.ports import Broken, Clock, Completed, Conflict, Found, Machine, NotFound, Owner, PortError, Request, Retry
from planners.canonical import Json, digest
from planners.catalog import KindSpec, ProviderSpec
from planners.dataclass import dataclass
from planners.model import Observation, Presence, RecordedResource, kind_of

T = TypeVar("T")
LATE, LAG = 30.0, 3.0
"""Seconds, unless the cloud is made with others."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one call. Times are seconds from when it was sent; the plain one is over at once and well.

    ``lands``: when it takes effect (``None``: never, it was lost on the way). ``answers``: when the answer is back, never
    before it landed (``None``: the answer is lost). ``throttled``: it is turned away, to be sent again after so many
    seconds. ``stale``: a question is answered from the world as it was so long ago.
    """

    lands: float | None = 0.0
    answers: float | None = 0.0
    throttled: float | None = None
    stale: float = 0.0

    @property
    def heard(self) -> float | None:
        """When the caller hears of it, however long it waits; ``None``: never."""
        return None if self.lands is None or self.answers is None else max(self.lands, self.answers)


WELL = Fate()


def well(verb: str, address: str) -> Fate:  # noqa: ARG001  # the signature of every fate
    """Nothing goes wrong."""
    return WELL


@dataclass(slots=True)
class Thing:
    """One resource that exists or has existed. ``made`` and ``gone`` are the cloud's monotonic time."""

    id: str
    address: str
    name: str
    key: str
    owner: Owner
    declared: Mapping[str, Json]
    token: int
    made: float
    gone: float | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    services: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def there(self, at: float) -> bool:
        """Whether it existed at a time."""
        return self.made <= at and (self.gone is None or at < self.gone)


@dataclass(frozen=True, slots=True)
class Call:
    """One effect when it landed. ``outcome``: made, again (an earlier one under its key), changed, removed, or the refusal."""

    sent: float
    landed: float
    verb: str
    address: str
    op: str
    key: str
    token: int
    thing: str
    outcome: str


@dataclass(slots=True)
class _Landing:
    """An effect on its way, and how it ended once it is there."""

    due: float
    act: Callable[[], Thing]
    result: Thing | PortError | None = None


def simulated_spec(kind: str, late_seconds: float = LATE + LAG, key_seconds: float = 0.0) -> ProviderSpec:
    """The provider ``simulated`` of one kind: ``key``, ``name`` or ``tag``."""
    plain = frozenset({"id"})
    kinds = {
        "server": KindSpec(
            frozenset({"image"}), readable=frozenset({"power", "cpu_cores", "labels"}), outputs=plain | {"address"}
        ),
        "network": KindSpec(frozenset({"cidr"}), readable=frozenset({"labels"}), outputs=plain),
        "volume": KindSpec(frozenset({"type"}), readable=frozenset({"size_gb", "labels"}), outputs=plain),
        "load_balancer": KindSpec(readable=frozenset({"algorithm", "labels"}), outputs=plain | {"address"}),
        "dns": KindSpec(frozenset({"type"}), readable=frozenset({"ttl_seconds", "values"}), outputs=plain),
    }
    return ProviderSpec(
        "simulated", "1", kinds, needs_zone=False, idempotency=kind, late_seconds=late_seconds,
        late_source="executors.simulated: fates keep to it", key_seconds=key_seconds,
    )  # fmt: skip


class SimulatedCloud:
    """The world, and everything that was done to it. ``things`` and ``calls`` only grow. Safe from several threads."""

    def __init__(self, kind: str, clock: Clock, *, late: float = LATE, lag: float = LAG, key_seconds: float = 0.0) -> None:
        self.spec = simulated_spec(kind, late + lag, key_seconds)
        self.clock = clock
        self.things: list[Thing] = []
        self.calls: list[Call] = []
        self.fate: Callable[[str, str], Fate] = well
        self.commands: Callable[[Sequence[str], bytes], Completed] = lambda argv, stdin: Completed(0, b"", b"")  # noqa: ARG005
        """What a command on a server answers."""
        self._under_way: list[_Landing] = []
        self._lock = RLock()

    def connect(self, clock: Clock | None = None, boundary: Callable[[str], None] = lambda name: None) -> SimulatedProvider:  # noqa: ARG005
        """As one process reaches it. ``boundary`` is called with the name of each moment at which the process may die."""
        return SimulatedProvider(self, clock or self.clock, boundary)

    # --- what it tells whoever judges --------------------------------------------------------------------

    def living(self) -> list[Thing]:
        """What exists now."""
        with self._lock:
            self._catch_up()
            return [t for t in self.things if t.there(self.clock.monotonic())]

    def doubled(self) -> dict[str, list[Thing]]:
        """What was ever made more than once under one idempotency key, by key."""
        with self._lock:
            self._catch_up()
            made = {t.key: [other for other in self.things if other.key == t.key] for t in self.things}
            return {key: things for key, things in made.items() if len(things) > 1}

    def under_way(self) -> int:
        """How many effects were sent and have not landed."""
        with self._lock:
            self._catch_up()
            return len(self._under_way)

    # --- effects -----------------------------------------------------------------------------------------

    def send(self, verb: str, request: Request, lands: float | None) -> _Landing:
        """Have an effect land ``lands`` seconds from now (``None``: never), whatever becomes of its sender."""
        act = {"create": self._create, "update": self._update, "delete": self._delete}[verb]
        with self._lock:
            sent = self.clock.monotonic()
            landing = _Landing(sent + (lands or 0.0), lambda: self._note(verb, request, sent, landing.due, act))
            if lands is not None:
                self._under_way.append(landing)
            self._catch_up()
            return landing

    def look(self, ask: Callable[[float], T], stale: float = 0.0) -> T:
        """Answer a question from the world as it was ``stale`` seconds ago."""
        with self._lock:
            self._catch_up()
            return ask(self.clock.monotonic() - stale)

    def _catch_up(self) -> None:
        """Let everything land that was due by now, in that order."""
        now = self.clock.monotonic()
        for landing in sorted((each for each in self._under_way if each.due <= now), key=lambda each: each.due):
            self._under_way.remove(landing)
            try:
                landing.result = landing.act()
            except PortError as error:
                landing.result = error

    def _note(
        self, verb: str, request: Request, sent: float, at: float, act: Callable[[Request, float], tuple[Thing, str]]
    ) -> Thing:
        def noted(thing: str, outcome: str) -> None:
            call = Call(sent, at, verb, request.address, request.op, request.key, request.token, thing, outcome)
            self.calls.append(call)

        try:
            thing, outcome = act(request, at)
        except PortError as error:
            noted("", f"{type(error).__name__}: {error}")
            raise
        noted(thing.id, outcome)
        return thing

    def _create(self, request: Request, at: float) -> tuple[Thing, str]:
        kept = self.spec.key_seconds or float("inf")
        same = [t for t in self.things if t.key == request.key and t.owner == request.owner and at < t.made + kept]
        if self.spec.idempotency == "key" and same:
            # a key stays taken, whatever became of what it made
            if digest("asked", same[0].declared) != digest("asked", request.declared):
                raise Broken(f"key {request.key} was used with other parameters")
            return same[0], "again"
        # a successor stands beside what it replaces, so its name says which one it is
        name = f"{request.address}-{request.key[:8]}" if request.recorded else request.address
        if self.spec.idempotency == "name" and any(t.name == name and t.there(at) for t in self.things):
            raise Conflict(f"the name of {request.address} is taken")
        identity = f"{kind_of(request.address)}-{len(self.things) + 1}"
        made = Thing(identity, request.address, name, request.key, request.owner, request.declared, request.token, at)
        self.things.append(made)
        return made, "made"

    def _update(self, request: Request, at: float) -> tuple[Thing, str]:
        thing = self._required(request, at)
        thing.address, thing.declared, thing.token = request.address, request.declared, request.token
        return thing, "changed"

    def _delete(self, request: Request, at: float) -> tuple[Thing, str]:
        thing = self._required(request, at)
        thing.gone = at
        return thing, "removed"

    def _required(self, request: Request, at: float) -> Thing:
        found = self.find(request.owner, request.recorded, at)
        if found is None:
            raise NotFound(f"{request.address} is gone")
        return found

    def find(self, owner: Owner, recorded: RecordedResource | None, at: float) -> Thing | None:
        """What a record names, if its owner is this one."""
        identity = recorded.observed.get("id") if recorded else None
        return next((t for t in self.things if t.id == identity and t.owner == owner and t.there(at)), None)


class SimulatedProvider:
    """Fits the ``Provider`` port: one process's connection to the cloud."""

    def __init__(self, cloud: SimulatedCloud, clock: Clock, boundary: Callable[[str], None]) -> None:
        self.spec = cloud.spec
        self._cloud, self._clock, self._boundary = cloud, clock, boundary

    def create(self, request: Request) -> Observation:
        """Make it. Raises ``Conflict`` for a name that is taken."""
        return self._seen(self._effect("create", request))

    def update(self, request: Request) -> Observation:
        """Change it in place. Raises ``NotFound``."""
        return self._seen(self._effect("update", request))

    def delete(self, request: Request) -> None:
        """Remove it by id; already gone is fine."""
        try:
            self._effect("delete", request)
        except NotFound:
            return

    def read(self, owner: Owner, recorded: RecordedResource) -> Observation:
        """What is there."""

        def look(at: float) -> Observation:
            found = self._cloud.find(owner, recorded, at)
            return self._seen(found) if found else Observation(Presence.ABSENT, detail="it is gone")

        return self._question("read", recorded.address, look)

    def list(self, owner: Owner) -> Sequence[Found]:
        """All that carries the owner's tag, in the order it was made."""

        def look(at: float) -> Sequence[Found]:
            mine = [t for t in self._cloud.things if t.owner == owner and t.there(at)]
            return [Found(t.address, t.key, self._seen(t)) for t in mine]

        return self._question("list", "", look)

    def machine(self, owner: Owner, recorded: RecordedResource) -> Machine:
        """The machine of a server. Raises ``NotFound``."""
        thing = self._cloud.look(lambda at: self._cloud.find(owner, recorded, at))
        if thing is None:
            raise NotFound(f"{recorded.address} is gone")
        return SimulatedMachine(thing, self._cloud, self._boundary)

    def _effect(self, verb: str, request: Request) -> Thing:
        fate, moment = self._cloud.fate(verb, request.address), f"{verb} {request.address}"
        self._boundary(f"{moment}: before it is sent")
        if fate.throttled is not None:
            raise Retry("too many requests", after=fate.throttled)
        landing = self._cloud.send(verb, request, fate.lands)
        self._boundary(f"{moment}: on its way")
        heard = fate.heard
        self._clock.sleep(request.timeout if heard is None else min(heard, request.timeout))
        self._boundary(f"{moment}: over")
        result = self._cloud.look(lambda at: landing.result)  # noqa: ARG005
        if heard is None or heard > request.timeout or result is None:
            raise Retry("no answer in time", unknown=True)
        if isinstance(result, PortError):
            raise result
        return result

    def _question(self, verb: str, address: str, look: Callable[[float], T]) -> T:
        fate = self._cloud.fate(verb, address)
        self._boundary(f"{verb} {address}: before it is asked")
        if fate.throttled is not None:
            raise Retry("too many requests", after=fate.throttled)
        self._clock.sleep(fate.heard or 0.0)
        if fate.heard is None:
            raise Retry("no answer in time")
        answer = self._cloud.look(look, fate.stale)
        self._boundary(f"{verb} {address}: over")
        return answer

    def _seen(self, thing: Thing) -> Observation:
        kind = kind_of(thing.address)
        outputs: dict[str, Json] = {"id": thing.id}
        if "address" in self.spec.kinds[kind].outputs:
            outputs["address"] = f"10.0.0.{thing.id.rpartition('-')[2]}"
        asked = {**({"power": "on"} if kind == "server" else {}), **thing.declared}
        return Observation(Presence.PRESENT, {k: v for k, v in asked.items() if k in self.spec.kinds[kind].readable}, outputs)


class SimulatedMachine:
    """Fits the ``Machine`` port: files and services of one thing in the cloud."""

    simulated = True

    def __init__(self, thing: Thing, cloud: SimulatedCloud, boundary: Callable[[str], None]) -> None:
        self._thing, self._cloud, self._boundary = thing, cloud, boundary

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,  # noqa: ARG002  # the port's signature
        stdin: bytes = b"",
        cwd: str = "",  # noqa: ARG002
        timeout: float = 20.0,  # noqa: ARG002
    ) -> Completed:
        """As ``commands`` answers."""
        return self._done(f"run {argv[-1]}", lambda: self._cloud.commands(argv, stdin))

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:  # noqa: ARG002
        """Write the file."""
        self._done(f"put {path}", lambda: self._thing.files.update({path: content}))

    def get(self, path: str) -> bytes | None:
        """Its content."""
        return self._thing.files.get(path)

    def remove(self, path: str) -> None:
        """Remove a file or folder."""
        gone = [each for each in self._thing.files if each == path or each.startswith(f"{path}/")]
        self._done(f"remove {path}", lambda: [self._thing.files.pop(each) for each in gone])

    def start(self, service: str, argv: Sequence[str], env: Mapping[str, str], cwd: str = "") -> None:  # noqa: ARG002
        """It runs from now on."""
        self._done(f"start {service}", lambda: self._thing.services.update({service: tuple(argv)}))

    def stop(self, service: str) -> None:
        """It is forgotten."""
        self._done(f"stop {service}", lambda: self._thing.services.pop(service, None))

    def state(self, service: str) -> str:
        """``running`` if it was started."""
        return "running" if service in self._thing.services else "absent"

    def port(self, name: str) -> int:
        """The same number for the same name on the same machine."""
        return 20000 + int(digest("simulated-port", [self._thing.id, name])[:3], 16)

    def _done(self, what: str, act: Callable[[], T]) -> T:
        self._boundary(f"{what} on {self._thing.id}: before")
        result = act()
        self._boundary(f"{what} on {self._thing.id}: after")
        return result
