"""The files of one infra as one declaration: templates below, main and the folders on top."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from gitops.declare.declaration import declaration
from gitops.declare.documents import Findings
from gitops.declare.source import read

MAIN = "infra/shop/main.yaml"
Declared = Callable[[Mapping[str, Any]], tuple[Any, Any, list[str]]]


@pytest.fixture
def declared(state: Callable[[Mapping[str, Any]], Any]) -> Declared:
    """(value, hidden, codes) of a repository of files."""

    def run(files: Mapping[str, Any]) -> tuple[Any, Any, list[str]]:
        source, findings = read(state(files), "HEAD", "shop"), Findings()
        found = declaration(source, findings)
        return (found and found.document.value, found and found.hidden, [p.code for p in findings.items])

    return run


def test_folders_add_entries_by_file_name_in_any_language(declared: Declared) -> None:
    files = {
        MAIN: "servers: [{name: a, cpu_cores: 1}]\n",
        "infra/shop/servers/b.yaml": "cpu_cores: 2\n",
        "infra/shop/servers/c.jsonnet": "{cpu_cores: 1 + 2}",
        "infra/shop/dns/web.example.yml": "values: [x]\n",
    }
    value, hidden, codes = declared(files)
    servers = {name: {"cpu_cores": n} for n, name in enumerate("abc", 1)}
    assert value == {"servers": servers, "dns": {"web.example": {"values": ["x"]}}}
    assert (hidden, codes) == (frozenset(), [])


def test_templates_lie_below_in_the_order_in_which_they_are_used(declared: Declared) -> None:
    files = {
        MAIN: "use: [big, blue]\nservers: {a: {zone: own}}\n",
        "templates/defaults.yaml": "servers: [{name: a, zone: z0, plan: p0, image: i0, extra: {x: 0}}]\nextra: {d: 0}\n",
        "templates/big.yaml": "servers: {a: {zone: z1, plan: p1, extra: {y: 1}}}\n",
        "templates/blue.jsonnet": "{servers: {a: {plan: 'p2'}}}",
        "templates/other.yaml": "servers: {b: {}}\n",
    }
    value, _, codes = declared(files)
    assert value["servers"] == {"a": {"zone": "own", "plan": "p2", "image": "i0", "extra": {"x": 0, "y": 1}}}
    assert value["extra"] == {"d": 0}
    assert codes == []


def test_nothing_takes_an_entry_of_a_template_away_and_only_that(declared: Declared) -> None:
    files = {MAIN: "servers:\n  a:\n  b:\n", "templates/defaults.yaml": "servers: {a: {}}\n"}
    value, _, codes = declared(files)
    assert value["servers"] == {}
    assert codes == ["empty-entry"]


def test_an_entry_that_could_not_be_read_is_hidden_and_not_missing(declared: Declared) -> None:
    files = {
        MAIN: "servers: {a: {}}\n",
        "infra/shop/servers/b.yaml": "{",
        "infra/shop/servers/c.yaml": SimpleNamespace(mode="120000", content=b"x", size=None),
        "infra/shop/volumes/d.yaml": SimpleNamespace(mode="100644", content=b"", size=10**9),
        "infra/shop/servers/e.jsonnet": "error 'x'",
    }
    value, hidden, codes = declared(files)
    assert value == {"servers": {"a": {}}}
    assert hidden == {("servers", "b"), ("servers", "c"), ("volumes", "d"), ("servers", "e")}
    assert codes == ["yaml-syntax", "jsonnet"]


@pytest.mark.parametrize(
    ("files", "codes"),
    [
        ({"infra/shop/servers/a.yaml": "{}"}, ["no-main"]),
        ({MAIN: "{"}, ["yaml-syntax"]),
        ({MAIN: "[]"}, ["wrong-type"]),
        ({MAIN: SimpleNamespace(mode="120000", content=b"x", size=None)}, []),
        ({MAIN: "use: [base]", "templates/base.yaml": "{"}, ["yaml-syntax"]),
        ({MAIN: "use: [base]", "templates/base.yaml": "[]"}, ["wrong-type"]),
        ({MAIN: "use: [base]", "templates/base.yaml": SimpleNamespace(mode="120000", content=b"x", size=None)}, []),
        ({MAIN: "{}", "templates/defaults.yaml": SimpleNamespace(mode="120000", content=b"x", size=None)}, []),
    ],
)
def test_without_main_or_a_template_nothing_is_known(files: Mapping[str, Any], codes: list[str], declared: Declared) -> None:
    assert declared(files) == (None, None, codes)


def test_a_template_that_is_not_there_is_told_and_the_rest_is_judged(declared: Declared) -> None:
    value, _, codes = declared({MAIN: "use: [base, 3]\nservers: {a: {}}\n"})
    assert value["servers"] == {"a": {}}
    assert codes == ["unknown-template"]


def test_a_thousand_files_are_joined_once_each(declared: Declared) -> None:
    files = {f"infra/shop/servers/s{n}.yaml": f"cpu_cores: {n + 1}\n" for n in range(1000)}
    value, _, codes = declared({MAIN: "{}", **files})
    assert len(value["servers"]) == 1000
    assert codes == []


def test_an_entry_in_two_files_is_told_at_the_second(declared: Declared) -> None:
    value, _, codes = declared({MAIN: "servers: {a: {cpu_cores: 1}}\n", "infra/shop/servers/a.yaml": "cpu_cores: 2\n"})
    assert value["servers"] == {"a": {"cpu_cores": 1}}
    assert codes == ["duplicate-name"]


def test_a_wrong_type_is_left_to_the_schema(declared: Declared) -> None:
    value, _, codes = declared({MAIN: "servers: 3\n", "infra/shop/servers/a.yaml": "{}\n"})
    assert value == {"servers": 3}
    assert codes == []
