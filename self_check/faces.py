"""Check of the ID photos: each is tried with the detector of the face check, and those that will not work are named."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from classroom.domain.sorting import name_key
from classroom.faces import FaceError, FaceRefused
from classroom.lms.csv_files import RosterFolder
from classroom.photos import PhotoError, PhotoMissing, PhotosRefused
from classroom.photos.folder import ENDINGS, FolderPhotos
from core.settings import Settings
from self_check import FAILED, OK, WARNING, Result, named

if TYPE_CHECKING:
    from classroom.faces.local import LocalEngine

WITHIN = 300.0  # seconds for all photos; 500 take about a minute
AT_ONCE = 8  # photos in memory
PROGRESS_EVERY = 50  # photos
_WORDS = {"heic": "HEIC: save it as JPEG", "large": "too many pixels", "small": "the face is too small"}
_MISSING = "no photo"


def check_faces(settings: Settings, engine: "LocalEngine | None" = None, *, within: float = WITHIN) -> Result:
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

        engine = LocalEngine()
    try:
        found = asyncio.run(_try_all(engine, folder, sorted(students), within))
    except (PhotoError, FaceError) as error:
        return Result("faces", FAILED, str(error))
    missing, faults = list(found.values()).count(_MISSING), {k: v for k, v in found.items() if v not in ("", _MISSING)}
    have = f"{len(students) - missing} of {len(students)} students have a photo in {folder}"
    lines = [f"{name}; {have}; will not work: {len(faults)}"]
    lines += [f"only {len(found)} were tried within {within:.0f} s"] if len(found) < len(students) else []
    lines += named([f"{student}: {faults[student]}" for student in sorted(faults, key=name_key)])
    return Result("faces", WARNING if missing or len(lines) > 1 else OK, "\n".join(lines))


async def _try_all(engine: "LocalEngine", folder: Path, students: Sequence[str], within: float) -> dict[str, str]:
    """Return what is wrong with each student's photo, an empty text if nothing is; without those not tried in time."""
    photos, left, found = FolderPhotos(folder), list(students), dict[str, str]()

    async def work() -> None:
        while left:
            student = left.pop(0)
            try:
                fault = await engine.check_photo((await photos.photo(student)).content) or ""
                found[student] = _WORDS.get(fault, str(fault))
            except PhotoMissing:
                found[student] = _MISSING
            except (PhotosRefused, FaceRefused):
                raise
            except (PhotoError, FaceError) as error:
                found[student] = str(error)
            if len(found) % PROGRESS_EVERY == 0:
                sys.stderr.write(f"ID photos: {len(found)} of {len(students)}\n")

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
    return found
