"""What can be made anew at any time, kept between commands: contents by name, in one SQLite file.

An entry is believed only when it bears the seal of this machine's own key, over its name and all of its content. So what another
program wrote, what was cut short and what came with somebody else's cache folder is as good as not there: it costs time, never
a wrong answer. Contents are JSON or text: nothing in them is ever executed.
"""

from __future__ import annotations

import hmac
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path

from planners.canonical import digest_bytes, encode

KEY_BYTES = 32
MOST_BYTES = 512 << 20
"""A larger file is begun anew."""
_WAIT = 2.0
"""Seconds to wait for another process that writes."""
_TABLE = "CREATE TABLE IF NOT EXISTS entry (name TEXT PRIMARY KEY, seal BLOB, content BLOB) WITHOUT ROWID"


class Cache:
    """``key`` is asked for once, when it is needed. Nothing here raises: without a cache everything is as good, and slower."""

    def __init__(self, path: Path, key: Callable[[], bytes]) -> None:
        self._path = path
        self._make_key = key
        self._key = b""

    def get(self, names: Iterable[str]) -> dict[str, bytes]:
        """Those of ``names`` that are kept and bear our seal."""
        wanted = list(dict.fromkeys(names))
        if not wanted or not self._path.exists():
            return {}
        found: dict[str, bytes] = {}
        with suppress(sqlite3.Error, OSError), closing(self._open()) as base:
            for name in wanted:
                row = base.execute("SELECT seal, content FROM entry WHERE name = ?", (name,)).fetchone()
                if row and all(isinstance(part, bytes) for part in row) and hmac.compare_digest(row[0], self._seal(name, row[1])):
                    found[name] = row[1]
        return found

    def put(self, contents: Mapping[str, bytes]) -> None:
        """Keep them, or not, if that cannot be."""
        if not contents:
            return
        try:
            self._write(contents)
        except sqlite3.DatabaseError:
            # not a database any more, or locked for long
            with suppress(OSError, sqlite3.Error):
                self._path.unlink()
                self._write(contents)
        except OSError:
            pass

    def _write(self, contents: Mapping[str, bytes]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size > MOST_BYTES:
            self._path.unlink()
        with closing(self._open()) as base, base:
            base.execute(_TABLE)
            rows = ((name, self._seal(name, content), content) for name, content in contents.items())
            base.executemany("INSERT OR REPLACE INTO entry VALUES (?, ?, ?)", rows)

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=_WAIT)

    def _seal(self, name: str, content: bytes) -> bytes:
        self._key = self._key or self._make_key()
        return hmac.digest(self._key, digest_bytes("cache-entry", encode(name) + content).encode(), "sha256")


def own_key(path: Path) -> bytes:
    """The key kept at ``path``, readable by its owner alone; a new one where there is none. Raises ``OSError``."""
    with suppress(FileNotFoundError):
        if len(kept := path.read_bytes()) == KEY_BYTES:
            return kept
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secrets.token_bytes(KEY_BYTES))
    try:
        os.link(draft, path)  # never over the key that another process has just made
    except FileExistsError:
        if path.stat().st_size != KEY_BYTES:
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path.read_bytes()
