"""The pages of the documentation, and the fenced blocks on them."""

import re
from pathlib import Path

from attrs import frozen

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", ROOT / "CHANGELOG.md"]


@frozen
class Block:
    """A fenced block of a page."""

    page: Path
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def blocks(language: str) -> list[Block]:
    """Find the blocks of all pages in *language*."""
    found = list[Block]()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            found.append(Block(page, match[1], text.count("\n", 0, match.start()) + 1))
    return found
