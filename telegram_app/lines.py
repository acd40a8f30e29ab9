"""Lines of text for Telegram: escaped whole, and never cut in the middle of a mark."""

from collections.abc import Iterable
from html import escape

LONGEST_MESSAGE = 3800  # UTF-16 units; Telegram takes 4096 after its own reading of the marks


def short(text: str, longest: int) -> str:
    """Return a text of somebody's as HTML, cut to so many of its characters."""
    return escape(text if len(text) <= longest else text[: longest - 1] + "\u2026")


def ends(text: str, longest: int) -> str:
    """Return a text of somebody's as HTML; a long one by its beginning and its end, where names often differ."""
    if len(text) <= longest:
        return escape(text)
    tail = longest // 3
    return escape(f"{text[: longest - tail - 1]}\u2026{text[-tail:]}")


def bold(text: str) -> str:
    """Return a text of ours in bold."""
    return f"<b>{text}</b>"


def split(lines: Iterable[str], longest: int = LONGEST_MESSAGE) -> list[str]:
    """Return lines as messages of at most so many UTF-16 units, as Telegram counts.

    A line that is longer alone is a message alone; none of ours is longer than a message once its marks are read.
    """
    messages, current, size = [], "", 0
    for line in lines:
        length = len(line.encode("utf-16-le", "surrogatepass")) // 2
        if current and size + 1 + length > longest:
            messages.append(current)
            current, size = "", 0
        current, size = (f"{current}\n{line}", size + 1 + length) if current else (line, length)
    return [*messages, current] if current else messages
