"""Taskserv extensions: what a manifest becomes, and an identity that follows every byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from gitops.declare.extension import extensions_of, requirement, spec_of
from gitops.declare.source import read
from gitops.schema.infra import Need
from planners.catalog import Requirement, TaskservSpec

FOLDER = "extensions/taskservs/kubernetes"
MANIFEST = """\
name: kubernetes
version: 1.28.0
requires: [containerd, {name: etcd, wait_for_health: false, roles: [control-plane], anywhere: true}]
optional: [cilium]
conflicts: [docker]
provides: [orchestrator]
roles: [control-plane, worker]
replace_on: [pod_cidr]
sensitive: [token]
scripts: {install: install.sh}
"""


@pytest.fixture
def found(state: Callable[[Mapping[str, Any]], Any]) -> Callable[..., Any]:
    def run(**more: Any) -> Any:
        files = {"manifest.yaml": MANIFEST, "scripts/install.sh": "#!/bin/sh\n", "defaults.yaml": "pods: 110\n"}
        files |= {
            name.replace("__", "/").replace("_yaml", ".yaml").replace("_json", ".json"): text for name, text in more.items()
        }
        return extensions_of(read(state({f"{FOLDER}/{k}": v for k, v in files.items()}), "HEAD", ""))

    return run


def test_a_manifest_becomes_what_the_planner_needs(found: Callable[..., Any]) -> None:
    extensions, problems = found()
    assert problems == ()
    extension = extensions["kubernetes"]
    assert extension.defaults.value == {"pods": 110}
    assert spec_of(extension, {"pods": 200}) == TaskservSpec(
        "kubernetes",
        "1.28.0",
        extension.digest,
        (Requirement("containerd"), Requirement("etcd", False, ("control-plane",), True)),
        ("cilium",),
        ("docker",),
        ("orchestrator",),
        ("control-plane", "worker"),
        {"pods": 200},
        frozenset({"pod_cidr"}),
        frozenset({"token"}),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"scripts__install.sh": "#!/bin/bash\n"},
        {"scripts__install.sh": SimpleNamespace(mode="100755", content=b"#!/bin/sh\n", size=None)},
        {"defaults_yaml": "pods: 111\n"},
        {"templates__new": "x"},
        {"README.md": "x"},
    ],
    ids=["content", "mode", "defaults", "another file", "any file"],
)
def test_every_file_is_in_its_digest(change: Mapping[str, Any], found: Callable[..., Any]) -> None:
    assert found(**change)[0]["kubernetes"].digest != found()[0]["kubernetes"].digest
    assert found()[0]["kubernetes"].digest == found()[0]["kubernetes"].digest


def test_one_that_is_broken_hides_no_other(state: Callable[[Mapping[str, Any]], Any]) -> None:
    files = {
        "extensions/taskservs/good/manifest.yaml": "name: good\nversion: 1.0.0\n",
        "extensions/taskservs/bad/manifest.yaml": "name: bad\n",
        "extensions/taskservs/worse/manifest.yaml": "name: {",
        "extensions/taskservs/worst/README.md": "",
    }
    extensions, problems = extensions_of(read(state(files), "HEAD", ""))
    assert list(extensions) == ["good"]
    assert [p.code for p in problems] == ["missing-key", "yaml-syntax", "missing-manifest"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"manifest_yaml": MANIFEST.replace("kubernetes", "k8s")}, "bad-name"),
        ({"manifest_yaml": MANIFEST + "templates: [{source: x.conf, target: y}]\n"}, "missing-file"),
        ({"manifest_yaml": MANIFEST.replace("install.sh", "../x")}, "bad-path"),
        ({"manifest_yaml": MANIFEST.replace("1.28.0", "latest")}, "bad-version"),
        ({"defaults_yaml": "[]"}, "wrong-type"),
        ({"defaults_yaml": "{"}, "yaml-syntax"),
        ({"schema_json": "{"}, "json-syntax"),
        ({"schema_json": "[" * 100_000}, "json-syntax"),
        ({"schema_json": "[]"}, "wrong-type"),
    ],
)
def test_what_is_wrong_with_one_is_told(change: Mapping[str, Any], code: str, found: Callable[..., Any]) -> None:
    extensions, problems = found(**change)
    assert extensions == {}
    assert [p.code for p in problems] == [code]


def test_a_manifest_that_could_not_be_read_is_not_called_missing(found: Callable[..., Any]) -> None:
    assert found(manifest_yaml=SimpleNamespace(mode="120000", content=b"x", size=None)) == ({}, ())


def test_a_need_in_its_short_form_waits_for_health() -> None:
    assert requirement(Need(name="etcd")) == Requirement("etcd", True)
