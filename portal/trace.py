"""A redacted trace of what the portal showed to one student, for those who can't see the portal.

A text file of JSON lines. Each record has ``t`` (seconds since the beginning) and ``kind``:

- begin: ``schema`` (1), ``clock`` (hh:mm, UTC), ``refresh`` (seconds between two loads)
- shape: ``id`` and ``tree``, the page's elements as [tag, class names, attributes, children]; a text is a string
- view: ``view`` (see portal/views.py), ``after`` ("load", "sign-in", "change" of the open page), ``ready`` (seconds),
  ``shape``, ``text`` (the portal's own), ``cards`` ("lines", "caption", "enabled"; "known": its button)
- trouble: ``error``, ``after``, ``shape``, ``text``; end: ``why``
- captions: before the end, those that name nobody (portal/captions.py), by what stands for them everywhere else
- requests: lists of kind (see trace.js), HTTP status, bytes, milliseconds
- withheld: instead of a record in which the username or the password was found after all

Redaction keeps what names nobody, and nothing else: words of ``known_words.txt``, times (hh:mm), the minutes of a
countdown, punctuation. Any other word becomes letters of no language, the same ones for the same word; any other digit
becomes 0, any other character "?". A lesson's lines keep no word, other texts only if most of theirs are known.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from portal.captions import Captions, visible

SCHEMA = 1
LIMIT = 50_000_000  # bytes of a trace
_FILE = Path(__file__).with_name("known_words.txt").read_text(encoding="utf-8")
_WORDS, _COUNTDOWN, _SHORT, _NAMES = (frozenset(part.split()) for part in re.split(r"\[.*\]", _FILE)[1:])
_KIND_OF_LESSON = re.compile(r"(?:л|п|с|лб|лаб|лек|сем|пр|lec|lab|sem|pr|l|p|s)\d{1,3}", re.IGNORECASE)  # as in Л27
_TIME = re.compile(r"(?<![\w:.])(?:[01]?\d|2[0-3]):[0-5]\d(?![\w:])")
_WORD = r"\w(?:[\w@.'’+-]*\w)?"
_TOKEN = re.compile(rf"(?P<kept>{_TIME.pattern}|[\s()\[\]«»\"<>,.;:!?/…–—№*-])|(?P<word>{_WORD})|.", re.DOTALL)


class Redactor:
    """Replaces what may name a person; the same word by the same placeholder."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def text(self, text: str, is_lesson: bool = False) -> str:
        text = visible(text)
        words = [word for match in _TOKEN.finditer(text) if (word := match["word"]) and not word.isdecimal()]
        counts = bool(words) and _COUNTDOWN.issuperset(map(str.casefold, words))
        counted = {word.casefold() for word in words if len(word) > 1 or word.isupper()}  # capitals are initials
        keeps = not is_lesson and len(counted & _WORDS) * 2 > len(counted)

        def replacement(match: re.Match[str]) -> str:
            if (word := match["word"]) is None:
                return match["kept"] or "?"
            if word.isdecimal():
                return word if counts and len(word) <= 3 else "0" * len(word)
            if _KIND_OF_LESSON.fullmatch(word):
                return re.sub(r"\d", "0", word)
            return word if counts or (keeps and (word in _SHORT or word.casefold() in _WORDS)) else self._hidden(word)

        return _TOKEN.sub(replacement, text)

    def name(self, name: str) -> str:
        """Redact a tag, class name or attribute by its parts."""
        return "".join(
            part if part.casefold() in _NAMES else self._hidden(part) for part in re.split("([-_])", name) if part
        )

    def tree(self, node: Any) -> Any:
        """Redact a tree of trace.js."""
        tag, classes, attributes, children = node
        lines = [each for each in children if isinstance(each, str)]
        is_lesson = any(map(_TIME.search, lines)) or ("v-label-bold" in classes and len(lines) > 1)
        return [
            self.name(tag),
            list(map(self.name, classes)),
            [list(map(self.name, each)) for each in attributes],
            [self.text(each, is_lesson) if isinstance(each, str) else self.tree(each) for each in children],
        ]

    def _hidden(self, word: str) -> str:
        """Return letters of the word's shape that number it: unequal for unequal words."""
        number = self._seen.setdefault(word.casefold(), len(self._seen)) + 1
        filling, digits = ("ж", "щъыэ") if re.search("[\u0400-\u052f]", word) else ("x", "qzjw")
        code = ""
        while number:
            number, digit = divmod(number - 1, len(digits))
            code = digits[digit] + code
        letters = [*code.rjust(sum(map(str.isalpha, word)), filling)] if re.search(r"[^\W\d_]", word) else []
        shape = [letters.pop(0) if c.isalpha() else "0" if c.isdigit() else c if c in "@.'-+_" else "?" for c in word]
        cased = [new.upper() if old.isupper() else new for old, new in zip(word, shape, strict=True)]
        return "".join(cased + letters)


class Trace:
    """Writes a trace, each record at once; ``secrets`` are texts of which no record may contain one."""

    def __init__(self, path: Path, seconds: Callable[[], float], secrets: tuple[str, ...]) -> None:
        """Create the file, readable by its owner only. Raises OSError, also if it exists."""
        self.redactor = Redactor()
        self.withheld = 0
        self._captions = Captions(_WORDS, secrets)
        self._secrets = [secret.casefold() for secret in secrets if secret]
        self._seconds, self._begun, self._size = seconds, seconds(), 0
        self._shapes: dict[str, int] = {}
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)

    def write(self, kind: str, **fields: Any) -> None:
        """Write a record, whose texts are redacted. Raises OSError, also for a trace that is too long."""
        if any(secret in text.casefold() for text in _texts(fields) for secret in self._secrets):
            self.withheld += 1
            kind, fields = "withheld", {}
        line = json.dumps({"t": round(self._seconds() - self._begun, 3), "kind": kind, **fields}, ensure_ascii=False)
        self._size += os.write(self._file, (line + "\n").encode())
        if self._size > LIMIT:
            raise OSError(f"the trace has {LIMIT} bytes")

    def shape(self, tree: Any) -> int:
        """Write the tree of a page, redacted, unless it is known; return its number."""
        self._captions.note(tree)
        redacted = self.redactor.tree(tree)
        key = json.dumps(redacted)
        if key not in self._shapes:
            self._shapes[key] = len(self._shapes) + 1
            self.write("shape", id=self._shapes[key], tree=redacted)
        return self._shapes[key]

    def end(self, why: str) -> list[str]:
        """Write the captions that name nobody, and the end; return those captions. Raises OSError."""
        named = {self.redactor.text(caption): caption for caption in self._captions.nameless()}
        named = {hidden: caption for hidden, caption in named.items() if hidden != caption}
        if named:
            self.write("captions", captions=named)
        self.write("end", why=why)
        return list(named.values())

    def close(self) -> None:
        os.close(self._file)


def _texts(value: Any) -> list[str]:
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [value] if isinstance(value, str) else [text for each in values for text in _texts(each)]
