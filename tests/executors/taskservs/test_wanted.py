"""What a taskserv is to be, before anything is done."""

from __future__ import annotations

from typing import Any

import pytest

from executors.ports import Broken
from executors.taskservs import wanted as module
from executors.taskservs.manifest import Health, Manifest, Template
from executors.taskservs.wanted import Wanted, wanted, with_ports, without

FACTS: dict[str, Any] = {
    "config": {"port": 80, "key": "s3cret", "deep": {"key": "hidden", "open": 1}},
    "server": {"address": "10.0.0.1"},
}


def made(facts: dict[str, Any] = FACTS, files: dict[str, bytes] | None = None, declared: Any = None, **manifest: Any) -> Wanted:
    return wanted(Manifest("app", **manifest), files or {}, facts, declared or {"version": "1.0.0"})


def test_files_are_rendered_or_placed_as_they_are() -> None:
    files = {"templates/a": b"{{ config.port }}", "templates/b": b"\xff{{ x }}"}
    templates = (Template("a", "etc/{{ config.port }}.conf", 0o600), Template("b", "bin/b", 0o755, render=False))
    assert made(files=files, templates=templates).files == {"etc/80.conf": (b"80", 0o600), "bin/b": (b"\xff{{ x }}", 0o755)}


@pytest.mark.parametrize("target", ["", "/etc/x", "../x", "a/../../x", ".provisioning/x"])
def test_files_stay_below_the_root(target: str) -> None:
    with pytest.raises(Broken, match="is not a place for a file"):
        made(files={"templates/a": b""}, templates=(Template("a", target),))


def test_no_output_holds_what_is_sensitive() -> None:
    assert made(outputs={"x": "{{ config.deep.open }}"}, sensitive=("key", "deep.key")).outputs == {"x": "1"}
    for expression in ("config.key", "config.deep.key"):
        with pytest.raises(Broken, match=r"manifest\.yaml: outputs\.x: .* has no attribute 'key'"):
            made(outputs={"x": f"{{{{ {expression} }}}}"}, sensitive=("key", "deep.key"))


def test_install_depends_on_version_extension_and_what_replaces() -> None:
    base = made(replace_on=("deep.open",))
    other = {**FACTS, "config": {**FACTS["config"], "deep": {"open": 2}}}
    assert made(replace_on=("deep.open",)).install == base.install
    assert made(other).install == made().install, "another config is no other installation"
    changed = (made(other, replace_on=("deep.open",)), made(declared={"version": "2"}), made(files={"README.md": b"x"}))
    assert len({base.install, *(w.install for w in changed)}) == 4


def test_configure_depends_on_config_and_files() -> None:
    one = {"templates/a": b"one"}
    placed = (Template("a", "a"),)
    base = made(files=one, templates=placed)
    assert made(files={**one, "README.md": b"x"}, templates=placed).configure == base.configure
    changed = (
        made({**FACTS, "config": {}}, one, templates=placed),
        made(files={"templates/a": b"two"}, templates=placed),
        made(files=one, templates=(Template("a", "a", 0o600),)),
    )
    assert len({base.configure, *(w.configure for w in changed)}) == 4


def test_the_declarations_check_wins() -> None:
    own = Health("file", path="ready")
    assert module.check_of(Manifest("app", health=own), {}) == own
    assert module.check_of(Manifest("app", health=own), {"health": {"type": "none"}}) is None
    filled = made(health=own, declared={"health": {"type": "tcp", "port": "{{ config.port }}", "timeout_seconds": 2}}).check
    assert filled is not None
    assert (filled["type"], filled["address"], filled["port"], filled["timeout"]) == ("tcp", "10.0.0.1", "80", 2.0)


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (Health("http", url="localhost:80"), "cannot ask 'localhost:80'"),
        (Health("tcp", port="{{ config.key }}"), "its 'port' is no number"),
        (Health("http", url="{{ config.none }}"), r"manifest\.yaml: health\.url: .* has no attribute 'none'"),
    ],
)
def test_a_check_that_cannot_be_asked_is_told_at_once(check: Health, told: str) -> None:
    with pytest.raises(Broken, match=told):
        made(health=check)


def test_ports_that_are_nought_are_filled_in_and_kept(estate: Any) -> None:
    machine = estate.machine()
    config = {"port": 0, "admin": {"port": 0, "metrics_port": 0}, "fixed": {"port": 80}, "report": 0, "flag_port": False, "n": 1}
    filled = with_ports(machine, "app", config)
    ports = [filled["port"], filled["admin"]["port"], filled["admin"]["metrics_port"]]
    assert len(set(ports)) == 3
    assert {**filled, "port": 0, "admin": {"port": 0, "metrics_port": 0}} == config
    assert with_ports(machine, "app", config) == filled
    assert with_ports(machine, "other", config)["port"] not in ports
    assert with_ports(machine, "app", None) is None


def test_keys_are_left_out_wherever_they_are() -> None:
    assert without({"a": 1, "b": {"c": 1, "d": 2}}, ["a", "b.c", "x", "y.z"]) == {"b": {"d": 2}}
    assert without(None, ["a"]) == {}
