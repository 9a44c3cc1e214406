"""Frozen snapshots: what they hold, that they stay, and that nothing changed in one goes unseen."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from gitops.declare.load import Loaded, load
from gitops.git.local import GitRepository
from gitops.git.memory import MemoryRemote, MemoryRepository, MemoryServer
from gitops.git.remote import GitRemote
from gitops.ports import ZERO, GitError, Person, Pushed, RefUpdate
from gitops.release import Snapshot, evaluates_otherwise, freeze, snapshot, snapshots, trusted, verify
from gitops.schema.workspace import Identity
from gitops.stops import Exit, Stop
from planners.canonical import digest_bytes, encode
from planners.catalog import KindSpec, ProviderSpec

PROVIDERS = {
    "fake": ProviderSpec("fake", "7", MappingProxyType({k: KindSpec() for k in ("server", "network")}), needs_zone=False)
}
WHO = Person("Ann", "ann@example.org")
NOW = 1_800_000_000.5
WORKSPACE = "0123456789abcdef"
WORDS = {
    "workspace.yaml": f"format: 1\nid: {WORKSPACE}\nname: test\n",
    "templates/defaults.yaml": "settings: {labels: {team: web}}\n",
    "environments/dev.yaml": "class: dev\n",
    "extensions/taskservs/web/manifest.yaml": "name: web\nversion: 1.2.0\nrequires: [runtime]\n",
    "extensions/taskservs/runtime/manifest.yaml": "name: runtime\nversion: 3.0.0\n",
    "secrets/_shared.enc.yaml": "mail: {password: 'ENC[x]'}\nsops: {}\n",
    "infra/shop/main.yaml": "settings: {provider: fake}\nservers: {web-01: {taskservs: [web]}}\n",
    "infra/shop/secrets.enc.yaml": "db: {password: 'ENC[y]'}\nsops: {}\n",
    "infra/forum/main.yaml": "settings: {provider: fake}\n",
    "README.md": "not read by any evaluation\n",
}


class Desk:
    """One clone of the shared server."""

    def __init__(self, server: MemoryServer, signer: str = "") -> None:
        self.repository: MemoryRepository
        self.remote: MemoryRemote
        self.repository, self.remote = server.clone(signer)

    def commit(self, parent: str = "", **files: str) -> str:
        given = files or WORDS
        return self.repository.write(parent, {p: t.encode() for p, t in given.items()}, "declare", WHO)

    def load(self, treeish: str) -> Loaded:
        loaded = load(self.repository, treeish, "shop", PROVIDERS)
        assert isinstance(loaded, Loaded), list(loaded)
        return loaded

    def freeze(self, commit: str, version: str, now: float = NOW, sign: bool = False) -> Snapshot:
        return freeze(self.repository, self.remote, self.load(commit), commit, version, WHO, now, sign)

    def find(self, version: str, infra: str = "shop", workspace: str = WORKSPACE) -> Snapshot:
        return snapshot(self.repository, self.remote, workspace, infra, version)

    def text(self, found: Snapshot, path: str) -> bytes:
        folder, _, name = f"{found.root}/{path}".rpartition("/")
        oid = self.repository.entries(found.commit, folder)[name].oid
        return self.repository.blobs([oid])[oid]


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer()


@pytest.fixture
def desk(server: MemoryServer) -> Desk:
    return Desk(server)


def test_a_snapshot_is_found_by_another_clone(desk: Desk, server: MemoryServer) -> None:
    made = desk.freeze(desk.commit(), "v1")
    assert server.refs == {"refs/tags/frozen/shop/v1": made.commit}
    other = Desk(server)
    assert other.find("v1") == made
    assert (made.environment, made.workspace, made.by, made.created) == ("dev", WORKSPACE, "Ann <ann@example.org>", int(NOW))


def test_it_holds_exactly_what_an_evaluation_reads(desk: Desk) -> None:
    commit = desk.commit()
    made = desk.freeze(commit, "v1")
    declared = desk.repository.entries(made.declarations, "", recursive=True)
    assert sorted(declared) == sorted(WORDS.keys() - {"README.md", "infra/forum/main.yaml"})
    assert sorted(desk.repository.entries(made.commit, made.root)) == [
        "declarations",
        "evaluated",
        "extensions",
        "lockfile",
        "manifest.json",
    ]
    assert desk.repository.commit(made.commit).parents == ()


def test_freezing_points_at_trees_that_exist(desk: Desk) -> None:
    commit = desk.commit()
    before = set(desk.repository.objects)
    made = desk.freeze(commit, "v1")
    top, frozen = desk.repository.entries(commit), desk.repository.entries(made.declarations)
    for name in ("templates", "environments", "extensions", "secrets", "workspace.yaml"):
        assert frozen[name] == top[name]
    new = [desk.repository.objects[oid][0] for oid in desk.repository.objects.keys() - before]
    assert new.count("blob") == len(("infra", "server", "web", "runtime", "lockfile", "manifest"))


def test_it_evaluates_to_the_same_without_its_sources(desk: Desk, server: MemoryServer) -> None:
    loaded = desk.load(commit := desk.commit())
    desk.freeze(commit, "v1")
    other = Desk(server)
    found = other.find("v1")
    again = other.load(found.declarations)
    assert (again.desired, again.inputs, again.catalog) == (loaded.desired, loaded.inputs, loaded.catalog)
    with pytest.raises(GitError):
        other.repository.commit(commit)
    assert verify(other.repository, found) == ()
    assert evaluates_otherwise(other.repository, found, again) == ()


def test_what_came_of_the_declaration_is_kept_with_what_is_implied(desk: Desk) -> None:
    made = desk.freeze(desk.commit(), "v1")
    kept = desk.repository.entries(made.commit, f"{made.root}/evaluated", recursive=True)
    assert [*kept] == ["infra.json", "server/web-01.json", "taskserv/web-01/runtime.json", "taskserv/web-01/web.json"]
    web = json.loads(desk.text(made, "evaluated/taskserv/web-01/web.json"))
    assert ["taskserv/web-01/runtime", True, ""] in web["depends_on"]
    assert json.loads(desk.text(made, "evaluated/taskserv/web-01/runtime.json"))["implied_by"] == "taskserv/web-01/web"
    assert json.loads(desk.text(made, "evaluated/server/web-01.json"))["declared"]["labels"] == {"team": "web"}


def test_the_lockfile_names_digests_and_versions(desk: Desk) -> None:
    loaded = desk.load(commit := desk.commit())
    lock = json.loads(desk.text(desk.freeze(commit, "v1"), "lockfile"))
    assert lock["inputs"] == loaded.inputs
    assert lock["taskservs"]["web"] == {"version": "1.2.0", "digest": loaded.catalog.taskservs["web"].digest}
    assert lock["providers"] == {"fake": "7"}


def test_the_manifest_has_the_digest_of_every_file(desk: Desk) -> None:
    made = desk.freeze(desk.commit(), "v1")
    files = json.loads(desk.text(made, "manifest.json"))["files"]
    text = WORDS["infra/shop/main.yaml"].encode()
    assert files["declarations/infra/shop/main.yaml"] == ["100644", digest_bytes("file", text)]
    assert set(made.parts) == {"declarations", "evaluated", "extensions", "lockfile"}


def test_no_secret_is_in_what_was_made_of_it(desk: Desk) -> None:
    files = {
        "infra/shop/main.yaml": "settings: {provider: fake}\nservers: {web-01: {taskservs: [{name: web, config: {p: 'secret://shop/db/password'}}]}}\n"
    }
    commit = desk.commit(desk.commit(), **files)
    made = desk.freeze(commit, "v1")
    assert b"secret://shop/db/password" in desk.text(made, "evaluated/taskserv/web-01/web.json")
    assert b"ENC" not in desk.text(made, "evaluated/taskserv/web-01/web.json") + desk.text(made, "lockfile")


# --- names and versions ----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["", "-v1", "a/b", "a..b", "v1.lock", "v1.", "v 1", "é", "x" * 64, "v1\n"])
def test_what_cannot_be_the_name_of_a_tag_is_refused(desk: Desk, server: MemoryServer, version: str) -> None:
    with pytest.raises(Stop) as stopped:
        desk.freeze(desk.commit(), version)
    assert (stopped.value.code, stopped.value.message) == (Exit.USAGE, f"'{version}' cannot be the name of a snapshot")
    assert server.refs == {}


@pytest.mark.parametrize(
    ("taken", "version", "free"),
    [
        (("v1",), "v1", "v2"),
        (("prod-v9", "prod-v10"), "prod-v9", "prod-v11"),
        (("spring",), "spring", "spring-1"),
        (("2026-11-24-prod-v1",), "2026-11-24-prod-v1", "2026-11-24-prod-v2"),
    ],
)
def test_a_version_that_exists_never_changes(
    desk: Desk, server: MemoryServer, taken: tuple[str, ...], version: str, free: str
) -> None:
    commit = desk.commit()
    for name in taken:
        desk.freeze(commit, name)
    before = dict(server.refs)
    with pytest.raises(Stop) as stopped:
        desk.freeze(desk.commit(commit, **{"README.md": "changed"}), version)
    assert (stopped.value.code, stopped.value.message, stopped.value.hint) == (
        Exit.USAGE,
        f"snapshot '{version}' of 'shop' exists and never changes",
        f"choose another version, such as {free}",
    )
    assert server.refs == before


def test_of_two_who_freeze_the_same_version_one_is_told(desk: Desk, server: MemoryServer) -> None:
    def rival(updates: Any) -> None:
        server.before = None
        other = Desk(server)
        other.freeze(other.commit(), "v1", now=1)

    server.before = rival
    with pytest.raises(Stop) as stopped:
        desk.freeze(desk.commit(), "v1")
    assert stopped.value.message == "snapshot 'v1' of 'shop' exists and never changes"
    assert Desk(server).find("v1").created == 1


def test_a_lost_answer_is_settled_by_reading(desk: Desk, server: MemoryServer) -> None:
    server.after = lambda updates, outcome: Pushed.UNKNOWN
    made = desk.freeze(desk.commit(), "v1")
    assert server.refs["refs/tags/frozen/shop/v1"] == made.commit


def test_a_push_that_did_not_arrive_is_a_failure(desk: Desk, server: MemoryServer) -> None:
    server.before = lambda updates: Pushed.UNKNOWN
    with pytest.raises(Stop) as stopped:
        desk.freeze(desk.commit(), "v1")
    assert (stopped.value.code, stopped.value.message) == (Exit.FAILURE, "snapshot 'v1' of 'shop' could not be pushed")


def test_what_cannot_be_planned_is_not_frozen(desk: Desk, server: MemoryServer) -> None:
    files = {"extensions/taskservs/runtime/manifest.yaml": "name: runtime\nversion: 3.0.0\nrequires: [web]\n"}
    commit = desk.commit(desk.commit(), **files)
    with pytest.raises(Stop) as stopped:
        desk.freeze(commit, "v1")
    assert (stopped.value.code, stopped.value.message) == (Exit.INVALID, "infra 'shop' cannot be planned")
    assert [p.code for p in stopped.value.problems] == ["dependency-cycle"]
    assert server.refs == {}


# --- finding ---------------------------------------------------------------------------------------------


def test_snapshots_are_listed_newest_first(desk: Desk, server: MemoryServer) -> None:
    commit = desk.commit()
    for version, now in (("a", 5), ("c", 7), ("b", 6)):
        desk.freeze(commit, version, now=now)
    other = Desk(server)
    assert [s.version for s in snapshots(other.repository, other.remote, WORKSPACE)] == ["c", "b", "a"]
    assert [s.version for s in snapshots(other.repository, other.remote, WORKSPACE, "shop")] == ["c", "b", "a"]
    assert snapshots(other.repository, other.remote, WORKSPACE, "forum") == ()


def test_one_that_is_not_there_names_those_that_are(desk: Desk) -> None:
    with pytest.raises(Stop) as stopped:
        desk.find("v1")
    assert (stopped.value.code, stopped.value.hint) == (
        Exit.NOT_FOUND,
        "'provisioning workspace freeze -i shop --version V' makes one",
    )
    desk.freeze(desk.commit(), "v1")
    with pytest.raises(Stop, match="there is no snapshot 'v2' of 'shop'") as stopped:
        desk.find("v2")
    assert stopped.value.hint == "there are: v1"


def test_a_tag_that_was_moved_is_named_and_not_used(desk: Desk, server: MemoryServer) -> None:
    made = desk.freeze(desk.commit(), "v1")
    other = Desk(server)
    other.find("v1")
    server.refs["refs/tags/frozen/shop/v1"] = desk.freeze(made.source_commit, "v2").commit
    for clone in (desk, other):
        with pytest.raises(Stop) as stopped:
            clone.find("v1")
        assert stopped.value.code is Exit.FAILURE
        assert stopped.value.message.startswith("the tag frozen/shop/v1 was moved at the remote: this clone saw ")
    with pytest.raises(Stop) as stopped:
        Desk(server).find("v1")
    assert stopped.value.message == "the tag frozen/shop/v1 is no snapshot"


def tag(desk: Desk, oid: str, version: str) -> None:
    assert desk.remote.push([RefUpdate(f"refs/tags/frozen/shop/{version}", ZERO, oid)]) is Pushed.ACCEPTED


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"workspace": "another-one"}, "snapshot 'v9' of 'shop' was made in another workspace, another-one"),
        ({"infra": "forum"}, "the tag frozen/shop/v9 holds snapshot 'v9' of 'forum'"),
        ({"format": 3}, "snapshot 'v9' of 'shop' has format 3 and this version reads 2"),
        ({"format": 1}, "snapshot 'v9' of 'shop' has format 1 and this version reads 2"),
        ({"parts": None}, "the tag frozen/shop/v9 is no snapshot"),
    ],
)
def test_a_tag_that_is_no_snapshot_of_ours_is_refused(desk: Desk, change: Mapping[str, Any], told: str) -> None:
    made = desk.freeze(desk.commit(), "v1")
    manifest = {**json.loads(desk.text(made, "manifest.json")), "version": "v9", **change}
    files: dict[str, bytes | str] = {".frozen/v9": desk.repository.entries(made.commit, ".frozen")["v1"].oid}
    tag(desk, desk.repository.write("", {**files, ".frozen/v9/manifest.json": encode(manifest)}, "forged", WHO), "v9")
    with pytest.raises(Stop) as stopped:
        desk.find("v9")
    assert stopped.value.message == told


def test_any_other_tag_there_is_told_too(desk: Desk) -> None:
    tag(desk, desk.commit(), "v9")
    with pytest.raises(Stop, match="the tag frozen/shop/v9 is no snapshot"):
        snapshots(desk.repository, desk.remote, WORKSPACE)


# --- verifying -------------------------------------------------------------------------------------------


def altered(desk: Desk, made: Snapshot, parent: str = "", **edits: bytes | None) -> Snapshot:
    """``made`` with other files, as somebody would make it who can write objects and move the tag before we saw it."""
    tree: dict[str, bytes | str | None] = {"": desk.repository.commit(made.commit).tree}
    whole = {**tree, **{path: data for path, data in edits.items() if data is not None}}
    oid = desk.repository.write(parent, whole, "altered", WHO)
    if gone := {path: None for path, data in edits.items() if data is None}:
        oid = desk.repository.write("", {"": desk.repository.commit(desk.repository.write(oid, gone, "", WHO)).tree}, "", WHO)
    declarations = desk.repository.entries(oid, made.root)["declarations"].oid
    return replace(made, commit=oid, declarations=declarations)


@pytest.mark.parametrize(
    ("path", "data", "told"),
    [
        (
            "declarations/infra/shop/main.yaml",
            b"settings: {provider: fake}\n",
            "declarations/infra/shop/main.yaml is not what it was",
        ),
        ("declarations/infra/shop/more.yaml", b"x", "declarations/infra/shop/more.yaml does not belong to it"),
        ("evaluated/server/web-01.json", b"{}", "evaluated/server/web-01.json is not what it was"),
        ("evaluated/server/web-01.json", None, "evaluated/server/web-01.json is missing"),
        ("extensions/taskservs/web/scripts/install", b"evil", "extensions/taskservs/web/scripts/install does not belong to it"),
        ("lockfile", b"{}\n", "lockfile is not what it was"),
        ("../../evil", b"x", "evil does not belong to it"),
    ],
)
def test_whatever_is_changed_is_named(desk: Desk, path: str, data: bytes | None, told: str) -> None:
    made = desk.freeze(desk.commit(), "v1")
    assert verify(desk.repository, made) == ()
    where = path.removeprefix("../../") if path.startswith("..") else f"{made.root}/{path}"
    assert told in verify(desk.repository, altered(desk, made, **{where: data}))


def test_a_manifest_that_was_brought_into_line_disagrees_with_the_rest(desk: Desk) -> None:
    made = desk.freeze(desk.commit(), "v1")
    data = b"settings: {provider: fake}\n"
    manifest = json.loads(desk.text(made, "manifest.json"))
    manifest["files"]["declarations/infra/shop/main.yaml"][1] = digest_bytes("file", data)
    edits = {f"{made.root}/declarations/infra/shop/main.yaml": data, f"{made.root}/manifest.json": encode(manifest)}
    assert verify(desk.repository, altered(desk, made, **edits)) == (
        "manifest.json does not agree with itself",
        f"declarations are not those of commit {made.source_commit[:12]}",
    )


def test_a_history_does_not_belong_to_it(desk: Desk) -> None:
    made = desk.freeze(desk.commit(), "v1")
    assert verify(desk.repository, altered(desk, made, made.source_commit)) == (
        "its commit has a history, and a snapshot has none",
    )


def test_evaluating_to_something_else_is_told(desk: Desk) -> None:
    made = desk.freeze(commit := desk.commit(), "v1")
    other = desk.commit(commit, **{"templates/defaults.yaml": "settings: {labels: {team: ops}}\n"})
    assert evaluates_otherwise(desk.repository, made, desk.load(other)) == (
        "evaluated/infra.json is not what the declarations give now",
        "evaluated/server/web-01.json is not what the declarations give now",
    )


def test_another_evaluator_may_see_it_otherwise(desk: Desk) -> None:
    made = desk.freeze(commit := desk.commit(), "v1")
    lock = {**json.loads(desk.text(made, "lockfile")), "evaluators": {"declarations": "0"}}
    older = altered(desk, made, **{f"{made.root}/lockfile": encode(lock)})
    other = desk.commit(commit, **{"templates/defaults.yaml": "settings: {labels: {team: ops}}\n"})
    assert evaluates_otherwise(desk.repository, older, desk.load(other)) == ()


ANN = Identity("ann", keys=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIann",))


@pytest.mark.parametrize(
    ("signer", "identities", "findings"),
    [
        ("identity-0", (ANN,), ()),
        ("identity-0", (), ()),
        ("identity-5", (ANN,), ("it is signed by no key of an identity in workspace.yaml",)),
    ],
)
def test_a_signature_is_checked_where_there_is_one(
    server: MemoryServer, signer: str, identities: tuple[Identity, ...], findings: tuple[str, ...]
) -> None:
    desk = Desk(server, signer)
    made = desk.freeze(desk.commit(), "v1", sign=True)
    assert verify(desk.repository, made, identities) == findings


def test_trust_comes_from_the_protected_branch_or_a_signature(server: MemoryServer) -> None:
    ann, eve = Desk(server, "identity-0"), Desk(server, "identity-5")
    head = ann.commit()
    side = ann.commit(head, **{"infra/shop/main.yaml": "settings: {provider: fake}\n"})
    plain, signed, aside = ann.freeze(head, "a"), ann.freeze(side, "b", sign=True), ann.freeze(side, "c")
    assert trusted(ann.repository, plain, (ANN,), head)
    assert trusted(ann.repository, signed, (ANN,), head)
    assert not trusted(ann.repository, signed, (), head)
    assert not trusted(ann.repository, aside, (ANN,), head)
    assert not trusted(eve.repository, eve.find("a"), (ANN,), ""), "its source is not here"
    lying = replace(aside, source_commit=head)
    assert not trusted(ann.repository, lying, (ANN,), head), "it is not what that commit has"


# --- real git --------------------------------------------------------------------------------------------


def test_over_a_real_remote_the_tag_is_immutable_and_modes_are_kept(
    meet: Callable[..., Any], file_remote: Callable[[str], Any], tmp_path: Path
) -> None:
    ann, url = meet("Ann"), file_remote("state").url
    folder = tmp_path / "work"
    folder.mkdir()
    ann.git(folder, "init", "--quiet")
    script = folder / "extensions/taskservs/web/scripts/install"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    commit = ann.write(folder, WORDS)
    repository: GitRepository = ann.open(folder)
    loaded = load(repository, commit, "shop", PROVIDERS)
    assert isinstance(loaded, Loaded)
    made = freeze(repository, GitRemote(repository.git, url), loaded, commit, "v1", WHO, NOW)
    other = tmp_path / "other"
    other.mkdir()
    ann.git(other, "init", "--quiet")
    clone = ann.open(other)
    remote = GitRemote(clone.git, url)
    found = snapshot(clone, remote, WORKSPACE, "shop", "v1")
    assert found == made
    assert clone.entries(found.declarations, "extensions/taskservs/web/scripts")["install"].mode == "100755"
    assert verify(clone, found) == ()
    again = load(clone, found.declarations, "shop", PROVIDERS)
    assert isinstance(again, Loaded) and again.desired == loaded.desired
    with pytest.raises(Stop, match="exists and never changes"):
        freeze(repository, GitRemote(repository.git, url), loaded, commit, "v1", WHO, NOW)
