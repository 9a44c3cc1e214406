"""Frozen snapshots: one infra's whole declaration under a tag that never moves. They cost no copies: trees that exist already
are pointed at.

A tag ``frozen/<infra>/<version>`` names a commit of its own that holds ``.frozen/<version>/``:

    declarations/   everything an evaluation of this infra reads, as it was; loaded like any commit
    extensions/     the extensions it is made of
    evaluated/      what came of it: every resource, canonical; references and secrets as they are written
    lockfile        digests of extensions and versions of evaluators
    manifest.json   whose, of which commit, when, by whom, and a digest of each part
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha1, sha256
from typing import TYPE_CHECKING, Any

from gitops.declare.layout import SHARED
from gitops.ports import ZERO, GitError, Person, Pushed, RefUpdate, Remote, Repository
from gitops.stops import Exit, Stop
from planners.canonical import Json, encode
from planners.digests import lifecycle_value
from planners.document import edge

if TYPE_CHECKING:
    from gitops.declare.load import Loaded
    from planners.model import Resource

FORMAT = 1
TAGS = "refs/tags/frozen"
VERSION = re.compile(r"(?!.*\.\.)(?!.*\.lock\Z)(?!.*\.\Z)[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
PARTS = ("declarations", "extensions", "evaluated", "lockfile")
TOP = (".gitattributes", "workspace.yaml")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One release. ``parts``: digest of each part; ``declarations``: the tree to load; ``created``: Unix seconds."""

    infra: str
    version: str
    environment: str
    workspace: str
    source_commit: str
    created: float
    by: str
    parts: Mapping[str, str]
    commit: str = ""

    @property
    def declarations(self) -> str:
        """The tree that is loaded in place of a commit."""
        return self.parts["declarations"]

    def document(self) -> dict[str, Json]:
        """As ``manifest.json`` holds it."""
        return {"format": FORMAT, **{k: v for k, v in asdict(self).items() if k != "commit"}}


def freeze(
    repository: Repository, remote: Remote, loaded: Loaded, commit: str, version: str, who: Person, now: float, sign: bool = False
) -> Snapshot:
    """Freeze ``commit``, which ``loaded`` was read from, and push the tag. Raises ``Stop`` (usage): bad name, or it is there."""
    infra = loaded.desired.infra
    if not VERSION.match(version):
        advice = "letters, digits, '.', '_' and '-', beginning with a letter or digit, such as 2026-11-24-prod-v1"
        raise Stop(Exit.USAGE, f"'{version}' cannot be the name of a snapshot", advice)
    ref = f"{TAGS}/{infra}/{version}"
    if remote.refs([ref]):
        raise Stop(Exit.USAGE, f"snapshot {version} of '{infra}' is there already, and never changes", "choose another version")
    root = f".frozen/{version}"
    files = {f"{root}/{path}": content for path, content in _contents(repository, loaded, commit).items()}
    author = replace(who, time=int(now))
    draft = repository.entries(repository.write("", files, "draft", author), root)
    parts = {name: _digest(repository, draft, name) for name in PARTS if name in draft}
    made = Snapshot(
        infra, version, loaded.desired.environment.name, loaded.workspace.id, commit, now, f"{who.name} <{who.email}>", parts
    )
    files[f"{root}/manifest.json"] = encode(made.document())
    message = f"Freeze {infra} as {version}\n\nProvisioning-Infra: {infra}\nProvisioning-Source-Commit: {commit}\n"
    oid = repository.write("", files, message, author, sign=sign)
    if remote.push([RefUpdate(ref, ZERO, oid)]) is not Pushed.ACCEPTED and remote.refs([ref]).get(ref) != oid:
        raise Stop(Exit.FAILURE, f"snapshot {version} of '{infra}' could not be pushed", "try again")
    repository.set_ref(ref, oid)
    return replace(made, commit=oid)


def _contents(repository: Repository, loaded: Loaded, commit: str) -> dict[str, bytes | str]:
    """Path below the version -> new content, or the id of what is there already."""
    infra, top = loaded.desired.infra, repository.entries(commit)
    shared = {name: top[name].oid for name in (*TOP, *SHARED) if name in top}
    found: dict[str, bytes | str] = {f"declarations/{name}": oid for name, oid in shared.items()}
    found[f"declarations/infra/{infra}"] = repository.entries(commit, "infra")[infra].oid
    if "extensions" in shared:
        found["extensions"] = shared["extensions"]
    found["evaluated/resources.json"] = evaluated(loaded)
    taskservs = {name: {"version": s.version, "digest": s.digest} for name, s in sorted(loaded.catalog.taskservs.items())}
    evaluators = dict(loaded.catalog.evaluators)
    found["lockfile"] = encode({"format": FORMAT, "taskservs": taskservs, "evaluators": evaluators, "inputs": loaded.inputs})
    return found


def evaluated(loaded: Loaded) -> bytes:
    """Every declared resource, canonical."""
    return encode({"format": FORMAT, "resources": {a: _resource(r) for a, r in loaded.desired.resources.items()}})


def _resource(resource: Resource) -> dict[str, Json]:
    return {
        "provider": resource.provider,
        "declared": resource.declared,
        "edges": [edge(d) for d in resource.depends_on],
        "lifecycle": lifecycle_value(resource.lifecycle),
        "extension": resource.extension,
    }


def _digest(repository: Repository, entries: Mapping[str, Any], name: str) -> str:
    """A tree's id, or the SHA-256 of a file."""
    entry = entries[name]
    return entry.oid if entry.mode == "040000" else sha256(repository.blobs([entry.oid])[entry.oid]).hexdigest()


# --- finding -----------------------------------------------------------------------------------------------


def snapshots(repository: Repository, remote: Remote, infra: str = "") -> tuple[Snapshot, ...]:
    """All snapshots at the remote, newest first; ``infra`` "": of every infra. Raises ``Stop``, ``GitError``."""
    below = f"{TAGS}/{infra}/" if infra else f"{TAGS}/"
    refs = remote.refs([f"{below}*"])
    _bring(repository, remote, refs)
    found = [_read(repository, ref, oid) for ref, oid in refs.items()]
    return tuple(sorted(found, key=lambda s: (s.created, s.version), reverse=True))


def snapshot(repository: Repository, remote: Remote, infra: str, version: str) -> Snapshot:
    """One snapshot. Raises ``Stop``: there is none (not found), its tag was moved (failure)."""
    ref = f"{TAGS}/{infra}/{version}"
    refs = remote.refs([ref])
    if ref not in refs:
        raise Stop(
            Exit.NOT_FOUND,
            f"there is no snapshot '{version}' of '{infra}'",
            f"'provisioning snapshot list -i {infra}' shows them",
        )
    _bring(repository, remote, refs)
    return _read(repository, ref, refs[ref])


def _bring(repository: Repository, remote: Remote, refs: Mapping[str, str]) -> None:
    """Fetch what this clone does not have; a tag that has moved since it was seen is no snapshot any more. Raises ``Stop``."""
    known = repository.local(TAGS)
    for ref, oid in refs.items():
        if known.get(ref, oid) != oid:
            message = (
                f"{ref.removeprefix('refs/tags/')} was moved at the remote: this clone saw {known[ref][:12]}, there is {oid[:12]}"
            )
            raise Stop(Exit.FAILURE, message, f"find out who did it; restore it with: git push --force origin {ref}")
    if missing := {ref: ref for ref in refs if ref not in known}:
        remote.fetch(missing)


def _read(repository: Repository, ref: str, commit: str) -> Snapshot:
    infra, _, version = ref.removeprefix(f"{TAGS}/").partition("/")
    entry = repository.entries(commit, f".frozen/{version}").get("manifest.json")
    try:
        if entry is None:
            raise ValueError("no manifest")
        document = json.loads(repository.blobs([entry.oid])[entry.oid])
        if document.pop("format") > FORMAT:
            raise Stop(
                Exit.INVALID,
                f"snapshot {version} of '{infra}' has a newer format than this version reads",
                "install a newer provisioning",
            )
        return Snapshot(**document, commit=commit)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Stop(
            Exit.FAILURE, f"tag frozen/{infra}/{version} is not a snapshot that this program made", "look at it with git show"
        ) from error


# --- verifying ---------------------------------------------------------------------------------------------


def verify(repository: Repository, found: Snapshot, reload: Loaded | None) -> tuple[str, ...]:
    """Everything of a snapshot that is not as it was made. ``reload``: its declarations, evaluated again."""
    return tuple(_differences(repository, found, reload))


def _differences(repository: Repository, found: Snapshot, reload: Loaded | None) -> Iterator[str]:
    entries = repository.entries(found.commit, f".frozen/{found.version}")
    for name in sorted({*found.parts, *entries} - {"manifest.json"}):
        if name not in entries:
            yield f"{name} is missing"
        elif name not in found.parts:
            yield f"{name} does not belong to it"
        elif _digest(repository, entries, name) != found.parts[name]:
            yield f"{name} is not what the manifest says"
    for path, entry in repository.entries(found.commit, "", recursive=True).items():
        if entry.mode in ("160000",):
            continue
        try:
            content = repository.blobs([entry.oid])[entry.oid]
        except GitError as error:
            yield f"{path}: {error}"
            continue
        if sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() != entry.oid:
            yield f"{path} does not have the content its id says"
    if reload is None:
        yield "its declarations cannot be evaluated any more"
    else:
        kept = repository.entries(found.commit, f".frozen/{found.version}/evaluated").get("resources.json")
        if kept is None or repository.blobs([kept.oid])[kept.oid] != evaluated(reload):
            yield "evaluating its declarations gives something else than was evaluated then"
