"""Who may sign the ledger of an infra: as the protected branch says, never the ledger itself nor the change that is judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitops.ports import GitError
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitops.schema.workspace import Identity
    from gitops.signers import Signers
    from gitops.wiring import Workspace

REMOTE = "origin"
TRACKING = f"refs/remotes/{REMOTE}"
GUARDED = ("staging", "prod")
"""Classes of environments whose ledgers only those listed write (DESIGN section 4)."""


def protected_head(space: Workspace) -> str:
    """The protected branch's head, fetched. Raises ``Stop`` (not found, failure)."""
    branch = space.config.protected_branch
    try:
        landed = space.remote.fetch({f"refs/heads/{branch}": f"{TRACKING}/{branch}"})
    except GitError as error:
        raise Stop(Exit.DENIED if error.kind == "denied" else Exit.FAILURE, str(error), error.hint) from error
    if not landed:
        raise Stop(Exit.NOT_FOUND, f"the remote has no branch '{branch}'", f"git push -u {REMOTE} HEAD:{branch}")
    return next(iter(landed.values()))


def seen_head(space: Workspace) -> str:
    """The protected branch's head as this clone saw it last, "" for never."""
    branch = space.config.protected_branch
    places = [f"{TRACKING}/{branch}", *([f"refs/heads/{branch}"] if space.bare else [])]  # a mirror has it under its own name
    return next((tip for place in places if (tip := space.repository.local(place).get(place, ""))), "")


def known(space: Workspace, infra: str, fresh: bool) -> Signers:
    """Who may sign, by what this clone saw last of the protected branch, or (``fresh``, and where it never saw it) by what is at
    the remote. Raises ``Stop``."""
    try:
        head = (not fresh and seen_head(space)) or protected_head(space)
    except Stop as stop:
        if stop.code is not Exit.NOT_FOUND:
            raise
        head = ""  # nothing was pushed there yet, so nobody is listed
    return signers(space, infra, head)


def signers(space: Workspace, infra: str, head: str) -> Signers:
    """Who may sign, by the protected branch at ``head`` ("" : this clone never saw it). Raises ``Stop`` (invalid)."""
    from functools import partial

    from gitops.signers import Signers, allowed

    branch, once = space.config.protected_branch, partial(former, space, head)
    if not head:
        return Signers(why=f"this clone has not seen '{branch}'")
    identities = space.config_at(head).identities
    if not allowed(identities):
        return Signers(why=f"workspace.yaml on '{branch}' lists no key of anybody", former=once)
    class_ = class_of(space, infra, head)
    if class_ is None:
        return Signers(
            identities, None, f"it was signed before, and '{branch}' does not say which environment '{infra}' is in", once
        )
    asks = "asks for a signature" if class_ in GUARDED else "asks for none"
    return Signers(identities, class_ in GUARDED, f"an environment of class {class_} {asks}", once)


def class_of(space: Workspace, infra: str, treeish: str) -> str | None:
    """The class of the environment that ``infra`` is in; ``None`` when ``treeish`` does not say. Kept by what it depends on: this
    is asked whenever a ledger has moved, and an evaluation takes longer than everything else then."""
    inputs = space.inputs(infra, treeish)
    name = f"class/{inputs}"
    if name in (kept := space.made.get([name])):
        return kept[name].decode()
    found = space.classes.get(inputs.partition(":")[2]) or _evaluated(space, infra, treeish)
    if found is not None:
        space.made.put({name: found.encode()})
    return found


def _evaluated(space: Workspace, infra: str, treeish: str) -> str | None:
    try:
        return str(space.load(infra, treeish).desired.environment.class_)
    except Stop:
        return None  # not declared, or broken


def former(space: Workspace, head: str) -> tuple[Identity, ...]:
    """Everybody whom the protected branch listed once: what they signed then stays signed."""
    found: dict[str, Sequence[Identity]] = {}
    for commit in space.repository.history(head) if head else ():
        entry = space.repository.entries(commit.tree).get("workspace.yaml")
        if entry is not None and entry.oid not in found:
            try:
                found[entry.oid] = space.config_at(commit.oid).identities
            except Stop:
                found[entry.oid] = ()
    return tuple(dict.fromkeys(identity for identities in found.values() for identity in identities))
