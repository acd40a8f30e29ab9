"""The order of names in lists: by the alphabet of the language, and numbers in them by their value."""

import re
import unicodedata
from collections.abc import Iterable

from classroom.domain.sessions import Enrolled

# The Kazakh alphabet, which contains the Russian one in the same order; Unicode puts its letters elsewhere.
_ALPHABET = "аәбвгғдеёжзийкқлмнңоөпрстуұүфхһцчшщъыіьэюя"
_ORDER = str.maketrans({letter: chr(0xE000 + at) for at, letter in enumerate(_ALPHABET)})  # after all Latin letters
_NUMBER = re.compile(r"(\d+)")

SortKey = tuple[list[tuple[int, int, str]], str]


def name_key(name: str) -> SortKey:
    """Return the key by which names, batches and subjects are sorted: "Student 2" before "Student 11", Ё after Е."""
    parts = []
    for part in _NUMBER.split(unicodedata.normalize("NFC", name).casefold()):
        if part.isdecimal():
            value = part.lstrip("0")
            parts.append((0, len(value), value))
        elif part:
            plain = unicodedata.normalize("NFKD", part.translate(_ORDER))
            parts.append((1, 0, "".join(each for each in plain if not unicodedata.combining(each))))
    return parts, name


def in_order(roster: Iterable[Enrolled]) -> tuple[Enrolled, ...]:
    """Return students by name."""
    return tuple(sorted(roster, key=lambda student: (name_key(student.name), name_key(student.student_id))))
