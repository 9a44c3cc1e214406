"""Random histories of one infra: edits, applies that end or are stopped, acts on the record and losses of the cache, and after
each of them the plan of a part beside the plan of the whole.

python tests/properties/part_histories.py 4711       one history, told
python tests/properties/part_histories.py 0-9999     a range of them, counted
"""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

if __name__ == "__main__":
    sys.path = [*sys.path, str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "values")]

from estates import PRICED, apply

from gitops.cache import Cache
from gitops.declare import yaml_text
from gitops.declare.load import Loaded, load
from gitops.declare.source import inputs_digest, own_tree
from gitops.flow import Ask, Planned
from gitops.git.memory import MemoryRepository
from gitops.ledger import tree
from gitops.ledger.records import Converged
from gitops.ledger.users import Users
from gitops.ledger.view import View
from gitops.part import Part, planned_part
from gitops.ports import Person
from gitops.runs import recorded, with_declared
from planners.canonical import encode
from planners.document import to_document
from planners.model import Recorded
from planners.plan import plan
from planners.problems import Problems
from planners.stale import moved
from planners.steps import Options, Plan

WHO = Person("Ann", "ann@example.org")
STEPS = 6
once = lru_cache(maxsize=4096)(yaml_text.parse)
"""A file is parsed once, in however many commits it is; what it means is worked out anew each time."""
MANIFESTS: Mapping[str, Mapping[str, Any]] = {
    "nginx": {"optional": ["redis"]},
    "redis": {},
    "containerd": {"provides": ["runtime"], "conflicts": ["docker"]},
    "docker": {"provides": ["runtime"]},
    "app": {"requires": ["containerd"], "optional": ["redis"]},
    "hub": {},
    "agent": {"requires": [{"name": "hub", "anywhere": True}]},
}
SHARED = {
    "workspace.yaml": b"format: 1\nid: 0123456789abcdef\nname: test\n",
    "environments/dev.yaml": b"class: dev\nlimits: {cpu_cores: 9}\n",
    **{
        f"extensions/taskservs/{name}/manifest.yaml": json.dumps({"name": name, "version": "1.0.0", **more}).encode()
        for name, more in MANIFESTS.items()
    },
}
NAMES = {
    "networks": ("n0", "n1"),
    "volumes": ("v0", "v1", "v2"),
    "servers": ("s0", "s1", "s2", "s3", "s4", "s5", "s6"),
    "load_balancers": ("l0",),
    "dns": ("d0", "d1"),
    "clusters": ("k0", "redis"),
    "taskservs": ("nginx", "redis", "app"),
}
STACKS = ((), (), ("nginx",), ("nginx", "redis"), ("containerd", "app"), ("docker",), ("app",), ("redis",))
Entries = dict[tuple[str, str], dict[str, Any]]


@dataclass(slots=True)
class Estate:
    """One infra's declaration as people edit it. ``inline``: entries that stand in main.yaml."""

    chance: random.Random
    entries: Entries = field(default_factory=dict)
    inline: set[tuple[str, str]] = field(default_factory=set)
    settings: dict[str, Any] = field(default_factory=dict)

    def files(self) -> dict[str, bytes]:
        main: dict[str, Any] = {"settings": {"provider": "fake", "environment": "dev", **self.settings}}
        files = {}
        for (kind, name), entry in self.entries.items():
            if (kind, name) in self.inline:
                main.setdefault(kind, {})[name] = entry
            else:
                files[f"infra/shop/{kind}/{name}.yaml"] = json.dumps(entry).encode()
        return {**SHARED, **files, "infra/shop/main.yaml": json.dumps(main).encode()}

    def there(self, kind: str) -> list[str]:
        return sorted(name for k, name in self.entries if k == kind)

    def some(self, kind: str, most: int = 2) -> list[str]:
        names = self.there(kind)
        return sorted(self.chance.sample(names, min(len(names), self.chance.randint(0, most))))

    def output(self) -> str:
        """A reference to something, mostly to what is there."""
        server = self.chance.choice(self.there("servers") or ["s0"])
        return f"${{server/{server}.{self.chance.choice(('private_ip', 'id', 'private_ip', 'nothing'))}}}"

    def cause(self) -> str:
        """What may replace something."""
        servers, networks = self.there("servers") or ["s0"], self.there("networks") or ["n0"]
        server, network = f"server/{self.chance.choice(servers)}", f"network/{self.chance.choice(networks)}"
        return self.chance.choice((server, f"{server}#image", f"{server}#private_ip", network, f"{network}#cidr"))

    def made(self, kind: str) -> dict[str, Any]:
        """A new entry."""
        choose, chance = self.chance.choice, self.chance.random
        entry: dict[str, Any] = {}
        if kind == "networks":
            entry["cidr"] = choose(("10.0.0.0/8", "10.1.0.0/16"))
        elif kind == "volumes":
            entry["size_gb"] = choose((1, 2))
        elif kind == "servers":
            entry |= {"cpu_cores": choose((1, 2)), "image": choose(("a", "a", "b"))}
            entry |= {"networks": self.some("networks"), "volumes": self.some("volumes", 1), "taskservs": [*choose(STACKS)]}
            if chance() < 0.05:
                entry["taskservs"] = [choose(("hub", "agent"))]
            if chance() < 0.2:
                entry["labels"] = {"peer": self.output()}
        elif kind == "load_balancers":
            entry["servers"] = self.some("servers", 3)
        elif kind == "dns":
            entry["values"] = [self.output()]
        elif kind == "clusters":
            entry |= {"servers": self.some("servers", 2), "taskservs": [choose(("nginx", "redis"))]}
        elif kind == "taskservs":
            entry = choose(({"config": {"port": 1}}, {"config": {"port": 2}}, {"wait_for_health": False}, {}))
        if kind in ("servers", "volumes", "networks") and chance() < 0.2 and self.there("servers"):
            entry["depends_on"] = [f"server/{choose(self.there('servers'))}"]
        if kind == "servers" and chance() < 0.1:
            entry["lifecycle"] = choose(
                ({"prevent_destroy": True}, {"create_before_destroy": True}, {"ignore_changes": ["labels"]}, {"import_id": "i-1"})
            )
        if kind in ("servers", "volumes", "taskservs", "clusters") and chance() < 0.15:
            entry["lifecycle"] = {"replace_triggered_by": [self.cause()]}
        return entry

    def edit(self) -> str:
        """One change that a person may make."""
        chance = self.chance
        kind = chance.choice((*["servers"] * 8, *["volumes"] * 3, "networks", "load_balancers", "dns", "clusters", "taskservs"))
        name = chance.choice(NAMES[kind])
        if chance.random() < 0.03:
            self.settings = {**self.settings, "labels": {"team": chance.choice(("x", "y"))}}
            return "settings"
        if chance.random() < 0.15 and (there := self.there("taskservs")):
            return self.configure(chance.choice(there))
        if (kind, name) not in self.entries:
            self.entries[kind, name] = self.made(kind)
            if chance.random() < 0.2:
                self.inline.add((kind, name))
            return f"add {kind}/{name}"
        if chance.random() < 0.15:
            del self.entries[kind, name]
            self.inline.discard((kind, name))
            return f"remove {kind}/{name}"
        if kind == "servers" and chance.random() < 0.1 and (free := [n for n in NAMES[kind] if (kind, n) not in self.entries]):
            entry = self.entries.pop((kind, name))
            self.inline.discard((kind, name))
            self.entries[kind, free[0]] = {**entry, "lifecycle": {"moved_from": f"server/{name}"}}
            return f"rename {name} to {free[0]}"
        if chance.random() < 0.05:
            self.inline ^= {(kind, name)}
            return f"{kind}/{name} moves between files"
        new = self.made(kind)
        keys = sorted(new)
        entry = dict(self.entries[kind, name])
        for key in chance.sample(keys, min(len(keys), chance.choice((1, 1, 2)))):
            entry[key] = new[key]
        self.entries[kind, name] = entry
        return f"change {kind}/{name}"

    def configure(self, name: str) -> str:
        """A service as it is wanted, otherwise; now and then what that says to others changes."""
        more = self.chance.choice(
            (
                *({"config": {"port": port}} for port in (1, 2, 3, 4)),
                {"labels": {"team": self.chance.choice(("x", "y"))}},
                {"lifecycle": {"replace_triggered_by": [self.cause()]}},
                {"wait_for_health": self.chance.random() < 0.5},
                {"provides": ["runtime"]},
                {"optional": ["redis"]},
                {"conflicts": ["docker"]},
            )
        )
        self.entries["taskservs", name] = {**self.entries["taskservs", name], **more}
        return f"configure {name}: {more}"


class History:
    """One infra from its first commit on. ``space`` is what planning a part needs of a workspace, over memory."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.chance, self.aim = random.Random(seed), random.Random(~seed)  # noqa: S311  # histories, not secrets
        self.estate = Estate(self.chance)
        self.repository = MemoryRepository()
        self.records = Recorded("shop", {})
        self.marker: Converged | None = None
        self.commit = ""
        self.tip = ""
        self.folder = folder
        self.told: list[str] = []
        self.loaded: tuple[str, Any] = "", None
        """The newest commit that was read as a whole: once is enough."""
        self.known: dict[tuple[str, int], tuple[Loaded, Plan] | Problems] = {}
        """Commit and records -> the plan of the whole; ``kept`` lets no other records have an id once used."""
        self.kept: list[Recorded] = []
        self.files: dict[str, bytes] = {}
        self.counts: Counter[str] = Counter()
        self.saved: Plan | None = None
        """A plan that somebody keeps in a file."""
        self.space: Any = SimpleNamespace(
            repository=self.repository,
            inputs=self.inputs,
            declared=self.declared,
            load=lambda infra, treeish: self.declared(infra, treeish),
            users=lambda view: Users(view, self.cache()),
        )

    # --- what a workspace does ---------------------------------------------------------------------------

    def cache(self) -> Cache:
        return Cache(self.folder / "cache.sqlite", lambda: b"k" * 32)

    def inputs(self, infra: str, treeish: str, own: str = "") -> str:
        return inputs_digest(self.repository, treeish, infra, own)

    def declared(self, infra: str, treeish: str, part: Any = None) -> Any:
        if part is not None:
            return load(self.repository, treeish, infra, {"fake": PRICED}, part)
        if treeish != self.loaded[0]:
            self.loaded = treeish, load(self.repository, treeish, infra, {"fake": PRICED})
        return self.loaded[1]

    # --- what people do ----------------------------------------------------------------------------------

    def push(self) -> None:
        """The declarations as they are, committed."""
        files = self.estate.files()
        edits = {p: files.get(p) for p in {*files, *self.files} if files.get(p) != self.files.get(p)}
        self.commit, self.files = self.repository.write(self.commit, edits, "m", WHO), files

    def record(self) -> View:
        """The records and the marker, committed as a ledger has them."""
        files: dict[str, bytes] = {tree.LOCK: tree.value_bytes(View(self.repository, "shop", "").lock)}
        for address, resource in self.records.resources.items():
            place = tree.state_places(address)[sum(map(ord, address)) % 2]
            files[place] = encode(tree.resource_document(resource))
        if self.marker:
            files[tree.CONVERGED] = tree.converged_bytes(self.marker)
        self.tip = self.repository.write("", files, "m", WHO)
        return View(self.repository, "shop", self.tip)

    def whole(self) -> tuple[Loaded, Plan] | Problems:
        """The plan of everything."""
        key = self.commit, id(self.records)
        if key not in self.known:
            self.kept.append(self.records)
            self.known[key] = self._whole()
        return self.known[key]

    def _whole(self) -> tuple[Loaded, Plan] | Problems:
        loaded = self.declared("shop", self.commit)
        if isinstance(loaded, Problems):
            return loaded
        made = plan(loaded.desired, self.records, None, loaded.catalog, Options())
        return made if isinstance(made, Problems) else (loaded, made)

    def apply(self, whole: tuple[Loaded, Plan]) -> None:
        """Some or all of it is done; who ends leaves a marker, made as the product makes it."""
        loaded, made = whole
        steps = len(made.steps) if self.chance.random() < 0.8 else self.chance.randint(0, len(made.steps))
        self.records = apply(made, self.records, steps)
        self.told.append(f"apply {steps} of {len(made.steps)}")
        view = self.record()
        after = self.whole()
        if isinstance(after, Problems) or after[1].steps:
            return
        own = own_tree(self.repository, self.commit, "shop")
        size, implied = loaded.size, sum(1 for r in self.records.resources.values() if r.implied_by)
        if (part := self.part(view)) is not None:
            assert (part.size, part.implied) == (size, implied), "a part knows the whole's size"
        document = to_document(after[1])
        self.marker = Converged(self.inputs("shop", self.commit), view.state_tree, document, own, size, implied)

    def act(self) -> None:
        """Somebody edits the record, or things change behind it."""
        if not self.records.resources:
            return
        address = self.chance.choice(sorted(self.records.resources))
        record, rest = self.records.resources[address], {a: r for a, r in self.records.resources.items() if a != address}
        if self.chance.random() < 0.5:
            self.records = Recorded("shop", rest)
            self.told.append(f"forget {address}")
        else:
            other = replace(record, observed={**record.observed, "private_ip": f"ip-{self.chance.randint(0, 9)}"})
            self.records = Recorded("shop", {**rest, address: other})
            self.told.append(f"{address} has another address")

    def lose(self) -> None:
        """The cache is lost, or something else is in its place."""
        path = self.folder / "cache.sqlite"
        if self.chance.random() < 0.5:
            path.unlink(missing_ok=True)
        elif path.exists():
            content = path.read_bytes()
            path.write_bytes(content[: self.chance.randint(0, len(content))])
        self.told.append("the cache is lost")

    # --- the comparison ----------------------------------------------------------------------------------

    def part(self, view: View, options: Options | None = None) -> Part | None:
        return planned_part(self.space, Ask("shop", self.commit, self.commit, options or Options()), view)

    def compared(self) -> Iterator[str]:
        """What is wrong with the plan of the part."""
        view = self.record()
        whole, part = self.whole(), self.part(view)
        if isinstance(whole, Problems):
            self.counts["wrong"] += 1
            if part is not None:
                yield f"a part is planned where the whole is refused: {next(iter(whole))}"
            return
        self.counts["part" if part else "whole" if self.marker else "first"] += 1
        if part is not None:
            self.counts["steps"] += len(part.plan.steps)
            self.counts["left out"] += bool(part.loaded.desired.rest.count)
            if encode(to_document(part.plan)) != encode(to_document(whole[1])):
                some, all_ = ([s.address for s in made.steps] for made in (part.plan, whole[1]))
                yield f"the part plans {some}, the whole {all_}"
        if self.aim.random() < 0.5:
            yield from self.compared_targets(whole[0], view)
        else:
            yield from self.compared_saved(whole, view)

    def compared_targets(self, loaded: Loaded, view: View) -> Iterator[str]:
        """The same of a plan for some of what is there."""
        known = sorted({*loaded.desired.resources, *self.records.resources})
        if not known:
            return
        targets = tuple(self.aim.sample(known, min(len(known), self.aim.choice((1, 1, 2)))))
        options = Options(targets, replace=self.aim.random() < 0.3)
        part, whole = self.part(view, options), plan(loaded.desired, self.records, None, loaded.catalog, options)
        if part is None:
            return
        self.counts["of targets"] += 1
        if isinstance(whole, Problems):
            yield f"a part of {options} is planned where the whole is refused: {next(iter(whole))}"
        elif encode(to_document(part.plan)) != encode(to_document(whole)):
            some, all_ = ([made.unchanged, *(s.address for s in made.steps)] for made in (part.plan, whole))
            yield f"the part of {options} plans {some}, the whole {all_}"

    def compared_saved(self, whole: tuple[Loaded, Plan], view: View) -> Iterator[str]:
        """The same of what moved since a plan was saved."""
        loaded, made = whole
        if self.saved is not None:
            ask = Ask("shop", self.commit, self.commit)
            read, some = with_declared(self.space, Planned(ask, self.saved, view, None), view)
            self.counts["of saved"] += read.looked_at is not None
            here = moved(self.saved, some.desired, recorded(read, view), some.catalog)
            there = moved(self.saved, loaded.desired, self.records, loaded.catalog)
            if here != there:
                yield f"since the plan was saved {[*map(str, here)]} moved in the part, {[*map(str, there)]} in the whole"
        if self.saved is None or self.aim.random() < 0.5:
            self.saved = made

    def play(self) -> list[str]:
        """The history; what was wrong in it."""
        self.begin()
        found: list[str] = []
        for _ in range(STEPS):
            found += self.compared()
            whole = self.whole()
            ways: list[Callable[[], object]] = [self.changes] * 6
            ways += [lambda whole=whole: self.apply(whole)] * 5 if not isinstance(whole, Problems) else [self.back] * 4
            ways += [self.act, self.lose]
            self.chance.choice(ways)()
        return [*found, *self.compared()]

    def begin(self) -> None:
        """The first commit: some entries, without those that are wrong."""
        for _ in range(self.chance.randint(5, 20)):
            self.estate.edit()
        if self.chance.random() < 0.5:  # those that no server has are wrong, and go
            self.estate.entries |= {("taskservs", name): {"config": {"port": 1}} for name in NAMES["taskservs"]}
        while True:
            self.push()
            if not isinstance(whole := self.whole(), Problems):
                return
            wrong = {tuple(p.where.path.removesuffix(".yaml").split("/")[2:]) for p in whole} & self.estate.entries.keys()
            for key in wrong or {self.chance.choice(sorted(self.estate.entries))}:
                del self.estate.entries[key]
                self.estate.inline.discard(key)

    def changes(self) -> None:
        """One commit, now and then a wrong one."""
        self.good = dict(self.estate.entries), set(self.estate.inline), dict(self.estate.settings)
        for _ in range(self.chance.choice((1, 1, 1, 2, 4))):
            self.told.append(self.estate.edit())
        self.push()
        if isinstance(self.whole(), Problems) and self.chance.random() >= 0.2:
            self.back()

    def back(self) -> None:
        """A commit that was wrong is taken back."""
        self.estate.entries, self.estate.inline, self.estate.settings = (type(each)(each) for each in self.good)  # type: ignore[assignment]
        self.told.append("taken back")
        self.push()


def played(seed: int, folder: Path) -> tuple[History, list[str]]:
    """One history, and what was wrong in it."""
    (folder / "cache.sqlite").unlink(missing_ok=True)
    history = History(seed, folder)
    with patch.object(yaml_text, "parse", once):
        return history, history.play()


def main(words: list[str]) -> int:
    """Exit code 1 when something is wrong."""
    import tempfile

    first, _, last = words[0].partition("-")
    total: Counter[str] = Counter()
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(int(first), int(last or first) + 1):
            history, wrong = played(seed, Path(folder))
            total.update(history.counts)
            bad += bool(wrong)
            if wrong or not last:
                print(f"{seed}:", *history.told, *wrong, sep="\n  ", flush=True)
    print(f"{bad} wrong; {dict(total)}")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
