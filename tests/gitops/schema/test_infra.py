"""The merged declaration of one infra: what each kind takes and what it refuses by itself."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gitops.schema.infra import Health, Infra, Network, Server, Volume


def codes(model: Any, value: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(value)
    return [e["type"] for e in caught.value.errors()]


def test_the_least_of_everything() -> None:
    infra = Infra.model_validate({"settings": {"provider": "fake"}})
    assert (infra.settings.environment, infra.servers) == ("dev", {})
    server = Server.model_validate({})
    assert (server.enabled, server.power, server.cpu_cores) == (True, "on", None)


def test_short_and_long_forms_are_the_same() -> None:
    short = Server.model_validate({"taskservs": ["nginx"], "networks": ["lan"], "volumes": ["data"]})
    long = Server.model_validate({"taskservs": [{"name": "nginx"}], "networks": [{"name": "lan"}], "volumes": [{"name": "data"}]})
    assert short == long


@pytest.mark.parametrize("size", ["cpu_cores", "memory_gb", "disk_gb"])
def test_a_plan_is_a_size_already(size: str) -> None:
    assert codes(Server, {"plan": "small", size: 1}) == ["value"]


@pytest.mark.parametrize(
    ("kind", "needed", "value"),
    [
        ("http", "url", "http://x"),
        ("tcp", "port", 80),
        ("tcp", "port", "{{ config.port }}"),
        ("command", "command", ["true"]),
        ("file", "path", "/x"),
    ],
)
def test_each_health_check_needs_what_it_asks(kind: str, needed: str, value: Any) -> None:
    assert codes(Health, {"type": kind}) == ["missing-key"]
    check = Health.model_validate({"type": kind, needed: value})
    assert (check.interval_seconds, check.timeout_seconds, check.retries, check.start_period_seconds) == (10, 5, 3, 0)


def test_a_check_of_nothing_needs_nothing() -> None:
    assert Health.model_validate({"type": "none"}).url is None


@pytest.mark.parametrize("cidr", ["10.0.0.0/24", "10.0.0.1/32", "fd00::/64"])
def test_networks(cidr: str) -> None:
    assert Network.model_validate({"cidr": cidr}).cidr == cidr


@pytest.mark.parametrize("cidr", ["10.0.0.5/24", "lan", "10.0.0.0/33"])
def test_no_networks(cidr: str) -> None:
    assert codes(Network, {"cidr": cidr}) == ["value"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"settings": {}}, "missing"),
        ({}, "missing"),
        ({"settings": {"provider": "a", "driver": "vm"}}, "literal_error"),
        ({"settings": {"provider": "a"}, "volumes": {"d": {}}}, "missing"),
        ({"settings": {"provider": "a"}, "volumes": {"d": {"size_gb": True}}}, "int_type"),
        ({"settings": {"provider": "a"}, "dns": {"x": {"values": [], "ttl_seconds": 0}}}, "greater_than_equal"),
        ({"settings": {"provider": "a"}, "dns": {"x": {"values": [], "type": "ZZ"}}}, "literal_error"),
        ({"settings": {"provider": "a"}, "servers": {"A": {}}}, "bad-name"),
        ({"settings": {"provider": "a"}, "clusters": {"a": {}}}, "missing"),
        ({"settings": {"provider": "a"}, "load_balancers": {"a": {"listeners": [{"port": 70000}]}}}, "less_than_equal"),
        ({"settings": {"provider": "a"}, "taskservs": {"a": {"version": "latest"}}}, "bad-version"),
        ({"settings": {"provider": "a"}, "servers": {"a": {"lifecycle": {"prevent_destroy": 1}}}}, "bool_type"),
    ],
)
def test_what_is_refused(value: Any, code: str) -> None:
    assert codes(Infra, value) == [code]


def test_values_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Volume(size_gb=1).size_gb = 2  # type: ignore[misc]
