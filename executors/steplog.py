"""The whole output of each step, on the machine that ran it; the ledger keeps only its end."""

from __future__ import annotations

import os
from pathlib import Path


def path(folder: str, run: str, address: str) -> Path | None:
    """``<folder>/<run>/<address>.log``; ``None`` when a part of it could lead elsewhere, or nothing is to be kept."""
    parts = (run, *address.split("/"))
    if not folder or any(part in ("", ".", "..") or "\0" in part for part in parts):
        return None
    return Path(folder, *parts[:-1], f"{parts[-1]}.log")


def append(folder: str, run: str, address: str, text: str) -> None:
    """Add redacted output to a step's log, for its owner's eyes only. A log that cannot be written stops no run."""
    file = path(folder, run, address)
    if file is None or not text:
        return
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as log:
            log.write(text if text.endswith("\n") else text + "\n")
    except OSError:
        pass
