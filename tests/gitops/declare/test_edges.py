"""What people write of what hangs on what."""

from __future__ import annotations

from typing import Any

import pytest

from gitops.declare.edges import unknown_keys, written_causes, written_edges
from gitops.schema.infra import Infra
from planners.catalog import KindSpec, ProviderSpec

LISTED = KindSpec(outputs=frozenset({"id", "private_ip"}))
PROVIDERS = {
    "fake": ProviderSpec("fake", "1", {"server": LISTED, "volume": LISTED}, needs_zone=False),
    "odd": ProviderSpec("odd", "1", {"server": KindSpec()}, needs_zone=False),
}


def infra(**parts: Any) -> Infra:
    return Infra.model_validate({"settings": {"provider": "fake"}, **parts})


def test_every_edge_has_its_path() -> None:
    made = infra(
        servers={"a": {"networks": ["lan"], "volumes": [{"name": "data"}], "depends_on": ["dns/x"]}},
        load_balancers={"lb": {"servers": ["a"]}},
        clusters={"k": {"servers": ["a"], "depends_on": ["server/a"]}},
    )
    assert sorted(map(str, written_edges(made))) == [
        "(('clusters', 'k', 'depends_on', 0), 'cluster/k', 'server/a')",
        "(('load_balancers', 'lb', 'servers', 0), 'load_balancer/lb', 'server/a')",
        "(('servers', 'a', 'depends_on', 0), 'server/a', 'dns/x')",
        "(('servers', 'a', 'networks', 0), 'server/a', 'network/lan')",
        "(('servers', 'a', 'volumes', 0), 'server/a', 'volume/data')",
    ]


def test_a_cause_of_a_service_holds_wherever_it_is() -> None:
    cause = {"lifecycle": {"replace_triggered_by": ["server/a#image", "server/b"]}}
    made = infra(servers={"a": cause}, taskservs={"nginx": cause})
    there = {"server/a", "taskserv/a/nginx", "taskserv/b/nginx", "taskserv/b/redis"}
    assert [(address, needs) for _, address, needs in written_causes(made, there)] == [
        ("server/a", "server/a"),
        ("server/a", "server/b"),
        ("taskserv/a/nginx", "server/a"),
        ("taskserv/b/nginx", "server/a"),
        ("taskserv/a/nginx", "server/b"),
        ("taskserv/b/nginx", "server/b"),
    ]


@pytest.mark.parametrize("cause", ["server/a", "server/a#image", "server/a#labels.team", "server/a#private_ip", "volume/gone#x"])
def test_what_may_change_is_a_cause(cause: str) -> None:
    made = infra(servers={"a": {}, "b": {"lifecycle": {"replace_triggered_by": [cause]}}})
    assert [*unknown_keys(made, PROVIDERS)] == []


def test_what_never_changes_is_none() -> None:
    cause = {"lifecycle": {"replace_triggered_by": ["server/b", "server/a#imagee"]}}
    made = infra(servers={"a": {}, "b": {}}, taskservs={"nginx": cause})
    assert [*unknown_keys(made, PROVIDERS)] == [
        (
            ("taskservs", "nginx", "lifecycle", "replace_triggered_by", 1),
            "server/a has no key and no output 'imagee'",
            "did you mean 'image'?",
        )
    ]
    made = infra(servers={"a": {}, "b": {"lifecycle": {"replace_triggered_by": ["server/a#depends_on"]}}})
    assert len([*unknown_keys(made, PROVIDERS)]) == 1, "what is no part of it is no key"
    made = infra(servers={"a": {"provider": "odd"}, "b": {"lifecycle": {"replace_triggered_by": ["server/a#imagee"]}}})
    assert [*unknown_keys(made, PROVIDERS)] == [], "whose outputs nobody lists may have any"
