"""The one canonical encoding of values, and the one way in which this program hashes: docs/encoding.md has the bytes.

Sorted keys, no insignificant space, UTF-8, one trailing newline: the same value always gives the
same bytes, hence the same Git blob id (DESIGN section 4).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import TypeAlias

Json: TypeAlias = bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"] | None

ABSENT = "absent"
"""The digest that stands for a value that is not there."""


def encode(value: Json) -> bytes:
    """Canonical bytes of ``value``; raises ``ValueError`` for NaN or infinity."""
    return _ENCODER.encode(value).encode() + b"\n"


def plain(value: object) -> object:
    """Read-only mappings and sets are encoded as what they mean; anything else is not JSON."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=plain)


def digest(domain: str, value: Json) -> str:
    """SHA-256 in hex over ``value``, separated by ``domain`` so that no two uses can be confused."""
    return digest_bytes(domain, encode(value))


def digest_bytes(domain: str, body: bytes) -> str:
    """The same over bytes that are no value, such as a file.

    Layout: ``provisioning/<domain>/v1`` NUL, length of the body in ASCII decimal, NUL, body.
    """
    return sha256(b"provisioning/%b/v1\0%d\0%b" % (domain.encode(), len(body), body)).hexdigest()
