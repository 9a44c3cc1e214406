"""pydantic's errors as problems: our words, exact places, and the nearest known key."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from gitops.declare.documents import Document, Path, dotted, type_name, without
from planners.problems import Problem
from planners.suggest import hint

_EXPECTED = {
    "int": "int",
    "string": "string",
    "bool": "bool",
    "float": "number",
    "dict": "map",
    "list": "list",
    "tuple": "list",
    "model": "map",
    "model_attributes": "map",
    "mapping": "map",
}
_BOUNDS = {
    "ge": "must be at least {}",
    "le": "must be at most {}",
    "min_length": "must have at least {} part",
    "pattern": "must match {}",
}
M = TypeVar("M", bound=BaseModel)


def validate(model: type[M], document: Document, about: str = "") -> M | tuple[Problem, ...]:
    """``document`` as ``model``, or every fault in it. ``about`` goes before the path in messages."""
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        return tuple(sorted({_problem(model, document, item, about) for item in error.errors(include_url=False)}))


def validate_apart(
    model: type[M], document: Document, kinds: Collection[str]
) -> tuple[M | None, tuple[Problem, ...], frozenset[tuple[str, str]]]:
    """``document`` as ``model`` without those entries of ``kinds`` that are faulty, every fault, and (kind, name) of each
    faulty entry. No model when a fault lies elsewhere: then what the rest means is not known."""
    try:
        return model.model_validate(document.value), (), frozenset()
    except ValidationError as error:
        found = error.errors(include_url=False)
    problems = tuple(sorted({_problem(model, document, item, "") for item in found}))
    faulty = {tuple(str(part) for part in item["loc"][:2]) for item in found}
    apart = frozenset((f[0], f[1]) for f in faulty if len(f) == 2 and f[0] in kinds)
    if len(apart) < len(faulty):
        return None, problems, frozenset()
    return model.model_validate(without(document, apart).value), problems, apart


def _problem(model: type[BaseModel], document: Document, error: Mapping[str, Any], about: str) -> Problem:
    code, given = str(error["type"]), error["input"]
    at_key = bool(error["loc"]) and error["loc"][-1] == "[key]"
    path = _real_path(document, tuple(p for p in error["loc"] if p != "[key]"))
    context = error.get("ctx") or {}
    if code == "extra_forbidden":
        return _unknown_key(model, document, path, about)
    if code == "missing":
        message = f"{_named(path[:-1], about)}'{path[-1]}' is missing"
        return Problem(document.at(path[:-1]), "missing-key", message, f"add {path[-1]}")
    where = document.at(path, key=at_key)
    prefix = _named(path, about)
    if "hint" in context:
        return Problem(where, code, f"{prefix}{context['text']}", context["hint"])
    if code.endswith("_type") and code.removesuffix("_type") in _EXPECTED:
        expected, actual = _EXPECTED[code.removesuffix("_type")], type_name(given)
        message = f"{prefix}expected {expected}, got {actual}{_shown(given)}"
        return Problem(where, "wrong-type", message, _type_advice(expected, given))
    if code == "literal_error":
        allowed = str(context["expected"])
        names = [p.strip("'") for p in allowed.replace(" or ", ", ").split(", ")]
        message = f"{prefix}'{str(given)[:40]}' is not one of {allowed}"
        return Problem(where, "value", message, hint(str(given), names, "choose one of them"))
    for bound, words in _BOUNDS.items():
        if bound in context:
            return Problem(where, "value", f"{prefix}{words.format(context[bound])}{_got(given)}", "choose another value")
    message = str(error["msg"])
    return Problem(where, "value", f"{prefix}{message[:1].lower()}{message[1:]}{_got(given)}", "see 'provisioning config schema'")


def _got(given: object) -> str:
    return f", got {str(given)[:40]}" if isinstance(given, (int, float, str)) else ""


def _shown(given: object) -> str:
    """Scalars are named; a text may be long, so only its beginning."""
    if isinstance(given, str):
        return f" '{given[:40]}'"
    return f" {given}" if isinstance(given, (int, float)) and not isinstance(given, bool) else ""


def _type_advice(expected: str, given: object) -> str:
    if expected == "string" and not isinstance(given, (Mapping, list)):
        return "quote it" if given is not None else "give a value, or remove the key"
    if expected == "int" and isinstance(given, str) and given.isdigit():
        return "remove the quotes"
    return f"write a {expected}" if expected != "int" else "write a whole number"


def _named(path: Path, about: str) -> str:
    name = dotted(path)
    whole = f"{about}.{name}" if about and name else about or name
    return f"{whole}: " if whole else ""


def _real_path(document: Document, path: Sequence[str | int]) -> Path:
    """pydantic's path without what is not in the data (names of union members), as far as the data goes."""
    real: list[str | int] = []
    value: Any = document.value
    for index, part in enumerate(path):
        inside = isinstance(value, Mapping) and part in value
        inside = inside or (isinstance(value, (list, tuple)) and isinstance(part, int) and part < len(value))
        if inside:
            value = value[part]
            real.append(part)
        elif index == len(path) - 1 and isinstance(value, Mapping) and isinstance(part, str):
            real.append(part)
    return tuple(real)


def _unknown_key(model: type[BaseModel], document: Document, path: Path, about: str) -> Problem:
    known = sorted(known_keys(model, path[:-1]))
    inside = dotted(path[:-1])
    place = ".".join(p for p in (about, inside) if p)
    free = "free data goes under 'extra' or a key that begins with 'x-'" if "extra" in known else f"known are {', '.join(known)}"
    message = f"unknown key '{path[-1]}'{f' in {place}' if place else ''}"
    return Problem(document.at(path, key=True), "unknown-key", message, hint(str(path[-1]), known, free))


def known_keys(model: type[BaseModel], path: Path) -> frozenset[str]:
    """The keys that the model at ``path`` below ``model`` knows."""
    found = _models_at([model], path)
    return frozenset(field.alias or name for m in found for name, field in m.model_fields.items())


def _models_at(models: list[type[BaseModel]], path: Path) -> list[type[BaseModel]]:
    current: list[Any] = list(models)
    for part in path:
        step: list[Any] = []
        for item in current:
            if isinstance(item, type) and issubclass(item, BaseModel):
                fields = {f.alias or n: f for n, f in item.model_fields.items()}
                step += _inner(fields[str(part)].annotation) if part in fields else []
            else:  # a list or map: its last argument is what it holds
                step += _inner(get_args(item)[-1])
        current = step
    return [m for m in current if isinstance(m, type) and issubclass(m, BaseModel)]


def _inner(annotation: Any) -> Iterator[Any]:
    """Models, lists and maps in an annotation, through ``Annotated`` and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    origin = getattr(annotation, "__origin__", None)
    if origin in (list, dict):
        yield annotation
        return
    args = get_args(annotation)
    for arg in args[:1] if hasattr(annotation, "__metadata__") else args:
        yield from _inner(arg)
