"""What all models share: strictness, free keys, short forms and the types of fields."""

from __future__ import annotations

import re
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gitops.schema.base import SHORT, Address, Cores, DiskGb, DnsName, Label, MemoryGb, Name, SemVer, Strict, Version


class Sample(Strict):
    name: str
    size: int = 1
    tags: list[str] = []
    note: str | None = None


def test_nothing_is_guessed_and_nothing_unknown_is_kept() -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate({"name": "a", "size": "1"})
    with pytest.raises(ValidationError):
        Sample.model_validate({"name": "a", "sise": 1})


def test_keys_of_one_s_own_are_left_alone() -> None:
    assert Sample.model_validate({"name": "a", "x-note": {"any": ["thing"]}}).given() == {"name": "a"}


def test_given_is_what_was_written_and_settled_what_holds() -> None:
    sample = Sample.model_validate({"name": "a", "tags": []})
    assert sample.given() == {"name": "a", "tags": []}
    assert sample.settled() == {"name": "a", "size": 1}
    assert sample.settled("name") == {"size": 1}
    assert Sample.model_validate({"name": "a", "size": 1}).settled() == sample.settled()


def test_a_name_alone_stands_for_an_entry() -> None:
    short: TypeAdapter[Any] = TypeAdapter(Annotated[Sample, *SHORT])
    assert short.validate_python("a") == Sample(name="a")
    assert short.json_schema()["anyOf"][0] == {"type": "string"}


GOOD = [
    (Label, ["a", "web-01", "a" * 63, "0"]),
    (Name, ["a", "k8s_nodejoin", "external-nfs", "v1.2"]),
    (DnsName, ["web.example", "*.example.org", "_acme-challenge.example.org", "a"]),
    (SemVer, ["1.28.0", "0.0.1-rc.1+build.5"]),
    (Version, ["15", "15.3", "1.28.0", "1.2.3.4-rc1"]),
    (Address, ["server/web-01", "taskserv/web-01/postgres", "dns/*.example.org", "load_balancer/lb"]),
    (Cores, [1, 128]),
    (MemoryGb, [1]),
    (DiskGb, [1]),
]
BAD = [
    (Label, ["", "A", "-a", "a-", "a_b", "a.b", "a" * 64, "a\n", "ä"]),
    (Name, ["", "A", ".a", "a/b", "a\n", "a" * 64]),
    (DnsName, ["", "A.example", "a..b", ".a", "a.", "a" * 254, "-a.example"]),
    (SemVer, ["v1", "1.0", "latest", "01.0.0", "1.0.0\n", "1.2.٣"]),
    (Version, ["v1", "latest", "", "1.2.3.4.5", "1.x", "version-2", "latest-stable"]),
    (Address, ["web-01", "server/", "servers/web", "server/Web", "taskserv/a/b/c", "server/a b"]),
    (Cores, [0, -1]),
    (MemoryGb, [0, -8]),
    (DiskGb, [0]),
]


@pytest.mark.parametrize(("type_", "value"), [(t, v) for t, values in GOOD for v in values])
def test_good_values(type_: Any, value: Any) -> None:
    assert TypeAdapter(type_).validate_python(value, strict=True) == value


@pytest.mark.parametrize(("type_", "value"), [(t, v) for t, values in BAD for v in values])
def test_bad_values_say_what_would_be_right(type_: Any, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(type_).validate_python(value, strict=True)
    (error,) = caught.value.errors()
    assert error["ctx"]["hint"]


@pytest.mark.parametrize(("type_", "values"), [(t, v) for t, v in GOOD if isinstance(v[0], str)])
def test_an_editor_is_given_the_same_pattern(type_: Any, values: list[str]) -> None:
    pattern = TypeAdapter(type_).json_schema()["pattern"]
    bad = next(b for t, b in BAD if t is type_)
    assert all(re.search(pattern, v, re.ASCII) for v in values)
    assert not any(re.search(pattern, v, re.ASCII) for v in bad if "\n" not in v and len(v) < 254)


@pytest.mark.parametrize(
    ("type_", "value", "message"),
    [
        (Cores, -1, "CPU cores must be positive, got -1"),
        (MemoryGb, 0, "Memory must be positive, got 0"),
        (DiskGb, -5, "Disk must be positive, got -5"),
    ],
)
def test_sizes_keep_their_words(type_: Any, value: int, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(type_).validate_python(value)
