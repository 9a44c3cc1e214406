"""Differences between two values as dotted leaves. Lists are compared and shown whole."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeAlias

from planners.canonical import Json, encode
from planners.steps import Change

Leaves: TypeAlias = Mapping[str, Json]


def leaves(value: Mapping[str, Json]) -> dict[str, Json]:
    """Dotted path -> leaf. ``null`` and empty mappings say nothing and have no leaf; a key with a dot is written ``a["b.c"]``."""
    return dict(_walk("", value))


def _walk(prefix: str, value: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    for key, part in value.items():
        path = join(prefix, key)
        if isinstance(part, Mapping):
            yield from _walk(path, part)
        elif part is not None:
            yield path, part


def join(prefix: str, key: str) -> str:
    """One more key on a path."""
    if "." in key or "[" in key:
        return f'{prefix}["{key}"]'
    return f"{prefix}.{key}" if prefix else key


def below(path: str, prefixes: Collection[str]) -> bool:
    """Whether ``path`` is one of ``prefixes`` or lies under one."""
    if not prefixes or path in prefixes:
        return bool(prefixes)
    return any(path.startswith(p) and path[len(p)] in ".[" for p in prefixes)


def same(left: Json, right: Json) -> bool:
    """Equal as canonical JSON: ``1``, ``1.0`` and ``true`` are three different values."""
    if type(left) is type(right) and isinstance(left, (str, bool, int)):
        return left == right
    return encode(left) == encode(right)


def alike(left: Mapping[str, Json], right: Mapping[str, Json]) -> bool:
    """Whether no leaf differs."""
    return same(left, right) or not differing(leaves(left), leaves(right))


def differing(before: Leaves, after: Leaves) -> tuple[str, ...]:
    """Paths whose leaves differ, sorted."""
    return tuple(sorted(p for p in before.keys() | after.keys() if not same(before.get(p), after.get(p))))


def keep_ignored(declared: Mapping[str, Json], recorded: Mapping[str, Json], ignored: Collection[str]) -> Mapping[str, Json]:
    """``declared`` with every leaf under an ignored path as it was recorded: nobody asks for a change there."""
    if not ignored:
        return declared
    now, then = leaves(declared), leaves(recorded)
    if not any(below(p, ignored) for p in differing(then, now)):
        return declared
    return _kept("", declared, recorded, ignored)


def _kept(prefix: str, declared: Mapping[str, Json], recorded: Mapping[str, Json], ignored: Collection[str]) -> dict[str, Json]:
    kept: dict[str, Json] = {}
    for key in sorted(declared.keys() | recorded.keys()):
        path, now, then = join(prefix, key), declared.get(key), recorded.get(key)
        if below(path, ignored):
            now = then
        elif isinstance(now, Mapping) or (now is None and isinstance(then, Mapping)):
            inner = _kept(path, now or {}, then if isinstance(then, Mapping) else {}, ignored)
            now = inner if inner or key in declared else None
        if now is not None:
            kept[key] = now
    return kept


def is_secret(value: Json) -> bool:
    """Whether a leaf holds a ``secret://`` reference (which may be shown; what it stands for never is)."""
    if isinstance(value, str):
        return "secret://" in value
    return isinstance(value, (list, tuple, Mapping)) and b"secret://" in encode(value)


def change(
    path: str, before: Json, after: Json, sensitive: Collection[str], replace_on: Collection[str], unknown: bool = False
) -> Change:
    """One leaf as a ``Change``. It is hidden when its key is sensitive, or a plain text stands where a secret is or was."""
    hidden = below(path, sensitive) or (is_secret(before) != is_secret(after) and before is not None and after is not None)
    return Change(path, before, after, unknown, hidden, below(path, replace_on))
