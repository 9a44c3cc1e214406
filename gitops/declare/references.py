"""References in declared values: ``${server/web-01.private_ip}`` and ``secret://shop/database/password``.

Text such as ``${HOME}`` is none of ours: a reference has a ``/`` in it or begins with a kind and a dot.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterator, Mapping

from gitops.declare.documents import Document, texts
from planners.dataclass import dataclass
from planners.model import Dependency
from planners.problems import Problem, Where
from planners.references import PATTERN
from planners.suggest import hint

KINDS = ("network", "volume", "server", "taskserv", "cluster", "load_balancer", "dns")
SECRET = "secret://"  # noqa: S105  # the scheme, not a secret
_OURS = re.compile(rf"\$\{{\s*((?:{'|'.join(KINDS)})[.][^}}]*|[^}}\n]*/[^}}\n]*)(\}}|\Z|(?=\n))")
_SECRET = re.compile(r"secret://([A-Za-z0-9._-]+)/([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+)\Z")
_FORM = "write ${kind/name.output}, such as ${server/web-01.private_ip}"
_SECRET_FORM = "write secret://<infra or _shared>/<domain>/<name>"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Used:
    """One reference: what it names and where it is written."""

    where: Where
    address: str
    output: str


@dataclass(frozen=True, slots=True)
class SecretUsed:
    """One secret reference."""

    where: Where
    text: str
    scope: str
    domain: str
    name: str


@dataclass(frozen=True, slots=True)
class Uses:
    """All references of one resource, and those that are written wrongly."""

    outputs: tuple[Used, ...]
    secrets: tuple[SecretUsed, ...]
    problems: tuple[Problem, ...]

    def dependencies(self) -> tuple[Dependency, ...]:
        """One edge for each output used."""
        return tuple(sorted({Dependency(u.address, output=u.output) for u in self.outputs}))


def uses(document: Document) -> Uses:
    """Every reference in ``document``."""
    outputs: list[Used] = []
    secrets: list[SecretUsed] = []
    problems: list[Problem] = []
    for _, text, where in texts(document):
        if "${" in text:
            for item in _outputs(text, where):
                problems.append(item) if isinstance(item, Problem) else outputs.append(item)
        if SECRET in text:
            found = _secret(text, where)
            problems.append(found) if isinstance(found, Problem) else secrets.append(found)
    return Uses(tuple(outputs), tuple(secrets), tuple(problems))


def _outputs(text: str, where: Where) -> Iterator[Used | Problem]:
    good = {m.start(): m for m in PATTERN.finditer(text)}
    for found in _OURS.finditer(text):
        exact = good.get(found.start())
        kind = exact[1].partition("/")[0] if exact else ""
        if exact and kind in KINDS:
            yield Used(where, exact[1], exact[2])
        elif exact:
            yield Problem(
                where,
                "bad-reference",
                f"'{exact[0]}' names no kind of resource",
                hint(kind, KINDS, f"kinds are {', '.join(KINDS)}"),
            )
        else:
            shown = found[0][:80]
            yield Problem(where, "bad-reference", f"'{shown}' is not a reference", _FORM)


def _secret(text: str, where: Where) -> SecretUsed | Problem:
    found = _SECRET.match(text)
    if not found:
        return Problem(where, "bad-reference", f"'{text[:80]}' is not a secret reference", _SECRET_FORM)
    return SecretUsed(where, text, found[1], found[2], found[3])


@dataclass(frozen=True, slots=True)
class Known:
    """What is declared (``addresses``), what is there and could not be read (``hidden``), the names of taskservs that may yet be
    added because something requires them (``possible``), and what is declared beside this part of the infra (``elsewhere``)."""

    addresses: Collection[str]
    hidden: Collection[str] = ()
    possible: Collection[str] = ()
    elsewhere: Container[str] = ()

    def may_hold(self, address: str) -> bool:
        """Whether ``address`` is declared, or nobody can say yet that it is not."""
        if address in self.addresses or address in self.hidden or address in self.elsewhere:
            return True
        kind, _, name = address.partition("/")
        host, _, taskserv = name.partition("/")
        if kind != "taskserv":
            return False
        return f"server/{host}" in self.hidden or (f"server/{host}" in self.addresses and taskserv in self.possible)

    def near(self, address: str) -> list[str]:
        """Declared addresses of the same kind."""
        return [a for a in self.addresses if a.partition("/")[0] == address.partition("/")[0]]


def dangling(used: Uses, owner: str, known: Known) -> Iterator[Problem]:
    """References to nothing."""
    for use in used.outputs:
        if not known.may_hold(use.address):
            message = f"'${{{use.address}.{use.output}}}' in {owner} refers to nothing: {use.address} is not declared"
            advice = hint(use.address, known.near(use.address), "declare it, or remove the reference")
            yield Problem(use.where, "reference-to-nothing", message, advice)


def missing_secrets(used: Uses, infra: str, secrets: Mapping[str, Collection[str]], unread: Collection[str]) -> Iterator[Problem]:
    """Secret references to nothing. ``secrets``: scope -> ``domain/name`` of what its file holds (no file: no key);
    ``unread``: scopes whose file is there and could not be read."""
    for use in used.secrets:
        key = f"{use.domain}/{use.name}"
        if use.scope not in (infra, "_shared"):
            message = f"'{use.text}' is a secret of another infra"
            yield Problem(use.where, "reference-to-nothing", message, f"use secret://{infra}/... or secret://_shared/...")
        elif use.scope in unread:
            continue
        elif use.scope not in secrets:
            path = "secrets/_shared.enc.yaml" if use.scope == "_shared" else f"infra/{infra}/secrets.enc.yaml"
            message = f"'{use.text}' refers to nothing: there is no {path}"
            yield Problem(use.where, "reference-to-nothing", message, "make it with sops")
        elif key not in secrets[use.scope]:
            known = [k.replace("/", ".", 1) for k in secrets[use.scope]]
            message = f"'{use.text}' refers to nothing: the secrets file has no {use.domain}.{use.name}"
            yield Problem(use.where, "reference-to-nothing", message, hint(f"{use.domain}.{use.name}", known, "add it with sops"))
