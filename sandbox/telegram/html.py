"""Parses Telegram's HTML (parse_mode HTML) into plain text with entities.

Follows parse_html of github.com/tdlib/td (MessageEntity.cpp), with the same messages and byte offsets.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.telegram.text import Entity, Formatted, checked_link, utf16_length

_TAGS = {
    "b": "bold", "strong": "bold", "i": "italic", "em": "italic", "u": "underline", "ins": "underline",
    "s": "strikethrough", "strike": "strikethrough", "del": "strikethrough", "tg-spoiler": "spoiler",
    "span": "spoiler", "tg-emoji": "custom_emoji", "a": "text_link", "pre": "pre", "code": "code",
    "blockquote": "blockquote",
}  # fmt: skip
# Nesting order of entities over the same characters, outer first: get_type_priority in MessageEntity.cpp.
_PRIORITY = {
    "blockquote": 0, "expandable_blockquote": 0, "pre": 11, "code": 20, "text_link": 49, "text_mention": 49,
    "bold": 90, "italic": 91, "underline": 92, "strikethrough": 93, "spoiler": 94, "custom_emoji": 99,
}  # fmt: skip
_NAMED = {b"lt": "<", b"gt": ">", b"amp": "&", b"quot": '"'}
_SPACE = b" \t\r\n\v\0"
_REFERENCE = re.compile(rb"&(?:#x([0-9a-fA-F]*)|#([0-9]*)|([a-zA-Z]*));?")
_NAME_TOKEN = re.compile(rb"[A-Za-z0-9.-]*")


class TextError(ValueError):
    """The text is not valid Telegram HTML."""


@dataclass(slots=True)
class _OpenTag:
    name: str
    argument: str
    offset: int
    begins: int  # index of the first piece of text inside the tag


class _HtmlParser:
    def __init__(self, source: str, mention: Callable[[int], dict[str, Any] | None]) -> None:
        self.data = source.encode() + b"\0"
        self.end = len(self.data) - 1
        self.at = 0
        self.mention = mention
        self.pieces: list[str] = []
        self.offset = 0
        self.tags: list[_OpenTag] = []
        self.entities: list[Entity] = []

    def parse(self) -> Formatted:
        special = re.compile(rb"[<&]")
        while self.at < self.end:
            found = special.search(self.data, self.at)
            stop = found.start() if found else self.end
            self._push(self.data[self.at : stop].decode())
            self.at = stop
            if self.at == self.end:
                break
            if self.data[self.at : self.at + 1] == b"&":
                self._push(self._reference() or self._literal())
            elif self.data[self.at + 1 : self.at + 2] == b"/":
                self._end_tag()
            else:
                self._start_tag()
        if self.tags:
            raise TextError(f'Can\'t find end tag corresponding to start tag "{self.tags[-1].name}"')
        for entity in self.entities:
            if entity["type"] == "code":
                entity.pop("language", None)
        self.entities.sort(key=lambda entity: (entity["offset"], -entity["length"], _PRIORITY[entity["type"]]))
        return Formatted("".join(self.pieces), self.entities)

    def _push(self, piece: str) -> None:
        if piece:
            self.pieces.append(piece)
            self.offset += utf16_length(piece)

    def _literal(self) -> str:
        self.at += 1
        return "&"

    def _reference(self) -> str | None:
        found = _REFERENCE.match(self.data, self.at)
        if not found:
            return None
        hexadecimal, decimal, name = found.groups()
        if name is not None:
            character = _NAMED.get(name)
        else:
            digits, base = (hexadecimal, 16) if hexadecimal is not None else (decimal, 10)
            code = int(digits, base) if digits else 0
            length = len(found.group().rstrip(b";"))
            if 0xD800 <= code <= 0xDFFF:
                raise TextError(
                    "Text contains invalid Unicode characters after decoding HTML entities, "
                    "check for unmatched surrogate code units"
                )
            character = chr(code) if 0 < code < 0x10FFFF and length < 10 else None
        if character is not None:
            self.at = found.end()
        return character

    def _skip(self, *, while_space: bool, stop: bytes = b">") -> None:
        data = self.data
        while self.at < self.end and (data[self.at] in _SPACE) is while_space and data[self.at] not in stop:
            self.at += 1

    def _start_tag(self) -> None:
        begin = self.at
        self.at += 1
        self._skip(while_space=False)
        if self.at >= self.end:
            raise TextError(f"Unclosed start tag at byte offset {begin}")
        name = self.data[begin + 1 : self.at].decode().lower()
        if name not in _TAGS:
            raise TextError(f'Unsupported start tag "{name}" at byte offset {begin}')
        argument = ""
        while True:
            self._skip(while_space=True)
            if self.data[self.at : self.at + 1] == b">":
                break
            argument = self._attribute(name, begin) or argument
        self.at += 1
        if name == "span" and argument != "spoiler":
            raise TextError(f'Tag "span" must have class "tg-spoiler" at byte offset {begin}')
        self.tags.append(_OpenTag(name, argument, self.offset, len(self.pieces)))

    def _attribute(self, tag: str, begin: int) -> str:
        start = self.at
        self._skip(while_space=False, stop=b"=>/\"'")
        attribute = self.data[start : self.at]
        if not attribute:
            raise TextError(f'Empty attribute name in the tag "{tag}" at byte offset {begin}')
        self._skip(while_space=True)
        if self.data[self.at : self.at + 1] != b"=":
            if self.at >= self.end:
                raise TextError(f'Unclosed start tag "{tag}" at byte offset {begin}')
            return "1" if tag == "blockquote" and attribute == b"expandable" else ""
        self.at += 1
        self._skip(while_space=True)
        if self.at >= self.end:
            raise TextError(f'Unclosed start tag "{tag}" at byte offset {begin}')
        value = self._attribute_value()
        if self.at >= self.end:
            raise TextError(f"Unclosed start tag at byte offset {begin}")
        match tag, attribute:
            case ("a", b"href") | ("tg-emoji", b"emoji-id"):
                return value
            case "code", b"class" if value.startswith("language-"):
                return value.removeprefix("language-")
            case "span", b"class" if value.startswith("tg-"):
                return value.removeprefix("tg-")
            case "blockquote", b"expandable":
                return "1"
        return ""

    def _attribute_value(self) -> str:
        quote = self.data[self.at : self.at + 1]
        if quote not in (b'"', b"'"):
            start = self.at
            token = _NAME_TOKEN.match(self.data, start)
            self.at = token.end() if token else start
            if self.data[self.at] not in _SPACE + b">":
                raise TextError(f"Unexpected end of name token at byte offset {start}")
            return self.data[start : self.at].decode().lower()
        self.at += 1
        stop = self.data.find(quote, self.at)
        start, self.at = self.at, self.end if stop < 0 else stop + 1
        return _decode_references(self.data[start : self.end if stop < 0 else stop].decode())

    def _end_tag(self) -> None:
        begin = self.at
        if not self.tags:
            raise TextError(f"Unexpected end tag at byte offset {begin}")
        self._skip(while_space=False)
        name = self.data[begin + 2 : self.at].decode().lower()
        self._skip(while_space=True)
        if self.data[self.at : self.at + 1] != b">":
            raise TextError(f"Unclosed end tag at byte offset {begin}")
        self.at += 1
        tag = self.tags[-1]
        if name and name != tag.name:
            raise TextError(f'Unmatched end tag at byte offset {begin}, expected "</{tag.name}>", found "</{name}>"')
        if self.offset > tag.offset:
            self._close(tag)
        self.tags.pop()

    def _close(self, tag: _OpenTag) -> None:
        entity: Entity = {"type": _TAGS[tag.name], "offset": tag.offset, "length": self.offset - tag.offset}
        last = self.entities[-1] if self.entities else None
        same = last is not None and (last["offset"], last["length"]) == (entity["offset"], entity["length"])
        if tag.name == "a":
            if not self._link(entity, tag.argument or "".join(self.pieces[tag.begins :])):
                return
        elif tag.name == "tg-emoji":
            if not tag.argument.isdigit() or int(tag.argument) == 0:
                raise TextError("Invalid custom emoji identifier specified")
            entity["custom_emoji_id"] = tag.argument
        elif tag.name == "blockquote" and tag.argument:
            entity["type"] = "expandable_blockquote"
        elif tag.name == "pre" and last is not None and same and last["type"] == "code" and "language" in last:
            last["type"] = "pre"
            return
        elif tag.name == "code" and tag.argument:
            if last is not None and same and last["type"] == "pre":
                last["language"] = tag.argument
                return
            entity["language"] = tag.argument  # used only if a <pre> encloses it
        self.entities.append(entity)

    def _link(self, entity: Entity, url: str) -> bool:
        person = re.fullmatch(r"tg:(?://)?user\?id=(\d+)", url, re.IGNORECASE)
        if person:
            user = self.mention(int(person[1]))
            entity.update(type="text_mention", user=user)
            return user is not None
        try:
            entity["url"] = checked_link(url)
        except ValueError:
            return False  # Telegram keeps the text and drops the link
        return True


def _decode_references(value: str) -> str:
    return re.sub(r"&(?:#x[0-9a-fA-F]+|#[0-9]+|lt|gt|amp|quot);?", lambda found: html.unescape(found[0]), value)


def parse_html(source: str, mention: Callable[[int], dict[str, Any] | None] = lambda _id: None) -> Formatted:
    """Parse Telegram's HTML; `mention` returns the user of a tg://user link or None. Raises TextError."""
    if "<" not in source and "&" not in source:
        return Formatted(source)
    return _HtmlParser(source, mention).parse()
