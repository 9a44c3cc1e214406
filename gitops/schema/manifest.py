"""``extensions/taskservs/<name>/manifest.yaml``."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from gitops.schema.base import SHORT, Free, Name, SemVer, Strict, problem
from gitops.schema.infra import Health, Need


def _relative(value: str) -> str:
    parts = value.split("/")
    if value.startswith("/") or "\\" in value or ".." in parts or "" in parts:
        raise problem("bad-path", f"'{value}' is not a path inside the folder", "a relative path without '..'")
    return value


RelativePath = Annotated[str, AfterValidator(_relative)]


class Scripts(Strict):
    """File names below scripts/; each is optional."""

    install: RelativePath | None = None
    configure: RelativePath | None = None
    uninstall: RelativePath | None = None


class Template(Strict):
    source: RelativePath
    """Below templates/."""
    target: str
    """Relative path on the server; a Jinja expression is filled in."""
    mode: Annotated[str, Field(pattern="^0?[0-7]{3}$")] = "0644"
    render: bool = True
    """False: placed as it is, such as a program that has braces of its own."""


class Service(Strict):
    """A supervised process: what makes the taskserv a service."""

    name: Name | None = None
    command: Annotated[list[str], Field(min_length=1)]
    """Argument list; each a Jinja text."""
    env: dict[str, str] = {}


class Manifest(Strict):
    """A taskserv extension."""

    name: Name
    version: SemVer
    description: str = ""
    requires: list[Annotated[Need, *SHORT]] = []
    optional: list[Name] = []
    conflicts: list[Name] = []
    provides: list[Name] = []
    """Capabilities others may require, such as container-runtime."""
    roles: list[Name] = []
    """In the order in which servers with them start."""
    replace_on: list[str] = []
    """Config keys whose change means to install anew."""
    sensitive: list[str] = []
    """Config keys hidden in every output."""
    scripts: Scripts = Scripts()
    templates: list[Template] = []
    service: Service | None = None
    health: Health | None = None
    outputs: dict[str, str] = {}
    """Output name to a Jinja text; others refer to it as ${taskserv/<server>/<name>.<output>}."""
    tags: list[str] = []
    license: str = ""
    homepage: str = ""
    extra: Free = {}
