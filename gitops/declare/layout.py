"""Where things stand in a state repository, and paths and attributes that must not be there. Light: no file is read."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from planners.problems import Problem, Where
from planners.suggest import hint

KIND_FOLDERS = ("networks", "volumes", "servers", "taskservs", "clusters", "load_balancers", "dns")
"""Folders of an infra whose files are one entry each."""
APART = ("networks", "volumes", "servers", "load_balancers", "dns")
"""Those whose entries say nothing of each other but by name, so that some can be read without the others."""
SHARED = ("templates", "environments", "extensions", "secrets")
EXTENSIONS = ("taskservs", "providers", "clusters", "templates")
"""Kinds of extensions: the folders of ``extensions/``."""
DECLARATIONS = (".yaml", ".yml", ".jsonnet")
IMPORTABLE = (".jsonnet", ".libsonnet", ".json")
LANGUAGES = (*DECLARATIONS, ".toml", ".k", ".ncl")
"""Ends of files that somebody means as a declaration, whether or not they are read."""
SECRETS = "secrets.enc.yaml"
INFRA_NAME = re.compile(r"(?!.*\.\.)(?!.*\.lock$)(?!.*\.$)[A-Za-z0-9][A-Za-z0-9._-]{0,62}\Z")
_BAD = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]|(^|/)(\.\.?|\.git)(/|$)", re.IGNORECASE)


def bad_path(path: str) -> bool:
    """Control characters, backslashes, no text at all, ``..`` and ``.git``."""
    return _BAD.search(path) is not None


def shown(path: str) -> str:
    """A path fit for a message: bytes that are no text and control characters are escaped."""
    return path.encode("unicode_escape", "surrogatepass").decode() if bad_path(path) else path


def stem(path: str) -> str:
    """``infra/shop/dns/web.example.yaml`` -> ``web.example``."""
    return path.rpartition("/")[2].rpartition(".")[0]


def is_entry(path: str) -> bool:
    """Whether the file is the declaration of one entry of an infra: ``infra/shop/servers/web-01.yaml``."""
    folders, _, name = path.rpartition("/")
    parts = folders.split("/")
    return len(parts) == 3 and parts[0] == "infra" and parts[2] in KIND_FOLDERS and name.endswith(DECLARATIONS)


def is_read(path: str) -> bool:
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


def filters(path: str, data: bytes) -> Iterator[Problem]:
    """Attributes that make a checkout differ from the objects."""
    for number, line in enumerate(data.splitlines(), 1):
        for word in line.split()[1:] if not line.startswith(b"#") else ():
            if word.partition(b"=")[0] in (b"filter", b"working-tree-encoding", b"ident"):
                shape = word.decode(errors="replace")
                message = f"attribute '{shape}' makes files differ from what is committed"
                yield Problem(Where(path, number, 1), "git-filter", message, "remove the attribute")


def same_stems(paths: Collection[str]) -> Iterator[Problem]:
    """Two files that would be the same entry."""
    seen: dict[str, str] = {}
    for path in sorted(p for p in paths if p.endswith(DECLARATIONS) and not p.startswith(("extensions/", "secrets/"))):
        key = path.rpartition(".")[0]
        if key in seen:
            message = f"'{path}' and '{seen[key]}' are the same entry in two languages"
            yield Problem(Where(path), "same-stem", message, "keep one of them")
        seen.setdefault(key, path)


def strangers(paths: Collection[str], infra: str) -> Iterator[Problem]:
    """Declarations in a place that nobody reads: silence there would look like consent."""
    for path in sorted(paths):
        root, _, rest = path.partition("/")
        if root == "infra" and path.endswith(LANGUAGES):
            yield from _in_infra(path, path.removeprefix(f"infra/{infra}/"))
        elif root in ("templates", "environments") and path.endswith(LANGUAGES):
            yield from _in_shared(path, rest)
        elif root == "extensions" and rest.partition("/")[0] not in EXTENSIONS and "/" in rest:
            folder = rest.partition("/")[0]
            advice = hint(folder, EXTENSIONS, f"the folders of extensions/ are {', '.join(EXTENSIONS)}")
            yield Problem(Where(path), "unknown-file", f"'{path}' is read by nothing", advice)


def _in_infra(path: str, rest: str) -> Iterator[Problem]:
    folder, _, name = rest.rpartition("/")
    top = folder.partition("/")[0]
    if not folder and (stem(path) == "main" or name == SECRETS) and name.endswith(DECLARATIONS):
        return
    if folder in KIND_FOLDERS and name.endswith(DECLARATIONS):
        return
    if folder and top not in KIND_FOLDERS:
        advice = hint(top, KIND_FOLDERS, f"the folders of an infra are {', '.join(KIND_FOLDERS)}")
        yield Problem(Where(path), "unknown-file", f"'{path}' is read by nothing: an infra has no folder '{top}'", advice)
    elif not name.endswith(DECLARATIONS):
        yield _language(path)
    else:
        advice = "put entries in main.yaml or directly in a folder such as servers/; shared Jsonnet ends in .libsonnet"
        yield Problem(Where(path), "unknown-file", f"'{path}' is read by nothing", advice)


def _in_shared(path: str, rest: str) -> Iterator[Problem]:
    if not path.endswith(DECLARATIONS):
        yield _language(path)
    elif "/" in rest:
        advice = f"put it directly in {path.partition('/')[0]}/; shared Jsonnet ends in .libsonnet"
        yield Problem(Where(path), "unknown-file", f"'{path}' is read by nothing", advice)


def _language(path: str) -> Problem:
    return Problem(Where(path), "unknown-file", f"'{path}' is in a language that is not read", "write YAML or Jsonnet")
