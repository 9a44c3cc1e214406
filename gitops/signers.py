"""Whose signature is on a commit: keys are those of the identities in ``workspace.yaml`` on the protected branch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from gitops.ports import Commit, Repository
from gitops.schema.workspace import Identity
from planners.dataclass import dataclass

KEY = re.compile(r"((?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+) ([A-Za-z0-9+/]+={0,3})(?: [^\n]*)?\Z")
MAKE_KEY = (
    "ssh-keygen -t ed25519, then: git config --global gpg.format ssh && git config --global user.signingkey ~/.ssh/id_ed25519.pub"
)
LIST_KEY = "add its public half there by pull request, under identities: {name, emails, teams, keys}; it must be an ssh key"


@dataclass(frozen=True, slots=True)
class Signers:
    """Who may sign one ledger. ``required``: what none of them signed is refused; ``None``: it cannot be told, so a ledger that
    was signed goes on being so. ``why``: the reason for either, as half a sentence. ``former``: identities with keys that were
    listed once, and count for what is long written only; asked for when the others do not do."""

    identities: tuple[Identity, ...] = ()
    required: bool | None = False
    why: str = "this clone does not know the protected branch"
    former: Callable[[], tuple[Identity, ...]] = tuple


def signer(repository: Repository, commit: str, identities: Sequence[Identity]) -> Identity | None:
    """Whose key signed ``commit``; ``None``: nobody's that is listed."""
    lines = allowed(identities)
    principal = repository.verify(commit, lines).principal if lines else ""
    number = principal.removeprefix("identity-")
    return identities[int(number)] if number.isdigit() and int(number) < len(identities) else None


def allowed(identities: Sequence[Identity]) -> tuple[str, ...]:
    """Lines of an allowed-signers file. A principal is an identity's place in the list: names are free text, and in such a
    file they would be patterns."""
    keys = ((n, KEY.match(key.strip())) for n, identity in enumerate(identities) for key in identity.keys)
    return tuple(f"identity-{n} {key[1]} {key[2]}" for n, key in keys if key)


def unsigned(commit: Commit, found: Identity | None) -> str:
    """What is wrong with the signature of ``commit``, as half a sentence; "" when it is ``found``'s."""
    if found is not None:
        return ""
    return "is signed by no key of an identity in workspace.yaml" if commit.signed else "is not signed"


def who_signed(repository: Repository, commits: Sequence[Commit], signers: Signers) -> Iterator[Identity | None]:
    """Whose key, listed now or once, is on each of ``commits``. Several are looked at at once: each costs two processes."""
    from concurrent.futures import ThreadPoolExecutor

    def look(commits: Sequence[Commit], identities: Sequence[Identity]) -> dict[str, Identity | None]:
        with ThreadPoolExecutor(4) as pool:
            return dict(
                zip((c.oid for c in commits), pool.map(lambda c: signer(repository, c.oid, identities), commits), strict=True)
            )

    found = look([commit for commit in commits if commit.signed], signers.identities)
    if unknown := [commit for commit in commits if commit.signed and found[commit.oid] is None]:
        found |= look(unknown, signers.former())
    yield from (found.get(commit.oid) for commit in commits)
