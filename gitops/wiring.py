"""The composition root: a path and an environment become a ``Workspace`` with all adapters connected on first use."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from gitops.ports import GitError
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from executors.clocks import SystemClock
    from executors.ports import Progress, Provider, Tools
    from gitops.declare.load import Loaded
    from gitops.git.local import GitRepository
    from gitops.git.remote import GitRemote
    from gitops.ledger.ledger import Held, Ledger, View
    from gitops.pipeline import Ask, Planned
    from gitops.ports import Person
    from gitops.schema.workspace import WorkspaceConfig
    from planners.model import Environment, Observed, Recorded
    from planners.problems import Problem, Problems

PREFIX = "refs/heads/provisioning"
EDITS_WAIT = 0.030
"""Seconds a plan waits at most for the look at the working tree (DESIGN section 6)."""


def open_workspace(path: Path, environ: Mapping[str, str]) -> Workspace:
    """The state repository around ``path``. Raises ``Stop`` when there is none."""
    from gitops.git.local import open_repository

    try:
        return Workspace(path, open_repository(path), environ)
    except GitError as error:
        raise stop_of(error) from error


def stop_of(error: GitError) -> Stop:
    """Git's refusals as exit codes: denied is permission, a missing thing is not found, all else is failure."""
    code = {"denied": Exit.DENIED, "missing": Exit.NOT_FOUND, "not-a-repository": Exit.NOT_FOUND, "no-identity": Exit.INVALID}
    return Stop(code.get(error.kind, Exit.FAILURE), str(error), error.hint)


class Workspace:
    """One state repository as this machine sees it. Nothing is read or contacted before it is asked for."""

    def __init__(self, path: Path, repository: GitRepository, environ: Mapping[str, str]) -> None:
        self.path = path
        self.repository = repository
        self.environ = environ
        self._ledgers: dict[str, Ledger] = {}

    def close(self) -> None:
        """End child processes."""
        self.repository.close()
