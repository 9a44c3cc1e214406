"""Taskserv extensions of a commit: their manifests, defaults and config schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gitops.declare.documents import Document, empty
from gitops.declare.parsing import parse_all
from gitops.declare.source import Source
from gitops.ports import Entry
from planners.canonical import Json, digest
from planners.catalog import Requirement, TaskservSpec
from planners.dataclass import dataclass
from planners.problems import Problem, Where

if TYPE_CHECKING:
    from gitops.schema.infra import Need
    from gitops.schema.manifest import Manifest

FOLDER = "extensions/taskservs"


@dataclass(frozen=True, slots=True)
class Extension:
    """One taskserv extension. ``defaults``: layer core; ``schema``: what its config must be, ``None``: anything."""

    manifest: Manifest
    digest: str
    defaults: Document
    schema: Mapping[str, Any] | None


def extensions_of(source: Source) -> tuple[Mapping[str, Extension], tuple[Problem, ...]]:
    """All taskserv extensions by name, and all that is wrong with them."""
    found: dict[str, Extension] = {}
    problems: list[Problem] = []
    for name, files in sorted(source.extensions.items()):
        extension = _extension(source, name, files)
        if isinstance(extension, Extension):
            found[name] = extension
        else:
            problems.extend(extension)
    return found, tuple(problems)


def _extension(source: Source, name: str, files: Mapping[str, Entry]) -> Extension | tuple[Problem, ...]:
    from gitops.declare.validation import validate
    from gitops.schema.manifest import Manifest

    folder = f"{FOLDER}/{name}"
    path = f"{folder}/manifest.yaml"
    if path in source.refused:
        return ()
    if "manifest.yaml" not in files:
        return (
            Problem(
                Where(folder), "missing-manifest", f"extension '{name}' has no manifest.yaml", "add one with name and version"
            ),
        )
    wanted = [f"{folder}/{f}" for f in ("manifest.yaml", "defaults.yaml") if f"{folder}/{f}" in source.files]
    documents, problems = parse_all(source, wanted)
    schema = _schema(source, f"{folder}/schema.json")
    problems += schema if isinstance(schema, tuple) else ()
    if path in documents:
        manifest = validate(Manifest, documents[path])
        problems += manifest if isinstance(manifest, tuple) else _misfits(manifest, documents[path], name, files)
    if problems or isinstance(schema, tuple) or isinstance(manifest, tuple):
        return problems
    defaults = documents.get(f"{folder}/defaults.yaml", empty(Where(path)))
    if not isinstance(defaults.value, Mapping):
        return (Problem(defaults.mark.value, "wrong-type", "the defaults of an extension are a map", "write key: value"),)
    return Extension(manifest, _digest(files), defaults, schema)


def _digest(files: Mapping[str, Entry]) -> str:
    """Digest over path, mode and blob id of every file."""
    return digest("extension", {path: [entry.mode, entry.oid] for path, entry in files.items()})


def _schema(source: Source, path: str) -> Mapping[str, Any] | tuple[Problem, ...] | None:
    if path not in source.files:
        return None
    try:
        schema = json.loads(source.files[path])
    except (ValueError, RecursionError) as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        what = getattr(error, "msg", "it cannot be read")
        return (Problem(Where(path, line, column), "json-syntax", f"JSON syntax: {what[:1].lower()}{what[1:]}", "mend it there"),)
    if not isinstance(schema, dict):
        return (Problem(Where(path, 1, 1), "wrong-type", "a JSON Schema is a map", "begin with {"),)
    return schema


def _misfits(manifest: Manifest, document: Document, name: str, files: Mapping[str, Entry]) -> tuple[Problem, ...]:
    """A name other than the folder's, and files that are named and not there."""
    problems = []
    if manifest.name != name:
        message = f"the manifest names '{manifest.name}' and the folder '{name}'"
        problems.append(Problem(document.at(("name",)), "bad-name", message, "rename one of them"))
    named: list[tuple[tuple[str | int, ...], str]] = [
        (("scripts", verb), f"scripts/{file}") for verb, file in manifest.scripts.given().items() if verb
    ]
    named += [(("templates", i, "source"), f"templates/{t.source}") for i, t in enumerate(manifest.templates)]
    problems += [
        Problem(document.at(at), "missing-file", f"extension '{name}' has no {file}", "add the file, or remove the line")
        for at, file in named
        if file not in files
    ]
    return tuple(problems)


def requirement(need: Need) -> Requirement:
    """A model's need as the planner knows it."""
    return Requirement(need.name, need.wait_for_health, tuple(need.roles), need.anywhere)


def spec_of(extension: Extension, defaults: Mapping[str, Json]) -> TaskservSpec:
    """What the planner needs of an extension, with its merged default config."""
    manifest = extension.manifest
    return TaskservSpec(
        name=manifest.name,
        version=manifest.version,
        digest=extension.digest,
        requires=tuple(requirement(n) for n in manifest.requires),
        optional=tuple(manifest.optional),
        conflicts=tuple(manifest.conflicts),
        provides=tuple(manifest.provides),
        roles=tuple(manifest.roles),
        defaults=defaults,
        replace_on=frozenset(manifest.replace_on),
        sensitive=frozenset(manifest.sensitive),
    )
