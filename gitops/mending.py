"""``state repair`` and ``audit repair`` between the command line and a chain: where else its commits may be, how it is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gitops.stops import Exit, Stop
from gitops.wiring import Workspace, git_stops

if TYPE_CHECKING:
    from gitops.ledger.repair import Diagnosis, Subject

KEPT_AT = ("refs/provisioning/ledger", "refs/provisioning/sealed/ledger", "refs/heads/provisioning/ledger")
"""Where another clone keeps what it saw of a ledger and of the sealed chains before, and where a remote or mirror has them."""

WORKSPACE_AT = ("refs/provisioning/audit", "refs/heads/provisioning/audit")
"""The same for the workspace's own chain."""
FREEZES = "'provisioning lock freezes' shows what is frozen by it"


def examine(space: Workspace, infra: str, source: str, keep: str) -> Diagnosis:
    """How the ledger of ``infra``, or ("") the workspace's own chain, stands. ``source``: another clone, mirror or commit that
    may have more of it. Raises ``Stop``."""
    from gitops.ledger.repair import diagnose

    return diagnose(subject_of(space, infra), elsewhere(space, infra, source) if source else (), keep)


def subject_of(space: Workspace, infra: str) -> Subject:
    """The ledger of an infra, or ("") the workspace's own chain."""
    from gitops.ledger.repair import OfLedger

    return OfLedger(space.ledger(infra).writer) if infra else space.common.subject()


def elsewhere(space: Workspace, infra: str, source: str) -> tuple[str, ...]:
    """Tips of the ledger in ``source``, fetched into this clone. Raises ``Stop`` (not found)."""
    from gitops.git.remote import GitRemote
    from gitops.ledger.generations import patterns

    path = Path(source)
    if not path.exists() and "://" not in source and (commit := space.repository.resolve(source)) is not None:
        return (commit,)
    with git_stops():
        other = GitRemote(space.repository.git, str(path.resolve()) if path.exists() else source)
        there = other.refs([pattern for place in KEPT_AT for pattern in patterns(f"{place}/{infra}")] if infra else WORKSPACE_AT)
        wanted = {ref: f"refs/provisioning/incoming/elsewhere/{n}" for n, ref in enumerate(there)}
        tips = tuple(dict.fromkeys(other.fetch(wanted).values()))
    if not tips:
        what = subject_of(space, infra).chain.what
        raise Stop(Exit.NOT_FOUND, f"'{source}' knows nothing of {what}", "name a clone that worked with it")
    return tips


def mend(space: Workspace, infra: str, found: Diagnosis, reason: str) -> str:
    """Do what the diagnosis proposes. Returns what is said about it. Raises ``Stop``."""
    from gitops.ledger.repair import perform

    assert found.remedy is not None  # noqa: S101  # nobody asks for what was not proposed
    tip = perform(subject_of(space, infra), found, found.remedy, reason)
    after = f"'provisioning plan -i {infra} --refresh' compares what it records with what is really there"
    return f"{found.what} goes on from {tip[:12]}; {after if infra else FREEZES}"


def text(found: Diagnosis) -> str:
    """A diagnosis for people."""
    lines = [f"{found.what}:", *(f"  {line}" for line in found.told)]
    if found.remedy is not None:
        lines.append(f"to be done: {found.remedy.text}")
    if found.choices:
        lines += ["a person must decide:", *(f"  - {choice}" for choice in found.choices)]
    return "\n".join(lines)


def document(infra: str, found: Diagnosis) -> dict[str, Any]:
    """A diagnosis for machines."""
    return {
        "infra": infra,
        "remote": found.there or None,
        "good": found.good or None,
        "told": list(found.told),
        "remedy": found.remedy.text if found.remedy else None,
        "choices": list(found.choices),
    }
