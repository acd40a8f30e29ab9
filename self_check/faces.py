"""Check of the ID photos: each is tried with the detector of the face check, and those that will not work are named."""

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from classroom.faces import FaceError, FaceRefused
from classroom.lms.csv_files import RosterFolder
from classroom.photos import PhotoError, PhotoMissing, PhotosRefused
from classroom.photos.folder import ENDINGS, FolderPhotos
from core.settings import Settings
from self_check import FAILED, OK, WARNING, Result

NAMED = 50  # photos
WITHIN = 300.0  # seconds for all photos; 500 take about a minute
AT_ONCE = 8  # photos in memory
PROGRESS_EVERY = 50  # photos
_FAULTS = {
    "heic": "a HEIC picture: save it as JPEG",
    "empty": "an empty file",
    "large": "too many pixels",
    "unreadable": "not a picture that can be read",
    "no face": "no face was found",
    "two faces": "more than one face",
    "sideways": "the face lies sideways",
    "small": "the face is too small",
    "blurred": "the face is not sharp",
}


class PhotoChecker(Protocol):
    async def check_photo(self, photo: bytes) -> str | None:
        """Return why an ID photo can't be used, or hardly. Raises FaceError."""

    async def close(self) -> None: ...


def check_faces(settings: Settings, engine: PhotoChecker | None = None, *, within: float = WITHIN) -> Result:
    """Try the ID photos in the folder. With Rekognition, too: nothing is sent, as each of its calls costs."""
    name = settings.face_engine
    if name == "none":
        return Result("faces", OK, "FACE_ENGINE is none: the teacher confirms everybody")
    if settings.aws_s3_bucket is not None:
        return Result("faces", OK, f"{name}; photos in the bucket {settings.aws_s3_bucket}, which is not read here")
    folder = settings.data_dir / "photos"
    if not folder.is_dir():
        detail = f"{name}, but there is no folder {folder} with ID photos: create it, or set FACE_ENGINE=none"
        return Result("faces", WARNING, detail)
    students = {file.stem for file in folder.iterdir() if file.suffix.lower().lstrip(".") in ENDINGS}
    if settings.base_url is None:
        rosters = RosterFolder(settings.data_dir / "rosters").read().students.values()
        students = {each.student_id for roster in rosters for each in roster if each.face_allowed}
    if engine is None:
        from classroom.faces.local import LocalEngine  # here: a large package

        engine = LocalEngine(settings.face_match_threshold)
    try:
        tried, missing, faults = asyncio.run(_try_all(engine, folder, sorted(students), within))
    except (PhotoError, FaceError) as error:
        return Result("faces", FAILED, str(error))
    have = f"{len(students) - missing} of {len(students)} students have a photo in {folder}"
    lines = [f"{name}; {have}; will not work: {len(faults)}"]
    if tried < len(students):
        lines.append(f"only {tried} were tried within {within:.0f} s")
    lines += [f"{student}: {fault}" for student, fault in sorted(faults.items())[:NAMED]]
    lines += [f"and {len(faults) - NAMED} more"] if len(faults) > NAMED else []
    return Result("faces", WARNING if missing or faults or tried < len(students) else OK, "\n".join(lines))


async def _try_all(
    engine: PhotoChecker, folder: Path, students: Iterable[str], within: float
) -> tuple[int, int, dict[str, str]]:
    """Return how many students were looked at, how many have no photo, and the faults by student ID."""
    photos, left, counts, faults = FolderPhotos(folder), list(students), {"tried": 0, "missing": 0}, dict[str, str]()
    number = len(left)

    async def work() -> None:
        while left:
            student = left.pop(0)
            try:
                fault = await engine.check_photo((await photos.photo(student)).content)
                if fault is not None:
                    faults[student] = _FAULTS.get(fault, fault)
            except PhotoMissing:
                counts["missing"] += 1
            except (PhotosRefused, FaceRefused):
                raise
            except (PhotoError, FaceError) as error:
                faults[student] = str(error)
            counts["tried"] += 1
            if counts["tried"] % PROGRESS_EVERY == 0:
                sys.stderr.write(f"ID photos: {counts['tried']} of {number}\n")

    try:
        async with asyncio.timeout(within), asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
    except TimeoutError:
        pass  # the table says how many were tried
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    finally:
        await engine.close()
    return counts["tried"], counts["missing"], faults
