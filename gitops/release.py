"""Frozen snapshots: one infra's whole declaration under a tag that never moves. They cost no copies: trees that exist already
are pointed at.

A tag ``frozen/<infra>/<version>`` names a commit without parents that holds ``.frozen/<version>/``:

    declarations/   everything an evaluation of this infra reads, as it was; loaded like any commit
    extensions/     the extensions it is made of
    evaluated/      what came of it: <kind>/<name>.json, canonical; references and secrets as they are written
    lockfile        digests of extensions and secrets, versions of providers and evaluators
    manifest.json   whose, of which commit, when, by whom; digest of every file and of each part
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gitops.declare.layout import SHARED
from gitops.declare.source import EVALUATOR, inputs_digest
from gitops.ports import ZERO, Entry, Person, Pushed, RefUpdate, Remote, Repository
from gitops.signers import signer
from gitops.stops import Exit, Stop
from planners.canonical import Json, digest, digest_bytes, encode
from planners.dataclass import dataclass
from planners.digests import lifecycle_value
from planners.document import edge

if TYPE_CHECKING:
    from gitops.declare.load import Loaded
    from gitops.schema.workspace import Identity
    from planners.model import Resource

FORMAT = 2
TAGS = "refs/tags/frozen"
SEEN = "refs/provisioning/frozen"
"""What this clone saw: people's own commands move tags, these refs they leave alone."""
VERSION = re.compile(r"(?!.*\.\.)(?!.*\.lock\Z)(?!.*\.\Z)[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
TOP = (".gitattributes", "workspace.yaml")
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One release. ``parts``: digest of each part; ``created``: Unix seconds; ``commit``: what the tag names;
    ``declarations``: the tree that is loaded in place of a commit."""

    infra: str
    version: str
    workspace: str
    environment: str
    source_commit: str
    created: int
    by: str
    parts: Mapping[str, str]
    commit: str = ""
    declarations: str = ""

    @property
    def root(self) -> str:
        """Where everything lies."""
        return f".frozen/{self.version}"

    def document(self) -> dict[str, Json]:
        """As ``manifest.json`` holds it, without the list of files."""
        return {
            "format": FORMAT,
            "infra": self.infra,
            "version": self.version,
            "workspace": self.workspace,
            "environment": self.environment,
            "source_commit": self.source_commit,
            "created": self.created,
            "by": self.by,
            "parts": dict(self.parts),
        }


def freeze(
    repository: Repository,
    remote: Remote,
    loaded: Loaded,
    commit: str,
    version: str,
    who: Person,
    now: float,
    sign: bool = False,
) -> Snapshot:
    """Freeze ``commit``, which ``loaded`` was read from, and push the tag.

    Raises ``Stop``: a name that cannot be one, a version that exists (usage), what cannot be planned (invalid).
    """
    infra = loaded.desired.infra
    ref = f"{TAGS}/{infra}/{version}"
    _require_new(remote, infra, version)
    root, author = f".frozen/{version}", replace(who, time=int(now))
    new = {f"{root}/{path}": content for path, content in _contents(repository, loaded, commit).items()}
    draft = repository.write("", new, "draft", author)
    files = _files(repository, draft, root)
    made = Snapshot(
        infra=infra,
        version=version,
        workspace=loaded.workspace.id,
        environment=loaded.desired.environment.name,
        source_commit=commit,
        created=int(now),
        by=f"{who.name} <{who.email}>",
        parts=_parts(files),
        declarations=repository.entries(draft, root)["declarations"].oid,
    )
    whole: dict[str, bytes | str] = {
        root: repository.entries(draft, ".frozen")[version].oid,
        f"{root}/{MANIFEST}": encode({**made.document(), "files": files}),
    }
    message = (
        f"Freeze {infra} as {version}\n\nProvisioning-Infra: {infra}\nProvisioning-Source-Commit: {commit}\n"
        f"Provisioning-Actor: {made.by}\n"
    )
    oid = repository.write("", whole, message, author, sign)
    if remote.push([RefUpdate(ref, ZERO, oid)]) is not Pushed.ACCEPTED and remote.refs([ref]).get(ref) != oid:
        _require_new(remote, infra, version)  # somebody else was faster
        raise Stop(Exit.FAILURE, f"snapshot '{version}' of '{infra}' could not be pushed", "try again")
    repository.set_ref(f"{SEEN}/{infra}/{version}", oid)
    return replace(made, commit=oid)


def _require_new(remote: Remote, infra: str, version: str) -> None:
    if not VERSION.match(version):
        advice = "letters, digits, '.', '_' and '-', beginning with a letter or digit, such as 2026-11-24-prod-v1"
        raise Stop(Exit.USAGE, f"'{version}' cannot be the name of a snapshot", advice)
    taken = {ref.removeprefix(f"{TAGS}/{infra}/") for ref in remote.refs([f"{TAGS}/{infra}/*"])}
    if version in taken:
        advice = f"choose another version, such as {_free(version, taken)}"
        raise Stop(Exit.USAGE, f"snapshot '{version}' of '{infra}' exists and never changes", advice)


def _free(version: str, taken: set[str]) -> str:
    """The next name of its kind: ``prod-v9`` -> ``prod-v10``."""
    stem = version.rstrip("0123456789")
    number = int(version[len(stem) :] or 1)
    stem = stem if stem != version else f"{version}-"
    while f"{stem}{number}" in taken or f"{stem}{number}" == version:
        number += 1
    return f"{stem}{number}"


def _contents(repository: Repository, loaded: Loaded, commit: str) -> dict[str, bytes | str]:
    """Path below the version -> new content, or the id of what is there already."""
    infra, top = loaded.desired.infra, repository.entries(commit)
    shared = {name: top[name].oid for name in (*TOP, *SHARED) if name in top}
    found: dict[str, bytes | str] = {f"declarations/{name}": oid for name, oid in shared.items()}
    found[f"declarations/infra/{infra}"] = repository.entries(commit, "infra")[infra].oid
    if "extensions" in shared:
        found["extensions"] = shared["extensions"]
    found |= {f"evaluated/{path}": content for path, content in evaluated(loaded).items()}
    found["lockfile"] = encode(_lockfile(loaded))
    return found


def _lockfile(loaded: Loaded) -> Json:
    catalog = loaded.catalog
    used = {r.provider for r in loaded.desired.resources.values()}
    return {
        "format": FORMAT,
        "inputs": loaded.inputs,
        "taskservs": {name: {"version": s.version, "digest": s.digest} for name, s in catalog.taskservs.items()},
        "providers": {name: spec.version for name, spec in catalog.providers.items() if name in used},
        "evaluators": dict(catalog.evaluators),
        "secrets": dict(loaded.secrets),
    }


def evaluated(loaded: Loaded) -> dict[str, bytes]:
    """Every resource, what is implied included, canonical: ``<kind>/<name>.json``. Raises ``Stop`` (invalid)."""
    from planners.expand import expand

    expanded = expand(loaded.desired, loaded.catalog)
    infra = loaded.desired.infra
    if expanded.problems:
        raise Stop(Exit.INVALID, f"infra '{infra}' cannot be planned", "mend what is listed above", expanded.problems)
    environment = loaded.desired.environment
    shared: Json = {"infra": infra, "environment": environment.name, "settings": loaded.desired.settings}
    found = {f"{address}.json": encode(_resource(r)) for address, r in expanded.resources.items()}
    return {"infra.json": encode(shared), **found}


def _resource(resource: Resource) -> dict[str, Json]:
    return {
        "address": resource.address,
        "provider": resource.provider,
        "declared": resource.declared,
        "depends_on": [edge(d) for d in resource.depends_on],
        "lifecycle": lifecycle_value(resource.lifecycle),
        "extension": resource.extension,
        "implied_by": resource.implied_by,
    }


def _files(repository: Repository, commit: str, root: str) -> dict[str, list[str]]:
    """Path below the version -> [mode, digest], of everything but the manifest."""
    entries = repository.entries(commit, root, recursive=True)
    contents = repository.blobs({e.oid for e in entries.values() if _is_file(e)})
    hashes = {oid: digest_bytes("file", content) for oid, content in contents.items()}
    # a link to another repository has no content here; the declaration that holds one is refused when it is loaded
    return {path: [e.mode, hashes.get(e.oid, e.oid)] for path, e in entries.items() if path != MANIFEST}


def _is_file(entry: Entry) -> bool:
    return entry.mode != "160000"


def _parts(files: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Digest of each part, over its files."""
    names = sorted({path.partition("/")[0] for path in files})
    return {n: digest("frozen", {p: f for p, f in files.items() if p == n or p.startswith(f"{n}/")}) for n in names}


# --- finding -----------------------------------------------------------------------------------------------


def snapshots(repository: Repository, remote: Remote, workspace: str, infra: str = "") -> tuple[Snapshot, ...]:
    """All snapshots at the remote, newest first; ``infra`` "": of every infra. Raises as ``snapshot`` does."""
    refs = remote.refs([f"{TAGS}/{infra}/*" if infra else f"{TAGS}/*"])
    _bring(repository, remote, refs)
    found = [_read(repository, ref, oid, workspace) for ref, oid in refs.items()]
    return tuple(sorted(found, key=lambda s: (s.created, s.version), reverse=True))


def snapshot(repository: Repository, remote: Remote, workspace: str, infra: str, version: str) -> Snapshot:
    """One snapshot of this ``workspace`` (its id).

    Raises ``Stop``: there is none (not found), its tag was moved, it is none of ours (failure); ``GitError`` (unreachable).
    """
    ref = f"{TAGS}/{infra}/{version}"
    refs = remote.refs([f"{TAGS}/{infra}/*"])
    if ref not in refs:
        known = ", ".join(sorted(r.rpartition("/")[2] for r in refs))
        advice = f"there are: {known}" if known else f"'provisioning workspace freeze -i {infra} --version V' makes one"
        raise Stop(Exit.NOT_FOUND, f"there is no snapshot '{version}' of '{infra}'", advice)
    _bring(repository, remote, {ref: refs[ref]})
    return _read(repository, ref, refs[ref], workspace)


def _bring(repository: Repository, remote: Remote, refs: Mapping[str, str]) -> None:
    """Fetch what this clone has not seen; a tag that has moved since then is no snapshot any more. Raises ``Stop``."""
    seen = repository.local(SEEN)
    local = {ref: SEEN + ref.removeprefix(TAGS) for ref in refs}
    for ref, oid in refs.items():
        known = seen.get(local[ref], oid)
        if known != oid:
            name = ref.removeprefix("refs/tags/")
            message = f"the tag {name} was moved at the remote: this clone saw {known[:12]} and there is {oid[:12]}"
            advice = f"find out who did it, then restore it: git push --force origin {known}:{ref}"
            raise Stop(Exit.FAILURE, message, advice)
    if missing := {ref: name for ref, name in local.items() if name not in seen}:
        remote.fetch(missing)


def _read(repository: Repository, ref: str, commit: str, workspace: str) -> Snapshot:
    infra, _, version = ref.removeprefix(f"{TAGS}/").partition("/")
    root = f".frozen/{version}"
    entries = repository.entries(commit, root)
    document = _manifest(repository, entries)
    if type(written := document.get("format")) is int and written != FORMAT:
        message = f"snapshot '{version}' of '{infra}' has format {written} and this version reads {FORMAT}"
        advice = "install a newer provisioning" if written > FORMAT else "freeze its commit once more, under another name"
        raise Stop(Exit.INVALID, message, advice)
    try:
        fields = {f: document[f] for f in ("workspace", "environment", "source_commit", "created", "by")}
        found = Snapshot(**fields, infra=document["infra"], version=document["version"], parts={**document["parts"]})
        found = replace(found, commit=commit, declarations=entries["declarations"].oid)
    except (KeyError, TypeError) as error:
        raise Stop(Exit.FAILURE, f"the tag frozen/{infra}/{version} is no snapshot", "look at it with git show") from error
    if (found.infra, found.version) != (infra, version):
        message = f"the tag frozen/{infra}/{version} holds snapshot '{found.version}' of '{found.infra}'"
        raise Stop(Exit.FAILURE, message, "find out who made it; nothing is deployed from it")
    if found.workspace != workspace:
        message = f"snapshot '{version}' of '{infra}' was made in another workspace, {found.workspace}"
        raise Stop(Exit.FAILURE, message, "freeze one here")
    return found


def _manifest(repository: Repository, entries: Mapping[str, Entry]) -> Mapping[str, Any]:
    """The manifest as a map, an empty one when there is none."""
    try:
        oid = entries[MANIFEST].oid
        document = json.loads(repository.blobs([oid])[oid])
    except (KeyError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


# --- verifying ---------------------------------------------------------------------------------------------


def verify(repository: Repository, found: Snapshot, identities: Sequence[Identity] = ()) -> tuple[str, ...]:
    """Everything of a snapshot that is not as it was made; every hash is computed anew.

    ``identities``: whose signature may be on it. Raises ``GitError`` when objects are missing.
    """
    return tuple(_differences(repository, found, identities))


def trusted(repository: Repository, found: Snapshot, identities: Sequence[Identity], head: str) -> bool:
    """Whether a snapshot holds what the protected branch (at ``head``) had, or is signed by a listed identity."""
    if signer(repository, found.commit, identities):
        return True
    if not repository.resolve(found.source_commit) or not repository.contains(head, found.source_commit):
        return False
    return not _other_source(repository, found)


def _differences(repository: Repository, found: Snapshot, identities: Sequence[Identity]) -> Iterator[str]:
    manifest = _manifest(repository, repository.entries(found.commit, found.root))
    then = manifest.get("files")
    then, now = then if isinstance(then, dict) else {}, _files(repository, found.commit, found.root)
    for path in sorted({*then, *now}):
        if path not in now:
            yield f"{path} is missing"
        elif path not in then:
            yield f"{path} does not belong to it"
        elif now[path] != then[path]:
            yield f"{path} is not what it was"
    if _parts(then) != found.parts:
        yield f"{MANIFEST} does not agree with itself"
    beside = {p for p in repository.entries(found.commit, "", recursive=True) if not p.startswith(f"{found.root}/")}
    yield from (f"{path} does not belong to it" for path in sorted(beside))
    if repository.commit(found.commit).parents:
        yield "its commit has a history, and a snapshot has none"
    if repository.commit(found.commit).signed and identities and not signer(repository, found.commit, identities):
        yield "it is signed by no key of an identity in workspace.yaml"
    if repository.resolve(found.source_commit) and _other_source(repository, found):
        yield f"declarations are not those of commit {found.source_commit[:12]}"


def _other_source(repository: Repository, found: Snapshot) -> bool:
    """Whether the declarations differ from those of the commit they are said to come from, which is in this clone."""
    frozen = inputs_digest(repository, found.declarations, found.infra)
    return inputs_digest(repository, found.source_commit, found.infra) != frozen


def evaluates_otherwise(repository: Repository, found: Snapshot, reloaded: Loaded) -> tuple[str, ...]:
    """Where ``reloaded``, its declarations evaluated now, is not what was frozen; another evaluator is not asked."""
    entries = repository.entries(found.commit, found.root)
    lock = json.loads(repository.blobs([entries["lockfile"].oid])[entries["lockfile"].oid]) if "lockfile" in entries else {}
    if not isinstance(lock, dict) or lock.get("evaluators") != {"declarations": EVALUATOR}:
        return ()
    kept = repository.entries(found.commit, f"{found.root}/evaluated", recursive=True)
    then = {path: repository.blobs([e.oid])[e.oid] for path, e in kept.items()}
    now = evaluated(reloaded)
    return tuple(
        f"evaluated/{path} is not what the declarations give now"
        for path in sorted({*then, *now})
        if then.get(path) != now.get(path)
    )
