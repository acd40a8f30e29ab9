"""Student IDs of rosters that contain other characters than people see and type."""

import unicodedata

from classroom.domain.sessions import folded, visible


def oddity(student_id: str) -> str:
    """Return the names of an ID's characters that are invisible or look like others; an empty text: it has none."""
    cyrillic = [each for each in student_id if "CYRILLIC" in unicodedata.name(each, "")]
    latin = all(folded(each).isascii() for each in cyrillic)  # with other letters of Cyrillic the ID is a Cyrillic one
    odd = (each for each in dict.fromkeys(student_id) if visible(each) != each and each != " ")
    names = [*odd, *(each for each in dict.fromkeys(cyrillic) if latin)]
    return ", ".join(unicodedata.name(each, f"U+{ord(each):04X}").lower() for each in names)
