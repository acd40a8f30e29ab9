"""File names of students' photos."""

from classroom.domain.sessions import visible
from classroom.photos import PhotoMissing

ENDINGS = ("jpg", "jpeg", "png")  # in the order of preference
LONGEST_ID = 60  # characters: with an ending still a valid file name if each takes four bytes


def file_names(student_id: str) -> list[str]:
    """Return the names that a student's photo may have. Raises PhotoMissing: the ID is not safe in a name or a key."""
    student_id = visible(student_id)
    if not 0 < len(student_id) <= LONGEST_ID or not student_id.isprintable() or set(student_id) & set("/\\:"):
        raise PhotoMissing(f"no photo is stored for an ID like {student_id[:40]!r}")
    return [f"{student_id}.{ending}" for ending in ENDINGS]
