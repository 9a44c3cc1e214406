"""One suite over every clone and remote: the twin in memory, and git over file, ssh and https.

The letters are the experiments of the reliability study that the ledger's protocol rests on.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Barrier, Thread
from typing import Any

import pytest

from gitops.ports import ZERO, GitError, Person, Pushed, RefUpdate

ANN = Person("Ann Example", "ann@example.org", 1_700_000_000)
LOCK = "refs/heads/provisioning/ledger/shop"
MAIN = "refs/heads/main"
AUDIT = "refs/heads/provisioning/audit"


def commit(repository: Any, parent: str = "", **files: str) -> str:
    return repository.write(parent, {name: text.encode() for name, text in files.items()}, "a commit\n", ANN)


def at(remote: Any, *refs: str) -> Mapping[str, str]:
    return remote.refs(list(refs) or ["refs/*"])


class TestPush:
    def test_a_first_create_lands_and_a_second_is_refused(self, shared: Any) -> None:  # A1
        (ann, to_ann), (bob, to_bob) = shared.clone(), shared.clone()
        first, second = commit(ann, lock="ann"), commit(bob, lock="bob")
        assert to_ann.push([RefUpdate(LOCK, ZERO, first)]) is Pushed.ACCEPTED
        assert to_bob.push([RefUpdate(LOCK, ZERO, second)]) is Pushed.REJECTED
        assert at(to_bob, LOCK) == {LOCK: first}

    def test_of_many_creating_at_once_exactly_one_wins(self, shared: Any) -> None:
        clones = [shared.clone() for _ in range(4)]
        made = [commit(repository, lock=str(number)) for number, (repository, _) in enumerate(clones)]
        start, told = Barrier(len(clones)), [Pushed.UNKNOWN] * len(clones)

        def race(number: int) -> None:
            start.wait()
            told[number] = clones[number][1].push([RefUpdate(LOCK, ZERO, made[number])])

        threads = [Thread(target=race, args=(number,)) for number in range(len(clones))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winner = at(clones[0][1], LOCK)[LOCK]
        assert [oid for oid, outcome in zip(made, told, strict=True) if outcome is Pushed.ACCEPTED] == [winner]

    def test_a_create_in_the_window_of_another_is_not_overwritten(self, shared: Any) -> None:  # A4
        (ann, to_ann), (bob, to_bob) = shared.clone(), shared.clone()
        mine, rival = commit(ann, lock="ann"), commit(bob, lock="bob")
        to_bob.push([RefUpdate("refs/heads/parked", ZERO, rival)])
        shared.steal(LOCK, rival)
        assert to_ann.push([RefUpdate(LOCK, ZERO, mine)]) is Pushed.UNKNOWN
        assert at(to_ann, LOCK) == {LOCK: rival}

    def test_a_lost_compare_and_swap_moves_nothing(self, shared: Any) -> None:  # A13
        (ann, to_ann), (bob, to_bob) = shared.clone(), shared.clone()
        base = commit(ann, lock="0")
        to_ann.push([RefUpdate(LOCK, ZERO, base)])
        to_bob.fetch({LOCK: "refs/provisioning/ledger/shop"})
        newer, stale = commit(bob, base, lock="bob"), commit(ann, base, lock="ann")
        assert to_bob.push([RefUpdate(LOCK, base, newer)]) is Pushed.ACCEPTED
        assert to_ann.push([RefUpdate(LOCK, base, stale)]) is Pushed.REJECTED
        assert at(to_ann, LOCK) == {LOCK: newer}

    def test_several_refs_move_together(self, shared: Any) -> None:  # A12
        repository, remote = shared.clone()
        tips = {ref: commit(repository, name=ref) for ref in (AUDIT, MAIN, LOCK)}
        assert remote.push([RefUpdate(ref, ZERO, oid) for ref, oid in tips.items()]) is Pushed.ACCEPTED
        assert at(remote) == dict(sorted(tips.items()))

    def test_several_refs_stay_together_when_one_was_moved_before(self, shared: Any) -> None:  # A5b
        (ann, to_ann), (bob, to_bob) = shared.clone(), shared.clone()
        rival = commit(bob, lock="bob")
        to_bob.push([RefUpdate(LOCK, ZERO, rival)])
        updates = [RefUpdate(MAIN, ZERO, commit(ann, a="1")), RefUpdate(LOCK, ZERO, commit(ann, lock="ann"))]
        assert to_ann.push(updates) is Pushed.REJECTED
        assert at(to_ann) == {LOCK: rival}

    def test_several_refs_stay_together_when_one_is_moved_in_the_window(self, shared: Any) -> None:  # A6, A15
        (ann, to_ann), (bob, to_bob) = shared.clone(), shared.clone()
        held, main = commit(ann, lock="ann"), commit(ann, a="1")
        to_ann.push([RefUpdate(LOCK, ZERO, held), RefUpdate(MAIN, ZERO, main)])
        to_bob.fetch({LOCK: LOCK})
        stolen = commit(bob, held, lock="bob")
        to_bob.push([RefUpdate("refs/heads/parked", ZERO, stolen)])
        shared.steal(LOCK, stolen)
        updates = [RefUpdate(MAIN, main, commit(ann, main, a="2")), RefUpdate(LOCK, held, commit(ann, held, lock="ann 2"))]
        assert to_ann.push(updates) is Pushed.UNKNOWN
        assert at(to_ann, LOCK, MAIN) == {LOCK: stolen, MAIN: main}

    def test_another_ref_may_have_to_be_where_it_was(self, shared: Any) -> None:
        (ann, to_ann), (bob, to_bob) = shared.clone(), shared.clone()
        held, told = commit(ann, lock="ann"), commit(ann, head="1")
        assert to_ann.push([RefUpdate(LOCK, ZERO, held), RefUpdate(AUDIT, ZERO, told)]) is Pushed.ACCEPTED
        second = commit(ann, held, lock="ann 2")
        assert to_ann.push([RefUpdate(LOCK, held, second)], {AUDIT: told}) is Pushed.ACCEPTED
        to_bob.fetch({AUDIT: AUDIT})
        moved = commit(bob, told, head="2")
        assert to_bob.push([RefUpdate(AUDIT, told, moved)]) is Pushed.ACCEPTED
        third = commit(ann, second, lock="ann 3")
        assert to_ann.push([RefUpdate(LOCK, second, third)], {AUDIT: told}) is Pushed.REJECTED
        assert at(to_ann, LOCK, AUDIT) == {LOCK: second, AUDIT: moved}
        to_ann.fetch({AUDIT: AUDIT})
        assert to_ann.push([RefUpdate(LOCK, second, third)], {AUDIT: moved}) is Pushed.ACCEPTED
        assert at(to_ann, LOCK, AUDIT) == {LOCK: third, AUDIT: moved}

    def test_a_ref_that_is_gone_is_not_where_it_was(self, shared: Any) -> None:
        repository, remote = shared.clone()
        held, told = commit(repository, lock="ann"), commit(repository, head="1")
        assert remote.push([RefUpdate(LOCK, ZERO, held)]) is Pushed.ACCEPTED
        assert remote.push([RefUpdate(LOCK, held, commit(repository, held, lock="2"))], {AUDIT: told}) is Pushed.REJECTED
        assert at(remote) == {LOCK: held}

    @pytest.mark.parametrize("nowhere", ["", ZERO])
    def test_what_is_to_be_unmoved_is_a_commit(self, shared: Any, nowhere: str) -> None:
        """To git an empty one would be the order to delete it."""
        repository, remote = shared.clone()
        told, held = commit(repository, head="1"), commit(repository, lock="ann")
        remote.push([RefUpdate(AUDIT, ZERO, told)])
        with pytest.raises(GitError, match="has to be there"):
            remote.push([RefUpdate(LOCK, ZERO, held)], {AUDIT: nowhere})
        assert at(remote) == {AUDIT: told}

    def test_a_ref_left_where_it_is_is_refused_as_it_fences_nothing(self, shared: Any) -> None:  # A5
        repository, remote = shared.clone()
        held = commit(repository, lock="ann")
        remote.push([RefUpdate(LOCK, ZERO, held)])
        with pytest.raises(GitError, match="must move"):
            remote.push([RefUpdate(LOCK, held, held), RefUpdate(MAIN, ZERO, commit(repository, a="1"))])
        assert at(remote) == {LOCK: held}

    def test_nothing_is_deleted_or_rewound(self, shared: Any) -> None:  # A7, A14
        repository, remote = shared.clone()
        old = commit(repository, lock="1")
        new = commit(repository, old, lock="2")
        remote.push([RefUpdate(LOCK, ZERO, new)])
        for target in (ZERO, old, commit(repository, lock="another root")):
            with pytest.raises(GitError):
                remote.push([RefUpdate(LOCK, new, target)])
        assert at(remote, LOCK) == {LOCK: new}

    def test_equal_commits_of_two_clones_are_no_win_for_the_second(self, shared: Any) -> None:  # A2
        (ann, to_ann), (bob, to_bob) = shared.clone(), shared.clone()
        assert commit(ann, lock="same") == (same := commit(bob, lock="same"))
        assert to_ann.push([RefUpdate(LOCK, ZERO, same)]) is Pushed.ACCEPTED
        assert to_bob.push([RefUpdate(LOCK, ZERO, same)]) is not Pushed.ACCEPTED

    def test_an_unreachable_remote_leaves_a_push_unknown_and_a_read_an_error(self, shared: Any) -> None:
        repository, _ = shared.clone()
        gone = shared.unreachable(repository)
        assert gone.push([RefUpdate(LOCK, ZERO, commit(repository, lock="1"))]) is Pushed.UNKNOWN
        for read in (lambda: gone.refs([LOCK]), lambda: gone.fetch({LOCK: LOCK})):
            with pytest.raises(GitError) as error:
                read()
            assert error.value.kind == "unreachable"

    def test_a_remote_that_may_only_be_read_says_so(self, shared: Any) -> None:
        (ann, to_ann), (bob, _) = shared.clone(), shared.clone()
        first = commit(ann, lock="1")
        to_ann.push([RefUpdate(LOCK, ZERO, first)])
        reader = shared.denied(bob)
        assert reader.fetch({LOCK: LOCK}) == {LOCK: first}
        with pytest.raises(GitError, match="does not allow this push") as error:
            reader.push([RefUpdate(LOCK, first, commit(bob, first, lock="2"))])
        assert error.value.kind == "denied"
        assert at(to_ann, LOCK) == {LOCK: first}


class TestFetch:
    def test_brings_objects_and_moves_local_refs_wherever_they_were(self, shared: Any) -> None:
        (ann, to_ann), (bob, to_bob) = shared.clone(), shared.clone()
        first = commit(ann, **{"state/a": "1"})
        second = commit(ann, first, **{"state/a": "2"})
        to_ann.push([RefUpdate(LOCK, ZERO, second)])
        bob.set_ref("refs/provisioning/seen", commit(bob, other="1"))
        assert to_bob.fetch({LOCK: "refs/provisioning/seen"}) == {"refs/provisioning/seen": second}
        assert bob.local("refs/provisioning") == {"refs/provisioning/seen": second}
        assert [found.oid for found in bob.history(second)] == [second, first]
        assert bob.entries(first, recursive=True) == ann.entries(first, recursive=True)

    def test_leaves_out_what_the_remote_has_not(self, shared: Any) -> None:
        (ann, to_ann), (bob, to_bob) = shared.clone(), shared.clone()
        assert to_bob.fetch({LOCK: LOCK, MAIN: MAIN}) == {}
        to_ann.push([RefUpdate(LOCK, ZERO, first := commit(ann, lock="1"))])
        assert to_bob.fetch({LOCK: LOCK, AUDIT: AUDIT}) == {LOCK: first}
        assert bob.local("refs/heads") == {LOCK: first}

    def test_of_nothing_asks_nothing(self, shared: Any) -> None:
        assert shared.unreachable(shared.clone()[0]).fetch({}) == {}

    def test_refs_are_matched_by_full_name_or_glob(self, shared: Any) -> None:
        repository, remote = shared.clone()
        tip = commit(repository, a="1")
        names = [LOCK, f"refs/heads/x/{LOCK}", "refs/tags/frozen/shop/1"]
        remote.push([RefUpdate(name, ZERO, tip) for name in names])
        assert [*at(remote, LOCK)] == [LOCK]
        assert [*at(remote, "refs/heads/provisioning/*", "refs/tags/frozen/*")] == [LOCK, "refs/tags/frozen/shop/1"]


class TestObjects:
    def test_equal_writes_have_the_ids_that_git_gives(self, repository: Any) -> None:
        files = {"a/b": b"x", "a.b": b"y", "a0": b"", "\u00fc ber": b"z"}
        assert repository.write("", files, "subject\n\nbody\n", ANN) == "8b6b3747a102c43d711beb51cf66fe76fab15f35"

    def test_a_commit_is_read_back(self, repository: Any) -> None:
        root = repository.write("", {"a": b"1"}, "one\n\nProvisioning-Run: r1\n", ANN)
        tip = repository.write(root, {"a": b"2"}, "two", Person("B\u00f6b", "bob@example.org", 5))
        found = repository.commit(tip)
        assert (found.oid, found.parents, found.message, found.signed) == (tip, (root,), "two", False)
        assert found.author == Person("B\u00f6b", "bob@example.org", 5)
        assert repository.commit(root).message == "one\n\nProvisioning-Run: r1\n"

    def test_a_commit_on_several_has_the_tree_of_the_first(self, repository: Any) -> None:
        one, two, three = (commit(repository, a=text) for text in "123")
        tip = repository.write(one, {"b": b"4"}, "m", ANN, others=(two, three))
        assert repository.commit(tip).parents == (one, two, three)
        assert sorted(repository.blobs(e.oid for e in repository.entries(tip).values()).values()) == [b"1", b"4"]
        assert all(repository.contains(tip, oid) for oid in (one, two, three))
        assert [found.oid for found in repository.history(tip)] == [tip, one]

    @pytest.mark.parametrize("oid", ["f" * 40, "main", "--output=x", "f" * 39, "HEAD\n"])
    def test_what_is_not_there_is_missing(self, repository: Any, oid: str) -> None:
        for read in (
            lambda: repository.commit(oid),
            lambda: repository.entries(oid),
            lambda: repository.blobs([oid]),
            lambda: repository.sizes([oid]),
            lambda: repository.history(oid),
            lambda: repository.write("", {"a": oid}, "m", ANN),
            lambda: repository.write(oid, {"a": b""}, "m", ANN),
            lambda: repository.write(commit(repository, a="1"), {}, "m", ANN, others=(oid,)),
        ):
            with pytest.raises(GitError) as error:
                read()
            assert error.value.kind == "missing"

    def test_history_is_first_parents_down_to_a_stop_or_limit(self, repository: Any) -> None:
        chain = [commit(repository, a="0")]
        for number in range(1, 5):
            chain.append(commit(repository, chain[-1], a=str(number)))
        newest = chain[::-1]
        assert [found.oid for found in repository.history(chain[-1])] == newest
        assert [found.oid for found in repository.history(chain[-1], stop=chain[1])] == newest[:3]
        assert [found.oid for found in repository.history(chain[-1], limit=2)] == newest[:2]
        assert repository.history("") == []

    def test_entries_of_a_folder_and_of_all_below(self, repository: Any) -> None:
        tip = commit(repository, **{"a/b/c": "1", "a/d": "2", "e": "3"})
        assert {name: entry.mode for name, entry in repository.entries(tip).items()} == {"a": "040000", "e": "100644"}
        assert [*repository.entries(tip, "a/b")] == ["c"]
        assert [*repository.entries(tip, recursive=True)] == ["a/b/c", "a/d", "e"]
        assert [*repository.entries(tip, "a", recursive=True)] == ["b/c", "d"]
        assert repository.entries(tip, "e") == repository.entries(tip, "x/y") == {}
        assert repository.entries(repository.entries(tip)["a"].oid, "b") == repository.entries(tip, "a/b")

    def test_contents_and_sizes_of_many_blobs(self, repository: Any) -> None:
        files = {f"f{number}": bytes([number % 251]) * number for number in range(700)}
        entries = repository.entries(repository.write("", files, "m", ANN))
        oids = {entries[name].oid: content for name, content in files.items()}
        assert repository.blobs(oids) == oids
        assert repository.sizes(oids) == {oid: len(content) for oid, content in oids.items()}
        assert repository.blobs([]) == {}

    def test_removals_go_first_so_a_file_becomes_a_folder_and_the_reverse(self, repository: Any) -> None:
        first = commit(repository, **{"x": "file", "y/1": "folder", "z/1/2": "deep", "w": "stays"})
        second = repository.write(first, {"x/1": b"now", "x": None, "y": b"now", "y/1": None, "z/1/2": None}, "m", ANN)
        assert {path: entry.name for path, entry in repository.entries(second, recursive=True).items()} == {
            "w": "w",
            "x/1": "1",
            "y": "y",
        }
        emptied = repository.write(second, dict.fromkeys(("w", "x", "y", "never/there")), "m", ANN)
        assert repository.entries(emptied) == {}

    def test_a_folder_is_replaced_whole_when_it_is_given_and_something_below(self, repository: Any) -> None:
        first = commit(repository, **{"a/old": "1", "b/c": "2"})
        folder = repository.entries(first)["b"].oid
        second = repository.write(first, {"a/new": b"3", "a": folder}, "m", ANN)
        assert [*repository.entries(second, recursive=True)] == ["a/c", "a/new", "b/c"]

    def test_trees_and_blobs_are_grafted_and_the_whole_tree_too(self, repository: Any) -> None:
        first = commit(repository, **{"a/b": "1", "c": "2"})
        entries = repository.entries(first)
        second = repository.write(first, {"frozen/1/a": entries["a"].oid, "d": entries["c"].oid}, "m", ANN)
        assert repository.entries(second, "frozen/1")["a"] == entries["a"]
        assert repository.entries(second)["d"].oid == entries["c"].oid
        third = repository.write(second, {"": entries["a"].oid, "new": b"3"}, "m", ANN)
        assert [*repository.entries(third)] == ["b", "new"]
        assert (
            repository.commit(repository.write(third, {"": repository.commit(first).tree}, "m", ANN)).tree
            == repository.commit(first).tree
        )

    @pytest.mark.parametrize(
        "path",
        [
            '"quoted"',
            "sp ace",
            " lead",
            "trail ",
            "new\nline",
            "tab\t",
            "back\\slash",
            "\u00fcn\u00ef",
            "\udcff",
            "-rf",
            "a/$(id)",
        ],
    )
    def test_odd_paths_survive(self, repository: Any, path: str) -> None:
        tip = repository.write("", {path: b"1", f"d/{path}": b"2"}, "m", ANN)
        assert {*repository.entries(tip, recursive=True)} == {path, f"d/{path}"}
        gone = repository.write(tip, {path: None}, "m", ANN)
        assert {*repository.entries(gone, recursive=True)} == {f"d/{path}"}

    @pytest.mark.parametrize("path", ["../x", "a/../b", ".git/config", "a/.GIT/x", "a//b", "/a", "a/", "a\0b"])
    def test_paths_that_a_checkout_would_refuse_are_refused(self, repository: Any, path: str) -> None:
        with pytest.raises(GitError, match="cannot be a path"):
            repository.write("", {path: b"1"}, "m", ANN)

    def test_an_author_cannot_end_the_field_early(self, repository: Any) -> None:
        sly = Person("x> 0 +0000\ncommitter y <", "z>\nmerge refs/heads/main", 7)
        found = repository.commit(repository.write("", {"a": b"1"}, "m", sly))
        assert found.parents == () and found.author.time == 7

    def test_differences_name_every_file_on_both_sides(self, repository: Any) -> None:
        one = repository.write("", {"a": b"1", "d/e/f": b"2", "d/x": b"3", "g": b"4", "ü\n\t": b"5"}, "m", ANN)
        edits = {"a": b"new", "d/e": None, "g": None, "g/h": b"6", "ü\n\t": b"7", "empty": b""}
        two = repository.write(one, edits, "m", ANN)
        old, new = (repository.commit(oid).tree for oid in (one, two))
        forth, none, back, first, gone = repository.differences([(old, new), (new, new), (new, old), ("", old), (old, "")])
        before, after = (repository.entries(oid, "", recursive=True) for oid in (one, two))

        def ids(side: Any) -> dict[str, str]:
            return {path: entry.oid for path, entry in side.items() if entry is not None}

        paths = {"a", "d/e/f", "g", "g/h", "ü\n\t", "empty"}
        assert set(forth) == set(back) == paths
        assert ids({p: pair[0] for p, pair in forth.items()}) == {p: e.oid for p, e in before.items() if p in paths}
        assert ids({p: pair[1] for p, pair in forth.items()}) == {p: e.oid for p, e in after.items() if p in paths}
        assert forth == {p: (new, old) for p, (old, new) in back.items()}
        assert (none, {pair[0] for pair in first.values()}, {pair[1] for pair in gone.values()}) == ({}, {None}, {None})
        assert ids({p: pair[1] for p, pair in first.items()}) == ids(before)
        assert [*repository.differences([])] == []

    def test_differences_from_a_tree_that_is_not_there_are_none_at_all(self, repository: Any) -> None:
        tree = repository.commit(commit(repository, a="1")).tree
        with pytest.raises(GitError):
            [*repository.differences([(tree, tree), ("1" * 40, tree)])]

    def test_an_unsigned_commit_verifies_for_nobody(self, repository: Any) -> None:
        assert not repository.verify(commit(repository, a="1"), ["ann@example.org ssh-ed25519 AAAA"]).good


class TestRefs:
    def test_revisions_that_people_write(self, repository: Any) -> None:
        first = commit(repository, a="1")
        second = commit(repository, first, a="2")
        repository.set_ref("refs/heads/main", second)
        repository.set_ref("refs/tags/frozen/shop/1", first)
        for revision in ("main", "HEAD", "@", "refs/heads/main", second, second[:12], "main~0"):
            assert repository.resolve(revision) == second, revision
        for revision in ("HEAD~1", "main^", "frozen/shop/1", "main^1", f"{second[:10]}~"):
            assert repository.resolve(revision) == first, revision

    @pytest.mark.parametrize(
        "revision", ["", "nope", "--output=x", "-h", "main~9", "f" * 40, "a\nb", "a\0b", "$(id)", "..", "abc"]
    )
    def test_revisions_that_mean_nothing_resolve_to_nothing(self, repository: Any, revision: str) -> None:
        repository.set_ref("refs/heads/main", commit(repository, a="1"))
        assert repository.resolve(revision) is None

    def test_an_empty_repository_has_no_head(self, repository: Any) -> None:
        assert repository.resolve("HEAD") is None
        assert repository.local("refs") == {}

    def test_local_refs_are_listed_by_whole_components(self, repository: Any) -> None:
        tip = commit(repository, a="1")
        for ref in ("refs/provisioning/ledger/a", "refs/provisioning/ledger/b", "refs/provisioning/ledgers", "refs/heads/x"):
            repository.set_ref(ref, tip)
        both = {"refs/provisioning/ledger/a": tip, "refs/provisioning/ledger/b": tip}
        assert repository.local("refs/provisioning/ledger") == repository.local("refs/provisioning/ledger/") == both
        assert repository.local("refs/provisioning/ledger/a") == {"refs/provisioning/ledger/a": tip}

    def test_a_ref_moves_only_from_where_it_was_expected(self, repository: Any) -> None:
        first, second = commit(repository, a="1"), commit(repository, a="2")
        assert repository.set_ref("refs/provisioning/x", first, ZERO)
        assert not repository.set_ref("refs/provisioning/x", second, ZERO)
        assert not repository.set_ref("refs/provisioning/x", first, second)
        assert repository.set_ref("refs/provisioning/x", second, first)
        assert repository.set_ref("refs/provisioning/x", first)
        assert repository.local("refs/provisioning") == {"refs/provisioning/x": first}

    def test_a_ref_to_nothing_is_an_error(self, repository: Any) -> None:
        with pytest.raises(GitError):
            repository.set_ref("refs/provisioning/x", "f" * 40)

    def test_contains_means_is_or_descends_from(self, repository: Any) -> None:
        first = commit(repository, a="1")
        second, other = commit(repository, first, a="2"), commit(repository, first, a="3")
        assert repository.contains(second, first) and repository.contains(second, second)
        assert not repository.contains(first, second) and not repository.contains(second, other)
        with pytest.raises(GitError) as error:
            repository.contains(second, "f" * 40)
        assert error.value.kind == "missing"

    def test_tidying_a_small_clone_does_nothing(self, repository: Any) -> None:
        commit(repository, a="1")
        assert repository.tidy() is False
