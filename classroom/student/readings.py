"""Finds student IDs and codes among the words that students send."""

import re

from classroom.check_in.code_entry import Reading
from classroom.domain.sessions import folded

LONGEST_ID, MOST_IDS, MOST_WORDS = 64, 12, 40
_CODE = re.compile(r"(?<![\w./-])(\d{3})[ -]?(\d{3})(?![\w/-]|\.\d)")
_ID = re.compile(r"(?=\S*\d)(?=\S*[^\W\d])\S+|\d{4,}")  # letters and digits, or digits
_AROUND = " ,;:.()=#"  # what may stand around a word and does not belong to it


def readings_of(text: str) -> list[Reading] | None:
    """Return the ways to read a visible text as a code, perhaps with a student ID, the likeliest first.

    An empty list: there is no code; None: there are several. Without a word that looks like an ID, the last reading is
    the code alone (None, code). No ID comes with two codes: a message is one guess.
    """
    found = list(_CODE.finditer(text))
    digits = {"".join(match.groups()) for match in found}
    if not found or (len(digits) == 1 and len(text.split()) > MOST_WORDS):
        return []
    readings: dict[str, Reading] = {}
    for match in reversed(found[:3]):
        code, rest = "".join(match.groups()), f"{text[: match.start()]} {text[match.end() :]}"
        for student_id in ids_in(rest) if len(digits) > 1 or len(found) == 1 else []:
            first = readings.setdefault(folded(student_id), (student_id, code))
            if first[1] != code and _ID.fullmatch(student_id):
                return None
    if len(found) > 2:
        return None
    named = any(_ID.fullmatch(student_id) for student_id, _code in readings.values() if student_id)
    return [*readings.values(), *([] if named else [(None, digits.pop())])]


def ids_in(text: str) -> list[str]:
    """Return what may be a student ID in a text: the whole, each word with a digit, and words that belong together."""
    words = [word for each in text.split()[:MOST_WORDS] if (word := each.strip(_AROUND))]
    runs = [" ".join(words[at : at + length]) for length in (1, 2, 3) for at in range(len(words) - length + 1)]
    every = [" ".join(words), *(run for run in runs if any(character.isdecimal() for character in run))]
    return list(dict.fromkeys(each[:LONGEST_ID] for each in every if each))[:MOST_IDS]


def only_id(text: str) -> str | None:
    """Return the student ID in a text without a code; numbers that may be mistyped codes are none."""
    ids = [word for each in text.split() if any(map(str.isdecimal, word := each.strip(_AROUND)))]
    is_id = len(ids) == 1 and _ID.fullmatch(ids[0]) and not re.fullmatch(r"\d{1,7}", ids[0])
    return ids[0][:LONGEST_ID] if is_id else None
