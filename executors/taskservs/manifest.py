"""An extension's ``manifest.yaml`` as running it needs it. It was validated when the declaration was loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from executors.ports import Broken
from planners.dataclass import dataclass

PHASES = ("install", "configure", "uninstall")


@dataclass(frozen=True, slots=True)
class Template:
    """A file below ``templates/`` and where it goes on the server; ``render`` false: it is placed as it is."""

    source: str
    target: str
    mode: int = 0o644
    render: bool = True


@dataclass(frozen=True, slots=True)
class Health:
    """One kind of check; the texts may hold Jinja expressions. All times in seconds."""

    type: str
    url: str = ""
    port: str = ""
    command: tuple[str, ...] = ()
    path: str = ""
    interval: float = 10.0
    timeout: float = 5.0
    retries: int = 3
    start_period: float = 0.0


@dataclass(frozen=True, slots=True)
class Manifest:
    """``scripts``: phase -> file below ``scripts/``. ``service``: its name, "" when there is none."""

    name: str
    scripts: Mapping[str, str] = field(default_factory=dict)
    templates: tuple[Template, ...] = ()
    service: str = ""
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    health: Health | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    replace_on: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()


def read(name: str, files: Mapping[str, bytes]) -> Manifest:
    """The manifest among an extension's files. Raises ``Broken``."""
    import yaml

    # every scalar stays the text it is written as: "on", 0600 and 1.20 mean what they say
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        raw = yaml.load(files["manifest.yaml"], Loader=loader)  # noqa: S506  # it builds maps, lists and texts only
    except KeyError:
        raise Broken(f"extension '{name}' has no manifest.yaml") from None
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        raise Broken(f"extensions/taskservs/{name}/manifest.yaml:{line}: {getattr(error, 'problem', error)}") from error
    if not isinstance(raw, dict):
        raise Broken(f"extensions/taskservs/{name}/manifest.yaml is not a map")
    service = _given(raw, "service") or {}
    scripts = _given(raw, "scripts") or {}
    return Manifest(
        name=name,
        scripts={phase: str(scripts[phase]) for phase in PHASES if _given(scripts, phase)},
        templates=tuple(_template(t) for t in _given(raw, "templates") or ()),
        service=str(_given(service, "name") or name) if service else "",
        command=tuple(map(str, _given(service, "command") or ())),
        env=_given(service, "env") or {},
        health=health(_given(raw, "health")),
        outputs=_given(raw, "outputs") or {},
        replace_on=tuple(_given(raw, "replace_on") or ()),
        sensitive=tuple(_given(raw, "sensitive") or ()),
    )


def _given(raw: Mapping[str, Any], key: str) -> Any:
    """A key's value; nothing and null are the same."""
    value = raw.get(key)
    return None if value in ("", "null", "~", "Null", "NULL") else value


def _template(raw: Mapping[str, str]) -> Template:
    render = str(raw.get("render", "true")).lower() != "false"
    return Template(raw["source"], raw["target"], int(raw.get("mode", "0644"), 8), render)


def health(raw: Any) -> Health | None:
    """A health check as an extension or a declaration writes it; ``None`` when there is nothing to check."""
    if not isinstance(raw, Mapping) or raw.get("type", "none") == "none":
        return None
    return Health(
        type=str(raw["type"]),
        url=str(raw.get("url") or ""),
        port=str(raw.get("port") or ""),
        command=tuple(map(str, raw.get("command") or ())),
        path=str(raw.get("path") or ""),
        interval=float(raw.get("interval_seconds", 10)),
        timeout=float(raw.get("timeout_seconds", 5)),
        retries=int(raw.get("retries", 3)),
        start_period=float(raw.get("start_period_seconds", 0)),
    )
