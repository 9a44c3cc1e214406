"""What stands where, and what must not stand anywhere."""

from __future__ import annotations

import pytest

from gitops.declare.layout import INFRA_NAME, bad_path, filters, is_entry, is_read, same_stems, shown, stem, strangers
from planners.problems import Where


@pytest.mark.parametrize("path", ["a/../b", "..", "a/.git/config", ".GIT/hooks", "a\\b", "a\nb", "a\x7f", "a\udcff", "./a"])
def test_bad_paths(path: str) -> None:
    assert bad_path(path)


@pytest.mark.parametrize("path", ["a..b/c", ".gitattributes", "a/.github/x", "Zürich/a b.yaml", "..."])
def test_good_paths(path: str) -> None:
    assert not bad_path(path)


def test_a_bad_path_is_shown_escaped_and_a_good_one_as_it_is() -> None:
    assert shown("a\x1b[2J\udcff") == "a\\x1b[2J\\udcff"
    assert shown("Zürich") == "Zürich"


@pytest.mark.parametrize("name", ["shop", "lib-cloud_01", "wu-ji.v2", "A", "x" * 63])
def test_names_of_infras(name: str) -> None:
    assert INFRA_NAME.match(name)


@pytest.mark.parametrize("name", ["", "-a", ".a", "a.", "a..b", "a.lock", "a/b", "a b", "x" * 64, "a\n"])
def test_no_names_of_infras_as_they_become_parts_of_refs(name: str) -> None:
    assert not INFRA_NAME.match(name)


def test_only_what_is_read_is_read() -> None:
    read = ["infra/a/main.yaml", "infra/a/lib/x.libsonnet", "templates/data.json", "secrets/_shared.enc.yaml"]
    read += ["extensions/taskservs/x/manifest.yaml", "extensions/taskservs/x/schema.json", "infra/.gitattributes"]
    handed_on = ["extensions/taskservs/x/scripts/install.sh", "extensions/taskservs/x/templates/a.yaml"]
    handed_on += ["secrets/other.yaml", "infra/a/README.md"]
    assert [p for p in (*read, *handed_on) if is_read(p)] == read


def test_filters_are_found_behind_comments_and_other_attributes() -> None:
    data = b"# *.yaml filter=lfs\n*.yaml text -filter\n*.bin diff=x filter=lfs\n*.txt working-tree-encoding=UTF-16 ident\n"
    assert [(p.where.line, p.message.split("'")[1]) for p in filters("a/.gitattributes", data)] == [
        (3, "filter=lfs"),
        (4, "working-tree-encoding=UTF-16"),
        (4, "ident"),
    ]


def test_the_same_stem_twice_is_told_at_the_second_by_name() -> None:
    paths = ["servers/a.yml", "servers/a.yaml", "servers/a.jsonnet", "servers/b.yaml", "extensions/x/a.yaml", "servers/a.json"]
    assert [p.where.path for p in same_stems(paths)] == ["servers/a.yaml", "servers/a.yml"]


def test_strangers_are_told_by_what_would_be_right() -> None:
    placed = "put entries in main.yaml or directly in a folder such as servers/; shared Jsonnet ends in .libsonnet"
    paths = {
        "infra/shop/main.yaml": "",
        "infra/shop/secrets.enc.yaml": "",
        "infra/shop/servers/a.jsonnet": "",
        "infra/shop/lib/x.libsonnet": "",
        "infra/shop/README.md": "",
        "templates/base.yaml": "",
        "templates/lib/x.libsonnet": "",
        "extensions/README.md": "",
        "extensions/taskservs/x/templates/a.k": "",
        "infra/shop/servers/old/a.yaml": placed,
        "infra/shop/task-servs/x.yaml": "did you mean 'taskservs'?",
        "infra/shop/servers/a.k": "write YAML or Jsonnet",
        "infra/shop/secret.enc.yaml": placed,
        "templates/base.ncl": "write YAML or Jsonnet",
        "environments/eu/prod.yaml": "put it directly in environments/; shared Jsonnet ends in .libsonnet",
        "extensions/provider/x/a.py": "did you mean 'providers'?",
    }
    assert {p.where.path: p.hint for p in strangers(paths, "shop")} == {k: v for k, v in paths.items() if v}
    assert stem("infra/shop/dns/web.example.yaml") == "web.example"
    assert all(p.where == Where(p.where.path) for p in strangers(paths, "shop"))


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("infra/shop/servers/web-01.yaml", True),
        ("infra/shop/taskservs/nginx.jsonnet", True),
        ("infra/shop/servers/size.libsonnet", False),
        ("infra/shop/servers/lib/web.yaml", False),
        ("infra/shop/main.yaml", False),
        ("infra/shop/lib/web.jsonnet", False),
        ("templates/web.yaml", False),
    ],
)
def test_the_files_that_are_one_entry(path: str, entry: bool) -> None:
    assert is_entry(path) is entry
