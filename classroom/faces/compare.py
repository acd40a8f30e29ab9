"""Compares two faces as the check-in does: `python -m classroom.faces.compare PICTURE_OR_VIDEO PICTURE_OR_VIDEO`

Pictures are treated like ID photos, videos (.mp4) like round video notes without a challenge. It prints one line of
JSON: the distance, the percentage, how many pictures of each file were used, and why not. Nothing is stored or sent.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from classroom.domain.face_policy import percent
from classroom.faces import FaceError, examining, matching
from classroom.faces.matching import Seen
from classroom.faces.photo import read_photo

_VIDEOS = {".mp4", ".m4v", ".mov", ".3gp"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare two files; return 1 if they can't be compared."""
    parser = argparse.ArgumentParser(prog="python -m classroom.faces.compare", description=__doc__)
    parser.add_argument("files", type=Path, nargs=2, metavar="FILE")
    files: list[Path] = parser.parse_args(arguments).files
    examining.prepare()
    found: dict[str, object] = {"files": [str(file) for file in files], "distance": None, "percent": None}
    pictures = []
    try:
        for file in files:
            pictures.append(_pictures(file))
    except (FaceError, OSError) as error:
        print(json.dumps(found | {"pictures": _counts(pictures), "why_not": f"{file.name}: {error}"}))
        return 1
    photo, note = sorted(pictures, key=lambda parts: sum(map(len, parts)))  # a note is compared with an ID photo
    likeness = matching.compare(note, matching.template([each for part in photo for each in part]))
    found |= {"distance": round(likeness.distance, 4), "percent": round(percent(likeness.distance), 1)}
    print(json.dumps(found | {"pictures": _counts(pictures), "among": round(likeness.among, 4), "why_not": None}))
    return 0


def _pictures(file: Path) -> list[list[Seen]]:
    """Return a file's pictures that are compared, by unbroken part. Raises FaceError, OSError."""
    content = file.read_bytes()
    if file.suffix.lower() not in _VIDEOS:
        return [[matching.the_face(read_photo(content))]]
    examined, parts = examining.note_faces(content)
    if not parts or not all(parts):
        raise FaceError(str(examined.problem or "no face"))
    return parts


def _counts(pictures: Sequence[Sequence[Sequence[Seen]]]) -> list[int]:
    return [sum(map(len, parts)) for parts in pictures]


if __name__ == "__main__":
    sys.exit(main())
