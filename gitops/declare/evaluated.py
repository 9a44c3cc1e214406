"""What was evaluated before, by everything that it hangs on: an evaluation is pure, so equal questions have equal answers.

Kept are values and clean verdicts only; what was wrong is evaluated again, so that it is told from what is there now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from gitops import __version__
from gitops.ports import Kept
from planners.canonical import Json, digest, digest_bytes, encode
from planners.dataclass import dataclass

_ENGINES = {"jsonnet": ("_gojsonnet", "_jsonnet"), "schema": ("jsonschema", "referencing")}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The value a Jsonnet root gave, and every file it imported."""

    value: str
    imports: Sequence[str]


def name_of(job: str, question: Mapping[str, Json]) -> str:
    """What an answer is kept under."""
    return f"{job}/{digest('evaluation', {'engine': engine(job), **question})}"


@cache
def engine(job: str) -> Json:
    """What answers here: another one may answer otherwise. The file it is tells one build from the next, without its import."""
    found: list[Json] = [__version__]
    for name in _ENGINES[job]:
        spec = find_spec(name)
        if spec and spec.origin:
            there = Path(spec.origin).stat()
            found.append([spec.origin, there.st_size, there.st_mtime_ns])
    return found


class Values:
    """Values of Jsonnet roots. ``texts``: every file that may be imported now, by path."""

    def __init__(self, kept: Kept, texts: Mapping[str, str]) -> None:
        self._kept, self._texts = kept, texts
        self._digests: dict[str, str] = {}

    def get(self, roots: Sequence[str]) -> dict[str, str]:
        """Values of those of ``roots`` that are as they were, and whatever they imported too."""
        names = {root: self._name(root) for root in roots}
        kept = self._kept.get(names.values())
        found: dict[str, str] = {}
        for root in (r for r in roots if names[r] in kept):
            answer = json.loads(kept[names[root]])
            if all(path in self._texts and self._digest(path) == then for path, then in answer["imports"].items()):
                found[root] = answer["value"]
        return found

    def put(self, evaluations: Mapping[str, Evaluation]) -> None:
        """Keep these for the next time."""
        self._kept.put({self._name(root): encode(self._document(e)) for root, e in evaluations.items()})

    def _document(self, evaluation: Evaluation) -> Json:
        return {"value": evaluation.value, "imports": {path: self._digest(path) for path in evaluation.imports}}

    def _name(self, root: str) -> str:
        # the path too: an expression can ask where it stands, and what it imports is found from there
        return name_of("jsonnet", {"path": root, "text": self._digest(root)})

    def _digest(self, path: str) -> str:
        if path not in self._digests:
            self._digests[path] = digest_bytes("evaluation-text", self._texts[path].encode())
        return self._digests[path]
