"""The one way a command ends early: an exit code, one sentence, and what to do next.

The exit codes are part of the product's contract with scripts and CI (DESIGN section 10).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planners.problems import Problem


class Exit(IntEnum):
    """What the process tells its caller."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    INVALID = 3
    DENIED = 4
    NOT_FOUND = 5
    CHANGES = 6
    LOCKED = 7
    NEEDS_APPROVAL = 8
    STALE = 9
    INTERRUPTED = 130


MEANING = {
    Exit.OK: "success",
    Exit.FAILURE: "failure: a step failed, the remote is gone, the ledger was tampered with",
    Exit.USAGE: "usage: the command line is wrong, or something must be confirmed",
    Exit.INVALID: "invalid declaration or configuration",
    Exit.DENIED: "permission denied",
    Exit.NOT_FOUND: "not found",
    Exit.CHANGES: "changes pending (only with --detailed-exitcode)",
    Exit.LOCKED: "the lock is held, or the infra is frozen",
    Exit.NEEDS_APPROVAL: "approval needed",
    Exit.STALE: "the plan is stale",
    Exit.INTERRUPTED: "interrupted",
}


class Stop(Exception):  # noqa: N818  # it ends a command, which is no error as such
    """Ends a command with ``code``: ``message`` says what, ``hint`` what to do, ``problems`` lists mistakes with places."""

    def __init__(self, code: Exit, message: str, hint: str = "", problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.problems = tuple(problems)
