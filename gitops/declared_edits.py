"""Edits of what a person declared: an infra begun, entries put in and taken out. Comments stay; nothing is committed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any, Protocol

from gitops.declare.edit import add, append, remove
from gitops.declare.layout import INFRA_NAME
from gitops.stops import Exit, Stop
from planners.canonical import Json
from planners.problems import Problem

SCAFFOLD = """\
# yaml-language-server: $schema=../../.provisioning/schemas/infra.json
settings:
  provider: {provider}
  environment: {environment}

# What runs where. 'provisioning config schema' lists every key; an editor completes them.
# servers:
#   web-01:
#     taskservs: [storefront]
"""
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")


class Tree(Protocol):
    """A clone with a working tree."""

    work_tree: Path | None


def create_infra(repository: Tree, name: str, environment: str, provider: str, check: bool = False) -> str:
    """Write ``infra/NAME/main.yaml`` to start from; returns its path. Raises ``Stop`` (usage): a bad name, or it is there."""
    top = _top(repository)
    if not INFRA_NAME.match(name):
        advice = "letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 63"
        raise Stop(Exit.USAGE, f"'{name}' cannot be the name of an infra", advice)
    path = f"infra/{name}/main.yaml"
    if (top / "infra" / name).exists():
        raise Stop(Exit.USAGE, f"there is an infra '{name}' already", f"edit infra/{name}, or choose another name")
    if not check:
        (top / path).parent.mkdir(parents=True)
        (top / path).write_text(SCAFFOLD.format(provider=provider, environment=environment))
    return path


def add_entry(
    repository: Tree, infra: str, kind: str, name: str, values: Mapping[str, Any], servers: Sequence[str], check: bool
) -> tuple[str, str]:
    """Put an entry into the declaration; returns (path, difference). ``kind``: servers, taskservs or clusters.

    ``servers``: a taskserv is put on them. Raises ``Stop``: it is there already, a bad name, a file that cannot be edited.
    """
    top = _top(repository)
    if not NAME.match(name):
        advice = "lower-case letters, digits and '-', at most 63, beginning and ending with a letter or digit"
        raise Stop(Exit.USAGE, f"'{name}' cannot be a name", advice)
    folder = f"infra/{infra}/{kind}"
    if kind == "clusters" and "servers" not in values:
        values = {**values, "servers": list(servers)}
    if (top / folder).is_dir() and not servers:
        path = f"{folder}/{name}.yaml"
        if (top / path).exists():
            raise Stop(Exit.USAGE, f"'{path}' is there already", "edit it, or choose another name")
        return _write(top, path, "", _entry(path, values), check)
    path = _main(top, infra)
    text = (top / path).read_text()
    edited = text
    if kind != "taskservs" or values or not servers:
        edited = _done(add(path, edited, (kind, name), dict(values)))
    if kind == "taskservs":
        for server in servers:
            edited = _done(append(path, edited, ("servers", server, "taskservs"), name))
    return _write(top, path, text, edited, check)


def remove_entry(repository: Tree, infra: str, kind: str, name: str, check: bool) -> tuple[str, str]:
    """Take an entry out, and a taskserv off every server; returns (path, difference). Raises ``Stop`` (not found)."""
    top = _top(repository)
    own = f"infra/{infra}/{kind}/{name}.yaml"
    if (top / own).exists():
        return _write(top, own, (top / own).read_text(), "", check)
    path = _main(top, infra)
    text = (top / path).read_text()
    edited, found = text, False
    if kind == "taskservs":
        edited, found = _off_servers(path, edited, name)
    result = remove(path, edited, (kind, name))
    if isinstance(result, Problem) and not found:
        raise Stop(Exit.NOT_FOUND, result.message, result.hint)
    return _write(top, path, text, edited if isinstance(result, Problem) else result, check)


def _off_servers(path: str, text: str, name: str) -> tuple[str, bool]:
    from gitops.declare.yaml_text import parse

    document = parse(path, text.encode())
    servers = document.value.get("servers") if not isinstance(document, tuple) and isinstance(document.value, Mapping) else None
    listed = servers if isinstance(servers, (list, tuple)) else ()
    names = list(servers) if isinstance(servers, Mapping) else [s.get("name") for s in listed if isinstance(s, Mapping)]
    found = False
    for server in names:
        result = remove(path, text, ("servers", str(server), "taskservs", name))
        if isinstance(result, str):
            text, found = result, True
    return text, found


def _top(repository: Tree) -> Path:
    if repository.work_tree is None:
        raise Stop(Exit.USAGE, "a bare repository has no working tree to edit", "clone it, and edit there")
    return repository.work_tree


def _main(top: Path, infra: str) -> str:
    path = f"infra/{infra}/main.yaml"
    if (top / path).exists():
        return path
    if (top / f"infra/{infra}/main.jsonnet").exists():
        raise Stop(
            Exit.USAGE, f"infra '{infra}' is written in Jsonnet, which is a program", f"edit infra/{infra}/main.jsonnet by hand"
        )
    raise Stop(Exit.NOT_FOUND, f"infra '{infra}' has no {path}", "'provisioning infra create NAME' makes one")


def _done(result: str | Problem) -> str:
    if isinstance(result, Problem):
        raise Stop(Exit.USAGE, result.message, result.hint)
    return result


def _entry(path: str, values: Mapping[str, Json]) -> str:
    """A file of one entry."""
    text = "{}\n" if not values else ""
    for key, value in values.items():
        text = _done(add(path, text, (key,), value))
    return text


def _write(top: Path, path: str, before: str, after: str, check: bool) -> tuple[str, str]:
    lines: Callable[[str], list[str]] = str.splitlines
    difference = "\n".join(unified_diff(lines(before), lines(after), path, path, lineterm=""))
    if not check:
        if after:
            (top / path).write_text(after)
        else:
            (top / path).unlink()
    return path, difference
