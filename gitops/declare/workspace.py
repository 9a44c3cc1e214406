"""What all infras share: ``workspace.yaml`` and ``environments/``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import gitops
from gitops.declare.documents import Document
from gitops.declare.layout import stem
from gitops.declare.parsing import parse_all
from gitops.declare.source import Source
from gitops.ports import KeepsNothing
from gitops.schema.workspace import FORMAT, WorkspaceConfig, kept_as, of_document
from planners.canonical import encode
from planners.document import environment_document, read_environment
from planners.model import Approvals, Budget, Environment, EnvironmentClass, Limits
from planners.problems import Problem, Where
from planners.suggest import hint

_CONDITION = re.compile(r"(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)*)\Z")


def workspace_of(source: Source) -> WorkspaceConfig | tuple[Problem, ...]:
    """``workspace.yaml`` as a value. A newer format is named before anything else in the file is judged."""
    if "workspace.yaml" not in source.files:
        return ()
    kept, name = source.kept or KeepsNothing(), kept_as("workspace", source.oids.get("workspace.yaml", ""))
    if name in (found := kept.get([name])):
        return of_document(json.loads(found[name]))
    config = _read(source)
    if isinstance(config, WorkspaceConfig):
        kept.put({name: encode(config.document())})
    return config


def _read(source: Source) -> WorkspaceConfig | tuple[Problem, ...]:
    from gitops.declare.validation import validate
    from gitops.schema.workspace_file import WorkspaceFile, value

    documents, problems = parse_all(source, ["workspace.yaml"])
    if problems:
        return problems
    document = documents["workspace.yaml"]
    if newer := _newer(document):
        return (newer,)
    file = validate(WorkspaceFile, document)
    if isinstance(file, tuple):
        return file
    refused = _version_refused(file.requires_provisioning, document)
    return (refused,) if refused else value(file)


def _newer(document: Document) -> Problem | None:
    format_ = document.value.get("format") if isinstance(document.value, Mapping) else None
    if isinstance(format_, int) and not isinstance(format_, bool) and format_ > FORMAT:
        message = f"the repository has format {format_} and this version reads formats up to {FORMAT}"
        return Problem(document.at(("format",)), "newer-format", message, "install a newer provisioning")
    return None


def _version_refused(wanted: str, document: Document) -> Problem | None:
    """Whether this version of the program may work here."""
    where = document.at(("requires_provisioning",))
    own = _numbers(gitops.__version__)
    for condition in (c.strip() for c in wanted.split(",") if c.strip()):
        found = _CONDITION.match(condition)
        if not found:
            return Problem(where, "value", f"'{condition}' is not a condition on a version", "such as '>=0.1, <2'")
        other = _numbers(found[2])
        holds = {
            ">=": own >= other,
            "<=": own <= other,
            "==": own == other,
            "!=": own != other,
            ">": own > other,
            "<": own < other,
        }
        if not holds[found[1]]:
            message = f"the repository wants provisioning {condition} and this is {gitops.__version__}"
            return Problem(where, "newer-format", message, "install a version that it accepts")
    return None


def _numbers(version: str) -> tuple[int, ...]:
    parts = [int(n) for n in re.findall(r"\d+", version.partition("-")[0])[:3]]
    return tuple(parts + [0] * (3 - len(parts)))


def environment_of(source: Source, name: str, where: Where) -> Environment | tuple[Problem, ...]:
    """The environment an infra names; one named like a class needs no file."""
    paths = {stem(p): p for p in source.below("environments")}
    if name not in paths:
        if any(stem(p) == name for p in source.refused if p.startswith("environments/")):
            return ()  # it is there, and why it was not read is told already
        classes = [c.value for c in EnvironmentClass]
        if name in classes:
            return Environment(name, EnvironmentClass(name))
        known = sorted({*paths, *classes})
        advice = hint(name, known, f"add environments/{name}.yaml; known are {', '.join(known)}")
        return (Problem(where, "unknown-environment", f"there is no environment '{name}'", advice),)
    kept, path = source.kept or KeepsNothing(), paths[name]
    # what is evaluated hangs on more than its own file
    key = kept_as(f"environment/{name}", source.oids.get(path, "")) if not path.endswith(".jsonnet") else ""
    if key in (answers := kept.get([key] if key else [])):
        return read_environment(json.loads(answers[key]))
    found = _environment(source, name, path)
    if key and isinstance(found, Environment):
        kept.put({key: encode(environment_document(found))})
    return found


def _environment(source: Source, name: str, path: str) -> Environment | tuple[Problem, ...]:
    from gitops.declare.validation import validate
    from gitops.schema.environment import EnvironmentFile

    documents, problems = parse_all(source, [path])
    if problems:
        return problems
    file = validate(EnvironmentFile, documents[path])
    if isinstance(file, tuple):
        return file
    budget = file.budget
    return Environment(
        name,
        EnvironmentClass(file.class_),
        file.deletion_budget,
        Approvals(file.approvals.count, tuple(file.approvals.teams)),
        tuple(file.allowed_providers),
        Limits(**file.limits.model_dump(), labels=tuple(file.required_labels)),
        Budget(budget.monthly, budget.currency, budget.warn_at) if budget else None,
    )
