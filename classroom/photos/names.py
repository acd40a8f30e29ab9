"""What a student's photo may be called."""

from classroom.photos import PhotoMissing

ENDINGS = ("jpg", "jpeg", "png")  # in the order in which they are looked for
LONGEST_ID = 60  # characters: with an ending it still is a file's name where each takes four bytes


def checked(student_id: str) -> str:
    """Return an ID that can be part of a file's name or a key without leading elsewhere.

    Raises:
        PhotoMissing: no photo is kept under such an ID.
    """
    if not 0 < len(student_id) <= LONGEST_ID or not student_id.isprintable() or set(student_id) & set("/\\:"):
        raise PhotoMissing(f"no photo is kept under an ID like {student_id[:40]!r}")
    return student_id


__all__ = ["ENDINGS", "checked"]
