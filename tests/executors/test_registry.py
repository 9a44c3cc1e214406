"""Providers by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from executors import registry
from executors.fakes import FixedSecrets
from executors.ports import Broken, NotFound
from executors.providers.fake.provider import FakeProvider

Distribution = Callable[..., None]


@pytest.fixture
def distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distribution]:
    """Install a distribution that offers providers: name -> module text."""
    monkeypatch.syspath_prepend(str(tmp_path))
    registry._elsewhere.cache_clear()
    before = set(sys.modules)

    def install(project: str, **modules: str) -> None:
        info = tmp_path / f"{project}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project}\nVersion: 1\n")
        lines = [f"{name} = {project}_{name}" for name in modules]
        (info / "entry_points.txt").write_text("\n".join((f"[{registry.GROUP}]", *lines)) + "\n")
        for name, text in modules.items():
            (tmp_path / f"{project}_{name}.py").write_text(text)

    yield install
    registry._elsewhere.cache_clear()
    for name in set(sys.modules) - before:
        del sys.modules[name]


GOOD = """
from planners.catalog import KindSpec, ProviderSpec
SPEC = ProviderSpec("mars", "7", {"server": KindSpec()})
def connect(settings, secrets, world):
    return (settings, secrets, world)
"""


def test_the_built_in_ones_are_found_by_file_name() -> None:
    specs = registry.provider_specs()
    assert {"fake", "local"} <= set(specs)
    assert all(spec.name == name for name, spec in specs.items())
    assert len(specs) == len(registry.names())


def test_one_is_connected_by_name(tmp_path: Path) -> None:
    assert isinstance(registry.connect("fake", {}, FixedSecrets(), tmp_path), FakeProvider)


def test_one_that_nobody_offers_is_not_found(tmp_path: Path) -> None:
    specs = registry.provider_specs()
    assert "venus" not in specs and specs.get("venus") is None
    with pytest.raises(NotFound, match="there is no provider 'venus'"):
        registry.connect("venus", {}, FixedSecrets(), tmp_path)


def test_one_of_another_distribution_is_found_when_it_is_asked_for(distribution: Distribution, tmp_path: Path) -> None:
    distribution("redplanet", mars=GOOD)
    specs = registry.provider_specs()
    assert "mars" not in set(specs), "it is not looked for before"
    assert specs["mars"].version == "7"
    secrets = FixedSecrets()
    assert registry.connect("mars", {"a": 1}, secrets, tmp_path) == ({"a": 1}, secrets, tmp_path)  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise ValueError('no SDK')", "cannot be loaded: ValueError: no SDK"),
        ("", "cannot be loaded: AttributeError"),
        (GOOD.replace('"mars"', '"moon"'), "has no SPEC of that name"),
        (GOOD.replace("def connect", "connect = 1\ndef connected"), "or no connect"),
    ],
)
def test_one_that_does_not_fit_is_named(distribution: Distribution, text: str, message: str) -> None:
    distribution("redplanet", mars=text)
    with pytest.raises(Broken, match=message):
        registry.module("mars")


def test_two_of_one_name_are_not_chosen_between(distribution: Distribution) -> None:
    distribution("redplanet", mars=GOOD)
    distribution("dustworld", mars=GOOD)
    with pytest.raises(Broken, match="is offered by dustworld_mars and redplanet_mars"):
        registry.module("mars")


def test_specs_are_cheap_to_have() -> None:
    heavy = ["base64", "importlib.metadata", "secrets", "shutil", "socket", "subprocess"]
    code = f"""
import sys
before = set(sys.modules)
from executors.registry import provider_specs
[spec.name for spec in provider_specs().values()]
print([name for name in {heavy!r} if name in set(sys.modules) - before])
"""
    root = Path(registry.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout.strip() == "[]"


def test_providers_are_connected_once_and_with_their_own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[object] = []
    monkeypatch.setattr(registry, "connect", lambda name, settings, *_: asked.append((name, dict(settings))) or object())
    settings = {"driver": "process", "provider_config": {"fake": {"delay": 1}, "local": 5}}
    connected = registry.Connected(settings, FixedSecrets({}), tmp_path)
    assert connected["fake"] is connected["fake"]
    assert connected["local"] is not connected["fake"]
    assert asked == [("fake", {"delay": 1, "driver": "process"}), ("local", {"driver": "process"})]
    assert set(connected) == set(registry.names()) and len(connected) == len(registry.names())
    with pytest.raises(KeyError):
        connected["nobody"]
