"""One spelling for what may be written in several."""

from __future__ import annotations

import pytest

from gitops.declare.documents import Document, Findings
from gitops.declare.normalise import OLD_NAMES, entry_file, normalised
from gitops.declare.yaml_text import parse
from planners.canonical import Json
from planners.problems import Severity


def read(text: str) -> Document:
    found = parse("f.yaml", text.encode())
    assert isinstance(found, Document)
    return found


def value(text: str) -> tuple[Json, list[str]]:
    findings = Findings()
    return normalised(read(text), findings).value, [f"{p.severity}: {p.message}; {p.hint}" for p in findings.items]


@pytest.mark.parametrize(
    "text",
    [
        "servers: {web-01: {cpu_cores: 2}, db-01: {}}",
        "servers: [{name: web-01, cpu_cores: 2}, db-01]",
        "servers: [{cpu_cores: 2, name: web-01}, {name: db-01}]",
        "servers: {app: {name: web-01, cpu_cores: 2}, db: {name: db-01}}",
    ],
    ids=["map", "list", "name anywhere", "keys that are only labels"],
)
def test_lists_and_maps_are_one_thing(text: str) -> None:
    assert value(text) == ({"servers": {"web-01": {"cpu_cores": 2}, "db-01": {}}}, [])


def test_other_keys_and_other_types_are_left_to_the_schema() -> None:
    text = "settings: {hostname: x}\nservers: 3\nclusters: {a: [1]}\n"
    assert value(text) == ({"settings": {"hostname": "x"}, "servers": 3, "clusters": {"a": [1]}}, [])
    assert normalised(read("[1]"), Findings()).value == [1]


def test_old_names_are_read_with_a_warning_each() -> None:
    found, told = value("servers: [{hostname: web-01, cores: 2, memory: 4096, disk: 50}]\n")
    assert found == {"servers": {"web-01": {"cpu_cores": 2, "memory_gb": 4, "disk_gb": 50}}}
    assert told == [
        "warning: 'hostname' is an old name; write 'name'",
        "warning: 'cores' is an old name; write 'cpu_cores'",
        "warning: 'memory' is an old name; write 'memory_gb' (in GB)",
        "warning: 'disk' is an old name; write 'disk_gb'",
    ]


def test_old_names_of_other_kinds() -> None:
    found, told = value("taskservs: {a: {dependencies: [b]}}\nclusters: {c: {dependencies: [server/x]}}\n")
    assert found == {"taskservs": {"a": {"requires": ["b"]}}, "clusters": {"c": {"depends_on": ["server/x"]}}}
    assert len(told) == 2


def test_old_backups_keep_their_ids() -> None:
    found, _ = value("servers: {a: {storage_backups: [{backup_id: x, frequency: daily}]}}\n")
    assert found == {"servers": {"a": {"backups": [{"id": "x", "frequency": "daily"}]}}}


@pytest.mark.parametrize(("memory", "code"), [("1500", "value"), ("8", "value")])
def test_memory_in_mb_must_be_whole_gb(memory: str, code: str) -> None:
    findings = Findings()
    normalised(read(f"servers: {{a: {{memory: {memory}}}}}"), findings)
    assert [p.code for p in findings.items if p.severity is Severity.ERROR] == [code]


@pytest.mark.parametrize("memory", ["true", "'4096'", "-1024", "0"])
def test_memory_that_is_no_amount_is_left_to_the_schema(memory: str) -> None:
    findings = Findings()
    normalised(read(f"servers: {{a: {{memory: {memory}}}}}"), findings)
    assert [p.code for p in findings.items] == ["old-name"]


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("servers: [{name: a}, {hostname: a}]", "duplicate-name", (1, 22)),
        ("servers: [a, a]", "duplicate-name", (1, 14)),
        ("servers: [{cpu_cores: 1}]", "missing-key", (1, 11)),
        ("servers: [3]", "missing-key", (1, 11)),
        ("servers: [{name: 3}]", "wrong-type", (1, 18)),
        ("servers: {a: {cores: 1, cpu_cores: 2}}", "duplicate-key", (1, 15)),
    ],
)
def test_mistakes_have_their_place(text: str, code: str, place: tuple[int, int]) -> None:
    findings = Findings()
    normalised(read(text), findings)
    errors = [(p.code, (p.where.line, p.where.column)) for p in findings.items if p.severity is Severity.ERROR]
    assert errors == [(code, place)]


def test_a_file_of_a_folder_is_the_entry_of_its_name() -> None:
    findings = Findings()
    entry = entry_file("servers", "web-01", read("hostname: web-01\ncores: 2\n"), findings)
    assert entry.value == {"servers": {"web-01": {"cpu_cores": 2}}}
    assert entry.at(("servers", "web-01", "cpu_cores"), key=True).line == 2
    assert {p.code for p in findings.items} == {"old-name"}


def test_a_file_that_says_another_name_is_a_mistake() -> None:
    findings = Findings()
    entry_file("servers", "web-01", read("name: web-02\n"), findings)
    assert [p.code for p in findings.items] == ["bad-name"]


def test_every_old_name_leads_to_a_known_one() -> None:
    from gitops.declare.validation import known_keys
    from gitops.schema.infra import Infra

    for kind, names in OLD_NAMES.items():
        assert set(names.values()) - {"name"} <= known_keys(Infra, (kind, "any"))
