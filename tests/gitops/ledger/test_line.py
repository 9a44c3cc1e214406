"""Which transition each commit continues."""

from __future__ import annotations

from gitops.git.memory import MemoryRepository
from gitops.ledger.line import cited, continued, here, line
from gitops.ports import Person

ANN = Person("ann", "ann@example.org", 1)


def put(repository: MemoryRepository, parent: str = "", continues: str = "", text: str = "x") -> str:
    trailer = f"\n\nProvisioning-Token: 1\nProvisioning-Continues: {continues}\n" if continues else ""
    return repository.write(parent, {"a": text.encode()}, f"m{trailer}", ANN)


def oids(repository: MemoryRepository, tip: str, stop: str = "", limit: int = 0) -> list[str]:
    return [commit.oid for commit in line(repository, tip, stop, limit)]


def test_a_line_is_the_first_parents_where_nothing_else_is_said() -> None:
    repository = MemoryRepository()
    one = put(repository)
    two = put(repository, one)
    assert oids(repository, two) == [two, one]
    assert (oids(repository, two, one), oids(repository, two, "", 1), oids(repository, "")) == ([two], [two], [])
    assert [continued(repository.commit(oid)) for oid in (two, one)] == [one, ""]


def test_it_leaves_out_what_a_commit_says_it_does_not_continue() -> None:
    repository = MemoryRepository()
    one = put(repository)
    good = put(repository, one)
    junk = put(repository, put(repository, good, text="j"), text="k")
    mended = put(repository, junk, good)
    after = put(repository, mended)
    assert oids(repository, after) == [after, mended, good, one]
    assert oids(repository, after, good) == [after, mended]
    assert oids(repository, after, "", 3) == [after, mended, good]
    assert cited(repository.commit(mended)) == good


def test_it_ends_at_what_is_not_here() -> None:
    repository = MemoryRepository()
    tip = put(repository, put(repository), "f" * 40)
    assert oids(repository, tip) == [tip]
    assert here(repository, tip)
    assert not here(repository, "f" * 40)


def test_what_is_no_id_is_no_citation() -> None:
    repository = MemoryRepository()
    one = put(repository)
    two = put(repository, one, "HEAD")
    assert cited(repository.commit(two)) == ""
    assert oids(repository, two) == [two, one]
