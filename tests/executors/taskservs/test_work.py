"""What is done on the machine, and when."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from executors.ports import Broken, Retry
from executors.taskservs import markers

ALL = ("install", "configure", "uninstall")


# --- when what runs --------------------------------------------------------------------------------------


def again(bench: Any) -> None:
    """Nothing changed."""


def new_config(bench: Any) -> None:
    bench.config["colour"] = "blue"


def new_version(bench: Any) -> None:
    bench.version = "2.0.0"


def new_extension(bench: Any) -> None:
    bench.files["README.md"] = "more"


def new_engine(bench: Any) -> None:
    bench.config["engine"] = "fast"


def new_file(bench: Any) -> None:
    bench.files["templates/conf"] = "other {{ config.colour }}"


def changed_by_hand(bench: Any) -> None:
    bench.machine.put("etc/conf", b"edited")


def gone(bench: Any) -> None:
    bench.machine.remove("etc")


def died(bench: Any) -> None:
    bench.estate.kill(bench.estate.pid("app"))


def new_command(bench: Any) -> None:
    bench.manifest["service"]["command"] = [*bench.estate.sleeper, "more"]
    bench.manifest["description"] = "another manifest is another extension"


def new_env(bench: Any) -> None:
    bench.config["colour"] = "green"


EXAMPLES: list[tuple[Callable[[Any], None], list[str], bool]] = [
    (again, [], False),
    (new_config, ["configure"], True),
    (new_env, ["configure"], True),
    (new_version, ["install", "configure"], False),
    (new_extension, ["install", "configure"], False),
    (new_engine, ["install", "configure"], True),
    (new_file, ["install", "configure"], True),
    (new_command, ["install", "configure"], True),
    (changed_by_hand, ["configure"], True),
    (gone, ["configure"], True),
    (died, [], True),
]


@pytest.mark.parametrize(("change", "phases", "restarts"), EXAMPLES, ids=lambda v: getattr(v, "__name__", ""))
def test_each_change_does_what_it_needs_and_no_more(bench: Any, change: Any, phases: list[str], restarts: bool) -> None:
    bench.traces(*ALL)
    bench.serves()
    bench.manifest["service"]["env"] = {"COLOUR": "{{ config.colour }}"}
    bench.manifest |= {"templates": [{"source": "conf", "target": "etc/conf"}], "replace_on": ["engine"]}
    bench.files["templates/conf"] = "colour {{ config.colour }}"
    bench.config = {"colour": "red", "engine": "slow"}
    bench.apply()
    assert bench.trace() == ["install", "configure"]
    before = bench.estate.pid("app")
    change(bench)
    bench.apply()
    assert bench.trace() == phases
    assert (bench.estate.pid("app") != before) is restarts
    assert bench.machine.state("app") == "running"
    after = bench.estate.pid("app")
    bench.apply()
    assert (bench.trace(), bench.estate.pid("app")) == ([], after), "and then there is nothing left to do"


def test_one_that_runs_and_is_not_well_gets_a_fresh_start_once(bench: Any) -> None:
    bench.serves()
    bench.manifest["health"] = {"type": "file", "path": "ready"}
    bench.machine.put("ready", b"")
    bench.apply()
    first = bench.estate.pid("app")
    bench.machine.remove("ready")
    bench.op = "1" * 64
    bench.apply()
    second = bench.estate.pid("app")
    assert second != first
    bench.machine.put("ready", b"")
    bench.op = "2" * 64
    bench.apply()
    assert bench.estate.pid("app") == second


def test_an_interrupted_installation_is_begun_again(bench: Any) -> None:
    bench.traces(*ALL)
    bench.files["scripts/install"] = "#!/bin/sh\necho install >> trace\ntest -e may-go\n"
    with pytest.raises(Broken):
        bench.apply()
    assert bench.trace() == ["install"]
    assert bench.observe().detail == "its installation was not finished"
    assert bench.observe().healthy is False
    bench.machine.put("may-go", b"")
    bench.apply()
    assert bench.trace() == ["install", "configure"]


def test_a_failed_configuration_is_done_again_and_the_installation_is_not(bench: Any) -> None:
    bench.traces(*ALL)
    bench.files["scripts/configure"] = "#!/bin/sh\necho configure >> trace\ntest ! -e broken\n"
    bench.apply()
    bench.trace()
    bench.machine.put("broken", b"")
    bench.config = {"colour": "blue"}
    with pytest.raises(Broken):
        bench.apply()
    assert bench.trace() == ["configure"]
    bench.machine.remove("broken")
    bench.config = {}
    bench.apply()
    assert bench.trace() == ["configure"], "back to what it was is a configuration too"


def test_files_come_with_their_mode_and_go_when_nobody_wants_them(bench: Any) -> None:
    bench.manifest["templates"] = [{"source": "key", "target": "etc/key", "mode": "0600"}, {"source": "key", "target": "etc/old"}]
    bench.files["templates/key"] = "{{ config.key }}"
    bench.config = {"key": "s3cret"}
    bench.apply()
    assert stat.S_IMODE((bench.estate.root() / "etc/key").stat().st_mode) == 0o600
    bench.manifest["templates"] = [{"source": "key", "target": "etc/key", "mode": "0640"}]
    bench.apply()
    assert stat.S_IMODE((bench.estate.root() / "etc/key").stat().st_mode) == 0o640
    assert bench.machine.get("etc/old") is None
    assert bench.machine.get("etc/key") == b"s3cret"


def test_a_service_that_changes_its_name_runs_once(bench: Any) -> None:
    bench.serves()
    bench.apply()
    bench.manifest["service"]["name"] = "renamed"
    bench.apply()
    assert (bench.machine.state("app"), bench.machine.state("renamed")) == ("absent", "running")
    del bench.manifest["service"]
    bench.apply()
    assert bench.machine.state("renamed") == "absent"


# --- scripts ---------------------------------------------------------------------------------------------


def test_a_script_is_told_everything_on_its_standard_input_and_no_secret_elsewhere(bench: Any) -> None:
    bench.manifest["scripts"] = {"install": "install"}
    bench.files["scripts/install"] = (
        "#!/bin/sh\ncat > told\nenv > env\ntr '\\0' ' ' < /proc/$$/cmdline > argv || true\npwd -P > cwd\n"
    )
    bench.config = {"password": "tell-nobody", "n": [1]}
    bench.token = 7
    bench.apply()
    told = json.loads(bench.machine.get("told"))
    assert told == bench.facts()
    env = dict(line.split("=", 1) for line in bench.machine.get("env").decode().splitlines())
    wanted = {"TASKSERV_NAME": "app", "TASKSERV_VERSION": "1.0.0", "TASKSERV_ROLE": "", "TASKSERV_PROFILE": ""}
    wanted |= {"SERVER_NAME": "web-01", "SERVER_ADDRESS": "127.0.0.1", "INFRA": "shop", "ENVIRONMENT": "dev"}
    wanted |= {"PROVISIONING_OP": bench.op, "PROVISIONING_TOKEN": "7"}
    assert env.items() >= wanted.items()
    assert "tell-nobody" not in str(env)
    assert b"tell-nobody" not in (bench.machine.get("argv") or b"")
    assert bench.machine.get("cwd").decode().strip() == str(bench.estate.root())


def test_scripts_find_their_neighbours(bench: Any) -> None:
    bench.manifest["scripts"] = {"install": "install.py"}
    bench.files["scripts/install.py"] = (
        "#!/usr/bin/env python3\nimport helper, pathlib\npathlib.Path('x').write_text(helper.WORD)\n"
    )
    bench.files["scripts/helper.py"] = "WORD = 'here'\n"
    bench.apply()
    assert bench.machine.get("x") == b"here"


def test_what_scripts_print_is_kept(bench: Any) -> None:
    bench.manifest["scripts"] = {"install": "a", "configure": "b"}
    bench.files |= {"scripts/a": "#!/bin/sh\necho one\necho two >&2\n", "scripts/b": "#!/bin/sh\necho three\n"}
    assert bench.apply().output == "--- install\none\ntwo\n--- configure\nthree\n"


def test_a_failed_script_is_named_with_its_code_and_last_line(bench: Any) -> None:
    bench.manifest["scripts"] = {"install": "setup"}
    bench.files["scripts/setup"] = "#!/bin/sh\necho fine\necho 'no such package' >&2\nexit 3\n"
    with pytest.raises(Broken) as raised:
        bench.apply()
    assert str(raised.value) == "taskserv 'app': scripts/setup ended with exit code 3: no such package"
    assert raised.value.output == "--- install\nfine\nno such package\n"


@pytest.mark.parametrize("content", ["echo no\n", "", "#!\n", "#!  \n"])
def test_a_script_says_what_runs_it(bench: Any, content: str) -> None:
    bench.manifest["scripts"] = {"install": "setup"}
    bench.files["scripts/setup"] = content
    with pytest.raises(Broken, match=r"extensions/taskservs/app/scripts/setup:1: it does not begin with '#!'"):
        bench.apply()


def test_scripts_have_as_long_as_the_request(bench: Any) -> None:
    bench.manifest["scripts"] = {"install": "a", "configure": "b"}
    bench.files |= {"scripts/a": "#!/bin/sh\necho done\n", "scripts/b": "#!/bin/sh\nsleep 600\n"}
    bench.timeout = 1.0
    with pytest.raises(Retry, match="did not end within 1 s") as raised:
        bench.apply()
    assert raised.value.output == "--- install\ndone\n", "what is known of it is not lost"


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="arguments are read in /proc")
def test_a_secret_in_a_file_is_nowhere_but_there(bench: Any) -> None:
    bench.serves()
    bench.manifest |= {
        "templates": [{"source": "key", "target": "etc/key", "mode": "0600"}],
        "sensitive": ["password"],
        "outputs": {"name": "{{ config.name }}"},
    }
    bench.files["templates/key"] = "{{ config.password }}"
    bench.config = {"password": "tell-nobody", "name": "n"}
    applied = bench.apply()
    assert "tell-nobody" not in str(applied)
    kept = [p for p in bench.estate.world.rglob("*") if p.is_file() and not p.is_symlink() and b"tell-nobody" in p.read_bytes()]
    assert kept == [bench.estate.root() / "etc/key"]
    assert b"tell-nobody" not in Path(f"/proc/{bench.estate.pid('app')}/environ").read_bytes()


def test_the_marker_says_what_is_installed(bench: Any) -> None:
    bench.traces(*ALL)
    bench.op, bench.token = "a" * 64, 4
    bench.apply()
    marker = markers.read(bench.machine, "app")
    assert marker is not None
    assert (marker.op, marker.token, marker.version, marker.complete) == ("a" * 64, 4, "1.0.0", True)
    assert marker.uninstall == "uninstall"
