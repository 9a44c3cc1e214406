"""The resources of a valid declaration, each with its edges and its place."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from gitops.declare.bindings import Binding, Bindings, bindings, needed
from gitops.declare.config_schema import Judged, check
from gitops.declare.documents import Document, Findings, Path, empty
from gitops.declare.edges import NOT_DECLARED, PROVIDED, unknown_keys, written_causes, written_edges
from gitops.declare.extension import Extension, requirement, spec_of
from gitops.declare.merge import layered
from gitops.declare.references import Known, Uses, dangling, uses
from gitops.ports import Kept
from planners.canonical import Json, encode
from planners.catalog import ProviderSpec, TaskservSpec
from planners.dataclass import dataclass
from planners.model import Dependency, Environment, Lifecycle, Resource, Rest
from planners.problems import Problem
from planners.references import cause_of
from planners.suggest import hint

if TYPE_CHECKING:
    from gitops.schema.infra import Cluster, Common, Infra, Server, Taskserv
    from gitops.schema.infra import Lifecycle as LifecycleModel


@dataclass(frozen=True, slots=True)
class Made:
    """All resources, the taskservs the planner may add, the references used, and each taskserv's merged config."""

    resources: Mapping[str, Resource]
    specs: Mapping[str, TaskservSpec]
    uses: Mapping[str, Uses]
    configs: Mapping[str, Document]


@dataclass(slots=True)
class Making:
    """What is at hand while resources are made."""

    infra: Infra
    document: Document
    environment: Environment
    extensions: Mapping[str, Extension]
    providers: Mapping[str, ProviderSpec]
    findings: Findings
    hidden: Collection[tuple[str, str]] = ()
    """(kind, name) of entries that are declared and not valid: told already, and never called missing."""
    rest: Rest | None = None
    """What is declared beside this part of the infra; ``None``: it is the whole."""
    kept: Kept | None = None

    def hides(self, kind: str, name: str) -> bool:
        """Whether the entry is there and not valid."""
        return (kind, name) in self.hidden


def make(making: Making) -> Made:
    """Every resource of the infra; mistakes go to the findings."""
    infra, document, findings = making.infra, making.document, making.findings
    elsewhere = making.rest.addresses if making.rest else ()
    bound = bindings(infra, document, making.extensions, findings, making.hidden, elsewhere)
    specs = _specs(making)
    if making.rest is None:
        _unbound(making, bound, specs)
    resources = {r.address: r for r in (*_provided(making), *_clusters(making, bound))}
    used = {a: uses(document.part(_path_of(a))) for a in resources}
    configs: dict[str, Document] = {}
    for address, binding in bound.by_address.items():
        config = _config(making, binding)
        configs[address] = config
        resources[address] = _taskserv(making, binding, config)
        used[address] = uses(config)
    findings.extend(_config_faults(making, bound, configs))
    hidden = {_address(kind, name) for kind, name in making.hidden}
    known = Known(resources, hidden, needed({b.use.name for b in bound.by_address.values()}, specs), elsewhere)
    _check_edges(making, used, known)
    _check_taken_and_let_go(making, known.addresses)
    resources = {a: _with_references(r, used[a]) for a, r in sorted(resources.items())}
    used["settings"] = _settings_uses(making)
    return Made(resources, specs, used, configs)


def _path_of(address: str) -> Path:
    kind, _, name = address.partition("/")
    plural = {v: k for k, v in PROVIDED.items()}.get(kind, f"{kind}s")
    return (plural, name)


def _address(plural: str, name: str) -> str:
    return f"{PROVIDED.get(plural, plural.removesuffix('s'))}/{name}"


def _settings_uses(making: Making) -> Uses:
    """What the settings refer to: secrets only, as they are needed before anything is made."""
    used = uses(making.document.part(("settings",)))
    making.findings.extend(used.problems)
    for use in used.outputs:
        message = f"settings cannot refer to '{use.address}', which is made with them"
        making.findings.add(use.where, "bad-reference", message, "write the value, or a secret://... reference")
    return used


def _with_references(resource: Resource, used: Uses) -> Resource:
    edges = {*resource.depends_on, *used.dependencies()}
    depends_on = tuple(sorted(edges, key=lambda d: (d.address, d.output or "", d.healthy)))
    return resource if depends_on == resource.depends_on else replace(resource, depends_on=depends_on)


# --- what providers make ---------------------------------------------------------------------------------


def _provided(making: Making) -> Iterator[Resource]:
    for plural, kind in PROVIDED.items():
        entries: Mapping[str, Common] = getattr(making.infra, plural)
        for name, entry in entries.items():
            if entry.enabled:
                yield _provided_one(making, (plural, name), kind, entry)


def _provided_one(making: Making, path: Path, kind: str, entry: Common) -> Resource:
    settings = making.infra.settings
    provider = entry.provider or settings.provider
    declared = entry.settled(*NOT_DECLARED)
    spec = making.providers.get(provider)
    at = making.document.at((*path, "provider") if entry.provider else ("settings", "provider"))
    if spec is None:
        known = ", ".join(sorted(making.providers))
        message = f"there is no provider '{provider}'"
        making.findings.add(at, "unknown-provider", message, hint(provider, making.providers, f"known are {known}"))
    elif making.environment.allowed_providers and provider not in making.environment.allowed_providers:
        message = f"environment '{making.environment.name}' does not allow provider '{provider}'"
        allowed = ", ".join(making.environment.allowed_providers)
        making.findings.add(at, "provider-not-allowed", message, f"allowed are {allowed}")
    labels = {**settings.labels, **entry.labels}
    if labels:
        declared["labels"] = labels
    zone = getattr(entry, "zone", None) or (settings.zone if kind != "dns" else None)
    if zone:
        declared["zone"] = zone
    if spec is not None and spec.needs_zone and kind in ("server", "volume") and not zone:
        message = f"{kind} '{path[1]}' has no zone and provider '{provider}' needs one"
        making.findings.add(making.document.at(path, key=True), "missing-key", message, "add zone to it or to settings")
    if kind == "server":
        declared.update(_server(making, path, entry, spec))  # type: ignore[arg-type]
    edges = {Dependency(a) for a in entry.depends_on}
    edges |= {Dependency(f"server/{s}") for s in getattr(entry, "servers", ())}
    where = making.document.at(path, key=True)
    address = f"{kind}/{path[1]}"
    lifecycle = _lifecycle(entry.lifecycle, kind)
    edges |= _causes(lifecycle)
    if ignored := [p for pattern, paths in settings.ignore_drift.items() if fnmatchcase(address, pattern) for p in paths]:
        lifecycle = replace(lifecycle, ignore_drift=tuple(dict.fromkeys((*lifecycle.ignore_drift, *ignored))))
    return Resource(address, provider, declared, tuple(sorted(edges)), lifecycle, where=where)


def _server(making: Making, path: Path, server: Server, spec: ProviderSpec | None) -> dict[str, Json]:
    """What a server's declaration becomes beyond what was written."""
    declared: dict[str, Json] = {}
    if image := server.image or making.infra.settings.image:
        declared["image"] = image
    for key in ("networks", "volumes"):
        attached = [a.given() for a in getattr(server, key)]
        if attached:
            declared[key] = [a["name"] if len(a) == 1 else a for a in attached]
    _check_size(making, path, server, spec)
    return declared


def _check_size(making: Making, path: Path, server: Server, spec: ProviderSpec | None) -> None:
    """Clouds need a plan or cores with memory; here a server is as large as the machine."""
    if spec is None:
        return
    findings, document = making.findings, making.document
    if server.plan is not None and spec.plans and server.plan not in spec.plans:
        advice = hint(server.plan, spec.plans, f"plans are {', '.join(sorted(spec.plans))}")
        findings.add(document.at((*path, "plan")), "value", f"provider '{spec.name}' has no plan '{server.plan}'", advice)
    if spec.needs_zone and server.plan is None:
        missing = [k for k in ("cpu_cores", "memory_gb") if getattr(server, k) is None]
        if missing:
            message = f"server '{path[1]}' has neither a plan nor {' and '.join(missing)}"
            findings.add(document.at(path, key=True), "missing-key", message, "add plan, or cpu_cores with memory_gb and disk_gb")


def _lifecycle(model: LifecycleModel, kind: str, host: str = "") -> Lifecycle:
    """``moved_from`` may be the former name alone."""
    moved = model.moved_from
    if moved and "/" not in moved:
        moved = f"{kind}/{host}/{moved}" if host else f"{kind}/{moved}"
    return Lifecycle(
        model.prevent_destroy,
        model.create_before_destroy,
        tuple(model.ignore_changes),
        moved,
        tuple(model.ignore_drift),
        tuple(model.replace_triggered_by),
        model.import_id,
    )


def _causes(lifecycle: Lifecycle) -> set[Dependency]:
    """What replaces a resource comes before it."""
    return {Dependency(cause_of(text)[0]) for text in lifecycle.replace_triggered_by}


# --- taskservs and clusters ------------------------------------------------------------------------------


def _config(making: Making, binding: Binding) -> Document:
    """core < workspace < infra < cluster < profile < this server."""
    name, use = binding.use.name, binding.use
    layers = [making.extensions[name].defaults, *_declared_config(making, name)]
    if binding.cluster and binding.cluster == name:
        layers.append(_optional(making.document, ("clusters", name, "config")))
    if use.profile:
        layers.append(_optional(making.document, ("taskservs", name, "profiles", use.profile, "config")))
    if use.config:
        layers.append(_optional(making.document, (*binding.path, "config")))
    return layered(layers)


def _declared_config(making: Making, name: str) -> list[Document]:
    return [_optional(making.document, ("taskservs", name, "config"))]


def _optional(document: Document, path: Path) -> Document:
    try:
        return document.part(path)
    except (KeyError, IndexError):
        return empty(document.at(path))


def _taskserv(making: Making, binding: Binding, config: Document) -> Resource:
    name, use, infra = binding.use.name, binding.use, making.infra
    declared, extension = infra.taskservs.get(name), making.extensions[name]
    version = (declared.version if declared else None) or extension.manifest.version
    if declared and use.profile in declared.profiles:
        version = declared.profiles[str(use.profile)].version or version
    value: dict[str, Json] = {"version": version, "config": config.value}
    value |= {k: v for k, v in (("profile", use.profile), ("role", use.role)) if v}
    if declared:
        value |= declared.given(
            "version", "config", "enabled", "requires", "optional", "conflicts", "provides", "profiles", "lifecycle"
        )
        if declared.health:
            value["health"] = declared.health.model_dump(exclude_none=True)
    lifecycle = _lifecycle(declared.lifecycle, "taskserv", binding.server) if declared else Lifecycle()
    provider = infra.servers[binding.server].provider or infra.settings.provider
    where = making.document.at(binding.path, key=isinstance(binding.path[-1], str))
    return Resource(binding.address, provider, value, tuple(sorted(_causes(lifecycle))), lifecycle, extension.digest, where)


def _clusters(making: Making, bound: Bindings) -> Iterator[Resource]:
    for name, cluster in making.infra.clusters.items():
        if cluster.enabled and name not in bound.incomplete:
            yield _cluster(making, name, cluster, bound)


def _cluster(making: Making, name: str, cluster: Cluster, bound: Bindings) -> Resource:
    members = bound.clusters.get(name, ())
    declared = cluster.settled("enabled", "depends_on", "lifecycle", "taskservs")
    declared["taskservs"] = list(dict.fromkeys(a.rpartition("/")[2] for a in members))
    edges = {Dependency(a) for a in (*members, *cluster.depends_on)}
    where = making.document.at(("clusters", name), key=True)
    lifecycle = _lifecycle(cluster.lifecycle, "cluster")
    edges |= _causes(lifecycle)
    return Resource(f"cluster/{name}", making.infra.settings.provider, declared, tuple(sorted(edges)), lifecycle, where=where)


def _specs(making: Making) -> dict[str, TaskservSpec]:
    """All extensions as this infra changes them: what it adds to requirements, and its config as the default."""
    specs = {}
    for name, extension in making.extensions.items():
        config = layered([extension.defaults, *_declared_config(making, name)])
        spec = spec_of(extension, config.value)  # type: ignore[arg-type]  # a merge of maps is a map
        declared = making.infra.taskservs.get(name)
        specs[name] = _changed(spec, declared) if declared else spec
    return specs


def _changed(spec: TaskservSpec, declared: Taskserv) -> TaskservSpec:
    own = {n.name: requirement(n) for n in declared.requires}
    return replace(
        spec,
        version=declared.version or spec.version,
        requires=(*(r for r in spec.requires if r.name not in own), *own.values()),
        optional=tuple(dict.fromkeys((*spec.optional, *declared.optional))),
        conflicts=tuple(dict.fromkeys((*spec.conflicts, *declared.conflicts))),
        provides=tuple(dict.fromkeys((*spec.provides, *declared.provides))),
    )


# --- checks ----------------------------------------------------------------------------------------------


def _unbound(making: Making, bound: Bindings, specs: Mapping[str, TaskservSpec]) -> None:
    """Taskservs that are declared and on no server, now or because something needs them."""
    names = {b.use.name for b in bound.by_address.values()}
    wanted = needed(names, specs)
    told = {p.message for p in making.findings.items}
    for name, declared in making.infra.taskservs.items():
        where = making.document.at(("taskservs", name), key=True)
        stranger = f"there is no taskserv '{name}'"
        if not declared.enabled or stranger in told:
            continue
        if name not in specs:
            advice = hint(name, specs, f"add extensions/taskservs/{name}/manifest.yaml")
            making.findings.add(where, "unknown-taskserv", stranger, advice)
        elif name not in wanted and not making.hidden:
            advice = "list it under the taskservs of a server, or set enabled: false"
            making.findings.add(where, "unbound-taskserv", f"taskserv '{name}' is on no server", advice)


def _config_faults(making: Making, bound: Bindings, configs: Mapping[str, Document]) -> tuple[Problem, ...]:
    """Equal configs of one taskserv are checked once."""
    judged: dict[tuple[str, bytes], Judged] = {}
    for address, config in configs.items():
        name = bound.by_address[address].use.name
        extension = making.extensions[name]
        if extension.schema is not None and not making.hides("taskservs", name):
            key = (name, encode(config.value))
            judged.setdefault(key, Judged(name, extension.schema, config, extension.manifest.sensitive))
    return check(list(judged.values()), making.kept)


def _check_edges(making: Making, used: Mapping[str, Uses], known: Known) -> None:
    """Edges and references to what is not declared, told where they are written."""
    findings = making.findings
    for address in sorted(used):
        findings.extend(used[address].problems)
        findings.extend(tuple(dangling(used[address], address, known)))
    for path, address, needs in (*written_edges(making.infra), *written_causes(making.infra, known.addresses)):
        if address in known.addresses and not known.may_hold(needs):
            message = f"{address} needs {needs}, which is not declared"
            advice = hint(needs, known.near(needs), "declare it, or remove what needs it")
            findings.add(making.document.at(path), "unknown-dependency", message, advice)
    for path, message, advice in unknown_keys(making.infra, making.providers):
        findings.add(making.document.at(path), "unknown-key", message, advice)


def _check_taken_and_let_go(making: Making, addresses: Collection[str]) -> None:
    """Only what a provider makes has an id to be taken in by; only what is not declared is let go."""
    findings, at = making.findings, making.document.at
    for plural in ("taskservs", "clusters"):
        for name, entry in getattr(making.infra, plural).items():
            if entry.lifecycle.import_id is not None:
                message = f"{plural.removesuffix('s')} '{name}' has no id of its own to be imported by"
                advice = "take import_id away: installing what is there already changes nothing"
                findings.add(at((plural, name, "lifecycle", "import_id")), "value", message, advice)
    for index, address in enumerate(making.infra.forget):
        if address in addresses:
            message, advice = f"{address} is to be forgotten and is declared", "take it out of the declaration, or out of forget"
            findings.add(at(("forget", index)), "value", message, advice)
