"""JSON Schema of the files people write, made from the models, so that an editor completes and checks them."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from gitops.schema.base import Strict
from gitops.schema.environment import EnvironmentFile
from gitops.schema.infra import Cluster, Infra, LoadBalancer, Network, Record, Server, Taskserv, Volume
from gitops.schema.manifest import Manifest
from gitops.schema.workspace_file import WorkspaceFile

WHOLE: Mapping[str, type[BaseModel]] = {
    "infra": Infra,
    "workspace": WorkspaceFile,
    "environment": EnvironmentFile,
    "manifest": Manifest,
}
"""``infra`` serves ``main.yaml`` and the files of ``templates/``."""
ENTRIES: Mapping[str, type[BaseModel]] = {
    "server": Server,
    "taskserv": Taskserv,
    "cluster": Cluster,
    "network": Network,
    "volume": Volume,
    "load_balancer": LoadBalancer,
    "dns": Record,
}
"""Files of an infra's folders, one entry each."""
NAMES = (*WHOLE, *ENTRIES)
FOLDER = ".provisioning/schemas"
"""Where a state repository keeps them, one ``<name>.json`` each."""
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAME = {"type": "string", "description": "Its name; in a file of its own the file's name says it."}


def schema(name: str) -> dict[str, Any]:
    """The schema of one of ``NAMES``. The same answer every time. Raises ``KeyError`` for another name."""
    made = (WHOLE.get(name) or ENTRIES[name]).model_json_schema(by_alias=True)
    for definition in (made, *made.get("$defs", {}).values()):
        _describe(definition)
        _plain(definition)
    if name == "infra":
        _layered(made)
    if name in ENTRIES:
        made["properties"]["name"] = _NAME
    return {"$schema": _DIALECT, "title": name, **_sorted(made)}


def files() -> Iterator[tuple[str, bytes]]:
    """Path in a state repository and content of every schema."""
    for name in NAMES:
        yield f"{FOLDER}/{name}.json", json.dumps(schema(name), indent=1, ensure_ascii=False).encode() + b"\n"


def _describe(definition: dict[str, Any]) -> None:
    """Each key with the text below its field in the model: read here, as it would cost every command time if models did it."""
    for model in _models(Strict):
        if model.__name__ == definition.get("title"):
            texts = {k: v for base in reversed(model.__mro__) if issubclass(base, Strict) for k, v in _texts(base).items()}
            for field in texts.keys() & model.model_fields.keys():
                key = model.model_fields[field].alias or field
                definition["properties"][key].setdefault("description", texts[field])


def _models(base: type[Strict]) -> Iterator[type[Strict]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


@cache
def _texts(model: type[Strict]) -> Mapping[str, str]:
    """Field -> the text below it."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    found = {}
    for field, text in pairwise(body.body if isinstance(body, ast.ClassDef) else ()):
        told = text.value if isinstance(text, ast.Expr) else None
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(told, ast.Constant):
            found[field.target.id] = inspect.cleandoc(str(told.value))
    return found


def _plain(definition: dict[str, Any]) -> None:
    """Without titles, which repeat the keys, and empty defaults; keys that begin with ``x-`` are the writer's own."""
    definition.pop("title", None)
    if definition.get("additionalProperties") is False:
        definition["patternProperties"] = {"^x-": {}}
    for property_ in definition.get("properties", {}).values():
        property_.pop("title", None)
        if not property_.get("default", True) or isinstance(property_.get("default"), dict):
            del property_["default"]


def _layered(made: dict[str, Any]) -> None:
    """A template, or one file of several, need not be whole, and entries come as a map or as a list."""
    made.pop("required", None)
    made["$defs"]["Settings"].pop("required", None)
    for property_ in made["properties"].values():
        for key, value in [(k, property_[k]) for k in ("additionalProperties", "patternProperties") if k in property_]:
            entry = value if key == "additionalProperties" else next(iter(value.values()))
            if isinstance(entry, dict) and "$ref" in entry:
                made["$defs"][entry["$ref"].rpartition("/")[2]]["properties"]["name"] = _NAME
                # an entry of nothing takes a template's entry away
                entry_or_nothing = {"anyOf": [entry, {"type": "null"}]}
                names = {k: property_.pop(k) for k in (key, "type", "propertyNames") if k in property_}
                names[key] = entry_or_nothing if key == "additionalProperties" else dict.fromkeys(value, entry_or_nothing)
                listed = {"anyOf": [{"type": "string"}, {"allOf": [entry], "required": ["name"]}]}
                names["additionalProperties"] = names.get("additionalProperties", False)
                property_["anyOf"] = [names, {"type": "array", "items": listed}]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _sorted(value[k]) for k in sorted(value)}
    return [_sorted(v) for v in value] if isinstance(value, list) else value
