"""What running needs of a manifest."""

from __future__ import annotations

import pytest

from executors.ports import Broken
from executors.taskservs.manifest import Health, Manifest, Template, health, read

FULL = b"""
name: app
version: 1.0.0
scripts: {install: setup, uninstall: }
templates:
  - {source: a.conf, target: etc/a.conf}
  - {source: run, target: bin/run, mode: 0755, render: false}
service:
  name: web
  command: [run, --level, 1.20, on]
  env: {DEBUG: on, UNTIL: 12:30}
health: {type: tcp, port: "{{ config.port }}", retries: 7}
outputs: {url: "http://x"}
replace_on: [engine]
sensitive: [password]
"""


def test_every_scalar_stays_what_is_written() -> None:
    assert read("app", {"manifest.yaml": FULL}) == Manifest(
        name="app",
        scripts={"install": "setup"},
        templates=(Template("a.conf", "etc/a.conf"), Template("run", "bin/run", 0o755, False)),
        service="web",
        command=("run", "--level", "1.20", "on"),
        env={"DEBUG": "on", "UNTIL": "12:30"},
        health=Health("tcp", port="{{ config.port }}", retries=7),
        outputs={"url": "http://x"},
        replace_on=("engine",),
        sensitive=("password",),
    )


def test_the_service_is_named_like_the_taskserv_unless_it_says_otherwise() -> None:
    assert read("app", {"manifest.yaml": b"service: {command: [x]}"}).service == "app"
    assert read("app", {"manifest.yaml": b"service: null"}).service == ""


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "extension 'app' has no manifest.yaml"),
        ({"manifest.yaml": b"a: [1"}, r"extensions/taskservs/app/manifest\.yaml:2: did not find expected"),
        ({"manifest.yaml": b"- a"}, r"extensions/taskservs/app/manifest\.yaml is not a map"),
    ],
)
def test_one_that_cannot_be_read_is_told(files: dict[str, bytes], told: str) -> None:
    with pytest.raises(Broken, match=told):
        read("app", files)


@pytest.mark.parametrize("raw", [None, {}, {"type": "none"}, "none"])
def test_no_check_is_none(raw: object) -> None:
    assert health(raw) is None


def test_a_check_of_a_declaration_has_numbers() -> None:
    raw = {"type": "http", "url": "u", "port": 80, "interval_seconds": 1, "timeout_seconds": 2, "start_period_seconds": 4}
    assert health(raw) == Health("http", url="u", port="80", interval=1.0, timeout=2.0, start_period=4.0)
