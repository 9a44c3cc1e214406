"""The process in which Jsonnet is evaluated. Run by path, isolated, with no environment; see ``jsonnet_text``.

Standard input: one JSON object ``{roots, files, refused, cpu, memory, output, stack}``. Standard output: one JSON line
for each root as it is done, ``{root, value}`` or ``{root, error}``. It imports nothing of this package and opens no file.
"""

from __future__ import annotations

import importlib
import json
import posixpath
import resource
import sys
from typing import Any


def main() -> None:
    """Evaluate every root in turn."""
    request = json.load(sys.stdin)
    evaluator = load_evaluator()
    evaluator.evaluate_snippet("warm-up", "0")
    limit(request["cpu"], request["memory"])
    for root in request["roots"]:
        answer = evaluate(evaluator, root, request)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def load_evaluator() -> Any:
    """The Go evaluator, or the C++ one where there is no build of it."""
    try:
        return importlib.import_module("_gojsonnet")
    except ImportError:
        return importlib.import_module("_jsonnet")


def limit(cpu: int, memory: int) -> None:
    """Bound time and memory. Memory counts from here, as the evaluator reserves address space that it never touches."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        with open("/proc/self/statm") as statm:  # noqa: PTH123  # pathlib is not worth its import time here
            used = int(statm.read().split()[0]) * resource.getpagesize()
    except OSError:
        return
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))


def evaluate(evaluator: Any, root: str, request: dict[str, Any]) -> dict[str, Any]:
    """One root's value or error."""
    files: dict[str, str] = request["files"]
    refused: dict[str, str] = request["refused"]
    reasons: list[str] = []

    def imported(folder: str, name: str) -> tuple[str, bytes]:
        path = posixpath.normpath(posixpath.join(folder, name))
        reason = refusal(name, path, files, refused)
        if reason:
            reasons.append(reason)
            raise RuntimeError(reason)
        return path, files[path].encode()

    try:
        text = evaluator.evaluate_snippet(root, files[root], import_callback=imported, max_stack=request["stack"])
    except UnicodeDecodeError as error:
        # the Go binding reads past the end of a message that came from a callback
        return {"root": root, "error": error.object.decode(errors="replace")[:20_000], "import": reasons[-1] if reasons else ""}
    except RuntimeError as error:
        return {"root": root, "error": str(error)[:20_000], "import": reasons[-1] if reasons else ""}
    if len(text) > request["output"]:
        return {"root": root, "error": "output-too-large"}
    return {"root": root, "value": text}


def refusal(name: str, path: str, files: dict[str, str], refused: dict[str, str]) -> str:
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


if __name__ == "__main__":
    main()
