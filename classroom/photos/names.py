"""File names of students' photos."""

from classroom.domain.sessions import visible
from classroom.photos import PhotoMissing

ENDINGS = ("jpg", "jpeg", "png")  # in the order of preference
LONGEST_ID = 60  # characters: with an ending still a valid file name if each takes four bytes


def file_names(student_id: str) -> list[str]:
    """Return the names that a student's photo may have. Raises PhotoMissing: the ID is not safe in a name or a key."""
    spellings = [
        each
        for each in dict.fromkeys((student_id, visible(student_id)))
        if 0 < len(each) <= LONGEST_ID and each.isprintable() and not set(each) & set("/\\:")
    ]
    if not spellings or min(student_id) < " ":
        raise PhotoMissing(f"no photo is stored for an ID like {student_id[:40]!r}")
    return [f"{each}.{ending}" for each in spellings for ending in ENDINGS]
