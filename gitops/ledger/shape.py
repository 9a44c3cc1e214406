"""Plain dataclasses to JSON and back, strictly: a ledger is read by many versions and edited by nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Any, TypeVar

from planners.canonical import Json

T = TypeVar("T")

PLAIN: Mapping[str, type] = {"str": str, "int": int, "bool": bool}


class Malformed(ValueError):  # noqa: N818  # what it says, as the errors of the ports do
    """A document that is not what it should be; the text says what is wrong, the caller knows where."""


def to_document(value: Any) -> dict[str, Json]:
    """The fields of a dataclass that hold plain values, strings of enums and such values nested in tuples."""
    return {name: _plain(getattr(value, name)) for name in _fields(type(value))}  # type: ignore[arg-type]  # a class is hashable


def _plain(value: Any) -> Json:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return to_document(value)
    return str(value) if isinstance(value, str) else value


def of_document(cls: type[T], document: object, **nested: Callable[[Any], Any]) -> T:
    """A ``cls`` made of ``document``; ``nested`` reads the fields that are not str, int or bool. Raises ``Malformed``.

    A field that has a default may be missing (an older writer), an unknown one never is passed over.
    """
    if not isinstance(document, Mapping):
        raise Malformed("is not an object")
    known = _fields(cls)  # type: ignore[arg-type]  # a class is hashable
    if unknown := sorted(document.keys() - known.keys()):
        raise Malformed(f"has the unknown field '{unknown[0]}'")
    values: dict[str, Any] = {}
    for name, (kind, optional) in known.items():
        if name in document:
            values[name] = _read(name, document[name], kind, nested)
        elif not optional:
            raise Malformed(f"lacks the field '{name}'")
    return cls(**values)


@cache
def _fields(cls: type) -> Mapping[str, tuple[str, bool]]:
    """Field -> its type as written, and whether it has a default."""
    plain = {f.name: f for f in fields(cls)}
    return {n: (str(f.type), f.default is not MISSING or f.default_factory is not MISSING) for n, f in plain.items()}


def _read(name: str, value: object, kind: str, nested: Mapping[str, Callable[[Any], Any]]) -> Any:
    if name in nested:
        try:
            return nested[name](value)
        except Malformed as error:
            raise Malformed(f"field '{name}' {error}") from error
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise Malformed(f"field '{name}' is broken") from error
    # a bool is an int to Python, never to us
    if type(value) is not PLAIN[kind]:
        raise Malformed(f"field '{name}' is not of type {kind}")
    return value


def many(read: Callable[[Any], T]) -> Callable[[Any], tuple[T, ...]]:
    """A reader of lists from a reader of one item."""

    def read_all(value: Any) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Malformed("is not a list")
        return tuple(read(item) for item in value)

    return read_all
