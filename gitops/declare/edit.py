"""Edits of one file that a person wrote: comments, order, quotes and every untouched line stay as they are.

The round trip is ruamel's; where it would write an untouched line in another way, the person's own line is kept.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from difflib import SequenceMatcher
from typing import Any

from gitops.declare.documents import Path, dotted
from gitops.declare.yaml_text import parse
from gitops.limits import EDIT_BYTES
from planners.canonical import Json
from planners.problems import Problem, Where
from planners.suggest import hint


class _CannotError(Exception):
    def __init__(self, code: str, message: str, advice: str) -> None:
        self.code, self.message, self.advice = code, message, advice


def add(path: str, text: str, at: Path, value: Json) -> str | Problem:
    """``text`` of the file ``path`` with ``value`` as a new entry at ``at``: (collection, name), or deeper.

    A collection that is a list gets an entry with that name. What is there already is refused.
    """
    return _edited(path, text, lambda root: _put(root, at, value, new=True))


def set_value(path: str, text: str, at: Path, value: Json) -> str | Problem:
    """``text`` with the value at ``at`` replaced, or put there. The same value gives the same text."""
    return _edited(path, text, lambda root: _put(root, at, value, new=False))


def append(path: str, text: str, at: Path, value: Json) -> str | Problem:
    """``text`` with ``value`` at the end of the list at ``at``, which is made when it is not there."""
    return _edited(path, text, lambda root: _append(root, at, value))


def remove(path: str, text: str, at: Path) -> str | Problem:
    """``text`` without the entry at ``at``; a collection that is then empty goes with it."""
    return _edited(path, text, lambda root: _remove(root, at))


def _edited(path: str, text: str, change: Callable[[Any], bool]) -> str | Problem:
    where = Where(path)
    if len(text.encode()) > EDIT_BYTES:
        message = f"the file has more than {EDIT_BYTES} bytes, too many to edit for you"
        return Problem(where, "file-too-large", message, "edit it by hand, or split it")
    checked = parse(path, text.encode())
    if isinstance(checked, tuple):
        return checked[0]
    if not isinstance(checked.value, Mapping):
        return Problem(where, "wrong-type", "the file is not a map", "mend it by hand")
    yaml = _yaml(text)
    root = yaml.load(text)
    if root is None:
        root = yaml.map()
    before = _dumped(yaml, root) if checked.value else text
    try:
        if not change(root):
            return text
    except _CannotError as error:
        return Problem(where, error.code, error.message, error.advice)
    after = (_dumped(yaml, root) if root else "") if checked.value else text + _dumped(yaml, root)
    result = _kept(text, before, after)
    meant = parse(path, result.encode()) if result is not None else ()
    if result is None or isinstance(meant, tuple) or meant.value != _plain(root):
        return Problem(where, "cannot-edit", "this change cannot be made without another layout of the file", "edit it by hand")
    return result


def _yaml(text: str) -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1 << 16
    mapping, offset = _indents(text)
    yaml.indent(mapping=mapping, sequence=offset + 2, offset=offset)
    return yaml


def _indents(text: str) -> tuple[int, int]:
    """How the person indents: maps below a key, and dashes below a key."""
    mapping = offset = -1
    previous = ""
    for line in text.splitlines():
        bare = line.lstrip(" ")
        if not bare or bare.startswith("#"):
            continue
        step = len(line) - len(bare) - (len(previous) - len(previous.lstrip(" -")))
        if previous.partition(" #")[0].rstrip().endswith(":") and step >= 0:
            if bare.startswith("- "):
                offset = step if offset < 0 else offset
            elif step:
                mapping = step if mapping < 0 else mapping
        previous = line
    return (mapping if mapping > 0 else 2, offset if offset >= 0 else 2)


def _dumped(yaml: Any, root: Any) -> str:
    out = io.StringIO()
    yaml.dump(root, out)
    return out.getvalue()


def _kept(text: str, before: str, after: str) -> str | None:
    """``after`` with every line that the edit did not change as it is in ``text``.

    ``before`` is ``text`` as the writer would write it unchanged: the same lines in its own layout. ``None`` when the
    lines cannot be told apart. Comments between two entries belong to the second: they stay where they are.
    """
    own, plain, changed = (t.splitlines(keepends=True) for t in (text, before, after))
    if len(own) != len(plain):
        return None
    if own and not own[-1].endswith("\n"):
        own[-1] += "\n"
    result: list[str] = []
    for tag, a, b, c, d in SequenceMatcher(None, plain, changed, autojunk=False).get_opcodes():
        if tag == "equal":
            result += own[a:b]
        elif tag == "delete":
            result += own[_end_of_entry(own, a, b) : b]
        elif tag == "insert":
            at = _above_comments(result, changed[c], own[a] if a < len(own) else "")
            result[at:at] = changed[c:d]
        else:
            result += changed[c:d]
    return "".join(result)


def _loose(line: str) -> bool:
    """Whether a line is blank or a comment."""
    return not line.strip() or line.lstrip().startswith("#")


def _end_of_entry(lines: list[str], start: int, end: int) -> int:
    while end > start and _loose(lines[end - 1]):
        end -= 1
    return end


def _above_comments(lines: list[str], inserted: str, following: str) -> int:
    """Where a new last entry goes: above comments that lead to what follows it one level up."""
    indent = len(inserted) - len(inserted.lstrip(" "))
    up = len(following) - len(following.lstrip(" ")) < indent or (
        inserted.lstrip().startswith("-") and not following.lstrip().startswith("-")
    )
    at = len(lines)
    if following.strip() and not up:
        return at
    while (
        at
        and _loose(lines[at - 1])
        and not (lines[at - 1].strip() and len(lines[at - 1]) - len(lines[at - 1].lstrip(" ")) > indent)
    ):
        at -= 1
    return at or len(lines)  # what stands at the top of a file is its heading


# --- changes of the tree; each returns whether it changed anything ----------------------------------------


def _put(root: Any, at: Path, value: Json, new: bool) -> bool:
    parent, name = _parent(root, at, make=True), at[-1]
    there = _find(parent, name)
    if there is not None:
        if new:
            raise _CannotError("duplicate-name", f"'{dotted(at)}' is there already", "change it instead, or choose another name")
        key, current = there
        if _plain(current) == value:
            return False
        parent[key] = _entry(parent, name, value)
    elif isinstance(parent, list):
        parent.append(_entry(parent, name, value))
    else:
        parent[name] = value
    return True


def _append(root: Any, at: Path, value: Json) -> bool:
    parent = _parent(root, at, make=True)
    there = _find(parent, at[-1])
    if there is None or there[1] is None:
        parent[at[-1] if there is None else there[0]] = [value]
        return True
    items = there[1]
    if not isinstance(items, list):
        raise _CannotError("wrong-type", f"'{dotted(at)}' is not a list", "mend it by hand")
    name = value.get("name") if isinstance(value, Mapping) else value
    if isinstance(name, str) and _find(items, name) is not None:
        raise _CannotError("duplicate-name", f"'{name}' is in {dotted(at)} already", "change it instead")
    items.append(value)
    return True


def _remove(root: Any, at: Path) -> bool:
    parent = _parent(root, at, make=False)
    there = _find(parent, at[-1])
    if there is None:
        known = [str(k) for k in parent] if isinstance(parent, dict) else [str(_name_of(i)) for i in parent]
        raise _CannotError("not-there", f"there is no '{dotted(at)}'", hint(str(at[-1]), known, "nothing to remove"))
    if len(at) > 1 and len(parent) == 1:
        return _remove(root, at[:-1])
    del parent[there[0]]
    return True


def _parent(root: Any, at: Path, make: bool) -> Any:
    current = root
    for depth, part in enumerate(at[:-1], 1):
        there = _find(current, part)
        if there is None or there[1] is None:
            if not make:
                raise _CannotError("not-there", f"there is no '{dotted(at[:depth])}'", "nothing to remove")
            made: dict[str, Json] = {}
            if isinstance(current, list):
                raise _CannotError("not-there", f"there is no '{dotted(at[:depth])}'", "add it first")
            current[part if there is None else there[0]] = made
            current = current[part if there is None else there[0]]
            continue
        current = there[1]
        if not isinstance(current, (dict, list)):
            raise _CannotError("wrong-type", f"'{dotted(at[:depth])}' is neither a map nor a list", "mend it by hand")
    return current


def _find(container: Any, name: str | int) -> tuple[Any, Any] | None:
    """(key or index, value) of an entry: by key in a map, by name in a list."""
    if isinstance(container, list):
        for index, item in enumerate(container):
            if name == index or _name_of(item) == name:
                return index, item
        return None
    return (name, container[name]) if name in container else None


def _name_of(item: Any) -> Any:
    if isinstance(item, dict):
        return item.get("name", item.get("hostname"))
    return item


def _entry(parent: Any, name: str | int, value: Json) -> Json:
    """A named entry as its list wants it."""
    return {"name": name, **value} if isinstance(parent, list) and isinstance(value, Mapping) else value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list) else value
