"""Secrets and control characters taken out of whatever people get to read."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from threading import Lock
from urllib.parse import quote, quote_plus

from planners.canonical import Json

MASK = "(hidden)"
KEPT_BYTES = 64 << 10
"""How much of a step's output the ledger keeps: its end (DESIGN section 10)."""
MESSAGE_CHARACTERS = 500
SHORTEST = 4
"""Shorter values are not looked for: they hide nothing, and would take ordinary words apart."""
_SHORTEST_ENCODED = 6
# ECMA-48: CSI sequences, then OSC, DCS, SOS, PM and APC strings up to their end, then two-character escapes; C0 and C1
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


class Hidden(str):
    """A secret's text. It is an ordinary string to whoever uses it, but shows nothing of itself in a dump or traceback."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(MASK)


def plain(text: str) -> str:
    """``text`` without terminal escapes and control characters; lines and tabs stay."""
    return _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


class Redactor:
    """Knows every secret that was resolved so far, in the forms it may be printed in. Safe to use from several threads."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = Lock()

    def learn(self, secret: str) -> None:
        """Hide this from now on: as it is, line by line, and as JSON, URLs, hex and base64 write it."""
        forms = set(_forms(secret))
        with self._lock:
            if not forms <= self._forms:
                self._forms |= forms
                longest_first = sorted(self._forms, key=lambda form: (-len(form), form))
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, value: str) -> str:
        """``value`` without secrets and terminal escapes."""
        return self._masked(plain(value))

    def sentence(self, value: str) -> str:
        """One line, fit for a message."""
        line = " ".join(self.text(value).split())
        return line if len(line) <= MESSAGE_CHARACTERS else line[: MESSAGE_CHARACTERS - 1] + "…"

    def value(self, value: Json) -> Json:
        """A JSON value with secrets hidden in all its texts."""
        if isinstance(value, str):
            return self._masked(value)
        if isinstance(value, Mapping):
            return {k: self.value(v) for k, v in value.items()}
        return [self.value(v) for v in value] if isinstance(value, (list, tuple)) else value

    def _masked(self, value: str) -> str:
        pattern = self._pattern
        return pattern.sub(MASK, value) if pattern else value


def last(text: str, limit: int = KEPT_BYTES) -> str:
    """The end of ``text``, at most ``limit`` bytes of UTF-8, from the beginning of a line where there is one."""
    encoded = text.encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    cut = encoded[-limit:].decode(errors="ignore")
    return cut.partition("\n")[2] or cut


def _forms(secret: str) -> Iterator[str]:
    """How a secret may be written, itself first."""
    for piece in {secret, secret.strip(), *secret.splitlines()}:
        raw = piece.encode(errors="surrogatepass")
        if len(piece) < SHORTEST:
            continue
        yield piece
        yield json.dumps(piece)[1:-1]
        yield json.dumps(piece, ensure_ascii=False)[1:-1]
        yield from (quote(raw, safe=""), quote(raw), quote_plus(raw), raw.hex())
        yield from (form for form in _base64(raw) if len(form) >= _SHORTEST_ENCODED)


def _base64(raw: bytes) -> Iterator[str]:
    """At each of the three places a secret may have inside a longer text that is encoded as a whole, such as user:password."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        inner = encoded[(0, 2, 3)[before] : len(encoded) - (1 if (before + len(raw)) % 3 else 0)]
        yield inner
        yield inner.translate(str.maketrans("+/", "-_"))
