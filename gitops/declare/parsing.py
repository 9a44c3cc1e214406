"""The files of a source as documents: YAML here, Jsonnet all together in one child process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gitops.declare.documents import Document
from gitops.declare.layout import IMPORTABLE, is_entry
from gitops.declare.source import Source
from planners.problems import Problem


def parse_all(source: Source, paths: Iterable[str]) -> tuple[Mapping[str, Document], tuple[Problem, ...]]:
    """Each of ``paths`` as a document, and all that is wrong with those that are none."""
    from gitops.declare import jsonnet_text, yaml_text

    documents: dict[str, Document] = {}
    problems: list[Problem] = []
    wanted = list(dict.fromkeys(paths))
    jsonnet = [p for p in wanted if p.endswith(".jsonnet")]
    answers: dict[str, Document | tuple[Problem, ...]] = {}
    if jsonnet:
        # what an entry says then hangs on no other entry: one can be read without the others
        entries = {p for p in source.files if p.endswith(".jsonnet") and is_entry(p)}
        texts = {p: source.files[p] for p in source.files if p.endswith(IMPORTABLE) and (p not in entries or p in jsonnet)}
        own = dict.fromkeys(entries, "is the declaration of one entry: shared Jsonnet ends in .libsonnet")
        answers.update(jsonnet_text.evaluate(jsonnet, texts, {**own, **source.refused}, source.kept))
    for path in wanted:
        answer = answers[path] if path in answers else yaml_text.parse(path, source.files[path])
        if isinstance(answer, Document):
            documents[path] = answer
        else:
            problems.extend(answer)
    return documents, tuple(problems)
