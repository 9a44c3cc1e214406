"""References in values: what is one, what is wrong with it, and what it leads to."""

from __future__ import annotations

import pytest

from gitops.declare.documents import Document, unmarked
from gitops.declare.references import KINDS, Known, Uses, dangling, missing_secrets, uses
from gitops.declare.yaml_text import parse
from planners.model import Dependency
from planners.problems import NOWHERE


def of(text: str) -> Uses:
    return uses(unmarked({"a": text}, NOWHERE))


@pytest.mark.parametrize(
    ("text", "address", "output"),
    [
        ("${server/web-01.private_ip}", "server/web-01", "private_ip"),
        ("http://${server/web-01.private_ip}:80/", "server/web-01", "private_ip"),
        ("${taskserv/web-01/postgres.url}", "taskserv/web-01/postgres", "url"),
        ("${dns/web.example.org.name}", "dns/web.example.org", "name"),
    ],
)
def test_a_reference_names_an_address_and_an_output(text: str, address: str, output: str) -> None:
    found = of(text)
    assert [(u.address, u.output) for u in found.outputs] == [(address, output)]
    assert found.dependencies() == (Dependency(address, output=output),)
    assert not found.problems


@pytest.mark.parametrize("text", ["${HOME}", "$${x}", "${var.name}", "${ok", "{{ jinja }}", "$(date)", "${servers.x}", ""])
def test_other_people_s_syntax_is_left_alone(text: str) -> None:
    assert of(text) == Uses((), (), ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${server.web-01.ip}", "'${server.web-01.ip}' is not a reference"),
        ("${server/web-01}", "'${server/web-01}' is not a reference"),
        ("${server/web-01.ip", "'${server/web-01.ip' is not a reference"),
        ("${serve/web-01.ip}", "'${serve/web-01.ip}' names no kind of resource"),
        ("secret://shop", "'secret://shop' is not a secret reference"),
        ("see secret://shop/db/password", "'see secret://shop/db/password' is not a secret reference"),
    ],
)
def test_what_was_meant_as_one_is_told(text: str, message: str) -> None:
    assert [p.message for p in of(text).problems] == [message]


def test_all_references_of_a_value_are_found_with_their_places() -> None:
    document = parse("f", b"a: ['${server/a.ip}', '${server/b.ip},${server/a.ip}']\nb: {c: 'secret://shop/db/pw'}\n")
    assert isinstance(document, Document)
    found = uses(document)
    assert [(u.address, u.where.column) for u in found.outputs] == [("server/a", 5), ("server/b", 23), ("server/a", 23)]
    assert [(s.scope, s.domain, s.name, s.where.line) for s in found.secrets] == [("shop", "db", "pw", 2)]
    assert found.dependencies() == (Dependency("server/a", output="ip"), Dependency("server/b", output="ip"))


def test_what_may_be_there_is_not_called_missing() -> None:
    known = Known({"server/a"}, {"server/b"}, {"etcd"})
    there = ["server/a", "server/b", "taskserv/a/etcd", "taskserv/b/anything"]
    missing = ["server/c", "taskserv/a/redis", "taskserv/c/etcd", "network/a"]
    assert [a for a in (*there, *missing) if known.may_hold(a)] == there
    assert known.near("server/x") == ["server/a"]
    told = list(dangling(of("${server/aa.ip}"), "server/z", known))
    assert [(p.code, p.hint) for p in told] == [("reference-to-nothing", "did you mean 'server/a'?")]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("secret://bank/db/pw", "use secret://shop/... or secret://_shared/..."),
        ("secret://_shared/db/pw", "make it with sops"),
        ("secret://shop/db/pws", "did you mean 'db.pw'?"),
        ("secret://shop/mail/key", "add it with sops"),
    ],
)
def test_secrets_that_are_not_there(text: str, hint: str) -> None:
    found = list(missing_secrets(of(text), "shop", {"shop": {"db/pw"}}, ()))
    assert [(p.code, p.hint) for p in found] == [("reference-to-nothing", hint)]


def test_a_secret_that_is_there_or_in_a_file_that_could_not_be_read_is_not_missing() -> None:
    assert list(missing_secrets(of("secret://shop/db/pw"), "shop", {"shop": {"db/pw"}}, ())) == []
    assert list(missing_secrets(of("secret://_shared/db/pw"), "shop", {}, {"_shared"})) == []


def test_every_kind_has_references() -> None:
    assert all(of(f"${{{kind}/x.id}}").outputs for kind in KINDS)
