"""``audit verify`` and ``anchor`` between the command line and the chains: which tips, whose keys, what was anchored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gitops.inspect import moment
from gitops.stops import Exit, Stop
from gitops.wiring import Workspace, git_stops

if TYPE_CHECKING:
    from gitops.ledger.anchor import Anchor
    from gitops.ledger.audit import Verified
    from gitops.signers import Signers

COMMON = "audit"
APPROVALS = "approvals/"


def prove(space: Workspace, infra: str, offline: bool, anchor: Anchor | None = None) -> Verified:
    """The proof over one ledger: at the remote, or (``offline``) as this clone has it. Raises ``Stop``."""
    from gitops.ledger.audit import Known, verify

    seen, tip = _tips(space, infra, offline)
    mark = anchor.ledgers.get(infra) if anchor else None
    known = Known(_signers(space, infra, offline), mark, moment(anchor.time) if anchor else "", seen)
    return verify(space.repository, tip, infra, space.config.id, known)


def _tips(space: Workspace, infra: str, offline: bool) -> tuple[str, str]:
    """(tip seen before, tip to be verified), "" for none."""
    if offline:
        try:
            return "", space.ledger_tip(infra, True)
        except Stop as stop:
            if stop.code is not Exit.NOT_FOUND:
                raise
            return "", ""
    seen = space.ledger(infra).seen
    try:
        return seen, space.ledger_tip(infra, False)
    except Stop:  # what nobody else would read on is what is looked at here
        return space.ledger(infra).peek()


def _signers(space: Workspace, infra: str, offline: bool) -> Signers:
    from gitops import trust

    if offline:
        return trust.signers(space, infra, trust.seen_head(space))
    return trust.known(space, infra, True)


def known_infras(space: Workspace, names: Iterable[str], anchor: Anchor | None) -> tuple[str, ...]:
    """``names``, and those whose ledgers are gone from where they were seen or anchored, sorted."""
    from gitops.ledger.chain import LOCAL
    from gitops.ledger.generations import names as infras

    with git_stops():
        return tuple(sorted({*names, *infras(space.repository.local(LOCAL)), *(anchor.ledgers if anchor else ())}))


# --- anchors ---------------------------------------------------------------------------------------------


def read_anchor(space: Workspace, path: str) -> Anchor:
    """An anchor of this workspace from a file. Raises ``Stop`` (not found, invalid)."""
    from gitops.ledger.anchor import anchor_of
    from gitops.ledger.shape import Malformed

    try:
        anchor = anchor_of(Path(path).read_bytes())
    except OSError as error:
        raise Stop(Exit.NOT_FOUND, f"the anchor '{path}' cannot be read: {error.strerror}", "name a file that exists") from error
    except Malformed as error:
        hint = "name a file that 'provisioning audit anchor' made, unchanged"
        raise Stop(Exit.INVALID, f"the anchor '{path}' {error}", hint) from error
    if anchor.workspace != space.config.id:
        raise Stop(Exit.INVALID, f"the anchor '{path}' is of another workspace, {anchor.workspace}", "name one of this workspace")
    return anchor


def take_anchor(space: Workspace, infras: Iterable[str], offline: bool) -> Anchor:
    """How far everything has come now. A ledger in which something is wrong is not anchored. Raises ``Stop``."""
    from gitops.ledger.anchor import Anchor, mark_of
    from gitops.ledger.shape import Malformed

    with git_stops():
        try:
            marks = {infra: mark_of(space.repository, space.ledger_tip(infra, offline)) for infra in infras}
        except Malformed as error:
            raise Stop(Exit.FAILURE, f"a ledger {error}", "'provisioning audit verify' says what is wrong") from error
        return Anchor(space.config.id, int(space.clock.wall()), marks, _chains(space, offline))


def _chains(space: Workspace, offline: bool) -> Mapping[str, str]:
    """Tips of the chains that are no ledgers: the workspace's own and those of approvals."""
    from gitops.ledger.chain import OWN, SHARED

    if offline:
        here = {name: tip for base in (SHARED, OWN) for name, tip in _below(space.repository.local(base), base).items()}
        return dict(sorted(here.items()))
    refs = space.remote.refs([f"{SHARED}/{COMMON}", f"{SHARED}/{APPROVALS}*"])
    space.remote.fetch({ref: ref.replace(SHARED, f"{OWN}/incoming", 1) for ref in refs})
    return _below(refs, SHARED)


def _below(refs: Mapping[str, str], base: str) -> dict[str, str]:
    names = {ref.removeprefix(f"{base}/"): tip for ref, tip in refs.items()}
    return {name: tip for name, tip in names.items() if name == COMMON or name.startswith(APPROVALS)}


def cut(space: Workspace, offline: bool, anchor: Anchor) -> dict[str, Verified]:
    """What is no ledger and does not go on from ``anchor``, by name. Raises ``Stop``."""
    from gitops.ledger.audit import Verified
    from gitops.ledger.line import here
    from gitops.ledger.naming import Kind, finding

    found: dict[str, Verified] = {}
    with git_stops():
        now = _chains(space, offline)
        for name, tip in anchor.chains.items():
            there = now.get(name, "")
            if there and here(space.repository, there) and space.repository.contains(there, tip):
                continue
            shorter = not there or (here(space.repository, tip) and space.repository.contains(tip, there))
            what = (
                f"it does not go on from {tip[:12]}, which the anchor has"
                if there
                else f"it is gone, and the anchor has {tip[:12]}"
            )
            found[name] = Verified(0, (finding(there or tip, Kind.TRUNCATED if shorter else Kind.REWRITTEN, what),), ())
    return found
