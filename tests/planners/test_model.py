"""Addresses."""

import pytest

from planners.model import host_of, kind_of, name_of


@pytest.mark.parametrize(
    ("address", "kind", "name", "host"),
    [
        ("server/web-01", "server", "web-01", None),
        ("taskserv/web-01/postgres", "taskserv", "web-01/postgres", "server/web-01"),
        ("dns/web.example", "dns", "web.example", None),
    ],
)
def test_an_address_says_kind_name_and_server(address: str, kind: str, name: str, host: str | None) -> None:
    assert (kind_of(address), name_of(address), host_of(address)) == (kind, name, host)
