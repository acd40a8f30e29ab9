"""Lines of text for Telegram: escaped whole, and never cut in the middle of a mark."""

from collections.abc import Iterable
from html import escape

LONGEST_MESSAGE = 3800  # characters; Telegram takes 4096 after its own reading of the marks


def short(text: str, longest: int) -> str:
    """Return a text of somebody's as HTML, cut to so many of its characters."""
    return escape(text if len(text) <= longest else text[: longest - 1] + "\u2026")


def bold(text: str) -> str:
    """Return a text of ours in bold."""
    return f"<b>{text}</b>"


def split(lines: Iterable[str], longest: int = LONGEST_MESSAGE) -> list[str]:
    """Return lines as messages of at most so many characters. No line of ours is longer than a message."""
    messages, current = [], ""
    for line in lines:
        if current and len(current) + 1 + len(line) > longest:
            messages.append(current)
            current = ""
        current = f"{current}\n{line}" if current else line
    return [*messages, current] if current else messages
