"""The suite finds what is wrong with a provider: each planted mistake is caught by the check that is there for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from executors import conformance
from executors.conformance import CHECKS, SAMPLES, Bench, NonConformance
from executors.ports import Conflict, Found, Machine, NotFound, Owner, Request
from executors.providers import fake
from executors.providers.fake.machine import FakeMachine
from executors.providers.fake.provider import FakeProvider
from planners.catalog import ProviderSpec
from planners.model import Observation, Presence, RecordedResource


class FreshKeys(FakeProvider):
    """Makes another one each time it is asked."""

    made = 0

    def create(self, request: Request) -> Observation:
        self.made += 1
        return super().create(replace(request, key=f"{self.made:032x}"))


class OneId(FakeProvider):
    def _seen(self, there: object) -> Observation:
        seen = super()._seen(there)  # type: ignore[arg-type]
        return replace(seen, outputs={**seen.outputs, "id": "the-one"})


class MoreOutputs(FakeProvider):
    def _seen(self, there: object) -> Observation:
        seen = super()._seen(there)  # type: ignore[arg-type]
        return replace(seen, outputs={**seen.outputs, "surprise": "!"})


class OwnWords(FakeProvider):
    """Reads back in the vendor's vocabulary."""

    def read(self, owner: Owner, recorded: RecordedResource) -> Observation:
        return replace(super().read(owner, recorded), attributes={"power": "RUNNING"})


class Unchanging(FakeProvider):
    def update(self, request: Request) -> Observation:
        assert request.recorded
        return super().update(replace(request, declared=request.recorded.declared))


class OldTag(FakeProvider):
    def update(self, request: Request) -> Observation:
        assert request.recorded
        return super().update(replace(request, address=request.recorded.address))


class Undying(FakeProvider):
    def delete(self, request: Request) -> None:
        return


class DeletesByName(FakeProvider):
    def delete(self, request: Request) -> None:
        for found in super().list(request.owner):
            if found.address == request.address:
                super().delete(replace(request, recorded=replace(request.recorded, observed=found.observation.outputs)))  # type: ignore[type-var]


class Everybodys(FakeProvider):
    def _read(self, owner: Owner, identity: str) -> dict[str, object] | None:
        return super()._read(conformance.OURS, identity)


class Forgetful(FakeProvider):
    """Calls missing what lives on another machine."""

    def _elsewhere(self, recorded: RecordedResource) -> str:
        return ""

    def read(self, owner: Owner, recorded: RecordedResource) -> Observation:
        ours = recorded.observed.get("machine") == self._machine
        return super().read(owner, recorded) if ours else Observation(Presence.ABSENT)


class Careless(FakeMachine):
    def stop(self, service: str) -> None:
        return


class CarelessMachines(FakeProvider):
    def machine(self, owner: Owner, recorded: RecordedResource) -> Machine:
        there = self._read(owner, str(recorded.observed["id"]))
        if there is None:
            raise NotFound("gone")
        return Careless(self._path(owner, there["id"]).with_suffix(""))


class Hiding(FakeProvider):
    def list(self, owner: Owner) -> Sequence[Found]:
        return super().list(owner)[:0]


class Brief(FakeProvider):
    """Lists no more than what there is."""

    def list(self, owner: Owner) -> Sequence[Found]:
        return [replace(found, observation=replace(found.observation, attributes={})) for found in super().list(owner)]


class Unbounded(FakeProvider):
    """Does not say where its bound comes from."""

    def __init__(self, spec: ProviderSpec, world: Path) -> None:
        super().__init__(replace(spec, late_source=""), world)


class Refusing(FakeProvider):
    """Refuses the same key without saying that names are unique."""

    def create(self, request: Request) -> Observation:
        if self.list(request.owner):
            raise Conflict("the name is taken")
        return super().create(request)


MISTAKES: list[tuple[type[FakeProvider], str]] = [
    (FreshKeys, "made_once_under_one_key"),
    (Hiding, "made_once_under_one_key"),
    (Refusing, "made_once_under_one_key"),
    (Unbounded, "unknown_outcomes_have_a_bound"),
    (OneId, "another_key_makes_another"),
    (MoreOutputs, "outputs_are_those_of_the_spec"),
    (OwnWords, "read_back_as_declared"),
    (Brief, "listed_as_read"),
    (Unchanging, "changed_in_place"),
    (OldTag, "moved_under_another_address"),
    (Undying, "deleted_and_deleted_again"),
    (DeletesByName, "successor_beside_its_predecessor"),
    (Everybodys, "strangers_are_left_alone"),
    (Forgetful, "elsewhere_is_not_missing"),
    (CarelessMachines, "a_server_is_a_machine"),
]


@pytest.mark.parametrize(("mistake", "name"), MISTAKES)
def test_a_mistake_is_found(mistake: type[FakeProvider], name: str, tmp_path: Path) -> None:
    check: Callable[[Bench, str], None] = getattr(conformance, name)
    check(Bench(FakeProvider(fake.SPEC, tmp_path / "right")), "server")
    with pytest.raises(NonConformance):
        check(Bench(mistake(fake.SPEC, tmp_path / "wrong")), "server")


def test_every_check_has_a_mistake_it_finds() -> None:
    assert {check.__name__ for check in CHECKS} == {name for _, name in MISTAKES}


def test_there_is_a_sample_of_each_kind() -> None:
    assert SAMPLES.keys() >= fake.SPEC.kinds.keys()


def test_the_bench_leaves_nothing_behind(tmp_path: Path) -> None:
    bench = Bench(FakeProvider(fake.SPEC, tmp_path))
    for kind in fake.SPEC.kinds:
        bench.made(f"{kind}/a.example")
    bench.clear()
    assert bench.provider.list(bench.owner) == []
