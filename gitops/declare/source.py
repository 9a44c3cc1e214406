"""The files of one commit that an infra is declared by, and what must not be among them.

Read by object id, never from a checkout. Nothing heavy is imported here: ``inputs_digest`` answers "has anything moved"
for a plan without changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from gitops.declare.layout import (
    APART,
    DECLARATIONS,
    INFRA_NAME,
    LANGUAGES,
    SHARED,
    bad_path,
    filters,
    is_read,
    same_stems,
    shown,
    stem,
    strangers,
)
from gitops.limits import FILE_BYTES, TOTAL_BYTES
from gitops.ports import Entry, Kept, Objects
from planners.canonical import digest
from planners.dataclass import dataclass
from planners.model import NOTHING_ELSE, Rest
from planners.problems import Problem, Where
from planners.suggest import hint

EVALUATOR = "1"
"""Version of everything between a file's bytes and ``Desired``; raised when equal files may give another result."""
_LFS = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True)
class Source:
    """What was found. ``files``: path -> content of all that is read here; ``extensions``: every file below
    ``extensions/taskservs/<name>/`` by name and path in it; ``refused``: paths that are there and were not read, and why;
    ``complete``: false when the infra is not there or too large, so that what is missing means nothing."""

    infra: str
    files: Mapping[str, bytes]
    extensions: Mapping[str, Mapping[str, Entry]]
    refused: Mapping[str, str]
    problems: tuple[Problem, ...]
    complete: bool = True
    size: int = 0
    """Bytes of all that was read."""
    oids: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """Path -> blob id of all that is in ``files``."""
    kept: Kept | None = field(default=None, repr=False, compare=False)
    """What was evaluated before."""

    def below(self, folder: str, name: str = "") -> list[str]:
        """Paths of the declaration files directly in ``folder``, sorted; of those called ``name`` when it is given."""
        prefix = f"{folder}/{name}{'.' if name else ''}"
        names = (p for p in self.files if p.startswith(prefix) and "/" not in p[len(folder) + 1 :])
        return sorted(p for p in names if p.endswith(DECLARATIONS) and (not name or stem(p) == name))


@dataclass(frozen=True, slots=True)
class Part:
    """Some of an infra's entries. ``files``: path -> entry of those that are read in the folders ``APART``, everything else
    is read as ever; ``rest``: the resources of all others."""

    files: Mapping[str, Entry]
    rest: Rest = NOTHING_ELSE


@dataclass(slots=True)
class _Found:
    entries: dict[str, Entry] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    complete: bool = True

    def refuse(self, path: str, code: str, what: str, advice: str) -> None:
        self.refused[path] = what
        self.problems.append(Problem(Where(shown(path)), code, f"'{shown(path)}' {what}", advice))


def inputs_digest(objects: Objects, treeish: str, infra: str, own: str = "") -> str:
    """Digest of everything that ``infra``'s desired state is made of, by the ids of trees: no file is read.

    ``own``: as it would be with this tree in place of the infra's own. Policies and rules are not in it. Raises
    ``GitError(missing)`` when the commit is not there.
    """
    top = objects.entries(treeish)
    names = (".gitattributes", "workspace.yaml", *SHARED)
    parts = {name: [top[name].mode, top[name].oid] for name in names if name in top}
    own = own or own_tree(objects, treeish, infra)
    return digest("inputs", {"evaluator": EVALUATOR, "infra": infra, "own": own, "shared": parts})


def own_tree(objects: Objects, treeish: str, infra: str) -> str:
    """The id of the infra's own folder, "" when there is none."""
    own = objects.entries(treeish, "infra").get(infra)
    return own.oid if own and own.mode == "040000" else ""


def infras(objects: Objects, treeish: str) -> tuple[str, ...]:
    """Names of the infras declared in ``treeish``, sorted."""
    return tuple(sorted(name for name, entry in objects.entries(treeish, "infra").items() if entry.mode == "040000"))


def read(objects: Objects, treeish: str, infra: str, part: Part | None = None) -> Source:
    """Everything of ``treeish`` that belongs to ``infra`` ("" for what all share), or to a ``part`` of it, with all that is
    wrong with it."""
    found = _Found()
    top = _top(found, objects, treeish)
    for folder in SHARED:
        _take_folder(found, objects, treeish, folder, top.get(folder))
    if infra:
        _take_infra(found, objects, treeish, infra, part)
    else:
        _no_infras(found, objects, treeish)
    contents = _contents(found, objects)
    for path in [p for p in contents if p.rpartition("/")[2] == ".gitattributes"]:
        found.problems.extend(filters(path, contents[path]))
    for twin in same_stems(found.entries):
        found.problems.append(twin)
        contents.pop(twin.where.path, None)
    found.problems.extend(strangers(found.entries, infra))
    taskservs: dict[str, dict[str, Entry]] = {}
    for path, entry in found.entries.items():
        parts = path.split("/", 3)
        if parts[:2] == ["extensions", "taskservs"] and len(parts) == 4:
            taskservs.setdefault(parts[2], {})[parts[3]] = entry
    size = sum(map(len, contents.values()))
    oids = {path: found.entries[path].oid for path in contents}
    return Source(infra, contents, taskservs, found.refused, tuple(found.problems), found.complete, size, oids)


def read_workspace(objects: Objects, treeish: str) -> Source:
    """``workspace.yaml`` alone."""
    found = _Found()
    _top(found, objects, treeish)
    found.entries.pop(".gitattributes", None)
    return Source("", _contents(found, objects), {}, found.refused, tuple(found.problems))


def _top(found: _Found, objects: Objects, treeish: str) -> Mapping[str, Entry]:
    """The root's entries; its own files are taken."""
    top = objects.entries(treeish)
    if "workspace.yaml" not in top:
        advice = "this is not a state repository yet; 'provisioning init' makes one"
        if not top:
            advice = "the commit is empty; 'provisioning init' fills it"
        found.problems.append(Problem(Where("workspace.yaml"), "no-workspace", "there is no workspace.yaml at the root", advice))
    for name in ("workspace.yaml", ".gitattributes"):
        if name in top:
            _take(found, name, top[name])
    return top


def _take_infra(found: _Found, objects: Objects, treeish: str, infra: str, part: Part | None = None) -> None:
    there = infras(objects, treeish)
    found.complete = bool(INFRA_NAME.match(infra)) and infra in there
    if not INFRA_NAME.match(infra):
        advice = "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 63"
        found.problems.append(Problem(Where("infra"), "bad-name", f"'{shown(infra)}' cannot be the name of an infra", advice))
    elif infra not in there:
        known = f"there are {', '.join(there)}" if there else "'provisioning infra create NAME' makes one"
        found.problems.append(Problem(Where("infra"), "unknown-infra", f"there is no infra '{infra}'", hint(infra, there, known)))
    else:
        for name, entry in objects.entries(treeish, f"infra/{infra}").items():
            if part is None or name not in APART:
                _take_folder(found, objects, treeish, f"infra/{infra}/{name}", entry)
        for path, entry in part.files.items() if part else ():
            _take(found, path, entry)


def _no_infras(found: _Found, objects: Objects, treeish: str) -> None:
    """What stands in ``infra/`` and is no infra: silence there would make one vanish."""
    for name, entry in objects.entries(treeish, "infra").items():
        path = f"infra/{name}"
        if entry.mode in ("120000", "160000"):
            _take(found, path, entry)
        elif entry.mode != "040000" and name.endswith(LANGUAGES):
            message = f"'{path}' is read by nothing: an infra is a folder"
            found.problems.append(Problem(Where(path), "unknown-file", message, f"move it to infra/{stem(path)}/main.yaml"))
        elif entry.mode == "040000" and not INFRA_NAME.match(name):
            _take_infra(found, objects, treeish, name)


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
    if bad_path(path):
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


def _contents(found: _Found, objects: Objects) -> dict[str, bytes]:
    """Contents of all that is read; sizes are asked first, so that nothing large is ever loaded."""
    sizes = objects.sizes({e.oid for e in found.entries.values()})
    wanted: dict[str, Entry] = {}
    total = 0
    for path, entry in sorted(found.entries.items()):
        size = sizes[entry.oid]
        if not is_read(path):
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
        found.complete = False
        message = f"the declarations have {total} bytes and {TOTAL_BYTES} are allowed"
        found.problems.append(Problem(Where("infra"), "file-too-large", message, "split them into several infras"))
    blobs = objects.blobs({e.oid for e in wanted.values()})
    contents = {path: blobs[e.oid] for path, e in wanted.items()}
    for path in [p for p, data in contents.items() if data.startswith(_LFS)]:
        found.refuse(path, "lfs-pointer", "is a Git LFS pointer", "commit the file itself")
        del contents[path]
    return {path: data for path, data in contents.items() if is_read(path)}
