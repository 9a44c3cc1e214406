"""The files of one commit that an infra is declared by, and what must not be among them.

Read by object id, never from a checkout. Nothing heavy is imported here: ``inputs_digest`` answers "has anything moved"
for a plan without changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from gitops.limits import FILE_BYTES, TOTAL_BYTES
from gitops.ports import Entry, Objects
from planners.problems import Problem, Where
from planners.suggest import hint

EVALUATOR = "1"
"""Version of everything between a file's bytes and ``Desired``; raised when equal files may give another result."""
KIND_FOLDERS = ("networks", "volumes", "servers", "taskservs", "clusters", "load_balancers", "dns")
"""Folders of an infra whose files are one entry each."""
SHARED = ("templates", "environments", "extensions", "secrets")
DECLARATIONS = (".yaml", ".yml", ".jsonnet")
IMPORTABLE = (".jsonnet", ".libsonnet", ".json")
SECRETS = "secrets.enc.yaml"
INFRA_NAME = re.compile(r"(?!.*\.\.)(?!.*\.lock$)(?!.*\.$)[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_BAD = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]|(^|/)(\.\.?|\.git)(/|$)", re.IGNORECASE)
_LFS = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True)
class Source:
    """What was found. ``files``: path -> content of all that is read here; ``extensions``: every file below
    ``extensions/taskservs/<name>/`` by name and path in it; ``refused``: paths that are there and were not read, and why."""

    infra: str
    files: Mapping[str, bytes]
    extensions: Mapping[str, Mapping[str, Entry]]
    refused: Mapping[str, str]
    problems: tuple[Problem, ...]

    def below(self, folder: str) -> list[str]:
        """Paths of the declaration files directly in ``folder``, sorted."""
        prefix = f"{folder}/"
        names = (p for p in self.files if p.startswith(prefix) and "/" not in p[len(prefix) :])
        return sorted(p for p in names if p.endswith(DECLARATIONS))


@dataclass(slots=True)
class _Found:
    entries: dict[str, Entry] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, path: str, code: str, what: str, advice: str) -> None:
        self.refused[path] = what
        self.problems.append(Problem(Where(shown(path)), code, f"'{shown(path)}' {what}", advice))


def inputs_digest(objects: Objects, treeish: str, infra: str) -> str:
    """SHA-256 of everything that ``infra``'s desired state is made of, by the ids of trees: no file is read.

    Policies and rules are not in it. Raises ``GitError(missing)`` when the commit is not there.
    """
    top = objects.entries(treeish)
    parts = [EVALUATOR, infra]
    names = (".gitattributes", "workspace.yaml", *SHARED)
    parts.extend(f"{name} {top[name].mode} {top[name].oid}" if name in top else f"{name} -" for name in names)
    own = objects.entries(treeish, "infra").get(infra)
    parts.append(f"{own.mode} {own.oid}" if own else "-")
    return sha256("\n".join(parts).encode()).hexdigest()


def infras(objects: Objects, treeish: str) -> tuple[str, ...]:
    """Names of the infras declared in ``treeish``, sorted."""
    return tuple(sorted(name for name, entry in objects.entries(treeish, "infra").items() if entry.mode == "040000"))


def shown(path: str) -> str:
    """A path fit for a message: bytes that are no text and control characters are escaped."""
    return path.encode("unicode_escape", "surrogatepass").decode() if _BAD.search(path) else path


def stem(path: str) -> str:
    """``infra/shop/dns/web.example.yaml`` -> ``web.example``."""
    return path.rpartition("/")[2].rpartition(".")[0]


def read(objects: Objects, treeish: str, infra: str) -> Source:
    """Everything of ``treeish`` that belongs to ``infra`` ("" for what all share), with all that is wrong with it."""
    found = _Found()
    top = objects.entries(treeish)
    if "workspace.yaml" not in top:
        advice = (
            "this is not a state repository yet; 'provisioning init' makes one"
            if top
            else "the commit is empty; 'provisioning init' fills it"
        )
        found.problems.append(Problem(Where("workspace.yaml"), "no-workspace", "there is no workspace.yaml at the root", advice))
    for name in ("workspace.yaml", ".gitattributes"):
        if name in top:
            _take(found, name, top[name])
    for folder in SHARED:
        _take_folder(found, objects, treeish, folder, top.get(folder))
    if infra:
        _take_infra(found, objects, treeish, infra)
    contents = _contents(found, objects)
    for path in [p for p in contents if p.rpartition("/")[2] == ".gitattributes"]:
        found.problems.extend(_filters(path, contents[path]))
    for twin in _same_stems(found.entries):
        found.problems.append(twin)
        contents.pop(twin.where.path, None)
    found.problems.extend(_strangers(found.entries, infra))
    taskservs: dict[str, dict[str, Entry]] = {}
    for path, entry in found.entries.items():
        parts = path.split("/", 3)
        if parts[:2] == ["extensions", "taskservs"] and len(parts) == 4:
            taskservs.setdefault(parts[2], {})[parts[3]] = entry
    return Source(infra, contents, taskservs, found.refused, tuple(found.problems))


def _take_infra(found: _Found, objects: Objects, treeish: str, infra: str) -> None:
    there = infras(objects, treeish)
    if not INFRA_NAME.match(infra):
        advice = "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 63"
        found.problems.append(Problem(Where("infra"), "bad-name", f"'{infra}' cannot be the name of an infra", advice))
    elif infra not in there:
        known = f"there are {', '.join(there)}" if there else "'provisioning infra create NAME' makes one"
        found.problems.append(Problem(Where("infra"), "unknown-infra", f"there is no infra '{infra}'", hint(infra, there, known)))
    else:
        _take_folder(found, objects, treeish, f"infra/{infra}", objects.entries(treeish, "infra")[infra])


def _take_folder(found: _Found, objects: Objects, treeish: str, folder: str, entry: Entry | None) -> None:
    if entry is None:
        return
    if entry.mode != "040000":
        _take(found, folder, entry)
        return
    for path, below in objects.entries(treeish, folder, recursive=True).items():
        _take(found, f"{folder}/{path}", below)


def _take(found: _Found, path: str, entry: Entry) -> None:
    """Note a file, or refuse it for what it is."""
    if _BAD.search(path):
        found.refuse(
            path,
            "bad-path",
            "is not an allowed path",
            "rename it: plain text without control characters, backslashes, '..' and '.git'",
        )
    elif entry.mode == "120000":
        found.refuse(path, "symlink", "is a symlink", "put a file in its place")
    elif entry.mode == "160000":
        found.refuse(path, "submodule", "is a submodule", "put the files themselves in the repository")
    else:
        found.entries[path] = entry


def _is_read(path: str) -> bool:
    """Whether this program itself reads the file (scripts and templates of extensions are only handed on)."""
    root, _, rest = path.partition("/")
    name = path.rpartition("/")[2]
    if name == ".gitattributes":
        return True
    if root == "extensions":
        return name in ("manifest.yaml", "schema.json", "defaults.yaml") or name.endswith(IMPORTABLE)
    if root == "secrets":
        return rest == "_shared.enc.yaml"
    return name.endswith((*DECLARATIONS, *IMPORTABLE))


def _contents(found: _Found, objects: Objects) -> dict[str, bytes]:
    """Contents of all that is read; sizes are asked first, so that nothing large is ever loaded."""
    sizes = objects.sizes({e.oid for e in found.entries.values()})
    wanted: dict[str, Entry] = {}
    total = 0
    for path, entry in sorted(found.entries.items()):
        size = sizes[entry.oid]
        if not _is_read(path):
            if size < 1024:  # as small as an LFS pointer
                wanted[path] = entry
            continue
        if size > FILE_BYTES:
            found.refuse(
                path,
                "file-too-large",
                f"has {size} bytes and {FILE_BYTES} are allowed",
                "split it: each entry may have a file of its own",
            )
            continue
        total += size
        if total <= TOTAL_BYTES:
            wanted[path] = entry
    if total > TOTAL_BYTES:
        message = f"the declarations have {total} bytes and {TOTAL_BYTES} are allowed"
        found.problems.append(Problem(Where("infra"), "file-too-large", message, "split them into several infras"))
    blobs = objects.blobs({e.oid for e in wanted.values()})
    contents = {path: blobs[e.oid] for path, e in wanted.items()}
    for path in [p for p, data in contents.items() if data.startswith(_LFS)]:
        found.refuse(path, "lfs-pointer", "is a Git LFS pointer", "commit the file itself")
        del contents[path]
    return {path: data for path, data in contents.items() if _is_read(path)}


def _filters(path: str, data: bytes) -> Iterator[Problem]:
    """Attributes that make a checkout differ from the objects."""
    for number, line in enumerate(data.splitlines(), 1):
        for word in line.split()[1:] if not line.startswith(b"#") else ():
            if word.partition(b"=")[0] in (b"filter", b"working-tree-encoding", b"ident"):
                shape = word.decode(errors="replace")
                message = f"attribute '{shape}' makes files differ from what is committed"
                yield Problem(Where(path, number, 1), "git-filter", message, "remove the attribute")


def _same_stems(entries: Mapping[str, Entry]) -> Iterator[Problem]:
    """Two files that would be the same entry."""
    seen: dict[str, str] = {}
    for path in sorted(p for p in entries if p.endswith(DECLARATIONS) and not p.startswith(("extensions/", "secrets/"))):
        key = path.rpartition(".")[0]
        if key in seen:
            message = f"'{path}' and '{seen[key]}' are the same entry in two languages"
            yield Problem(Where(path), "same-stem", message, "keep one of them")
        seen.setdefault(key, path)


def _strangers(entries: Mapping[str, Entry], infra: str) -> Iterator[Problem]:
    """Declarations in a place that nobody reads: silence there would look like consent."""
    prefix = f"infra/{infra}/"
    for path in sorted(
        p for p in entries if infra and p.startswith(prefix) and p.endswith((".yaml", ".yml", ".jsonnet", ".toml", ".k", ".ncl"))
    ):
        folder, _, name = path[len(prefix) :].rpartition("/")
        if not folder and (stem(path) == "main" or name == SECRETS) and name.endswith(DECLARATIONS):
            continue
        if folder in KIND_FOLDERS and name.endswith(DECLARATIONS):
            continue
        top = folder.partition("/")[0]
        if folder and top not in KIND_FOLDERS:
            advice = hint(top, KIND_FOLDERS, f"the folders of an infra are {', '.join(KIND_FOLDERS)}")
            yield Problem(Where(path), "unknown-file", f"'{path}' is read by nothing: an infra has no folder '{top}'", advice)
        elif not name.endswith(DECLARATIONS):
            yield Problem(Where(path), "unknown-file", f"'{path}' is in a language that is not read", "write YAML or Jsonnet")
        else:
            advice = "put entries in main.yaml or directly in a folder such as servers/; shared Jsonnet ends in .libsonnet"
            yield Problem(Where(path), "unknown-file", f"'{path}' is read by nothing", advice)
