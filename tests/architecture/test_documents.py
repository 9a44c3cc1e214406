"""Documents that are made from the code are in step with it, and links lead somewhere."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


def test_generated_pages_are_in_step(root: Path) -> None:
    generator = runpy.run_path(str(root / "docs/generate.py"))
    stale = [name for name, page in generator["PAGES"].items() if (root / "docs" / name).read_text() != page()]
    assert stale == [], "run: make docs"


def test_relative_links_lead_somewhere(root: Path) -> None:
    pages = [
        root / "README.md",
        root / "CHANGELOG.md",
        *sorted((root / "docs").rglob("*.md")),
        root / "state-repo-template/README.md",
    ]
    links = [(page, found[1]) for page in pages for found in LINK.finditer(page.read_text())]
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()] == []
