"""The merged configs of taskservs against their extensions' ``schema.json``, with the place of each fault."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from gitops import limits
from gitops.declare import sandbox
from gitops.declare.documents import Document, Path, dotted, type_name
from gitops.declare.evaluated import name_of
from gitops.ports import KeepsNothing, Kept
from planners.canonical import Json
from planners.dataclass import dataclass
from planners.problems import Problem, Where
from planners.suggest import hint

_TYPES = {"object": "map", "array": "list", "integer": "int", "boolean": "bool"}


@dataclass(frozen=True, slots=True)
class Judged:
    """One config to be checked: of taskserv ``name``, against ``schema``; the values of ``sensitive`` keys are not shown."""

    name: str
    schema: Mapping[str, Any]
    config: Document
    sensitive: Collection[str] = ()


def check(configs: Sequence[Judged], kept: Kept | None = None) -> tuple[Problem, ...]:
    """Every fault of every config. A reference is judged when its value is known, not here. ``kept``: earlier verdicts."""
    kept = kept or KeepsNothing()
    names = [name_of("schema", {"schema": c.schema, "value": c.config.value}) for c in configs]
    clean = kept.get(names)
    left = [(name, c) for name, c in zip(names, configs, strict=True) if name not in clean]
    configs = [c for _, c in left]
    items: list[Json] = [{"schema": c.schema, "value": c.config.value} for c in configs]
    outcome = sandbox.run("schema", items, most=limits.SCHEMA_FAULTS)
    problems = {p for one, found in zip(configs, outcome.answers, strict=False) for p in _problems(one, found)}
    kept.put({name: b"" for (name, _), found in zip(left, outcome.answers, strict=False) if found == {"faults": []}})
    if len(outcome.answers) < len(configs):
        name = configs[len(outcome.answers)].name
        code, what, advice = outcome.blame()
        problems.add(Problem(_schema(name), code, f"checking a config of taskserv '{name}' against it {what}", advice))
    return tuple(sorted(problems))


def _schema(name: str) -> Where:
    return Where(f"extensions/taskservs/{name}/schema.json", 1, 1)


def _problems(one: Judged, found: Mapping[str, Any]) -> Iterator[Problem]:
    if "bad" in found:
        advice = "write JSON Schema draft 2020-12 that stands alone, with definitions below $defs"
        yield Problem(_schema(one.name), "bad-schema", f"the schema of taskserv '{one.name}' {found['bad']}", advice)
    for fault in found.get("faults", ()):
        yield from _fault(one, fault)


def _fault(one: Judged, fault: Mapping[str, Any]) -> Iterator[Problem]:
    path: Path = tuple(fault["path"])
    place = f"taskservs.{one.name}.config" + (f".{dotted(path)}" if path else "")
    given, rule, config = one.config.part(path).value, fault["rule"], one.config
    see = f"see {_schema(one.name).path}"
    if isinstance(given, str) and ("${" in given or given.startswith("secret://")):
        return
    if rule == "additionalProperties" and isinstance(given, Mapping):
        known = fault["known"]
        for key in sorted(k for k in given if k not in known and not k.startswith("x-")):
            advice = hint(key, known, f"known are {', '.join(known)}")
            yield Problem(config.at((*path, key), key=True), "unknown-key", f"unknown key '{key}' in {place}", advice)
    elif rule == "type":
        types = fault["wanted"] if isinstance(fault["wanted"], list) else [fault["wanted"]]
        expected = " or ".join(_TYPES.get(str(t), str(t)) for t in types)
        yield Problem(config.at(path), "wrong-type", f"{place}: expected {expected}, got {type_name(given)}", see)
    elif rule == "required" and isinstance(given, Mapping):
        for missing in (k for k in fault["wanted"] if k not in given):
            yield Problem(config.at(path), "missing-key", f"{place}: '{missing}' is missing", f"add {missing}")
    else:
        hidden = bool(one.sensitive) and (not path or path[0] in one.sensitive)
        text = f"it does not meet '{rule}' of the schema" if hidden else fault["text"]
        yield Problem(config.at(path), "value", f"{place}: {text}", see)
