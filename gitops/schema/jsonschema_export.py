"""JSON Schema of the files people write, made from the models, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from gitops.declare.source import KIND_FOLDERS
from gitops.schema.environment import EnvironmentFile
from gitops.schema.infra import Infra
from gitops.schema.manifest import Manifest
from gitops.schema.workspace_file import WorkspaceFile

MODELS: Mapping[str, type[BaseModel]] = {
    "infra": Infra,
    "workspace": WorkspaceFile,
    "environment": EnvironmentFile,
    "manifest": Manifest,
}
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(name: str) -> dict[str, Any]:
    """The schema of ``infra``, ``workspace``, ``environment`` or ``manifest``. The same answer every time.

    Raises ``KeyError`` for another name.
    """
    made = MODELS[name].model_json_schema(by_alias=True)
    _open_x_keys(made)
    for definition in made.get("$defs", {}).values():
        _open_x_keys(definition)
    if name == "infra":
        for kind in KIND_FOLDERS:
            made["properties"][kind] = _map_or_list(made["properties"][kind])
        # a template or one file of several need not be whole: only the merged declaration must have settings
        made.pop("required", None)
    return {"$schema": _DIALECT, **_sorted(made)}


def _open_x_keys(definition: dict[str, Any]) -> None:
    """Keys that begin with ``x-`` are the writer's own."""
    if definition.get("additionalProperties") is False:
        definition["patternProperties"] = {"^x-": {}}


def _map_or_list(property_: dict[str, Any]) -> dict[str, Any]:
    """Entries as a map keyed by name, or as a list of entries that have a name."""
    entry = (
        property_["additionalProperties"]
        if "additionalProperties" in property_
        else next(iter(property_["patternProperties"].values()))
    )
    described = {k: v for k, v in property_.items() if k in ("title", "description", "default")}
    shape = {k: v for k, v in property_.items() if k not in described}
    named = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    items = {"anyOf": [{"type": "string"}, named]}
    return {**described, "anyOf": [{**shape, "additionalProperties": entry}, {"type": "array", "items": items}]}


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value)}
    return [_sorted(v) for v in value] if isinstance(value, list) else value
