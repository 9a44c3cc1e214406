"""Canonical bytes and digests."""

from __future__ import annotations

from hashlib import sha256
from types import MappingProxyType

import pytest

from planners.canonical import digest, encode


def test_bytes_are_sorted_tight_utf8_and_end_in_one_newline() -> None:
    assert encode({"b": [1, True, None], "a": "ü"}) == '{"a":"ü","b":[1,true,null]}\n'.encode()


def test_equal_values_give_equal_bytes_whatever_holds_them() -> None:
    assert encode(MappingProxyType({"b": (1, 2), "a": {}})) == encode({"a": MappingProxyType({}), "b": [1, 2]})
    assert encode({"x": frozenset({"b", "a"})}) == b'{"x":["a","b"]}\n'  # type: ignore[dict-item]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        encode(value)


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match="object is not JSON"):
        encode(object())  # type: ignore[arg-type]


def test_a_digest_is_bound_to_its_use_and_its_length() -> None:
    body = b'"x"\n'
    assert digest("plan", "x") == sha256(b"provisioning/plan/v1\0" + b"4\0" + body).hexdigest()
    assert digest("plan", "x") != digest("op", "x")
