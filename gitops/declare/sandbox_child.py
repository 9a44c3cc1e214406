"""The process in which what contributors wrote is evaluated. Run by path, isolated, with no environment; see ``sandbox``.

Standard input: one JSON object ``{job, items, limits, …}``. Standard output: one JSON line for each item as it is done.
It imports nothing of this package and opens no file that an item names.
"""

from __future__ import annotations

import importlib
import json
import posixpath
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any


def main() -> None:
    """Do every item in turn."""
    request = json.load(sys.stdin)
    for answer in JOBS[request["job"]](request):
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


# --- limits ----------------------------------------------------------------------------------------------


def bound_memory(memory: int) -> None:
    """Count memory from here, as an evaluator reserves address space that it never touches."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with open("/proc/self/statm") as statm:  # noqa: PTH123  # pathlib is not worth its import time here
            used = int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))


def items(request: Mapping[str, Any]) -> Iterator[Any]:
    """Each item, with its own share of processor time from where it begins."""
    for item in request["items"]:
        spent = int(time.process_time()) + request["cpu"] + 1
        resource.setrlimit(resource.RLIMIT_CPU, (spent, resource.RLIM_INFINITY))
        yield item


# --- Jsonnet ---------------------------------------------------------------------------------------------


def jsonnet(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The value of each root with the files it imported: ``{value, imports}``, or ``{error, import}`` where ``import`` says what
    was refused."""
    evaluator = load_evaluator()
    evaluator.evaluate_snippet("warm-up", "0")
    bound_memory(request["memory"])
    for root in items(request):
        yield evaluate(evaluator, root, request)


def load_evaluator() -> Any:
    """The Go evaluator, or the C++ one where there is no build of it."""
    try:
        return importlib.import_module("_gojsonnet")
    except ImportError:
        return importlib.import_module("_jsonnet")


def evaluate(evaluator: Any, root: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """One root's value or error."""
    files: dict[str, str] = request["files"]
    refused: dict[str, str] = request["refused"]
    reasons: list[str] = []
    read: set[str] = set()

    def imported(folder: str, name: str) -> tuple[str, bytes]:
        path = posixpath.normpath(posixpath.join(folder, name))
        reason = refusal(name, path, files, refused)
        if reason:
            reasons.append(reason)
            raise RuntimeError(reason)
        read.add(path)
        return path, files[path].encode()

    try:
        text = evaluator.evaluate_snippet(root, files[root], import_callback=imported, max_stack=request["stack"])
    except UnicodeDecodeError as error:
        # the Go binding reads past the end of a message that came from a callback
        return {"error": error.object.decode(errors="replace")[:20_000], "import": reasons[-1] if reasons else ""}
    except RuntimeError as error:
        return {"error": str(error)[:20_000], "import": reasons[-1] if reasons else ""}
    return {"error": "output-too-large"} if len(text) > request["output"] else {"value": text, "imports": sorted(read)}


def refusal(name: str, path: str, files: Mapping[str, str], refused: Mapping[str, str]) -> str:
    """Why ``name`` cannot be imported, "" when it can."""
    if name.startswith("/"):
        return f"import '{name}' is an absolute path"
    if path == ".." or path.startswith("../"):
        return f"import '{name}' leads out of the repository"
    if path in refused:
        return f"import '{name}' {refused[path]}"
    if path not in files:
        return f"import '{name}' is not among the files that may be imported ({path})"
    return ""


# --- JSON Schema -----------------------------------------------------------------------------------------


def schema(request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The faults of each ``{schema, value}``: ``{faults}``, or ``{bad}`` for a schema that is none.

    The registry is empty: nothing is ever fetched from anywhere.
    """
    from jsonschema import Draft202012Validator, SchemaError  # type: ignore[import-untyped]
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    bound_memory(request["memory"])
    for item in items(request):
        try:
            Draft202012Validator.check_schema(item["schema"])
            faults = Draft202012Validator(item["schema"], registry=Registry()).iter_errors(item["value"])
            yield {"faults": [fault(error) for _, error in zip(range(request["most"]), faults, strict=False)]}
        except SchemaError as error:
            yield {"bad": f"is not a JSON Schema: {'.'.join(map(str, error.path))}: {error.message[:200]}"}
        except Unresolvable as error:
            yield {"bad": f"refers to '{error.ref}', which it does not hold"}
        except RecursionError:
            yield {"bad": "refers to itself without end"}


def fault(error: Any) -> dict[str, Any]:
    """What the parent needs to say where the fault is and what would be right."""
    known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    return {
        "path": list(error.absolute_path),
        "rule": error.validator,
        "wanted": error.validator_value if error.validator in ("type", "required") else None,
        "known": sorted(known),
        "text": error.message[:200],
    }


JOBS: Mapping[str, Callable[[Mapping[str, Any]], Iterator[dict[str, Any]]]] = {"jsonnet": jsonnet, "schema": schema}


if __name__ == "__main__":
    try:
        main()
    except MemoryError:
        sys.exit(2)
