"""How large the ledgers have become, and leaving what was behind."""

from __future__ import annotations

from typing import Any

from gitops.wiring import Workspace, git_stops
from planners.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Grown:
    """One chain of a ledger, live or sealed. ``size``: bytes on disk in this clone, of everything reachable from ``tip``."""

    generation: int
    ref: str
    state: str
    tip: str
    transitions: int
    size: int

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def chains(space: Workspace, infra: str) -> tuple[Grown, ...]:
    """All chains of one ledger that the remote has, oldest first. Raises ``Stop``."""
    from gitops.ledger.lock import State

    ledger = space.ledger(infra)
    view = ledger.view()
    ledger.bring_sealed()
    chain, repository = ledger.writer.chain, space.repository
    found = []
    with git_stops():
        there = chain.tips()
        for generation, tip in there.items():
            state = "live" if tip == view.tip and view.lock.state is not State.SEALED else "sealed"
            count = len(repository.history(tip))
            found.append(Grown(generation, chain.ref_of(generation), state, tip, count, repository.disk_usage(tip)))
    return tuple(found)


def row(space: Workspace, infra: str) -> dict[str, Any]:
    """What its live chain holds and takes."""
    view = space.ledger(infra).view()
    with git_stops():
        size = space.repository.disk_usage(view.tip) if view.tip else 0
    generation = view.meta.generation if view.meta else 1
    counts = {"transitions": view.lock.seq, "entries": view.lock.entries, "resources": len(view.recorded().resources)}
    return {"infra": infra, "generation": generation, **counts, "size": size}


def rotate(space: Workspace, infra: str, reason: str) -> tuple[int, int, str]:
    """(bytes before, bytes after, ref of the next chain). Raises ``Stop``."""
    before = row(space, infra)["size"]
    space.ledger(infra).rotate(reason)
    return before, row(space, infra)["size"], space.ledger(infra).writer.chain.ref


def readable(size: int) -> str:
    """``3.4 MiB``."""
    number, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if number < 1024:
            break
        number, unit = number / 1024, larger
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
