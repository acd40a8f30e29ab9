"""Reads the project's documents: their shell blocks, links and headings."""

import re
from dataclasses import dataclass
from pathlib import Path

from tests.children import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"<!-- (run|not run)(?:, (stopped before))?(?: until)?(?:: (.+?))? -->\n$")
_LINK = re.compile(r"\]\(([^)\s]+)\)|<(?:img|a)\s[^>]*?(?:src|href)=\"([^\"]+)\"")


def label(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Block:
    """Shell commands of a document, and what the comment above them says of running them."""

    document: Path
    line: int
    commands: str
    is_run: bool | None  # None: there is no comment
    detail: str = ""  # the text until which they run, or why they are not run
    stops: bool = False  # what runs in the background ends before


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def shell_blocks(document: Path) -> list[Block]:
    text, found = text_of(document), []
    for fence in _FENCE.finditer(text):
        if fence[1] in ("sh", "bash", "shell", "console"):
            line = text.count("\n", 0, fence.start()) + 1
            mark = _MARK.search(text, 0, fence.start())
            is_run = mark[1] == "run" if mark is not None else None
            stops, detail = (bool(mark[2]), mark[3] or "") if mark is not None else (False, "")
            found.append(Block(document, line, fence[2], is_run, detail, stops))
    return found


def prose(document: Path) -> str:
    """Return a document without its fenced blocks."""
    return _FENCE.sub("", text_of(document))


def links(document: Path) -> list[str]:
    """Return the targets of a document's links and pictures."""
    return [one or other for one, other in _LINK.findall(prose(document))]


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings]
    return {each if plain.index(each) == at else f"{each}-{plain[:at].count(each)}" for at, each in enumerate(plain)}
