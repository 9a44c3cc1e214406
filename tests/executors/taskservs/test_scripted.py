"""Taskservs as others use them: apply, observe, check, remove."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from executors.ports import Broken, LeaseLost, NeedsHuman
from executors.providers.local.server import until
from executors.taskservs import scripted
from executors.taskservs.scripted import HealthTiming
from planners.model import Observation, Presence

SHOP = Path(__file__).parents[3] / "state-repo-template/extensions/taskservs"


# --- apply -----------------------------------------------------------------------------------------------


def test_an_extension_of_nothing_is_installed_all_the_same(bench: Any) -> None:
    applied = bench.apply()
    assert applied == scripted.Applied(Observation(Presence.PRESENT, {"version": "1.0.0"}), "", False)
    assert bench.observe() == applied.observation
    assert bench.health() == (True, "no health check")


def test_outputs_are_given_and_observed(bench: Any) -> None:
    bench.config = {"port": 0}
    bench.manifest["outputs"] = {"url": "http://{{ server.address }}:{{ config.port }}"}
    applied = bench.apply()
    port = bench.machine.port("app.port")
    assert applied.observation.outputs == {"url": f"http://127.0.0.1:{port}"}
    assert bench.observe().outputs == applied.observation.outputs


def test_a_mistake_in_a_template_changes_nothing(bench: Any) -> None:
    bench.traces("install", "configure")
    bench.manifest["templates"] = [{"source": "good", "target": "good"}, {"source": "bad", "target": "bad"}]
    bench.files |= {"templates/good": "fine", "templates/bad": "\n{{ config.nothing }}"}
    with pytest.raises(Broken, match=r"extensions/taskservs/app/templates/bad:2: .* has no attribute 'nothing'"):
        bench.apply()
    assert bench.there() == set()
    assert bench.observe().presence is Presence.ABSENT


def test_a_server_that_is_off_takes_none(bench: Any) -> None:
    bench.serves()
    bench.apply()
    bench.estate.update("server/web-01", {"power": "off"})
    assert bench.observe() == Observation(Presence.PRESENT, {"version": "1.0.0"}, detail="the server is off")
    bench.config = {"x": 1}
    with pytest.raises(NeedsHuman, match="server/web-01 is off"):
        bench.apply()


def test_an_older_holder_changes_nothing_any_more(bench: Any) -> None:
    bench.token = 5
    bench.apply()
    bench.token = 4
    with pytest.raises(LeaseLost, match="changed under token 5; 4 is an older holder's"):
        bench.apply()
    with pytest.raises(LeaseLost, match="changed under token 5; 4 is an older holder's"):
        bench.remove()
    assert bench.observe().presence is Presence.PRESENT


def test_two_on_one_server_at_once_do_not_meet(bench: Any, estate: Any) -> None:
    from .conftest import Bench

    benches = [bench, *(Bench(estate) for _ in range(3))]
    for number, each in enumerate(benches):
        each.name = f"app{number}"
        each.config = {"port": 0}
        each.traces("install", "configure")
        each.serves()
        each.manifest |= {"outputs": {"port": "{{ config.port }}"}, "templates": [{"source": "c", "target": f"etc/{number}"}]}
        each.files["templates/c"] = "{{ config.port }}"
    threads = [Thread(target=each.apply) for each in benches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(bench.trace()) == ["configure"] * 4 + ["install"] * 4
    assert [each.observe().healthy for each in benches] == [True] * 4
    assert len({str(each.observe().outputs) for each in benches}) == 4
    assert until(lambda: len(estate.living()) == 4, 10)


# --- observe ---------------------------------------------------------------------------------------------


def test_a_killed_service_is_seen_and_repaired_and_there_once(bench: Any) -> None:
    bench.serves()
    bench.apply()
    estate = bench.estate
    assert until(lambda: len(estate.starts()) == 1, 10)
    assert bench.observe().healthy is True
    estate.kill(estate.pid("app"))
    assert until(lambda: bench.observe().healthy is False, 10)
    assert estate.died("app")
    assert bench.observe().detail == "service 'app' is failed, see var/log/app.log on the server"
    bench.apply()
    assert bench.observe().healthy is True
    assert until(lambda: len(estate.starts()) == 2, 10)
    assert estate.living() == [estate.pid("app")]


def test_nothing_installed_is_absent(bench: Any) -> None:
    assert bench.observe() == Observation(Presence.ABSENT, detail="it is not installed")
    assert bench.health() == (False, "it is not installed")


def test_files_that_others_changed_are_seen(bench: Any) -> None:
    bench.manifest["templates"] = [{"source": "a", "target": "etc/a"}]
    bench.files["templates/a"] = "content"
    bench.apply()
    assert bench.observe().healthy is None
    bench.machine.put("etc/a", b"edited")
    assert (bench.observe().healthy, bench.observe().detail) == (False, "etc/a is changed by hand")
    bench.machine.remove("etc/a")
    assert (bench.observe().healthy, bench.observe().detail) == (False, "etc/a is gone")
    bench.apply()
    assert bench.observe().healthy is None


def test_what_the_service_says_is_for_redacted_output_only(bench: Any) -> None:
    bench.manifest |= {
        "service": {"command": ["sh", "-c", "echo my password is x; exec sleep 600"]},
        "health": {"type": "file", "path": "ready"},
    }
    bench.apply()
    assert until(lambda: bench.machine.get("var/log/app.log") == b"my password is x\n", 10)
    assert bench.health() == (False, "file ready: my password is x")
    assert bench.observe().detail == "file ready"
    bench.machine.put("ready", b"")
    assert bench.health() == (True, "file ready")


def test_one_that_cannot_stay_up_tells_its_last_words(bench: Any) -> None:
    bench.manifest["service"] = {"command": ["sh", "-c", "echo address already in use; exit 1"]}
    bench.apply()
    assert bench.estate.died("app")
    healthy, detail = bench.health()
    assert not healthy
    assert detail == "service 'app' is failed, see var/log/app.log on the server: address already in use"


# --- timing ----------------------------------------------------------------------------------------------


def test_timing_is_the_extensions_unless_the_declaration_has_its_own(bench: Any) -> None:
    bench.manifest["health"] = {"type": "tcp", "port": "1"}
    assert scripted.timing(bench.extension(), {}) == HealthTiming(10.0, 5.0, 3, 0.0)
    own = {"type": "tcp", "port": 1, "interval_seconds": 1, "timeout_seconds": 2, "retries": 4, "start_period_seconds": 5}
    assert scripted.timing(bench.extension(), {"health": own}) == HealthTiming(1.0, 2.0, 4, 5.0)
    assert scripted.timing(bench.extension(), {"health": {"type": "none"}}) is None


# --- remove ----------------------------------------------------------------------------------------------


def test_removing_takes_away_what_was_placed_and_leaves_what_was_made(bench: Any) -> None:
    bench.traces("install", "uninstall")
    bench.serves()
    bench.manifest["templates"] = [{"source": "a", "target": "etc/a"}]
    bench.files["templates/a"] = "content"
    bench.apply()
    bench.trace()
    bench.machine.put("data/precious", b"")
    assert until(lambda: len(bench.estate.starts()) == 1, 10)
    bench.remove()
    assert bench.there() == {"data/precious", "trace", "starts"}
    assert bench.trace() == ["uninstall"]
    assert bench.estate.living() == []
    assert bench.observe().presence is Presence.ABSENT
    assert bench.remove() == ""
    assert bench.trace() == []


def test_uninstalling_is_told_what_was_installed_but_nothing_sensitive(bench: Any) -> None:
    bench.manifest |= {"scripts": {"uninstall": "bye"}, "sensitive": ["password"]}
    bench.files["scripts/bye"] = "#!/bin/sh\ncat > told\necho bye\n"
    bench.config = {"password": "tell-nobody", "data": "/srv"}
    bench.apply()
    assert bench.remove() == "--- uninstall\nbye\n"
    told = bench.machine.get("told")
    assert b"tell-nobody" not in told
    assert yaml.safe_load(told)["config"] == {"data": "/srv"}


def test_a_failed_uninstall_keeps_it_all(bench: Any) -> None:
    bench.manifest["scripts"] = {"uninstall": "bye"}
    bench.files["scripts/bye"] = "#!/bin/sh\nexit 2\n"
    bench.apply()
    with pytest.raises(Broken, match="scripts/bye ended with exit code 2"):
        bench.remove()
    assert bench.observe().presence is Presence.PRESENT


# --- the sample shop -------------------------------------------------------------------------------------


def test_the_shop_works_and_tells_the_truth(bench: Any) -> None:
    import json
    from urllib.request import ProxyHandler, build_opener

    def put(name: str, **config: Any) -> str:
        bench.name, bench.files = (
            name,
            {p.relative_to(SHOP / name).as_posix(): p.read_bytes() for p in (SHOP / name).rglob("*") if p.is_file()},
        )
        bench.config = {**yaml.safe_load(bench.files["defaults.yaml"]), **config}
        files = bench.files
        request = replace(bench.estate.request(f"taskserv/web-01/{name}", {"version": "1.0.0"}), op=bench.op)
        applied = scripted.apply(bench.machine, files, name, request, bench.facts())
        assert until(lambda: bench.health()[0], 20), bench.health()
        return str(applied.observation.outputs["url"])

    def ask(url: str, data: bytes | None = None) -> Any:
        with build_opener(ProxyHandler({})).open(url, data, timeout=10) as answer:
            return answer.read()

    store = put("database", catalogue=[{"sku": "mug", "name": "A <mug>", "cents": 950}])
    page = put("storefront", database_url=store)
    entry = put("proxy", backends=["http://127.0.0.1:1", page])
    assert b"A &lt;mug&gt;, 9.50" in ask(entry)
    assert b"order is number 1" in ask(f"{entry}/buy", b"sku=mug")
    assert json.loads(ask(f"{store}/orders")) == [{"sku": "mug", "sold": 1}]
    bench.estate.kill(bench.estate.pid("database"))
    for name, healthy in (("database", False), ("storefront", False), ("proxy", False)):
        bench.name = name
        assert bench.observe().healthy is healthy, name
