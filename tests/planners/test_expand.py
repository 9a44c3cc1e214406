"""The whole graph of a declaration, with every mistake in it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from estates import CATALOG, catalog, infra, resource, server, service, spec

from planners.expand import expand, unusable_provider
from planners.model import Dependency, Environment, Resource
from planners.problems import Problem, Where


def problems(*resources: Resource, environment: Environment | None = None) -> tuple[Problem, ...]:
    return expand(infra(*resources, environment=environment), CATALOG).problems


def edges(address: str, *resources: Resource) -> set[tuple[str, str | None]]:
    return {(d.address, d.output) for d in expand(infra(*resources), CATALOG).resources[address].depends_on}


def test_edges_lie_in_the_thing_itself() -> None:
    lan, data = resource("network/lan"), resource("volume/data")
    web = server("web", networks=["lan"], volumes=[{"name": "data"}])
    nginx = service("web", "nginx", upstream="${server/web.private_ip}")
    dns = resource("dns/shop.example", target="${server/web.private_ip}")
    estate = (lan, data, web, nginx, dns)
    assert edges("server/web", *estate) == {("network/lan", None), ("volume/data", None)}
    assert edges("taskserv/web/nginx", *estate) == {("server/web", None), ("server/web", "private_ip")}
    assert edges("dns/shop.example", *estate) == {("server/web", "private_ip")}


def test_everything_comes_after_what_it_needs() -> None:
    found = expand(infra(service("a", "kubernetes"), server("a", networks=["lan"]), resource("network/lan")), CATALOG)
    assert found.order == (
        "network/lan",
        "server/a",
        "taskserv/a/containerd",
        "taskserv/a/etcd",
        "taskserv/a/kubernetes",
    )
    assert list(found.resources) == sorted(found.resources)


WHERE = Where("infra/shop/main.yaml", 7, 3)


@pytest.mark.parametrize(
    ("broken", "code", "message", "hint"),
    [
        (
            server("b", "server/aa"),
            "unknown-dependency",
            "server/b needs server/aa, which is not declared",
            "did you mean 'server/a'?",
        ),
        (
            server("b", networks=["lan"]),
            "unknown-dependency",
            "server/b needs network/lan, which is not declared",
            "declare it, or remove what needs it",
        ),
        (
            server("b", peer="${server/z.private_ip}"),
            "reference-to-nothing",
            "'${server/z.private_ip}' in server/b refers to nothing: server/z is not declared",
            "did you mean 'server/a'?",
        ),
        (
            server("b", peer="${server/a.private_pi}"),
            "unknown-output",
            "'${server/a.private_pi}' in server/b refers to an output that server/a does not have",
            "did you mean 'private_ip'?",
        ),
        (
            replace(server("b"), provider="fke"),
            "unknown-provider",
            "server/b uses provider 'fke', which is not known",
            "did you mean 'fake'?",
        ),
        (
            service("a", "postgers"),
            "unknown-taskserv",
            "taskserv/a/postgers has no extension: there is no taskserv 'postgers'",
            "did you mean 'postgres'?",
        ),
        (
            service("b", "redis"),
            "unknown-dependency",
            "taskserv/b/redis needs server/b, which is not declared",
            "did you mean 'server/a'?",
        ),
        (
            server("a", "server/a"),
            "dependency-cycle",
            "these wait for each other: server/a -> server/a",
            "remove one of these dependencies",
        ),
    ],
)
def test_each_mistake_has_its_words_and_its_place(broken: Resource, code: str, message: str, hint: str) -> None:
    found = problems(server("a"), replace(broken, where=WHERE))
    assert found == (Problem(WHERE, code, message, hint),)


def test_a_provider_may_be_forbidden_by_the_environment() -> None:
    (found,) = problems(server("a"), environment=Environment("prod", allowed_providers=("upcloud",)))
    assert (found.code, found.hint) == ("provider-not-allowed", "allowed are upcloud")
    assert found.message == "server/a uses provider 'fake', which environment 'prod' does not allow"


def test_a_provider_may_lack_a_kind() -> None:
    known = catalog(providers=[replace(CATALOG.providers["fake"], kinds={"server": CATALOG.providers["fake"].kinds["server"]})])
    found = unusable_provider(resource("network/lan"), known)
    assert found is not None
    assert (found.code, found.hint) == ("unsupported-kind", "it makes server")
    assert unusable_provider(server("a"), known) is None


def test_the_path_of_a_cycle_is_shown() -> None:
    (found,) = problems(server("a", "server/b"), server("b", "server/c"), server("c", "server/a"))
    assert found.message == "these wait for each other: server/a -> server/b -> server/c -> server/a"


def test_a_cycle_through_requirements_is_one_too() -> None:
    known = catalog(spec("left", "right"), spec("right", "left"))
    (found,) = expand(infra(server("a"), service("a", "left")), known).problems
    assert found.message == "these wait for each other: taskserv/a/left -> taskserv/a/right -> taskserv/a/left"


def test_all_mistakes_are_told_at_once_and_a_missing_thing_once() -> None:
    web = replace(server("b", "dns/x", peer="${dns/x.ip}"), depends_on=(Dependency("dns/x"), Dependency("volume/y")))
    assert [p.code for p in problems(web, service("q", "nothing"))] == [
        "reference-to-nothing",
        "unknown-dependency",
        "unknown-dependency",
        "unknown-taskserv",
    ]
