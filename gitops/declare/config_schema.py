"""A taskserv's merged config against its extension's ``schema.json``, with the place of each fault."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gitops.declare.documents import Document, Path, dotted
from planners.problems import Problem, Where
from planners.suggest import hint

_TYPES = {"object": "map", "array": "list", "integer": "int", "boolean": "bool"}


def check(name: str, schema: Mapping[str, Any], config: Document, sensitive: Collection[str] = ()) -> tuple[Problem, ...]:
    """Every fault of ``config``. A reference is judged when its value is known, not here; sensitive values are not shown."""
    import jsonschema  # type: ignore[import-untyped]
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    where = Where(f"extensions/taskservs/{name}/schema.json", 1, 1)
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        # an empty registry: nothing is ever fetched from anywhere
        validator = jsonschema.Draft202012Validator(schema, registry=Registry())
        errors = list(validator.iter_errors(config.value))
    except jsonschema.SchemaError as error:
        message = f"the schema of taskserv '{name}' is not a JSON Schema: {dotted(tuple(error.path))}: {error.message}"
        return (Problem(where, "bad-schema", message, "JSON Schema draft 2020-12"),)
    except Unresolvable as error:
        message = f"the schema of taskserv '{name}' refers to '{error.ref}', which it does not hold"
        return (Problem(where, "bad-schema", message, "put the definition below $defs"),)
    return tuple(sorted({p for e in errors for p in _problems(name, config, e, sensitive)}))


def _problems(name: str, config: Document, error: Any, sensitive: Collection[str]) -> Iterator[Problem]:
    path: Path = tuple(error.absolute_path)
    place = f"taskservs.{name}.config" + (f".{dotted(path)}" if path else "")
    given = error.instance
    if isinstance(given, str) and ("${" in given or given.startswith("secret://")):
        return
    if error.validator == "additionalProperties" and isinstance(given, Mapping):
        known = sorted(error.schema.get("properties", {}))
        for key in sorted(k for k in given if k not in known and not k.startswith("x-")):
            advice = hint(key, known, f"known are {', '.join(known)}")
            yield Problem(config.at((*path, key), key=True), "unknown-key", f"unknown key '{key}' in {place}", advice)
    elif error.validator == "type":
        from gitops.schema.errors import type_name

        types = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        expected = " or ".join(_TYPES.get(str(t), str(t)) for t in types)
        message = f"{place}: expected {expected}, got {type_name(given)}"
        yield Problem(config.at(path), "wrong-type", message, f"see extensions/taskservs/{name}/schema.json")
    elif error.validator == "required":
        missing = next(k for k in error.validator_value if k not in given and f"'{k}'" in error.message)
        yield Problem(config.at(path), "missing-key", f"{place}: '{missing}' is missing", f"add {missing}")
    else:
        hidden = bool(path) and path[0] in sensitive
        message = f"{place}: {f'it does not meet {error.validator!r} of the schema' if hidden else error.message[:200]}"
        yield Problem(config.at(path), "value", message, f"see extensions/taskservs/{name}/schema.json")
