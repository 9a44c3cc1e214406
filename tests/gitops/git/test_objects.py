"""Git's object format without git: the ids are those that git gives (the conformance suite compares)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.git import objects
from gitops.git.objects import (
    EMPTY_TREE,
    LARGE,
    LargeTree,
    Trees,
    compared,
    in_order,
    is_oid,
    object_id,
    pack_commit,
    pack_tree,
    parse_commit,
    parse_diffs,
    parse_person,
    parse_tree,
    parts_of,
    written,
)
from gitops.ports import Entry, GitError, Person

A, B = "a" * 40, "b" * 40
names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text not in (".", "..") and text.lower() != ".git"
)
leaves = st.builds(
    lambda mode, digit: (mode, digit * 40), st.sampled_from(["100644", "100755", "120000", "040000"]), st.sampled_from("ab")
)
files = st.dictionaries(st.lists(names, min_size=1, max_size=3).map("/".join), st.binary(max_size=4), max_size=6)


def test_ids_are_those_of_git() -> None:
    assert object_id("blob", b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert object_id("tree", b"") == EMPTY_TREE
    assert is_oid(EMPTY_TREE) and not is_oid(EMPTY_TREE[1:]) and not is_oid(EMPTY_TREE.upper())


@given(st.dictionaries(names, leaves))
def test_trees_survive_packing(found: dict[str, tuple[str, str]]) -> None:
    entries = {name: Entry(name, *leaf) for name, leaf in sorted(found.items())}
    assert parse_tree(pack_tree(entries)) == entries


NASTY = b"100644 a\0" + b"x" * 20
"""An entry that may hide in an id, and the start of one in a name."""


@given(
    st.dictionaries(
        names | st.sampled_from(["a", "b", "100644 a", "a.yaml", "a+b(c"]),
        st.tuples(
            st.sampled_from(["100644", "100755", "120000", "040000"]),
            st.binary(min_size=20, max_size=20) | st.sampled_from([NASTY[:20], (b"\0" + NASTY)[:20], (b"zz" + NASTY)[:20]]),
        ),
    ),
    st.lists(names | st.sampled_from(["a", "b", "100644 a", ""]), max_size=8),
)
def test_a_large_tree_is_the_same_however_it_is_asked(found: dict[str, tuple[str, bytes]], asked: list[str]) -> None:
    entries = {name: Entry(name, mode, oid.hex()) for name, (mode, oid) in sorted(found.items())}
    large = LargeTree(pack_tree(entries))
    for name in (*asked, *found, *asked):
        assert large.get(name) == entries.get(name)
        assert (name in large) == (name in entries)
    assert LargeTree(pack_tree(entries)) == entries
    assert list(large) == list(entries)


def test_a_few_names_of_a_large_tree_do_not_cost_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = pack_tree({f"s-{n:05}": Entry(f"s-{n:05}", "100644", A) for n in range(LARGE // 20)})
    tree = parse_tree(raw)
    with monkeypatch.context() as patched:
        patched.setattr(objects, "_entries", lambda _: pytest.fail("all of it is read"))
        assert tree["s-01000"].oid == A
        assert tree.get("s-99999") is None
    assert len(tree) == LARGE // 20
    with pytest.raises(GitError):
        parse_tree(raw[:-1])


def test_a_folder_sorts_as_if_its_name_ended_in_a_slash() -> None:
    entries = {name: Entry(name, mode, A) for name, mode in {"a": "040000", "a.b": "100644", "a0": "100644"}.items()}
    assert [part.split(b"\0")[0][-3:] for part in pack_tree(entries).split(bytes.fromhex(A))[:3]] == [b"a.b", b"0 a", b" a0"]


@given(
    st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])), st.integers(0, 2**40)
)
def test_commits_survive_packing_whatever_their_words(name: str, message: str, time: int) -> None:
    found = parse_commit(A, pack_commit(EMPTY_TREE, [B], Person(name, f"{name}@x", time), message))
    assert (found.tree, found.parents, found.message, found.author.time, found.signed) == (EMPTY_TREE, (B,), message, time, False)


def test_a_merge_with_a_signature_is_read() -> None:
    head = f"tree {EMPTY_TREE}\nparent {A}\nparent {B}\nauthor x <y> 3 +0100\ngpgsig -----BEGIN\n parent {A}\n -----END"
    found = parse_commit(A, f"{head}\n\nwords".encode())
    assert (found.parents, found.signed, found.author, found.message) == ((A, B), True, Person("x", "y", 3), "words")


def test_people_are_written_so_that_they_can_be_read() -> None:
    assert written(Person("A\n<B>", "a@b>\n", 5)) == "AB <a@b> 5 +0000"
    assert written(Person("", " ", 0)) == "provisioning <provisioning@localhost> 0 +0000"
    assert parse_person("no mail") == Person("no mail", "", 0)
    assert parse_person("x <y> soon") == Person("x", "y", 0)


def test_edits_go_in_an_order_that_does_not_depend_on_the_mapping() -> None:
    edits = {"b/c": b"1", "b": b"2", "a": None, "b/d": None, "": A}
    assert [*in_order(edits)] == [(("a",), None), (("b", "d"), None), ((), A), (("b",), b"2"), (("b", "c"), b"1")]
    assert [*in_order(dict(reversed(edits.items())))] == [*in_order(edits)]


@pytest.mark.parametrize("path", ["/", "a/", "/a", "a//b", ".", "a/..", ".Git", "a\0"])
def test_paths_that_git_refuses_to_check_out_are_refused(path: str) -> None:
    with pytest.raises(GitError):
        parts_of(path)


class Store:
    """Objects in a dictionary."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.trees = Trees(lambda oid: parse_tree(self.objects[oid]), self.put)

    def put(self, kind: str, raw: bytes) -> str:
        oid = object_id(kind, raw)
        self.objects[oid] = raw
        return oid

    def edited(self, root: str, edits: dict[str, bytes | str | None]) -> str:
        return self.trees.edited(root, edits, lambda _: "040000")

    def files(self, oid: str, prefix: str = "") -> dict[str, bytes]:
        found = {}
        for name, entry in parse_tree(self.objects[oid]).items():
            below = entry.mode == "040000"
            found |= self.files(entry.oid, f"{prefix}{name}/") if below else {f"{prefix}{name}": self.objects[entry.oid]}
        return found


@given(files, files)
def test_editing_step_by_step_and_at_once_gives_the_same_tree(first: dict[str, bytes], second: dict[str, bytes]) -> None:
    store = Store()
    stepwise = ""
    for path in sorted(first, key=lambda path: path.split("/")):
        stepwise = store.edited(stepwise, {path: first[path]})
    root = store.edited("", dict(first))
    assert root == (stepwise or EMPTY_TREE)
    grown = store.edited(root, dict(second))
    everything = store.files(grown)
    assert {path: everything[path] for path in second if path in everything} == {p: second[p] for p in second if p in everything}
    assert store.edited(grown, dict.fromkeys(everything)) == EMPTY_TREE


def test_what_diff_tree_prints_is_read_pair_by_pair() -> None:
    """A name may hold anything, even what looks like the beginning of the next pair."""
    head = f"{A} {B}\n".encode()
    changed = f":100644 100644 {A} {B} M\0d/x\n{A} {B}\n\0".encode()
    added = f":000000 120000 {'0' * 40} {B} A\0y\0".encode()
    name = f"x\n{A} {B}\n"
    second = {f"d/{name}": (Entry(name, "100644", A), Entry(name, "100644", B)), "y": (None, Entry("y", "120000", B))}
    assert list(parse_diffs(head + head + changed + added + head)) == [{}, second, {}]
    assert list(parse_diffs(b"")) == []


def test_only_ids_are_compared() -> None:
    assert compared([("", A)]) == f"{EMPTY_TREE} {A}\n".encode()
    with pytest.raises(GitError, match="not the full id"):
        compared([(A, "--no-index")])
