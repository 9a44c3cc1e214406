"""Commands that edit a person's declaration: in the style that is there, comments kept, nothing overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gitops.declare.load import Loaded, load
from gitops.declared_edits import Edited, add_entry, create_infra, remove_entry
from gitops.git.memory import MemoryServer
from gitops.ports import Person
from gitops.stops import Exit, Stop
from planners.catalog import KindSpec, ProviderSpec

PROVIDERS = {"fake": ProviderSpec("fake", "1", {"server": KindSpec()}, needs_zone=False)}
MAIN = """\
# the shop
settings: {provider: fake}

servers:
  web-01:            # in front
    taskservs: [web]
  db-01:
    taskservs:
      - name: db     # the orders
        role: main
      - web

taskservs:
  web:
    config: {title: Ink}   # on the sign
"""


@dataclass
class Estate:
    """A working tree. ``work_tree`` makes it one to the functions under test."""

    work_tree: Path | None

    def __init__(self, top: Path, files: Mapping[str, str]) -> None:
        self.work_tree = self.top = top
        names = ("web", "db", "cache")
        shared = {f"extensions/taskservs/{n}/manifest.yaml": f"name: {n}\nversion: 1.0.0\nroles: [main]\n" for n in names}
        workspace = {"workspace.yaml": "format: 1\nid: 0123456789abcdef\nname: t\n", "environments/lab.yaml": "class: test\n"}
        for path, text in {**workspace, **shared, **files}.items():
            (top / path).parent.mkdir(parents=True, exist_ok=True)
            (top / path).write_text(text)

    def read(self, path: str) -> str:
        return (self.top / path).read_text()

    def files(self) -> dict[str, str]:
        return {p.relative_to(self.top).as_posix(): p.read_text() for p in sorted(self.top.rglob("*")) if p.is_file()}

    def loaded(self, infra: str = "shop") -> Loaded:
        """What it declares now; it must be valid."""
        repository, _ = MemoryServer().clone()
        commit = repository.write("", {p: t.encode() for p, t in self.files().items()}, "", Person("", ""))
        found = load(repository, commit, infra, PROVIDERS)
        assert isinstance(found, Loaded), list(found)
        return found

    def add(self, kind: str, name: str, servers: tuple[str, ...] = (), check: bool = False, **values: Any) -> Edited:
        return add_entry(self, "shop", kind, name, values, servers, check)

    def remove(self, kind: str, name: str, check: bool = False) -> Edited:
        return remove_entry(self, "shop", kind, name, check)


@pytest.fixture
def one(tmp_path: Path) -> Estate:
    """Everything in main.yaml."""
    return Estate(tmp_path, {"infra/shop/main.yaml": MAIN})


@pytest.fixture
def many(tmp_path: Path) -> Estate:
    """A file for each server and taskserv."""
    files = {
        "infra/shop/main.yaml": "settings: {provider: fake}\n",
        "infra/shop/servers/web-01.yaml": "# in front\ntaskservs: [web, cache]\n",
        "infra/shop/servers/db-01.yml": "taskservs: [db]  # only this\n",
        "infra/shop/taskservs/web.yaml": "config: {title: Ink}\n",
    }
    return Estate(tmp_path, files)


def stopped(act: Any, *args: Any, **more: Any) -> tuple[Exit, str, str]:
    with pytest.raises(Stop) as caught:
        act(*args, **more)
    return caught.value.code, caught.value.message, caught.value.hint


# --- putting in ------------------------------------------------------------------------------------------


def test_a_new_entry_stands_behind_the_others_and_nothing_else_moves(one: Estate) -> None:
    edited = one.add("servers", "web-02", cpu_cores=2, memory_gb=4)
    assert one.read("infra/shop/main.yaml") == MAIN.replace(
        "      - web\n\n", "      - web\n  web-02:\n    cpu_cores: 2\n    memory_gb: 4\n\n"
    )
    assert edited.path == "infra/shop/main.yaml"
    assert edited.diff.splitlines()[:2] == ["--- a/infra/shop/main.yaml", "+++ b/infra/shop/main.yaml"]
    assert [line for line in edited.diff.splitlines()[2:] if line[0] in "+-"] == [
        "+  web-02:",
        "+    cpu_cores: 2",
        "+    memory_gb: 4",
    ]
    assert "server/web-02" in one.loaded().desired.resources


def test_where_entries_have_files_of_their_own_a_new_one_has_too(many: Estate) -> None:
    edited = many.add("servers", "web-02", **{"labels.team": "web", "cpu_cores": 2})
    assert edited.path == "infra/shop/servers/web-02.yaml"
    heading = "# yaml-language-server: $schema=../../../.provisioning/schemas/server.json\n"
    assert many.read(edited.path) == heading + "labels:\n  team: web\ncpu_cores: 2\n"
    assert edited.diff.startswith("--- /dev/null\n+++ b/infra/shop/servers/web-02.yaml\n")
    assert many.read(many.add("servers", "web-03").path) == heading
    assert {"server/web-02", "server/web-03"} <= {*many.loaded().desired.resources}


def test_a_taskserv_is_put_on_its_servers(one: Estate) -> None:
    edited = one.add("taskservs", "cache", ("web-01", "db-01"), **{"config.port": 6379})
    assert edited.path == "infra/shop/main.yaml"
    text = one.read("infra/shop/main.yaml")
    assert "taskservs: [web, cache]\n" in text
    assert "      - web\n      - cache\n" in text
    assert "  cache:\n    config:\n      port: 6379\n" in text
    assert "# in front" in text and "# the orders" in text and "# on the sign" in text
    assert {"taskserv/web-01/cache", "taskserv/db-01/cache"} <= {*one.loaded().desired.resources}


def test_a_taskserv_without_values_needs_no_entry(one: Estate) -> None:
    one.add("taskservs", "cache", ("web-01",))
    assert one.read("infra/shop/main.yaml") == MAIN.replace("[web]", "[web, cache]")


def test_files_of_servers_are_edited_too_and_all_are_named(many: Estate) -> None:
    edited = many.add("taskservs", "cache", ("db-01",), version="1.0.0")
    assert edited.path == "infra/shop/servers/db-01.yml, infra/shop/taskservs/cache.yaml"
    assert many.read("infra/shop/servers/db-01.yml") == "taskservs: [db, cache] # only this\n"
    assert edited.diff.count("+++ ") == 2
    assert "taskserv/db-01/cache" in many.loaded().desired.resources


def test_a_cluster_spans_servers(one: Estate) -> None:
    one.add("clusters", "cache", ("web-01", "db-01"))
    assert "clusters:\n  cache:\n    servers:\n      - web-01\n      - db-01\n" in one.read("infra/shop/main.yaml")
    assert "cluster/cache" in one.loaded().desired.resources


def test_entries_in_a_list_stay_a_list(tmp_path: Path) -> None:
    estate = Estate(tmp_path, {"infra/shop/main.yaml": "settings: {provider: fake}\nservers:\n  - name: web-01\n"})
    estate.add("servers", "web-02", cpu_cores=2)
    estate.add("taskservs", "web", ("web-01",))
    assert estate.read("infra/shop/main.yaml").endswith(
        "  - name: web-01\n    taskservs:\n      - web\n  - name: web-02\n    cpu_cores: 2\n"
    )
    estate.remove("servers", "web-01")
    assert estate.read("infra/shop/main.yaml").endswith("servers:\n  - name: web-02\n    cpu_cores: 2\n")


@pytest.mark.parametrize("act", ["add", "remove"])
def test_a_check_writes_nothing_and_tells_the_same(one: Estate, act: str) -> None:
    before = one.files()
    if act == "add":
        told = one.add("taskservs", "cache", ("web-01",), check=True)
        assert one.files() == before
        assert one.add("taskservs", "cache", ("web-01",)) == told
    else:
        told = one.remove("taskservs", "web", check=True)
        assert one.files() == before
        assert one.remove("taskservs", "web") == told
    assert one.files() != before


def test_a_file_keeps_its_mode_and_nothing_lies_beside_it(one: Estate) -> None:
    file = one.top / "infra/shop/main.yaml"
    file.chmod(0o640)
    one.add("servers", "web-02")
    assert file.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in file.parent.iterdir()] == ["main.yaml"]


# --- taking out ------------------------------------------------------------------------------------------


def test_an_entry_is_taken_out_with_its_comment(one: Estate) -> None:
    one.remove("servers", "web-01")
    assert one.read("infra/shop/main.yaml") == MAIN.replace("  web-01:            # in front\n    taskservs: [web]\n", "")


def test_a_taskserv_goes_from_every_server_and_no_server_goes_with_it(one: Estate) -> None:
    one.remove("taskservs", "web")
    text = one.read("infra/shop/main.yaml")
    assert "  web-01:            # in front\n    taskservs: []\n" in text
    assert "      - name: db     # the orders\n        role: main\n" in text
    assert "Ink" not in text
    assert {*one.loaded().desired.resources} == {"server/web-01", "server/db-01", "taskserv/db-01/db"}


def test_files_are_removed_and_edited(many: Estate) -> None:
    edited = many.remove("taskservs", "web")
    assert edited.path == "infra/shop/servers/web-01.yaml, infra/shop/taskservs/web.yaml"
    assert not (many.top / "infra/shop/taskservs/web.yaml").exists()
    assert many.read("infra/shop/servers/web-01.yaml") == "# in front\ntaskservs: [cache]\n"
    assert "+++ /dev/null" in edited.diff
    many.remove("taskservs", "db")
    assert many.read("infra/shop/servers/db-01.yml") == "taskservs: []    # only this\n"
    many.remove("servers", "db-01")
    assert {*many.loaded().desired.resources} == {"server/web-01", "taskserv/web-01/cache"}


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "servers", "values", "told"),
    [
        ("servers", "Web_02", (), {}, (Exit.USAGE, "'Web_02' cannot be the name of a server")),
        ("servers", "web-02\n", (), {}, (Exit.USAGE, "'web-02\n' cannot be the name of a server")),
        ("taskservs", "../web", (), {}, (Exit.USAGE, "'../web' cannot be the name of a taskserv")),
        ("servers", "web-01", (), {}, (Exit.USAGE, "there is a server 'web-01' already")),
        ("taskservs", "web", (), {"version": "2.0.0"}, (Exit.USAGE, "there is a taskserv 'web' already")),
        ("taskservs", "web", ("web-01",), {}, (Exit.USAGE, "infra/shop/main.yaml: 'web' is in servers.web-01.taskservs already")),
        ("servers", "web-02", ("web-01",), {}, (Exit.USAGE, "a server is on no server")),
        ("taskservs", "cach", ("web-01",), {}, (Exit.NOT_FOUND, "there is no taskserv 'cach'")),
        ("taskservs", "cache", ("web-1",), {}, (Exit.NOT_FOUND, "there is no server 'web-1'")),
        ("servers", "web-02", (), {"cpu_core": 2}, (Exit.INVALID, "server 'web-02' cannot be so")),
        ("servers", "web-02", (), {"cpu_cores": "two"}, (Exit.INVALID, "server 'web-02' cannot be so")),
        ("clusters", "cache", (), {}, (Exit.INVALID, "cluster 'cache' cannot be so")),
        ("servers", "web-02", (), {"extra": 1, "extra.x": 2}, (Exit.USAGE, "'extra.x' goes below a value that is set too")),
        ("servers", "web-02", (), {"extra.x": 2, "extra": 1}, (Exit.USAGE, "'extra' is set twice, or has values below it")),
    ],
)
def test_what_cannot_be_put_in_changes_nothing(
    one: Estate, kind: str, name: str, servers: tuple[str, ...], values: Mapping[str, Any], told: tuple[Exit, str]
) -> None:
    before = one.files()
    assert stopped(one.add, kind, name, servers, **values)[:2] == told
    assert one.files() == before


def test_near_names_are_suggested(one: Estate) -> None:
    assert stopped(one.add, "taskservs", "cach", ("web-01",))[2] == "did you mean 'cache'?"
    assert stopped(one.add, "taskservs", "xyz", ("web-01",))[2] == "add extensions/taskservs/xyz/manifest.yaml"
    assert stopped(one.add, "taskservs", "cache", ("web-1",))[2] == "did you mean 'web-01'?"
    assert stopped(one.remove, "servers", "xyz") == (Exit.NOT_FOUND, "there is no server 'xyz'", "there are: db-01, web-01")
    assert stopped(one.remove, "taskservs", "dbb") == (Exit.NOT_FOUND, "there is no taskserv 'dbb'", "did you mean 'db'?")
    assert stopped(one.remove, "clusters", "x") == (Exit.NOT_FOUND, "there is no cluster 'x'", "there is no cluster yet")


def test_a_wrong_key_is_told_as_everywhere(one: Estate) -> None:
    with pytest.raises(Stop) as caught:
        one.add("servers", "web-02", cpu_core=2)
    assert [(p.code, p.hint) for p in caught.value.problems] == [("unknown-key", "did you mean 'cpu_cores'?")]


@pytest.mark.parametrize("act", [add_entry, remove_entry])
def test_an_unknown_infra_is_not_found(one: Estate, act: Any) -> None:
    args = ({}, ()) if act is add_entry else ()
    assert stopped(act, one, "shopp", "servers", "web-02", *args) == (
        Exit.NOT_FOUND,
        "there is no infra 'shopp'",
        "did you mean 'shop'?",
    )
    assert stopped(act, one, "xyz", "servers", "web-02", *args)[2] == "'provisioning infra create xyz' makes one"


@pytest.fixture
def program(tmp_path: Path) -> Estate:
    text = "{settings: {provider: 'fake'}, servers: {'web-01': {taskservs: ['web']}}}\n"
    return Estate(tmp_path, {"infra/shop/main.jsonnet": text})


def test_a_program_is_not_edited(program: Estate) -> None:
    code, message, advice = stopped(program.add, "servers", "web-02")
    assert (code, message) == (Exit.USAGE, "infra/shop/main.jsonnet is a program, which cannot be edited for you")
    assert advice == "edit it by hand, or make a folder infra/shop/servers for entries in YAML"


def test_beside_a_program_entries_have_files(program: Estate) -> None:
    (program.top / "infra/shop/servers").mkdir()
    assert program.add("servers", "web-02").path == "infra/shop/servers/web-02.yaml"
    program.add("taskservs", "cache", ("web-02",))
    assert program.read("infra/shop/servers/web-02.yaml").endswith(".json\ntaskservs:\n  - cache\n")
    assert {"server/web-01", "taskserv/web-02/cache"} <= {*program.loaded().desired.resources}


def test_an_entry_that_is_a_program_is_not_edited(many: Estate) -> None:
    (many.top / "infra/shop/servers/lb-01.jsonnet").write_text("{}")
    code, message, _ = stopped(many.add, "taskservs", "cache", ("lb-01",))
    assert (code, message) == (Exit.USAGE, "infra/shop/servers/lb-01.jsonnet is a program, which cannot be edited for you")
    many.remove("servers", "lb-01")
    assert not (many.top / "infra/shop/servers/lb-01.jsonnet").exists()


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (b"settings: {provider: fake\n", Exit.INVALID, "'infra/shop/main.yaml' cannot be read"),
        (b"settings: \xff\n", Exit.INVALID, "'infra/shop/main.yaml' is not UTF-8 text"),
        (
            b"settings: {provider: fake}\nservers: 7\n",
            Exit.INVALID,
            "infra/shop/main.yaml: 'servers' is neither a map nor a list",
        ),
    ],
)
def test_a_file_that_cannot_be_edited_is_left_alone(one: Estate, content: bytes, code: Exit, told: str) -> None:
    file = one.top / "infra/shop/main.yaml"
    file.write_bytes(content)
    assert stopped(one.add, "servers", "web-02")[:2] == (code, told)
    assert file.read_bytes() == content


def test_a_link_to_elsewhere_is_not_followed(one: Estate, tmp_path: Path) -> None:
    file, outside = one.top / "infra/shop/main.yaml", tmp_path / "outside.yaml"
    outside.write_text(MAIN)
    file.unlink()
    file.symlink_to(outside)
    assert stopped(one.add, "servers", "web-02")[:2] == (Exit.INVALID, "'infra/shop/main.yaml' is a symlink")
    assert outside.read_text() == MAIN


def test_without_a_main_file_there_is_nothing_to_edit(one: Estate) -> None:
    (one.top / "infra/shop/main.yaml").rename(one.top / "infra/shop/README")
    assert stopped(one.add, "servers", "x")[:2] == (Exit.NOT_FOUND, "infra 'shop' has no main.yaml")


def test_a_bare_repository_has_nothing_to_edit(one: Estate) -> None:
    one.work_tree = None
    for act in (
        lambda: one.add("servers", "x"),
        lambda: one.remove("servers", "x"),
        lambda: create_infra(one, "x", "dev", "fake"),
    ):
        assert stopped(act)[:2] == (Exit.USAGE, "a bare repository has no working tree to edit")


# --- a new infra -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", ["dev", "lab"])
def test_a_new_infra_is_valid_as_it_is(one: Estate, environment: str) -> None:
    made = create_infra(one, "forum", environment, "fake", providers=PROVIDERS)
    assert made.path == "infra/forum/main.yaml"
    assert made.diff.startswith("--- /dev/null\n+++ b/infra/forum/main.yaml\n")
    desired = one.loaded("forum").desired
    assert (desired.environment.name, desired.resources) == (environment, {})
    assert add_entry(one, "forum", "servers", "web-01", {}, ()).path == "infra/forum/main.yaml"
    assert [*one.loaded("forum").desired.resources] == ["server/web-01"]


def test_a_check_makes_no_infra(one: Estate) -> None:
    before = one.files()
    assert create_infra(one, "forum", "dev", "fake", check=True).path == "infra/forum/main.yaml"
    assert one.files() == before


@pytest.mark.parametrize(
    ("name", "environment", "provider", "told"),
    [
        ("../x", "dev", "fake", (Exit.USAGE, "'../x' cannot be the name of an infra")),
        ("-x", "dev", "fake", (Exit.USAGE, "'-x' cannot be the name of an infra")),
        ("x.lock", "dev", "fake", (Exit.USAGE, "'x.lock' cannot be the name of an infra")),
        ("shop", "dev", "fake", (Exit.USAGE, "there is an infra 'shop' already")),
        ("forum", "labb", "fake", (Exit.NOT_FOUND, "there is no environment 'labb'")),
        ("forum", "dev", "fakee", (Exit.NOT_FOUND, "there is no provider 'fakee'")),
    ],
)
def test_an_infra_that_cannot_be(one: Estate, name: str, environment: str, provider: str, told: tuple[Exit, str]) -> None:
    before = one.files()
    assert stopped(create_infra, one, name, environment, provider, providers=PROVIDERS)[:2] == told
    assert one.files() == before
