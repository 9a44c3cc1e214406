"""The refs of a ledger that was rotated: ``shop``, then ``shop@2``, ``shop@3``, … ; only the newest is written to. Pure.

A ref never moves but forward, so a sealed chain can be left behind only by beginning another ref. No infra has an ``@`` in
its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def nth(name: str, generation: int) -> str:
    """The ref, or infra's name in it, of one generation (from 1)."""
    return name if generation == 1 else f"{name}@{generation}"


def split(ref: str) -> tuple[str, int]:
    """The reverse of ``nth``; generation 0 for what no generation is called."""
    name, at, number = ref.rpartition("@")
    if not at:
        return ref, 1
    return name, int(number) if number.isascii() and number.isdigit() and number[0] != "0" and int(number) > 1 else 0


def patterns(name: str) -> list[str]:
    """What to ask a remote for to see all generations of ``name``."""
    return [name, f"{name}@*"]


def of(refs: Mapping[str, str], name: str) -> dict[int, str]:
    """Generation -> tip of the ledger called ``name`` among ``refs``, oldest first."""
    found = {generation: tip for ref, tip in refs.items() for at, generation in [split(ref)] if tip and at == name and generation}
    return dict(sorted(found.items()))


def newest(refs: Mapping[str, str], name: str) -> tuple[int, str]:
    """(generation, tip) of the newest, (1, "") when there is none."""
    return next(reversed(of(refs, name).items()), (1, ""))


def names(refs: Iterable[str]) -> tuple[str, ...]:
    """Infras that have a ledger among ``refs``, sorted."""
    return tuple(sorted({name.rpartition("/")[2] for name, generation in map(split, refs) if generation}))
