"""Text from elsewhere, made fit for a terminal: nothing in it acts, forges a line or reads otherwise than it is."""

from __future__ import annotations


def clean(text: str) -> str:
    """``text`` with everything that does not print, or prints otherwise than it reads, written as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def lines(text: str) -> str:
    """The same for a text of several lines; tabs stay."""
    return "\n".join("\t".join(clean(part) for part in line.split("\t")) for line in text.split("\n"))
