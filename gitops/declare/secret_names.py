"""Which secrets a SOPS file holds, by name; and the digest of each ciphertext, which is its version. Nothing is decrypted."""

from __future__ import annotations

from collections.abc import Mapping

from gitops.declare.documents import Document
from planners.canonical import digest


def versions(document: Document) -> Mapping[str, str]:
    """``domain/name`` -> digest of its ciphertext."""
    found: dict[str, str] = {}
    domains = document.value if isinstance(document.value, Mapping) else {}
    for domain, names in domains.items():
        if domain != "sops" and isinstance(names, Mapping):
            found.update({f"{domain}/{name}": digest("ciphertext", value) for name, value in names.items()})
    return found
