"""Estates as values: declarations, a catalog, and a tiny ``apply`` that turns steps into the records they would leave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any, Protocol

from executors.records import Source
from executors.records import recorded as record_of
from planners.catalog import FREE, Catalog, KindPrice, KindSpec, Prices, ProviderSpec, Requirement, TaskservSpec
from planners.model import (
    Dependency,
    Desired,
    Environment,
    Lifecycle,
    Observation,
    Observed,
    Presence,
    Recorded,
    RecordedResource,
    Resource,
)
from planners.plan import plan
from planners.problems import Problem, Problems
from planners.steps import Delete, Forget, Move, Options, Plan, Step, Update

SERVER = KindSpec(
    replace_on=frozenset({"image", "zone"}),
    sensitive=frozenset({"root_password"}),
    readable=frozenset({"cpu_cores", "image", "power"}),
    outputs=frozenset({"id", "private_ip"}),
)
FAKE = ProviderSpec(
    "fake",
    "1",
    {"server": SERVER, **{k: KindSpec() for k in ("network", "volume", "load_balancer", "dns")}},
    needs_zone=False,
    prices=FREE,
)
PRICED = replace(
    FAKE,
    plans={"small": {"cpu_cores": 1, "memory_gb": 2, "disk_gb": 20}},
    prices=Prices(
        "EUR",
        {
            "server": KindPrice({"small": 4_000_000}, 1_000_000, {"cpu_cores": 5_000_000}),
            "volume": KindPrice(per={"size_gb": 60_000}),
            "network": KindPrice(each=0),
            "load_balancer": KindPrice(each=8_000_000),
        },
    ),
)
"""The same with a price list, in which DNS has no price."""


def spec(name: str, *requires: str | Requirement, version: str = "1.0", **more: Any) -> TaskservSpec:
    """A taskserv extension. A plain name is needed on the same server."""
    needs = tuple(Requirement(r) if isinstance(r, str) else r for r in requires)
    return TaskservSpec(name, version, f"digest-of-{name}", needs, **more)


SPECS = (
    spec("containerd", version="1.7.0", conflicts=("docker",), provides=("runtime",)),
    spec("docker", version="24.0", provides=("runtime",)),
    spec("etcd", version="3.5.0"),
    spec("kubernetes", "containerd", "etcd", version="1.28.0", roles=("control-plane", "worker")),
    spec("cilium", "kubernetes", version="1.14.0"),
    spec("postgres", version="15.5", replace_on=frozenset({"data_dir"}), sensitive=frozenset({"admin"})),
    spec("redis", version="7.2.3"),
    spec("nginx", version="1.24", optional=("redis",)),
    spec("app", "runtime", version="2.0", optional=("redis",)),
)


def catalog(*specs: TaskservSpec, providers: Iterable[ProviderSpec] = (FAKE,)) -> Catalog:
    """All the above extensions, with ``specs`` in place of or beside them."""
    return Catalog({p.name: p for p in providers}, {s.name: s for s in (*SPECS, *specs)}, {"declarations": "1"})


CATALOG = catalog()


def life(**lifecycle: Any) -> Lifecycle:
    return Lifecycle(**lifecycle)


def resource(address: str, *needs: str, lifecycle: Lifecycle | None = None, provider: str = "fake", **declared: Any) -> Resource:
    """Anything. ``needs``: addresses."""
    edges = tuple(Dependency(n) for n in needs)
    return Resource(address, provider, declared, edges, lifecycle or Lifecycle())


def server(name: str, *needs: str, **more: Any) -> Resource:
    return resource(f"server/{name}", *needs, **{"cpu_cores": 2, **more})


def service(host: str, name: str, *needs: str, role: str = "", lifecycle: Lifecycle | None = None, **config: Any) -> Resource:
    """A taskserv on a server."""
    version = CATALOG.taskservs[name].version if name in CATALOG.taskservs else "1.0"
    declared = {"version": version, "config": config} | ({"role": role} if role else {})
    made = resource(f"taskserv/{host}/{name}", *needs, lifecycle=lifecycle, **declared)
    return replace(made, extension=f"digest-of-{name}")


def infra(*resources: Resource, environment: Environment | None = None) -> Desired:
    return Desired("shop", environment or Environment("dev"), {r.address: r for r in resources})


NOTHING = Recorded("shop", {})


def planned(
    desired: Desired,
    recorded: Recorded = NOTHING,
    observed: Observed | None = None,
    *targets: str,
    destroy: bool = False,
    known: Catalog = CATALOG,
) -> Plan:
    """The plan; a refusal fails the test with what was said."""
    made = plan(desired, recorded, observed, known, Options(targets, destroy))
    assert not isinstance(made, Problems), "\n".join(map(str, made.items))
    return made


def refusals(
    desired: Desired,
    recorded: Recorded = NOTHING,
    observed: Observed | None = None,
    *targets: str,
    destroy: bool = False,
    known: Catalog = CATALOG,
) -> tuple[Problem, ...]:
    """Why there is no plan; a plan fails the test."""
    made = plan(desired, recorded, observed, known, Options(targets, destroy))
    assert isinstance(made, Problems), [f"{s.action} {s.address}" for s in made.steps]
    return made.items


def apply(made: Plan, recorded: Recorded = NOTHING, steps: int | None = None) -> Recorded:
    """The records after the first ``steps`` steps (all by default): ids are new where something is made anew."""
    records, fresh = dict(recorded.resources), count(1 + sum(len(str(r.observed)) for r in recorded.resources.values()))
    for step in made.steps[:steps]:
        _carry_out(step, records, f"{made.id[:8]}-{next(fresh)}")
    return Recorded(recorded.infra, records)


def _carry_out(step: Step, records: dict[str, RecordedResource], identity: str) -> None:
    if isinstance(step, (Delete, Forget)):
        del records[step.address]
        return
    before = records.pop(step.moved_from if isinstance(step, Move) else step.address, None)
    if isinstance(step, (Update, Move)):
        assert before is not None, f"{step.action} of {step.address}, which is not there"
        outputs = {k: v for k, v in before.observed.items() if k != "resolved"}
    else:
        outputs = {"id": identity, "private_ip": f"ip-of-{identity}"}
    records[step.address] = record_of(step, outputs, records, Source("run-1", "plan-1", "commit-1"))


def applied(desired: Desired, known: Catalog = CATALOG) -> Recorded:
    """The records of an estate just made."""
    return apply(planned(desired, known=known))


class Choose(Protocol):
    """Picks one of several: ``random.Random(n).choice``, or what a property test draws."""

    def __call__(self, options: Sequence[Any], /) -> Any: ...


HOSTS = ("a", "b", "c")
STACKS = (
    (),
    (),
    ("nginx",),
    ("nginx", "redis"),
    ("redis", "postgres"),
    ("containerd", "app"),
    ("docker", "app"),
    ("kubernetes",),
    ("cilium",),
)
"""What may stand on a server; whether containerd is listed or implied differs, as does whether a runtime conflicts."""


def some_estate(choose: Choose) -> Desired:
    """A valid infra of up to three servers with networks, services, references, roles and lifecycles."""
    hosts = [h for h in HOSTS if choose((True, True, False))]
    resources = [resource("network/lan", cidr=choose(("10.0.0.0/8", "10.1.0.0/16"))), resource("network/dmz")]
    for host in hosts:
        networks = choose(((), ("lan",), ("lan", "dmz")))
        name = choose((host, host, host, f"{host}{host}"))
        moved = {"moved_from": f"server/{host}"} if name != host else {}
        ignored = {"ignore_changes": choose(((), ("labels",))), "ignore_drift": choose(((), ("cpu_cores",)))}
        lifecycle = life(create_before_destroy=choose((True, False)), **ignored, **moved)
        labels = choose(({}, {"team": "x"}, {"team": "y"}))
        image, cores = choose(("1", "1", "2")), choose((2, 4))
        resources.append(server(name, networks=list(networks), labels=labels, image=image, cpu_cores=cores, lifecycle=lifecycle))
        resources += _services(choose, name, [r.address for r in resources if r.address.startswith("server/")])
    servers = [r.address for r in resources if r.address.startswith("server/")]
    if servers and choose((True, False)):
        resources.append(resource("load_balancer/lb", *(s for s in servers if choose((True, False)))))
        resources.append(resource("dns/shop", "load_balancer/lb", target=f"${{{choose(servers)}.private_ip}}"))
    return infra(*resources)


def _services(choose: Choose, host: str, servers: Sequence[str]) -> list[Resource]:
    made = []
    for name in choose(STACKS):
        role = choose(CATALOG.taskservs[name].roles) if CATALOG.taskservs[name].roles else ""
        config = choose(({}, {"port": 1}, {"peer": f"${{{choose(servers)}.private_ip}}"}))
        made.append(service(host, name, role=role, **config))
    return made


def there(**attributes: Any) -> Observation:
    """Something that is there, with what could be read back. ``outputs``, ``healthy`` and ``detail`` as they are."""
    special = {k: attributes.pop(k) for k in ("outputs", "healthy", "detail") if k in attributes}
    return Observation(Presence.PRESENT, attributes, **special)


GONE = Observation(Presence.ABSENT)
AWAY = Observation(Presence.ELSEWHERE, detail="lives on build-7")


def actions(made: Plan) -> list[str]:
    """``create server/web-01`` and so on, in order."""
    return [f"{s.action} {s.address}" for s in made.steps]


def step(made: Plan, address: str) -> Any:
    """The step of an address."""
    return next(s for s in made.steps if s.address == address)


def comes_before(made: Plan, first: str, then: str) -> bool:
    """Whether ``first`` is before ``then``, and ``then`` waits for it, directly or not."""
    waits: Mapping[str, set[str]] = {s.address: {d.address for d in s.depends_on} for s in made.steps}
    seen, stack = set(), [then]
    while stack:
        for need in waits[stack.pop()] - seen:
            seen.add(need)
            stack.append(need)
    order = [s.address for s in made.steps]
    return first in seen and order.index(first) < order.index(then)
