"""The worked examples: real state repositories, loaded and planned, each held to what its ``expect.yaml`` says."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.declare.documents import Document
from gitops.declare.jsonnet_text import evaluate

HERE = Path(__file__).parent
HARNESS = runpy.run_path(str(HERE / "harness.py"))
NAMES: list[str] = HARNESS["NAMES"]
ROOT = HERE.parents[1]


def expected(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((HERE / name / "expect.yaml").read_text()))


@pytest.fixture(scope="module", params=NAMES)
def example(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Name, and its infras loaded."""
    return request.param, dict(HARNESS["loaded"](*HARNESS["committed"](HARNESS["files"](request.param))))


def at(value: Any, path: str) -> Any:
    """``servers.2.backups.0.frequency`` of a value."""
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def holds(value: Any, part: Any) -> bool:
    """Whether ``value`` is what ``part`` says of it; maps may hold more."""
    if isinstance(part, Mapping):
        return isinstance(value, Mapping) and all(k in value and holds(value[k], v) for k, v in part.items())
    return bool(value == part)


def pairs(orders: list[str]) -> Iterator[tuple[str, str]]:
    """(first, then) of ``a < b < c``."""
    for order in orders:
        names = order.split(" < ")
        yield from pairwise(names)


def test_every_infra_and_nothing_else_is_expected(example: tuple[str, dict[str, Any]]) -> None:
    name, infras = example
    assert {key for key in expected(name) if "/" not in key} == set(infras)


def test_it_declares_what_it_should(example: tuple[str, dict[str, Any]]) -> None:
    name, infras = example
    for infra, loaded in infras.items():
        wanted = expected(name)[infra]
        environment = loaded.desired.environment
        assert [environment.name, environment.class_] == wanted["environment"]
        assert set(loaded.desired.resources) == set(wanted["resources"])
        assert Counter(w.code for w in loaded.warnings) == wanted.get("warnings", {})
        assert sorted(loaded.secrets) == wanted.get("secrets", [])
        assert holds(loaded.desired.settings, wanted.get("settings", {}))
        names = {a.rpartition("/")[2] for a in loaded.desired.resources if a.startswith("taskserv/")}
        assert len(names) == wanted.get("taskservs", len(names))


def test_its_plan_makes_all_of_it_in_order(example: tuple[str, dict[str, Any]]) -> None:
    name, infras = example
    for infra, loaded in infras.items():
        wanted = expected(name)[infra]
        plan = HARNESS["planned"](loaded)
        assert {step.action for step in plan.steps} == {"create"}
        assert len(plan.steps) == wanted["create"] == len(wanted["resources"]) + len(wanted.get("implied", {}))
        assert {s.address: s.implied_by for s in plan.steps if s.implied_by} == wanted.get("implied", {})
        place = {step.address: n for n, step in enumerate(plan.steps)}
        before = {step.address: waits_for(plan, step.address) for step in plan.steps}
        for first, then in pairs(wanted.get("order", [])):
            assert place[first] < place[then], f"{infra}: {first} < {then}"
            assert first in before[then], f"{infra}: {then} does not wait for {first}"


def waits_for(plan: Any, address: str) -> set[str]:
    """All that must have been done before ``address`` begins."""
    steps = {s.address: s for s in plan.steps}
    found: set[str] = set()
    waiting = [address]
    while waiting:
        for need in steps[waiting.pop()].depends_on:
            if need.address not in found:
                found.add(need.address)
                waiting.append(need.address)
    return found


def test_values_are_what_the_layers_and_the_composition_make_them(example: tuple[str, dict[str, Any]]) -> None:
    name, infras = example
    for infra, loaded in infras.items():
        wanted = expected(name)[infra]
        declared = {s.address: s.declared for s in HARNESS["planned"](loaded).steps}
        for address, part in wanted.get("declared", {}).items():
            assert holds(declared[address], part), f"{infra}: {address} is {declared[address]}"
        assert {a: declared[a]["config"] for a in wanted.get("config", {})} == wanted.get("config", {})
        layers = {o.key: o.layer for o in loaded.origins}
        assert {key: layers.get(key) for key in wanted.get("origins", {})} == wanted.get("origins", {})


@pytest.mark.parametrize(("name", "path"), [(n, key) for n in NAMES for key in expected(n) if "/" in key])
def test_shared_jsonnet_gives_what_it_exports_and_hides_its_makers(name: str, path: str) -> None:
    wanted = expected(name)[path]
    (answer,) = evaluate([path], HARNESS["files"](name), {}).values()
    assert isinstance(answer, Document), answer
    assert isinstance(answer.value, dict)
    assert set(answer.value) == set(wanted["keys"])
    assert {key: at(answer.value, key) for key in wanted.get("values", {})} == wanted.get("values", {})
    assert {key: len(at(answer.value, key)) for key in wanted.get("sizes", {})} == wanted.get("sizes", {})


def test_each_example_says_what_it_is() -> None:
    assert [n for n in NAMES if not (HERE / n / "README.md").read_text().startswith("# ")] == []


@pytest.mark.slow
def test_equal_inputs_give_the_same_plan_to_the_byte() -> None:
    def run(seed: str) -> str:
        environ = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        command = [sys.executable, str(HERE / "harness.py"), seed]
        return subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    first, *others = [run(seed) for seed in ("0", "1", "20250930")]
    assert len(first.splitlines()) >= len(NAMES)
    assert others == [first, first]
