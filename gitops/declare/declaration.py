"""The merged declaration of one infra: templates below, ``main`` and the files of its folders on top."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from gitops.declare.documents import Document, Findings, Mark
from gitops.declare.layout import KIND_FOLDERS, stem
from gitops.declare.merge import layered
from gitops.declare.normalise import entry_file, normalised
from gitops.declare.parsing import parse_all
from gitops.declare.source import Source
from planners.canonical import Json
from planners.dataclass import dataclass
from planners.problems import Where
from planners.suggest import hint


@dataclass(frozen=True, slots=True)
class Declaration:
    """``hidden``: (kind, name) of entries that are there and could not be read, so that nobody calls them missing."""

    document: Document
    hidden: frozenset[tuple[str, str]]


def declaration(source: Source, findings: Findings) -> Declaration | None:
    """The declaration of the source's infra. ``None`` when main or a template could not be read: then nothing is known."""
    root = f"infra/{source.infra}"
    mains = source.below(root, "main")
    folders = {kind: source.below(f"{root}/{kind}") for kind in KIND_FOLDERS}
    documents, problems = parse_all(source, [*mains, *(p for paths in folders.values() for p in paths)])
    findings.extend(problems)
    if not mains:
        if not any(stem(p) == "main" and p.startswith(f"{root}/main.") for p in source.refused):
            message = f"infra '{source.infra}' has no main.yaml or main.jsonnet"
            findings.add(Where(root), "no-main", message, f"add {root}/main.yaml with settings: {{provider: ...}}")
        return None
    main = documents.get(mains[0])
    if main is None:
        return None
    if not isinstance(main.value, Mapping):
        findings.add(main.mark.value, "wrong-type", "the declaration of an infra is a map", "begin with settings:")
        return None
    own = normalised(main, findings)
    for kind, paths in folders.items():
        read = [(stem(p), documents[p]) for p in paths if p in documents]
        own = _joined(own, kind, ((name, entry_file(kind, name, d, findings)) for name, d in read), findings)
    templates = _templates(source, main, findings)
    if templates is None:
        return None
    below = layered(templates)
    _removes_nothing(below, own, findings)
    return Declaration(layered([below, own]), frozenset(_hidden(source, root, documents)))


def _hidden(source: Source, root: str, documents: Mapping[str, Document]) -> Iterator[tuple[str, str]]:
    for path in (*source.refused, *(p for p in source.files if p not in documents)):
        folder, _, _ = path.rpartition("/")
        kind = folder.removeprefix(f"{root}/")
        if folder != kind and kind in KIND_FOLDERS:
            yield kind, stem(path)


def _joined(own: Document, kind: str, entries: Iterable[tuple[str, Document]], findings: Findings) -> Document:
    """The infra's layer with the entries of more files; an entry that is there already is a mistake."""
    entries = list(entries)
    there = own.value.get(kind) if isinstance(own.value, Mapping) else None
    if not entries or not isinstance(own.value, Mapping) or not (there is None or isinstance(there, Mapping)):
        return own  # a wrong type is told by the schema
    part = own.part((kind,)) if there is not None else Document({}, entries[0][1].mark.children[kind])
    values: dict[str, Json] = dict(there or {})
    mark = Mark(part.mark.key, part.mark.value, dict(part.mark.children))
    for name, entry in entries:
        if name in values:
            message = f"'{name}' is declared twice in {kind}; the first is at {mark.children[name].key}"
            findings.add(entry.at((kind, name)), "duplicate-name", message, "remove one")
        else:
            added = entry.part((kind, name))
            values[name], mark.children[name] = added.value, added.mark
    return Document({**own.value, kind: values}, Mark(own.mark.key, own.mark.value, {**own.mark.children, kind: mark}))


def _templates(source: Source, main: Document, findings: Findings) -> list[Document] | None:
    """Layer workspace: ``templates/defaults``, then each template that is used, in order."""
    paths = {stem(p): p for p in source.below("templates")}
    unread = {stem(p) for p in source.refused if p.startswith("templates/")}
    used = main.value.get("use", []) if isinstance(main.value, Mapping) else []
    names = [n for n in used if isinstance(n, str)] if isinstance(used, list) else []
    for index, name in enumerate(names):
        if name not in paths and name not in unread:
            advice = hint(name, paths, f"add templates/{name}.yaml")
            findings.add(main.at(("use", index)), "unknown-template", f"there is no template '{name}'", advice)
    wanted = [paths[n] for n in ("defaults", *names) if n in paths]
    documents, problems = parse_all(source, wanted)
    findings.extend(problems)
    for document in documents.values():
        if not isinstance(document.value, Mapping):
            findings.add(document.mark.value, "wrong-type", "a template is a map", "begin with servers: or another key")
    found = [documents[p] for p in wanted if p in documents and isinstance(documents[p].value, Mapping)]
    complete = len(found) == len(wanted) and unread.isdisjoint(("defaults", *names))
    return [normalised(d, findings) for d in found] if complete else None


def _removes_nothing(below: Document, own: Document, findings: Findings) -> None:
    """``web-01:`` with nothing behind it would take the entry away; where no template has it, that cannot be meant."""
    for kind in KIND_FOLDERS:
        entries = own.value.get(kind) if isinstance(own.value, Mapping) else None
        there = below.value.get(kind) if isinstance(below.value, Mapping) else None
        for name, entry in entries.items() if isinstance(entries, Mapping) else ():
            if entry is None and not (isinstance(there, Mapping) and name in there):
                message = f"'{name}' in {kind} has nothing behind it"
                findings.add(own.at((kind, name), key=True), "empty-entry", message, f"write '{name}: {{}}', or remove the line")
