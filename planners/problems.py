"""Mistakes as values: what is wrong, where, why, and what to do about it."""

from __future__ import annotations

from enum import StrEnum

from planners.dataclass import dataclass


class Severity(StrEnum):
    """How a problem is treated: errors stop, warnings are shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Where:
    """A place in a state repository; ``line`` and ``column`` count from 1, 0 means unknown."""

    path: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.line else self.path


NOWHERE = Where()


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake: ``code`` is stable (kebab-case), ``message`` says what, ``hint`` what to do."""

    where: Where
    code: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where.path else ""
        hint = f"; {self.hint}" if self.hint else ""
        return f"{place}{self.severity}: {self.message}{hint}"


@dataclass(frozen=True, slots=True)
class Problems:
    """All the mistakes found at once, sorted by place; never empty of errors when returned instead of a value."""

    items: tuple[Problem, ...]

    def __iter__(self):  # type: ignore[no-untyped-def]  # keeps the value iterable without importing typing machinery
        return iter(self.items)
