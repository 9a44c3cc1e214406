"""``load``: one commit's declaration of one infra as the values planners work on, or every mistake in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gitops.declare.documents import Document, Findings, Mark, empty
from gitops.declare.extension import extensions_of
from gitops.declare.merge import Origin, layered, origins
from gitops.declare.normalise import entry_file, normalised
from gitops.declare.parsing import parse_all
from gitops.declare.references import SecretUsed, Uses, missing_secrets
from gitops.declare.resources import Made, Making, make
from gitops.declare.secret_names import versions
from gitops.declare.source import EVALUATOR, KIND_FOLDERS, SECRETS, Source, infras, inputs_digest, read, stem
from gitops.declare.workspace import environment_of, workspace_of
from gitops.ports import Objects
from gitops.schema.workspace import WorkspaceConfig
from planners.canonical import Json
from planners.catalog import Catalog, ProviderSpec
from planners.model import Desired, Environment, EnvironmentClass
from planners.problems import Problem, Problems, Severity, Where
from planners.suggest import hint

__all__ = ["Loaded", "check", "check_shared", "infras", "inputs_digest", "load", "load_workspace"]


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

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Every key of the declaration and of each taskserv's config with its layer and place."""
        found = list(origins(self.document))
        for address, config in sorted(self.configs.items()):
            found += origins(config, f"{address}.config")
        return tuple(found)


def load(objects: Objects, treeish: str, infra: str, providers: Mapping[str, ProviderSpec]) -> Loaded | Problems:
    """What ``treeish`` (a commit or tree) declares for ``infra``.

    All mistakes of all files come at once, sorted; warnings are among them when there are errors. Raises
    ``GitError(missing)`` when the commit is not in the store.
    """
    source = read(objects, treeish, infra)
    findings = Findings(list(source.problems))
    workspace = workspace_of(source)
    if isinstance(workspace, tuple):
        findings.extend(workspace)
        if any(p.code == "newer-format" for p in workspace):
            return _problems(workspace)  # what a newer format means is not for this version to judge
    document = _declaration(source, findings)
    loaded = None
    if document is not None:
        loaded = _resources(source, document, providers, findings)
    errors = [p for p in findings.items if p.severity is Severity.ERROR]
    if errors or loaded is None or isinstance(workspace, tuple):
        return _problems(findings.items)
    desired, made, secrets = loaded
    catalog = Catalog(dict(providers), made.specs, {"declarations": EVALUATOR})
    warnings = tuple(sorted(set(findings.items)))
    inputs = inputs_digest(objects, treeish, infra)
    return Loaded(desired, catalog, workspace, inputs, warnings, document or empty(), made.configs, secrets)


def check(objects: Objects, treeish: str, infra: str, providers: Mapping[str, ProviderSpec]) -> Loaded | Problems:
    """``load``, and what only the whole graph shows: cycles, conflicts, requirements that nothing meets."""
    from planners.expand import expand

    loaded = load(objects, treeish, infra, providers)
    if isinstance(loaded, Problems):
        return loaded
    problems = expand(loaded.desired, loaded.catalog).problems
    return _problems([*problems, *loaded.warnings]) if problems else loaded


def load_workspace(objects: Objects, treeish: str) -> WorkspaceConfig | Problems:
    """``workspace.yaml`` alone."""
    source = read(objects, treeish, "")
    workspace = workspace_of(source)
    if isinstance(workspace, WorkspaceConfig):
        return workspace
    return _problems([*workspace, *(p for p in source.problems if p.where.path == "workspace.yaml")])


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


def _problems(items: list[Problem] | tuple[Problem, ...]) -> Problems:
    return Problems(tuple(sorted(set(items))))


def _declaration(source: Source, findings: Findings) -> Document | None:
    """The merged declaration: templates below, the infra's own files on top. ``None`` when a file could not be read."""
    root = f"infra/{source.infra}"
    mains = [p for p in source.below(root) if stem(p) == "main"]
    folders = {kind: source.below(f"{root}/{kind}") for kind in KIND_FOLDERS}
    documents, problems = parse_all(source, [*mains, *(p for paths in folders.values() for p in paths)])
    findings.extend(problems)
    main = next((documents[p] for p in mains if p in documents), None)
    if not mains:
        if not any(p.where.path.startswith("infra") for p in findings.items):
            message = f"infra '{source.infra}' has no main.yaml or main.jsonnet"
            findings.add(Where(root), "no-main", message, f"add {root}/main.yaml with settings: {{provider: ...}}")
        return None
    if main is None or problems:
        return None
    if not isinstance(main.value, Mapping):
        findings.add(main.mark.value, "wrong-type", "the declaration of an infra is a map", "begin with settings:")
        return None
    own = normalised(main, findings)
    for kind, paths in folders.items():
        for path in paths:
            own = _joined(own, entry_file(kind, stem(path), documents[path], findings), kind, stem(path), findings)
    templates = _templates(source, main, findings)
    if templates is None:
        return None
    below = layered(templates)
    _removes_nothing(below, own, findings)
    return layered([below, own])


def _joined(own: Document, entry: Document, kind: str, name: str, findings: Findings) -> Document:
    """The infra's layer with the entry of one more file; an entry that is there already is a mistake."""
    there = own.value.get(kind) if isinstance(own.value, Mapping) else None
    if isinstance(there, Mapping) and name in there:
        first = own.at((kind, name), key=True)
        findings.add(
            entry.at((kind, name)),
            "duplicate-name",
            f"'{name}' is declared twice in {kind}; the first is at {first}",
            "remove one",
        )
        return own
    if there is not None and not isinstance(there, Mapping):
        return own  # the wrong type is told by the schema
    assert isinstance(own.value, Mapping)  # noqa: S101  # the caller looked
    added = entry.part((kind, name))
    part = own.part((kind,)) if there is not None else Document({}, entry.mark.children[kind])
    entries: dict[str, Json] = {**(part.value if isinstance(part.value, Mapping) else {}), name: added.value}
    mark = Mark(part.mark.key, part.mark.value, {**part.mark.children, name: added.mark})
    root = Mark(own.mark.key, own.mark.value, {**own.mark.children, kind: mark})
    return Document({**own.value, kind: entries}, root)


def _templates(source: Source, main: Document, findings: Findings) -> list[Document] | None:
    """Layer workspace: ``templates/defaults``, then each template that is used, in order."""
    paths = {stem(p): p for p in source.below("templates")}
    used = main.value.get("use", []) if isinstance(main.value, Mapping) else []
    names = [n for n in used if isinstance(n, str)] if isinstance(used, list) else []
    for index, name in enumerate(names):
        if name not in paths:
            advice = hint(name, paths, f"add templates/{name}.yaml")
            findings.add(main.at(("use", index)), "unknown-template", f"there is no template '{name}'", advice)
    wanted = [paths[n] for n in ("defaults", *names) if n in paths]
    documents, problems = parse_all(source, wanted)
    findings.extend(problems)
    found = []
    for path in wanted:
        if path in documents and not isinstance(documents[path].value, Mapping):
            findings.add(documents[path].mark.value, "wrong-type", "a template is a map", "begin with servers: or another key")
        elif path in documents:
            found.append(normalised(documents[path], findings))
    return None if problems else found


def _removes_nothing(below: Document, own: Document, findings: Findings) -> None:
    """``web-01:`` with nothing behind it would take the entry away; where no template has it, that cannot be meant."""
    assert isinstance(own.value, Mapping)  # noqa: S101  # the caller looked
    for kind in KIND_FOLDERS:
        entries = own.value.get(kind)
        there = below.value.get(kind) if isinstance(below.value, Mapping) else None
        for name, entry in entries.items() if isinstance(entries, Mapping) else ():
            if entry is None and not (isinstance(there, Mapping) and name in there):
                message = f"'{name}' in {kind} has nothing behind it"
                findings.add(own.at((kind, name), key=True), "empty-entry", message, f"write '{name}: {{}}', or remove the line")


def _resources(
    source: Source, document: Document, providers: Mapping[str, ProviderSpec], findings: Findings
) -> tuple[Desired, Made, Mapping[str, str]] | None:
    """The desired state; ``None`` when the declaration is not valid by itself."""
    from gitops.schema.errors import validate
    from gitops.schema.infra import Infra

    extensions, problems = extensions_of(source)
    findings.extend(problems)
    infra = validate(Infra, document)
    if isinstance(infra, tuple):
        findings.extend(infra)
        return None
    environment = environment_of(source, infra.settings.environment, document.at(("settings", "environment")))
    if isinstance(environment, tuple):
        findings.extend(environment)
        environment = Environment(infra.settings.environment, EnvironmentClass.PROD)
    if problems:
        return None
    made = make(Making(infra, document, environment, extensions, providers, findings))
    secrets = _secrets(source, made.uses, findings)
    settings: dict[str, Json] = infra.settings.given()
    settings["environment"] = infra.settings.environment
    if infra.extra or infra.settings.extra:
        settings["extra"] = {**infra.settings.extra, **infra.extra}
    return Desired(source.infra, environment, made.resources, settings), made, secrets


def _secrets(source: Source, used: Mapping[str, Uses], findings: Findings) -> Mapping[str, str]:
    """Digest of the ciphertext of each secret in use, by its reference."""
    found = [s for u in used.values() for s in u.secrets]
    if not found:
        return {}
    files = {source.infra: f"infra/{source.infra}/{SECRETS}", "_shared": "secrets/_shared.enc.yaml"}
    documents, problems = parse_all(source, [p for p in files.values() if p in source.files])
    findings.extend(problems)
    known = {scope: versions(documents[path]) for scope, path in files.items() if path in documents}
    if not problems:
        for uses_of_one in used.values():
            findings.extend(tuple(missing_secrets(uses_of_one, source.infra, known)))
    return dict(_versions_in_use(found, known))


def _versions_in_use(found: list[SecretUsed], known: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str]]:
    for use in found:
        version = known.get(use.scope, {}).get(f"{use.domain}/{use.name}")
        if version:
            yield use.text, version
