"""Secrets and control characters taken out of whatever people get to read."""

from __future__ import annotations

import base64
import re
from threading import Lock
from urllib.parse import quote

HIDDEN = "(hidden)"
KEPT_BYTES = 64 << 10
"""How much of a step's output the ledger keeps: its end."""
SHORTEST = 4
"""Shorter values are not searched for: they would take ordinary words apart."""
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)|[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")


class Redactor:
    """Knows every secret that was resolved so far, in the forms it may be printed in. Safe to use from several threads."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._lock = Lock()

    def learn(self, secret: str) -> None:
        """Hide this from now on: as it is, line by line, in base64 and in URLs."""
        pieces = {secret, *(line for line in secret.splitlines())}
        encoded = {base64.b64encode(p.encode()).decode().rstrip("=") for p in pieces} | {quote(p, safe="") for p in pieces}
        with self._lock:
            self._forms |= {form for form in pieces | encoded if len(form) >= SHORTEST}

    def text(self, value: str) -> str:
        """``value`` without secrets and terminal escapes."""
        with self._lock:
            forms = sorted(self._forms, key=len, reverse=True)
        for form in forms:
            value = value.replace(form, HIDDEN)
        return _ESCAPES.sub("", value.replace("\r\n", "\n"))

    def sentence(self, value: str) -> str:
        """One line for a message."""
        return " ".join(self.text(value).split())[:500]

    def end(self, value: str) -> str:
        """The last ``KEPT_BYTES`` of an output, from the beginning of a line where there is one."""
        clean = self.text(value).encode()
        if len(clean) <= KEPT_BYTES:
            return clean.decode()
        cut = clean[-KEPT_BYTES:].decode(errors="ignore")
        return cut.partition("\n")[2] or cut
