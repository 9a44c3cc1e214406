"""Approvals and rejections: an append-only chain of signed commits per infra, each one person's word on one plan.

A record is the only file of its commit. It counts when the commit is signed by a key of an identity in ``workspace.yaml`` on
the protected branch, and says who that is; what it weighs is ``rules.approvals``' affair. Whoever can push can add to the
chain, so what is not so signed is named and never counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from random import random
from typing import Any

from executors.clocks import SystemClock
from executors.ports import Clock
from gitops.declare.source import inputs_digest
from gitops.ledger.chain import Backoff, Chain, LostRaceError
from gitops.ports import Commit, GitError, Person, Remote, Repository
from gitops.schema.workspace import Identity, WorkspaceConfig
from gitops.signers import KEY, LIST_KEY, MAKE_KEY, signer
from gitops.stops import Exit, Stop
from planners.canonical import digest, encode
from planners.dataclass import dataclass
from planners.steps import Plan
from rules.approvals import needed
from rules.model import VALID_SECONDS, Approval, Decision

FORMATS = (1, 2)
"""Of a record; the last is what is written. From 2 on the commit's own text, which is what is signed, holds the record's
digest: Git itself binds it by SHA-1 alone."""
FILE = "approval.json"
KIND = "approvals"
CO_AUTHOR = re.compile(r"^co-authored-by:.*<([^<>\s]+)>\s*$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the chain holds. ``approvals``: good records, oldest first; ``foreign``: what does not count, and why."""

    tip: str
    approvals: tuple[Approval, ...]
    foreign: tuple[str, ...]


def read(
    repository: Repository,
    remote: Remote,
    config: WorkspaceConfig,
    infra: str,
    *,
    plan: str = "",
    offline: bool = False,
) -> Standing:
    """The records of one infra, of one ``plan`` or of all. ``config``: that of the protected branch.

    Raises ``Stop`` when the chain was rewritten, ``GitError`` when the remote cannot be reached. ``offline``: as last seen.
    """
    chain = _chain(repository, remote, infra, SystemClock())
    tip = chain.seen() if offline else chain.fetch()
    found: list[Approval] = []
    foreign = [*_strange_keys(config.identities)]
    for commit in reversed(repository.history(tip)):
        record = _record(repository, commit)
        if record is None:
            foreign.append(f"{commit.oid[:12]}: not a record that this version reads")
        elif not plan or record["plan"] == plan:
            word = _checked(repository, commit, record, config, infra)
            if isinstance(word, Approval):
                found.append(word)
            else:
                foreign.append(f"{commit.oid[:12]}: {word}")
    return Standing(tip, tuple(found), tuple(foreign))


def record(
    repository: Repository,
    remote: Remote,
    config: WorkspaceConfig,
    plan: Plan,
    decision: str,
    who: Person,
    clock: Clock,
    *,
    team: str = "",
    reason: str = "",
    source_commit: str = "",
    made_by: Iterable[str] = (),
) -> Approval:
    """Sign a word on exactly ``plan`` and add it to the chain. ``config``: that of the protected branch.

    ``made_by``: as ``authors`` tells; they cannot approve. Raises ``Stop``: no key, a key of nobody listed, a team that is not
    theirs, their own change, a rewritten chain; ``GitError``: unreachable, denied.
    """
    now = int(clock.wall())
    document = {
        "format": FORMATS[-1],
        "workspace": config.id,
        "infra": plan.infra,
        "plan": plan.id,
        "decision": str(Decision(decision)),
        "principal": _name_of_mail(config.identities, who.email),
        "team": team,
        "reason": " ".join(reason.split()),
        "time": now,
        "valid_until": now + VALID_SECONDS,
        "count": needed(plan),
        "source_commit": source_commit,
    }
    chain = _chain(repository, remote, plan.infra, clock)
    while True:
        parent = chain.fetch()
        word = _signed(repository, parent, document, replace(who, time=now), config)
        _refuse(word, team, made_by)
        try:
            chain.send(parent, word.commit)
            return word
        except LostRaceError:
            continue  # somebody else's word came first: ours goes on top of it


def authors(repository: Repository, config: WorkspaceConfig, infra: str, base: str, tip: str) -> tuple[str, ...]:
    """Who made what changed for ``infra`` after ``base`` up to ``tip``: mail addresses, and the identities that signed.

    ``base`` "": everything. Merged branches are looked into; a merge that changes nothing by itself has no author. Only
    commits that touch what the infra is made of count. Raises ``Stop`` (failure) when history is cut off before the answer.
    """
    known = _mainline(repository, base)
    found: set[str] = set()
    todo, seen = [tip], set(known)
    try:
        while todo:
            oid = todo.pop()
            if oid in seen:
                continue
            seen.add(oid)
            commit = repository.commit(oid)
            todo += commit.parents
            own = inputs_digest(repository, oid, infra)
            if all(inputs_digest(repository, parent, infra) != own for parent in commit.parents):
                found |= _makers(repository, commit, config.identities)
    except GitError as error:
        if error.kind != "missing":
            raise
        message = "who made this change cannot be told: the clone's history ends before the commit that was applied last"
        raise Stop(Exit.FAILURE, message, "git fetch --unshallow") from error
    return tuple(sorted(found))


def _mainline(repository: Repository, base: str) -> set[str]:
    """``base`` and its first parents, as far as this clone has them: fewer only make for more authors."""
    found: set[str] = set()
    while base and base not in found:
        try:
            parents = repository.commit(base).parents
        except GitError:
            break
        found.add(base)
        base = parents[0] if parents else ""
    return found


def _makers(repository: Repository, commit: Commit, identities: Sequence[Identity]) -> set[str]:
    found = {commit.author.email.casefold(), *(mail.casefold() for mail in CO_AUTHOR.findall(commit.message))}
    if commit.signed and (identity := signer(repository, commit.oid, identities)):
        found.add(identity.name)
    return found - {""}


def _chain(repository: Repository, remote: Remote, infra: str, clock: Clock) -> Chain:
    def unbranched(tip: str, seen: str) -> None:
        """A merge could lead past what was seen, such as a rejection, and still contain it."""
        for commit in repository.history(tip, stop=seen):
            if len(commit.parents) > 1:
                message = f"the approvals of '{infra}' hold a merge, {commit.oid[:12]}, and nothing is ever merged there"
                raise Stop(Exit.FAILURE, message, "find out who pushed it; no approval counts until the branch is restored")

    return Chain(repository, remote, infra, Backoff(clock, random), KIND, unbranched)


# --- one record ------------------------------------------------------------------------------------------


def _record(repository: Repository, commit: Commit) -> Mapping[str, Any] | None:
    """The record of a commit, ``None`` when it is none: other files beside it would make it some other commit, signed for
    some other reason."""
    entries = repository.entries(commit.oid)
    if [*entries] != [FILE] or entries[FILE].mode != "100644":
        return None
    try:
        found: Any = json.loads(repository.blobs([entries[FILE].oid])[entries[FILE].oid])
    except ValueError:
        return None
    keys = ("workspace", "infra", "plan", "decision", "principal", "team", "reason")
    whole = isinstance(found, dict) and found.get("format") in FORMATS
    if not whole or not all(isinstance(found.get(k), str) for k in keys):
        return None
    if not all(isinstance(found.get(k), int) for k in ("time", "valid_until")) or found["decision"] not in (*Decision,):
        return None
    return {**found}


def _checked(
    repository: Repository, commit: Commit, record: Mapping[str, Any], config: WorkspaceConfig, infra: str
) -> Approval | str:
    """The record as a value, or why it does not count."""
    if not commit.signed:
        return f"{record['decision']} by '{record['principal']}' is not signed"
    identity = signer(repository, commit.oid, config.identities)
    if identity is None:
        return f"{record['decision']} by '{record['principal']}' is signed by no key of an identity in workspace.yaml"
    if record["principal"] != identity.name:
        return f"{record['decision']} says '{record['principal']}' and is signed by '{identity.name}'"
    if record["format"] > 1 and digest_line(record) not in commit.message.splitlines():
        return f"{record['decision']} by '{record['principal']}' is not the record that its commit was signed for"
    if (record["workspace"], record["infra"]) != (config.id, infra):
        return f"{record['decision']} by '{identity.name}' is for another infra or workspace"
    teams = identity.teams if not record["team"] else (record["team"],) if record["team"] in identity.teams else ()
    return Approval(
        plan=record["plan"],
        infra=infra,
        decision=Decision(record["decision"]),
        principal=identity.name,
        teams=teams,
        mails=tuple(sorted({*identity.emails, commit.author.email} - {""})),
        reason=record["reason"],
        time=record["time"],
        valid_until=record["valid_until"],
        commit=commit.oid,
    )


def _signed(
    repository: Repository, parent: str, document: Mapping[str, Any], author: Person, config: WorkspaceConfig
) -> Approval:
    """The record as a commit on ``parent`` that nobody else has yet. The key decides who speaks, whatever the mail says."""
    try:
        oid = repository.write(parent, {FILE: encode(document)}, _message(document), author, sign=True)
    except GitError as error:
        if error.kind != "no-identity":
            raise
        raise Stop(Exit.INVALID, f"approvals are signed, and {error}", f"make a key: {MAKE_KEY}") from error
    identity = signer(repository, oid, config.identities)
    if identity is None:
        message = f"your signing key belongs to no identity in workspace.yaml on '{config.protected_branch}'"
        raise Stop(Exit.DENIED, message, LIST_KEY)
    if document["principal"] != identity.name:
        return _signed(repository, parent, {**document, "principal": identity.name}, author, config)
    word = _checked(repository, repository.commit(oid), document, config, document["infra"])
    assert isinstance(word, Approval)  # noqa: S101  # everything it could fail on was looked at above
    return word


def _refuse(word: Approval, team: str, made_by: Iterable[str]) -> None:
    """What would not count is not written."""
    if team and team not in word.teams:
        hint = "leave out --team, or name one that workspace.yaml gives you"
        raise Stop(Exit.DENIED, f"'{word.principal}' is not in team '{team}'", hint)
    own = {a.casefold() for a in made_by} & {word.principal.casefold(), *(m.casefold() for m in word.mails)}
    if own and word.decision is Decision.APPROVE:
        raise Stop(Exit.DENIED, f"'{word.principal}' made this change and cannot approve it", "ask somebody else")


def _message(document: Mapping[str, Any]) -> str:
    lines = [f"{document['decision']} plan {document['plan'][:12]} of {document['infra']}", ""]
    lines += [document["reason"], ""] if document["reason"] else []
    lines += [f"Provisioning-Plan: {document['plan']}", f"Provisioning-Infra: {document['infra']}"]
    lines += [f"Provisioning-Source-Commit: {document['source_commit']}"] if document["source_commit"] else []
    return "\n".join([*lines, f"Provisioning-Actor: {document['principal']}", digest_line(document), ""])


def digest_line(document: Mapping[str, Any]) -> str:
    """What the signed text says of the record."""
    return f"Provisioning-Approval: {digest('approval', document)}"


# --- identities ------------------------------------------------------------------------------------------


def _name_of_mail(identities: Sequence[Identity], mail: str) -> str:
    folded = mail.casefold()
    return next((i.name for i in identities if folded in (m.casefold() for m in i.emails)), "")


def _strange_keys(identities: Sequence[Identity]) -> list[str]:
    strange = (i.name for i in identities if not all(KEY.match(k.strip()) for k in i.keys))
    return [f"workspace.yaml: a key of '{name}' is not a public ssh key, such as 'ssh-ed25519 AAAA...'" for name in strange]
