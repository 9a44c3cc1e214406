"""One spelling for what may be written in several: lists and maps of entries, and field names of older declarations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gitops.declare.documents import Document, Findings, Mark
from gitops.declare.layout import KIND_FOLDERS
from planners.canonical import Json
from planners.problems import Problem, Severity, Where

OLD_NAMES: Mapping[str, Mapping[str, str]] = {
    "servers": {
        "hostname": "name",
        "server_name": "name",
        "cores": "cpu_cores",
        "cpu": "cpu_cores",
        "memory": "memory_gb",
        "disk": "disk_gb",
        "storage_backups": "backups",
    },
    "taskservs": {"dependencies": "requires"},
    "clusters": {"dependencies": "depends_on"},
}
_MB = 1024


def normalised(document: Document, findings: Findings) -> Document:
    """Collections of an infra (or template) as maps keyed by name, with today's field names. Anything else is untouched."""
    if not isinstance(document.value, Mapping):
        return document
    value, mark = dict(document.value), Mark(document.mark.key, document.mark.value, dict(document.mark.children))
    for kind in KIND_FOLDERS:
        if isinstance(value.get(kind), (list, Mapping)):
            part = _collection(kind, document.part((kind,)), findings)
            value[kind], mark.children[kind] = part.value, part.mark
    return Document(value, mark)


def entry_file(kind: str, name: str, document: Document, findings: Findings) -> Document:
    """A file of a kind's folder as the declaration of its one entry, named by the file."""
    where = document.mark.value
    own = document.value.get("name", name) if isinstance(document.value, Mapping) else name
    if own != name:
        message = f"the entry says it is named '{own}' and the file says '{name}'"
        findings.add(document.at(("name",)), "bad-name", message, "rename the file, or remove the name")
    mark = Mark(where, where, {kind: Mark(where, where, {name: document.mark})})
    inner = {k: v for k, v in document.value.items() if k != "name"} if isinstance(document.value, Mapping) else document.value
    return normalised(Document({kind: {name: inner}}, mark), findings)


def _collection(kind: str, document: Document, findings: Findings) -> Document:
    """A list or map of entries as a map keyed by name."""
    value: dict[str, Json] = {}
    mark = Mark(document.mark.key, document.mark.value)
    for key, entry in _entries(document):
        entry = _renamed(kind, entry, findings)
        name = key
        if isinstance(entry.value, Mapping) and "name" in entry.value:
            given = entry.value["name"]
            if not isinstance(given, str):
                findings.add(entry.at(("name",)), "wrong-type", f"{kind}: expected string as name, got {given}", "quote it")
                continue
            name = given
            entry = Document({k: v for k, v in entry.value.items() if k != "name"}, entry.mark)
        if name is None:
            findings.add(entry.mark.value, "missing-key", f"{kind}: an entry of the list has no name", "add name")
            continue
        if name in value:
            first = mark.children[name].key
            message = f"'{name}' is declared twice in {kind}; the first is on line {first.line}"
            findings.add(entry.mark.key, "duplicate-name", message, "rename or remove one of them")
            continue
        value[name], mark.children[name] = entry.value, entry.mark
    return Document(value, mark)


def _entries(document: Document) -> Iterator[tuple[str | None, Document]]:
    """The entries with their keys; in a list those that are only a name have their name as key."""
    if isinstance(document.value, Mapping):
        for key in document.value:
            yield key, document.part((key,))
        return
    for index, item in enumerate(document.value if isinstance(document.value, (list, tuple)) else ()):
        entry = document.part((index,))
        yield (item, Document({}, entry.mark)) if isinstance(item, str) else (None, entry)


def _renamed(kind: str, entry: Document, findings: Findings) -> Document:
    """The entry with today's field names; each old one is a warning."""
    old_names = OLD_NAMES.get(kind, {})
    if not isinstance(entry.value, Mapping) or not old_names.keys() & entry.value.keys():
        return entry
    value: dict[str, Json] = {}
    mark = Mark(entry.mark.key, entry.mark.value)
    for key, item in entry.value.items():
        new = old_names.get(key, key)
        own = entry.mark.children.get(key) or Mark(entry.mark.value, entry.mark.value)
        if new != key:
            if new in entry.value:
                message = f"'{key}' is the old name of '{new}', which is given too"
                findings.add(own.key, "duplicate-key", message, f"remove '{key}'")
                continue
            findings.items.append(_old(own.key, key, new))
            item = _converted(key, item, own.value, findings)
        value[new], mark.children[new] = item, own
    return Document(value, mark)


def _old(where: Where, key: str, new: str) -> Problem:
    unit = " (in GB)" if key == "memory" else ""
    return Problem(where, "old-name", f"'{key}' is an old name", f"write '{new}'{unit}", Severity.WARNING)


def _converted(key: str, item: Json, where: Where, findings: Findings) -> Json:
    """Values whose meaning changed with the name."""
    if key == "memory" and isinstance(item, int) and not isinstance(item, bool):
        if item > 0 and item % _MB:
            message = f"memory of {item} MB is no whole number of GB"
            findings.add(where, "value", message, "write memory_gb; 'memory' is read as MB")
        return item // _MB if item > 0 else item
    if key == "storage_backups" and isinstance(item, list):
        return [{"id" if k == "backup_id" else k: v for k, v in b.items()} if isinstance(b, Mapping) else b for b in item]
    return item
