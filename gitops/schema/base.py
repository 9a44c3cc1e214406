"""What all models share: strictness, free ``x-`` keys, the short form of named entries, and field types."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from planners.canonical import Json

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?"
_DNS = r"(\*\.)?[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?)*"
_SEMVER = r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"
_VERSION = r"\d+(\.\d+){0,3}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"
_ADDRESS = r"(network|volume|server|taskserv|cluster|load_balancer|dns)/[a-z0-9*_][a-z0-9._*-]*(/[a-z0-9][a-z0-9._-]*)?"

_CURRENCY = r"[A-Z]{3}"
_CAUSE = rf"{_ADDRESS}(#[A-Za-z0-9_.-]+)?"
_PROVIDED = ("network", "volume", "server", "load_balancer", "dns")
_PATTERN = rf"({'|'.join(_PROVIDED)}|\*)/\S+"


class Strict(BaseModel):
    """No coercion, no unknown keys; keys that begin with ``x-`` are the writer's own and are left alone."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Nobody changes one, so that a default may be itself in every model that has it."""
        return self

    @model_validator(mode="before")
    @classmethod
    def _own_keys(cls, data: Any) -> Any:
        if isinstance(data, dict) and any(isinstance(k, str) and k.startswith("x-") for k in data):
            return {k: v for k, v in data.items() if not k.startswith("x-")}
        return data

    def given(self, *without: str) -> dict[str, Json]:
        """What was written, as JSON: defaults that nobody wrote and ``without`` are left out."""
        return self.model_dump(mode="json", exclude_unset=True, exclude_none=True, exclude=set(without))

    def settled(self, *without: str) -> dict[str, Json]:
        """As JSON with defaults filled in, so that writing a default out changes nothing; what is empty is left out."""
        whole: dict[str, Json] = self.model_dump(mode="json", exclude_none=True, exclude=set(without))
        return {k: v for k, v in whole.items() if v not in ({}, [], "")}


class ShortForm:
    """JSON Schema of an entry that may be written as its name alone."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(schema)]}


def _by_name(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


SHORT = (BeforeValidator(_by_name), ShortForm())
"""Metadata of a model type that ``name`` alone may stand for."""


def problem(code: str, message: str, hint: str) -> PydanticCustomError:
    """An error that keeps its code and hint on the way to a ``Problem``."""
    return PydanticCustomError(code, "{text}", {"text": message, "hint": hint})


def _label(value: str) -> str:
    if not re.fullmatch(_LABEL, value, re.ASCII):
        advice = "lower-case letters, digits and '-', at most 63, beginning and ending with a letter or digit (RFC 1123)"
        raise problem("bad-name", f"'{value}' is not a host name", advice)
    return value


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value, re.ASCII):
        advice = "lower-case letters, digits, '.', '_' and '-', at most 63, beginning and ending with a letter or digit"
        raise problem("bad-name", f"'{value}' is not a name", advice)
    return value


def _dns(value: str) -> str:
    if len(value) > 253 or not re.fullmatch(_DNS, value, re.ASCII):
        raise problem("bad-name", f"'{value}' is not a DNS name", "such as web.example.org, in lower case, without a final dot")
    return value


def _semver(value: str) -> str:
    if not re.fullmatch(_SEMVER, value, re.ASCII):
        raise problem(
            "bad-version", f"version '{value}' is not MAJOR.MINOR.PATCH", "such as 1.28.0, without 'v'; 'latest' is no version"
        )
    return value


def _version(value: str) -> str:
    if not re.fullmatch(_VERSION, value, re.ASCII):
        raise problem(
            "bad-version", f"version '{value}' does not name one version", "such as 1.28.0, without 'v'; 'latest' is no version"
        )
    return value


def _address(value: str) -> str:
    if not re.fullmatch(_ADDRESS, value, re.ASCII):
        raise problem(
            "bad-address", f"'{value}' is not an address", "kind/name, such as server/web-01 or taskserv/web-01/postgres"
        )
    return value


def _cause(value: str) -> str:
    if not re.fullmatch(_CAUSE, value, re.ASCII):
        advice = "kind/name, or kind/name#key: server/db-01, server/db-01#image"
        raise problem("bad-address", f"'{value}' is neither an address nor a key of one", advice)
    return value


def _pattern(value: str) -> str:
    if not re.fullmatch(_PATTERN, value, re.ASCII):
        raise problem(
            "bad-address",
            f"'{value}' fits no resource of a provider",
            f"such as server/web-*; kinds are {', '.join(_PROVIDED)}, or *",
        )
    return value


def _currency(value: str) -> str:
    if not re.fullmatch(_CURRENCY, value, re.ASCII):
        raise problem("value", f"'{value}' is no currency", "three capital letters (ISO 4217), such as EUR or USD")
    return value


def _cores(value: int) -> int:
    if value <= 0:
        raise problem("value", f"CPU cores must be positive, got {value}", "a whole number from 1")
    return value


def _memory(value: int) -> int:
    if value <= 0:
        raise problem("value", f"Memory must be positive, got {value}", "a whole number of GB from 1")
    return value


def _disk(value: int) -> int:
    if value <= 0:
        raise problem("value", f"Disk must be positive, got {value}", "a whole number of GB from 1")
    return value


Label = Annotated[str, AfterValidator(_label), Field(json_schema_extra={"pattern": f"^{_LABEL}$"})]
Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{_NAME}$"})]
DnsName = Annotated[str, AfterValidator(_dns), Field(json_schema_extra={"pattern": f"^{_DNS}$"})]
SemVer = Annotated[str, AfterValidator(_semver), Field(json_schema_extra={"pattern": f"^{_SEMVER}$"})]
Version = Annotated[str, AfterValidator(_version), Field(json_schema_extra={"pattern": f"^{_VERSION}$"})]
Address = Annotated[str, AfterValidator(_address), Field(json_schema_extra={"pattern": f"^{_ADDRESS}$"})]
Cause = Annotated[str, AfterValidator(_cause), Field(json_schema_extra={"pattern": f"^{_CAUSE}$"})]
Pattern = Annotated[str, AfterValidator(_pattern), Field(json_schema_extra={"pattern": f"^{_PATTERN}$"})]
Cores = Annotated[int, AfterValidator(_cores), Field(json_schema_extra={"minimum": 1})]
MemoryGb = Annotated[int, AfterValidator(_memory), Field(json_schema_extra={"minimum": 1})]
DiskGb = Annotated[int, AfterValidator(_disk), Field(json_schema_extra={"minimum": 1})]
Currency = Annotated[str, AfterValidator(_currency), Field(json_schema_extra={"pattern": f"^{_CURRENCY}$"})]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[int, Field(ge=0)]
Free = dict[str, Any]
"""Data that is kept and never interpreted."""
