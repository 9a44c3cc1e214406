"""Examples as state repositories: ``<name>/repo`` laid over ``shared``, loaded and planned as the program does it.

Run with a number it prints the digest of every plan, made with files in an order that hangs on it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from executors.registry import provider_specs
from gitops.declare.load import Loaded, check
from gitops.declare.source import infras
from gitops.git.memory import MemoryRepository
from gitops.ports import Entry, Person
from planners.canonical import encode
from planners.catalog import KindSpec, ProviderSpec
from planners.document import to_document
from planners.model import Recorded
from planners.plan import plan
from planners.problems import Problems
from planners.steps import Options, Plan

HERE = Path(__file__).parent
NAMES = sorted(p.parent.name for p in HERE.glob("*/repo"))
UPCLOUD = ProviderSpec(
    "upcloud",
    "1",
    {kind: KindSpec() for kind in ("server", "network", "volume", "load_balancer", "dns")},
    plans={
        "1xCPU-1GB": {"cpu_cores": 1, "memory_gb": 1},
        "2xCPU-4GB": {"cpu_cores": 2, "memory_gb": 4},
        "4xCPU-8GB": {"cpu_cores": 4, "memory_gb": 8},
        "4xCPU-16GB": {"cpu_cores": 4, "memory_gb": 16},
    },
)
PROVIDERS: Mapping[str, ProviderSpec] = {**provider_specs(), "upcloud": UPCLOUD}


@dataclass
class Shuffled:
    """An object store that answers in an order of its own, which no result may hang on."""

    store: MemoryRepository
    chance: random.Random = field(default_factory=random.Random)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def entries(self, treeish: str, path: str = "", recursive: bool = False) -> Mapping[str, Entry]:
        found = list(self.store.entries(treeish, path, recursive).items())
        self.chance.shuffle(found)
        return dict(found)


def files(name: str) -> dict[str, bytes]:
    """Path -> content of an example."""
    found: dict[str, bytes] = {}
    for root in (HERE / "shared", HERE / name / "repo"):
        found |= {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}
    return found


def committed(contents: Mapping[str, bytes]) -> tuple[MemoryRepository, str]:
    """A repository that holds them, and its commit."""
    repository = MemoryRepository()
    return repository, repository.write("", contents, "declare", Person("Ada", "ada@example.org"))


def loaded(objects: Any, commit: str) -> Iterator[tuple[str, Loaded]]:
    """Each infra with its declaration. Raises ``AssertionError`` with the problems of one that is not valid."""
    for infra in infras(objects, commit):
        found = check(objects, commit, infra, PROVIDERS)
        assert not isinstance(found, Problems), "\n".join(map(str, found))  # type: ignore[arg-type]
        yield infra, found


def planned(found: Loaded) -> Plan:
    """The plan that makes everything."""
    made = plan(found.desired, Recorded(found.desired.infra, {}), None, found.catalog, Options())
    assert not isinstance(made, Problems), "\n".join(map(str, made))  # type: ignore[arg-type]
    return made


def digests(seed: int) -> Iterator[str]:
    """``example/infra digest`` of every plan."""
    for name in NAMES:
        chance = random.Random(seed)  # noqa: S311  # an order, not a secret
        contents = list(files(name).items())
        chance.shuffle(contents)
        repository, commit = committed(dict(contents))
        for infra, found in sorted(loaded(Shuffled(repository, chance), commit)):
            yield f"{name}/{infra} {sha256(encode(to_document(planned(found)))).hexdigest()}"


if __name__ == "__main__":
    sys.stdout.write("\n".join(digests(int(sys.argv[1]))) + "\n")
