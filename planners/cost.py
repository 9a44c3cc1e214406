"""What an infra amounts to: how many servers of what size, and what they cost by their providers' price lists. Pure sums.

Prices are whole billionths of a currency's unit per hour, so that no sum depends on its order; a month has 730 hours. What has no
known price, or no known size, is counted as that and never taken for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields

from planners.canonical import Json
from planners.catalog import Catalog, KindPrice, ProviderSpec
from planners.model import NOTHING_AT_ALL, RecordedResource, Totals, kind_of
from planners.steps import Delete, Forget, Move, Step

HOURS = 730
"""Of a month: 365 days of 24 hours in 12 parts."""
NANO = 10**9
"""Parts of a currency's unit that prices are counted in."""


def totals_of(address: str, provider: str, declared: Mapping[str, Json], catalog: Catalog) -> Totals:
    """What one resource adds: services and clusters nothing, as they stand on servers that are counted."""
    kind, spec = kind_of(address), catalog.providers.get(provider)
    if kind in ("taskserv", "cluster"):
        return NOTHING_AT_ALL
    size = _size(kind, declared, spec)
    price = _price(kind, declared, spec)
    currency = spec.prices.currency if spec and spec.prices else ""
    return Totals(
        servers=int(kind == "server"),
        cpu_cores=size.get("cpu_cores", 0),
        memory_gb=size.get("memory_gb", 0),
        storage_gb=size.get("disk_gb", 0) + size.get("size_gb", 0),
        cores_unknown=int(kind == "server" and "cpu_cores" not in size),
        memory_unknown=int(kind == "server" and "memory_gb" not in size),
        hourly={currency: price} if price else {},
        unpriced=int(price is None),
    )


def _size(kind: str, declared: Mapping[str, Json], spec: ProviderSpec | None) -> dict[str, int]:
    """What is written, and what the provider says of a plan."""
    plan = declared.get("plan")
    known = spec.plans.get(plan, {}) if spec and isinstance(plan, str) and kind == "server" else {}
    own = {k: v for k in ("cpu_cores", "memory_gb", "disk_gb", "size_gb") if type(v := declared.get(k)) is int}
    return {**known, **own}


def _price(kind: str, declared: Mapping[str, Json], spec: ProviderSpec | None) -> int | None:
    """Billionths per hour, ``None`` where nobody says."""
    prices = spec.prices if spec else None
    if spec is None or prices is None:
        return None
    if prices.free:
        return 0
    known = prices.kinds.get(kind, KindPrice())
    plan = declared.get("plan")
    if isinstance(plan, str):
        return known.plans.get(plan)
    size = _size(kind, declared, spec)
    if (known.each is None and not known.per) or not known.per.keys() <= size.keys():
        return None
    return (known.each or 0) + sum(price * size[key] for key, price in known.per.items())


def recorded_totals(records: Iterable[RecordedResource], catalog: Catalog) -> Totals:
    """What is there."""
    return total(totals_of(r.address, r.provider, r.declared, catalog) for r in records)


def after(before: Totals, steps: Iterable[Step], recorded: Mapping[str, RecordedResource], catalog: Catalog) -> Totals:
    """What will be there when ``steps`` are done. What is let go is nobody's here any more, and not counted."""
    steps = tuple(steps)
    former = (recorded.get(step.moved_from if isinstance(step, Move) else step.address) for step in steps)
    gone = recorded_totals((record for record in former if record), catalog)
    kept = (step for step in steps if not isinstance(step, (Delete, Forget)))
    made = total(totals_of(step.address, step.provider, step.declared, catalog) for step in kept)
    return plus(minus(before, gone), made)


def total(parts: Iterable[Totals]) -> Totals:
    """All of them together."""
    numbers: Counter[str] = Counter()
    hourly: Counter[str] = Counter()
    for part in parts:
        for name in _NUMBERS:
            numbers[name] += getattr(part, name)
        hourly.update(part.hourly)
    return Totals(**numbers, hourly=_settled(hourly))


_NUMBERS = tuple(f.name for f in fields(Totals) if f.name != "hourly")


def plus(one: Totals, other: Totals) -> Totals:
    """Both together."""
    return total((one, other))


def minus(one: Totals, other: Totals) -> Totals:
    """The first without the second."""
    numbers = {name: getattr(one, name) - getattr(other, name) for name in _NUMBERS}
    hourly = {c: one.hourly.get(c, 0) - other.hourly.get(c, 0) for c in {*one.hourly, *other.hourly}}
    return Totals(**numbers, hourly=_settled(hourly))


def _settled(hourly: Mapping[str, int]) -> dict[str, int]:
    return {currency: hourly[currency] for currency in sorted(hourly) if hourly[currency]}


def monthly(hourly: int) -> str:
    """Billionths per hour as an amount per month: two decimals, more where that would be nothing."""
    amount = hourly * HOURS
    hundredths = round(amount / (NANO // 100))
    return f"{hundredths / 100:.2f}" if hundredths or not amount else f"{amount / NANO:.6f}"
