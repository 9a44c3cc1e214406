"""References between resources, and what they stood for."""

from __future__ import annotations

from typing import Any

import pytest

from planners.canonical import digest
from planners.model import RecordedResource
from planners.references import Reference, attached, current, found, of_id, relied_on, remembered, resolved

IP = Reference("${server/web-01.private_ip}", "server/web-01", "private_ip")


def test_references_are_found_anywhere_once_each() -> None:
    value = {"a": "http://${server/web-01.private_ip}:80", "b": ["${server/web-01.private_ip}", {"c": "${volume/data.id}"}]}
    assert found(value) == (IP, of_id("volume/data"))
    assert found("${HOME} $x ${server/web-01}") == ()
    assert found("${dns/web.example.ttl}") == (Reference("${dns/web.example.ttl}", "dns/web.example", "ttl"),)


@pytest.mark.parametrize("networks", [["lan"], [{"name": "lan", "ip": "10.0.0.2"}], {"lan": {}}])
def test_a_server_is_attached_to_what_it_names(networks: Any) -> None:
    assert attached("server/web-01", {"networks": networks}) == (("networks", "network/lan"),)
    assert attached("dns/x", {"networks": networks}) == ()


def test_nothing_is_attached_where_nothing_is_named() -> None:
    assert attached("server/web-01", {"networks": None, "volumes": "odd"}) == ()


def test_a_service_relies_on_its_server() -> None:
    assert relied_on("taskserv/web-01/nginx", {"upstream": IP.text}) == (of_id("server/web-01"), IP)


def test_what_is_recorded_is_a_digest_of_what_a_reference_stood_for() -> None:
    web = RecordedResource("server/web-01", "fake", {}, {"private_ip": "10.0.0.2"})
    nginx = RecordedResource("taskserv/a/nginx", "fake", {}, {"resolved": {IP.text: "old"}})
    records = {"server/web-01": web}
    assert resolved("dns/x", {"to": IP.text, "of": "${server/gone.id}"}, records) == {IP.text: digest("resolved", "10.0.0.2")}
    assert current(of_id("server/web-01"), records) is None
    assert remembered(nginx) == {IP.text: "old"}
    assert remembered(web) == {}
