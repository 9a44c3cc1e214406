"""Signatures on one ledger: which commits get one, and what is refused for want of one.

A signature covers the commit, and with it everything that stands below. So of new commits the newest is looked at, and
``audit verify`` looks at each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from gitops.ledger.check import walk
from gitops.ledger.line import line
from gitops.ports import Commit, Repository
from gitops.schema.workspace import Identity
from gitops.signers import LIST_KEY, Signers, signer, unsigned, who_signed
from gitops.stops import Exit, Stop

if TYPE_CHECKING:
    from gitops.ledger.ledger import Ledger
    from gitops.ledger.writer import Writer

VOUCH = "whoever is listed and knows it to be right vouches for it with 'provisioning audit sign --reason TEXT'"


VOUCH_SECONDS = 60
"""How long the hold by which somebody vouches lasts at most."""


class Signing:
    """``known``: who may sign, by what this clone saw last of the protected branch or (true) by what is there now. ``wished``:
    the person has git sign all their commits."""

    def __init__(self, repository: Repository, infra: str, known: Callable[[bool], Signers], wished: bool = False) -> None:
        self._repository = repository
        self._infra = infra
        self._known = known
        self._wished = wished
        self._mine: str | None = None
        self.vouching = False
        """A person vouches for what nobody signed."""

    def wanted(self, tip: str) -> bool:
        """Whether what follows ``tip`` ("" : nothing yet) is signed."""
        return self._wished or self._required(self._signers, tip)

    @cached_property
    def _signers(self) -> Signers:
        return self._known(False)

    def _required(self, signers: Signers, tip: str) -> bool:
        if signers.required is None:
            return bool(tip) and self._repository.commit(tip).signed
        return signers.required

    def own(self, commit: str, parent: str) -> None:
        """What we have just signed must count with others. Raises ``Stop`` (denied). A key does not change while we run, so only
        the first of our commits is looked at."""
        if self._mine is None and self._required(self._signers, parent):
            found = signer(self._repository, commit, self._signers.identities)
            if found is None:
                message = f"the ledger of '{self._infra}' is signed by identities in workspace.yaml, and your key is nobody's"
                raise Stop(Exit.DENIED, f"{message}: {self._signers.why}", LIST_KEY)
            self._mine = found.name

    @property
    def why(self) -> str:
        """The reason why signatures are asked for or not, as half a sentence."""
        return self._signers.why

    def begun(self, commits: Sequence[Commit]) -> bool:
        """Whether a listed key signed any of ``commits``."""
        return any(who_signed(self._repository, commits, self._known(True)))

    def missing(self, commits: Sequence[Commit]) -> Iterator[tuple[Commit, str]]:
        """(commit, what is wrong) for those of ``commits``, oldest first, that had to be signed and carry no signature at all."""
        signers = self._known(True)
        if any(commit.signed for commit in commits):
            signed = [*who_signed(self._repository, commits, signers)]
            yield from ((commit, fault) for commit, fault in forged(commits, signed, signers) if not commit.signed)

    def trust(self, tip: str, seen: str) -> None:
        """Raises ``Stop`` (failure) when ``tip`` had to be signed and is not; ``seen`` is the tip trusted before, "" for none."""
        if self.vouching or not self._required(self._signers, seen):
            return
        commit = self._repository.commit(tip)
        if signer(self._repository, tip, self._signers.identities):
            return
        now = self._known(True)  # whoever signed it may have been listed since
        if not self._required(now, seen):
            return
        if wrong := unsigned(commit, signer(self._repository, tip, now.identities)):
            message = f"the ledger of '{self._infra}' was changed by somebody unknown: {tip[:12]} {wrong}, and {now.why}"
            raise Stop(Exit.FAILURE, message, f"'provisioning audit verify -i {self._infra}' tells how to go on")


def vouch(ledger: Ledger, writer: Writer, reason: str) -> int:
    """See ``Ledger.vouch``."""
    signing, repository = writer.signing, writer.chain.repository
    _, tip = ledger.peek()
    if signing is None or not tip:
        raise Stop(Exit.NOT_FOUND, f"infra '{ledger.infra}' has no ledger", "the first apply begins one, signed")
    commits = line(repository, tip)[::-1]
    if wrong := next((f"{commit.oid[:12]} {fault}" for commit, fault in walk(repository, commits)), ""):
        hint = f"'provisioning state repair -i {ledger.infra}' says what can be done"
        raise Stop(Exit.FAILURE, f"nobody vouches for a ledger that is not whole: {wrong}", hint)
    if not signing.wanted(tip):
        raise Stop(
            Exit.USAGE, f"nothing asks for signatures on the ledger of '{ledger.infra}': {signing.why}", "leave it as it is"
        )
    if signing.begun(commits):
        hint = f"'provisioning audit verify -i {ledger.infra}' names what is not signed"
        raise Stop(Exit.USAGE, f"somebody listed has signed the ledger of '{ledger.infra}': there is nothing to vouch for", hint)
    signing.vouching = True
    try:
        ledger.hold(f"vouches for {len(commits)} transitions: {reason}", VOUCH_SECONDS)
        ledger.release_hold()
    finally:
        signing.vouching = False
    return len(commits)


def forged(commits: Sequence[Commit], signed: Sequence[Identity | None], signers: Signers) -> Iterator[tuple[Commit, str]]:
    """(commit, what is wrong) where a signature is due and missing, broken or a stranger's: from the first one on that a listed
    key made. ``commits`` oldest first, each ``signed`` by whom."""
    if signers.required is False or not commits:
        return
    if signers.required and not any(signed):
        yield commits[-1], f"nobody listed has signed this ledger so far, and {signers.why}: {VOUCH}"
    begun = False
    for commit, found in zip(commits, signed, strict=True):
        begun = begun or found is not None
        if begun and (wrong := unsigned(commit, found)):
            yield commit, f"it {wrong}, and {signers.why}"
