"""The proof over a whole chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitops.ledger.audit import verify
from gitops.ledger.repair import OfLedger, diagnose, perform
from gitops.ports import Person

if TYPE_CHECKING:
    from .conftest import Site, World


def test_no_ledger_has_nothing_to_verify(site: Site) -> None:
    assert verify(site.repository, "", "dev", "w1").findings == ()


def test_a_whole_chain_verifies_and_says_what_it_cannot_tell(applied: World, site: Site) -> None:
    verified = verify(site.repository, applied.tip, "dev", "w1")
    assert (verified.transitions, verified.findings) == (5, ())
    assert (
        verified.not_guaranteed[0]
        == "who wrote 5 of 5 transitions: they are not signed; this clone does not know the protected branch"
    )
    assert verified.not_guaranteed[1].startswith("that nothing was cut off")


def test_a_finding_names_commit_and_path(applied: World, site: Site) -> None:
    tip = site.repository.write(applied.tip, {"state/server/web-01.json": None}, "clean up", Person("bob", "b@example.org"))
    findings = verify(site.repository, tip, "dev", "w1").findings
    assert f"{tip[:12]} inserted: state/server/web-01.json: removed by a release" in findings
    assert all(finding.startswith(tip[:12]) for finding in findings)


def test_after_junk_the_rest_of_the_chain_is_still_looked_at(applied: World, site: Site) -> None:
    bob = Person("bob", "b@example.org")
    junk = site.repository.write(applied.tip, {"lock.json": b"junk"}, "junk", bob)
    more = site.repository.write(junk, {"lock.json": None, "state": None}, "more junk", bob)
    findings = verify(site.repository, more, "dev", "w1").findings
    assert {finding.split()[0] for finding in findings} == {junk[:12], more[:12]}


@pytest.mark.parametrize(
    ("infra", "workspace", "finding"),
    [("prod", "w1", "meta.json: begun for infra 'dev'"), ("dev", "w2", "meta.json: begun for workspace w1")],
)
def test_a_ledger_of_something_else_is_a_finding(applied: World, site: Site, infra: str, workspace: str, finding: str) -> None:
    findings = verify(site.repository, applied.tip, infra, workspace).findings
    assert len(findings) == 1
    assert finding in findings[0]


def test_without_a_workspace_to_compare_nothing_is_said_about_it(applied: World, site: Site) -> None:
    assert verify(site.repository, applied.tip, "dev", "").findings == ()


@pytest.mark.parametrize("meta", [None, b"{}\n", b"junk"])
def test_a_first_commit_that_binds_nothing_is_a_finding(applied: World, site: Site, meta: bytes | None) -> None:
    first = site.repository.history(applied.tip)[-1]
    edits: dict[str, bytes | str | None] = {"": first.tree, "meta.json": meta}
    if meta is None:
        edits = {name: e.oid for name, e in site.repository.entries(first.tree).items() if name != "meta.json"}
    tip = site.repository.write("", edits, first.message, first.author)
    assert any("meta.json" in finding for finding in verify(site.repository, tip, "dev", "w1").findings)


def test_objects_that_are_missing_are_a_finding_and_no_traceback(applied: World, site: Site) -> None:
    del site.repository.objects[site.repository.history(applied.tip)[2].tree]
    findings = verify(site.repository, applied.tip, "dev", "w1").findings
    assert len(findings) == 1
    assert "the chain cannot be read whole" in findings[0]


def test_a_clone_that_saw_nothing_of_it_verifies_as_well(applied: World) -> None:
    repository, remote = applied.server.clone()
    ref = "refs/heads/provisioning/ledger/dev"
    remote.fetch({ref: ref})
    assert verify(repository, repository.refs[ref], "dev", "w1").findings == ()


def test_a_repair_is_no_finding_and_is_told(applied: World, site: Site) -> None:
    good, writer = applied.tip, site.ledger.writer
    junk = site.repository.write(good, {"README.md": b"hello"}, "hello", Person("bob", "b@example.org"))
    applied.server.objects |= site.repository.objects
    applied.server.refs[writer.chain.ref] = junk
    found = diagnose(OfLedger(writer))
    assert found.remedy is not None
    tip = perform(OfLedger(writer), found, found.remedy, "a stray push")
    verified = verify(site.repository, tip, "dev", "w1")
    assert verified.findings == ()
    assert verified.noted == (f"{tip[:12]} is a repair by ann: it continues {good[:12]} and gives up 1 commit",)
