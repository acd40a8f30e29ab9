"""Telegram's formatted text: text with entities, its cleaning, and its conversion back to HTML.

Offsets and lengths are in UTF-16 units, as in the Bot API's MessageEntity.
"""

import html
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

Entity = dict[str, Any]

_COMMAND = re.compile(r"(?<![\w/@<>.])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])")
_CONTROL = {code: " " for code in range(32) if code != 10} | {13: None}
_OPENING = {
    "bold": "<b>", "italic": "<i>", "underline": "<u>", "strikethrough": "<s>", "spoiler": "<tg-spoiler>",
    "code": "<code>", "blockquote": "<blockquote>", "expandable_blockquote": "<blockquote expandable>",
}  # fmt: skip


@dataclass(slots=True)
class Formatted:
    """The plain text and the entities of a message."""

    text: str = ""
    entities: list[Entity] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Length in UTF-16 units, the unit of Telegram's limits."""
        return utf16_length(self.text)

    def cleaned(self) -> "Formatted":
        """A copy without control characters and surrounding white space, as Telegram stores it.

        Source: clean_input_string and fix_formatted_text in td.
        """
        text = self.text.translate(_CONTROL) if not self.entities or "\r" not in self.text else self.text
        text = text.rstrip()
        # Leading white space is removed only up to the first entity, which may begin with it.
        spare = min((entity["offset"] for entity in self.entities), default=len(text))
        cut = 0
        while cut < spare and cut < len(text) and text[cut] in " \n":
            cut += 1
        text, end = text[cut:], utf16_length(text) - cut
        entities = []
        for entity in self.entities:
            offset = entity["offset"] - cut
            length = min(entity["length"], end - offset)
            if length > 0:
                entities.append({**entity, "offset": offset, "length": length})
        return Formatted(text, entities)

    def with_commands(self) -> "Formatted":
        """A copy with the entities that Telegram detects itself; only bot commands, which matter to handlers."""
        found = [
            {"type": "bot_command", "offset": utf16_length(self.text[: hit.start()]), "length": len(hit[0])}
            for hit in _COMMAND.finditer(self.text)
        ]
        code = [one for one in self.entities if one["type"] in ("code", "pre", "text_link")]
        found = [
            one for one in found if not any(0 <= one["offset"] - other["offset"] < other["length"] for other in code)
        ]
        if not found:
            return self
        return Formatted(self.text, sorted([*self.entities, *found], key=lambda entity: entity["offset"]))

    @property
    def html(self) -> str:
        """The text as HTML, for the sandbox's page and tests."""
        if not self.entities:
            return html.escape(self.text, quote=False)
        units = self.text.encode("utf-16-le")
        opening: dict[int, list[str]] = {}
        closing: dict[int, list[str]] = {}
        for entity in self.entities:
            first, last = _tags(entity)
            if first:
                opening.setdefault(entity["offset"], []).append(first)
                closing.setdefault(entity["offset"] + entity["length"], []).insert(0, last)
        pieces: list[str] = []
        before = 0
        for point in sorted({*opening, *closing, len(units) // 2}):
            pieces.append(html.escape(units[before * 2 : point * 2].decode("utf-16-le"), quote=False))
            pieces += closing.get(point, []) + opening.get(point, [])
            before = point
        return "".join(pieces)


def utf16_length(text: str) -> int:
    """Length of a text in UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def checked_link(url: str) -> str:
    """Return the address as Telegram writes it; ValueError with Telegram's reason if it refuses the link.

    A host without a dot (localhost) is refused. Source: LinkManager::check_link_impl in td.
    """
    if re.match(r"(tg|ton|tonsite):", url, re.IGNORECASE):
        return url
    scheme, separator, _ = url.partition("://")
    if separator and scheme.lower() not in ("http", "https"):
        raise ValueError("Unsupported URL protocol")
    parts = urlsplit(url if separator else f"http://{url}")
    if not parts.hostname:
        raise ValueError("URL host is empty")
    if "." not in parts.hostname and ":" not in parts.hostname:
        raise ValueError("Wrong HTTP URL")
    return parts._replace(netloc=parts.netloc.lower(), path=parts.path or "/").geturl()


def _tags(entity: Entity) -> tuple[str, str]:
    match entity["type"]:
        case "text_link":
            return f'<a href="{html.escape(entity["url"])}">', "</a>"
        case "text_mention":
            return f'<a href="tg://user?id={entity["user"]["id"]}">', "</a>"
        case "pre" if "language" in entity:
            return f'<pre><code class="language-{html.escape(entity["language"])}">', "</code></pre>"
        case "pre":
            return "<pre>", "</pre>"
        case "custom_emoji":
            return f'<tg-emoji emoji-id="{entity["custom_emoji_id"]}">', "</tg-emoji>"
    opening = _OPENING.get(entity["type"], "")
    return opening, f"</{opening[1:-1].split()[0]}>" if opening else ""
