"""What an environment lets an infra come to: sizes, money, labels. A plan may pass a limit only on its way down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from planners.cost import HOURS, NANO, monthly
from planners.model import Budget, Environment, Resource, Totals, kind_of
from planners.problems import NOWHERE, Problem
from planners.steps import Delete, Forget, Notice, Step

_WORDS: Mapping[str, str] = {
    "servers": "servers",
    "cpu_cores": "CPU cores",
    "memory_gb": "GB of memory",
    "storage_gb": "GB of storage",
}


def beyond(
    steps: Iterable[Step], before: Totals, after: Totals, environment: Environment, declared: Mapping[str, Resource]
) -> Iterator[Problem]:
    """What the environment does not allow. What was beyond a limit already, and does not grow, is only told (``near``)."""
    file = f"environments/{environment.name}.yaml"
    for key, most in _most(environment):
        then, now = getattr(before, key), getattr(after, key)
        if now > max(most, then):
            yield _too_much(_counted(most, key), f"{now}, now {then}", environment, f"raise limits.{key} in {file}")
        unknown = {"cpu_cores": "cores_unknown", "memory_gb": "memory_unknown"}.get(key)
        if unknown and getattr(after, unknown) > getattr(before, unknown):
            many = _counted(getattr(after, unknown), "servers")
            message = f"environment '{environment.name}' limits {_WORDS[key]}, and how many {many} will have is not known"
            yield Problem(NOWHERE, "limit-unknown", message, f"write {key}, or a plan that the provider lists")
    if environment.budget:
        yield from _over_budget(before, after, environment.budget, environment)
    for step in steps:
        missing = [] if isinstance(step, (Delete, Forget)) else _missing(step, environment)
        if missing:
            where = declared[step.address].where if step.address in declared else NOWHERE
            labels = ", ".join(repr(name) for name in missing)
            message = f"{step.address} has no label {labels}, which environment '{environment.name}' asks for"
            yield Problem(where, "missing-label", message, "add it to its labels, or to settings.labels for all")


def near(before: Totals, after: Totals, environment: Environment) -> Iterator[Notice]:
    """What is beyond a limit or a budget and does not grow, and a budget that is used up but for a little."""
    for key, most in _most(environment):
        then, now = getattr(before, key), getattr(after, key)
        if most < now <= then:
            yield Notice("limit", f"{environment.name} allows {_counted(most, key)} and after this plan there are {now}")
    budget = environment.budget
    if budget is None:
        return
    cost, most = after.hourly.get(budget.currency, 0), _hourly(budget)
    if cost * 100 > most * budget.warn_at:
        share = f"{cost * 100 // most if most else 100} %"
        told = f"{monthly(cost)} of {budget.monthly} {budget.currency} a month"
        yield Notice("budget", f"after this plan {share} of the budget of {environment.name} is used: {told}")
    if after.unpriced:
        yield Notice("budget", f"{_unpriced(after)}, so what all cost is not known")


def _most(environment: Environment) -> Iterator[tuple[str, int]]:
    for key in _WORDS:
        most = getattr(environment.limits, key)
        if most is not None:
            yield key, most


def _over_budget(before: Totals, after: Totals, budget: Budget, environment: Environment) -> Iterator[Problem]:
    """Money beyond the budget, in another currency, or unknown: none of it may grow."""
    file = f"environments/{environment.name}.yaml"
    then, now = before.hourly.get(budget.currency, 0), after.hourly.get(budget.currency, 0)
    if now > max(_hourly(budget), then):
        made = f"{monthly(now)}, now {monthly(then)}"
        yield _too_much(f"{budget.monthly} {budget.currency} a month", made, environment, f"raise budget.monthly in {file}")
    for currency in sorted(after.hourly.keys() - {budget.currency}):
        if after.hourly[currency] > before.hourly.get(currency, 0):
            message = f"the budget of {environment.name} is in {budget.currency}, and this plan adds prices in {currency}"
            yield Problem(
                NOWHERE, "budget-unknown", message, "nobody says at which rate: use one currency in workspace.yaml prices"
            )
    if after.unpriced > before.unpriced:
        message = f"environment '{environment.name}' has a budget, and {_unpriced(after)}"
        yield Problem(NOWHERE, "budget-unknown", message, "give their prices in workspace.yaml under prices")


def _too_much(allowed: str, made: str, environment: Environment, advice: str) -> Problem:
    return Problem(
        NOWHERE,
        "limit",
        f"environment '{environment.name}' allows {allowed} and this plan makes {made}",
        f"declare less, or {advice}",
    )


def _unpriced(totals: Totals) -> str:
    return f"{totals.unpriced} of these resources {'has' if totals.unpriced == 1 else 'have'} no known price"


def _counted(count: int, key: str) -> str:
    words = _WORDS[key]
    return f"1 {words.removesuffix('s')}" if count == 1 else f"{count} {words}"


def _hourly(budget: Budget) -> int:
    """Rounded up: a budget of a month is not missed by a part of a billionth."""
    return -(-budget.monthly * NANO // HOURS)


def _missing(step: Step, environment: Environment) -> list[str]:
    """Labels that what a provider makes ought to have."""
    if not environment.limits.labels or kind_of(step.address) in ("taskserv", "cluster"):
        return []
    labels = step.declared.get("labels")
    return [name for name in environment.limits.labels if not isinstance(labels, Mapping) or not labels.get(name)]
