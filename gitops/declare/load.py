"""``load``: one commit's declaration of one infra as the values planners work on, or every mistake in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace

from gitops.declare.declaration import Declaration, declaration
from gitops.declare.documents import Document, Findings, without
from gitops.declare.extension import extensions_of
from gitops.declare.layout import KIND_FOLDERS, SECRETS, stem
from gitops.declare.merge import Origin, origins
from gitops.declare.parsing import parse_all
from gitops.declare.references import Uses, missing_secrets
from gitops.declare.resources import Made, Making, make
from gitops.declare.secret_names import versions
from gitops.declare.source import EVALUATOR, Part, Source, inputs_digest, read, read_workspace
from gitops.declare.workspace import environment_of, workspace_of
from gitops.ports import Kept, Objects
from gitops.schema.workspace import WorkspaceConfig
from planners.canonical import Json
from planners.catalog import Catalog, Prices, ProviderSpec
from planners.dataclass import dataclass
from planners.model import NOTHING_ELSE, Desired, Environment, EnvironmentClass, Rest
from planners.problems import Problem, Problems, Severity, Where
from planners.suggest import hint

_SURE = ("conflict", "dependency-cycle", "ambiguous-requirement", "unsupported-kind")
"""Mistakes of the graph that are none the less true when a part of the declaration is missing from it."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid declaration. ``inputs`` is the digest of everything it was made of.

    ``document``: the merged declaration; ``configs``: each taskserv's merged config by address; ``secrets``: each secret
    reference in use -> digest of its ciphertext.
    """

    desired: Desired
    catalog: Catalog
    workspace: WorkspaceConfig
    inputs: str
    warnings: tuple[Problem, ...]
    document: Document = field(repr=False, compare=False)
    configs: Mapping[str, Document] = field(default_factory=dict, repr=False, compare=False)
    secrets: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    """Bytes of the files it was made of."""

    @property
    def providers(self) -> frozenset[str]:
        """Where the declared resources are made."""
        return frozenset(resource.provider for resource in self.desired.resources.values())

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Every key of the declaration and of each taskserv's config with its layer and place."""
        found = list(origins(self.document))
        for address, config in sorted(self.configs.items()):
            found += origins(config, f"{address}.config")
        return tuple(found)


def load(
    objects: Objects,
    treeish: str,
    infra: str,
    providers: Mapping[str, ProviderSpec],
    part: Part | None = None,
    kept: Kept | None = None,
) -> Loaded | Problems:
    """What ``treeish`` (a commit, or a tree of the same layout) declares for ``infra``, or for a ``part`` of it. ``kept``: where
    evaluations are looked for and left.

    All mistakes of all files come at once, sorted; warnings are among them when there are errors. Raises
    ``GitError(missing)`` when the commit is not in the store.
    """
    source = replace(read(objects, treeish, infra, part), kept=kept)
    findings = Findings(list(source.problems))
    workspace = workspace_of(source)
    if isinstance(workspace, tuple):
        findings.extend(workspace)
        if any(p.code == "newer-format" for p in workspace):
            return _problems(workspace)  # what a newer format means is not for this version to judge
    else:
        providers = _priced(providers, workspace.prices, findings)
    declared = declaration(source, findings) if source.complete else None
    made = _desired(source, declared, providers, findings, part.rest if part else None) if declared else None
    errors = any(p.severity is Severity.ERROR for p in findings.items)
    if errors or isinstance(workspace, tuple) or made is None:
        if made is not None:
            findings.extend([p for p in graph_problems(made.desired, made.catalog) if p.code in _SURE])
        return _problems(findings.items)
    return Loaded(
        made.desired,
        made.catalog,
        workspace,
        inputs_digest(objects, treeish, infra),
        tuple(sorted(set(findings.items))),
        made.document,
        made.made.configs,
        made.secrets,
        source.size,
    )


def _priced(
    providers: Mapping[str, ProviderSpec], prices: Mapping[str, Prices], findings: Findings
) -> Mapping[str, ProviderSpec]:
    """The providers with the workspace's own prices."""
    for name in sorted(name for name in prices if name not in providers):
        advice = hint(name, providers, f"known are {', '.join(sorted(providers))}")
        findings.add(Where("workspace.yaml"), "unknown-provider", f"prices are given for '{name}', which is no provider", advice)
    return _Priced(providers, prices) if prices else providers


@dataclass(frozen=True, slots=True)
class _Priced(Mapping[str, ProviderSpec]):
    """Providers, of which some are not listed and yet there when they are asked for."""

    providers: Mapping[str, ProviderSpec]
    prices: Mapping[str, Prices]

    def __getitem__(self, name: str) -> ProviderSpec:
        spec = self.providers[name]
        return replace(spec, prices=self.prices[name]) if name in self.prices else spec

    def __iter__(self) -> Iterator[str]:
        return iter(self.providers)

    def __len__(self) -> int:
        return len(self.providers)


def check(objects: Objects, treeish: str, infra: str, providers: Mapping[str, ProviderSpec]) -> Loaded | Problems:
    """``load``, and what only the whole graph shows: cycles, conflicts, requirements that nothing meets."""
    loaded = load(objects, treeish, infra, providers)
    if isinstance(loaded, Problems):
        return loaded
    problems = graph_problems(loaded.desired, loaded.catalog)
    return _problems([*problems, *loaded.warnings]) if problems else loaded


def graph_problems(desired: Desired, catalog: Catalog) -> tuple[Problem, ...]:
    """What the planner would refuse before it decides anything."""
    from planners.expand import expand

    return expand(desired, catalog).problems


def load_workspace(objects: Objects, treeish: str) -> WorkspaceConfig | Problems:
    """``workspace.yaml`` alone; nothing else is read."""
    source = read_workspace(objects, treeish)
    workspace = workspace_of(source)
    return workspace if isinstance(workspace, WorkspaceConfig) else _problems([*workspace, *source.problems])


def check_shared(objects: Objects, treeish: str) -> tuple[Problem, ...]:
    """All that is wrong with what infras share, whether or not one uses it: workspace, environments, extensions."""
    source = read(objects, treeish, "")
    findings = Findings(list(source.problems))
    workspace = workspace_of(source)
    findings.extend(workspace if isinstance(workspace, tuple) else ())
    if any(p.code == "newer-format" for p in findings.items):
        return tuple(p for p in findings.items if p.code == "newer-format")
    for path in source.below("environments"):
        environment = environment_of(source, stem(path), Where(path))
        findings.extend(environment if isinstance(environment, tuple) else ())
    findings.extend(extensions_of(source)[1])
    return tuple(sorted(set(findings.items)))


def _problems(items: Iterable[Problem]) -> Problems:
    return Problems(tuple(sorted(set(items))))


@dataclass(frozen=True, slots=True)
class _Desired:
    """The desired state with what it was made of."""

    desired: Desired
    catalog: Catalog
    document: Document
    made: Made
    secrets: Mapping[str, str]


def _desired(
    source: Source, declared: Declaration, providers: Mapping[str, ProviderSpec], findings: Findings, rest: Rest | None
) -> _Desired | None:
    """The desired state of all that is valid by itself; ``None`` when so much is wrong that the others cannot be judged."""
    from gitops.declare.validation import validate_apart
    from gitops.schema.infra import Infra

    extensions, problems = extensions_of(source)
    findings.extend(problems)
    infra, faults, faulty = validate_apart(Infra, declared.document, KIND_FOLDERS)
    findings.extend(faults)
    if infra is None:
        return None
    document = without(declared.document, faulty)
    settings = infra.settings
    environment = environment_of(source, settings.environment, document.at(("settings", "environment")))
    if isinstance(environment, tuple):
        findings.extend(environment)
        environment = Environment(settings.environment, EnvironmentClass.PROD)
    if problems:
        return None
    made = make(
        Making(infra, document, environment, extensions, providers, findings, declared.hidden | faulty, rest, source.kept)
    )
    values: dict[str, Json] = {**settings.given(), "environment": settings.environment}
    if infra.extra or settings.extra:
        values["extra"] = {**settings.extra, **infra.extra}
    desired = Desired(source.infra, environment, made.resources, values, rest or NOTHING_ELSE, frozenset(infra.forget))
    catalog = Catalog(providers, made.specs, {"declarations": EVALUATOR})
    return _Desired(desired, catalog, document, made, _secrets(source, made.uses, findings))


def _secrets(source: Source, used: Mapping[str, Uses], findings: Findings) -> Mapping[str, str]:
    """Digest of the ciphertext of each secret in use, by its reference."""
    found = [s for u in used.values() for s in u.secrets]
    if not found:
        return {}
    files = {source.infra: f"infra/{source.infra}/{SECRETS}", "_shared": "secrets/_shared.enc.yaml"}
    documents, problems = parse_all(source, [p for p in files.values() if p in source.files])
    findings.extend(problems)
    known = {scope: versions(documents[path]) for scope, path in files.items() if path in documents}
    unread = {scope for scope, path in files.items() if path in source.refused or path in source.files} - known.keys()
    for one in used.values():
        findings.extend(tuple(missing_secrets(one, source.infra, known, unread)))
    pairs = ((use.text, known.get(use.scope, {}).get(f"{use.domain}/{use.name}")) for use in found)
    return {text: version for text, version in pairs if version}
