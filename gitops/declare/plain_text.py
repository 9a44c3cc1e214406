"""The text of a file: UTF-8, of bounded size, and nothing in it that a reviewer or a terminal would not show."""

from __future__ import annotations

import re

from gitops.limits import FILE_BYTES
from planners.problems import Problem, Where

HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff"
    "\U000e0000-\U000e007f]|\r(?!\n)"
)
"""Control characters, halves of surrogate pairs, line ends that only YAML knows, and marks that turn text around."""


def decoded(path: str, data: bytes) -> str | Problem:
    """``data`` as text, or what makes it none."""
    if len(data) > FILE_BYTES:
        return too_large(path, len(data))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        where = _place(path, data.decode("latin-1"), error.start)
        return Problem(where, "not-utf8", f"byte 0x{data[error.start]:02x} is not UTF-8 text", "save the file as UTF-8")
    if found := HIDDEN.search(text):
        where = _place(path, text, found.start())
        return Problem(where, "hidden-character", f"character {named(found[0])} is not allowed: it cannot be seen", "remove it")
    return text


def named(character: str) -> str:
    """``U+0007``."""
    return f"U+{ord(character):04X}"


def too_large(path: str, size: int) -> Problem:
    """A file beyond the limit, known by its size alone."""
    message = f"'{path}' has {size} bytes and {FILE_BYTES} are allowed"
    return Problem(Where(path), "file-too-large", message, "split it: each entry may have a file of its own")


def _place(path: str, text: str, at: int) -> Where:
    return Where(path, text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at))
