"""Message texts as Telegram's HTML: escaping, shortening, and splitting long ones into several messages."""

import re
from collections.abc import Iterable
from html import escape, unescape

LONGEST_MESSAGE, LONGEST_CAPTION = 3800, 1000  # UTF-16 units; Telegram's limits are 4096 and 1024 without HTML tags
LONGEST_TOAST = 200  # characters; Telegram's limit for the answer to a tap


def toast(text: str) -> str:
    """Return a screen's first sentence without HTML: what the tap that led to it is answered with."""
    plain = unescape(re.sub("<[^>]+>", "", text.strip()))
    return shortened(re.split(r"(?<=[.!?])\s|\n", plain, maxsplit=1)[0], LONGEST_TOAST)


def shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "\u2026"


def short(text: str, longest: int) -> str:
    """Escape a person's text, shortened to ``longest`` characters."""
    return escape(shortened(text, longest))


def ends(text: str, longest: int) -> str:
    """Escape a person's text; a long one keeps its beginning and its end, where names often differ."""
    if len(text) <= longest:
        return escape(text)
    tail = longest // 3
    return escape(f"{text[: longest - tail - 1]}\u2026{text[-tail:]}")


def bold(text: str) -> str:
    """Return a text in bold; it must be escaped already."""
    return f"<b>{text}</b>"


def split(lines: Iterable[str], longest: int = LONGEST_MESSAGE) -> list[str]:
    """Join lines to messages of at most ``longest`` UTF-16 units, Telegram's unit.

    A longer line becomes a message of its own; without its HTML tags it fits into one.
    """
    messages, current, size = [], "", 0
    for line in lines:
        length = len(line.encode("utf-16-le", "surrogatepass")) // 2
        if current and size + 1 + length > longest:
            messages.append(current)
            current, size = "", 0
        current, size = (f"{current}\n{line}", size + 1 + length) if current else (line, length)
    return [*messages, current] if current else messages
