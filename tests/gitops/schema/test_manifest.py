"""A taskserv's manifest."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gitops.schema.manifest import Manifest

LEAST = {"name": "nginx", "version": "1.0.0"}


def test_a_whole_one() -> None:
    manifest = Manifest.model_validate(
        {
            **LEAST,
            "requires": ["os", {"name": "etcd", "wait_for_health": False, "roles": ["main"], "anywhere": True}],
            "scripts": {"install": "install.sh"},
            "templates": [{"source": "conf/nginx.conf.j2", "target": "etc/nginx.conf", "mode": "0600"}],
            "service": {"command": ["nginx", "-c", "{{ config.file }}"], "env": {"A": "b"}},
            "health": {"type": "tcp", "port": "{{ config.port }}"},
            "outputs": {"url": "http://{{ server.address }}"},
        }
    )
    assert [n.name for n in manifest.requires] == ["os", "etcd"]
    assert (manifest.requires[0].wait_for_health, manifest.requires[1].anywhere) == (True, True)
    assert manifest.templates[0].mode == "0600"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"version": "v1"}, "bad-version"),
        ({"version": "1.0"}, "bad-version"),
        ({"name": "Nginx"}, "bad-name"),
        ({"scripts": {"install": "/etc/x"}}, "bad-path"),
        ({"scripts": {"install": "a/../b"}}, "bad-path"),
        ({"scripts": {"install": "a\\b"}}, "bad-path"),
        ({"scripts": {"install": "a//b"}}, "bad-path"),
        ({"scripts": {"instal": "a"}}, "extra_forbidden"),
        ({"templates": [{"source": "../x", "target": "y"}]}, "bad-path"),
        ({"templates": [{"source": "x", "target": "y", "mode": "rw"}]}, "string_pattern_mismatch"),
        ({"service": {"command": []}}, "too_short"),
        ({"service": {"command": "nginx -g x"}}, "list_type"),
        ({"health": {"type": "tcp"}}, "missing-key"),
    ],
)
def test_what_is_refused(change: dict[str, Any], code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Manifest.model_validate({**LEAST, **change})
    assert [e["type"] for e in caught.value.errors()] == [code]
