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
    """Puts it on the server; run when it is new or its version changed."""
    configure: RelativePath | None = None
    """Run after its files are written."""
    uninstall: RelativePath | None = None
    """Takes it away."""


class Template(Strict):
    """A file rendered onto the server."""

    source: RelativePath
    """Below templates/."""
    target: str
    """Relative path on the server; a Jinja expression is filled in."""
    mode: Annotated[str, Field(pattern="^0?[0-7]{3}$")] = "0644"
    """Its permissions, in octal."""
    render: bool = True
    """False: placed as it is, such as a program that has braces of its own."""


class Service(Strict):
    """A supervised process: what makes the taskserv a service."""

    name: Name | None = None
    """What the process is called, instead of the taskserv's name."""
    command: Annotated[list[str], Field(min_length=1)]
    """Argument list; each a Jinja text."""
    env: dict[str, str] = {}
    """Environment of the process; each value a Jinja text."""


class Manifest(Strict):
    """A taskserv extension."""

    name: Name
    """As its folder."""
    version: SemVer
    """MAJOR.MINOR.PATCH: what is installed where an infra names no version."""
    description: str = ""
    """For people."""
    requires: list[Annotated[Need, *SHORT]] = []
    """What must be there first: names, or {name, wait_for_health, roles, anywhere}."""
    optional: list[Name] = []
    """What comes first where it is on the same server."""
    conflicts: list[Name] = []
    """What cannot be on the same server."""
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
    """Files to write."""
    service: Service | None = None
    """The process to keep running, if it is one."""
    health: Health | None = None
    """How it is asked whether it works."""
    outputs: dict[str, str] = {}
    """Output name to a Jinja text; others refer to it as ${taskserv/<server>/<name>.<output>}."""
    tags: list[str] = []
    """For people."""
    license: str = ""
    """For people."""
    homepage: str = ""
    """For people."""
    extra: Free = {}
    """Your own data: kept, never interpreted."""
