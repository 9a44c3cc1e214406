"""What one taskserv is to be on one server: every text of its extension rendered, before anything is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from executors.ports import Broken, Machine
from executors.taskservs import checks, manifest
from executors.taskservs.manifest import Health, Manifest
from executors.taskservs.rendering import Renderer
from planners.canonical import Json, digest, digest_bytes
from planners.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything rendered. ``files``: target -> (content, mode). ``install``, ``configure``: digests of what they depend on."""

    files: Mapping[str, tuple[bytes, int]]
    command: tuple[str, ...]
    env: Mapping[str, str]
    check: Mapping[str, Any] | None
    outputs: Mapping[str, str]
    install: str
    configure: str


def wanted(extension: Manifest, files: Mapping[str, bytes], facts: Mapping[str, Json], declared: Mapping[str, Json]) -> Wanted:
    """Render it all. Raises ``Broken`` with file and line."""
    render = Renderer(extension.name, files, facts)
    shown = Renderer(extension.name, files, {**facts, "config": without(facts["config"], extension.sensitive)})
    placed = {}
    for number, template in enumerate(extension.templates):
        content = render.file(template.source) if template.render else files[f"templates/{template.source}"]
        placed[_below_root(render.text(template.target, f"templates[{number}].target"))] = (content, template.mode)
    config = facts["config"]
    version = declared.get("version", "")
    anew = {key: _at(config, key) for key in extension.replace_on}
    whole = {path: content_digest(content) for path, content in files.items()}
    return Wanted(
        files=placed,
        command=tuple(render.texts(extension.command, "service.command")),
        env={key: render.text(value, f"service.env.{key}") for key, value in extension.env.items()},
        check=_filled(check_of(extension, declared), render, facts),
        outputs={key: shown.text(value, f"outputs.{key}") for key, value in extension.outputs.items()},
        install=digest("install", {"version": version, "extension": whole, "config": anew}),
        configure=digest("configure", {"config": config, "files": {p: file_digest(*f) for p, f in placed.items()}}),
    )


def check_of(extension: Manifest, declared: Mapping[str, Json]) -> Health | None:
    """The declaration's check instead of the extension's, where it has one."""
    return manifest.health(declared["health"]) if "health" in declared else extension.health


def _filled(check: Health | None, render: Renderer, facts: Mapping[str, Json]) -> dict[str, Any] | None:
    if check is None:
        return None
    server = facts.get("server")
    filled: dict[str, Any] = {
        "type": check.type,
        "timeout": check.timeout,
        "url": render.text(check.url, "health.url"),
        "address": str(server.get("address", "")) if isinstance(server, Mapping) else "",
        "port": render.text(check.port, "health.port"),
        "command": render.texts(check.command, "health.command"),
        "path": render.text(check.path, "health.path"),
    }
    if check.type == "http":
        checks.parse_url(filled["url"])
    if check.type == "tcp" and not filled["port"].isdigit():
        raise Broken("a health check of type tcp needs a port, and its 'port' is no number")
    return filled


def with_ports(machine: Machine, name: str, config: Json, path: str = "") -> Json:
    """The config with every port that is 0 replaced by one that the machine keeps for it."""
    if not isinstance(config, Mapping):
        return config
    changed: dict[str, Json] = {}
    for key, value in config.items():
        if type(value) is int and value == 0 and (key == "port" or key.endswith("_port")):
            changed[key] = machine.port(f"{name}{path}.{key}")
        else:
            changed[key] = with_ports(machine, name, value, f"{path}.{key}")
    return changed


def _below_root(target: str) -> str:
    if not target or target.startswith("/") or ".." in target.split("/") or target.split("/")[0] == ".provisioning":
        raise Broken(f"'{target}' is not a place for a file: a relative path on the server, without '..'")
    return target


def content_digest(content: bytes) -> str:
    """Of one file."""
    return digest_bytes("file", content)


def file_digest(content: bytes, mode: int) -> str:
    """Mode and digest, as a marker notes a placed file."""
    return f"{mode:04o} {content_digest(content)}"


def as_map(value: Json) -> Mapping[str, Json]:
    """A value as the map it should be."""
    return value if isinstance(value, Mapping) else {}


def _at(config: Json, key: str) -> Json:
    """The value at a dotted key."""
    for part in key.split("."):
        config = as_map(config).get(part)
    return config


def without(config: Json, keys: Sequence[str]) -> Json:
    """The config without these dotted keys."""
    kept = dict(as_map(config))
    for key in keys:
        head, _, rest = key.partition(".")
        if rest and head in kept:
            kept[head] = without(kept[head], [rest])
        else:
            kept.pop(head, None)
    return kept
